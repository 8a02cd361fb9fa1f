"""World, model or labels: told apart where the rows and the fixed rows can tell, else said to be unsure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backslide.causes.replay.exchanged_by_labels import OR_LABELS
from backslide.contracts.cause import Cause, CauseKind, Confidence
from backslide.contracts.diagnosis import Action, Decision, Diagnosis, Inputs, Verdict
from backslide.contracts.finding import Finding, Outcome, Severity
from backslide.contracts.watch import Origin
from backslide.jobs.origin import Witnesses, find_origin
from backslide.monitor.canary import CanaryWatch

THREE = ("a", "b", "c")
SAVED = Witnesses(saved_model=True, canary=None)
NOBODY = Witnesses(saved_model=False, canary=None)


def diagnosis(
    kind: CauseKind | None,
    classes: tuple[str, ...] = THREE,
    action: Action = Action.RETRAIN,
    confidence: Confidence = Confidence.SUPPORTED,
    verdict: Verdict = Verdict.DEGRADED,
    replayed: Severity = Severity.OK,
    exchanged: tuple[str, ...] = (),
) -> Diagnosis:
    said = f"The answers 'a' and 'b' stand in each other's place ({OR_LABELS})" if exchanged else ""
    cause = None if kind is None else Cause.model_construct(kind=kind, confidence=confidence, summary=said)
    causes = () if cause is None else (cause,)
    finding = Finding.model_construct(code="SHD001", subject="reference", severity=replayed)
    return Diagnosis.model_construct(
        verdict=verdict,
        causes=causes,
        decision=Decision(action=action, reason=""),
        inputs=Inputs.model_construct(classes=classes),
        checks=(Outcome.model_construct(code="SHD001", findings=(finding,)),),
    )


def canary(moved: dict[int, int]) -> Witnesses:
    first = {"rows": 200, "noise": 0, "level": None, "answers": {}, "scores": True, "asked": "then"}
    later = {n: {"moved": m, "answered": 200, "level": None} for n, m in moved.items()}
    return Witnesses(saved_model=False, canary=CanaryWatch(first, later))


@pytest.mark.parametrize(
    ("found", "witnesses", "origin"),
    [
        (diagnosis(CauseKind.CONCEPT_DRIFT), SAVED, "world"),
        (diagnosis(CauseKind.CONCEPT_DRIFT, action=Action.RELABEL), SAVED, "labels"),
        (diagnosis(CauseKind.CONCEPT_DRIFT, ("a", "b")), SAVED, "unsure"),
        (diagnosis(CauseKind.CONCEPT_DRIFT, ()), SAVED, "unsure"),
        (diagnosis(CauseKind.CONCEPT_DRIFT), NOBODY, "unsure"),
        (diagnosis(CauseKind.CONCEPT_DRIFT, replayed=Severity.WARN), SAVED, "unsure"),  # another model was saved
        (diagnosis(CauseKind.COVARIATE_SHIFT, ("a", "b")), NOBODY, "world"),
        (diagnosis(CauseKind.MODEL_CHANGE), NOBODY, "model"),
        (diagnosis(CauseKind.UNIT_CHANGE), NOBODY, "data"),
        (diagnosis(CauseKind.UNRECOGNISED_FAULT), SAVED, "unsure"),
        (diagnosis(CauseKind.LABEL_SHIFT, confidence=Confidence.SUSPECTED), SAVED, "unsure"),
        (diagnosis(None), SAVED, "unsure"),
        (diagnosis(None, verdict=Verdict.NO_MATERIAL_CHANGE), SAVED, None),
    ],
)
def test_the_origin_of_an_incident(found: Diagnosis, witnesses: Witnesses, origin: Origin | None):
    assert find_origin(found, 10, witnesses)[0] == origin


@pytest.mark.parametrize(
    ("answers", "origin"),
    [
        ({8: 0, 9: 0, 12: 0}, "world"),
        ({8: 0, 12: 60}, "unsure"),  # it answers otherwise, and no alarm said so yet
        ({8: 0, 9: 0}, "unsure"),  # nobody asked since
        ({11: 0, 12: 0}, "unsure"),  # nobody asked before
    ],
)
def test_fixed_rows_that_were_asked_before_and_since_rule_out_another_model(answers: dict[int, int], origin: Origin):
    said, settle = find_origin(diagnosis(CauseKind.CONCEPT_DRIFT), 10, canary(answers))
    assert said == origin
    assert bool(settle) == (origin == "unsure")


def test_classes_in_each_others_place_are_the_labels_where_what_serves_answers_fixed_rows_as_before():
    found = diagnosis(CauseKind.OUTPUT_CHANGE, confidence=Confidence.SUSPECTED, exchanged=("a", "b"))
    same, moved = (replace(canary(answers), served=True) for answers in ({8: 0, 9: 0, 12: 0}, {8: 0, 12: 60}))
    assert find_origin(found, 10, same)[0] == "labels"
    assert find_origin(found, 10, moved)[0] == "unsure"
    assert (
        find_origin(found, 10, replace(same, served=False))[0] == "unsure"
    )  # a file answers as ever, whatever is served
    altered = diagnosis(CauseKind.OUTPUT_CHANGE, confidence=Confidence.SUSPECTED)
    assert find_origin(altered, 10, same)[0] == "unsure"
