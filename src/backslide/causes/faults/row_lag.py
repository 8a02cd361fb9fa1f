"""Values, or labels, that stand beside the row some places before or after their own, told by the labels alone.

A column that no other column tells anything about, as the one text of a table, can still be seen to be of other rows: what was
served to a row agrees with the label of the row so many places away, and with its own no more than with any. Which column moved
is told by asking the model: each one is put back by itself, and all together; where that takes all of them, it was the labels.

**Named** where the agreement with another row's label exceeds that with the own by eight standard errors and by a good part of
what was lost, on all rows, on those from a day on, or on those that a column marks. Labels that follow each other, as in a
series, agree with the own answer best of all. A single column of text is suspected where answers agree with the own label no
better than with those of other rows, though its words and the classes are those of the reference, and where texts put onto any
rows of the reference cost about what was lost. Labels that say nothing look the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from backslide.case import Case, Outcomes
from backslide.causes.columns.text_corruption import look
from backslide.causes.columns.text_vocabulary import Vocabulary
from backslide.causes.faults.base import Fault, Hypothesis, Remedy
from backslide.causes.faults.delay_trials import goes_to_and_fro
from backslide.causes.faults.markers import Marker, MarkerLevels, levels_of_columns, marker_of, selects_its_rows
from backslide.causes.pricing.counterfactual import PricingBench, price
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns import names
from backslide.stats.arrays import Floats, Ints

Mask = NDArray[np.bool_]

ROWS_AWAY = 10
"""Places up to which rows are looked at."""
LEAST_ROWS = 100
LEAST_Z = 8.0
SERIES = 0.25
"""Correlation of labels with those of the rows beside them from which they are a series, in which other rows' labels agree with
an answer for many a reason."""
BACK = 0.6
"""Share of the agreement lost since the reference that the other rows' labels must give back on the rows concerned."""
ALONE = 0.8
"""Share of what putting all columns back gains that one alone must gain to be the one that moved."""
TELLS = 0.2
"""By how much more often the reference's answers must agree with their own labels than with others, so that it can be lost."""
NOTHING = 0.25
"""Share of that which may be left, either way, where nothing is: by its limit."""
NO_RELATION_Z = 2.0
NEW_WORDS = 0.05
"""Rise of the share of words never seen before from which texts are of another kind."""
LEAST_IN_PART = 50
LEVEL_Z = 3.0
ELSEWHERE = 0.25
"""Of the mean gain on the rows concerned, how much the others may show."""
MORE = 1.02
"""Times as much that more columns must gain to have moved as well, and fewer to have moved without the rest."""
MOST_TOGETHER = 6
WIDER = 1.2
"""Times as much that all rows must gain, beside the marked ones, to have moved all."""
MOST_ASKED = 40
"""Columns that are put back one by one, those of text first."""


