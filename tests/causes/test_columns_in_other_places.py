"""Columns in each other's place or of another scale, and texts that were damaged or misplaced, of which some rows tell."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.case import Case
from backslide.causes.columns.monotone_transforms import find_affine
from backslide.causes.columns.text_damage_of_some import damage_of_some, reach
from backslide.causes.faults.misfits import anything_moved
from backslide.causes.faults.mixtures import _free_factor
from backslide.causes.faults.signatures.copied_column import CopiedColumn
from backslide.causes.faults.signatures.texts_of_other_rows import _misplaced
from backslide.causes.pricing.materiality import Scale, row_fault_stands
from backslide.contracts.cause import CauseKind
from backslide.contracts.config import Settings
from backslide.engine.columns.kinds import ColumnKind
from backslide.engine.columns.pair import Pair
from backslide.engine.window import open_windows
from backslide.playbook.base import Scenario
from backslide.stats.change.effect import Effect
from backslide.stats.metrics.metric import METRICS
from causes.related_columns import weeks
from worlds import causes_of

pytestmark = pytest.mark.filterwarnings("error")
KINDS = [
    f"{a}{b}" for a in ("ka", "ro", "mi", "su", "te") for b in ("lan", "per", "dor", "vin", "bus", "gat", "mol", "nek")
]


def effect(value: float, z: float) -> Effect:
    """An effect that lies so many standard errors from none."""
    return Effect(value, value + abs(value / z) * np.random.default_rng(0).standard_normal(400))


@pytest.mark.parametrize(
    ("repair", "loss", "injection", "reversible", "stands"),
    [
        (effect(0.05, 6), None, None, True, True),
        (effect(0.004, 1), effect(-0.02, 6), effect(-0.06, 9), False, True),  # guesses bring little back
        (effect(0.004, 1), effect(-0.02, 6), effect(-0.06, 9), True, False),  # values that are restored must
        (effect(0.004, 1), effect(-0.02, 2), effect(-0.06, 9), False, False),
        (effect(0.004, 1), effect(-0.02, 6), effect(-0.001, 1), False, False),
        (effect(-0.004, -1), effect(-0.02, 6), effect(-0.06, 9), False, False),
    ],
)
def test_a_lost_value_may_prove_itself_by_the_row_loss(repair, loss, injection, reversible, stands):
    fault = SimpleNamespace(
        repair_effect=repair,
        repair_loss=loss,
        injection_effect=injection,
        reversible=reversible,
        log_only=False,
        loss_is_accuracy=False,
    )
    assert row_fault_stands(fault, Scale(METRICS["accuracy"], effect(-0.06, 5), 0.01)) is stands


@pytest.mark.parametrize("factor", [0.31, 2.37, 9.1])
def test_a_factor_of_no_known_unit_on_some_rows(factor):
    rng = np.random.default_rng(6)
    ref, cur = rng.lognormal(3, 0.5, 4000), rng.lognormal(3.03, 0.5, 4000)
    cur = np.where(rng.random(4000) < 0.4, factor * cur, cur)
    assert _free_factor(np.sort(ref), np.sort(cur)).factor == pytest.approx(factor, rel=0.1)


def test_rows_are_asked_where_a_column_without_a_known_fault_moved():
    still = worlds.case_of(weeks(35, drift=0.0))
    broken = worlds.case_of(weeks(35, lambda rows, _: rows.with_columns(pl.col("tax") % 100), drift=0.0))
    misplaced = worlds.case_of(weeks(35, lambda rows, rng: rows.with_columns(rows["tax"].shuffle(1)), drift=0.0))
    assert [anything_moved(case, []) for case in (still, broken, misplaced)] == [False, True, True]
    assert not anything_moved(broken, [SimpleNamespace(features=("tax",), kind=CauseKind.UNIT_CHANGE)])


@pytest.mark.sample(1)
def test_noise_on_some_rows_is_named_at_what_it_costs_there():
    """Spread over all rows it would cost nothing; on the rows that do not fit it does."""

    def noisy(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        hit = rng.random(rows.height) < 0.3
        return rows.with_columns(
            tax=pl.Series(np.where(hit, 1.0, 0.0) * rng.normal(0, 200, rows.height)) + pl.col("tax")
        )

    diagnosis = causes_of(weeks(36, noisy))
    first = diagnosis.causes[0]
    assert first.features == ("tax",)
    assert first.kind in (CauseKind.ADDED_NOISE, CauseKind.UNRECOGNISED_FAULT)
    assert first.points.estimate < -0.01


@pytest.mark.sample(1)
def test_a_fault_is_found_although_the_world_became_easier():
    """Labels of the former weeks were noisier, so that the metric rose while a column broke."""

    def scaled(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        return rows.with_columns(size=pl.col("size").max() + pl.col("size").min() - pl.col("size"))

    scenario = weeks(34, scaled)
    flip = pl.Series(np.random.default_rng(7).random(scenario.reference.height) < 0.45)
    noisy = pl.when(flip).then(1 - pl.col("sold")).otherwise("sold").alias("sold")
    diagnosis = causes_of(
        Scenario(scenario.reference.with_columns(noisy), scenario.current, scenario.model, scenario.artefact)
    )
    assert diagnosis.metric.current > diagnosis.metric.reference
    assert (diagnosis.causes[0].kind, diagnosis.causes[0].features) == (CauseKind.SIGN_FLIP, ("size",))


def sentences(n: int, seed: int, words: list[str] = KINDS) -> list[str]:
    rng = np.random.default_rng(seed)
    made = []
    for size in rng.integers(8, 25, n):
        told = [str(w) for w in rng.choice(words, size)]
        told[int(rng.integers(size))] = str(rng.integers(10, 9999))
        made.append(f"The {' '.join(told)} is to the {told[0]}.")
    return made


DAMAGES = {
    "cut off after 40": lambda t: t[:40],
    "lost its beginning": lambda t: t[len(t) // 2 :].lstrip("0123456789. ").lower() or t,
    "twice": lambda t: f"{t} {t}",
    "starts with": lambda t: f"-- Sent from the new application -- {t}",
    "tags of HTML": lambda t: f"<div>{t}</div>",
    "in place of numbers": lambda t: " ".join("<NUM>" if w.strip(".").isdigit() else w for w in t.split()),
    "capital letters": str.upper,
    "misread": lambda t: " ".join(w if w.isdigit() else w[::-1] + "x" for w in t.split()),
    "blanks": lambda t: t.replace(" ", ""),
}


@pytest.mark.parametrize("words", DAMAGES)
def test_damage_of_one_text_in_ten_is_told_by_these_texts(words):
    before, now = sentences(600, 1), sentences(600, 2)
    rng = np.random.default_rng(3)
    hit = rng.random(600) < 0.1
    found = damage_of_some(before, [DAMAGES[words](t) if h else t for t, h in zip(now, hit, strict=True)])
    assert found is not None
    damage, usual, share = found
    assert words in damage.seen
    assert (usual, share) == pytest.approx((0.0, hit.mean()), abs=0.02)
    assert reach(damage, before) > 0.5


@pytest.mark.parametrize("seed", range(8))
def test_sound_texts_of_other_topics_are_not_damaged(seed):
    """Two in five texts are of a topic with a third of words that were never used before."""
    new = [*KINDS[:20], *(f"{w}s" for w in KINDS[:10])]
    texts = [*sentences(360, 2 * seed), *sentences(240, 2 * seed + 1, new)]
    assert damage_of_some(sentences(600, 100 + seed), texts) is None


def two_texts(seed: int, share: float) -> tuple[Pair, Pair]:
    """Titles and bodies that use the words of their titles; of a share of the current rows the bodies are others'."""
    rng = np.random.default_rng(seed)
    columns: dict[str, list[pl.Series]] = {"title": [], "body": []}
    for part in (0.0, share):
        titles = [" ".join(rng.choice(KINDS, 4, replace=False)) for _ in range(600)]
        bodies = [f"They say that {t} {' '.join(rng.choice(KINDS, 8))} and so on." for t in titles]
        hit = np.flatnonzero(rng.random(600) < part)
        order = np.arange(600)
        order[hit] = np.roll(hit, 1)
        columns["title"].append(pl.Series([f"{t} {i}" for i, t in enumerate(titles)]))
        columns["body"].append(pl.Series([bodies[k] for k in order]))
    title, body = (Pair(name, ColumnKind.CATEGORICAL, *parts) for name, parts in columns.items())
    return title, body


