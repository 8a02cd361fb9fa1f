"""What every check must do, whoever wrote it: fire, stay quiet, survive, explain itself."""

from __future__ import annotations

import importlib
import json
import math
import re
from dataclasses import replace
from datetime import date, time, timedelta
from decimal import Decimal
from functools import cache

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.contracts.finding import Outcome, Severity, Status, Step
from backslide.playbook import scenarios
from backslide.playbook.base import Check, Scenario
from backslide.playbook.registry import all_checks
from backslide.playbook.runner import run_checks
from backslide.report.charts.spec import chart_spec
from scale import AT_FULL_SIZE, runs

CHECKS = all_checks()
SEEDS = range(4) if AT_FULL_SIZE else (3,)
QUIET_SEEDS = range(runs(5, 20))
WORRYING = Severity.WARN.rank


def by_code(check: type[Check]) -> str:
    return check.code


def only(check: type[Check]) -> dict[str, object]:
    """A configuration in which every other check is muted."""
    return {"checks": {c.code: {"mute": True} for c in CHECKS if c is not check}}


def outcome_of(check: type[Check], scenario: Scenario) -> Outcome:
    """What one check says about a scenario."""
    return next(o for o in run_checks(worlds.case_of(scenario, **only(check))) if o.code == check.code)


@cache
def own_outcome(check: type[Check], seed: int) -> Outcome:
    """What a check says about its own scenario; once for all tests."""
    return outcome_of(check, check.scenario(np.random.default_rng(seed)))


def loud(outcome: Outcome) -> set[str]:
    return {f.subject for f in outcome.findings if f.severity.rank >= WORRYING}


@cache
def quiet_outcomes(seed: int) -> tuple[Outcome, ...]:
    return run_checks(worlds.case_of(scenarios.quiet(np.random.default_rng(1000 + seed))))


def test_codes_and_titles_are_unique_and_codes_say_the_step():
    prefixes = {
        Step.VERIFY: "VER",
        Step.SHADOW: "SHD",
        Step.DRIFT: "DRF",
        Step.CONCEPT: "CON",
        Step.INTEGRITY: "INT",
        Step.EXPLAIN: "EXP",
    }
    assert len(CHECKS) >= 10
    assert len({c.code for c in CHECKS}) == len({c.title for c in CHECKS}) == len(CHECKS)
    for check in CHECKS:
        assert re.fullmatch(rf"{prefixes[check.step]}\d{{3}}", check.code)


def test_checks_come_in_the_order_of_the_playbook():
    steps = [list(Step).index(check.step) for check in CHECKS]
    assert steps == sorted(steps)


@pytest.mark.parametrize("check", CHECKS, ids=by_code)
def test_the_module_is_the_documentation(check):
    page = importlib.import_module(check.__module__).__doc__
    assert page.splitlines()[0].rstrip().endswith("?"), "the first line is the question"
    for section in ("Why it matters", "Stays quiet", "What to do"):
        assert f"**{section}" in page, section
    assert check.run.__doc__
    assert check.scenario.__doc__


@pytest.mark.rates
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("check", CHECKS, ids=by_code)
def test_fires_on_its_scenario(check, seed):
    scenario = check.scenario(np.random.default_rng(seed))
    outcome = own_outcome(check, seed)
    assert outcome.status == Status.RAN, outcome.reason
    assert scenario.subject in loud(outcome)
    assert outcome.severity.rank >= WORRYING
    assert outcome.findings[0].severity == outcome.severity, "the worst comes first"


@pytest.mark.slow
@pytest.mark.rates
@pytest.mark.parametrize("check", CHECKS, ids=by_code)
def test_stays_quiet_where_nothing_happened(check):
    outcomes = [next(o for o in quiet_outcomes(seed) if o.code == check.code) for seed in QUIET_SEEDS]
    assert all(o.status in (Status.RAN, Status.NOT_APPLICABLE) for o in outcomes)
    assert sum(bool(loud(o)) for o in outcomes) <= max(1, 0.05 * len(QUIET_SEEDS)), [loud(o) for o in outcomes]


