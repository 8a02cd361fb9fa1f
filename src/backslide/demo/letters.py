"""Simulated letters of a legal desk as running text: what they are about, and the words that people use for it.

Nothing here is real. A letter holds small words, words of its own kind, and a few of another kind (a contract that mentions an
invoice). Some words are new in some months: people begin to write of portals and subscriptions, and a model that was fitted
before knows none of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl

from backslide.playbook.scenarios import SMALL_WORDS

SMALL = [*SMALL_WORDS, "we", "you", "our", "your"]
WORDS = {
    "complaint": "complaint unhappy service delay refund disappointed apology promised damaged broken waiting unacceptable "
    "replacement customer manager response poor quality",
    "contract": "agreement party clause term obligation liability termination signature warranty confidentiality renewal annex "
    "governing consideration assignment lease effective schedule",
    "court_filing": "court plaintiff defendant motion hearing judge docket appeal order filing evidence claim affidavit counsel "
    "statute deadline service notice",
    "invoice": "invoice amount due payment total tax account bank number item quantity price reminder overdue balance "
    "remittance reference vat",
    "other": "meeting holiday newsletter invitation office parking lunch survey event seminar greetings address phone directory "
    "training building birthday update",
}
NEW_WORDS = {
    "complaint": "app login chat portal crashed subscription streaming password",
    "contract": "cloud subscription processor addendum portal processing uptime licence",
    "court_filing": "portal upload electronic",
    "invoice": "portal iban subscription autopay upload scan",
    "other": "webinar hybrid video link portal",
}
KINDS = tuple(WORDS)
WEIGHTS = (0.275, 0.265, 0.09, 0.25, 0.12)
"""Shares of the kinds."""
LETTERS_PER_DAY = 260
OWN, STRANGE = 0.17, 0.09
"""Shares of a letter's words that are of its own kind, and of another."""
SIZE = (15, 60)
"""Words of a letter."""
UNREVIEWED = 0.03


@dataclass(frozen=True)
class LetterPeriod:
    """Days of letters."""

    first: date
    days: int
    new_words: float = 0.0
    """Share of a kind's words that are the new ones."""
    filings: float = 1.0
    """Court filings among the letters, against what is usual: under 1 in a sample that was drawn carelessly."""


def letters(months: LetterPeriod, seed: int) -> pl.DataFrame:
    """Letters as they arrive: ``letter_id``, ``received_at`` (UTC), ``text``, ``kind`` (null: not yet reviewed)."""
    rng = np.random.default_rng([seed, months.first.toordinal()])
    n = int(rng.poisson(LETTERS_PER_DAY * months.days))
    weights = np.array(WEIGHTS) * np.where(np.array(KINDS) == "court_filing", months.filings, 1.0)
    kind = rng.choice(len(KINDS), n, p=weights / weights.sum())
    start = datetime(months.first.year, months.first.month, months.first.day)
    seconds = np.sort(rng.random(n)) * months.days * 86_400
    names = np.array(KINDS, object)[kind]
    return pl.DataFrame(
        {
            "letter_id": [f"SIM-{months.first:%y%m%d}-{k:06d}" for k in range(n)],
            "received_at": [start + timedelta(seconds=int(s)) for s in seconds],
            "text": _texts(kind, months.new_words, rng),
            "kind": [None if gone else name for gone, name in zip(rng.random(n) < UNREVIEWED, names, strict=True)],
        },
        schema_overrides={"kind": pl.String},
    ).with_columns(pl.col("received_at").dt.replace_time_zone("UTC"))


def _texts(kind: np.ndarray, new_words: float, rng: np.random.Generator) -> list[str]:
    """One text per letter (n,)."""
    sizes = rng.integers(*SIZE, len(kind))
    owner = np.repeat(kind, sizes)
    stray = np.repeat(rng.choice(len(KINDS), len(kind), p=WEIGHTS), sizes)
    chance = rng.random(len(owner))
    chosen = np.array(SMALL, object)[rng.integers(len(SMALL), size=len(owner))]
    about = np.where(chance < OWN, owner, stray)
    new = rng.random(len(owner)) < new_words
    for code, name in enumerate(KINDS):
        for pool, rows in ((WORDS, ~new), (NEW_WORDS, new)):
            words = np.array(pool[name].split(), object)
            hit = (chance < OWN + STRANGE) & (about == code) & rows
            chosen[hit] = words[rng.integers(len(words), size=int(hit.sum()))]
    ends = np.cumsum(sizes)
    return [" ".join(chosen[end - size : end]).capitalize() + "." for end, size in zip(ends, sizes, strict=True)]
