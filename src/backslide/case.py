"""The case: both windows with their profiles and samples, computed once and when asked for, and the models.

Everything that a check or a signature may look at hangs here. Profiles see all rows; samples are bounded, seeded and uniform.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from backslide.contracts.config import Settings
from backslide.engine import names
from backslide.engine.columns import ColumnKind
from backslide.engine.local import profile
from backslide.engine.pair import Pair, to_numbers
from backslide.engine.problem import Problem
from backslide.engine.profile import Plan, Profile, make_plan
from backslide.engine.window import Opened, Window
from backslide.models.model import Answer, Model
from backslide.stats.bootstrap import Resampler
from backslide.stats.change import Change, Units, compare
from backslide.stats.metrics import METRICS, Floats, Metric, macro_f1_over
from backslide.stats.rows import Codes, count_rows, loss_rows

Progress = Callable[[str], None]
_LOSS_COLUMNS = {
    "log_loss": names.LOG_LOSS,
    "brier": names.BRIER,
    "absolute": names.ABSOLUTE,
    "squared": names.SQUARED,
    "signed": names.ERROR,
}


@dataclass(frozen=True)
class Outcomes:
    """Labels, predictions and scores of some rows, ready to be scored.

    Classification: codes (n,) into the problem's classes, -1 where unknown; scores (n, K) or None. Regression: floats, NaN
    where unknown.
    """

    labels: NDArray[np.generic]
    predictions: NDArray[np.generic]
    scores: Floats | None

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Outcomes:
        """Some of the rows."""
        return Outcomes(self.labels[rows], self.predictions[rows], None if self.scores is None else self.scores[rows])

    def known(self) -> NDArray[np.bool_]:
        """Rows with label, prediction and, where there are scores, all of them."""
        if self.labels.dtype.kind == "f":
            return np.asarray(np.isfinite(self.labels.astype(float)) & np.isfinite(self.predictions.astype(float)))
        scored = True if self.scores is None else np.isfinite(self.scores).all(axis=1)
        return np.asarray((self.labels.astype(np.int64) >= 0) & (self.predictions.astype(np.int64) >= 0) & scored)

    def statistics(self, metric: Metric, classes: int) -> Floats:
        """Row statistics of the metric (n, F); see ``stats.rows``."""
        if metric.rows == "counts":
            return count_rows(self.labels.astype(np.int64), self.predictions.astype(np.int64), classes)
        if metric.rows in ("log_loss", "brier"):
            assert self.scores is not None
            return loss_rows(metric.rows, self.labels, self.scores)
        return loss_rows(metric.rows, self.labels, self.predictions.astype(np.float64))


@dataclass(frozen=True)
class Answered:
    """Outcomes of a model that was called now, the rows it failed on, and why."""

    outcomes: Outcomes
    failed: NDArray[np.bool_]
    error: str | None


class Side:
    """One window of the case: its profile over all rows and its sample."""

    def __init__(self, window: Window, problem: Problem, settings: Settings, plan: Callable[[], Plan]) -> None:
        self.window = window
        self.problem = problem
        self.settings = settings
        self._plan = plan

    @cached_property
    def sample(self) -> pl.DataFrame:
        """At most ``[engine] sample_rows`` rows, uniform and seeded."""
        engine = self.settings.engine
        return self.window.sample(engine.sample_rows, seed=engine.seed)

    @cached_property
    def profile(self) -> Profile:
        """Summary of every row."""
        return profile(self.window.frame, self._plan(), batch_rows=self.settings.engine.batch_rows)

    @property
    def complete(self) -> bool:
        """Whether the sample holds every row."""
        return self.sample.height == self.window.rows

    @cached_property
    def outcomes(self) -> Outcomes:
        """What was served on the sample."""
        return outcomes(self.sample, self.problem)

    @cached_property
    def blocks(self) -> NDArray[np.int64] | None:
        """Day ordinals of the sampled rows (days since 1970, 0 where unknown), None without timestamps.

        Shifted so that ``% 7`` is the weekday with Monday 0.
        """
        if names.DAY not in self.sample.columns:
            return None
        days = self.sample[names.DAY].cast(pl.Int32).fill_null(0).to_numpy().astype(np.int64)
        return np.asarray(days + 3)  # 1970-01-01 was a Thursday

    def units(self, metric: Metric) -> Units:
        """Sums of the metric's row statistics over all rows, by day where there are days."""
        if metric.rows == "counts":
            return _count_units(self.profile, self.problem)
        if metric.rows == "variance":
            return self._sample_units(metric)
        return _loss_units(self.profile, _LOSS_COLUMNS[metric.rows])

    def _sample_units(self, metric: Metric) -> Units:
        known = self.outcomes.known()
        rows = self.outcomes.take(known).statistics(metric, len(self.problem.classes))
        scale = self.window.labelled / max(int(known.sum()), 1)
        return Units(
            rows.sum(0, keepdims=True) * scale, np.array([len(rows) * scale]), rows.T @ rows * scale, None, None
        )