@pytest.mark.slow
@pytest.mark.rates
def test_checks_together_keep_quiet_in_95_of_100_runs():
    ran = [o for seed in QUIET_SEEDS for o in quiet_outcomes(seed) if o.status == Status.RAN]
    assert len(ran) > 15 * len(QUIET_SEEDS)
    assert np.mean([bool(loud(o)) for o in ran]) <= 0.05


@pytest.mark.slow
def test_drift_names_at_most_one_of_a_hundred_quiet_columns():
    """Hundred columns at once, with many rows: significance is no reason to speak."""
    rng = np.random.default_rng(12)
    frames, scales = [], 10 ** rng.uniform(-3, 3, 60)
    for frame in (scenarios.served(rng), scenarios.next_month(rng)):
        extra = {f"n{i}": rng.normal(size=frame.height) * scales[i] for i in range(60)}
        extra |= {f"c{i}": rng.choice(list("abcdefgh"), frame.height).tolist() for i in range(40)}
        frames.append(frame.with_columns(**{k: pl.Series(v) for k, v in extra.items()}))
    outcomes = run_checks(worlds.case_of(Scenario(*frames, dict(scenarios.ROLES))))
    found = [f for o in outcomes if o.step == Step.DRIFT for f in o.findings if f.severity.rank >= WORRYING]
    assert len(found) <= 1, [f.key for f in found]


@pytest.mark.sample(6)
@pytest.mark.parametrize("check", CHECKS, ids=by_code)
def test_says_the_same_whatever_the_order_of_rows(check):
    scenario = check.scenario(np.random.default_rng(3))
    shuffled = replace(
        scenario,
        reference=scenario.reference.sample(fraction=1, shuffle=True, seed=1),
        current=scenario.current.sample(fraction=1, shuffle=True, seed=2),
    )
    one, two = own_outcome(check, 3), outcome_of(check, shuffled)
    assert (one.status, one.severity) == (two.status, two.severity)
    assert {(f.subject, f.severity) for f in one.findings} == {(f.subject, f.severity) for f in two.findings}
    others = {f.subject: f for f in two.findings}
    crossed = check.step == Step.CONCEPT  # cross-fitted: folds follow the rows
    for finding in one.findings:
        other = others[finding.subject]
        if finding.estimate is None or other.estimate is None:
            assert finding.estimate == other.estimate
            continue
        tolerance = 0.01 if crossed else 1e-9 * (1 + abs(finding.estimate.estimate))
        assert finding.estimate.estimate == pytest.approx(other.estimate.estimate, abs=tolerance)
        if not crossed:
            assert finding.summary == other.summary
            assert finding.p_value == pytest.approx(other.p_value, abs=1e-9)


@pytest.mark.parametrize("check", CHECKS, ids=by_code)
def test_findings_are_json_and_their_evidence_can_be_drawn(check):
    for outcome in (own_outcome(check, seed) for seed in SEEDS):
        survives_json(check, outcome)


def survives_json(check: type[Check], outcome: Outcome) -> None:
    text = outcome.model_dump_json()
    assert Outcome.model_validate_json(text) == outcome
    json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} in the JSON"))
    for finding in outcome.findings:
        assert finding.code == check.code
        assert finding.summary
        assert "\n" not in finding.summary
        if finding.p_value is not None:
            assert 0 <= finding.p_value <= 1
        for value in finding.numbers.values():
            assert value is None or isinstance(value, (str, bool, int)) or math.isfinite(value)
        for evidence in finding.evidence:
            assert evidence.reading.endswith(".")
            assert json.dumps(chart_spec(evidence), allow_nan=False)


@pytest.mark.parametrize("check", CHECKS, ids=by_code)
def test_what_worries_is_shown(check):
    for outcome in (own_outcome(check, seed) for seed in SEEDS):
        shown = any(f.evidence for f in outcome.findings if f.severity.rank >= WORRYING)
        assert check.step is Step.SHADOW or shown


