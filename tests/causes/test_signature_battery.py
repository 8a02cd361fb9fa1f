"""What every signature must do: name its own fault, price it right, undo what it did, keep quiet, explain itself."""

from __future__ import annotations

import importlib
from functools import cache

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import worlds
from backslide.case import Case, codes_of
from backslide.causes.faults.base import Hypothesis, Signature
from backslide.causes.faults.registry import all_signatures
from backslide.contracts.cause import Cause, CauseKind, Confidence
from backslide.contracts.diagnosis import Diagnosis, Verdict
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario
from backslide.playbook.registry import all_checks
from backslide.stats.metrics.metric import METRICS
from backslide.stats.metrics.row_sums import count_rows
from scale import runs

SIGNATURES = all_signatures()
SEEDS = range(runs(1, 3))
WITHOUT_FINDINGS = {
    "SchemaChange": "a number that became text is DRF006's finding, under the subject `income (type)`",
    "TextsOfOtherRows": "each column of text is as it was; no check reads two of them together",
}


def name_of(signature: Signature) -> str:
    return f"{signature.kind}-{type(signature).__name__}"


each_signature = pytest.mark.parametrize("signature", SIGNATURES, ids=name_of)


@cache
def scenario_of(signature: Signature, seed: int) -> Scenario:
    return signature.scenario(np.random.default_rng(seed))


@cache
def diagnosed(signature: Signature, seed: int) -> Diagnosis:
    return worlds.causes_of(scenario_of(signature, seed))


@cache
def recognised(signature: Signature, seed: int) -> tuple[Case, tuple[Hypothesis, ...]]:
    case = worlds.case_of(scenario_of(signature, seed))
    subject = scenario_of(signature, seed).subject
    return case, tuple(h for h in signature.recognise(case) if subject in h.features)


def value(name: str, frame: pl.DataFrame) -> float:
    """The headline metric of a served frame."""
    classes = ("no", "yes")
    codes = [codes_of(frame[column].to_numpy().astype(object), classes) for column in ("label", "prediction")]
    return float(METRICS[name].value(count_rows(codes[0], codes[1], 2).sum(0)))


def without_the_fault(signature: Signature, seed: int) -> pl.DataFrame:
    """The current rows as they were before the scenario broke them: said by it, or the first month that it draws."""
    scenario = scenario_of(signature, seed)
    sound = scenario.sound
    if sound is None:
        sound = scenarios.rescored(scenarios.next_month(np.random.default_rng(seed), rows=scenario.current.height))
    assert sound["label"].equals(scenario.current["label"]), (
        "give Scenario(sound=...), the current rows without the fault"
    )
    return sound


@each_signature
def test_its_evidence_names_findings_that_there_are(signature):
    """A key is typed by hand: the checks must exist, and one of them speak of that subject."""
    checks = {check.code: check for check in all_checks()}
    case, found = recognised(signature, 0)
    keys = {hypothesis.evidence for hypothesis in found}
    codes = {key.partition(":")[0] for together in keys for key in together}
    assert codes <= checks.keys()
    spoken = {f"{code}:{f.subject}" for code in codes for f in checks[code](checks[code].thresholds).run(case)}
    silent = [together for together in keys if not spoken & set(together)]
    assert silent == [] or type(signature).__name__ in WITHOUT_FINDINGS


def test_there_are_signatures_and_each_has_its_title():
    assert len(SIGNATURES) >= 14
    assert len({s.title for s in SIGNATURES}) == len(SIGNATURES)
    assert len({s.kind for s in SIGNATURES}) >= 14
    assert [s.kind.precedence for s in SIGNATURES] == sorted(s.kind.precedence for s in SIGNATURES)
    own = {s.kind for s in SIGNATURES if s.kind.family != "data fault"}
    assert own == {CauseKind.PREPROCESSING_CHANGE}, (
        "an encoder shows in its vectors, other changes of one's own in replays"
    )


@each_signature
def test_the_module_is_the_documentation(signature):
    page = importlib.import_module(type(signature).__module__).__doc__
    for word in ("**Recognised", "**Repair", "**injection**"):
        assert word in page, word
    assert all(getattr(signature, method).__doc__ for method in ("recognise", "repair", "inject", "scenario"))


@pytest.mark.rates
@pytest.mark.parametrize("seed", SEEDS)
@each_signature
def test_is_the_first_cause_in_its_scenario(signature, seed):
    diagnosis = diagnosed(signature, seed)
    assert diagnosis.verdict == Verdict.DEGRADED
    first = diagnosis.causes[0]
    assert first.kind == signature.kind
    assert scenario_of(signature, seed).subject in first.features
    assert first.confidence.rank >= Confidence.SUPPORTED.rank
    families = {"data fault", signature.kind.family}
    faults = [c for c in (*diagnosis.causes, *diagnosis.harmless) if c.kind.family in families]
    assert faults == [first], "no second name for the same points"


@pytest.mark.slow
@pytest.mark.rates
@pytest.mark.parametrize("signature", SIGNATURES[:: runs(4, 1)], ids=name_of)
def test_a_quick_diagnosis_names_what_the_whole_names(signature):
    quick, whole = diagnosed(signature, 0), worlds.diagnosis_of(scenario_of(signature, 0))
    assert whole.verdict == quick.verdict
    named = [[(c.kind, c.features, c.confidence, c.points) for c in d.causes] for d in (quick, whole)]
    assert named[0] == named[1]


