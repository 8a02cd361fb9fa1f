"""Answers are held against the truth as they should be, and the tables say what the records say."""

from __future__ import annotations

import json
import sys

import pytest

from backslide.contracts.cause import Cause, CauseKind, Confidence
from faults import report, tables
from faults.fault import Fault
from faults.records import in_one_line, read
from faults.score import is_false, is_it


def cause(kind: str, *features: str, classes: tuple[str, ...] = (), segment: str | None = None) -> Cause:
    return Cause(
        rank=1,
        kind=CauseKind(kind),
        features=features,
        classes=classes,
        segment=segment,
        confidence=Confidence.VERIFIED,
        summary="",
        next_step="",
    )


def fault(kind: str, *columns: str, classes: tuple[str, ...] = (), some: bool = False) -> Fault:
    return Fault(kind, columns, "", classes=classes, some_suffice=some)


@pytest.mark.parametrize(
    ("said", "done", "right"),
    [
        (cause("unit_change", "a"), fault("unit_change", "a"), True),
        (cause("unit_change", "b"), fault("unit_change", "a"), False),
        (cause("sign_flip", "a"), fault("unit_change", "a"), False),
        (cause("unit_change", "a", "b"), fault("unit_change", "a"), False),
        (cause("swapped_columns", "b", "a"), fault("swapped_columns", "a", "b"), True),
        (cause("swapped_columns", "a"), fault("swapped_columns", "a", "b"), False),
        (cause("broken_join", "a"), fault("broken_join", "a", "b", some=True), True),
        (cause("broken_join", "a", "c"), fault("broken_join", "a", "b", some=True), False),
        (cause("broken_join"), fault("broken_join", "a", "b", some=True), False),
        (cause("model_change"), fault("model_change"), True),
        (cause("label_shift", classes=("yes",)), fault("label_shift", classes=("yes",)), True),
        (cause("label_shift"), fault("label_shift", classes=("yes",)), False),
        (cause("covariate_shift", "b", "a"), fault("covariate_shift", "a"), True),
        (cause("concept_drift", segment="a > 3"), fault("concept_drift", "a"), True),
        (cause("concept_drift", "b"), fault("concept_drift", "a"), False),
    ],
)
def test_a_fault_is_named_by_kind_and_subject(said, done, right):
    assert is_it(said, done) is right


def test_only_data_faults_that_were_not_done_are_accusations():
    assert is_false(cause("unit_change", "a"), ())
    assert is_false(cause("unit_change", "a"), (fault("clipped_range", "a"),))
    assert not is_false(cause("unit_change", "a"), (fault("clipped_range", "b"), fault("unit_change", "a")))
    assert not is_false(cause("covariate_shift", "a"), ())


def record(n: int, *, kind: str = "unit_change", rank: int | None = 1, large: bool = True, **more) -> dict:
    """A record as ``play`` writes it."""
    held = {
        "kind": kind,
        "columns": ["a"],
        "classes": [],
        "variant": "times 12",
        "effect": -0.1,
        "harm": 0.1,
        "large": large,
        "rank": rank,
        "under_harmless": False,
    }
    if rank is not None:
        held |= {"error": 0.05, "covered": True, "share": 1.0, "marker_named": None}
    base = {
        "id": f"{kind}/toy/linear/all/still/1000/{n}",
        "kind": kind,
        "data": "toy",
        "model": "linear",
        "condition": "all",
        "background": "still",
        "rows": 1000,
        "seed": n,
        "windows": [1000, 1000],
        "marked_by": None,
        "share_hit": 1.0,
        "bar": 0.03,
        "verdict": "degraded",
        "detectable": 0.03,
        "causes": [],
        "harmless": [],
        "faults": [held],
        "false_causes": [],
        "false_harmless": [],
        "first_is_wrong": False,
        "seconds": 2.0,
        "moved": "none",
        "blamed": {"psi": "a", "psi_importance": "b"},
    }
    return base | more


def rows_of(page: str, title: str) -> dict[str, list[str]]:
    """Lines of the table under a heading, by their first cell."""
    block = page.split(f"## {title}\n")[1].split("\n## ")[0]
    lines = [[c.strip() for c in line.strip("|").split("|")] for line in block.splitlines() if line.startswith("|")]
    return {cells[0]: cells[1:] for cells in lines[2:]}