def odd_columns(rng: np.random.Generator, rows: int, *, later: bool) -> dict[str, pl.Series]:
    """One column of every kind that has broken a tool before; ``later`` changes some of them."""
    big = 2**62
    return {
        "nested": pl.Series([[1, 2], []] * (rows // 2) + [[3]] * (rows % 2), dtype=pl.List(pl.Int64)),
        "record": pl.Series([{"a": i, "b": None} for i in range(rows)]),
        "binary": pl.Series([b"\xff\x00", b""] * (rows // 2) + [b"x"] * (rows % 2)),
        "decimal": pl.Series([Decimal("10.25") + i % 7 for i in range(rows)], dtype=pl.Decimal(20, 2)),
        "big": pl.Series(big + rng.integers(0, 50, rows)),
        "unsigned": pl.Series(np.uint64(2**64 - 1) - rng.integers(0, 9, rows).astype(np.uint64)),
        "day": pl.Series([date(2020, 1, 1) + timedelta(days=int(d)) for d in rng.integers(0, 900, rows)]),
        "clock": pl.Series([time(int(h)) for h in rng.integers(0, 24, rows)]),
        "span": pl.Series([timedelta(hours=int(h)) for h in rng.integers(0, 900, rows)]),
        "nothing": pl.Series([None] * rows, dtype=pl.Null),
        "no_numbers": pl.Series([None] * rows, dtype=pl.Float64),
        "all_nan": pl.Series([math.nan] * rows),
        "infinite": pl.Series(np.where(rng.random(rows) < 0.5, math.inf, rng.normal(size=rows))),
        "constant": pl.Series([7.0] * rows),
        "constant_text": pl.Series(["same"] * rows),
        "now_varies": pl.Series(rng.normal(size=rows) if later else np.zeros(rows)),
        "now_constant": pl.Series(np.zeros(rows) if later else rng.normal(size=rows)),
        "now_missing": pl.Series([None] * rows if later else rng.normal(size=rows).tolist(), dtype=pl.Float64),
        "now_text": pl.Series([f"v{i % 5}" for i in range(rows)] if later else np.arange(rows) % 5),
        "huge": pl.Series(rng.normal(size=rows) * 1e300),
        "tiny": pl.Series(rng.normal(size=rows) * 1e-300),
        "unique": pl.Series([f"{later}-{i}" for i in range(rows)]),
        "unicode": pl.Series(rng.choice(["ä", "中", "\u202e", "", " ", "</script>", "NaN", "None"], rows).tolist()),
        "enum": pl.Series(rng.choice(["a", "b"], rows).tolist(), dtype=pl.Enum(["a", "b", "c"])),
        "flag": pl.Series(rng.random(rows) < 0.5),
        "flag_gaps": pl.Series([None, True, False, True][k] for k in rng.integers(0, 4, rows)),
        "small_floats": pl.Series(rng.normal(size=rows).astype(np.float32)),
        "with'quote \"and` space": pl.Series(rng.normal(size=rows)),
    }


def odd_scenario(rows: tuple[int, int], *, features: tuple[str, ...] | None = None) -> Scenario:
    rng = np.random.default_rng(8)
    frames = [
        make(rng, rows=n).with_columns(**odd_columns(rng, n, later=later))
        for make, n, later in ((scenarios.served, rows[0], False), (scenarios.next_month, rows[1], True))
    ]
    if features is not None:
        kept = [*features, "label", "prediction", "p_yes", "served_at"]
        frames = [frame.select(kept) for frame in frames]
    model = dict(scenarios.ROLES)
    return Scenario(*frames, model, scenarios.TrueModel() if features is None else None)


ODD = sorted(odd_columns(np.random.default_rng(0), 4, later=False))
OF_EACH_MAKE = ("nested", "day", "nothing", "infinite", "now_text", "now_constant", "unique", "unicode")
"""Those tried alone everywhere; all of them stand beside one another in every run."""


def without_failure(scenario: Scenario) -> tuple[Outcome, ...]:
    outcomes = run_checks(worlds.case_of(scenario))
    assert [(o.code, o.reason) for o in outcomes if o.status == Status.FAILED] == []
    for outcome in outcomes:
        assert outcome.status != Status.NOT_APPLICABLE or outcome.reason
        for finding in outcome.findings:
            for evidence in finding.evidence:
                json.dumps(chart_spec(evidence), allow_nan=False)
    return outcomes


@pytest.mark.sample(3)
@pytest.mark.parametrize("rows", [(600, 500), (30, 30), (2, 2), (1, 1), (600, 1), (1, 600)], ids=str)
def test_all_odd_columns_at_once_break_no_check(rows):
    outcomes = without_failure(odd_scenario(rows))
    if min(rows) < 20:
        told = {s for o in outcomes for s in loud(o) if o.step != Step.SHADOW and not s.endswith(" predictions")}
        assert told == set(), "nothing can be said about so few rows"


@pytest.mark.sample(3)
@pytest.mark.parametrize(
    "column", [name if name in OF_EACH_MAKE else pytest.param(name, marks=pytest.mark.slow) for name in ODD]
)
def test_an_odd_column_alone_breaks_no_check(column):
    without_failure(odd_scenario((400, 300), features=(column,)))


@pytest.mark.slow
def test_the_odd_columns_do_not_hide_what_the_others_say():
    scenario = odd_scenario((600, 600))
    current = scenario.current.with_columns(pl.col("income") * 12)
    outcomes = without_failure(Scenario(scenario.reference, current, scenario.model, scenario.artefact))
    subjects = set().union(*(loud(o) for o in outcomes if o.step == Step.DRIFT))
    assert {"income", "now_missing", "now_text"} <= subjects
    assert not subjects & {"constant", "all_nan", "no_numbers", "nothing", "unique", "flag", "decimal"}


def changed(label: object = None, prediction: object = None, score: object = None) -> Scenario:
    """Two quiet months with a column of the current one overwritten."""
    reference, current = worlds.two_months(np.random.default_rng(9), 600)
    new = {"label": label, "prediction": prediction, "p_yes": score}
    return Scenario(
        reference,
        current.with_columns(**{k: pl.lit(v) for k, v in new.items() if v is not None}),
        dict(scenarios.ROLES),
        scenarios.TrueModel(),
    )


@pytest.mark.sample(3)
@pytest.mark.parametrize(
    "scenario",
    [
        pytest.param(changed(label="yes"), id="one label"),
        pytest.param(changed(prediction="no"), id="one prediction", marks=pytest.mark.slow),
        pytest.param(changed(prediction="no", label="no"), id="one of both"),
        pytest.param(changed(label="unheard of"), id="new label"),
        pytest.param(changed(score=0.5), id="one score", marks=pytest.mark.slow),
        pytest.param(changed(score=math.nan), id="no score"),
        pytest.param(worlds.unlabelled(changed()), id="no labels", marks=pytest.mark.slow),
        pytest.param(worlds.unlabelled(changed(), both=True), id="no label column"),
    ],
)
def test_odd_outcomes_break_no_check(scenario):
    if scenario.current["label"].to_list()[0] == "unheard of" if "label" in scenario.current.columns else False:
        scenario = Scenario(
            scenario.reference.drop("p_yes"), scenario.current.drop("p_yes"), dict(scenario.model) | {"scores": {}}
        )
    without_failure(scenario)


@pytest.mark.slow
def test_predictions_of_one_class_are_said_plainly():
    outcomes = {o.code: o for o in without_failure(changed(prediction="no"))}
    said = [f.summary for f in outcomes["VER003"].findings if "one class" in f.summary]
    assert said == ["current predictions all one class: 'no'"]


@pytest.mark.slow
def test_regression_runs_every_check_that_applies():
    scenario = worlds.regression(np.random.default_rng(2), lambda f: f.assign(size=f["size"] * 2)).scenario
    outcomes = {o.code: o for o in without_failure(scenario)}
    left_out = {c for c, o in outcomes.items() if o.status == Status.NOT_APPLICABLE}
    case = worlds.case_of(scenario)
    assert left_out == {c.code for c in CHECKS if not all(need.met(case) for need in c.needs)}
    assert left_out >= {
        "VER002",
        "VER003",
        "VER005",
        "VER006",
        "VER008",
        "VER009",
        "VER010",
        "VER011",
        "VER012",
        "DRF002",
        "DRF005",
        "DRF009",
        "DRF010",
        "DRF011",
        "DRF012",
        "DRF013",
        "DRF014",
        "DRF015",
        "INT001",
        "INT002",
        "INT003",
    }
    assert "mae" in loud(outcomes["VER001"])
    assert "size" in loud(outcomes["DRF001"])
    assert any(f.severity.rank >= WORRYING for f in outcomes["VER004"].findings)