class Case:
    """Two windows of one problem, and the models that answered."""

    def __init__(
        self,
        opened: Opened,
        settings: Settings,
        reference_model: Model | None = None,
        current_model: Model | None = None,
    ) -> None:
        self.settings = settings
        self.notes = list(opened.notes)
        self.reference_model = reference_model
        self.current_model = current_model
        self.problem = opened.problem
        self._changes: dict[str, Change] = {}
        self._shared: dict[str, Any] = {}
        self.broken: set[str] = set()
        """Columns that a specific signature has already claimed: no witness for what is natural in others."""
        self.reference = Side(opened.reference, opened.problem, settings, lambda: self.plan)
        self.current = Side(opened.current, opened.problem, settings, lambda: self.plan)
        if not np.isfinite(self.problem.min_effect):
            share = METRICS[self.problem.metric].share  # R2 has no unit
            self._reset(replace(self.problem, min_effect=0.01 if share else 0.02 * self._label_deviation()))

    def _reset(self, problem: Problem) -> None:
        self.problem = problem
        self.reference.problem = self.current.problem = problem

    def _label_deviation(self) -> float:
        """Mean absolute deviation of the reference labels around their mean."""
        if not self.problem.has_labels:
            return 0.0
        y = to_numbers(self.reference.sample[names.LABEL])
        y = y[np.isfinite(y)]
        return float(np.abs(y - y.mean()).mean()) if len(y) else 0.0

    @property
    def sides(self) -> tuple[Side, Side]:
        """Reference and current."""
        return self.reference, self.current

    @cached_property
    def metric(self) -> Metric:
        """The headline metric; macro F1 over the classes labelled in both windows."""
        if self.problem.metric != "macro_f1":
            return METRICS[self.problem.metric]
        counts = [side.window.label_counts for side in self.sides]
        return macro_f1_over(np.array([all(c.get(label, 0) for c in counts) for label in self.problem.classes], bool))

    def change(self, metric: Metric) -> Change:
        """The change of a metric over all labelled rows; see ``stats.change``."""
        return self._changes.setdefault(
            metric.name, compare(self.reference.units(metric), self.current.units(metric), metric)
        )

    def mean_change(self, column: str) -> Change:
        """The change of the mean of one of ``MEANS`` over all rows."""
        mean = Metric(column, True, "absolute", METRICS["mae"].value)
        reference, current = (_loss_units(side.profile, column) for side in self.sides)
        return compare(reference, current, mean)

    def labelled_rows(self, side: Side) -> NDArray[np.int64]:
        """Sampled rows with both label and prediction."""
        rows: NDArray[np.int64] = self.cached(
            f"labelled {side.window.name}", lambda: np.flatnonzero(side.outcomes.known())
        )
        return rows

    def draw(self, side: Side) -> Resampler:
        """The replicates of a window's labelled rows, the same for every effect of the diagnosis."""

        def compute() -> Resampler:
            rows = self.labelled_rows(side)
            blocks = side.blocks[rows] if side.blocks is not None else None
            return Resampler(
                len(rows), blocks, self.settings.engine.bootstrap, self.rng(f"bootstrap {side.window.name}")
            )

        draw: Resampler = self.cached(f"draw {side.window.name}", compute)
        return draw

    @property
    def has_labels(self) -> bool:
        """Whether both windows hold labelled rows."""
        return self.reference.window.labelled > 0 and self.current.window.labelled > 0

    def kind(self, column: str) -> ColumnKind:
        """Kind of a column; a column that is numeric in one window only is compared as text."""
        kinds = {side.window.kinds[column] for side in self.sides}
        if len(kinds) == 1:
            return kinds.pop()
        known = kinds - {ColumnKind.OTHER}
        return known.pop() if len(known) == 1 else ColumnKind.CATEGORICAL

    def features_of(self, *kinds: ColumnKind) -> list[str]:
        """Feature columns of the given kinds, in their order."""
        return [column for column in self.problem.features if self.kind(column) in kinds]

    def answered(self, model: Model, frame: pl.DataFrame) -> Answered:
        """What a model says to the feature columns of ``frame``, decided by the problem's threshold, beside its labels."""
        own = [c for c in frame.columns if c not in CANONICAL and not c.startswith(names.score(""))]
        answer = model.answer(
            frame.select(own if model.features is not None else list(self.problem.features)),
            decisions=not self.problem.has_scores,
        )
        labels = outcomes(frame, self.problem).labels
        if not self.problem.classification:
            predictions = answer.predictions if answer.predictions is not None else np.full(frame.height, np.nan)
            return Answered(Outcomes(labels, np.asarray(predictions, float), None), answer.failed, answer.error)
        # Without logged scores the decisions are the model's own, which need not be those of the largest score.
        scores = _ordered_scores(answer, model, self.problem) if self.problem.has_scores else None
        if scores is not None:
            codes = decide(scores, self.problem)
        elif answer.predictions is not None:
            codes = codes_of(answer.predictions, self.problem.classes)
        else:
            codes = np.full(frame.height, -1, np.int64)
        return Answered(Outcomes(labels, np.where(answer.failed, -1, codes), scores), answer.failed, answer.error)

    def cached(self, key: str, compute: Callable[[], Any]) -> Any:
        """A result that several readers share (a replay, a decomposition), computed on first use."""
        if key not in self._shared:
            self._shared[key] = compute()
        return self._shared[key]

    @cached_property
    def pairs(self) -> dict[str, Pair]:
        """Every comparable feature column in both samples."""
        kinds = (ColumnKind.NUMERIC, ColumnKind.CATEGORICAL, ColumnKind.BOOLEAN)
        return {
            column: Pair(column, self.kind(column), self.reference.sample[column], self.current.sample[column])
            for column in self.features_of(*kinds)
        }

    @cached_property
    def plan(self) -> Plan:
        """What the pass over the rows counts: every comparable feature and the row quantities, on the reference's bins."""
        present = set(self.reference.sample.columns) & set(self.current.window.frame.collect_schema().names())
        quantities = [n for n in QUANTITIES if n in present]
        quantities += [names.score(label) for label in self.problem.classes if names.score(label) in present]
        if not self.problem.classification:
            quantities += [n for n in (names.LABEL, names.PREDICTION) if n in present]
        cells = (names.LABEL, names.PREDICTION) if self.problem.classification else ()
        return make_plan(
            self.reference.sample,
            numeric=[*self.features_of(ColumnKind.NUMERIC), *quantities],
            categorical=self.features_of(ColumnKind.CATEGORICAL, ColumnKind.BOOLEAN),
            cells=tuple(n for n in (names.DAY, *cells) if n in present) if cells else (),
            block=names.DAY if names.DAY in present else None,
            sums=tuple(n for n in (*_LOSS_COLUMNS.values(), *MEANS) if n in present),
        )

    def rng(self, purpose: str) -> np.random.Generator:
        """A generator of its own for each purpose, so that adding one consumer does not move the others."""
        return np.random.default_rng([self.settings.engine.seed, *purpose.encode()])