def test_full_faults_are_counted_by_kind():
    records = [record(0), record(1), record(2, rank=2), record(3, rank=None, false_causes=["clipped_range(a)"])]
    line = rows_of(report.render(records, 10), "Single faults on all rows, with labels, effect large")["unit_change"]
    head = list(tables.HEAD[1:])
    told = dict(zip(head, line, strict=True))
    assert (told["n"], told["named"], told["named anywhere"]) == ("4", "50 % (2/4)", "75 % (3/4)")
    assert told["false accusations"] == "25 % (1/4)"
    assert told["error of points"] == "5 %"
    assert (told["PSI"], told["PSI x importance"]) == ("100 % (4/4)", "0 % (0/4)")


def test_goals_are_met_or_missed():
    good = rows_of(report.render([record(n) for n in range(20)], 10), "What it must show")
    assert good["full faults, large: named"] == ["≥ 95 %", "100 % (20/20)", "met"]
    bad = rows_of(report.render([record(n, rank=None) for n in range(20)], 10), "What it must show")
    assert bad["full faults, large: named"][-1] == "missed"
    assert bad["two faults, both large: both in the first three"] == ["≥ 85 %", "–", "–"]


def test_small_faults_stand_apart_and_a_wrong_word_about_them_counts():
    wrong = record(1, rank=None, large=False, first_is_wrong=True, causes=[{"kind": "label_shift", "features": []}])
    page = report.render([record(0, rank=None, large=False), wrong], 10)
    assert rows_of(page, "Single faults on all rows, with labels, effect small")["unit_change"][3] == "50 % (1/2)"
    assert rows_of(page, "What it must show")["full faults, small: something wrong said"][-1] == "missed"
    assert rows_of(page, "Single faults on all rows, with labels, effect large")["all"][0] == "0"


def test_quiet_pairs_and_pairs_of_faults():
    quiet = [record(n, kind="quiet", faults=[], background="natural") for n in range(3)]
    quiet[0] |= {"false_harmless": ["clipped_range(a)"], "harmless": [{"kind": "clipped_range", "features": ["a"]}]}
    two = record(0, kind="two_faults")
    two["faults"] = [two["faults"][0], two["faults"][0] | {"kind": "sign_flip", "rank": 4}]
    page = report.render([*quiet, two], 10)
    assert rows_of(page, "Nothing done")["natural"][:3] == ["3", "0 % (0/3)", "33 % (1/3)"]
    assert rows_of(page, "Two faults")["both large"][:3] == ["1", "0 % (0/1)", "50 % (1/2)"]
    assert f"`{quiet[0]['id']}`" in page


def test_failing_cells_are_listed_dearest_first_and_errors_said():
    failed = {"id": "x/y", "error": "ValueError: a|b"}
    cheap, dear = record(0, rank=None), record(1, rank=None, bar=0.01)
    page = report.render([record(2), cheap, dear, failed], 1)
    assert dear["id"] in page
    assert cheap["id"] not in page
    assert "ValueError: a/b" in page


def test_results_are_read_back_the_later_of_two(tmp_path, monkeypatch, capsys):
    path = tmp_path / "results.jsonl"
    assert read(path) == []
    path.write_text("".join(json.dumps(r) + "\n" for r in (record(0), record(1), record(0, seconds=9.0))))
    assert [r["seconds"] for r in read(path)] == [9.0, 2.0]
    assert "unit_change(a) large 0.1 rank 1" in in_one_line(record(0))
    monkeypatch.setattr(sys, "argv", ["report.py", str(path)])
    report.main()
    assert "## What it must show" in capsys.readouterr().out


def test_the_tables_of_one_part_of_a_page_are_replaced(tmp_path, monkeypatch):
    def marked(part: str, text: str) -> str:
        return f"<!-- faults, {part}: written by benchmarks/faults/report.py -->\n\n{text}\n\n<!-- end of faults, {part} -->"

    page = tmp_path / "page.md"
    page.write_text(f"before\n\n{marked('looked-at', 'of yesterday')}\n\n{marked('held-out', 'kept')}\n\nafter\n")
    results = tmp_path / "r.jsonl"
    results.write_text("")
    monkeypatch.setattr(sys, "argv", ["report.py", str(results), "--into", str(page)])
    report.main()
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "of yesterday" not in text
    assert marked("held-out", "kept") in text
    assert "#### Sets looked at: " in text
    monkeypatch.setattr(sys, "argv", ["report.py", str(results), "--into", str(results)])
    with pytest.raises(SystemExit, match="needs the lines"):
        report.main()
