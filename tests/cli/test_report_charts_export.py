"""``backslide report --charts``: every chart of a stored diagnosis as a file, and an index of what each one shows."""

from __future__ import annotations

import json
import re
import struct

import pytest

from backslide.contracts.diagnosis import Diagnosis
from backslide.contracts.evidence import Bars, Histograms, RankedRow, Ranking, Table

READING = "“EMP” became “employed”."
BARS = Bars(
    title="Employment", reading=READING, x="share", categories=("EMP", "x"), reference=(0.6, 0.4), current=(0.0, 1.0)
)
DOTS = Ranking(
    title="Metrics", reading="All fell.", x="change", rows=(RankedRow(label="f1", value=-0.1, low=-0.2, high=0.0),)
)
TABLE = Table(title="Numbers", reading="Plain.", columns=("a",), rows=((1,),))
BROKEN = Histograms(title="Broken", reading="Cannot be drawn.", x="x", edges=(0.0, 1.0), reference=(), current=())


@pytest.fixture
def stored(diagnosis, tmp_path):
    """A function that stores a diagnosis whose checks hold ``(code, subject, evidence)``."""

    def store(*found) -> Diagnosis:
        outcomes = [
            {
                "code": code,
                "title": code,
                "step": "drift",
                "status": "ran",
                "severity": "warn",
                "findings": [
                    {"code": code, "subject": subject, "severity": "warn", "summary": "moved"}
                    | {"evidence": [e.model_dump(mode="json") for e in evidence]}
                ],
            }
            for code, subject, *evidence in found
        ]
        made = Diagnosis.from_dict(diagnosis().to_dict() | {"checks": outcomes})
        made.to_json(tmp_path / "d.json")
        return made

    return store


def test_files_are_numbered_and_named_and_indexed(backslide, stored, tmp_path):
    stored(("VER001", "accuracy", DOTS, TABLE), ("DRF002", "employment", BARS))
    ran = backslide("report", "d.json", "--charts", "charts")
    assert ran.code == 0
    assert ran.out == ""
    assert ran.err == "wrote 2 charts and index.html to charts\n"
    folder = tmp_path / "charts"
    names = ["01-VER001-accuracy.svg", "02-DRF002-employment.svg"]
    assert sorted(path.name for path in folder.iterdir()) == [*names, "charts.json", "index.html"]
    index = json.loads((folder / "charts.json").read_text(encoding="utf-8"))
    assert [chart["file"] for chart in index["charts"]] == names
    assert index["charts"][1] == {
        "file": names[1],
        "code": "DRF002",
        "subject": "employment",
        "kind": "bars",
        "title": "Employment",
        "reading": READING,
    }
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert [name in page for name in names] == [True, True]
    assert page.count(f'alt="{READING}"') == 1
    drawn = (folder / names[1]).read_text(encoding="utf-8")
    assert drawn.startswith("<svg")
    assert ">Employment<" in drawn
    assert READING in drawn, "the sentence goes where the chart goes"
    assert 'fill="#ffffff"' in drawn


def test_png_has_two_pixels_for_one(backslide, stored, tmp_path):
    stored(("DRF002", "employment", BARS))
    assert backslide("report", "d.json", "--charts", "c").code == 0
    assert backslide("report", "d.json", "--charts", "c", "--format", "png").code == 0
    svg = (tmp_path / "c" / "01-DRF002-employment.svg").read_text(encoding="utf-8")
    width = float(re.search(r'width="([\d.]+)"', svg)[1])
    png = (tmp_path / "c" / "01-DRF002-employment.png").read_bytes()
    assert struct.unpack(">I", png[16:20])[0] == pytest.approx(2 * width, abs=2)


@pytest.mark.parametrize(
    "subject", ["../../etc/passwd", "a/b\\c", "yes → no", "C:\\x\n\u202e", "", "名", "x" * 300, '"><script>']
)
def test_names_of_files_are_plain_whatever_the_subject(backslide, stored, tmp_path, subject):
    stored(("DRF002", subject, BARS))
    assert backslide("report", "d.json", "--charts", "c").code == 0
    (name,) = [path.name for path in (tmp_path / "c").iterdir() if path.suffix == ".svg"]
    assert re.fullmatch(r"01-DRF002[A-Za-z0-9-]*\.svg", name)
    assert len(name) < 80
    page = (tmp_path / "c" / "index.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c", "d.json"]


def test_what_cannot_be_drawn_keeps_its_sentence_and_costs_nobody(backslide, stored, tmp_path):
    stored(("DRF001", "income", BROKEN), ("DRF002", "employment", BARS))
    ran = backslide("report", "d.json", "--charts", "c")
    assert ran.code == 0
    assert ran.err == "wrote 1 chart and index.html to c; 1 could not be drawn\n"
    index = json.loads((tmp_path / "c" / "charts.json").read_text(encoding="utf-8"))
    assert [chart["file"] for chart in index["charts"]] == [None, "02-DRF002-employment.svg"]
    assert "Cannot be drawn." in (tmp_path / "c" / "index.html").read_text(encoding="utf-8")


def test_no_charts_is_said(backslide, stored, tmp_path):
    stored()
    ran = backslide("report", "d.json", "--charts", "c")
    assert ran.code == 0
    assert ran.err.startswith("wrote 0 charts")
    assert "holds no charts" in (tmp_path / "c" / "index.html").read_text(encoding="utf-8")


def test_beside_other_output_and_over_an_earlier_one(backslide, stored, tmp_path):
    made = stored(("DRF002", "employment", BARS))
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "mine.txt").write_text("kept")
    ran = backslide("report", "d.json", "--charts", "c", "--json", "--md", "d.md")
    assert Diagnosis.from_dict(json.loads(ran.out)) == made
    assert ran.err == "wrote d.md\nwrote 1 chart and index.html to c\n"
    assert (tmp_path / "c" / "mine.txt").read_text() == "kept"


def test_errors_are_one_line(backslide, stored, tmp_path):
    stored(("DRF002", "employment", BARS))
    backslide("report", "d.json", "--charts", "d.json").fails("d.json", "it is a file")
    backslide("report", "d.json", "--charts", "no/where").fails("there is no folder no")
    backslide("report", "d.json", "--charts", "c", "--format", "gif").fails("--format gif", "svg or png")
    backslide("report", "d.json", "--format", "png").fails("--charts DIR")
    backslide("report", "d.json", "--charts", "-").fails("name a folder")
    backslide("report", "nowhere.json", "--charts", "c").fails("nowhere.json")
    assert not (tmp_path / "c").exists(), "nothing is made before it is known that there is something to write"