MEANS = (names.CONFIDENCE, names.MARGIN, names.ENTROPY, names.NEAR)
"""Row quantities whose mean is compared by day."""
CANONICAL = frozenset(v for k, v in vars(names).items() if k.isupper() and isinstance(v, str) and k != "PREFIX")
QUANTITIES = (names.CONFIDENCE, names.MARGIN, names.ENTROPY, names.ERROR, names.ABSOLUTE)


def outcomes(frame: pl.DataFrame, problem: Problem) -> Outcomes:
    """What a prepared frame says was labelled, predicted and scored."""
    if not problem.classification:
        none = np.full(frame.height, np.nan)
        held = [to_numbers(frame[n]) if n in frame.columns else none for n in (names.LABEL, names.PREDICTION)]
        return Outcomes(held[0], held[1], None)
    codes = [codes_of(frame[n], problem.classes) if n in frame.columns else np.full(frame.height, -1, np.int64)
             for n in (names.LABEL, names.PREDICTION)]  # fmt: skip
    columns = [names.score(label) for label in problem.classes]
    scores = None
    if problem.has_scores and all(c in frame.columns for c in columns):
        scores = np.column_stack([to_numbers(frame[c]) for c in columns])
    return Outcomes(codes[0], codes[1], scores)


def _ordered_scores(answer: Answer, model: Model, problem: Problem) -> Floats | None:
    """The model's scores in the order of the problem's classes; a class the model does not know scores 0."""
    classes = answer.classes or model.classes
    if answer.scores is None or classes is None:
        return None
    place = {label: i for i, label in enumerate(classes)}
    zeros = np.zeros(len(answer.scores))
    return np.column_stack([answer.scores[:, place[c]] if c in place else zeros for c in problem.classes])