@pytest.mark.parametrize("share", [0.15, 0.5, 1.0])
def test_texts_of_other_rows_share_no_words(share):
    found = _misplaced(*two_texts(4, share))
    assert found is not None
    assert found[1] == pytest.approx(share, abs=0.08)


@pytest.mark.parametrize("seed", range(6))
def test_texts_of_their_own_rows_are_left_alone(seed):
    assert _misplaced(*two_texts(seed, 0.0)) is None


@pytest.mark.sample(1)
@pytest.mark.parametrize("drift", [0.0, 0.5])
def test_three_columns_in_a_ring(drift):
    def shifted(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        return rows.with_columns(size=pl.col("tax"), tax=pl.col("age"), age=pl.col("size"))

    first = causes_of(weeks(31, shifted, drift=drift)).causes[0]
    assert (first.kind, set(first.features)) == (CauseKind.SWAPPED_COLUMNS, {"size", "tax", "age"})
    assert first.points.estimate < -0.05


@pytest.mark.sample(1)
@pytest.mark.parametrize("share", [1.0, 0.3])
def test_a_column_that_holds_another_ones_values(share):
    def copied(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        hit = pl.Series(rng.random(rows.height) < share)
        return rows.with_columns(pl.when(hit).then("age").otherwise("size").alias("size"))

    first = causes_of(weeks(32, copied, drift=0.4)).causes[0]
    assert (first.kind, first.features) == (CauseKind.SWAPPED_COLUMNS, ("size",))
    assert "holds the values of age" in first.summary
    assert first.share_of_rows == pytest.approx(share, abs=0.02)


@pytest.mark.sample(1)
@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda x: (x - x.mean()) / x.std(), CauseKind.UNIT_CHANGE),
        (lambda x: x.rank() / x.count(), CauseKind.UNIT_CHANGE),
        (lambda x: x.max() + x.min() - x, CauseKind.SIGN_FLIP),
    ],
)
def test_another_scale_whatever_it_is(change, kind):
    """Values keep their order, or its reverse, among what the other columns foretell."""
    first = causes_of(
        weeks(33, lambda rows, _: rows.with_columns(change(pl.col("size")).alias("size")), drift=0.4)
    ).causes[0]
    assert (first.kind, first.features) == (kind, ("size",))
    assert first.repair.points_back.low > 0


