"""The comparison of recorded answers: what it must report, and what it must leave out."""

from __future__ import annotations

import json

import pytest

import same_answers

BEFORE = {
    "verdict": "degraded",
    "summary": "It fell.",
    "points": 0.1,
    "checks": [{"code": "A1", "rows": 3}, {"code": "B2", "rows": 4}],
    "inputs": {"created": "2026-01-01", "notes": ["one"]},
}


def changed(**values):
    """The answer with some values replaced."""
    return json.loads(json.dumps(BEFORE)) | values


def paths(after):
    return [path for path, *_ in same_answers.differences(BEFORE, after)]


@pytest.mark.parametrize(
    "after",
    [
        changed(summary="Another sentence."),
        changed(points=0.1 * (1 + 1e-12)),
        changed(inputs={"created": "2027-01-01", "notes": ["another", "and one more"]}),
    ],
    ids=["wording", "rounding", "times and notes"],
)
def test_says_nothing_of(after):
    assert paths(after) == []


@pytest.mark.parametrize(
    ("after", "path"),
    [
        (changed(verdict="improved"), "verdict"),
        (changed(points=0.1 + 1e-6), "points"),
        (changed(points=None), "points"),
        (changed(summary=""), "summary"),
        (changed(extra=1), "extra"),
        (changed(checks=[{"code": "A1", "rows": 3}, {"code": "B2", "rows": 5}]), "checks.B2.rows"),
        (changed(checks=[{"code": "A1", "rows": 3}]), "checks.B2"),
        (changed(checks=BEFORE["checks"][::-1]), "checks"),
    ],
)
def test_reports(after, path):
    assert paths(after) == [path]


def test_a_list_of_what_is_meant_needs_reasons_and_covers_no_more(tmp_path, capsys):
    for name, answer in (("before", BEFORE), ("after", changed(verdict="improved", points=0.2))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "one.json").write_text(json.dumps(answer), encoding="utf-8")
    allow = tmp_path / "allow.toml"
    allow.write_text('[[allow]]\npath = "points"\nreason = "counted otherwise"\n', encoding="utf-8")
    assert same_answers.compare(tmp_path / "before", tmp_path / "after", allow) == 1
    assert "one: verdict" in capsys.readouterr().out
    allow.write_text('[[allow]]\npath = "*"\nwithin = 0.2\nreason = "other folds"\n', encoding="utf-8")
    assert same_answers.compare(tmp_path / "before", tmp_path / "after", allow) == 1
    out = capsys.readouterr().out
    assert "one: verdict" in out  # no number, so not within any distance
    assert "one: points" not in out
    allow.write_text('[[allow]]\npath = "*"\nreason = "all of it"\n', encoding="utf-8")
    assert same_answers.compare(tmp_path / "before", tmp_path / "after", allow) == 0
    allow.write_text('[[allow]]\npath = "*"\n', encoding="utf-8")
    with pytest.raises(SystemExit, match="a reason"):
        same_answers.compare(tmp_path / "before", tmp_path / "after", allow)


def test_every_scenario_is_a_case():
    names = [name for name, _ in same_answers.cases("simulated")]
    assert len(names) == len(set(names)) > 60
    assert {"simulated/check-VER001", "simulated/world-quiet", "commands/watch"} <= set(names)
