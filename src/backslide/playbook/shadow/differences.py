"""Differences of metrics between two models: overall, by class, by segment; who wins where."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from backslide.case import Case
from backslide.contracts import shadow as contract
from backslide.contracts.finding import Estimate
from backslide.engine.columns.kinds import ColumnKind
from backslide.engine.columns.names import PREFIX
from backslide.engine.columns.segments import holds
from backslide.engine.columns.segments import resolve as resolve_segments
from backslide.playbook.shadow.arms import Arms
from backslide.stats.arrays import Ints, Mask
from backslide.stats.change.jackknife import jackknife_units
from backslide.stats.change.metric_change import VERDICT_ALPHA
from backslide.stats.metrics.metric import (
    CLASSIFICATION,
    COST,
    OF_SCORES,
    REGRESSION,
    SAME,
    Metric,
    class_metric,
    macro_f1_over,
)
from backslide.stats.shift.model_difference import (
    ModelDifference,
    compare_paired,
    compare_paired_whole,
    compare_unpaired,
    delong,
)
from backslide.stats.two_sample import holm

PART_ALPHA = VERDICT_ALPHA / 4
"""One-sided error rate of all classes together, and of all segments together, in either direction."""
MIN_ROWS = 30
"""Labelled rows (of each model) of a class or segment under which it is not compared."""
MIN_CLASS_ROWS = 5
MOST_COLUMNS = 12
MOST_SEGMENTS = 60
"""Columns and segments looked at where none are configured."""
LEVELS = 12


@dataclass(frozen=True)
class PartMeasure:
    """A part with its numbers, before all parts are judged together."""

    part: contract.PartComparison
    metric: Metric
    found: ModelDifference | None


def difference(case: Case, arms: Arms, metric: Metric, rows: tuple[Mask, Mask] | None = None) -> ModelDifference | None:
    """The difference of a metric on labelled rows, those in ``rows`` (one mask for each arm); None where not estimable."""
    known = arms.known()
    if rows is not None:
        known = (known[0] & rows[0], known[1] & rows[1])
    if min(int(k.sum()) for k in known) < 2:
        return None
    k = len(case.problem.classes)
    old, new = arms.old.outcomes.take(known[0]), arms.new.outcomes.take(known[1])
    days = [None if arm.days is None else arm.days[mask] for arm, mask in zip((arms.old, arms.new), known, strict=True)]
    if metric.whole is not None:
        result = _whole(case, metric, arms, known, days[1])
    else:
        one, other = old.statistics(metric, k), new.statistics(metric, k)
        result = (
            compare_paired(metric, one, other, days[1])
            if arms.paired
            else compare_unpaired(metric, one, other, days[0], days[1])
        )
    if result is None or not result.known:
        return None
    if metric.name == "roc_auc" and arms.paired and result.unit == "row" and case.problem.task == "binary":
        assert old.scores is not None
        assert new.scores is not None
        at = case.problem.classes.index(case.problem.positive or case.problem.classes[-1])
        areas = delong(old.labels == at, old.scores[:, at], new.scores[:, at])
        result = ModelDifference(result.old, result.new, areas.se, areas.df, "row", 0, areas.p_value, "DeLong")
    return result


def _whole(
    case: Case, metric: Metric, arms: Arms, known: tuple[Mask, Mask], days: Ints | None
) -> ModelDifference | None:
    """A metric that is one number for all rows: jackknifed, for paired rows only."""
    if not arms.paired or metric.whole is None:
        return None
    whole, old, new = metric.whole, arms.old.outcomes.take(known[0]), arms.new.outcomes.take(known[0])

    def both(keep: Mask) -> tuple[float, float]:
        return whole(old.take(keep).arrays), whole(new.take(keep).arrays)

    def apart(keep: Mask) -> float:
        one, other = both(keep)
        return other - one

    return compare_paired_whole(both, jackknife_units(apart, len(old.labels), days, case.rng("shadow " + metric.name)))


def to_contract(
    case: Case,
    metric: Metric,
    result: ModelDifference | None,
    alpha: float = VERDICT_ALPHA,
    *,
    p_value: float | None = None,
    level: float = 0.95,
) -> contract.MetricComparison:
    """As a contract value, with the winner where one is significant at one-sided ``alpha`` and material."""
    facts = {"metric": metric.name, "higher_is_better": metric.higher_is_better, "share": metric.share}
    if result is None:
        return contract.MetricComparison(**facts, old=None, new=None, difference=None)
    p = result.p_value if p_value is None else p_value
    sampled = None if case.current.complete else case.current.sample.height
    low, high = result.interval(level)
    winner = "neither"
    if p < 2 * alpha and abs(result.estimate) >= max(case.floor(metric), 1e-12):
        winner = "old" if metric.harm(result.estimate) > 0 else "new"
    return contract.MetricComparison(
        **facts,
        old=result.old,
        new=result.new,
        difference=Estimate(
            estimate=result.estimate, low=low, high=high, basis="all" if sampled is None else "sample", n=sampled
        ),
        level=level,
        p_value=min(max(p, 0.0), 1.0),
        test=result.test,
        winner=winner,
    )


def usual_metrics(case: Case) -> list[Metric]:
    """The headline first, then every usual metric of the task, expected cost and the user's own."""
    problem = case.problem
    usual: Iterable[str] = CLASSIFICATION if problem.classification else REGRESSION
    usual = [n for n in usual if n not in SAME and (problem.has_scores or n not in OF_SCORES)]
    more = [COST] if problem.costs is not None else []
    every = dict.fromkeys([case.metric.name, *more, *case.settings.model.metrics, *usual])
    return [case.metric, *(case.named_metric(n) for n in every if n != case.metric.name)]


