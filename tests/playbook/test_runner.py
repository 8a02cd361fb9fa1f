"""The runner: needs, mute, thresholds, third-party checks, and one that raises."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.contracts.errors import ConfigError
from backslide.contracts.finding import Finding, Outcome, Severity, Status, Step
from backslide.jobs.diagnose import diagnose
from backslide.playbook import registry, scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.playbook.runner import control_false_discoveries, run_checks

pytestmark = pytest.mark.core


@dataclass(frozen=True)
class Limits:
    rows: float = 10


class RowCount(Check):
    """A check that somebody else wrote."""

    code = "XYZ001"
    title = "Rows"
    step = Step.VERIFY
    thresholds = Limits()

    def run(self, case):
        rows = case.current.window.rows
        severity = Severity.WARN if rows < self.thresholds.rows else Severity.OK
        yield Finding(code=self.code, subject="rows", severity=severity, summary=f"{rows} rows")

    @staticmethod
    def scenario(rng):
        return Scenario(scenarios.served(rng), scenarios.served(rng, rows=5), dict(scenarios.ROLES), None, "rows")


class Raises(RowCount):
    code = "XYZ002"
    title = "Raises"

    def run(self, case):
        yield Finding(code=self.code, subject="first", severity=Severity.OK, summary="fine so far")
        raise ValueError("the cat sat\non the keyboard")


@pytest.fixture
def registered(monkeypatch):
    """Register checks as an installed package would."""

    def register(*loaded):
        entries = [SimpleNamespace(load=lambda value=value: value) for value in loaded]
        monkeypatch.setattr(registry, "entry_points", lambda group: entries if group == "backslide.checks" else [])
        registry.all_checks.cache_clear()

    yield register
    monkeypatch.undo()
    registry.all_checks.cache_clear()


@pytest.fixture(scope="module")
def small():
    reference, current = worlds.two_months(np.random.default_rng(1), 400)
    return Scenario(reference, current, dict(scenarios.ROLES))


def run(scenario: Scenario, **checks: object) -> dict[str, Outcome]:
    return {o.code: o for o in run_checks(worlds.case_of(scenario, checks=checks))}


def run_alone(scenario: Scenario, code: str, section: dict[str, object]) -> Outcome:
    """The outcome of a check with its section of the configuration, all others muted."""
    others = {check.code: {"mute": True} for check in registry.all_checks()}
    return run(scenario, **others | {code: section})[code]


def test_a_check_of_somebody_else_is_picked_up(registered, small):
    registered(RowCount)
    assert RowCount in registry.all_checks()
    assert [c.code for c in registry.all_checks() if c.step == Step.VERIFY][-1] == "XYZ001"
    outcome = run(small)["XYZ001"]
    assert (outcome.status, outcome.severity) == (Status.RAN, Severity.OK)
    assert outcome.findings[0].summary == "400 rows"


def test_a_whole_module_of_checks_may_be_registered(registered):
    module = ModuleType(RowCount.__module__)
    vars(module).update(RowCount=RowCount, Raises=Raises, Check=Check)
    registered(module)
    assert {RowCount, Raises} <= set(registry.all_checks())


def test_without_registration_it_is_not_there():
    assert "XYZ001" not in {c.code for c in registry.all_checks()}


def test_a_check_that_raises_is_an_outcome_and_the_run_goes_on(registered, small, monkeypatch):
    monkeypatch.delenv("BACKSLIDE_DEBUG", raising=False)
    registered(Raises, RowCount)
    outcomes = run(small)
    failed = outcomes["XYZ002"]
    assert failed.status == Status.FAILED
    assert failed.reason == "ValueError: the cat sat"
    assert failed.findings == ()
    assert outcomes["XYZ001"].status == Status.RAN
    assert outcomes["DRF001"].status == Status.RAN


@pytest.mark.usefixtures("contained")
def test_a_failed_check_is_said_in_the_diagnosis(registered, small):
    registered(Raises)
    settings = worlds.settings_of(small)
    diagnosis = diagnose(small.reference, small.current, settings=settings, reference_model=small.artefact)
    said = "XYZ002 could not run: ValueError: the cat sat"
    assert said in diagnosis.warnings
    assert [one[:6] for one in worlds.failures(diagnosis)] == ["XYZ002"]


def test_while_debugging_it_raises(registered, small, monkeypatch):
    monkeypatch.setenv("BACKSLIDE_DEBUG", "1")
    registered(Raises)
    with pytest.raises(ValueError, match="the cat"):
        run(small)


@pytest.mark.parametrize(("mute", "reason"), [(True, "muted in the configuration"), ("seasonal", "seasonal")])
def test_a_muted_check_does_not_run(small, mute, reason):
    outcome = run_alone(small, "DRF001", {"mute": mute})
    assert (outcome.status, outcome.reason, outcome.findings) == (Status.MUTED, reason, ())


def test_mute_false_is_not_muted(small):
    assert run_alone(small, "DRF001", {"mute": False}).status == Status.RAN


def test_thresholds_are_set_by_code():
    scenario = next(c for c in registry.all_checks() if c.code == "DRF001").scenario(np.random.default_rng(1))
    assert run_alone(scenario, "DRF001", {}).severity.rank >= Severity.WARN.rank
    high = {"ks": 0.9, "large_ks": 0.95, "shift": 9, "tails": 0.9}
    assert run_alone(scenario, "DRF001", high).severity == Severity.OK


@pytest.mark.parametrize(
    ("checks", "words"),
    [
        ({"DRF01": {"ks": 1}}, ["'DRF01' is not a check", "did you mean 'DRF001'?"]),
        ({"DRF001": {"kss": 1}}, ["[checks.DRF001] unknown key 'kss'", "did you mean 'ks'?"]),
        ({"DRF001": {"ks": "high"}}, ["[checks.DRF001] ks", "a number", "'high'"]),
        ({"DRF001": {"ks": True}}, ["[checks.DRF001] ks", "a number", "True"]),
        ({"DRF001": {"ks": math.nan}}, ["[checks.DRF001] ks", "finite", "nan"]),
        ({"DRF001": {"ks": 10**400}}, ["[checks.DRF001] ks", "finite", "1000"]),
        ({"VER001": {"rows": 3}}, ["[checks.VER001] unknown key 'rows'"]),
    ],
)
def test_wrong_settings_of_checks_are_errors(small, checks, words):
    with pytest.raises(ConfigError) as caught:
        run(small, **checks)
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize("section", [5, True, "off", []])
def test_a_section_that_is_no_table_is_an_error(small, section):
    with pytest.raises(ConfigError, match="DRF001"):
        run(small, DRF001=section)


def test_unmet_needs_are_reasons(small):
    outcomes = run(worlds.unlabelled(small))
    for check in registry.all_checks():
        outcome = outcomes[check.code]
        if Need.LABELS in check.needs:
            assert (outcome.status, outcome.reason) == (Status.NOT_APPLICABLE, "no labels in both windows")
        elif Need.MODEL in check.needs:
            assert outcome.reason.startswith("no saved model")
        elif outcome.status != Status.RAN:
            assert outcome.status == Status.NOT_APPLICABLE
            assert outcome.reason in {need.value for need in check.needs}


def test_every_check_runs_where_everything_is_given(small):
    windows = [
        scenarios.with_notes(f, np.random.default_rng(month)).with_columns(
            opened=pl.col("served_at") - pl.duration(days="age"),
            vector=pl.concat_list(pl.col("income"), pl.col("age"), pl.lit(1.0)),
        )
        for month, f in enumerate((small.reference, small.current))
    ]
    stacks = next(c for c in registry.all_checks() if c.code == "INT001").scenario(np.random.default_rng(0)).snapshots
    model = {**small.model, "segments": ["channel"]}
    outcomes = run(Scenario(*windows, model, scenarios.TrueModel(), snapshots=stacks))
    assert {(o.code, o.reason) for o in outcomes.values() if o.status != Status.RAN} == set()


def _outcome(code: str, *p_values: float | None) -> Outcome:
    findings = tuple(
        Finding(code=code, subject=str(i), severity=Severity.WARN, summary="moved", p_value=p, since="2026-04-01")
        for i, p in enumerate(p_values)
    )
    return Outcome(code=code, title="", step=Step.DRIFT, status=Status.RAN, severity=Severity.WARN, findings=findings)


def test_false_discoveries_are_controlled_over_the_whole_report():
    outcomes = (_outcome("A", 0.004), _outcome("B", 1e-6, *[0.9] * 8))
    one, two = control_false_discoveries(outcomes, {"A", "B"}, 0.01)
    assert one.severity == Severity.OK
    assert one.findings[0].summary == "within noise: moved"
    assert one.findings[0].since is None
    assert two.severity == Severity.WARN
    assert [f.severity for f in two.findings] == [Severity.WARN] + [Severity.OK] * 8


def test_the_rate_is_a_setting():
    outcomes = (_outcome("A", 0.004), _outcome("B", *[0.9] * 9))
    assert [o.severity for o in control_false_discoveries(outcomes, {"A", "B"}, 0.05)] == [Severity.WARN, Severity.OK]


def test_findings_without_a_p_value_and_checks_outside_the_family_are_left_alone():
    outcomes = (_outcome("A", None), _outcome("B", 0.5))
    assert control_false_discoveries(outcomes, {"A"}, 0.01) == outcomes


def test_the_tests_of_the_verdict_stand_outside_the_family():
    outside = {check.code for check in registry.all_checks() if not check.family}
    assert {"VER001", "VER003"} <= outside
    assert not any(code.startswith("DRF") for code in outside)


@pytest.mark.slow
def test_the_configured_rate_reaches_the_report(small):
    column = pl.Series("extra", np.random.default_rng(5).normal(size=small.reference.height))
    shifted = small.current.with_columns(extra=np.random.default_rng(6).normal(0.25, 1, small.current.height))
    scenario = Scenario(small.reference.with_columns(column), shifted, small.model)
    severity = {}
    for rate in (1e-12, 0.4):
        outcomes = run_checks(worlds.case_of(scenario, engine={"false_discovery_rate": rate}))
        found = next(f for o in outcomes if o.code == "DRF001" for f in o.findings if f.subject == "extra")
        severity[rate] = found.severity
    assert severity == {1e-12: Severity.OK, 0.4: Severity.WARN}
