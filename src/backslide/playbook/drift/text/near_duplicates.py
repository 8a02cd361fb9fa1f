"""Do near-copies of texts pile up, or do old texts come again?

For every column of running text, on equally many texts of both windows: MinHash of runs of three words finds texts that share
about seven tenths of their runs with another. Asked is which share has a near-copy in its own window, and which share of the
current texts is a near-copy of a reference text, against the share of reference texts that have one among their own.

**Why it matters.** Templates, retries and bots fill a window with one text a thousand times: the metric becomes the metric of
that text. Old texts that come again are a replayed feed, and their labels may have been in training.

**Stays quiet** when the shares moved by less than 5 points, and when the change is within noise at the false-discovery rate
of the report (1 %): of days and weekdays wherever rows have times, with texts in clumps counted as often as clumps did
before. Error rate: of quiet columns at most 1 % are flagged.

**What to do.** Look at the text quoted and at where it comes from; take copies out before you measure or train.

References: Broder (1997); Li, Owen and Zhang (2012); Rao and Scott (1981).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.contracts import say
from backslide.contracts.evidence import Table
from backslide.contracts.finding import Finding, Severity, Step
from backslide.playbook import scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.playbook.drift import change_of_column
from backslide.playbook.drift.text import text_columns, vocabulary
from backslide.playbook.drift.text.text_columns import Passages
from backslide.playbook.findings import graded, share_finding
from backslide.stats.arrays import Floats, Ints
from backslide.stats.drift.univariate import ShareMove
from backslide.stats.text.near_duplicates import clumps, signatures

SHOWN = 6


@dataclass(frozen=True)
class TextCopiesFloors:
    share: float = 0.05
    """Change of the share of texts that have a near-copy."""
    large_share: float = 0.2


class TextCopies(Check):
    code = "DRF012"
    title = "Near-copies of texts"
    step = Step.DRIFT
    needs = (Need.TEXT,)
    thresholds = TextCopiesFloors()

    def run(self, case: Case) -> Iterable[Finding]:
        """Two findings per column of text: copies within the windows, and old texts that come again."""
        for column in text_columns.text_columns(case):
            held = text_columns.passages(case, column)
            if held is not None:
                yield from self._findings(case, held)

    def _findings(self, case: Case, passages: Passages) -> Iterator[Finding]:
        most = min(map(len, passages.texts))
        rows = [vocabulary.thinned(len(side), most) for side in passages.texts]
        texts = [[side[i] for i in own] for side, own in zip(passages.texts, rows, strict=True)]
        group = clumps(signatures(pl.Series([*texts[0], *texts[1]], dtype=pl.String)))
        codes = group[:most], group[most:]
        size = [np.bincount(own, minlength=int(group.max()) + 1) for own in codes]
        largest = _largest(texts, group, size)
        copied = [(size[side][codes[side]] > 1).astype(float) for side in (0, 1)]
        again = (size[0][codes[1]] > 0).astype(float)
        for what, flags, words, rising_only in (
            ("near-copies", copied, "of the texts have a near-copy in their window", False),
            ("old texts", [copied[0], again], "of the texts have a near-copy in the reference", True),
        ):
            marks = [np.full(len(side), np.nan) for side in passages.texts]
            for full, at, own in zip(marks, rows, flags, strict=True):
                full[at] = own
            move = text_columns.clumped(passages, (marks[0], marks[1]), vocabulary.renumbered(codes[0]))
            assert move is not None
            yield self._finding(case, passages, what, words, move, marks, largest, rising_only=rising_only)

    def _finding(
        self,
        case: Case,
        passages: Passages,
        what: str,
        words: str,
        move: ShareMove,
        marks: list[Floats],
        largest: list[tuple[str, int, int]],
        *,
        rising_only: bool,
    ) -> Finding:
        change, floor = float(move.adjusted[-1]), self.thresholds.share
        severity = graded(change if rising_only else abs(change), floor, self.thresholds.large_share, 1, 0)
        ref, cur = float(move.before[-1]), float(move.after[-1])
        summary = f"{passages.column}: {say.percent(ref)} → {say.percent(cur)} {words}"
        if severity != Severity.OK and largest:
            summary += f"; most often {text_columns.quoted(largest[0][0], 60)!r}"
        rows = [int(np.isfinite(m).sum()) for m in marks]
        aligned = passages.aligned(case, marks)
        title = f"share of texts: {what} of {passages.column}"
        return share_finding(
            self,
            case,
            f"{passages.column} {what}",
            summary,
            move,
            severity=severity,
            floor=floor,
            marks=aligned,
            sample_rows=rows[0],
            p_value=1.0 if rising_only and change <= 0 else move.p_value,
            basis=change_of_column.basis(case, (rows[0], rows[1]), "texts"),
            numbers={"reference": ref, "current": cur},
            evidence=lambda: (
                _table(largest, summary),
                *change_of_column.series(case, aligned, title=title, y="share of texts", share=True),
            ),
        )

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """A bot sends one text over and over, each time with another number."""
        reference = scenarios.with_notes(scenarios.served(rng), rng)
        current = scenarios.with_notes(scenarios.next_month(rng), rng)
        text = "please call back about the refund of ticket {} and the visa that was not sent to the hotel near the airport"
        sent = [text.format(n) for n in rng.integers(1000, 9999, current.height)]
        bot = pl.Series(rng.random(current.height) < 0.15)
        current = current.with_columns(pl.when(bot).then(pl.Series(sent)).otherwise(pl.col("note")).alias("note"))
        return Scenario(reference, current, dict(scenarios.ROLES), None, "note near-copies")


def _largest(texts: list[list[str]], group: Ints, size: list[Ints]) -> list[tuple[str, int, int]]:
    """A text of each of the largest clumps, with how many it has in either window."""
    both = size[0] + size[1]
    every = [*texts[0], *texts[1]]
    shown = [int(k) for k in np.argsort(-both, kind="stable")[:SHOWN] if both[k] > 1]
    return [(every[int(np.flatnonzero(group == k)[0])], int(size[0][k]), int(size[1][k])) for k in shown]


def _table(largest: list[tuple[str, int, int]], reading: str) -> Table:
    rows = tuple((text_columns.quoted(text), before, after) for text, before, after in largest)
    return Table(
        title="The texts with the most near-copies",
        reading=f"{reading}.",
        columns=("text", "reference", "current"),
        rows=rows,
    )
