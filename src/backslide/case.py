"""The case: both windows with their profiles and samples, computed once and when asked for, and the models.

Everything that a check or a signature may look at hangs here. Profiles see all rows; samples are bounded, seeded and uniform.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
import polars as pl

from backslide.contracts import say
from backslide.contracts.config import Settings
from backslide.contracts.errors import ConfigError, NoRowsError
from backslide.contracts.snapshot import Snapshot
from backslide.engine.columns import names
from backslide.engine.columns.cache import Cache, once
from backslide.engine.columns.kinds import ColumnKind, shared_kind
from backslide.engine.columns.pair import Pair, to_numbers
from backslide.engine.columns.segments import condition
from backslide.engine.columns.segments import resolve as resolve_segments
from backslide.engine.profile.daily_sums import paid_per_error
from backslide.engine.profile.profile import Plan, make_plan
from backslide.engine.roles.outcomes import Outcomes as Outcomes
from backslide.engine.roles.outcomes import codes_of as codes_of
from backslide.engine.roles.outcomes import decide as decide
from backslide.engine.roles.outcomes import outcomes as outcomes
from backslide.engine.roles.problem import DEFAULT_POINTS
from backslide.engine.side import LOSS_COLUMNS, bins_of
from backslide.engine.side import Side as Side
from backslide.engine.window import WindowPair
from backslide.models.infer_reading import understand
from backslide.models.metric_functions import check_returns, custom_metric
from backslide.models.model import Model, ordered_scores
from backslide.stats.arrays import Ints, Mask
from backslide.stats.change.bootstrap import Resampler
from backslide.stats.change.metric_change import Change, compare
from backslide.stats.metrics.metric import (
    CLASSIFICATION,
    COST,
    METRICS,
    REGRESSION,
    Metric,
    brier_of,
    expected_cost,
    macro_f1_over,
    mean,
    pr_auc_over,
    roc_auc_over,
)

Progress = Callable[[str], None]


@dataclass(frozen=True)
class ModelAnswers:
    """Outcomes of a model that was called now, the rows it failed on, and why."""

    outcomes: Outcomes
    failed: Mask
    error: str | None


class Case:
    """Two windows of one problem, and the models that answered."""

    def __init__(
        self,
        opened: WindowPair,
        settings: Settings,
        reference_model: Model | None = None,
        current_model: Model | None = None,
        snapshots: tuple[Snapshot, Snapshot] | None = None,
    ) -> None:
        self.settings = settings
        self.notes, self.warnings = list(opened.notes), list(opened.warnings)
        """What the reader should know of the run, and be warned of; whoever finds something appends it."""
        self.altered, self.days_compared = opened.altered, opened.days_compared
        self.reference_model, self.current_model = reference_model, current_model
        self.model_name = "the saved model"
        self.problem = opened.problem
        self.cache = Cache()
        self.snapshots = snapshots
        """Of the stacks that served the two windows."""
        self.suspects: frozenset[str] = frozenset()
        """Columns that a fault is known of: no witness for what is natural in others; see ``suspecting``."""
        self.reference = Side(opened.reference, opened.problem, settings, lambda: self.plan)
        bins = partial(bins_of, self.reference, lambda: self.features_of(ColumnKind.NUMERIC))
        self.current = Side(opened.current, opened.problem, settings, lambda: self.plan, bins)
        if not np.isfinite(self.problem.min_effect):
            self.problem = replace(self.problem, min_effect=self.floor(self.metric))
            self.reference.problem = self.current.problem = self.problem
        if self.problem.roles.segments:
            _ = self.segments  # what is wrong with one is said before any work is done

    @cached_property
    def label_deviation(self) -> float:
        """Mean absolute deviation of the reference labels around their mean."""
        if not self.problem.has_labels:
            return 0.0
        if self.reference.stored is not None:
            return self.reference.stored.scales.get("label_deviation", 0.0)
        y = to_numbers(self.reference.sample[names.LABEL])
        y = y[np.isfinite(y)]
        if not len(y):
            return 0.0
        with np.errstate(over="ignore", invalid="ignore"):
            deviation = float(np.abs(y - y.mean()).mean())
        if not np.isfinite(deviation):  # the sum of the labels is no float
            size = float(np.abs(y).max())
            deviation = float(np.abs(y / size - (y / size).mean()).mean()) * size
        return deviation

    def floor(self, metric: Metric) -> float:
        """What counts as material in the unit of ``metric``: as much harm as ``[model] min_effect`` is of the headline.

        Shares: points, 0.01 by default. Numbers in the label's unit: 2 % of the reference labels' mean absolute deviation.
        Costs: that much more error, at the mean cost of an error in the reference. Other numbers (log loss, a user's own):
        2 % of their reference value.
        """
        min_effect, numbers = self.settings.model.min_effect, not self.problem.classification
        if metric.name == self.settings.model.metric and min_effect is not None and metric.name != COST:
            return min_effect
        if metric.share:
            return min_effect if min_effect is not None and not numbers else DEFAULT_POINTS
        usual = DEFAULT_RELATIVE * self.label_deviation if numbers else DEFAULT_POINTS
        unit = usual if min_effect is None else min_effect
        if metric.name == COST:
            return unit * self._cost_of_an_error
        if numbers and metric.name in METRICS:
            return unit
        return DEFAULT_RELATIVE * abs(self._sampled(metric))

    def _sampled(self, metric: Metric) -> float:
        """The metric on the reference sample; 0 where it cannot be estimated."""
        if self.reference.stored is not None:
            return float(np.nan_to_num(metric.value(self.reference.units(metric).total)))
        rows = self.reference.outcomes.take(self.reference.outcomes.known())
        if not len(rows.labels):
            return 0.0
        if metric.whole is not None:
            return metric.whole(rows.arrays)
        return float(np.nan_to_num(metric.value(rows.statistics(metric, len(self.problem.classes)).sum(0))))

    @cached_property
    def _cost_of_an_error(self) -> float:
        """Mean cost of a wrong row of the reference; per unit of absolute error where labels are numbers."""
        costs = self.problem.costs
        assert costs is not None
        if self.reference.stored is not None:
            return paid_per_error(self.reference.profile, self.problem)
        rows = self.reference.outcomes.take(self.reference.outcomes.known())
        if costs.matrix is None:
            size = np.abs(rows.predictions.astype(float) - rows.labels.astype(float)).sum()
            paid = costs.of_errors(rows.predictions.astype(float) - rows.labels.astype(float)).sum()
            return float(paid / size) if size > 0 else (costs.over + costs.under) / 2
        labels, predictions = rows.labels.astype(np.int64), rows.predictions.astype(np.int64)
        wrong = labels != predictions
        paid = costs.of_codes(labels[wrong], predictions[wrong])
        return float(paid.mean()) if wrong.any() and paid.any() else expected_cost(costs).event

    @property
    def stored(self) -> str:
        """Why there are no rows to look at one by one; empty where there are."""
        stored = [side.window.name for side in self.sides if side.stored is not None]
        return str(NoRowsError.of(" and ".join(stored))) if stored else ""

    @property
    def sides(self) -> tuple[Side, Side]:
        """Reference and current."""
        return self.reference, self.current

    @cached_property
    def metric(self) -> Metric:
        """The headline metric; averages over classes take those labelled in both windows.

        Raises:
            ConfigError: it is a function of the user's own that fails, or that cannot be priced.
        """
        name = self.problem.metric
        metric = self.named_metric(name)
        if ":" in name:
            if metric.whole is not None:
                raise ConfigError(
                    f"[model] metric {name} returns one number; as the headline it must return one value per row, whose mean "
                    "is the metric, so that causes can be priced; or list it under [model] metrics"
                )
            for side in self.sides:
                if side.outcomes.known().any():
                    check_returns(metric, side.outcomes.take(side.outcomes.known()).arrays)
        return metric

    def named_metric(self, name: str) -> Metric:
        """A metric by its name, for this problem.

        Raises:
            ConfigError: it is a function of the user's own that cannot be loaded, or fails on the reference.
        """
        if name == COST:
            assert self.problem.costs is not None
            return expected_cost(self.problem.costs)
        if name not in (CLASSIFICATION if self.problem.classification else REGRESSION):
            known = self.reference.outcomes.known()
            trial = self.reference.outcomes.take(known).arrays
            trusted = self.settings.artifacts.trusted
            return custom_metric(name, self.problem, self.settings.base, trial, trusted=trusted)
        if name == "brier":
            return brier_of(len(self.problem.classes))
        if name not in ("macro_f1", "roc_auc", "pr_auc"):
            return METRICS[name]
        # A window without labels says nothing about which classes there are.
        counts = [c for side in self.sides if any((c := side.window.label_counts).values())]
        both = np.array([all(c.get(label, 0) for c in counts) for label in self.problem.classes], bool)
        if name == "macro_f1":
            return macro_f1_over(both)
        if self.problem.task == "binary" and self.problem.positive in self.problem.classes:
            ranked: tuple[int, ...] = (self.problem.classes.index(self.problem.positive),)
        else:
            ranked = tuple(int(k) for k in np.flatnonzero(both))
        return (roc_auc_over if name == "roc_auc" else pr_auc_over)(ranked)

    def change(self, metric: Metric) -> Change:
        """The change of a metric over all labelled rows, computed once; see ``stats.change``."""

        def compute() -> Change:
            return compare(self.reference.units(metric), self.current.units(metric), metric)

        return self.cache.get(Case.change, (metric.name,), compute)

    def basis(self, metric: Metric) -> str:
        """What the metric rests on, where that is not every row."""
        if not any(side.on_sample(metric) for side in self.sides):
            return ""
        reference, current = (say.count(len(self.labelled_rows(side))) for side in self.sides)
        return f"samples of {reference} and {current} labelled rows"

    def mean_change(self, column: str) -> Change:
        """The change of the mean of one of ``MEANS`` over all rows."""
        own = Metric(column, True, "absolute", mean, share=False, bounds=(0.0, 1.0))
        reference, current = (side.mean_units(column) for side in self.sides)
        return compare(reference, current, own)

    @once
    def labelled_rows(self, side: Side) -> Ints:
        """Sampled rows with both label and prediction."""
        return np.flatnonzero(side.outcomes.known())

    @once
    def draw(self, side: Side) -> Resampler:
        """The replicates of a window's labelled rows, the same for every effect of the diagnosis."""
        rows = self.labelled_rows(side)
        blocks = side.blocks[rows] if side.blocks is not None else None
        return Resampler(len(rows), blocks, self.settings.engine.bootstrap, self.rng(f"bootstrap {side.window.name}"))

    @property
    def has_labels(self) -> bool:
        """Whether both windows hold labelled rows."""
        return self.reference.window.labelled > 0 and self.current.window.labelled > 0

    def kind(self, column: str) -> ColumnKind:
        """Kind of a column in both windows together; see ``columns.shared_kind``."""
        return shared_kind(column, [(side.window.kinds[column], side.window.frame) for side in self.sides])

    def features_of(self, *kinds: ColumnKind) -> list[str]:
        """Feature columns of the given kinds, in their order."""
        return [column for column in self.problem.features if self.kind(column) in kinds]

    def answered(self, model: Model, frame: pl.DataFrame, *, afresh: bool = False) -> ModelAnswers:
        """What a model says to the feature columns of ``frame``, decided by the problem's threshold, beside its labels.

        The same rows are not asked about again, unless ``afresh``.
        """
        own = [c for c in frame.columns if c not in CANONICAL and not c.startswith(names.score(""))]
        inputs = frame.select(own if model.features is not None else list(self.problem.features))
        understand(model, self.problem, self.reference.sample, self.reference.outcomes)
        answer = (model.answer if afresh else model.recall)(inputs, decisions=not self.problem.has_scores)
        labels = outcomes(frame, self.problem).labels
        if not self.problem.classification:
            predictions = answer.predictions if answer.predictions is not None else np.full(frame.height, np.nan)
            return ModelAnswers(Outcomes(labels, np.asarray(predictions, float), None), answer.failed, answer.error)
        # Without logged scores the decisions are the model's own, which need not be those of the largest score.
        scores = ordered_scores(answer, model, self.problem) if self.problem.has_scores else None
        if scores is not None:
            codes = decide(scores, self.problem)
        elif answer.predictions is not None:
            codes = codes_of(answer.predictions, self.problem.classes, self.problem.spellings)
        else:
            codes = np.full(frame.height, -1, np.int64)
        return ModelAnswers(Outcomes(labels, np.where(answer.failed, -1, codes), scores), answer.failed, answer.error)

    def part(self, reference_rows: Mask, current_rows: Mask) -> Case:
        """The case over some of the sampled rows: masks (n_g,) and (n_b,). What signatures read is theirs alone."""
        return self._copy(self.reference.part(reference_rows), self.current.part(current_rows))

    def beside(self, current_rows: Mask) -> Case:
        """Some current rows (n_b,) against the other current rows, as reference: what the season did it did to both."""
        return self._copy(self.current.part(~current_rows), self.current.part(current_rows))

    def within(self, expression: str) -> Case:
        """The case over the rows of one segment, in all respects: windows, samples, profiles and models."""
        windows = [side.window.where(condition(expression), self.problem) for side in self.sides]
        opened = WindowPair(self.problem, windows[0], windows[1], ())
        return Case(opened, self.settings, self.reference_model, self.current_model, self.snapshots)

    def repaired(self, frame: pl.DataFrame) -> Case:
        """The case with ``frame`` as its current sample: the same rows with some columns restored."""
        repaired = self._copy(self.reference, self.current.restored(frame))
        repaired.suspects = frozenset()
        present = set(frame.columns)
        same = {c: pair for c, pair in self.pairs.items() if c in present and _same(frame[c], pair.current)}
        repaired.__dict__["pairs"] = {c: same.get(c) or repaired._pair(c) for c in self.pairs}
        return repaired

    def suspecting(self, columns: Iterable[str]) -> Case:
        """The same case, in which these columns too are no witness for what is natural in others."""
        _ = self.pairs  # computed here, they are shared
        suspecting = copy(self)
        suspecting.suspects = self.suspects | frozenset(columns)
        return suspecting

    def _copy(self, reference: Side, current: Side) -> Case:
        """The case with other sides, and nothing computed of them yet."""
        other = copy(self)
        other.cache = Cache()
        other.__dict__.pop("pairs", None)
        other.reference, other.current = reference, current
        return other

    @property
    def comparable(self) -> list[str]:
        """Feature columns of numbers, categories or booleans: those of ``pairs``, also where there are no rows to pair."""
        return self.features_of(ColumnKind.NUMERIC, ColumnKind.CATEGORICAL, ColumnKind.BOOLEAN)

    @cached_property
    def pairs(self) -> dict[str, Pair]:
        """Every comparable feature column in both samples."""
        return {column: self._pair(column) for column in self.comparable}

    @property
    def inputs_known(self) -> bool:
        """Whether there are columns to ask a saved model with: comparable ones, or embeddings."""
        return bool(self.pairs or self.features_of(ColumnKind.EMBEDDING))

    def _pair(self, column: str) -> Pair:
        sides = self.reference, self.current
        return Pair(column, self.kind(column), *(side.sample[column] for side in sides), days=self.reference.blocks)

    @cached_property
    def segments(self) -> dict[str, tuple[str, ...]]:
        """User segments: name as configured -> disjoint conditions; see ``engine.segments``.

        Raises:
            ConfigError: when one is no condition on single rows.
        """
        if self.reference.stored is not None:
            return dict(self.reference.stored.plan.segments)
        expressions, notes = resolve_segments(self.problem.roles.segments, self.reference.sample, self.current.sample)
        self.notes.extend(notes)
        return expressions

    @cached_property
    def plan(self) -> Plan:
        """What the pass over the rows counts: every comparable feature and the row quantities, on the reference's bins."""
        if self.reference.stored is not None:
            return self.reference.stored.plan
        present = set(self.reference.sample.columns) & set(self.current.window.frame.collect_schema().names())
        quantities = [n for n in QUANTITIES if n in present]
        quantities += [names.score(label) for label in self.problem.classes if names.score(label) in present]
        if not self.problem.classification:
            quantities += [n for n in (names.LABEL, names.PREDICTION) if n in present]
        cells = (names.LABEL, names.PREDICTION) if self.problem.classification else ()
        served = () if self.problem.classification else (names.PREDICTION,)
        return make_plan(
            self.reference.sample,
            numeric=[*self.features_of(ColumnKind.NUMERIC), *quantities],
            categorical=self.features_of(ColumnKind.CATEGORICAL, ColumnKind.BOOLEAN),
            cells=tuple(n for n in (names.DAY, *cells) if n in present) if cells else (),
            block=names.DAY if names.DAY in present else None,
            sums=tuple(n for n in (*LOSS_COLUMNS.values(), names.CENTRED, *MEANS, *served) if n in present),
            segments=self.segments,
        )

    def rng(self, purpose: str) -> np.random.Generator:
        """A generator of its own for each purpose, so that adding one consumer does not move the others."""
        return np.random.default_rng([self.settings.engine.seed, *purpose.encode()])


DEFAULT_RELATIVE = 0.02
MEANS = (names.CONFIDENCE, names.MARGIN, names.ENTROPY, names.NEAR)
"""Row quantities whose mean is compared by day."""
CANONICAL = frozenset(v for k, v in vars(names).items() if k.isupper() and isinstance(v, str) and k != "PREFIX")
QUANTITIES = (names.CONFIDENCE, names.MARGIN, names.ENTROPY, names.ERROR, names.ABSOLUTE)


def _same(one: pl.Series, other: pl.Series) -> bool:
    return one.dtype == other.dtype and one.equals(other, null_equal=True)
