"""What kind of prediction this is: task, classes, threshold, headline metric, and what counts as material."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from backslide.contracts import say
from backslide.contracts.diagnosis import Task
from backslide.contracts.errors import ConfigError, LabelError, did_you_mean
from backslide.contracts.labels import AFFIRMATIVE
from backslide.contracts.roles import Roles
from backslide.stats.metrics.costs import Costs, cost_matrix
from backslide.stats.metrics.metric import CLASSIFICATION, COST, METRICS, OF_SCORES, REGRESSION


@dataclass(frozen=True)
class Problem:
    """The prediction problem, resolved once from the configuration and both windows."""

    task: Task
    classes: tuple[str, ...]
    """Empty for regression."""
    roles: Roles
    features: tuple[str, ...]
    positive: str | None
    threshold: float
    metric: str
    min_effect: float
    has_labels: bool
    has_scores: bool
    costs: Costs | None = None
    """What errors cost, where that is configured."""
    centre: float = 0.0
    """Regression: a constant near the labels' mean, so that their variance can be summed without loss of digits."""
    spellings: dict[str, str] = field(default_factory=dict)
    """Other spelling of a class -> the one in ``classes``; see ``engine.spelling``."""

    @property
    def classification(self) -> bool:
        """Whether labels are classes."""
        return self.task != "regression"


LEAST_SCORED = 3
"""Classes with scores from which a label without one may be new to the model; of two, it is rather a slip."""


def order_classes(labels: set[str]) -> tuple[str, ...]:
    """Numbers by value, then text by alphabet."""

    def key(label: str) -> tuple[int, float, str]:
        try:
            return (0, float(label), label)
        except ValueError:
            return (1, 0.0, label)

    return tuple(sorted(labels, key=key))


def choose_positive(roles: Roles, classes: tuple[str, ...], reference_counts: dict[str, int]) -> str:
    """The positive class of a binary task: as named, else 1 / true / yes, else the rarer reference label.

    Raises:
        ConfigError: when ``positive`` names no class.
    """
    if roles.positive is not None:
        if roles.positive not in classes:
            raise ConfigError(
                f"[model] positive: {roles.positive!r} is not one of the labels{did_you_mean(roles.positive, classes)}"
            )
        return roles.positive
    for label in classes:
        if label.lower() in AFFIRMATIVE:
            return label
    return min(reversed(classes), key=lambda label: reference_counts.get(label, 0))


NO_HEADLINE = {
    "bias": ("has no better direction", "mae"),
    "median_absolute_error": ("is a quantile, so causes cannot be priced in it", "mae"),
    "p90_absolute_error": ("is a quantile, so causes cannot be priced in it", "rmse"),
}
"""Metrics that cannot be the headline: why, and what to use instead."""


def choose_metric(
    task: Task,
    metric: str | None,
    reference_counts: dict[str, int],
    classes: int,
    *,
    scores: bool = True,
    costs: bool = True,
) -> str:
    """The headline metric; ``scores`` and ``costs`` say what is configured. ``module:function`` is looked up by the case.

    Raises:
        ConfigError: when the metric is unknown, belongs to another task, or lacks what it needs.
    """
    known = (*(REGRESSION if task == "regression" else CLASSIFICATION), COST)
    if metric is not None:
        _check_metric(task, metric, known, scores=scores, costs=costs)
        return metric
    if task == "regression":
        return "mae"
    total = sum(reference_counts.values())
    rarest = min((n for n in reference_counts.values() if n), default=0)
    return "macro_f1" if total and rarest / total < 0.5 / max(classes, 1) else "accuracy"


def _check_metric(task: Task, metric: str, known: tuple[str, ...], *, scores: bool, costs: bool) -> None:
    if ":" in metric:
        return
    if metric not in METRICS and metric != COST:
        raise ConfigError(f"[model] metric: {metric!r} is not a metric{did_you_mean(metric, known)}")
    if metric in NO_HEADLINE and metric in known:
        reason, other = NO_HEADLINE[metric]
        raise ConfigError(f"[model] metric: {metric!r} {reason}, so it cannot be the headline; use {other!r}")
    if metric not in known:
        raise ConfigError(f"[model] metric: {metric!r} does not fit a {task} task{did_you_mean(metric, known)}")
    if metric == COST and not costs:
        raise ConfigError(
            "[model] metric: 'expected_cost' needs [model.costs], what errors cost; set it, or use 'accuracy'"
        )
    if metric in OF_SCORES and not scores:
        raise ConfigError(
            f"[model] metric: {metric!r} needs [model] scores, the column of each class's score; "
            "name them, or choose 'accuracy' or 'macro_f1'"
        )


DEFAULT_POINTS = 0.01
"""Material change of a share where nothing else is configured."""