def prices(signature: Signature) -> list[tuple[Cause, float, str]]:
    """Cause, true change of the metric that the fault brought, and the metric."""
    found = []
    for seed in SEEDS:
        diagnosis = diagnosed(signature, seed)
        name = diagnosis.metric.name
        truth = value(name, scenario_of(signature, seed).current) - value(name, without_the_fault(signature, seed))
        found += [(c, truth, name) for c in diagnosis.causes[:1] if c.kind == signature.kind]
    return found


@pytest.mark.rates
@each_signature
def test_the_points_are_what_the_fault_cost(signature):
    priced = prices(signature)
    assert priced
    for cause, truth, _ in priced:
        points = cause.points
        assert truth < 0, "a scenario does harm"
        assert points.low < points.estimate < points.high < 0
        assert abs(points.estimate - truth) <= (points.high - points.low), (str(points), truth)


@pytest.mark.rates
def test_the_intervals_hold_the_true_harm():
    priced = [item for signature in SIGNATURES for item in prices(signature)]
    held = [cause.points.low <= truth <= cause.points.high for cause, truth, _ in priced]
    assert len(held) >= 0.7 * len(SEEDS) * len(SIGNATURES)
    assert np.mean(held) >= 0.85


def as_text(values: pl.Series) -> pl.Series:
    if values.dtype.is_nested():
        values = values.cast(pl.List(pl.String)).list.join(",")
    return values.cast(pl.String)


@pytest.mark.rates
@pytest.mark.parametrize("seed", SEEDS)
@each_signature
def test_undoing_what_was_done_restores_the_rows(signature, seed):
    case, hypotheses = recognised(signature, seed)
    assert hypotheses
    before = case.reference.sample
    for hypothesis in hypotheses:
        broken = signature.inject(case, hypothesis, before)
        assert broken.columns == before.columns
        untouched = [c for c in before.columns if c not in hypothesis.features]
        assert_frame_equal(broken.select(untouched), before.select(untouched))
        for column in hypothesis.features:
            changed = (as_text(broken[column]) != as_text(before[column])).fill_null(True).mean()
            assert changed > 0.01, f"injecting changes nothing in {column}"
        if hypothesis.reversible:
            restored = signature.repair(case, hypothesis, broken)
            columns = list(hypothesis.features)
            assert_frame_equal(restored.select(columns), before.select(columns), check_dtypes=False, rel_tol=1e-9)


@pytest.mark.rates
@pytest.mark.parametrize("seed", SEEDS)
@each_signature
def test_a_repair_leaves_everything_else_alone(signature, seed):
    case, hypotheses = recognised(signature, seed)
    frame = case.current.sample
    for hypothesis in hypotheses:
        repaired = signature.repair(case, hypothesis, frame)
        untouched = [c for c in frame.columns if c not in hypothesis.features]
        assert_frame_equal(repaired.select(untouched), frame.select(untouched))
        still = pl.Series(~hypothesis.rows)
        assert hypothesis.rows.shape == (frame.height,)
        columns = list(hypothesis.features)
        kept, original = (f.filter(still).select(columns) for f in (repaired, frame))
        assert_frame_equal(kept, original, check_dtypes=False, rel_tol=1e-9)


@each_signature
def test_a_repair_brings_the_distribution_back(signature):
    """Whatever is done to restore a column, it must look more like the reference than the fault did."""
    case, hypotheses = recognised(signature, 0)
    for hypothesis in hypotheses:
        repaired = signature.repair(case, hypothesis, case.current.sample)
        again = [
            h for h in signature.recognise(_with_current(case, repaired)) if set(h.features) == set(hypothesis.features)
        ]
        assert again == [], "the repaired column still shows the fault"


def _with_current(case: Case, frame: pl.DataFrame) -> Case:
    features = list(case.problem.features)
    served = {"prediction": pl.lit("no"), "label": pl.lit("no"), "p_yes": pl.lit(0.2)}
    frames = [f.select(features).with_columns(**served) for f in (case.reference.sample, frame)]
    return worlds.case_of(Scenario(*frames, worlds.BARE | {"features": features, "timestamp": None, "task": "binary"}))


@each_signature
def test_recognising_needs_no_labels(signature):
    _, labelled = recognised(signature, 0)
    blind = worlds.case_of(worlds.unlabelled(scenario_of(signature, 0), both=True))
    found = [h for h in signature.recognise(blind) if scenario_of(signature, 0).subject in h.features]
    assert [(h.features, h.seen, h.undo) for h in found] == [(h.features, h.seen, h.undo) for h in labelled]


@pytest.mark.sample(5)
@each_signature
def test_is_priced_before_current_labels_come(signature):
    diagnosis = worlds.causes_of(worlds.unlabelled(scenario_of(signature, 0)))
    assert diagnosis.metric.change is None
    assert diagnosis.unexplained is None
    assert diagnosis.causes, diagnosis.summary
    first = diagnosis.causes[0]
    assert (first.kind, first.confidence) == (signature.kind, Confidence.SUPPORTED)
    full = diagnosed(signature, 0).causes[0]
    assert first.repair is None or first.repair.points_back is None
    assert first.injection.points.estimate == pytest.approx(full.injection.points.estimate, abs=0.02)


@pytest.mark.sample(10)
@pytest.mark.parametrize("rows", [5, 29])
@each_signature
def test_says_nothing_about_a_few_rows(signature, rows):
    scenario = scenario_of(signature, 0)
    few = Scenario(scenario.reference[:rows], scenario.current[:rows], scenario.model, scenario.artefact)
    diagnosis = worlds.causes_of(few)
    assert [c for c in (*diagnosis.causes, *diagnosis.harmless) if c.kind.family == "data fault"] == []
    assert any("no data fault is looked for" in note for note in diagnosis.inputs.notes)
