"""Tables at the ends of what there is: they end, take memory by their size, and the fault beside the odd column is named."""

from __future__ import annotations

import subprocess
import sys
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import backslide as bs
from backslide.case import Case
from backslide.contracts.config import Settings
from backslide.contracts.errors import LabelError
from backslide.engine.window import open_windows
from backslide.jobs.diagnose import diagnose
from backslide.jobs.verdict import judge
from backslide.log.rollup import rollup

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
ROLES = bs.Roles(label="label", prediction="prediction", timestamp="at", scores={"yes": "p"})
EXTREMES: dict[str, tuple[list[Any], Any]] = {
    "small": ([1e-200, 2e-200, 5e-324, 0.0, -1e-200], pl.Float64),
    "large": ([1e200, -1e200, 1.7e308, -1.7e308, 1.0], pl.Float64),
    "not_finite": ([float("inf"), -float("inf"), float("nan"), None, 1.0], pl.Float64),
    "decimal": ([Decimal(int("9" * 38)), Decimal(int("-" + "9" * 38)), Decimal(0)], pl.Decimal(38, 0)),
    "signed": ([2**63 - 1, -(2**63), 0, 1], pl.Int64),
    "unsigned": ([2**64 - 1, 0, 2**63], pl.UInt64),
    "day": ([date(1, 1, 1), date(9999, 12, 31), date(2026, 1, 1)], pl.Date),
    "moment": ([datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59), None], pl.Datetime("us")),
    "single": ([1e-45, 3.4e38, -3.4e38], pl.Float32),
}


def month(seed: int, rows: int, *, broken: bool, more: dict[str, pl.Series]) -> pl.DataFrame:
    """A month of a model that reads an income; broken, the income comes as a tenth of it."""
    rng = np.random.default_rng(seed)
    income = rng.normal(50, 10, rows)
    seen = income / 10 if broken else income
    answers = rng.random(rows) < 1 / (1 + np.exp(-(income - 50) / 5))
    score = 1 / (1 + np.exp(-(seen - 50) / 5))
    start = datetime(2026, 1 + seed, 1)
    return pl.DataFrame(
        {
            "id": [f"{seed}-{k}" for k in range(rows)],
            "at": [start + timedelta(seconds=27 * 86_400 * k // rows) for k in range(rows)],
            "income": seen,
            "p": score,
            "prediction": np.where(score > 0.5, "yes", "no"),
            "label": np.where(answers, "yes", "no"),
            **more,
        }
    )


def months(rows: int, **columns: pl.Series) -> list[pl.DataFrame]:
    """A sound and a broken month with the same columns beside the income."""
    return [month(k, rows, broken=k == 1, more=columns) for k in (0, 1)]


def extremes(rows: int) -> dict[str, pl.Series]:
    return {
        name: pl.Series(name, [values[k % len(values)] for k in range(rows)], dtype=kind)
        for name, (values, kind) in EXTREMES.items()
    }


def assert_the_fault_is_named(reference: Any, current: Any, columns: list[str], **options: Any) -> None:
    options.setdefault("roles", ROLES.model_copy(update={"features": ("income", *columns)}))
    answer = diagnose(reference, current, quick=True, **options)
    assert answer.verdict.value == "degraded"
    assert (answer.causes[0].kind.value, answer.causes[0].features) == ("unit_change", ("income",))


def test_extreme_numbers_and_times_hide_no_fault():
    assert_the_fault_is_named(*months(600, **extremes(600)), [*EXTREMES])


@pytest.mark.parametrize("size", [1e-200, 1e-150, 1e150, 1e300])
def test_numbers_whose_squares_leave_the_range_of_floats_are_refused_in_one_line(size: float):
    frames = [frame.with_columns(label=size * pl.col("income"), p=size * 50.0) for frame in months(300)]
    with pytest.raises(
        LabelError, match=r"'(label|p)' holds numbers such as \d\.\de\u2212?\d+, which cannot be squared twice"
    ):
        bs.diagnose(*frames, roles=bs.Roles(label="label", prediction="p"), task="regression")


def test_answers_that_came_to_nothing_are_judged():
    reference, current = (frame.with_columns(label=pl.col("income"), p=pl.col("income") + 1) for frame in months(300))
    settings = Settings.from_dict({"model": {"label": "label", "prediction": "p", "task": "regression"}})
    case = Case(open_windows(reference, current.with_columns(p=pl.col("p") * 1e-200), settings), settings)
    assert judge(case).verdict == "degraded"


@pytest.mark.parametrize("size", [1e-55, 1e55])
def test_intervals_follow_the_unit(size: float):
    model = {"label": "label", "prediction": "p", "task": "regression", "metric": "rmse"}
    settings, noise = Settings.from_dict({"model": model}), np.random.default_rng(5).normal(size=(2, 400))

    def change(unit: float) -> list[float]:
        frames = [
            frame.select("income", label=unit * pl.col("income"), p=unit * (pl.col("income") + (5 + 3 * k) * noise[k]))
            for k, frame in enumerate(months(400))
        ]
        found = judge(Case(open_windows(*frames, settings), settings)).change
        return [found.low / unit, found.estimate / unit, found.high / unit]

    ends = change(1.0)
    assert change(size) == pytest.approx(ends, rel=1e-6)
    assert ends == sorted(set(ends))


def test_extreme_numbers_come_through_recorder_and_rollup(tmp_path: Path):
    with bs.Recorder("m", store=tmp_path / "log") as recorder:
        for frame in months(400, **extremes(400)):
            for row in frame.iter_rows(named=True):
                given = {name: row[name] for name in ("income", *EXTREMES)}
                assert recorder.record(given, row["prediction"], {"yes": row["p"]}, id=row["id"], at=row["at"])
                assert recorder.label(row["id"], row["label"], at=row["at"])
    (done,) = rollup(tmp_path / "log")
    assert (done.rows["predictions"], done.rows["labels"], done.set_aside, done.broken) == (800, 800, 0, 0)
    roles = {"label": "label", "prediction": "prediction", "timestamp": "at", "scores": {"yes": "p_yes"}, "id": "id"}
    settings = Settings.from_dict(
        {"model": {**roles, "features": ["income", *EXTREMES]}, "data": {"source": str(tmp_path / "log")}}
    )
    assert_the_fault_is_named("2026-01-01..2026-01-31", "2026-02-01..2026-02-28", [], settings=settings, roles=None)


def test_a_hundred_thousand_categories_hide_no_fault():
    rng = np.random.default_rng(5)
    names = pl.Series("city", [f"c{k}" for k in rng.permutation(100_000)])
    assert_the_fault_is_named(*months(100_000, city=names), ["city"])


@pytest.mark.slow
def test_a_cell_takes_memory_by_its_size():
    program = (
        "import sys, resource; sys.path.insert(0, sys.argv[1]); import test_extreme_tables as tables; import polars as pl; "
        "text = pl.Series('text', ['a few words'] * 1500 + ['word ' * int(sys.argv[2])] + ['other words'] * 1499); "
        "tables.assert_the_fault_is_named(*tables.months(3000, text=text), ['text']); "
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)"
    )
    peaks = []
    for words in (1, 2_000_000):
        command = [sys.executable, "-W", "ignore", "-c", program, str(Path(__file__).parent), str(words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)
        peaks.append(int(done.stdout.split()[-1]))
    assert (
        peaks[1] - peaks[0] < 25 * 2 * 10_000_000
    )  # two cells of ten megabytes; 12 times as much when this was written