def test_another_scale_and_origin_is_told_from_a_season_of_prices():
    rng = np.random.default_rng(7)
    before, later = rng.lognormal(6, 0.4, 4000), rng.lognormal(6, 0.4, 3000)

    def found(values):
        return find_affine(Pair("price", ColumnKind.NUMERIC, pl.Series(before), pl.Series(values)))

    standardised = found((later - before.mean()) / before.std())
    assert standardised is not None
    assert standardised.exact
    assert standardised.undo(np.array([0.0]))[0] == pytest.approx(before.mean(), rel=0.05)
    assert found(0.64 * later + 30) is None, "a price at another level and spread"
    assert found(later) is None


@pytest.mark.parametrize("copy", ["x", "z"])
def test_of_two_columns_of_like_range_the_copy_is_named_and_never_the_source(copy: str):
    def month(seed: int, *, broken: bool) -> pl.DataFrame:
        rng = np.random.default_rng(seed)
        x, z, w = rng.normal(size=(3, 1500))
        label = np.where(rng.random(1500) < 1 / (1 + np.exp(-2 * x)), "yes", "no")
        columns = {"x": x, "z": z, "w": z + w}
        if broken:
            columns[copy] = columns["z" if copy == "x" else "x"]
        score = 1 / (1 + np.exp(-2 * columns["x"]))
        prediction = np.where(score > 0.5, "yes", "no")
        return pl.DataFrame({**columns, "p": score, "prediction": prediction, "label": label})

    roles = {"label": "label", "prediction": "prediction", "scores": {"yes": "p"}}
    settings = Settings.from_dict({"model": roles})

    def recognised(*, broken: bool) -> list[tuple[str, ...]]:
        windows = open_windows(month(1, broken=False), month(2, broken=broken), settings)
        return [hypothesis.features for hypothesis in CopiedColumn().recognise(Case(windows, settings))]

    assert recognised(broken=True) == [(copy,)]
    assert recognised(broken=False) == []