def decide(scores: Floats, problem: Problem) -> Codes:
    """Codes of the classes that scores (n, K) decide for; -1 where they are NaN."""
    unknown = ~np.isfinite(scores).all(axis=1)
    if problem.task == "binary" and problem.positive is not None:
        positive = problem.classes.index(problem.positive)
        codes = np.where(scores[:, positive] >= problem.threshold, positive, 1 - positive)
    else:
        codes = np.argmax(np.nan_to_num(scores, nan=-1.0), axis=1)
    return np.where(unknown, -1, codes).astype(np.int64)


def codes_of(labels: pl.Series | NDArray[np.object_], classes: tuple[str, ...]) -> Codes:
    """Codes of label texts into ``classes``, -1 for anything else."""
    index = {label: code for code, label in enumerate(classes)}
    values = labels.to_list() if isinstance(labels, pl.Series) else labels
    return np.array([index.get(value, -1) for value in values], np.int64)


def _count_units(summary: Profile, problem: Problem) -> Units:
    k = len(problem.classes)
    index = {label: code for code, label in enumerate(problem.classes)}
    dated = summary.plan.cells[:1] == (names.DAY,)
    days: dict[str | None, int] = {}
    entries: list[tuple[int, int, int, int]] = []
    # Streaming hands the days over in any order; sorted, the sums are the same to the last digit in every run.
    for key, count in sorted(summary.cells.items(), key=lambda item: tuple(part or "" for part in item[0])):
        label, prediction = key[-2:]
        if label not in index or prediction is None:
            continue
        day = days.setdefault(key[0] if dated else None, len(days))
        entries.append((day, index[label], index.get(prediction, -1), count))
    sums, second = np.zeros((max(len(days), 1), 3 * k)), np.zeros((3 * k, 3 * k))
    for day, label_code, predicted, count in entries:
        places = (
            [label_code]
            + ([k + predicted] if predicted >= 0 else [])
            + ([2 * k + label_code] * (label_code == predicted))
        )
        sums[day, places] += count
        second[np.ix_(places, places)] += count
    return _dated_units(sums, sums[:, :k].sum(1), second, list(days) if dated else [])


def _loss_units(summary: Profile, column: str) -> Units:
    by_day = dict(sorted(summary.sums.get(column, {}).items(), key=lambda item: item[0] or ""))
    rows = np.array([n for n, _, _ in by_day.values()], float).reshape(-1)
    totals = np.array([total for _, total, _ in by_day.values()], float).reshape(-1)
    squares = float(sum(square for _, _, square in by_day.values()))
    second = np.array([[rows.sum(), totals.sum()], [totals.sum(), squares]])
    return _dated_units(np.column_stack([rows, totals]), rows, second, list(by_day))


MAX_UNDATED = 0.05
"""Share of rows without a readable time up to which days are still the unit."""


def _without_undated(sums: Floats, rows: Floats, days: list[str | None]) -> tuple[Floats, Floats, list[str | None]]:
    """A few rows without a readable time join the largest day, so that they count and the days stay the unit."""
    lost = days.index(None)
    if rows[lost] > MAX_UNDATED * rows.sum():
        return sums, rows, days
    keep = [i for i in range(len(days)) if i != lost]
    largest = max(keep, key=lambda i: rows[i])
    sums, rows = sums.copy(), rows.copy()
    sums[largest] += sums[lost]
    rows[largest] += rows[lost]
    return sums[keep], rows[keep], [days[i] for i in keep]


def _dated_units(sums: Floats, rows: Floats, second: Floats, days: list[str | None]) -> Units:
    """Units with weekdays when every one of them is a day with rows."""
    if None in days and len(days) > 1:
        sums, rows, days = _without_undated(sums, rows, days)
    used = rows > 0
    known = [day for day, keep in zip(days, used, strict=False) if keep]
    if not known or any(day is None for day in known):
        return Units(sums.sum(0, keepdims=True), np.array([rows.sum()]), second, None, None)
    ordinals = np.array([np.datetime64(day, "D").astype(int) for day in known], np.int64) + 3
    return Units(sums[used], rows[used], second, ordinals % 7, ordinals)
