"""What people open in a spreadsheet computes nothing there, and comes back as it was."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import backslide as bs
from backslide.log.label_sample import read_answers
from backslide.log.reading import open_log
from backslide.log.spreadsheet import guard_formulas, unguard
from commands import backslide

ATTACKS = ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "'=1", "''=1", "=", "-", "--5", "-1e"]
PLAIN = ["-5", "+5.25", "-1e-7", "a=b", "'quoted'", "", "2026-01-01"]
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")


@given(st.lists(st.text("=+-@'\t\r\n1e. a;,\"", max_size=8), min_size=1))
@example([*ATTACKS, *PLAIN])
def test_every_text_comes_back_and_none_is_a_formula(texts: list[str]):
    table = pl.DataFrame({"x": texts, "n": [-1.5] * len(texts)})
    written = guard_formulas(table)
    assert written["n"].equals(table["n"])
    for text in written["x"]:
        assert NUMBER.fullmatch(text) or text[:1] not in tuple("=+-@\t\r\n"), text
    read = pl.read_csv(written.write_csv().encode(), infer_schema=False)
    assert read.select(unguard(pl.col("x")).fill_null(""))["x"].to_list() == texts


def test_plain_texts_and_missing_ones_are_left_alone():
    table = pl.DataFrame({"x": [*PLAIN, None]})
    assert guard_formulas(table).equals(table)
    assert guard_formulas(pl.DataFrame({"=1": [1], "a": ["b"]})).columns == ["'=1", "a"]


def test_rows_to_label_go_out_harmless_and_come_back_under_their_ids(tmp_path: Path):
    pytest.importorskip("deltalake")
    with bs.Recorder("m", store=tmp_path / "log") as recorder:
        for k, text in enumerate(ATTACKS):
            recorder.record({"note": text, "x": float(k)}, "=yes", {"=yes": 0.5}, id=f"{text}#{k}")
    assert backslide(tmp_path, "log", "rollup").code == 0
    done = backslide(tmp_path, "log", "to-label", "--n", "100", "out.csv")
    assert done.code == 0, done.err
    table = pl.read_csv(tmp_path / "out.csv", infer_schema=False)
    cells = [cell for row in table.iter_rows() for cell in row if cell] + table.columns
    assert not [cell for cell in cells if cell[0] in "=+-@\t\r\n"]
    assert set(read_answers(tmp_path / "out.csv")["id"]) == {f"{text}#{k}" for k, text in enumerate(ATTACKS)}
    table.with_columns(label=pl.col("prediction")).write_csv(tmp_path / "out.csv")
    assert "12 labels added" in backslide(tmp_path, "log", "label", "out.csv").out
    rows = open_log(tmp_path / "log").predictions().collect()
    assert rows["label"].to_list() == ["=yes"] * len(ATTACKS)
    backslide(tmp_path, "log", "export", "--spreadsheet", "all.csv")
    guarded, whole = (pl.read_csv(tmp_path / "all.csv", infer_schema=False), rows)
    assert set(guarded["note"].str.slice(0, 1)) == {"'"}
    assert set(guarded.select(unguard(pl.col("note")))["note"]) == set(whole["note"])
    assert "ends with .csv" in backslide(tmp_path, "log", "export", "--spreadsheet", "all.parquet").err


def test_a_design_that_a_spreadsheet_rewrote_is_read_or_named(tmp_path: Path):
    file = tmp_path / "labels.csv"
    file.write_text("id;label;inclusion;of_rows\na;yes;0,25;40\n", encoding="utf-8-sig")
    assert read_answers(file).row(0) == ("a", "yes", 0.25, 40.0)
    file.write_text("id,label,inclusion,of_rows\na,yes,Mar 25,40\n")
    with pytest.raises(bs.BackslideError, match="inclusion holds 'Mar 25', which is no number"):
        read_answers(file)
