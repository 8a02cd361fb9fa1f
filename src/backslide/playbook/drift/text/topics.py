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
from backslide.contracts.evidence import Evidence, Ranked, RankedRow, Table
from backslide.contracts.finding import Estimate, Finding, Severity, Step
from backslide.engine.columns import text_stats
from backslide.playbook import scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.playbook.drift import change_of_column
from backslide.playbook.drift.text import text_columns
from backslide.playbook.drift.text.text_columns import Passages
from backslide.stats.change.day_noise import DayCounts
from backslide.stats.drift.univariate import ShareMove, share_move
from backslide.stats.text.topics import Topics, topics_of
from backslide.stats.two_sample import holm

NEW, GONE = 0.005, 0.005
"""Share under which a topic was hardly there."""
SHOWN_WORDS = 4


@dataclass(frozen=True)
class Floors:
    share: float = 0.03
    """Change of the share of texts about one topic."""
    large_share: float = 0.15


@dataclass(frozen=True)
class _Moved:
    topic: int
    move: ShareMove
    p_value: float

    @property
    def before(self) -> float:
        return float(self.move.before[-1])

    @property
    def after(self) -> float:
        return float(self.move.after[-1])

    @property
    def change(self) -> float:
        """Without the effect of other weekdays."""
        return float(self.move.adjusted[-1])


class TextTopics(Check):
    code = "DRF011"
    title = "Topics of texts"
    step = Step.DRIFT
    needs = (Need.TEXT,)
    thresholds = Floors()

    def run(self, case: Case) -> Iterable[Finding]:
        """One finding per column of text."""
        for column in text_columns.text_columns(case):
            held = text_columns.passages(case, column)
            bag = None if held is None else text_columns.bag(case, held)
            found = None if bag is None else topics_of(bag.words(_small_words()))
            if held is not None and found is not None:
                yield self._finding(case, held, found)

    def _finding(self, case: Case, held: Passages, found: Topics) -> Finding:
        moved = _moves(held, found)
        over = [m for m in moved if abs(m.change) >= self.thresholds.share]
        top = min(over or moved, key=lambda m: (m.p_value, -abs(m.change), m.topic))
        severity = Severity.OK
        if over:
            large = max(abs(m.change) for m in over) >= self.thresholds.large_share
            severity = Severity.FAIL if large else Severity.WARN
        shown = severity != Severity.OK
        said = [m for m in sorted(over, key=lambda m: -abs(m.change)) if m.p_value < 0.05][:3] or [top]
        summary = f"{held.column}: " + "; ".join(_told(m, found) for m in said)
        low, high = change_of_column.newcombe_by_days(top.move)
        rows = (len(held.texts[0]), len(held.texts[1]))
        which = tuple((codes == top.topic).astype(float) for codes in found.codes)
        values = held.aligned(case, (which[0], which[1]))
        alpha = case.settings.engine.false_discovery_rate / len(moved)
        return Finding(
            code=self.code,
            subject=held.column,
            severity=severity,
            summary=summary,
            estimate=Estimate(estimate=top.after - top.before, low=low, high=high, basis="sample", n=min(rows)),
            unit="points",
            p_value=top.p_value,
            detectable=top.move.detectable(alpha, self.thresholds.share),
            basis=text_columns.basis(case, rows),
            since=change_of_column.since(case, values) if shown else None,
            numbers={"topics": len(moved), "topic": ", ".join(found.words[top.topic])},
            evidence=(_changes(moved, found, summary), _examples(held, moved, found)) if shown else (),
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


def _moves(held: Passages, found: Topics) -> list[_Moved]:
    """Every topic against all others, with p-values corrected over them."""
    made = []
    for topic in range(len(found.words)):
        counted = [
            DayCounts.of((codes == topic).astype(np.int64), 2, days)
            for codes, days in zip(found.codes, held.days, strict=True)
        ]
        totals = [c.counts.sum(axis=0) for c in counted]
        move = share_move(totals[0], totals[1], (counted[0], counted[1]))
        assert move is not None
        made.append(move)
    corrected = holm([m.p_value for m in made])
    return [_Moved(k, move, float(p)) for k, (move, p) in enumerate(zip(made, corrected, strict=True))]


def _name(found: Topics, topic: int, most: int = SHOWN_WORDS) -> str:
    return ", ".join(text_columns.quoted(w, 25) for w in found.words[topic][:most]) or "no words"


def _told(moved: _Moved, found: Topics) -> str:
    verb = "grew" if moved.after > moved.before else "shrank"
    if moved.before < NEW <= moved.after:
        verb = "is new"
    elif moved.after < GONE <= moved.before:
        verb = "is gone"
    shares = f"{say.percent(moved.before)} → {say.percent(moved.after)} of the texts"
    return f"the topic of {_name(found, moved.topic)} {verb} ({shares})"


def _changes(moved: list[_Moved], found: Topics, reading: str) -> Evidence:
    rows = []
    for m in sorted(moved, key=lambda m: -(m.after - m.before)):
        low, high = change_of_column.newcombe_by_days(m.move)
        note = f"{say.percent(m.before)} → {say.percent(m.after)}"
        rows.append(RankedRow(label=_name(found, m.topic), value=m.after - m.before, low=low, high=high, note=note))
    return Ranked(
        title="Change of each topic's share",
        reading=f"{reading}.",
        x="change of the share of texts",
        rows=tuple(rows),
        share=True,
    )


def _examples(held: Passages, moved: list[_Moved], found: Topics) -> Evidence:
    """One real text of each topic, from the window in which it is the larger."""
    rows = []
    for m in sorted(moved, key=lambda m: -abs(m.after - m.before)):
        side = int(m.after >= m.before)
        own = np.flatnonzero(found.codes[side] == m.topic)
        if len(own):
            best = int(own[np.argmax(found.loading[side][own])])
            text = text_columns.quoted(held.texts[side][best])
            shares = (say.percent(m.before), say.percent(m.after))
            rows.append((_name(found, m.topic, 6), *shares, ("reference", "current")[side], text))
    return Table(
        title="A text of each topic",
        reading="The text that is its topic most, of the window in which the topic is the larger.",
        columns=("topic", "reference", "current", "text from", "text"),
        rows=tuple(rows),
    )