def known_effect(task: Task, metric: str | None, min_effect: float | None) -> float:
    """``min_effect`` in the unit of the headline; NaN where it takes a look at the reference to tell (see ``Case.floor``)."""
    if metric == COST:
        return math.nan
    if min_effect is not None:
        return min_effect
    return math.nan if task == "regression" or (metric is not None and ":" in metric) else DEFAULT_POINTS


def choose_costs(
    task: Task, named: dict[str, float | dict[str, float]] | None, classes: tuple[str, ...]
) -> Costs | None:
    """What errors cost, from ``[model.costs]``.

    Raises:
        ConfigError: an unknown label, or a cost that is negative, not finite or never above zero.
    """
    if named is None:
        return None
    known = ("over", "under") if task == "regression" else classes
    for path, cost in _flat(named):
        where = f"[model.costs] {'.'.join(path)}"
        unknown = next((label for label in path if label not in known), None)
        if task == "regression" and len(path) > 1:
            raise ConfigError(f"{where}: expected 'over' and 'under', a cost per unit of error each")
        if unknown is not None:
            what = "neither 'over' nor 'under'" if task == "regression" else "not one of the labels"
            raise ConfigError(f"{where}: {unknown!r} is {what}{did_you_mean(unknown, known)}")
        if not (math.isfinite(cost) and cost >= 0):
            raise ConfigError(f"{where}: expected a finite cost of at least 0, got {cost}")
    if task == "regression":
        prices = {side: cost for side, cost in named.items() if not isinstance(cost, dict)}
        costs = Costs(over=prices.get("over", 1.0), under=prices.get("under", 1.0))
        worth = max(costs.over, costs.under)
    else:
        costs = Costs(matrix=cost_matrix(classes, named))
        worth = float(costs.matrix.max(initial=0.0)) if costs.matrix is not None else 0.0
    if not worth > 0:
        raise ConfigError("[model.costs]: expected at least one error that costs more than 0")
    return costs


def _flat(named: dict[str, float | dict[str, float]]) -> list[tuple[tuple[str, ...], float]]:
    entries: list[tuple[tuple[str, ...], float]] = []
    for label, cost in named.items():
        entries += [((label, p), c) for p, c in cost.items()] if isinstance(cost, dict) else [((label,), cost)]
    return entries


Counts = dict[str, tuple[dict[str, int], dict[str, int]]]
"""Window -> rows of each label and of each predicted class."""


def check_scores(
    roles: Roles, task: Task, classes: set[str], predicted: set[str], counts: Counts | None = None
) -> tuple[str, ...]:
    """Labels that no score covers because the model never knew them: they count as scored 0.

    That can be where three classes or more have scores, and the others are labels only and never ``predicted``: reviewers found
    something new. The other side of a binary task may be left out.

    Raises:
        LabelError: when labels occur otherwise that no score covers.
    """
    covered = set(roles.scores)
    missing = classes - covered
    if not covered or task == "regression" or (task == "binary" and len(covered) == 1 and len(missing) <= 1):
        return ()
    unheard = sorted(missing)
    if len(covered) >= LEAST_SCORED and not missing & predicted and classes & covered:
        return tuple(unheard)
    if missing:
        names = ", ".join(repr(label) for label in unheard[:5])
        have = ", ".join(repr(label) for label in sorted(covered)[:8])
        raise LabelError(
            f"labels {names} have no score: [model] scores covers {have}; add a score column for each label that occurs"
            f"{_alone(missing, counts or {})}"
        )
    return ()


def _alone(labels: set[str], counts: Counts) -> str:
    """The end of a sentence: labels that one window alone has, which may be none of the model's."""
    sentences = []
    for window, (own, _) in counts.items():
        others = [both[0] for name, both in counts.items() if name != window]
        new = sorted(label for label in labels & set(own) if others and all(o and label not in o for o in others))
        sentences += [
            f"{label!r} is a label of the {window} window alone ({say.count(own[label])} rows)" for label in new[:3]
        ]
    return f", or leave those rows out: {'; '.join(sentences)}" if sentences else ""


def describe_unknown_labels(labels: tuple[str, ...], counts: dict[str, tuple[dict[str, int], dict[str, int]]]) -> str:
    """What is said of labels that the model never knew."""
    rows = {name: sum(window[0].get(label, 0) for label in labels) for name, window in counts.items()}
    shown = ", ".join(repr(label) for label in labels[:5]) + (f" and {len(labels) - 5} more" if len(labels) > 5 else "")
    sentence = " and ".join(f"{say.count(n)} rows of the {name} window" for name, n in rows.items() if n)
    return (
        f"the model has no score for {shown} and never predicts {'it' if len(labels) == 1 else 'them'}: "
        f"{sentence} count as wrong"
    )


def with_threshold(problem: Problem, threshold: float) -> Problem:
    """The same problem cut at another threshold (the one that the logs show)."""
    return replace(problem, threshold=threshold)
