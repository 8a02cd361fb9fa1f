"""The benchmark of false alarms at tiny sizes: it asks, keeps, goes on, counts and prints. Its rates are not judged here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from toy_bench import BENCHMARKS

import quiet.answers
import quiet.environments
import quiet.pairs
import quiet.render
import quiet.run
import quiet.tables

RUN = BENCHMARKS / "quiet" / "run.py"


@pytest.mark.slow
def test_it_counts_and_goes_on_where_it_was(tmp_path, monkeypatch, capsys):
    options = ["--seeds", "1", "--largest", "200", "--log", str(tmp_path / "log"), "--out", str(tmp_path / "out")]
    first = subprocess.run(
        [sys.executable, str(RUN), *options], capture_output=True, text=True, env={**os.environ, "BACKSLIDE_DATA": ""}
    )
    assert first.returncode == 0, first.stderr[-2000:]
    assert "## Quiet pairs: features flagged as drifted" in first.stdout
    assert "## Power" not in first.stdout  # nothing was counted there
    asked = (tmp_path / "log").read_text().splitlines()
    assert len(asked) == 3  # one of independent rows, two with days
    monkeypatch.setenv("BACKSLIDE_DATA", "")
    monkeypatch.setattr(sys, "argv", [str(RUN), *options])
    quiet.run.main()
    assert capsys.readouterr().out == first.stdout
    assert (tmp_path / "log").read_text().splitlines() == asked
    found = json.loads((tmp_path / "out").read_text())
    [flagged] = [c for c in found["tables"]["flagged by all"] if c["row"] == ["together"]]
    assert (flagged["column"], flagged["of"]) == ("backslide", 27)
    assert found["failed_checks"] == {}


def test_no_time_asks_nothing(tmp_path, capsys):
    log = quiet.answers.Log(tmp_path / "log", {"backslide": "1"})
    quiet.run.Bench(log, {}, {}, minutes=0).run([quiet.pairs.Pair("rows", 200, 0)])
    assert "time is up at pair 1 of 1" in capsys.readouterr().err
    assert not (tmp_path / "log").exists()


def test_pairs_are_their_names():
    planned = quiet.run.plan(range(7), 500_000, real=False)
    names = [pair.name for pair in planned]
    assert len(set(names)) == len(names)
    small = [pair for pair in planned if pair.rows <= 1_000][:8]
    for pair in small:
        assert pair.make().current.equals(pair.make().current)
    currents = [pair.make().current for pair in small]
    assert not any(a.equals(b) for i, a in enumerate(currents) for b in currents[:i])


def test_every_size_meets_every_span():
    pairs = [p for p in quiet.pairs.quiet_streams(range(6), 500_000) if p.days]
    met = {(p.rows, p.days) for p in pairs}
    assert met == {(n, d) for n in quiet.pairs.SIZES for d in quiet.pairs.SPANS}


def test_any_beginning_holds_some_of_everything():
    beginning = quiet.run.plan(range(40), 500_000, real=False)[:60]
    assert {p.rows for p in beginning} >= {*quiet.pairs.SIZES, *quiet.pairs.POWER_SIZES}
    assert {p.change for p in beginning} >= {None, *quiet.pairs.CHANGES, quiet.pairs.TINY}
    assert any(p.whole for p in beginning)


def answered(path, pair, **said):
    log = quiet.answers.Log(path, {"backslide": "1", "NannyML": "2"})
    log.add(pair, "backslide", {"columns": 9, "flagged": [], "elsewhere": [], "alarms": {"performance": False}} | said)
    return log


def test_what_changed_is_asked_again(tmp_path):
    pair = quiet.pairs.Pair("rows", 200, 0)
    answered(tmp_path / "log", pair, verdict="inconclusive")
    assert quiet.answers.Log(tmp_path / "log", {"backslide": "1"}).knows(pair, "backslide")
    assert not quiet.answers.Log(tmp_path / "log", {"backslide": "other source"}).knows(pair, "backslide")
    with (tmp_path / "log").open("a") as file:
        file.write('{"pair": "cut o')
    assert quiet.answers.Log(tmp_path / "log", {"backslide": "1"}).knows(pair, "backslide")


def test_what_may_be_the_machines_fault_is_asked_again(tmp_path):
    pair = quiet.pairs.Pair("rows", 200, 0)
    log = quiet.answers.Log(tmp_path / "log", {"NannyML": "1"})
    log.add(pair, "NannyML", {"error": "no answer within 1 s", "passing": True})
    assert log.knows(pair, "NannyML")
    assert quiet.tables.count([pair], log).errors == {"NannyML": [f"{pair.name}: no answer within 1 s"]}
    assert not quiet.answers.Log(tmp_path / "log", {"NannyML": "1"}).knows(pair, "NannyML")


def test_rates_are_counted_where_they_belong(tmp_path):
    days = quiet.pairs.Pair("days", 200, 0, quiet.pairs.Days(28, 7))
    power = quiet.pairs.Pair("rows", 500, 0, None, quiet.pairs.CHANGES[1])
    log = answered(tmp_path / "log", days, verdict="degraded", flagged=["income"], alarms={"performance": True})
    moved = {"columns": 9, "flagged": ["balance", "visits"], "chunks": {"alerts": 5, "of": 90}}
    log.add(power, "backslide", moved | {"verdict": "degraded", "elsewhere": [], "alarms": {"performance": True}})
    log.add(days, "NannyML", moved | {"alarms": {"performance": True, "estimated": "ValueError: too few rows"}})
    counted = quiet.tables.count([days, power], log)

    def rate(table, row, column):
        return str(counted.get(table, row, column))

    assert rate("flagged by size", ("days", "200"), "backslide") == "11.1 % (1/9)"
    assert rate("alarm by span", ("28 + 7",), "backslide") == "100.0 % (1/1)"
    assert rate("flagged by all", ("days",), "NannyML, chunks") == "5.6 % (5/90)"
    assert rate("shift", ("0.2", "independent rows", "500"), "backslide") == "50.0 % (1/2)"
    assert rate("share", ("0.03", "independent rows", "500"), "backslide") == "0.0 % (0/1)"
    assert rate("drop", ("0.02", "independent rows", "500"), "backslide") == "100.0 % (1/1)"
    assert rate("unmoved", ("independent rows", "500"), "backslide") == "16.7 % (1/6)"
    assert counted.errors == {"NannyML": [f"{days.name}: estimated: ValueError: too few rows"]}
    printed = quiet.render.markdown(counted, log.prints, {"whylogs": "no Python 3.10"}, range(1))
    assert "## Power: accuracy falls" in printed
    assert "no Python 3.10" in printed
    assert "too few rows" in printed


def test_limit_of_no_hit_is_the_rule_of_three():
    assert quiet.tables.Rate(0, 300).upper == pytest.approx(3 / 300, rel=0.01)


ADAPTER = """\
import os, sys, time
sys.path.insert(0, {peers!r})
from serve import serve
def answer(reference, current, question):
    print("chatter of a peer")
    if question["do"] == "raise":
        raise ValueError("no\\nway")
    if question["do"] == "die":
        os._exit(3)
    if question["do"] == "sleep":
        time.sleep(60)
    return {{"flagged": list(current.columns), "alarms": {{}}, "text": current["k"].tolist()}}
