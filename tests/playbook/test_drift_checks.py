"""What each drift check says about data with a known change, and what it leaves alone."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from scipy import stats

import worlds
from backslide.contracts.evidence import Histograms, Scatter, Series
from backslide.contracts.finding import Finding, Severity
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario
from backslide.playbook.registry import all_checks
from backslide.stats.two_sample import wasserstein

CHECKS = {check.code: check for check in all_checks()}
LOUD = Severity.WARN.rank


def said(code: str, reference: pl.DataFrame, current: pl.DataFrame, artefact: object = None) -> dict[str, Finding]:
    """Findings of one check by subject, before false discoveries are controlled."""
    case = worlds.case_of(Scenario(reference, current, dict(scenarios.ROLES), artefact))
    check = CHECKS[code]
    return {f.subject: f for f in check(check.thresholds).run(case)}


def months(seed: int = 1, **options) -> tuple[pl.DataFrame, pl.DataFrame]:
    rng = np.random.default_rng(seed)
    return scenarios.served(rng, **options), scenarios.next_month(rng, **options)


def late(frame: pl.DataFrame, days: int) -> np.ndarray:
    """Rows served ``days`` and more after the first."""
    start = frame["served_at"].min()
    return (frame["served_at"] >= start + timedelta(days=days)).to_numpy()


def test_a_numeric_drift_has_figures_a_date_and_a_chart_by_day():
    reference, current = months()
    moved = late(current, 10)
    current = current.with_columns(age=pl.Series(current["age"].to_numpy() + 15 * moved))
    found = said("DRF001", reference, current)["age"]
    assert found.severity.rank >= LOUD
    assert found.p_value < 1e-4
    began = current["served_at"].min().date() + timedelta(days=10)
    assert abs(date.fromisoformat(found.since) - began) <= timedelta(days=1)
    assert found.estimate.low < 15 * moved.mean() < found.estimate.high
    assert {"wasserstein", "variance_ratio", "ks", "tails_change", "reference_distinct"} <= set(found.numbers)
    (series,) = [e for e in found.evidence if isinstance(e, Series)]
    assert series.band is not None
    assert {p.window for p in series.points} == {"reference", "current"}
    assert found.since in series.reading


def test_a_quiet_numeric_feature_says_what_it_could_have_missed():
    reference, current = months(rows=4000)
    found = said("DRF001", reference, current)
    assert found["age"].severity == Severity.OK
    assert 0 < found["age"].detectable < 0.5 * reference["age"].std()
    assert found["age"].since is None
    assert "noise of days" in found["age"].basis
    small = said("DRF001", reference[::10], current[::10])
    assert small["age"].detectable > 1.5 * found["age"].detectable


def test_without_times_rows_are_the_noise():
    frames = [frame.drop("served_at") for frame in months()]
    roles = {k: v for k, v in scenarios.ROLES.items() if k != "timestamp"}
    case = worlds.case_of(Scenario(frames[0], frames[1].with_columns(pl.col("age") + 20), roles))
    check = CHECKS["DRF001"]
    found = {f.subject: f for f in check(check.thresholds).run(case)}["age"]
    assert found.severity.rank >= LOUD
    assert found.since is None
    assert "noise of rows" in found.basis


def test_quiet_features_are_drawn_where_the_model_leans_on_them():
    reference, current = months()
    found = said("DRF001", reference, current, scenarios.TrueModel())
    assert any(isinstance(e, Histograms) for e in found["income"].evidence)
    extra = {f"n{i}": np.random.default_rng(i).normal(size=reference.height) for i in range(12)}
    crowded = [f.with_columns(**{k: pl.Series(v) for k, v in extra.items()}) for f in (reference, current)]
    found = said("DRF001", *crowded, scenarios.TrueModel())
    assert sum(bool(f.evidence) for f in found.values()) <= 10


def test_wasserstein_is_scipys_for_numbers_on_a_grid():
    rng = np.random.default_rng(1)
    g, b = rng.normal(size=4000), 1.5 * rng.normal(size=3000) + 0.2
    points = np.linspace(-8, 8, 4001)
    below = [np.searchsorted(np.sort(v), points) / len(v) for v in (g, b)]
    assert wasserstein(points, below[0], below[1]) == pytest.approx(stats.wasserstein_distance(g, b), rel=0.01)
    assert wasserstein(points[:1], below[0][:1], below[1][:1]) == 0


def test_a_renamed_category_is_unseen_and_the_old_one_gone():
    reference, current = months()
    current = current.with_columns(pl.col("channel").replace("phone", "telephone"))
    found = said("DRF002", reference, current)["channel"]
    assert found.severity == Severity.FAIL
    assert found.numbers["unseen"] == "telephone"
    assert found.numbers["vanished"] == "phone"
    assert found.since == str(current["served_at"].min().date())


def test_columns_of_many_codes_meet_new_ones_by_nature():
    """Codes with a long tail: new ones appear at the rate that the reference itself knows."""
    rng = np.random.default_rng(2)
    frames = []
    for frame in months(2):
        codes = np.minimum(rng.zipf(1.4, frame.height), 10**6)
        frames.append(frame.with_columns(code=pl.Series([f"c{c}" for c in codes])))
    found = said("DRF002", *frames)["code"]
    assert found.numbers["unseen_share"] > 0.01
    assert found.severity == Severity.OK or found.p_value > 0.01
    fresh = frames[1].with_columns(code=pl.when(pl.col("age") < 24).then(pl.lit("new")).otherwise("code"))
    assert said("DRF002", frames[0], fresh)["code"].p_value < 1e-4


def test_missing_infinite_and_empty_are_told_apart():
    reference, current = months()
    n = current.height
    reference = reference.with_columns(note=pl.lit("x"))
    part = np.arange(n) % 5 == 0
    current = current.with_columns(
        income=pl.when(pl.Series(part)).then(np.inf).otherwise("income"),
        age=pl.when(pl.Series(part)).then(None).otherwise("age"),
        note=pl.Series(np.where(part, "  ", "x").tolist()),
    )
    found = said("DRF003", reference, current)
    assert {"age", "income (infinite)", "note (empty)"} == {k for k, f in found.items() if f.severity == Severity.FAIL}
    assert found["age"].estimate.low < 0.2 < found["age"].estimate.high
    assert found["age"].p_value < 1e-6


def test_nan_in_place_of_null_is_a_note():
    reference, current = months()
    gone = pl.Series(np.arange(current.height) % 10 == 0)
    reference = reference.with_columns(income=pl.when(gone).then(None).otherwise("income"))
    current = current.with_columns(income=pl.when(gone).then(float("nan")).otherwise("income"))
    found = said("DRF003", reference, current)
    assert found["income"].severity == Severity.OK
    assert found["income (kind)"].severity == Severity.NOTE
    assert "come as NaN, as null before" in found["income (kind)"].summary


def test_fewer_missing_values_are_a_note():
    reference, current = months()
    gone = pl.Series(np.arange(reference.height) % 10 == 0)
    reference = reference.with_columns(age=pl.when(gone).then(None).otherwise("age"))
    assert said("DRF003", reference, current)["age"].severity == Severity.NOTE


def dated(rng: np.random.Generator, frame: pl.DataFrame, days: float = 200) -> pl.DataFrame:
    ages = rng.exponential(days, frame.height)
    at = [t - timedelta(days=float(a)) for t, a in zip(frame["served_at"].to_list(), ages, strict=True)]
    return frame.with_columns(opened=pl.Series(at), day=pl.Series([t.date() for t in at]))


def test_dates_that_move_on_with_time_are_quiet():
    rng = np.random.default_rng(3)
    reference, current = (dated(rng, frame) for frame in months(3))
    found = said("DRF005", reference, current)
    assert {"opened", "opened (hour)", "opened (weekday)", "day", "day (weekday)"} <= set(found)
    assert not any(f.severity.rank >= LOUD and f.p_value < 0.001 for f in found.values())


@pytest.mark.parametrize(
    ("change", "subject"),
    [
        (lambda f: f.with_columns(pl.col("opened") - timedelta(days=60)), "opened"),
        (lambda f: f.with_columns(pl.col("opened").dt.truncate("1d")), "opened (at midnight)"),
        (
            lambda f: f.with_columns(opened=pl.when(pl.col("age") < 30).then(None).otherwise("opened")),
            "opened (missing)",
        ),
        (lambda f: f.with_columns(pl.col("opened").dt.truncate("1w")), "opened (weekday)"),
        (lambda f: f.with_columns(day=pl.col("day") + timedelta(days=30)), "day (in the future)"),
        (lambda f: f.with_columns(opened=f["served_at"].min() - timedelta(days=1)), "opened"),
    ],
    ids=["stale", "midnight", "missing", "weekday", "future", "stands still"],
)
def test_dates_that_go_wrong_are_named(change, subject):
    rng = np.random.default_rng(4)
    reference, current = (dated(rng, frame) for frame in months(4))
    found = said("DRF005", reference, change(current))[subject]
    assert found.severity.rank >= LOUD
    assert found.p_value < 1e-3
    assert found.evidence


@pytest.mark.parametrize("dtype", [pl.Time, pl.Duration("us"), pl.Datetime("us", "Europe/Vienna"), pl.Date])
def test_every_kind_of_time_is_read(dtype):
    reference, current = (
        f.with_columns(
            x=(
                pl.col("served_at").dt.time()
                if dtype == pl.Time
                else (pl.col("served_at") - pl.col("served_at").min()).cast(pl.Duration("us"))
                if dtype == pl.Duration
                else pl.col("served_at").dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Vienna")
                if dtype != pl.Date
                else pl.col("served_at").cast(pl.Date)
            )
        )
        for f in months(5)
    )
    assert any(subject.startswith("x") for subject in said("DRF005", reference, current))


def test_a_number_that_comes_as_text_is_a_change_of_type():
    reference, current = months()
    found = said("DRF006", reference, current.with_columns(pl.col("age").cast(pl.String)))
    assert found["age (type)"].severity == Severity.FAIL
    assert "Int64 → String" in found["age (type)"].summary
    found = said("DRF006", reference, current.with_columns(pl.col("age").cast(pl.Int32)))
    assert found["age (type)"].severity == Severity.NOTE


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (pl.col("channel").str.to_uppercase(), "case"),
        (pl.col("channel") + " ", "blanks"),
        (pl.lit("'") + pl.col("channel") + "'", "quotes"),
        (pl.col("channel").str.replace("e", "é"), "beyond ASCII"),
        (pl.Series([f"{i % 9}" for i in range(3000)]), "look like numbers"),
    ],
    ids=["case", "blanks", "quotes", "ascii", "numbers"],
)
def test_formats_of_text_are_compared(change, words):
    reference, current = months()
    found = said("DRF006", reference, current.with_columns(channel=change))["channel"]
    assert found.severity.rank >= LOUD
    assert found.p_value < 1e-4
    assert any(words in str(row[0]) for e in found.evidence for row in e.rows)


def test_formats_of_dates_in_text_and_of_whole_numbers():
    reference, current = months()
    day = pl.col("served_at").dt
    found = said(
        "DRF006",
        reference.with_columns(on=day.strftime("%Y-%m-%d"), income=pl.col("income").round()),
        current.with_columns(on=day.strftime("%d.%m.%Y")),
    )
    assert found["on"].severity == Severity.FAIL
    assert found["income"].severity == Severity.FAIL
    assert "whole numbers" in found["income"].summary


def test_longer_free_texts_and_constant_columns():
    reference, current = months()
    texts = [[f"{i} " + "word " * (5 + i % 7) * times for i in range(3000)] for times in (1, 3)]
    found = said(
        "DRF006",
        reference.with_columns(text=pl.Series(texts[0]), fixed=pl.lit(1.0), free=pl.col("age")),
        current.with_columns(text=pl.Series(texts[1]), fixed=pl.col("income"), free=pl.lit(4)),
    )
    assert "median length" in found["text"].summary
    assert found["text"].severity.rank >= LOUD
    assert {"fixed (constant)", "free (constant)"} <= set(found)


def test_columns_of_one_window_are_notes():
    reference, current = months()
    found = said("DRF006", reference.with_columns(old=1), current.with_columns(new=1))
    assert {k: f.severity for k, f in found.items()} == {"old (gone)": Severity.FAIL, "new (new)": Severity.NOTE}


def test_a_broken_join_is_seen_though_no_column_moved():
    scenario = CHECKS["DRF007"].scenario(np.random.default_rng(6))
    found = said("DRF007", scenario.reference, scenario.current)
    pairs = found["rank correlations"]
    assert {pairs.numbers["first"], pairs.numbers["second"]} == {"income", "spent"}
    assert pairs.estimate.high < -0.5
    assert not any(
        f.severity.rank >= LOUD and f.p_value < 0.01
        for f in said("DRF001", scenario.reference, scenario.current).values()
    )


def test_counters_and_ids_do_not_tell_the_windows_apart():
    reference, current = months(7)
    frames = [
        f.with_columns(row=pl.Series(np.arange(3000) + k * 3000), id=pl.Series([f"{k}-{i}" for i in range(3000)]))
        for k, f in enumerate((reference.sort("served_at"), current.sort("served_at")))
    ]
    found = said("DRF007", *frames)["domain classifier"]
    assert found.numbers["columns"] == 4
    assert found.severity == Severity.OK
    assert found.detectable < 0.65


def test_the_domain_classifier_names_the_columns_it_used():
    reference, current = months(8)
    current = current.with_columns(pl.col("age") + 20)
    found = said("DRF007", reference, current)["domain classifier"]
    assert found.severity.rank >= LOUD
    assert found.numbers["used"].startswith("age")
    assert found.estimate.low > 0.55


def test_one_day_windows_are_not_judged_by_the_classifier():
    reference, current = months(9, days=1)
    found = said("DRF007", reference, current.with_columns(pl.col("age") + 20))["domain classifier"]
    assert found.severity == Severity.OK
    assert found.p_value is None
    assert "fewer than 5 days" in found.summary


@pytest.mark.parametrize("artefact", [scenarios.TrueModel(), None], ids=["model", "no model"])
def test_the_scatter_shows_moves_against_importance(artefact):
    reference, current = months(10)
    found = said("DRF008", reference, current.with_columns(pl.col("income") * 1.5), artefact)["drift and importance"]
    assert found.severity.rank >= LOUD
    (scatter,) = found.evidence
    assert isinstance(scatter, Scatter)
    points = {p.label: p for p in scatter.points}
    assert max(points.values(), key=lambda p: p.y).label == "income"
    assert [k for k, p in points.items() if p.flagged] == ["income"]
    assert points["income"].x > 5 * points["premium"].x


def test_a_feature_that_the_model_ignores_may_drift():
    reference, current = months(11)
    noise = np.random.default_rng(1).normal(size=reference.height)
    frames = reference.with_columns(noise=noise), current.with_columns(noise=noise + 3)
    found = said("DRF008", *frames, scenarios.TrueModel())["drift and importance"]
    assert found.severity == Severity.OK
    assert "none of the features that the model leans on moved" in found.summary
    (scatter,) = found.evidence
    assert {p.label for p in scatter.points if p.flagged} == {"noise"}
