"""When to train again: never, on schedule, on alarm or continuously, played over the history.

The labelled rows are cut by time: a first part trains the starting model, then come stretches. Each policy answers a stretch
with the model it has, and may train again before the next one, on what was known by then. Models trained at the same origin are
shared. The cheapest policy whose mean is within what is material of the best one is recommended.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import stats

from backslide.contracts import say
from backslide.contracts.errors import ModelError
from backslide.contracts.retrain import Policies, Policy
from backslide.engine.roles.outcomes import Outcomes
from backslide.models.model import Model
from backslide.models.wrap import wrap
from backslide.retraining.backtest import LEAST_ROWS, Bench, chosen
from backslide.retraining.history import Rows, moment
from backslide.retraining.recipe import inputs, labels_of, trained
from backslide.retraining.windows import Plan
from backslide.stats.metrics.metric import influence

START = 0.4
"""Share of the labelled rows that the starting model is trained on."""
STRETCHES = 8
THIRD = 3
ALARM = 0.05
"""One-sided error rate of the alarm on one stretch."""


@dataclass
class _Walk:
    """One policy on its way."""

    name: str
    description: str
    values: list[float | None] = field(default_factory=list)
    retrains: int = 0
    used: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class _Stretch:
    origin: float
    rows: Rows


def simulate(bench: Bench, plan: Plan) -> Policies | None:
    """Play every policy; None with too little history."""
    h = bench.history
    rows = np.flatnonzero(h.labelled)
    start = int(START * len(rows))
    if len(rows) - start < STRETCHES * LEAST_ROWS:
        return None
    cuts = [float(h.when[rows[start + (len(rows) - start) * k // STRETCHES]]) for k in range(STRETCHES)]
    ends = [*cuts[1:], np.inf]
    stretches = [
        _Stretch(origin, rows[(h.when[rows] >= origin) & (h.when[rows] < end)])
        for origin, end in zip(cuts, ends, strict=True)
    ]
    stretches = [s for s in stretches if len(s.rows) >= LEAST_ROWS]
    if len(stretches) < 4:
        return None
    models: dict[int, tuple[Model, Rows]] = {}
    try:
        walks = [
            _scheduled(bench, plan, stretches, models, "never", "trained once", 0),
            _scheduled(bench, plan, stretches, models, "every third stretch", "on schedule", THIRD),
            _scheduled(bench, plan, stretches, models, "every stretch", "on schedule", 1),
            _on_alarm(bench, plan, stretches, models),
        ]
    except ModelError:
        return None
    steady = _continuous(bench, stretches)
    return _told(bench, [*walks, *([steady] if steady is not None else [])], stretches)


def _model(
    bench: Bench, plan: Plan, stretches: list[_Stretch], k: int, models: dict[int, tuple[Model, Rows]]
) -> tuple[Model, Rows]:
    if k not in models:
        rng = bench.rng("policy", k)
        rows, weights = chosen(bench, plan, stretches[k].origin, rng)
        if len(rows) < LEAST_ROWS:
            raise ModelError("too few rows")
        models[k] = trained(bench.recipe, bench.history, rows, weights, plan.steady, rng, plan.name), rows
    return models[k]


def _scheduled(
    bench: Bench,
    plan: Plan,
    stretches: list[_Stretch],
    models: dict[int, tuple[Model, Rows]],
    name: str,
    description: str,
    every: int,
) -> _Walk:
    walk = _Walk(name, description)
    model, rows = _model(bench, plan, stretches, 0, models)
    walk.used |= set(rows.tolist())
    for k, stretch in enumerate(stretches):
        if k and every and k % every == 0:
            model, rows = _model(bench, plan, stretches, k, models)
            walk.retrains += 1
            walk.used |= set(rows.tolist())
        walk.values.append(_value(bench, _answers(bench, model, stretch.rows)))
    return walk


def _on_alarm(bench: Bench, plan: Plan, stretches: list[_Stretch], models: dict[int, tuple[Model, Rows]]) -> _Walk:
    """Trains again when a stretch, as far as its labels have arrived, is worse than the first one after training."""
    walk = _Walk("on alarm", "when the metric is shown to have dropped by what matters")
    model, rows = _model(bench, plan, stretches, 0, models)
    walk.used |= set(rows.tolist())
    base: Outcomes | None = None
    due = False
    for k, stretch in enumerate(stretches):
        if due:
            model, rows = _model(bench, plan, stretches, k, models)
            walk.retrains += 1
            walk.used |= set(rows.tolist())
            base, due = None, False
        answers = _answers(bench, model, stretch.rows)
        walk.values.append(_value(bench, answers))
        moment = stretches[k + 1].origin if k + 1 < len(stretches) else np.inf
        seen = answers.take(bench.history.arrived[stretch.rows] < moment)
        seen = seen.take(seen.known())
        if len(seen.labels) < LEAST_ROWS:
            continue
        if base is None:
            base = seen
        else:
            due = _dropped(bench, base, seen)
    return walk


def _dropped(bench: Bench, before: Outcomes, after: Outcomes) -> bool:
    metric, classes = bench.metric, len(bench.case.problem.classes)
    if metric.whole is not None:
        return False
    values, variance = [], 0.0
    for one in (before, after):
        rows = one.statistics(metric, classes)
        values.append(float(metric.value(rows.sum(0))))
        variance += float(np.var(influence(metric, rows, rows.sum(0)))) / len(rows)
    harm = metric.harm(values[1] - values[0])
    z = harm / np.sqrt(variance) if variance > 0 else 0.0
    return bool(harm >= bench.case.floor(metric) and stats.norm.sf(z) < ALARM)


def _continuous(bench: Bench, stretches: list[_Stretch]) -> _Walk | None:
    """One model that learns every row once, as soon as its label has arrived; for recipes that can."""
    warm, h = bench.recipe.warm, bench.history
    if warm is None:
        return None
    from sklearn.base import clone

    made, learned = clone(warm), np.zeros(len(h.when), bool)
    walk = _Walk("continuous", "learns every row once its label has arrived")
    labels = labels_of(bench.recipe, h, np.flatnonzero(h.labelled))
    more = {} if bench.recipe.task == "regression" else {"classes": np.unique(labels)}
    try:
        for k, stretch in enumerate(stretches):
            known = h.known_at(stretch.origin)
            fresh = known[~learned[known]]
            if len(fresh):
                rows = inputs(bench.recipe, h, fresh)
                told = labels_of(bench.recipe, h, fresh)
                _learn(made, rows.iloc[:, 0] if bench.recipe.takes_text else rows, told, more)
                learned[fresh] = True
                walk.retrains += k > 0
            model = wrap(made, name="continuous", task=bench.case.problem.task)
            model.features = model.features or bench.recipe.columns
            walk.values.append(_value(bench, _answers(bench, model, stretch.rows)))
    except Exception:  # it says that it can and cannot, for instance with missing values
        return None
    walk.used |= set(np.flatnonzero(learned).tolist())
    return walk


def _learn(estimator: Any, rows: Any, labels: Any, more: dict[str, Any]) -> None:
    """One more batch; through a pipeline step by step, each learning what it can before it hands the rows on."""
    steps = getattr(estimator, "steps", None)
    if not isinstance(steps, list):
        estimator.partial_fit(rows, labels, **more)
        return
    for _, step in steps[:-1]:
        if hasattr(step, "partial_fit"):
            step.partial_fit(rows)
        rows = step.transform(rows)
    steps[-1][1].partial_fit(rows, labels, **more)


def _answers(bench: Bench, model: Model, rows: Rows) -> Outcomes:
    return bench.case.answered(model, bench.history.frame[rows]).outcomes


def _value(bench: Bench, answers: Outcomes) -> float | None:
    known = answers.take(answers.known())
    if not len(known.labels):
        return None
    if bench.metric.whole is not None:
        return float(bench.metric.whole(known.arrays))
    value = float(bench.metric.value(known.statistics(bench.metric, len(bench.case.problem.classes)).sum(0)))
    return value if np.isfinite(value) else None


def _told(bench: Bench, walks: list[_Walk], stretches: list[_Stretch]) -> Policies | None:
    metric = bench.metric
    means = {}
    for walk in walks:
        held = [v for v in walk.values if v is not None]
        means[walk.name] = float(np.mean(held)) if held else None
    known = {name: value for name, value in means.items() if value is not None}
    if len(known) < 2:
        return None
    best = (max if metric.higher_is_better else min)(known.values())
    floor = bench.case.floor(metric)
    near = [w for w in walks if w.name in known and metric.harm(known[w.name] - best) < floor]
    wanted = min(near, key=lambda w: (w.retrains, len(w.used), metric.harm(known[w.name])))
    never = known.get("never")
    policies = tuple(
        Policy(
            name=w.name,
            description=w.description,
            value=means[w.name],
            retrains=w.retrains,
            labels=len(w.used),
            by_stretch=tuple(w.values),
            recommended=w is wanted,
        )
        for w in walks
    )
    if never is None or wanted.name == "never":
        sentence = (
            f"Never training again would have cost less than what matters ({say.change(floor, share=metric.share)})."
        )
    else:
        worth = -metric.harm(known[wanted.name] - never)
        times = "once" if wanted.retrains == 1 else f"{wanted.retrains} times"
        sentence = (
            f"{say.sentence(wanted.name).rstrip('.')}: {times} in {len(wanted.values)} stretches, "
            f"{say.change(worth, share=metric.share)} better than never."
        )
    starts = tuple(moment(bench.history, s.origin) for s in stretches)
    return Policies(policies=policies, starts=starts, sentence=sentence)
