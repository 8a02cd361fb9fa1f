"""All stories, and which of them are only scored."""

from __future__ import annotations

import hashlib

from wild.incident import STORIES, Story
from wild.stories import answers, categories, formats, gaps, harmless, history, joins, meaning, texts, traffic

FAMILIES = (formats, joins, categories, gaps, texts, answers, meaning, traffic, history, harmless)
NOTHING = "nothing"
"""The name under which consecutive periods are run to which nothing is done."""
HARMLESS = tuple(s.name for s in STORIES.values() if s.family == "harmless")
INCIDENTS = tuple(s.name for s in STORIES.values() if s.family != "harmless")
IN_THE_ROWS = ("formats", "joins", "categories", "gaps", "texts", "history")
"""Families whose incidents lie in columns of the rows (of ``history``, those that change inputs)."""


def _shuffled(text: str) -> bytes:
    return hashlib.blake2b(f"wild {text}".encode(), digest_size=8).digest()


def _scored_only() -> frozenset[str]:
    """A third of each family, by a hash of the names."""
    chosen: set[str] = set()
    for family in sorted({STORIES[n].family for n in INCIDENTS}):
        names = sorted((n for n in INCIDENTS if STORIES[n].family == family), key=_shuffled)
        chosen |= set(names[: round(len(names) / 3)])
    return frozenset(chosen)


SCORED_ONLY = _scored_only()


def of(name: str) -> Story:
    """The story of that name."""
    return STORIES[name]
