"""Pages say what is there: incidents first, every state in the address, nothing inline, whatever names hold."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import tomllib
from importlib.resources import files

import numpy as np
from filled_server import ALARMED, OPEN, QUIET, UNTIL, page, words

from backslide.contracts.watch import WatchReport
from backslide.contracts.watch_settings import parse_duration
from backslide.store.tables import incident_details
from server_pages import fill, paths

INCIDENT = f"/models/{ALARMED}/incidents/{OPEN}"


def test_the_first_page_shows_the_open_incident_first_and_what_was_like_it(filled):
    text = words(page(filled, "/"))
    assert "One incident asks for somebody: model-001" in text
    first = text.index(f"incident {OPEN}")
    assert first < text.index("Before that") < text.index("incident 2", first)
    assert "3.4 points 2.3 to 4.5 of accuracy" in text
    assert "new" in text
    assert "nobody" in text


def test_filters_stand_in_the_address(filled):
    assert "Before that" not in words(page(filled, "/?which=open"))
    only = page(filled, f"/?model={QUIET}&q=feature_0")
    assert f"/models/{QUIET}/incidents/1" in only
    assert f"/models/{ALARMED}" not in only
    assert "No incident is like that" in words(page(filled, "/?q=nothing+like+it"))
    assert "No incident is like that" in words(page(filled, "/?owner=Zoe"))
    zoned = page(filled, "/?tz=Asia%2FTokyo&which=open")
    assert 'href="/models?tz=Asia%2FTokyo"' in zoned
    assert 'value="Asia/Tokyo" selected' in zoned
    for odd in (
        "which=x",
        "page=99999",
        "page=-1",
        "tz=..%2F..%2Fetc%2Fpasswd",
        "tz=%00",
        "q=%25_!%25%00",
        "model=%00&owner=%00",
    ):
        page(filled, f"/?{odd}")


def test_models_show_state_small_lines_labels_and_freshness(filled):
    html = page(filled, "/models")
    text = words(html)
    assert "1 of 2 models with an open alarm" in text
    assert text.index(ALARMED) < text.index(QUIET)
    assert "complete through" in text
    assert "1 alarm" in text
    assert html.count('<polyline class="measured"') == 2
    assert html.count('<polyline class="estimated"') == 2
    assert QUIET not in words(page(filled, "/models?q=001"))


def test_every_tab_of_a_model_says_something(filled):
    one = f"/models/{ALARMED}"
    assert "Diagnose" not in page(filled, one).partition("Two periods and one button")[0]
    tabs = {
        "": "Two periods and one button",
        "parts": "class of paid",
        "inputs": "Confidence, missing and unknown values",
        "stack": "None was sent",
        "models": "backslide shadow",
        "watching": "At most one in 10 years",
    }
    for tab, expected in tabs.items():
        assert expected in words(page(filled, f"{one}?tab={tab}")), tab
    assert "holds no rows of it" in words(page(filled, f"{one}/versions"))


def test_the_axis_joins_streams_alarms_events_and_labels(filled):
    data = filled.client.get(f"/models/{ALARMED}/axis.json?also=missing:feature_2").json()
    titles = [panel["title"] for panel in data["panels"]]
    assert titles[0] == "accuracy"
    assert "missing of feature_2" in titles
    assert [line["name"] for line in data["panels"][0]["lines"]] == ["measured", "estimated before labels come"]
    assert all(len(line["values"]) == len(data["x"]) == 160 for panel in data["panels"] for line in panel["lines"])
    assert data["panels"][0]["low"][0] is None, "the reference is what is normal, and has no band"
    assert data["panels"][0]["low"][-1] < data["panels"][0]["high"][-1]
    assert len(data["spans"]) == OPEN
    assert data["spans"][-1]["to"] == data["extent"][1]
    assert data["events"][0]["text"] == "deploy v0"
    around = filled.client.get(f"/models/{ALARMED}/incidents/1/axis.json").json()
    assert len(around["x"]) < 160


def test_what_is_no_number_leaves_a_gap(server):
    from server_pages import _report, _series

    numbers = list(range(20500, 20600))
    series = [_series(name, name, numbers, np.random.default_rng(3)) for name in ("performance", "confidence")]
    report = WatchReport.from_dict(_report("gaps", numbers, series, UNTIL, with_open=False)).to_dict()
    for one in series:
        one["value"][-1], one["high"][-2] = float("nan"), float("inf")
    book = server.context.database.book("gaps", {})
    with book.transaction():
        book.number([one["id"] for one in report["incidents"]])
        book.keep_report(report, series)
    assert "gaps" in words(page(server, "/models"))
    data = server.client.get("/models/gaps/axis.json").json()
    assert data["panels"][0]["lines"][0]["values"][-1] is None


def test_the_same_numbers_stand_in_a_table(filled):
    part = page(filled, f"/models/{ALARMED}/numbers", headers={"HX-Request": "true"})
    assert part.startswith("<div")
    assert part.count("<tr>") == 161
    whole = page(filled, f"/models/{ALARMED}/numbers")
    assert whole.startswith(("\n<!doctype", "<!doctype"))
    assert f"{UNTIL:%Y}" in part


def test_an_incident_says_why_and_what_would_undo_it(filled):
    text = words(page(filled, INCIDENT))
    for expected in (
        "Fix upstream data",
        "feature_1 is 100 times larger",
        "divide feature_1 by 100",
        "brings back 3.3 points (2.5 to 4.1)",
        "verified: undoing it and doing it agree",
        "Nobody wrote anything yet",
        "Log in to acknowledge",
    ):
        assert expected in text, expected
    assert "feature_1 is 100 times larger" in words(page(filled, f"{INCIDENT}?tab=report"))
    assert "The labels that are there decide" in words(page(filled, f"{INCIDENT}?tab=labels"))
    assert "cannot be read" in words(page(filled, f"{INCIDENT}?tab=rows&part=rows"))


def test_an_incident_is_one_file_that_needs_no_server(filled):
    answer = filled.client.get(f"{INCIDENT}/export.html")
    assert answer.headers["content-disposition"] == f'attachment; filename="incident-{ALARMED}-{OPEN}.html"'
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "feature_1 is 100 times larger" in answer.text
    assert "Over time" in answer.text
    assert not re.search(r'(?:src|href)="(?!#|data:)', answer.text)


def test_what_is_not_there_is_said_so(filled):
    for url in (
        "/models/nobody",
        f"/models/{ALARMED}/incidents/99",
        "/jobs/x",
        "/jobs/%00",
        "/static/x.css",
        "/static/../site.py",
    ):
        assert filled.client.get(url).status_code == 404, url


def test_numbers_that_no_database_holds_are_refused(filled):
    for number in ("0", "-1", "99999999999999999999", "x"):
        assert filled.client.get(f"/models/{ALARMED}/incidents/{number}").status_code == 422
    assert filled.client.get(f"/models/{ALARMED}/axis.json?also=%00,missing").status_code == 200


def test_nothing_is_inline_and_nothing_comes_from_elsewhere(filled):
    for url in paths(ALARMED, OPEN):
        html = page(filled, url)
        if url.split("?")[0].endswith(".json"):
            continue
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|<script(?![^>]*\ssrc=)", html), url
        for address in re.findall(r'(?:src|href|action)="([^"]*)"', html):
            assert re.match(r"/(?!/)|#|http://127\.0\.0\.1", address), (url, address)
        policy = filled.client.get(url).headers["content-security-policy"]
        assert "unsafe" not in policy


def test_first_steps_are_commands_that_work(server):
    html = page(server, "/")
    assert "Nothing is watched yet" in words(html)
    assert "No models yet" in words(page(server, "/models"))
    blocks = [
        words(block).replace("&#34;", '"').replace("&#39;", "'") for block in re.findall(r"<pre.*?</pre>", html, re.S)
    ]
    posts = [shlex.split(block.replace("\\ ", " ")) for block in blocks if block.startswith("curl")]
    assert len(posts) == 2
    for command in posts:
        url, body = command[3], json.loads(command[command.index("-d") + 1])
        answer = server.client.post(url, json=body, headers=server.headers("ingest"))
        assert answer.status_code == 201, answer.text
    configuration = next(block for block in blocks if "[windows]" in block)
    assert 'name = "loan-defaults"' in configuration
    text = words(page(server, "/models"))
    assert "loan-defaults" in text
    assert "not watched yet" in text
    shown = page(server, "/models/loan-defaults")
    assert "is not watched yet" in words(shown)
    assert parse_duration("1h") == 3600


EVIL = "</title><script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u202e{{7*7}}"


def test_hostile_names_are_inert(server):
    fill(server.context.database, 1, 130, 2, until=UNTIL, prefix=EVIL)
    (name,) = server.context.database.reports()
    server.context.desk.annotate(name, next(iter(server.context.database.incidents(name))), EVIL, EVIL)
    slug = re.search(r'href="(/models/[^"/?]+)"', page(server, "/models"))[1]
    incident = f"{slug}/incidents/1"
    urls = ["/", "/models", slug, *(f"{slug}?tab={t}" for t in ("parts", "inputs", "watching", "stack", "models"))]
    urls += [incident, f"{incident}?tab=report", f"{incident}?tab=rows", f"{incident}?tab=labels", f"/?q={EVIL}"]
    for url in urls:
        html = page(server, url)
        assert not re.search("<script>alert|<img src=x", html), url
        assert "\u202e" not in html, url
        assert ">49<" not in html
    assert "alert(1)" in words(page(server, "/models")), "it is shown, as text"
    answer = server.client.get(f"{incident}/export.html")
    assert "<script>alert" not in answer.text
    assert EVIL not in answer.headers["content-disposition"]


def test_files_of_others_are_the_ones_of_the_registry():
    folder = files("backslide.server.pages").joinpath("static", "vendor")
    known = tomllib.loads(folder.joinpath("VENDORED.toml").read_text(encoding="utf-8"))["file"]
    there = {one.name for one in folder.iterdir()}
    assert there == {"VENDORED.toml", *(one["name"] for one in known), *(one["licence_file"] for one in known)}
    for one in known:
        assert hashlib.sha256(folder.joinpath(one["name"]).read_bytes()).hexdigest() == one["sha256"], one["name"]


def test_static_files_may_be_kept_because_their_address_changes_with_them(filled):
    html = page(filled, "/")
    for address in re.findall(r'(?:src|href)="(/static/[^"]+)"', html):
        answer = filled.client.get(address)
        assert answer.status_code == 200
        assert "?v=" in address
        assert "max-age" in answer.headers["cache-control"]


def test_incidents_of_former_settings_are_closed(server):
    from server_pages import _report, _series

    numbers = list(range(20500, 20600))
    series = [_series("performance", "performance", numbers, np.random.default_rng(3))]
    for settings, with_open in (({}, True), ({"other": 1}, False)):
        report = WatchReport.from_dict(_report("moved", numbers, series, UNTIL, with_open=with_open)).to_dict()
        report["incidents"] = [one for one in report["incidents"] if one["open"] == with_open]
        book = server.context.database.book("moved", settings)
        with book.transaction():
            book.number([one["id"] for one in report["incidents"]])
            book.keep_report(report, series)
        assert ("Open 1" in words(page(server, "/"))) == with_open
    with server.context.database.engine.begin() as connection:
        details = connection.execute(incident_details.select().order_by(incident_details.c.known_on)).all()
    assert not any(row.open or row.data["open"] for row in details)
    assert details[-1].closed == details[-1].data["closed"] == report["last"]
