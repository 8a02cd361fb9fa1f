"""JUnit XML of the answers that a CI server asks for."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest
import sample_diagnosis as samples

import worlds
from backslide.cli import main
from backslide.contracts.cause import CauseKind
from backslide.contracts.diagnosis import Diagnosis, Verdict
from backslide.contracts.gate import Gate, GateLine, GateVerdict
from backslide.contracts.integrity import Integrity, SnapshotIdentity, StackDifference
from backslide.contracts.retrain_settings import GateSettings
from backslide.contracts.selftest import SelfTest
from backslide.contracts.shadow import ShadowInputs
from backslide.contracts.values import Value


def cases(answer: Value) -> dict[str, str]:
    """Outcome by name; the counts of the suite agree with its cases."""
    suite = ElementTree.fromstring(answer.to_junit()).find("testsuite")
    tests = suite.findall("testcase")
    found = {test.get("name"): _outcome(test) for test in tests}
    assert suite.get("tests") == str(len(tests))
    assert suite.get("failures") == str(list(found.values()).count("failed"))
    assert suite.get("skipped") == str(list(found.values()).count("skipped"))
    return found


def _outcome(test: ElementTree.Element) -> str:
    outcomes = [word for tag, word in (("failure", "failed"), ("skipped", "skipped")) if test.find(tag) is not None]
    return outcomes[0] if outcomes else "passed"


def test_a_diagnosis_fails_with_its_first_screen_and_every_cause():
    assert cases(samples.binary())["verdict"] == "failed"
    assert sum(name.startswith("cause ") for name in cases(samples.binary())) == len(samples.binary().causes)
    assert "Degraded" in ElementTree.fromstring(samples.binary().to_junit()).find(".//failure").text
    assert cases(samples.quiet()) == {"verdict": "passed"}
    assert cases(samples.no_labels())["verdict"] == "skipped"
    assert any(name.startswith("class ") for name in cases(samples.in_part()))
    assert samples.quiet().verdict is Verdict.NO_MATERIAL_CHANGE


def test_a_gate_has_a_case_for_every_requirement():
    lines = tuple(
        GateLine(kind="class", name=name, metric="f1", rule="no loss over 2.0 points", margin=0.02, passed=passed)
        for name, passed in (("yes", True), ("no", False), ("perhaps", None))
    )
    gate = Gate(
        model="m",
        champion="a",
        challenger="b",
        verdict=GateVerdict.HOLD,
        summary="held",
        reason="",
        lines=lines,
        policy=GateSettings(),
        inputs=ShadowInputs(rows=1, labelled=1, task="binary", sampled=False, days=1),
    )
    assert list(cases(gate).values()) == ["passed", "failed", "skipped"]


def test_a_difference_that_hurts_fails_and_another_is_listed():
    differences = tuple(
        StackDifference(
            rank=n,
            kind=CauseKind.LIBRARY_CHANGE,
            where="environment",
            subject=f"lib{n}\x00<b>",
            meaning="m",
            risk=risk,
            score=0.5,
            reason="r",
        )
        for n, risk in enumerate(("likely", "unlikely"))
    )
    identity = SnapshotIdentity(name="a", taken_at="2026-01-01T00:00:00Z")
    found = cases(Integrity(a=identity, b=identity, summary="", differences=differences))
    assert list(found.values()) == ["passed", "failed", "passed"]
    assert "library change lib0\ufffd<b>" in found


def test_what_nobody_can_fail_is_refused():
    answer = SelfTest(model="m", metric="accuracy", share=True, rows=1, detectable=None, quiet="", tried=())
    with pytest.raises(TypeError, match="SelfTest has no form as JUnit XML"):
        answer.to_junit()


@pytest.mark.slow
def test_the_command_writes_it(tmp_path, monkeypatch):
    reference, current = worlds.two_months(np.random.default_rng(1), 400)
    reference.write_parquet(tmp_path / "reference.parquet")
    current.write_parquet(tmp_path / "current.parquet")
    (tmp_path / "backslide.toml").write_text(
        '[model]\nlabel = "label"\nprediction = "prediction"\nscores = { yes = "p_yes" }\ntimestamp = "served_at"\n'
        '[windows]\nreference = "reference.parquet"\ncurrent = "current.parquet"\n'
    )
    monkeypatch.chdir(tmp_path)
    assert main(["diagnose", "--quick", "--quiet", "--junit", "out.xml", "--json", "out.json"]) == 0
    written = (tmp_path / "out.xml").read_text(encoding="utf-8")
    assert written == Diagnosis.from_json((tmp_path / "out.json").read_text(encoding="utf-8")).to_junit()
    assert main(["diagnose", "--junit", "missing/out.xml"]) == 2
