"""What kind of prediction this is: task, classes, threshold, headline metric, and what counts as material."""

from __future__ import annotations

from dataclasses import dataclass, replace

from backslide.contracts.diagnosis import Task
from backslide.contracts.errors import ConfigError, LabelError, did_you_mean
from backslide.contracts.labels import AFFIRMATIVE
from backslide.contracts.roles import Roles
from backslide.stats.metrics import CLASSIFICATION, METRICS, REGRESSION


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

    @property
    def classification(self) -> bool:
        """Whether labels are classes."""
        return self.task != "regression"


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


def choose_metric(task: Task, metric: str | None, reference_counts: dict[str, int], classes: int) -> str:
    """The headline metric.

    Raises:
        ConfigError: when the metric is unknown, or belongs to another task.
    """
    known = REGRESSION if task == "regression" else CLASSIFICATION
    if metric is not None:
        if metric not in METRICS:
            raise ConfigError(f"[model] metric: {metric!r} is not a metric{did_you_mean(metric, known)}")
        if metric == "bias":
            raise ConfigError("[model] metric: 'bias' has no better direction, so it cannot be the headline; use 'mae'")
        if metric not in known:
            raise ConfigError(f"[model] metric: {metric!r} does not fit a {task} task{did_you_mean(metric, known)}")
        return metric
    if task == "regression":
        return "mae"
    total = sum(reference_counts.values())
    rarest = min((n for n in reference_counts.values() if n), default=0)
    return "macro_f1" if total and rarest / total < 0.5 / max(classes, 1) else "accuracy"


def check_scores(roles: Roles, task: Task, classes: set[str]) -> Roles:
    """Roles whose scores cover every class; the other side of a binary task may be left out.

    Raises:
        LabelError: when labels occur that no score covers.
    """
    covered = set(roles.scores)
    missing = classes - covered
    if not covered or task == "regression" or (task == "binary" and len(covered) == 1 and len(missing) <= 1):
        return roles
    if missing:
        names = ", ".join(repr(label) for label in sorted(missing)[:5])
        have = ", ".join(repr(label) for label in sorted(covered)[:8])
        raise LabelError(
            f"labels {names} have no score: [model] scores covers {have}; add a score column for each label that occurs"
        )
    return roles


def with_threshold(problem: Problem, threshold: float) -> Problem:
    """The same problem cut at another threshold (the one that the logs show)."""
    return replace(problem, threshold=threshold)
