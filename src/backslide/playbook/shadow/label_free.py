"""Which model would be right more often, before labels come: scores of both calibrated on labelled reference rows."""

from __future__ import annotations

import warnings

import numpy as np

from backslide.case import Case
from backslide.contracts import shadow as contract
from backslide.contracts.finding import Estimate
from backslide.engine.roles.outcomes import Outcomes
from backslide.playbook.shadow.arms import Arms
from backslide.stats.arrays import Floats, Ints, Mask
from backslide.stats.change.units import row_units
from backslide.stats.metrics.metric import Metric, influence
from backslide.stats.metrics.row_sums import CLIP

GROUPS = 10
"""Groups of reference rows left out in turn: how much the calibration itself is worth."""
MOST_ROWS = 5000
"""Reference rows that the calibration is fitted on."""
MIN_LABELLED = 200
ASSUMPTION = (
    "assumes that inputs are intact and that the same scores mean the same as in the reference; a changed relation does not "
    "show, and a model that was trained on the reference rows looks better than it is"
)


def label_free(
    case: Case, arms: Arms, before: tuple[Outcomes | None, Outcomes | None]
) -> tuple[contract.LabelFree | None, str]:
    """The headline of both models from the probability of each label given both models' scores, and why there is none.

    The probabilities are a multinomial logistic regression on the log odds of both models' scores, fitted to labelled
    reference rows that both models answer: with one model's scores alone the other would always look wrong where they differ.
    """
    old, new = before
    if not case.problem.classification:
        return None, "no estimate without labels for numbers"
    if case.metric.rows != "counts":
        return None, f"no estimate without labels for {case.metric.name}; only for metrics of decisions"
    if not arms.paired or old is None or new is None:
        return None, "no estimate without labels: both models must answer labelled reference rows"
    if any(o.scores is None for o in (old, new, arms.old.outcomes, arms.new.outcomes)):
        return None, "no estimate without labels: it needs the scores of both models"
    known = old.known() & new.known()
    if known.sum() < MIN_LABELLED or len(np.unique(old.labels[known])) < 2:
        return None, f"no estimate without labels: it needs {MIN_LABELLED} labelled reference rows of two classes"
    answered = arms.answered()
    if not len(answered.old.outcomes.predictions):
        return None, "no estimate without labels: no current row is answered by both models"
    rows = np.flatnonzero(known)
    if len(rows) > MOST_ROWS:
        rows = np.sort(case.rng("label free").choice(rows, MOST_ROWS, replace=False))
    estimate = _estimate(case, answered, old.take(rows), new.take(rows))
    return estimate, ""


def _estimate(case: Case, arms: Arms, old: Outcomes, new: Outcomes) -> contract.LabelFree:
    k = len(case.problem.classes)
    features = _features(old, new)
    labels = old.labels.astype(np.int64)
    asked = _features(arms.old.outcomes, arms.new.outcomes)
    answers = [arm.outcomes.predictions.astype(np.int64) for arm in (arms.old, arms.new)]
    group = case.rng("label free groups").permutation(np.arange(len(labels)) % GROUPS)

    def both(keep: Mask) -> tuple[Floats, Floats]:
        chances = _chances(features[keep], labels[keep], asked, k)
        return _expected(chances, answers[0]), _expected(chances, answers[1])

    rows = both(np.ones(len(labels), bool))
    values = [float(case.metric.value(r.sum(0))) for r in rows]
    errors = np.array([_apart(case.metric, both(group != g)) for g in range(GROUPS)])
    of_fit = (GROUPS - 1) / GROUPS * float(((errors - errors.mean()) ** 2).sum())
    pull = influence(case.metric, rows[1], rows[1].sum(0)) - influence(case.metric, rows[0], rows[0].sum(0))
    days = row_units(np.column_stack([np.ones(len(pull)), pull]), arms.new.days)
    by_day = float((days.sums[:, 1] ** 2).sum()) / len(pull) ** 2 if days.ordinals is not None else 0.0
    half = 2.26 * float(np.sqrt(of_fit + max(by_day, float(np.var(pull)) / max(len(pull), 1))))
    estimate = values[1] - values[0]
    return contract.LabelFree(
        metric=case.metric.name,
        old=values[0],
        new=values[1],
        assumption=ASSUMPTION,
        difference=Estimate(estimate=estimate, low=estimate - half, high=estimate + half),
    )


def _features(old: Outcomes, new: Outcomes) -> Floats:
    """Log odds of every score but one of both models (n, F)."""
    parts = []
    for one in (old, new):
        assert one.scores is not None
        p = np.clip(one.scores, 1e-6, 1 - 1e-6)
        parts.append(np.log(p / (1 - p))[:, 1:] if p.shape[1] == 2 else np.log(p / (1 - p)))
    return np.column_stack(parts)


def _chances(features: Floats, labels: Ints, asked: Floats, k: int) -> Floats:
    """Probability of each class of the rows ``asked`` (n, K); classes that were not seen have none."""
    from sklearn.linear_model import LogisticRegression

    spread = np.maximum(features.std(0), 1e-9)
    with warnings.catch_warnings(action="ignore"):  # an almost separable fit is good enough
        model = LogisticRegression(max_iter=500).fit(features / spread, labels)
    chances = np.zeros((len(asked), k))
    chances[:, model.classes_.astype(int)] = model.predict_proba(asked / spread)
    return np.clip(chances, CLIP, 1.0)


def _expected(chances: Floats, answers: Ints) -> Floats:
    """Expected count rows (n, 3K): labels by their probability, the decision, and hits."""
    k = chances.shape[1]
    indicators = np.eye(k)[answers]
    return np.column_stack([chances, indicators, chances * indicators])


def _apart(metric: Metric, rows: tuple[Floats, Floats]) -> float:
    return float(metric.value(rows[1].sum(0))) - float(metric.value(rows[0].sum(0)))
