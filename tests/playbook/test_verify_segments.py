"""Segments, calibration and kinds of errors as checks: masking, mix, context columns, day noise, odd configurations."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.contracts.errors import ConfigError
from backslide.contracts.finding import Severity
from backslide.engine.columns.segments import condition
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario
from backslide.playbook.verify.calibration import Calibration
from backslide.playbook.verify.classes import Classes
from backslide.playbook.verify.confidence import ScoreConfidence
from backslide.playbook.verify.errors import Errors
from backslide.playbook.verify.segments import UserSegments, segment_changes
from backslide.playbook.verify.slices import AutomaticSegments
from backslide.stats.change.metric_change import VERDICT_ALPHA
from scale import runs


def case_of(scenario, **sections):
    return worlds.case_of(scenario, **sections)


def by_subject(check, case):
    return {f.subject: f for f in check().run(case)}


def log(rng, rows, accuracy, *, start=0, days=28, luck=0.0, classes=("a", "b"), shares=None, **columns):
    """A log of a classifier that is right with ``accuracy`` (n,) or a number; days have luck of their own."""
    label = rng.choice(classes, rows, p=shares)
    at = np.sort(rng.integers(0, days, rows))
    right = rng.random(rows) < np.clip(accuracy + rng.normal(0, luck, days)[at], 0, 1)
    other = rng.choice(classes, rows)
    other = np.where(other == label, np.roll(classes, 1)[np.searchsorted(classes, label)], other)
    times = [datetime(2026, 1, 1) + timedelta(days=int(start + d)) for d in at]
    frame = {"label": label, "said": np.where(right, label, other), "at": times, "noise": rng.normal(size=rows)}
    return pl.DataFrame({k: pl.Series(k, list(v)) for k, v in (frame | columns).items()})


ROLES = {"label": "label", "prediction": "said", "timestamp": "at", "metric": "accuracy"}


def test_a_segment_that_fell_while_the_headline_held_is_masked():
    rng = np.random.default_rng(0)
    months = []
    for start, in_north, elsewhere in ((0, 0.9, 0.8), (28, 0.7, 0.835)):
        branch = rng.choice(["north", "south", "east"], 6000, p=[0.15, 0.45, 0.4])
        accuracy = np.where(branch == "north", in_north, elsewhere)
        months.append(log(rng, 6000, accuracy, start=start, branch=branch))
    case = case_of(Scenario(*months, ROLES | {"segments": ["branch"]}))
    found = by_subject(UserSegments, case)
    north = found["branch = 'north'"]
    assert north.severity == Severity.FAIL
    assert north.numbers["masked"] is True
    assert north.estimate.low < -0.2 < north.estimate.high
    assert north.numbers["contribution"] == pytest.approx(-0.03, abs=0.01)
    assert north.detectable > 0
    assert found["branch = 'south'"].severity == Severity.OK
    first = next(iter(UserSegments().run(case)))
    assert first.subject == "branch = 'north'"
    assert [row.segment for row in first.evidence[0].rows if row.flagged] == ["branch = 'north'"]


def test_segment_changes_equal_those_of_the_filtered_case():
    rng = np.random.default_rng(1)
    months = [log(rng, 1500, 0.8, start=s, age=rng.integers(18, 80, 1500)) for s in (0, 28)]
    case = case_of(Scenario(*months, ROLES | {"segments": ["age >= 60"]}))
    (one,) = segment_changes(case)
    alone = case_of(Scenario(*[m.filter(pl.col("age") >= 60) for m in months], ROLES))
    other = alone.change(alone.metric)
    assert (one.change.estimate, one.change.se) == pytest.approx((other.estimate, other.se), rel=1e-9)
    assert one.reference_rows == months[0].filter(pl.col("age") >= 60).height


@pytest.mark.parametrize("check", [UserSegments, Classes])
def test_a_mix_that_grew_easier_does_not_hide_that_every_group_fell(check):
    """Simpson: 0.95 → 0.89 and 0.6 → 0.54 inside, but three quarters instead of half of the rows are easy ones."""
    rng = np.random.default_rng(2)
    months = []
    for start, easy_share, fall in ((0, 0.5, 0.0), (28, 0.75, 0.06)):
        easy = rng.random(8000) < easy_share
        frame = log(rng, 8000, np.where(easy, 0.95, 0.6) - fall, start=start, kind=np.where(easy, "easy", "hard"))
        if check is Classes:
            right = (frame["label"] == frame["said"]).to_numpy()
            label = np.where(easy, "a", "b")
            frame = frame.with_columns(
                label=pl.Series(label), said=pl.Series(np.where(right, label, np.where(easy, "b", "a")))
            )
        months.append(frame)
    case = case_of(Scenario(*months, ROLES | {"segments": ["kind"]}))
    assert case.change(case.metric).estimate > 0
    mix = by_subject(check, case)["mix of labels" if check is Classes else "mix of kind"]
    assert mix.severity == Severity.WARN
    assert mix.estimate.low < -0.06 < mix.estimate.high
    assert mix.numbers["mix"] + mix.numbers["within"] == pytest.approx(mix.numbers["total"])
    assert mix.numbers["mix"] == pytest.approx(0.0875, abs=0.02)


@pytest.mark.slow
@pytest.mark.rates
def test_quiet_segments_with_lucky_days_stay_quiet():
    told = 0
    for seed in range(runs(6, 12)):
        rng = np.random.default_rng(100 + seed)
        months = [
            log(
                rng,
                2500,
                0.85,
                start=s,
                luck=0.03,
                branch=rng.choice(list("abcdef"), 2500),
                age=rng.integers(18, 80, 2500),
            )
            for s in (0, 28)
        ]
        case = case_of(Scenario(*months, ROLES | {"segments": ["branch", "age"]}))
        told += any(one.worse(case, VERDICT_ALPHA) for one in segment_changes(case))
    assert told <= runs(0, 1), "two of twelve have a probability of 0.2 % at a rate of 0.5 %"


def test_macro_f1_of_a_segment_takes_the_classes_that_both_windows_have_there():
    rng = np.random.default_rng(3)
    months = []
    for start in (0, 28):
        frame = log(
            rng,
            3000,
            0.8,
            start=start,
            classes=("a", "b", "c"),
            shares=[0.6, 0.3, 0.1],
            host=rng.choice(["x", "y"], 3000),
        )
        gone = (frame["label"] == "c") & (frame["host"] == "x") if start else pl.Series([False] * 3000)
        months.append(frame.filter(~gone))
    case = case_of(Scenario(*months, ROLES | {"metric": "macro_f1", "segments": ["host"]}))
    assert all(abs(one.change.estimate) < 0.1 for one in segment_changes(case))


def test_segments_of_a_regression_and_of_small_groups():
    made = worlds.regression(np.random.default_rng(4)).scenario
    worse = made.current.with_columns(
        predicted=pl.when(pl.col("age") >= 60).then(pl.col("predicted") + 80).otherwise(pl.col("predicted"))
    )
    scenario = Scenario(made.reference, worse, made.model | {"segments": ["age >= 60", "age >= 89.5", "size"]})
    found = by_subject(UserSegments, case_of(scenario))
    assert found["age >= 60"].severity == Severity.FAIL
    assert "age >= 89.5" not in found, "no row"
    assert sum(name.startswith("size") for name in found) == 4


def test_a_segment_that_cannot_be_read_ends_the_run_in_one_line():
    with pytest.raises(ConfigError, match="did you mean 'channel'"):
        case_of(
            Scenario(
                *worlds.two_months(np.random.default_rng(5), 200), dict(scenarios.ROLES) | {"segments": ["chanel"]}
            )
        )


def test_the_search_finds_a_host_that_is_no_feature():
    rng = np.random.default_rng(6)
    months = []
    for start, broken in ((0, 0.0), (28, 0.3)):
        host = rng.choice(["h1", "h2", "h3", "h4", "h5"], 5000)
        months.append(log(rng, 5000, 0.85 - broken * (host == "h3"), start=start, host=host))
    case = case_of(Scenario(*months, ROLES | {"features": ["noise"]}))
    (found,) = AutomaticSegments().run(case)
    assert found.subject == "host = 'h3'"
    assert found.severity == Severity.WARN
    assert found.numbers["contribution"] == pytest.approx(-0.06, abs=0.02)
    assert found.evidence[0].rows[0].contribution == found.numbers["contribution"]


def test_the_search_says_what_it_could_have_missed():
    (found,) = AutomaticSegments().run(case_of(scenarios.quiet(np.random.default_rng(7))))
    assert found.severity == Severity.OK
    assert 0.02 <= found.detectable < 0.3
    assert "one half" in found.basis


def test_the_search_works_for_numbers_and_on_a_sample():
    made = worlds.regression(np.random.default_rng(8), rows=4000).scenario
    worse = made.current.with_columns(
        predicted=pl.when(pl.col("age") >= 60).then(pl.col("predicted") + 120).otherwise(pl.col("predicted"))
    )
    found = list(
        AutomaticSegments().run(case_of(Scenario(made.reference, worse, made.model), engine={"sample_rows": 2500}))
    )
    assert any(f.subject.startswith("age >= ") for f in found)
    assert all(f.estimate.basis == "sample" for f in found)
    assert all("sample of 2" in f.basis for f in found)


def test_a_flow_that_grew_because_of_the_mix_is_a_note():
    """Rows of "b" come twice as often; the model errs on them as it did."""
    rng = np.random.default_rng(9)
    months = [log(rng, 6000, 0.75, start=s, shares=shares) for s, shares in ((0, [0.75, 0.25]), (28, [0.45, 0.55]))]
    found = by_subject(Errors, case_of(Scenario(*months, ROLES)))
    flow = found["b → a"]
    assert flow.severity == Severity.NOTE
    assert flow.numbers["by_class_mix"] == pytest.approx(0.075, abs=0.015)
    assert abs(flow.numbers["by_rate"]) < 0.015
    assert "from more or fewer rows labelled 'b'" in flow.summary


@pytest.mark.slow
def test_lucky_days_are_no_grown_flow():
    """Counting rows as independent, as a z of proportions does, half of these pairs would be told."""
    told, by_row = 0, 0
    for seed in range(14):
        rng = np.random.default_rng(200 + seed)
        months = [log(rng, 16_000, 0.8, start=s, luck=0.07) for s in (0, 28)]
        found = by_subject(Errors, case_of(Scenario(*months, ROLES)))
        told += any(f.severity == Severity.WARN for f in found.values())
        rates = [m.filter(pl.col("label") == "a").select((pl.col("said") != "a").mean()).item() for m in months]
        by_row += abs(rates[1] - rates[0]) / np.sqrt(2 * 0.2 * 0.8 / 8_000) > 2.6
    assert by_row >= 3
    assert told <= 1


def test_bias_and_error_percentiles_by_quantile_of_the_prediction():
    made = worlds.regression(np.random.default_rng(10)).scenario
    high = pl.col("predicted") > made.reference["predicted"].quantile(0.8)
    worse = made.current.with_columns(predicted=pl.when(high).then(pl.col("predicted") + 60).otherwise("predicted"))
    found = list(Errors().run(case_of(Scenario(made.reference, worse, made.model))))
    told = [f for f in found if f.severity == Severity.WARN]
    assert [f.subject.split()[1] for f in told] == ["from"]
    assert told[0].estimate.low < 60 < told[0].estimate.high
    assert told[0].numbers["current_p90"] > told[0].numbers["reference_p90"]
    tables = [e for f in found for e in f.evidence if e.kind == "table"]
    assert len(tables[0].rows) == 5


def test_calibration_away_from_perfect_warns_and_back_is_a_note():
    rng = np.random.default_rng(11)
    sharp, plain = scenarios.served(rng, sharpness=3.0), scenarios.next_month(rng)
    case = case_of(Scenario(sharp, plain, dict(scenarios.ROLES)))
    assert by_subject(Calibration, case)["slope"].severity == Severity.NOTE
    shifted = plain.with_columns(p_yes=(pl.col("p_yes") + 0.12).clip(0, 1), prediction=pl.col("prediction"))
    case = case_of(Scenario(scenarios.served(rng), shifted, dict(scenarios.ROLES)))
    level = by_subject(Calibration, case)["level"]
    assert level.severity == Severity.WARN
    assert level.estimate.low < 0.12 < level.estimate.high + 0.03
    assert level.detectable > 0


def test_calibration_of_many_classes_draws_the_predicted_class_and_the_worst():
    rng = np.random.default_rng(12)
    months = []
    for start, sharp in ((0, 1.0), (28, 2.5)):
        scores = rng.dirichlet([2, 1.5, 1], 4000)
        label = np.array(["a", "b", "c"])[(scores.cumsum(1) < rng.random((4000, 1))).sum(1)]
        shown = scores**sharp / (scores**sharp).sum(1, keepdims=True)
        said = np.array(["a", "b", "c"])[shown.argmax(1)]
        months.append(
            log(rng, 4000, 1.0, start=start).with_columns(
                label=pl.Series(label),
                said=pl.Series(said),
                **{f"p_{c}": pl.Series(shown[:, i]) for i, c in enumerate("abc")},
            )
        )
    roles = ROLES | {"scores": {c: f"p_{c}" for c in "abc"}}
    found = list(Calibration().run(case_of(Scenario(*months, roles))))
    assert {f.subject for f in found if f.severity == Severity.WARN} >= {"level", "slope", "calibration error"}
    assert found[0].evidence[0].title == "Reliability of the score of predicted class"
    assert len(found[0].evidence) == 3


@pytest.mark.rates
def test_calibration_is_quiet_on_quiet_months():
    told, pairs = 0, runs(9, 18)
    for seed in range(pairs):
        rng = np.random.default_rng(300 + seed)
        case = case_of(
            Scenario(scenarios.served(rng, 1500), scenarios.next_month(rng, rows=1500), dict(scenarios.ROLES))
        )
        told += any(f.severity != Severity.OK for f in Calibration().run(case))
    assert told <= runs(0, 1), (
        "one of nine has a probability of 4 %, two of 18 have a probability of 0.4 % at a rate of 0.5 %"
    )


def test_confidence_lists_margin_and_percentiles_of_the_scores():
    case = case_of(ScoreConfidence.scenario(np.random.default_rng(13)))
    found = {f.subject: f for f in ScoreConfidence().run(case)}
    assert found["margin"].severity == Severity.WARN
    assert found["margin"].numbers["current_p50"] < found["margin"].numbers["reference_p50"]
    assert all(f.detectable > 0 for f in found.values())
    (table,) = [e for f in found.values() for e in f.evidence if e.kind == "table"]
    rows = {row[0]: row[1:] for row in table.rows}
    exact = np.quantile(case.reference.sample["p_yes"].to_numpy(), [0.05, 0.25, 0.5, 0.75, 0.95])
    assert rows["score of yes, reference"] == pytest.approx(exact, abs=0.02)


def planted(seed: int, where: str) -> float:
    """Shared rows over rows of either, of the planted segment (5 or 6 % of the rows) and the one named first."""
    rng = np.random.default_rng([seed, 77])
    months = [scenarios.served(rng, 6000), scenarios.next_month(rng, rows=6000)]
    reference, current = (m.with_columns(**{f"z{i}": rng.normal(size=m.height) for i in range(8)}) for m in months)
    middle, low, high = ((np.quantile(reference[c], q)) for c, q in (("z0", [0.4, 0.6]), ("z1", 0.3), ("z0", 0.95)))
    hit = pl.col("z0").is_between(*middle) & (pl.col("z1") < low) if where == "a pair" else pl.col("z0") > high
    other = pl.when(pl.col("label") == "yes").then(pl.lit("no")).otherwise(pl.lit("yes"))
    wrong = hit & pl.Series(rng.random(current.height) < 0.8)
    case = case_of(
        Scenario(
            reference, current.with_columns(label=pl.when(wrong).then(other).otherwise("label")), dict(scenarios.ROLES)
        )
    )
    loud = [f for f in AutomaticSegments().run(case) if f.severity != "ok"]
    if not loud:
        return 0.0
    rows = current.select(hit.alias("a"), condition(loud[0].subject).fill_null(False).alias("b"))
    return rows.filter(pl.col("a") & pl.col("b")).height / rows.filter(pl.col("a") | pl.col("b")).height


@pytest.mark.slow
@pytest.mark.parametrize("where", ["a pair", "a tail"])
def test_a_narrow_segment_is_named_and_not_a_wider_one(where):
    seeds = 15
    named = sum(planted(seed, where) >= 0.8 for seed in range(seeds))
    assert named >= 12, "fewer than 12 of 15 has a probability of 4 % at a rate of 90 %"
