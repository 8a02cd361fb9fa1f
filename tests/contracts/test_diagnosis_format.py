"""The stored format: what is written is read again, every value fits the published schema, and nothing else gets in."""

from __future__ import annotations

import json
import types
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ValidationError

import worlds
from backslide.contracts.cause import Cause
from backslide.contracts.diagnosis import Diagnosis, Verdict
from backslide.contracts.errors import InputError
from backslide.contracts.finding import Estimate, Finding

pytestmark = pytest.mark.core

VALIDATOR = Draft202012Validator(Diagnosis.json_schema())
IN_EVERY_RUN = ("quiet", "drop", "model change")
each_story = pytest.mark.parametrize(
    "name", [name if name in IN_EVERY_RUN else pytest.param(name, marks=pytest.mark.slow) for name in worlds.STORIES]
)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
SIMPLE = {str: st.text(max_size=12), int: st.integers(), float: NUMBERS, bool: st.booleans(), type(None): st.none()}


def values_of(annotation: Any) -> st.SearchStrategy[Any]:
    """Any value that a field with this annotation accepts."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation in SIMPLE:
        return SIMPLE[annotation]
    if origin is Annotated:
        return values_of(arguments[0])
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, types.UnionType):
        return st.one_of([values_of(a) for a in arguments])
    if origin is dict:
        return st.dictionaries(values_of(arguments[0]), values_of(arguments[1]), max_size=2)
    if origin is tuple:
        if arguments[-1] is Ellipsis:
            return st.lists(values_of(arguments[0]), max_size=2).map(tuple)
        return st.tuples(*map(values_of, arguments))
    if issubclass(annotation, Enum):
        return st.sampled_from(annotation)
    assert issubclass(annotation, BaseModel), annotation
    return built(annotation)


def built(model: type[BaseModel]) -> st.SearchStrategy[Any]:
    """Any value of a contract class, every field drawn."""
    return st.deferred(lambda: st.builds(model, **{n: values_of(f.annotation) for n, f in model.model_fields.items()}))


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(built(Diagnosis))
def test_any_diagnosis_is_read_again_as_it_was_written(diagnosis):
    again = Diagnosis.from_dict(diagnosis.to_dict())
    assert again == diagnosis
    assert again.to_dict() == diagnosis.to_dict()
    assert Diagnosis.from_json(diagnosis.to_json()) == diagnosis
    VALIDATOR.validate(json.loads(diagnosis.to_json()))


@each_story
def test_real_diagnoses_survive_the_round_trip_and_fit_the_schema(name):
    diagnosis = worlds.diagnosis_named(name)
    data = json.loads(diagnosis.to_json())
    VALIDATOR.validate(data)
    assert Diagnosis.from_dict(data) == diagnosis
    assert data == diagnosis.to_dict()
    assert data["format"] == "backslide.diagnosis/1"


def test_the_schema_is_a_valid_schema_of_the_named_draft():
    schema = Diagnosis.json_schema()
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"].endswith("2020-12/schema")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("verdict",), "worse"),
        (("format",), "backslide.diagnosis/2"),
        (("decision", "action"), "panic"),
        (("metric", "reference"), "high"),
        (("inputs", "rows", "reference"), 1.5),
        (("checks", 0, "status"), "green"),
    ],
)
def test_the_schema_and_the_reader_refuse_what_is_no_diagnosis(path, value):
    data = worlds.diagnosis_named("drop").to_dict()
    *way, last = path
    place: Any = data
    for step in way:
        place = place[step]
    place[last] = value
    assert list(VALIDATOR.iter_errors(data))
    with pytest.raises(InputError) as caught:
        Diagnosis.from_dict(data)
    assert "\n" not in str(caught.value)


def test_a_missing_field_is_named():
    data = worlds.diagnosis_named("drop").to_dict()
    del data["decision"]
    with pytest.raises(InputError, match="decision"):
        Diagnosis.from_dict(data)


@pytest.mark.parametrize("text", ["", "[]", "null", '"degraded"', "{", "{}", '{"format": "other/1"}'])
def test_what_is_no_diagnosis_is_refused_in_one_line(text):
    with pytest.raises(InputError, match="expected a diagnosis") as caught:
        Diagnosis.from_json(text)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_additions_of_later_versions_are_ignored():
    diagnosis = worlds.diagnosis_named("model change")
    data = diagnosis.to_dict()
    data["novelty"] = 1
    data["causes"][0]["novelty"] = {"a": 1}
    assert Diagnosis.from_dict(data) == diagnosis


@pytest.mark.slow
def test_json_is_written_to_the_path_given(tmp_path: Path):
    diagnosis = worlds.diagnosis_named("quiet")
    text = diagnosis.to_json(tmp_path / "d.json")
    assert Diagnosis.from_json((tmp_path / "d.json").read_text(encoding="utf-8")) == diagnosis
    assert json.loads(text) == diagnosis.to_dict()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_no_value_holds_nan_or_infinity(value):
    with pytest.raises(ValidationError):
        Estimate(estimate=value)
    with pytest.raises(ValidationError):
        Finding(code="X", subject="y", severity="ok", summary="", numbers={"a": value})


def test_values_are_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        worlds.diagnosis_named("quiet").verdict = Verdict.IMPROVED


@each_story
def test_every_estimate_of_a_real_diagnosis_lies_in_its_interval(name):
    diagnosis = worlds.diagnosis_named(name)
    estimates = [c.points for c in (*diagnosis.causes, *diagnosis.harmless)] + [diagnosis.unexplained]
    estimates += [f.estimate for o in diagnosis.checks for f in o.findings]
    for estimate in filter(None, estimates):
        if estimate.low is not None and estimate.high is not None:
            assert estimate.low <= estimate.estimate <= estimate.high


@each_story
def test_the_evidence_of_every_cause_is_a_finding_of_the_same_diagnosis(name):
    diagnosis = worlds.diagnosis_named(name)
    keys = {f.key for o in diagnosis.checks for f in o.findings}
    for cause in (*diagnosis.causes, *diagnosis.harmless):
        assert isinstance(cause, Cause)
        assert set(cause.evidence) <= keys


def test_which_verdicts_are_bad():
    assert [v.value for v in Verdict if v.bad] == ["degraded", "degraded_in_part"]


@given(NUMBERS, st.none() | NUMBERS, st.none() | NUMBERS)
def test_clear_of_zero_needs_both_bounds_on_one_side(value, low, high):
    estimate = Estimate(estimate=value, low=low, high=high)
    both = low is not None and high is not None
    assert estimate.clear_of_zero() == (both and (low > 0 or high < 0))
    assert ("[" in str(estimate)) == both
