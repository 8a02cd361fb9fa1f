"""Further things that may happen to texts: parts alone that are kept, characters and words that are lost or changed.

``text_synthesis`` tries them; alone few of them can be told by looking.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from backslide.causes.columns.text_corruption import TextDamage, short
from backslide.causes.columns.text_vocabulary import chance_of
from backslide.contracts import say

_SENTENCE = re.compile(r"(?<=[.!?])\s+")


@dataclass(frozen=True)
class KeptPart(TextDamage):
    """A part of every text: from one share of its words, or characters, to another."""

    shows = "length"
    start: float
    stop: float
    by_words: bool = False

    @property
    def seen(self) -> str:
        """What happened."""
        part = say.percent(self.stop - self.start, 0)
        where = "first" if self.start == 0 else "last" if self.stop == 1 else "middle"
        return f"lost all but about the {where} {part}"

    def do(self, text: str) -> str:
        """The part alone."""
        if not self.by_words:
            return text[round(self.start * len(text)) : max(round(self.stop * len(text)), 1)]
        words = text.split(" ")
        return " ".join(words[round(self.start * len(words)) : max(round(self.stop * len(words)), 1)])


@dataclass(frozen=True)
class OnePiece(TextDamage):
    """The first, or the last, line or sentence."""

    shows = "length"
    lines: bool
    last: bool = False

    @property
    def seen(self) -> str:
        """What happened."""
        return f"holds only the {'last' if self.last else 'first'} {'line' if self.lines else 'sentence'}"

    def do(self, text: str) -> str:
        """That piece."""
        pieces = [p for p in (text.strip().splitlines() if self.lines else _SENTENCE.split(text.strip())) if p.strip()]
        return (pieces[-1] if self.last else pieces[0]) if pieces else text


@dataclass(frozen=True)
class CharacterExchange(TextDamage):
    """Some characters replaced by others, or left out."""

    shows = "characters"
    lost: str
    by: str

    @property
    def seen(self) -> str:
        """What happened."""
        if set(self.lost) == set("0123456789"):
            name = "its numbers"
        else:
            name = say.listed([repr(c) for c in self.lost[:6]] + (["others"] if len(self.lost) > 6 else []), 7)
        return f"has {short(self.by)} in place of {name}" if self.by else f"lost {name}"

    def do(self, text: str) -> str:
        """Exchanged, in capital letters as in small ones."""
        return text.translate({ord(one): self.by for c in self.lost for one in {c, c.upper()} if len(one) == 1})


@dataclass(frozen=True)
class BlankLoss(TextDamage):
    """Blanks between words lost at random."""

    shows = "characters"
    rate: float

    @property
    def seen(self) -> str:
        """What happened."""
        return f"lost about {say.percent(self.rate, 0)} of its blanks"

    def do(self, text: str) -> str:
        """Always the same ones of the same text."""
        chance = chance_of(text)
        return re.sub(" ", lambda _: "" if chance.random() < self.rate else " ", text)


@dataclass(frozen=True)
class WrappedWords(TextDamage):
    """Tags around words."""

    shows = "characters"
    reversible = True
    before: str
    behind: str
    every: int = 1
    """Words inside one pair."""

    @property
    def seen(self) -> str:
        """What happened."""
        words = "every word" if self.every == 1 else f"every {self.every} words"
        return f"has {short(self.before)} and {short(self.behind)} around {words}"

    def do(self, text: str) -> str:
        """Wrapped."""
        if self.every == 1:
            return re.sub(r"\S+", lambda word: f"{self.before}{word[0]}{self.behind}", text)
        words = text.split()
        groups = [" ".join(words[k : k + self.every]) for k in range(0, len(words), self.every)]
        return " ".join(f"{self.before}{group}{self.behind}" for group in groups)

    def undo(self, text: str) -> str | None:
        """Taken off."""
        return text.replace(self.before, "").replace(self.behind, "") if self.before in text else None


@dataclass(frozen=True)
class Successive(TextDamage):
    """Several damages, one after the other."""

    steps: tuple[TextDamage, ...]

    @property
    def seen(self) -> str:
        """What happened, in that order."""
        return " and ".join(step.seen for step in self.steps)

    def do(self, text: str) -> str:
        """One after the other."""
        for step in self.steps:
            text = step.do(text)
        return text
