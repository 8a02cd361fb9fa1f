"""Texts that nobody would write: they break nothing, and what is shown of them is inert."""

from __future__ import annotations

import json
import re

import numpy as np
import polars as pl
import pytest

from backslide import Diagnosis, diagnose
from backslide.contracts.config import Settings
from backslide.contracts.escape import clean_text
from backslide.contracts.finding import Status
from backslide.playbook import scenarios

TEN_MEGABYTES = 10_000_000
GARBAGE = {
    "binary": ["".join(map(chr, range(256))) * 3, "%PDF-1.4 \x00\x01\x02 \x7fELF", "\x00" * 500],
    "one huge cell": ["x" * TEN_MEGABYTES],
    "one huge text": ["word and other words " * (TEN_MEGABYTES // 21)],
    "nulls": [None, "", " ", "\n\n", "NaN", "None", "(missing)"],
    "emoji": ["👩‍👩‍👧‍👦 " * 40, "🇩🇪🏳️‍🌈 ok the flag and 👍🏽 is in " * 5, "\U0001f9ff" * 1000],
    "right to left": ["שלום עולם \u202e evil \u202c gnirts", "مرحبا بالعالم هذا نص \u2067 طويل", "\u200f" * 300],
    "combining": ["Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢ " * 30],
    "markup": [
        "<script>document.title='owned'</script> the and of",
        "<img src=x onerror=alert(1)> and",
        "{{ 7*7 }} ]]> --> </style>",
    ],
    "private and unassigned": ["\ue000\uf8ff\U0010ffff\ufffe\uffff " * 20, "\ufeff\u200b\u2028\u2029\x85"],
}


def windows(seed: int, rows: int = 320) -> tuple[pl.DataFrame, pl.DataFrame]:
    rng = np.random.default_rng(seed)
    frames = [scenarios.with_notes(make(rng, rows=rows), rng) for make in (scenarios.served, scenarios.next_month)]
    return frames[0], frames[1]


def with_garbage(frame: pl.DataFrame, garbage: list[str | None], every: int) -> pl.DataFrame:
    notes = frame["note"].to_list()
    for at in range(0, len(notes), every):
        notes[at] = garbage[(at // every) % len(garbage)]
    return frame.with_columns(pl.Series("note", notes, dtype=pl.String))


def told(reference: object, current: object) -> Diagnosis:
    return diagnose(reference, current, settings=Settings.from_dict({"model": dict(scenarios.ROLES)}))


def must_be_whole(diagnosis: Diagnosis) -> str:
    """No check failed, the JSON comes back, and the page holds nothing that acts. Returns the page."""
    assert [(o.code, o.reason) for o in diagnosis.checks if o.status == Status.FAILED] == []
    assert not [n for n in diagnosis.inputs.notes if "could not be" in n]
    text = diagnosis.to_json()
    text.encode("utf-8")
    json.loads(text)
    page = diagnosis.to_html()
    page.encode("utf-8")
    assert "<img src=x" not in page
    assert "<script>document" not in page
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", page)
    assert len(page) < 5_000_000
    return page


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["binary", "one huge cell", "one huge text", "right to left"])
def test_a_few_such_texts_break_nothing(kind):
    reference, current = windows(1)
    every = 250 if "huge" in kind else 9
    must_be_whole(told(reference, with_garbage(current, GARBAGE[kind], every)))


def test_all_of_it_at_once_in_both_windows():
    garbage = [t for kind, texts in GARBAGE.items() if "huge" not in kind for t in texts]
    reference, current = windows(2)
    page = must_be_whole(told(with_garbage(reference, garbage, 3), with_garbage(current, garbage, 2)))
    assert "Shape of texts" in page


@pytest.mark.slow
def test_a_window_of_nothing_but_garbage():
    reference, current = windows(3)
    page = must_be_whole(
        told(reference, with_garbage(current, [t for t in GARBAGE["markup"] + GARBAGE["binary"] if t], 1))
    )
    assert "Shape of texts" in page


@pytest.mark.slow
def test_lone_surrogates_of_pandas_are_told_or_read():
    """pandas holds what no encoding can: it is read as replacement characters, which are told as damage."""
    reference, current = (frame.to_pandas() for frame in windows(4))
    current["note"] = current["note"].astype(object)
    current.loc[current.index[::7], "note"] = "half a pair \ud83d and the rest of it"
    diagnosis = told(reference, current)
    must_be_whole(diagnosis)
    (shape,) = [o for o in diagnosis.checks if o.code == "DRF009"]
    assert any(f.subject == "note marks of damage" and f.severity.rank for f in shape.findings)


def test_what_is_quoted_stays_on_one_line():
    diagnosis = told(*[with_garbage(f, ["<b>bold</b>\r\n\u202eleft " * 9], 2) for f in windows(5)])
    for outcome in diagnosis.checks:
        for finding in outcome.findings:
            assert clean_text(finding.summary) == finding.summary, finding.key
