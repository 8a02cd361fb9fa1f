"""The benchmark of peers: what a process took is measured, and one that fails or takes too long is said."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from peers.environments import PEERS
from peers.process import Measurement, measure
from peers.run import MARK, times, write


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_process_is_measured_with_what_it_wrote(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = measure(
        python(f"x = b'x' * 200_000_000; sum(range(10**7)); open({str(page)!r}, 'w').write('page')"), 60, page
    )
    assert (done.failure, done.missing, done.page) == ("", False, 4)
    assert done.peak_mb > 190
    assert done.processor > 0


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise ValueError('no such column')", "failed: ValueError: no such column"),
        ("import time; time.sleep(60)", "stopped after 0.5 s"),
    ],
)
def test_what_gives_no_answer_is_said(code: str, said: str) -> None:
    assert measure(python(code), 0.5 if "sleep" in code else 60).failure == said


def test_a_task_that_a_peer_does_not_have_is_no_failure_of_it() -> None:
    assert measure(python("raise SystemExit(3)"), 60).missing


def test_every_peer_has_its_adapter_and_is_pinned() -> None:
    assert all(peer.adapter.exists() for peer in PEERS)
    assert all(any(peer.version in wanted for wanted in peer.requirements) for peer in PEERS)


def test_ratios_are_to_the_same_task_of_ours(tmp_path: Path) -> None:
    runs = {
        "Other 1.0: drift": [Measurement(4.0, 6.0, 10.0, 0)],
        "backslide 0.2.0: drift": [Measurement(2.0, 2.0, 10.0, 0)],
        "Other 1.0: report": [Measurement(9.0, 9.0, 10.0, 0, failure="stopped after 9 s")],
    }
    lines = times(runs).splitlines()
    assert [cell.strip() for cell in lines[2].split("|")][1:6] == ["drift", "Other 1.0", "4.0", "6.0", "3.00"]
    assert "stopped after 9 s" in lines[4]
    into = tmp_path / "benchmarks.md"
    into.write_text(f"above\n<!-- {MARK} -->\nold\n<!-- end of {MARK} -->\nbelow\n")
    write("new", into)
    assert into.read_text() == f"above\n<!-- {MARK} -->\nnew\n<!-- end of {MARK} -->\nbelow\n"