def by_class(case: Case, arms: Arms, headline: contract.MetricComparison) -> tuple[contract.PartComparison, ...]:
    """F1 of every class with enough labelled rows, the new model's losses first; flips by the old model's decision."""
    return _judge_parts(case, class_measures(case, arms), headline)


def class_measures(case: Case, arms: Arms, least: int = MIN_ROWS) -> list[PartMeasure]:
    """F1 of every class, measured where it has at least ``least`` labelled rows."""
    if not case.problem.classification:
        return []
    known = arms.known()
    measures = []
    for index, label in enumerate(case.problem.classes):
        metric = class_metric("f1", index, label)
        labelled = min(
            int((arm.outcomes.labels[k] == index).sum()) for arm, k in zip((arms.old, arms.new), known, strict=True)
        )
        mine = arms.old.outcomes.predictions == index
        part = contract.PartComparison(
            kind="class", name=label, rows=int(mine.sum()), labelled=labelled, flips=_flips(arms, (mine, mine))
        )
        measures.append(PartMeasure(part, metric, difference(case, arms, metric) if labelled >= least else None))
    return measures


def by_segment(
    case: Case, arms: Arms, headline: contract.MetricComparison, *, search: bool
) -> tuple[contract.PartComparison, ...]:
    """The headline in every segment, the new model's losses first: the user's, or with ``search`` levels of any column."""
    return _judge_parts(case, segment_measures(case, arms, search=search), headline)


def segment_measures(
    case: Case, arms: Arms, *, search: bool, least: int = MIN_ROWS, most: int | None = MOST_SEGMENTS
) -> list[PartMeasure]:
    """The headline in every segment, measured where it has at least ``least`` labelled rows; the ``most`` largest segments."""
    measures = []
    for expression in segment_expressions(case, search=search):
        marks = [holds(arm.frame, expression).to_numpy() for arm in (arms.old, arms.new)]
        rows = (marks[0], marks[0]) if arms.paired else (marks[0], marks[1])
        labelled = [int((k & r).sum()) for k, r in zip(arms.known(), rows, strict=True)]
        part = contract.PartComparison(
            kind="segment", name=expression, rows=int(marks[1].sum()), labelled=min(labelled), flips=_flips(arms, rows)
        )
        metric = _within(case, arms, rows)
        measures.append(
            PartMeasure(part, metric, difference(case, arms, metric, rows) if min(labelled) >= least else None)
        )
    return sorted((m for m in measures if m.part.rows), key=lambda m: -m.part.rows)[:most]


def segment_expressions(case: Case, *, search: bool) -> list[str]:
    """Conditions of the user's segments; where there are none and ``search``, levels and quartiles of the first columns."""
    named = case.segments
    if not named and search:
        named, _ = resolve_segments(_columns(case), case.reference.sample, case.current.sample)
        named = {name: expressions for name, expressions in named.items() if 2 <= len(expressions) <= LEVELS}
    return [expression for expressions in named.values() for expression in expressions]


def _columns(case: Case) -> list[str]:
    """Context columns first, then features."""
    taken = set(case.problem.roles.columns().values()) | case.settings.shadow.columns()
    sides = [set(side.sample.columns) for side in case.sides]
    both = [
        c
        for c in case.current.sample.columns
        if not c.startswith(PREFIX) and c in sides[0] & sides[1] and c not in taken
    ]
    grouped = [c for c in both if case.kind(c) in (ColumnKind.NUMERIC, ColumnKind.CATEGORICAL, ColumnKind.BOOLEAN)]
    features = set(case.problem.features)
    return sorted(grouped, key=lambda c: c in features)[:MOST_COLUMNS]


def _within(case: Case, arms: Arms, rows: tuple[Mask, Mask]) -> Metric:
    """The headline; macro F1 over the classes that the segment has enough rows of."""
    if case.metric.name != "macro_f1":
        return case.metric
    k = len(case.problem.classes)
    counts = []
    for arm, known, inside in zip((arms.old, arms.new), arms.known(), rows, strict=True):
        counts.append(np.bincount(arm.outcomes.labels[known & inside].astype(np.int64), minlength=k))
    least = np.minimum(*counts)
    return macro_f1_over(least >= min(MIN_CLASS_ROWS, max(int(least.max(initial=0)), 1)))


def _flips(arms: Arms, rows: tuple[Mask, Mask]) -> float:
    if not arms.paired or not rows[0].any() or arms.old.outcomes.predictions.dtype.kind == "f":
        return 0.0
    return float((arms.old.outcomes.predictions != arms.new.outcomes.predictions)[rows[0]].mean())


def _judge_parts(
    case: Case, measures: Sequence[PartMeasure], headline: contract.MetricComparison
) -> tuple[contract.PartComparison, ...]:
    """All parts of one kind tested together (Holm), their intervals simultaneous (Bonferroni)."""
    tested = [m for m in measures if m.found is not None]
    adjusted = iter(holm([m.found.p_value for m in tested if m.found is not None]))
    level = 1 - 0.05 / max(len(tested), 1)
    parts = []
    for m in measures:
        if m.found is None:
            parts.append((0.0, m.part))
            continue
        one = to_contract(case, m.metric, m.found, PART_ALPHA, p_value=float(next(adjusted)), level=level)
        masked = one.winner == "old" and headline.winner != "old"
        parts.append((m.metric.harm(m.found.estimate), m.part.model_copy(update={"comparison": one, "masked": masked})))
    return tuple(part for _, part in sorted(parts, key=lambda p: (p[1].comparison is None, -p[0], p[1].name)))
