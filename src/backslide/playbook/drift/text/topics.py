"""Did topics grow or vanish?

For every column of running text, on a sample: non-negative matrix factorisation of TF-IDF over both windows together, blind
to which text is whose, gives at most twelve topics (small words left out); every text belongs to its largest. Shown is each
topic with its words, its share before and now with an interval, and one real text.

**Why it matters.** A model is as good as its training on what is asked now. A topic that was hardly there is a stretch of
input on which nobody has measured it.

**Stays quiet** when no topic's share of the texts changes by 3 points, and when the changes are within noise: of days and
weekdays wherever rows have times, corrected over all topics of a column (Holm) and at the false-discovery rate of the report.
Error rate: at most 1 % of quiet columns are flagged.

**What to do.** Read the text quoted. Label some of a topic that grew and score the model on them alone; if it fails there,
train on them.

References: Lee and Seung (1999); Xu, Liu and Gong (2003); Holm (1979).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np

from backslide.case import Case
from backslide.contracts import say
from backslide.contracts.evidence import Evidence, Table
from backslide.contracts.finding import Finding, Step
from backslide.engine.columns import text_stats
from backslide.playbook import scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.playbook.drift import change_of_column
from backslide.playbook.drift.group_shares import GroupShift, group_chart, group_finding, group_shifts
from backslide.playbook.drift.text import text_columns
from backslide.playbook.drift.text.text_columns import Passages
from backslide.stats.text.topics import Topics, topics_of

NEW, GONE = 0.005, 0.005
"""Share under which a topic was hardly there."""
SHOWN_WORDS = 4


@dataclass(frozen=True)
class TextTopicsFloors:
    share: float = 0.03
    """Change of the share of texts about one topic."""
    large_share: float = 0.15


class TextTopics(Check):
    code = "DRF011"
    title = "Topics of texts"
    step = Step.DRIFT
    needs = (Need.TEXT,)
    thresholds = TextTopicsFloors()

    def run(self, case: Case) -> Iterable[Finding]:
        """One finding per column of text."""
        for column in text_columns.text_columns(case):
            held = text_columns.passages(case, column)
            bag = None if held is None else text_columns.bag(case, held)
            found = None if bag is None else topics_of(bag.words(_small_words()))
            if held is not None and found is not None:
                yield self._finding(case, held, found)

    def _finding(self, case: Case, passages: Passages, topics: Topics) -> Finding:
        rows = (len(passages.texts[0]), len(passages.texts[1]))
        shifts = group_shifts(topics.codes, passages.days, len(topics.words))
        return group_finding(
            self,
            case,
            passages.column,
            shifts,
            floor_of=lambda _: self.thresholds.share,
            floor=self.thresholds.share,
            large=self.thresholds.large_share,
            words=lambda s, _: _sentence(s, topics),
            marks=lambda s: passages.aligned(case, [(codes == s.group).astype(float) for codes in topics.codes]),
            evidence=lambda summary: (
                group_chart(
                    "Change of each topic's share",
                    f"{summary}.",
                    "change of the share of texts",
                    shifts,
                    lambda s: _name(topics, s.group),
                ),
                _examples(passages, shifts, topics),
            ),
            numbers=lambda s: {"topics": len(shifts), "topic": ", ".join(topics.words[s.group])},
            sample_rows=min(rows),
            basis=change_of_column.basis(case, rows, "texts"),
        )

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Notes about health come up that nobody wrote before."""
        before = {"loan": 1.0, "claim": 1.0, "travel": 1.0, "phone": 1.0}
        reference = scenarios.with_notes(scenarios.served(rng), rng, topics=before)
        current = scenarios.with_notes(scenarios.next_month(rng), rng, topics=before | {"health": 0.5})
        return Scenario(reference, current, dict(scenarios.ROLES), None, "note")


@cache
def _small_words() -> frozenset[str]:
    """Words that are no topic, of every language that is told."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    told = {word for words in text_stats.STOP_WORDS.values() for word in words.split()}
    return frozenset(told | set(ENGLISH_STOP_WORDS))


def _name(topics: Topics, topic: int, most: int = SHOWN_WORDS) -> str:
    return ", ".join(text_columns.quoted(w, 25) for w in topics.words[topic][:most]) or "no words"


def _sentence(shift: GroupShift, topics: Topics) -> str:
    verb = "grew" if shift.raised > 0 else "shrank"
    if shift.reference < NEW <= shift.current:
        verb = "is new"
    elif shift.current < GONE <= shift.reference:
        verb = "is gone"
    return f"the topic of {_name(topics, shift.group)} {verb} ({shift.arrow} of the texts)"


def _examples(passages: Passages, shifts: list[GroupShift], topics: Topics) -> Evidence:
    """One real text of each topic, from the window in which it is the larger."""
    rows = []
    for s in sorted(shifts, key=lambda s: -abs(s.raised)):
        side = int(s.raised >= 0)
        own = np.flatnonzero(topics.codes[side] == s.group)
        if len(own):
            text = text_columns.quoted(passages.texts[side][int(own[np.argmax(topics.loading[side][own])])])
            shares = (say.percent(s.reference), say.percent(s.current))
            rows.append((_name(topics, s.group, 6), *shares, ("reference", "current")[side], text))
    return Table(
        title="A text of each topic",
        reading="The text that is its topic most, of the window in which the topic is the larger.",
        columns=("topic", "reference", "current", "text from", "text"),
        rows=tuple(rows),
    )
