"""A silent swap of the model, wholly or on some of the rows, told through the command line on real rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from backslide.contracts.cause import CauseKind, Confidence
from backslide.contracts.shadow import Shadow, ShadowVerdict
from commands import backslide
from real import by_cli, worlds
from real.periods import PERIODS
from scale import AT_FULL_SIZE

pytestmark = [pytest.mark.data, pytest.mark.rates]
HOSTS = list("abcde")


@dataclass(frozen=True)
class Swap:
    """A quiet period, the features that the new model does without, and the rows that it answers."""

    period: str
    without: int
    rows: Callable[[pl.DataFrame], pl.Series]
    segment: str | None

    @property
    def windows(self) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
        """Reference, current as the old model serves it, and as it was served."""
        return made(self)


@cache
def made(swap: Swap) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    period = PERIODS[swap.period]
    rng = np.random.default_rng(0)
    rows = period.rows.with_columns(host=pl.Series(rng.choice(HOSTS, period.rows.height)))
    reference, sound = worlds.halves(rows, 0)
    new, answers = challenger(swap), [c for c in sound.columns if c.startswith(("p_", "served_"))]
    chosen = swap.rows(sound)
    other = new.serve(sound)
    mixed = sound.with_columns(pl.when(chosen).then(other[c]).otherwise(pl.col(c)).alias(c) for c in answers)
    return reference, sound, mixed


@cache
def challenger(swap: Swap) -> worlds.Served:
    """A model of the same roles that was trained on fewer rows and fewer columns."""
    served = PERIODS[swap.period].served
    label, regression = served.roles["label"], served.roles.get("task") == "regression"
    train = served.log.gather_every(7)
    return worlds.serve(train.head(400), train.head(10), label, served.features[swap.without :], regression=regression)


def everywhere(rows: pl.DataFrame) -> pl.Series:
    return pl.Series(np.ones(rows.height, bool))


def two_hosts(rows: pl.DataFrame) -> pl.Series:
    return rows["host"].is_in(["b", "d"])


def some_hours(rows: pl.DataFrame) -> pl.Series:
    return rows["pickup_time"].dt.hour().is_between(12, 16)


SWAPS = {
    "census, everywhere": Swap("census", 4, everywhere, None),
    "census, two hosts of five": Swap("census", 4, two_hosts, "host IN ('b', 'd')"),
    "noaa, two hosts of five": Swap("noaa", 3, two_hosts, "host IN ('b', 'd')"),
    "taxi, five hours": Swap("taxi", 3, some_hours, "EXTRACT(HOUR FROM pickup_time) IN (12, 13, 14, 15, 16)"),
}
HERE = [name for name in SWAPS if AT_FULL_SIZE or not name.startswith("noaa")]
each_swap = pytest.mark.parametrize("swap", [SWAPS[name] for name in HERE], ids=HERE)


def value(swap: Swap, rows: pl.DataFrame, metric: str) -> float:
    """The metric by other means than the package's own."""
    label = PERIODS[swap.period].served.roles["label"]
    if metric == "mae":
        return float((rows["served_prediction"] - rows[label]).abs().mean())
    assert metric == "accuracy"
    return float((rows["served_prediction"] == rows[label].cast(pl.String)).mean())


@each_swap
def test_swap_is_proven_first_with_its_rows_and_points(swap, tmp_path):
    served = PERIODS[swap.period].served
    reference, sound, mixed = swap.windows
    report = by_cli.diagnose(tmp_path, reference, mixed, served.roles, model=served.model, quick=True)
    d = report.diagnosis
    assert report.code == 1
    first = d.causes[0]
    assert (first.kind, first.confidence) == (CauseKind.MODEL_CHANGE, Confidence.PROVEN)
    assert first.segment == swap.segment
    assert first.share_of_rows == pytest.approx(swap.rows(sound).mean(), abs=0.02)
    harm = value(swap, mixed, d.metric.name) - value(swap, sound, d.metric.name)
    assert first.points.estimate == pytest.approx(harm, rel=0.1)
    found = shadow_of(tmp_path)
    assert found.verdict is ShadowVerdict.OLD_BETTER
    assert found.metric.difference.estimate == pytest.approx(harm, rel=0.1)
    assert found.worlds.old_model_new_data == pytest.approx(value(swap, sound, d.metric.name), rel=0.02)


@pytest.mark.parametrize(
    "swap", [SWAPS["census, two hosts of five"], SWAPS["taxi, five hours"]], ids=["census", "taxi"]
)
def test_nothing_is_named_where_old_and_new_are_the_same(swap, tmp_path):
    served = PERIODS[swap.period].served
    reference, sound, _ = swap.windows
    d = by_cli.diagnose(tmp_path, reference, sound, served.roles, model=served.model, quick=True).diagnosis
    assert not [c for c in (*d.causes, *d.harmless) if c.kind is CauseKind.MODEL_CHANGE]
    assert shadow_of(tmp_path, code=0).verdict is ShadowVerdict.NO_DIFFERENCE


def shadow_of(folder: Path, code: int = 1) -> Shadow:
    """``backslide shadow`` on the configuration that is there."""
    written = folder / "shadow.json"
    ran = backslide(folder, "shadow", "backslide.toml", "--json", written)
    assert ran.code == code, ran.err
    return Shadow.from_dict(json.loads(written.read_text(encoding="utf-8")))
