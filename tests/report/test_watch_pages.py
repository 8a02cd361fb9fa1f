"""The pages of watching: every model, one over time, one incident. Inert, complete, linked, and teaching where they are empty."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from browser_probe import in_the_dark
from test_report_accessibility import serious

from backslide.contracts.errors import ConfigError
from backslide.contracts.files import check_folder
from backslide.contracts.watch import (
    IncidentMark,
    Labels,
    Level,
)
from backslide.report.documents.addresses import Addresses, file_name
from backslide.report.render.site import write_site
from commands import backslide
from sample_looks import incident, look, stream

NASTY = "<script>alert(1)</script> \u202e"


def pages(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.html")}


def test_every_link_leads_somewhere_and_nothing_is_fetched(tmp_path: Path):
    (tmp_path / "why").mkdir()
    (tmp_path / "why" / "loans 1.html").write_text("<p>why", encoding="utf-8")
    site = tmp_path / "site"
    write_site(
        site, look(incidents=(incident(report="why/loans 1.html"),)), [look("quiet", status=Level.QUIET)], tmp_path
    )
    written = pages(site)
    assert set(written) == {"index.html", "model-loans.html", "model-quiet.html", "incident-loans-2026-03-21.html"}
    for page in written.values():
        for address in re.findall(r'href="([^"#]+)"', page):
            assert (site / address.replace("%20", " ")).is_file(), address
        assert "<script" not in page
        assert "default-src 'none'" in page
        assert "http" not in re.sub(r'http-equiv|xmlns="http://www.w3.org/2000/svg"', "", page)
    assert 'href="reports/loans%201.html"' in written["incident-loans-2026-03-21.html"]
    index = written["index.html"]
    assert index.index("model-loans.html") < index.index("model-quiet.html")  # what alarms stands first
    assert "1 model of 2 with an open alarm: loans." in index
    assert "28 of 28 days judged with labels, complete through 2026-03-25, 2 waiting" in index
    assert index.count('class="spark"') == 2


def test_a_model_over_time_says_what_is_drawn(tmp_path: Path):
    write_site(tmp_path / "site", look(), [], tmp_path)
    page = " ".join(pages(tmp_path / "site")["model-loans.html"].split())
    for words in (
        "accuracy, measured and (broken) estimated",
        "mean confidence",
        "alarm 2026-03-21 to now",
        "upright lines: deploy v2 (2026-03-20 22:00)",
        "Fix upstream data",
        "divide it by 12",
    ):
        assert words in page, words
    assert "missing values of age" not in page  # quiet, and none of the figures that are always drawn


def test_pages_of_other_models_are_left_to_their_own_looks(tmp_path: Path):
    site = tmp_path / "site"
    write_site(site, look(), [look("other", summary="First.")], tmp_path)
    written = write_site(site, look(), [look("other", summary="Second.")], tmp_path)
    assert "model-other.html" not in written
    assert "First." in pages(site)["model-other.html"]
    assert "Second." in pages(site)["index.html"]


def test_empty_pages_teach(tmp_path: Path):
    nothing = look(status=Level.QUIET, streams=(), events=(), last=None, labels=Labels(age=0))
    write_site(tmp_path / "site", nothing, [], tmp_path)
    page = pages(tmp_path / "site")["model-loans.html"]
    assert "No period after the reference is complete yet" in page
    assert "Nothing was raised so far" in page
    write_site(tmp_path / "site", look(status=Level.QUIET, events=()), [], tmp_path)
    assert "backslide log event" in pages(tmp_path / "site")["model-loans.html"]


def test_a_mark_is_shown_and_no_mark_teaches_how(tmp_path: Path):
    write_site(tmp_path / "site", look(), [], tmp_path)
    assert "backslide incidents mark 1 false|fixed|known" in pages(tmp_path / "site")["incident-loans-2026-03-21.html"]
    mark = IncidentMark(
        mark="false", note="a test", at="2026-03-29T06:00:00Z", covers=(("performance", "alarm", "2026-03-22"),)
    )
    answered = look(status=Level.QUIET, incidents=(incident(mark=mark),))
    write_site(tmp_path / "site", answered, [], tmp_path)
    page = pages(tmp_path / "site")["incident-loans-2026-03-21.html"]
    assert "marked false on 2026-03-29 06:00\u00a0UTC: a test" in page


def test_foreign_strings_are_inert_and_no_two_names_share_a_file(tmp_path: Path):
    write_site(tmp_path / "site", look(NASTY, incidents=(incident(text=NASTY),)), [], tmp_path)
    for page in pages(tmp_path / "site").values():
        assert "<script" not in page
        assert "\u202e" not in page
    assert len({file_name(name) for name in ("a b", "a-b", "a/b", "a" * 70, "a" * 71)}) == 5
    assert Addresses({}).model("../../x").count("/") == 0


def test_a_stored_look_is_rendered_again(tmp_path: Path):
    look().to_json(tmp_path / "watch.json")
    done = backslide(tmp_path, "report", "watch.json", "--html", "one.html", "--md", "one.md")
    assert done.code == 0
    assert "<svg" in (tmp_path / "one.html").read_text(encoding="utf-8")
    assert "Accuracy fell." in (tmp_path / "one.md").read_text(encoding="utf-8")
    assert backslide(tmp_path, "report", "watch.json").out == look().to_text()


def test_rows_instead_of_days_have_an_axis_too(tmp_path: Path):
    periods = [f"rows {1 + 5000 * n} to {5000 + 5000 * n}" for n in range(12)]
    counted = look(status=Level.QUIET, period="5000 rows", streams=(stream(periods=periods),), events=())
    write_site(tmp_path / "site", counted, [], tmp_path)
    page = pages(tmp_path / "site")["model-loans.html"]
    assert page.count("<svg") >= 2


def test_a_folder_that_cannot_be_one_is_refused_before_the_look(tmp_path: Path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    for folder, words in ((tmp_path / "file", "it is a file"), (tmp_path / "a" / "b", "there is no folder")):
        with pytest.raises(ConfigError, match=words):
            check_folder(folder, "pages")


@pytest.mark.sample(1)
@pytest.mark.browser
@pytest.mark.parametrize(
    ("name", "dark", "phone"),
    [("model-loans", False, True), ("index", True, True), ("incident-loans-2026-03-21", False, False)],
)
def test_nothing_serious(tmp_path: Path, name: str, dark: bool, phone: bool):
    write_site(tmp_path / "site", look(), [look("quiet", status=Level.QUIET)], tmp_path)
    html = pages(tmp_path / "site")[f"{name}.html"].replace(
        "default-src 'none';", "default-src 'none'; script-src 'none';"
    )
    assert serious(in_the_dark(html) if dark else html, tmp_path, phone=phone) == []