serve(answer, "1.0")
"""


@pytest.fixture
def peer(tmp_path):
    """A peer of our own making behind the protocol of the adapters."""
    script = tmp_path / "fake_peer.py"
    script.write_text(ADAPTER.format(peers=str(BENCHMARKS / "quiet" / "peers")))

    class Fake(quiet.environments.Peer):
        adapter = script

    started = quiet.environments.Asked(Fake("Fake", "1.0", (), ()), Path(sys.executable), patience=120)
    yield started
    started.stop()


@pytest.fixture
def windows(tmp_path):
    import polars as pl

    paths = {side: str(tmp_path / f"{side}.parquet") for side in ("reference", "current")}
    for path in paths.values():
        pl.DataFrame({"k": [True, None], "x": [1.0, 2.0]}).write_parquet(path)
    return paths | {"categorical": ["k"]}


def test_a_peer_answers_through_its_pipe_and_survives_its_own_errors(peer, windows):
    assert peer.ask(windows | {"do": "raise"}) == {"error": "ValueError: no"}
    answer = {"flagged": ["k", "x"], "alarms": {}, "text": ["True", None]}
    assert peer.ask(windows | {"do": "answer"}) == answer
    assert peer.ask(windows | {"do": "die"}) == {"error": "the process died", "passing": True}
    assert peer.ask(windows | {"do": "answer"}) == answer  # it was started again


def test_a_peer_that_takes_too_long_is_ended(peer, windows):
    assert "flagged" in peer.ask(windows | {"do": "answer"})
    peer.patience = 0.5
    assert peer.ask(windows | {"do": "sleep"}) == {"error": "no answer within 0.5 s", "passing": True}


def test_a_peer_without_a_python_says_so():
    with pytest.raises(quiet.environments.UnavailableError, match=r"no Python 2\.0"):
        quiet.environments.find_python(("2.0",))


def test_a_peer_of_another_version_is_not_asked(peer, windows):
    other = quiet.environments.Asked(peer.peer.__class__("Fake", "2.0", (), ()), peer.python, patience=120)
    with pytest.raises(quiet.environments.UnavailableError, match=r"is not 2\.0"):
        other.ask(windows | {"do": "answer"})
