"""Did the texts come in another shape?

Of every column of running text, on the sample: how long texts are, how many are empty or missing, which characters they are
made of, how many show marks of damage (another encoding, control characters, HTML, escapes), in which script and language
they come (blocks of Unicode and small words, which are counted and nothing else), how many begin or end alike, how many come
twice, and how many of their words the model cannot know: against the vocabulary of its own vectoriser where the saved model
holds one, else against the words of the reference.

**Why it matters.** A model of texts takes anything. A cut field, a lost encoding or a new template gives no error, only worse
answers.

**Stays quiet** when a length or a share of characters moved by less than a fifth of a standard deviation, and a share of
texts by less than 2 points (languages in sum 3, repeated texts and those with unusually many unknown words 5). And when the
change is within noise at the false-discovery rate of the report (1 %), noise being that of days and weekdays wherever rows
have times; texts that come in clumps count as often as clumps did before. Error rate: of quiet columns at most 1 % are
flagged in any of these respects.

**What to do.** Read the texts quoted. For marks, cuts and templates look at the cause named; another language or new words
are what the traffic brings: label some, and retrain.

References: van der Waerden (1952); Rao and Scott (1981); Cavnar and Trenkle (1994); The Unicode Standard, Annex 24.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.contracts import say
from backslide.contracts.evidence import Bars, Histograms
from backslide.contracts.finding import Estimate, Finding, Severity, Step
from backslide.engine.columns import text_stats
from backslide.playbook import evidence, scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.playbook.drift import change_of_column
from backslide.playbook.drift.text import text_columns, vocabulary
from backslide.playbook.findings import graded, share_finding
from backslide.stats.arrays import Floats
from backslide.stats.drift.univariate import ShareMove
from backslide.stats.two_sample import Z95

Pair = tuple[Floats, Floats]
BINS = 24


@dataclass(frozen=True)
class TextShapeFloors:
    shift: float = 0.2
    """Standard deviations of a length or a share of characters: one text in twelve changes sides of the median."""
    large_shift: float = 0.8
    texts: float = 0.02
    """Share of texts that are empty or damaged."""
    languages: float = 0.03
    """Share of texts that would have to change language."""
    repeats: float = 0.05
    """Share of texts that begin alike or come twice."""
    unknown: float = 0.05
    """Share of texts with more unknown words than nineteen of twenty had: twice as many as there were."""
    large_texts: float = 0.15


class TextShape(Check):
    code = "DRF009"
    title = "Shape of texts"
    step = Step.DRIFT
    needs = (Need.TEXT,)
    thresholds = TextShapeFloors()

    def run(self, case: Case) -> Iterable[Finding]:
        """For every column of text: length, empty texts, characters, marks of damage, language, repeats, unknown words."""
        for column in text_columns.text_columns(case):
            series = [side.sample[column].cast(pl.String, strict=False) for side in case.sides]
            looks = [text_stats.counts(own) for own in series]
            yield from self._length(case, column, looks)
            yield from self._flag(
                case, column, "empty texts", _values(looks, "empty", missing=1.0), self.thresholds.texts
            )
            yield from self._characters(case, column, looks)
            yield from self._marks(case, column, looks)
            yield from self._language(case, column, series, looks)
            yield from self._words(case, column)

    def _length(self, case: Case, column: str, looks: list[pl.DataFrame]) -> Iterator[Finding]:
        sizes = _values(looks, "characters")
        move = change_of_column.sampled(case, (np.log1p(sizes[0]), np.log1p(sizes[1])))
        if move is None:
            return
        middle = [float(np.nanmedian(v)) for v in sizes]
        cap = [float(np.nanmax(v)) for v in sizes]
        summary = f"{column}: median length {say.number(middle[0])} → {say.number(middle[1])} characters"
        summary += f", longest {say.number(cap[0])} → {say.number(cap[1])}"
        yield self._moved(case, f"{column} length", summary, move, sizes, "characters")

    def _characters(self, case: Case, column: str, looks: list[pl.DataFrame]) -> Iterator[Finding]:
        found = []
        for name in text_stats.CLASSES:
            values = _values(looks, name)
            if (move := change_of_column.sampled(case, values)) is not None:
                found.append((name, values, move))
        if not found:
            return
        name, values, move = max(found, key=lambda one: (abs(one[2].move.shift_adjusted), one[0]))
        before, after = (float(np.nanmean(v)) for v in values)
        summary = f"{column}: {name} make up {say.percent(before)} → {say.percent(after)} of the characters"
        yield self._moved(
            case,
            f"{column} characters",
            summary,
            move,
            values,
            f"share of {name} in a text",
            asked=len(found),
        )

    def _moved(
        self,
        case: Case,
        subject: str,
        summary: str,
        moved: change_of_column.SampleMove,
        values: Pair,
        x: str,
        *,
        asked: int = 1,
    ) -> Finding:
        """A quantity of every text; ``asked`` of them were looked at and the one that moved most is told."""
        floors, move = self.thresholds, moved.move
        p_value, passed = move.judge(floors.shift, floors.shift, 1.0)
        rows = int(np.isfinite(values[0]).sum()), int(np.isfinite(values[1]).sum())
        severity = Severity.OK
        if passed and min(rows) >= text_columns.MIN_TEXTS:
            severity = Severity.FAIL if abs(move.shift_adjusted) >= floors.large_shift else Severity.WARN
        shown = severity != Severity.OK
        change = float(np.nanmean(values[1]) - np.nanmean(values[0]))
        half = Z95 * float(np.hypot(*(np.nanstd(v) / np.sqrt(n) for v, n in zip(values, rows, strict=True))))
        alpha = case.settings.engine.false_discovery_rate / asked
        return Finding(
            code=self.code,
            subject=subject,
            severity=severity,
            summary=summary,
            estimate=Estimate(estimate=change, low=change - half, high=change + half, basis="sample", n=min(rows)),
            unit="points" if x.startswith("share") else x,
            p_value=min(p_value * asked, 1.0),
            detectable=move.detectable(alpha, floors.shift) * float(np.nanstd(values[0])),
            basis=change_of_column.basis(case, rows, "texts"),
            since=change_of_column.since(case, values) if shown else None,
            numbers={"shift_sd": move.shift, "ks": move.ks, "flagged_by": ", ".join(passed)},
            evidence=(
                *_histogram(values, subject, x, summary),
                *change_of_column.series(case, values, title=f"mean of {subject}", y=x),
            )
            if shown
            else (),
        )

    def _flag(
        self, case: Case, column: str, what: str, values: Pair, floor: float, words: str = ""
    ) -> Iterator[Finding]:
        """A share of the texts."""
        rows = int(np.isfinite(values[0]).sum()), int(np.isfinite(values[1]).sum())
        if all(rows):
            move = change_of_column.share_of(case, values)
            yield self._share(case, column, what, move, floor, values, rows, words)

    def _share(
        self,
        case: Case,
        column: str,
        what: str,
        move: ShareMove,
        floor: float,
        values: Pair,
        rows: tuple[int, int],
        words: str = "",
    ) -> Finding:
        size, floors = abs(float(move.adjusted[-1])), self.thresholds
        ref, cur = float(move.before[-1]), float(move.after[-1])
        summary = f"{column}, {what}: {say.percent(ref)} → {say.percent(cur)} of the texts{words}"
        title = f"share of texts: {column} {what}"
        bars = Bars(
            title=title,
            reading=f"{summary}.",
            x="texts",
            categories=("others", what),
            reference=(1 - ref, ref),
            current=(1 - cur, cur),
        )
        return share_finding(
            self,
            case,
            f"{column} {what}",
            summary,
            move,
            severity=graded(size, floor, floors.large_texts, min(rows), text_columns.MIN_TEXTS),
            floor=floor,
            marks=values,
            sample_rows=min(rows),
            basis=change_of_column.basis(case, rows, "texts"),
            numbers={"reference": ref, "current": cur},
            evidence=lambda: (
                change_of_column.series(case, values, title=title, y="share of texts", share=True) or (bars,)
            ),
        )

    def _marks(self, case: Case, column: str, looks: list[pl.DataFrame]) -> Iterator[Finding]:
        each = {name: _values(looks, name) for name in text_stats.MARKS}
        share = {
            name: [float(np.nan_to_num(np.nanmean(v))) if len(v) else 0.0 for v in own] for name, own in each.items()
        }
        most = max(share, key=lambda name: (abs(share[name][1] - share[name][0]), name))
        any_of = tuple(np.max([own[side] for own in each.values()], axis=0) for side in (0, 1))
        words = ""
        if abs(share[most][1] - share[most][0]) >= 0.005:
            words = f" ({most} in {say.percent(share[most][0])} → {say.percent(share[most][1])})"
        yield from self._flag(case, column, "marks of damage", (any_of[0], any_of[1]), self.thresholds.texts, words)

    def _language(
        self, case: Case, column: str, series: list[pl.Series], looks: list[pl.DataFrame]
    ) -> Iterator[Finding]:
        told = [text_stats.languages(own, look["script"]) for own, look in zip(series, looks, strict=True)]
        counts = [dict(own.drop_nulls().value_counts().iter_rows()) for own in told]
        names = sorted({*counts[0], *counts[1]}, key=lambda k: (-counts[0].get(k, 0), -counts[1].get(k, 0), k))
        if not names or not all(counts):
            return
        place = {name: k for k, name in enumerate(names)}
        numbers = [np.array([-1 if v is None else place[v] for v in own.to_list()], np.int64) for own in told]
        move = change_of_column.coded(case, (numbers[0], numbers[1]), len(names))
        if move is None:
            return
        rows = int((numbers[0] >= 0).sum()), int((numbers[1] >= 0).sum())
        most = int(np.argmax(np.abs(move.adjusted)))
        floors, size = self.thresholds, move.total_variation_adjusted
        before, after = (say.percent(float(v[most])) for v in (move.before, move.after))
        summary = f"{column}: texts told as {names[most]} {before} → {after}"
        drawn = evidence.bars(
            {k: float(counts[0].get(k, 0)) for k in names},
            {k: float(counts[1].get(k, 0)) for k in names},
            title=f"languages of {column}",
            reading=f"{summary}.",
            x="language or script",
        )
        marks = tuple(np.where(n < 0, np.nan, (n == most).astype(float)) for n in numbers)
        yield share_finding(
            self,
            case,
            f"{column} language",
            summary,
            move,
            severity=graded(size, floors.languages, floors.large_texts, min(rows), text_columns.MIN_TEXTS),
            floor=floors.languages,
            marks=(marks[0], marks[1]),
            place=most,
            sample_rows=min(rows),
            basis=change_of_column.basis(case, rows, "texts"),
            numbers={"total_variation": move.total_variation, "most_moved": names[most]},
            evidence=lambda: (drawn,),
        )

    def _words(self, case: Case, column: str) -> Iterator[Finding]:
        held = text_columns.passages(case, column)
        if held is None:
            return
        for what, which, clumps in vocabulary.repeats(held):
            move = text_columns.clumped(held, which, clumps)
            if move is not None:
                rows = (len(which[0]), len(which[1]))
                values = held.aligned(case, which)
                words = vocabulary.most_repeated(held, what)
                yield self._share(case, column, what, move, self.thresholds.repeats, values, rows, words)
        unknown = vocabulary.unknown(case, held)
        if unknown is None:
            return
        usual = float(np.nanquantile(unknown.shares[0], 0.95))
        more = tuple(np.where(np.isfinite(v), (v > usual).astype(float), np.nan) for v in unknown.shares)
        before, after = (float(np.nanmean(v)) for v in unknown.shares)
        words = f" hold more words unknown to {unknown.of} than 19 of 20 did; unknown in all {say.percent(before)} → "
        words += f"{say.percent(after)} of the words"
        if unknown.new:
            words += f", such as {say.listed([repr(w) for w in unknown.new[:5]], 5)}"
        yield from self._flag(
            case, column, "unknown words", held.aligned(case, (more[0], more[1])), self.thresholds.unknown, words
        )

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Notes are cut off."""
        current = scenarios.with_notes(scenarios.next_month(rng), rng)
        current = current.with_columns(pl.col("note").str.slice(0, 60))
        return Scenario(
            scenarios.with_notes(scenarios.served(rng), rng), current, dict(scenarios.ROLES), None, "note length"
        )


def _values(looks: list[pl.DataFrame], name: str, missing: float = np.nan) -> Pair:
    made = [look[name].cast(pl.Float64).fill_null(missing).to_numpy() for look in looks]
    return made[0], made[1]


def _histogram(values: Pair, subject: str, x: str, reading: str) -> tuple[Histograms, ...]:
    known = [v[np.isfinite(v)] for v in values]
    low, high = (float(f(np.quantile(v, q) for v in known)) for f, q in ((min, 0.0), (max, 0.99)))
    if not high > low:
        return ()
    edges = np.linspace(low, high, BINS + 1)
    counts = [np.histogram(np.clip(v, low, high), edges)[0] for v in known]
    ends = (*edges[:-1].tolist(), float(np.nextafter(edges[-1], np.inf)))
    return (
        Histograms(
            title=subject,
            reading=f"{reading}.",
            x=x,
            edges=ends,
            reference=evidence.shares(counts[0]),
            current=evidence.shares(counts[1]),
        ),
    )