class RowLag(Remedy):
    """Columns of the rows ``places`` before."""

    kind = CauseKind.BROKEN_JOIN

    def repair(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Back to their own rows."""
        return _moved(frame, hypothesis, -hypothesis.params["places"], hypothesis.rows)

    def inject(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """The same to as many reference rows."""
        rows = case.rng("rows of a lag").random(frame.height) < float(hypothesis.rows.mean())
        return _moved(frame, hypothesis, hypothesis.params["places"], rows)


class LostRelation(Remedy):
    """A column of texts of any other rows."""

    kind = CauseKind.BROKEN_JOIN

    def repair(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Nothing tells whose they are."""
        return frame

    def inject(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """As many texts put onto other rows."""
        (column,), rng = hypothesis.features, case.rng("texts of any rows")
        hit = np.flatnonzero(rng.random(frame.height) < float(hypothesis.rows.mean()))
        order = np.arange(frame.height)
        order[hit] = rng.permutation(hit)
        return frame.with_columns(frame[column][order])


@dataclass(frozen=True)
class LabelLag:
    """Rows whose answers agree with the labels so many places before, where that is known, or with none."""

    places: int | None
    rows: Mask
    """Current rows (n_cur,)."""
    segment: str | None


def find_label_lag(case: Case) -> LabelLag | None:
    """What labels and answers alone tell; None where they agree as they did, or where labels follow each other."""
    if not case.has_labels or not case.current.complete or any(_is_series(side.outcomes.labels) for side in case.sides):
        return None
    return _lag(case) or _lost_relation(case)


def find_row_lag(bench: PricingBench, lag: LabelLag) -> list[Fault]:
    """The columns, or the labels, that stand some places away from their rows, or the one text that has nothing to do with
    them any more; empty where the model does not tell which."""
    found = _moved_columns(bench, lag, lag.places) if lag.places is not None else _unrelated_text(bench.case, lag)
    return [] if found is None else [price(bench, Fault((found,)))]


def _lag(case: Case) -> LabelLag | None:
    served, usual = case.current.outcomes, float(np.nanmean(_agreement(case.reference.outcomes, 0)))
    own = _agreement(served, 0)
    gains = {places: _agreement(served, places) - own for k in range(1, ROWS_AWAY + 1) for places in (k, -k)}
    places = max(gains, key=lambda p: _z(gains[p]))
    rows, segment = _rows(case, gains[places])
    inside = gains[places][rows]
    lost = usual - float(np.nanmean(own[rows])) if np.isfinite(own[rows]).any() else 0.0
    if _z(inside) < LEAST_Z or float(np.nanmean(inside)) < BACK * max(lost, 0.0):
        return None
    return LabelLag(places, rows, segment)


def _moved_columns(bench: PricingBench, lag: LabelLag, places: int) -> Hypothesis | None:
    case, rows, segment = bench.case, lag.rows, lag.segment
    asked = _Return(bench, places)
    columns = _columns_that_moved(case, asked, rows)
    before = np.arange(case.reference.sample.height) - abs(places)
    # Where values go to and fro, a relation that turned makes those of the row beside fit.
    if not columns or any(c in case.pairs and goes_to_and_fro(case.pairs[c], before) for c in columns):
        return None
    if not rows.all() and asked.gain(columns, np.ones(len(rows), bool)) >= WIDER * asked.gain(columns, rows):
        rows, segment = np.ones(len(rows), bool), None  # the marked ones only show it best
    # Answers that agree with the label so many places before are answers to values of that row, or their labels came down.
    label = case.problem.roles.label or "label"
    moved, places = ((label,), -places) if columns == [names.LABEL] else (tuple(columns), places)
    by = f"{say.counted(abs(places), 'place')} {'before' if places > 0 else 'after'}"
    # Where nothing else is logged, a text that came down and labels that went up are the same.
    alone = f" (or {label} those of as many rows on)" if len(case.problem.features) == 1 else ""
    verb, own = ("holds", "its own") if len(moved) == 1 else ("hold", "their own")
    return Hypothesis(
        signature=RowLag(),
        features=moved,
        seen=f"{say.listed(moved)} {verb} the values of the row {by} {own}{_share(rows)}{alone}: what is served agrees with the "
        "labels of those rows, and not with its own",
        undo=f"join {say.listed(moved)} again on the right key",
        evidence=(),
        exact=True,
        # What stands beside one of some rows may stand nowhere else any more.
        reversible=bool(rows.all()),
        rows=rows,
        params={"places": places, "columns": columns},
        segment=segment,
    )


def _one_text(case: Case) -> str | None:
    texts = [column for column, pair in case.pairs.items() if pair.free_text]
    return texts[0] if len(texts) == 1 else None


def _lost_relation(case: Case) -> LabelLag | None:
    """Rows of a table with one text whose answers agree with the own label no better than with those of other rows."""
    if _one_text(case) is None or not case.problem.classification:
        return None
    before, after = (_beyond_chance(side.outcomes) for side in case.sides)
    usual = float(np.nanmean(before)) if np.isfinite(before).any() else 0.0
    if usual < TELLS:
        return None
    rows, segment = _rows(case, usual - after)
    there = after[rows & np.isfinite(after)]
    if (
        len(there) < LEAST_ROWS
        or abs(there.mean()) + NO_RELATION_Z * there.std() / np.sqrt(len(there)) > NOTHING * usual
    ):
        return None
    before_labels, labels = case.reference.outcomes, case.current.outcomes.take(rows & np.isfinite(after))
    fewer = len(np.unique(labels.labels)) < len(np.unique(before_labels.labels[before_labels.known()]))
    # Rows of fewer classes, or texts of another kind, are ones that the model does not know.
    return None if fewer or _new_words(case, rows) else LabelLag(None, rows, segment)


def _new_words(case: Case, rows: Mask) -> bool:
    """Whether the texts of the rows speak otherwise than the reference's, so that they are not its texts in other places."""
    pair = case.pairs[_one_text(case) or ""]
    own = Vocabulary.of(look(pair.texts[0]))
    there = own.unseen_in(look(pair.texts[1][rows]))
    return not len(there) or not len(own.unseen) or float(there.mean()) > float(own.unseen.mean()) + NEW_WORDS


def _unrelated_text(case: Case, lag: LabelLag) -> Hypothesis:
    column = _one_text(case)
    assert column is not None
    return Hypothesis(
        signature=LostRelation(),
        features=(column,),
        seen=f"{column} has nothing to do with the labels any more{_share(lag.rows)}: what is served agrees with the own label "
        "no better than with those of other rows, as when texts, or labels, are joined to any rows",
        undo=f"join {column} and the labels again on their own key",
        evidence=(),
        exact=False,  # labels that say nothing look the same
        reversible=False,
        rows=lag.rows,
        segment=lag.segment,
    )


def _is_series(labels: NDArray[Any]) -> bool:
    """Whether labels follow each other, at any of the looked-at distances."""
    numbers = labels.astype(float)
    numbers = numbers[np.isfinite(numbers)]
    codes = numbers[:, None] if labels.dtype.kind == "f" else numbers[:, None] == np.unique(numbers)
    for column in codes.T.astype(float):
        if len(column) > LEAST_ROWS and np.ptp(column) > 0:
            at = column - column.mean()
            alike = [float((at[k:] * at[:-k]).mean() / at.var()) for k in range(1, ROWS_AWAY + 1)]
            if max(alike) >= SERIES:
                return True
    return False


def _share(rows: Mask) -> str:
    return "" if rows.all() else f" on {say.percent(float(rows.mean()))} of the rows"


def _beyond_chance(outcomes: Outcomes) -> Floats:
    """How much better each answer agrees with its own label than with those around it (n,)."""
    around = [_agreement(outcomes, p) for k in range(3, ROWS_AWAY + 1) for p in (k, -k)]
    return np.asarray(_agreement(outcomes, 0) - np.nanmean(around, axis=0))


def _moved(frame: pl.DataFrame, hypothesis: Hypothesis, places: int, rows: Mask) -> pl.DataFrame:
    order, mask = np.roll(np.arange(frame.height), places), pl.Series(rows)
    return frame.with_columns(frame[c][order].zip_with(mask, frame[c]).alias(c) for c in hypothesis.params["columns"])


def _agreement(outcomes: Outcomes, places: int) -> Floats:
    """How well each row's answer agrees with the label ``places`` before it (n,): 1 or 0, or less the absolute error; NaN where
    either is unknown."""
    known = outcomes.known()
    there = known & np.roll(known, places)
    labels = np.roll(outcomes.labels, places)
    if outcomes.predictions.dtype.kind == "f":
        fit = -np.abs(outcomes.predictions.astype(float) - labels.astype(float))
    else:
        fit = (outcomes.predictions == labels).astype(float)
    return np.where(there, fit, np.nan)


def _z(gain: Floats) -> float:
    known = gain[np.isfinite(gain)]
    if len(known) < LEAST_ROWS or known.std() == 0:
        return 0.0
    return float(known.mean() / (known.std() / np.sqrt(len(known))))


def _rows(case: Case, wrong: Floats) -> tuple[Mask, str | None]:
    """The rows that are wrong, all or marked ones, and what marks them."""
    marker = marker_of_wrong_rows(case, wrong)
    return (np.ones(len(wrong), bool), None) if marker is None else (marker.current, marker.expression)


def marker_of_wrong_rows(case: Case, wrong: Floats, without: str = "", beside: Ints | None = None) -> Marker | None:
    """The levels of one column but ``without``, or the days from one on, whose rows are ``wrong`` (n_cur,); None for all.

    Where being wrong takes another row of the same sort ``beside`` it (n_cur,), only rows of which both are of a level say so.
    """
    best: tuple[float, Marker] | None = None
    every = wrong
    for levels in (one for one in levels_of_columns(case) if one.column != without):
        if beside is not None and not levels.ordered:
            wrong = np.where((beside >= 0) & (levels.current[beside] == levels.current), every, np.nan)
        else:
            wrong = every
        chosen = _days(levels, wrong) if levels.ordered else _levels(levels, wrong)
        if not 0 < len(chosen) < len(levels.texts):
            continue
        marker = marker_of(levels, chosen, ())
        there, rest = wrong[marker.current], wrong[~marker.current]
        if min(np.isfinite(there).sum(), np.isfinite(rest).sum()) < LEAST_IN_PART:
            continue
        if np.nanmean(rest) > ELSEWHERE * np.nanmean(there):
            continue
        z = _z(there)
        if (best is None or z > best[0]) and selects_its_rows(case, marker):
            best = (z, marker)
    return best[1] if best is not None and best[0] >= min(_z(every), LEAST_Z) else None


def _levels(levels: MarkerLevels, wrong: Floats) -> tuple[int, ...]:
    inside = [wrong[levels.current == level] for level in range(len(levels.texts))]
    return tuple(level for level, part in enumerate(inside) if _z_of_few(part) >= LEVEL_Z)


def _days(levels: MarkerLevels, wrong: Floats) -> tuple[int, ...]:
    """The days from the one on that parts them best."""
    k, known = len(levels.texts), np.isfinite(wrong) & (levels.current >= 0)
    count = np.bincount(levels.current[known], minlength=k).astype(float)
    total = np.bincount(levels.current[known], weights=wrong[known], minlength=k)
    n, t = np.cumsum(count)[:-1], np.cumsum(total)[:-1]
    after, inside = count.sum() - n, total.sum() - t
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = (inside / after - t / n) * np.sqrt(n * after / (n + after))
    if not np.isfinite(apart).any():
        return ()
    return tuple(range(int(np.nanargmax(apart)) + 1, k))


def _z_of_few(part: Floats) -> float:
    known = part[np.isfinite(part)]
    return float(known.mean() / (known.std() / np.sqrt(len(known)))) if len(known) > 1 and known.std() > 0 else 0.0


@dataclass(frozen=True)
class _Return:
    """What putting columns back by so many places returns of the metric."""

    bench: PricingBench
    places: int

    def gain(self, columns: list[str], rows: Mask) -> float:
        frame, mask = self.bench.case.current.sample, pl.Series(rows)
        order = np.roll(np.arange(frame.height), -self.places)
        moved = frame.with_columns(frame[c][order].zip_with(mask, frame[c]).alias(c) for c in columns)
        return self.bench.target.sign * (self.bench.score_current(moved).metric - self.bench.logged.metric).value


def _columns_that_moved(case: Case, asked: _Return, rows: Mask) -> list[str]:
    """The column that, put back alone, gains what all of them gain, or the few that together gain more than all; the labels where
    it takes all; empty where nothing gains."""
    features = [c for c in case.problem.features if c in case.current.sample.columns]
    features.sort(key=lambda c: not (c in case.pairs and case.pairs[c].free_text))
    every = asked.gain(features, rows)
    alone = {column: asked.gain([column], rows) for column in features[:MOST_ASKED]}
    order = sorted(alone, key=lambda c: -alone[c])
    if alone[order[0]] > 0 and alone[order[0]] >= ALONE * every:
        return order[:1]
    chosen, best = order[:1], alone[order[0]]
    for column in order[1:MOST_TOGETHER]:
        gain = asked.gain([*chosen, column], rows)
        if gain > best * MORE:
            chosen, best = [*chosen, column], gain
    if best > 0 and best >= MORE * every:
        return chosen
    return [names.LABEL] if every > 0 else []
