"""``backslide report``: a stored diagnosis becomes text, Markdown, HTML and JSON again."""

from __future__ import annotations

import io
import json
import sys

import pytest

from backslide.contracts.diagnosis import Diagnosis
from backslide.contracts.integrity import Integrity
from backslide.contracts.selftest import SelfTest

pytestmark = pytest.mark.core


@pytest.fixture
def stored(diagnosis, tmp_path):
    diagnosis().to_json(tmp_path / "diagnosis.json")
    return diagnosis()


def test_text_is_the_default(backslide, stored):
    ran = backslide("report", "diagnosis.json")
    assert ran.code == 0, "rendering a degraded model is a success"
    assert ran.out.strip() == stored.to_text().strip()


@pytest.mark.parametrize(
    "answer",
    [
        Integrity(
            a={"name": "v1", "taken_at": "2026-03-01"}, b={"name": "v2", "taken_at": "2026-04-01"}, summary="Same."
        ),
        SelfTest(model="m", metric="accuracy", share=True, rows=1, detectable=None, quiet="improved", tried=()),
    ],
    ids=lambda answer: answer.format,
)
def test_every_answer_is_known_by_its_format(backslide, tmp_path, answer):
    answer.to_json(tmp_path / "answer.json")
    ran = backslide("report", "answer.json")
    assert ran.code == 0
    assert ran.out.strip() == answer.to_text().strip()


def test_json_goes_to_standard_output_and_is_the_same_diagnosis(backslide, stored):
    ran = backslide("report", "diagnosis.json", "--json")
    assert Diagnosis.from_dict(json.loads(ran.out)) == stored
    assert ran.err == ""


def test_files(backslide, stored, tmp_path):
    ran = backslide("report", "diagnosis.json", "--html", "why.html", "--md", "why.md")
    assert ran.code == 0
    assert ran.out == ""
    assert ran.err == "wrote why.html\nwrote why.md\n"
    assert (tmp_path / "why.html").read_text(encoding="utf-8").strip() == stored.to_html().strip()
    assert (tmp_path / "why.md").read_text(encoding="utf-8").strip() == stored.to_markdown().strip()


def test_standard_input_and_output(backslide, stored, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO((tmp_path / "diagnosis.json").read_text(encoding="utf-8")))
    ran = backslide("report", "-", "--md", "-")
    assert ran.out.strip() == stored.to_markdown().strip()


def test_missing_file(backslide):
    backslide("report", "nowhere.json").fails("nowhere.json", "backslide diagnose --json")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"not json", "expected a diagnosis as JSON"),
        (b"{}", "backslide.diagnosis/1"),
        (b"[1, 2]", "backslide.diagnosis/1"),
        (b'{"format": "backslide.diagnosis/9"}', "backslide.diagnosis/9"),
        (b'{"format": "backslide.diagnosis/1"}', "model"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b"", "expected a diagnosis as JSON"),
    ],
)
def test_files_that_are_no_diagnosis(backslide, tmp_path, content, words):
    (tmp_path / "d.json").write_bytes(content)
    backslide("report", "d.json").fails(words)


def test_a_folder_is_no_diagnosis(backslide, tmp_path):
    (tmp_path / "folder").mkdir()
    backslide("report", "folder").fails("folder cannot be read")


def test_where_nothing_can_be_written(backslide, stored):
    backslide("report", "diagnosis.json", "--html", "nowhere/why.html").fails("there is no folder nowhere")


def test_one_thing_only_for_standard_output(backslide, stored):
    backslide("report", "diagnosis.json", "--json", "--md", "-").fails("only one of")
