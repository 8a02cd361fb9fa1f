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
from backslide.retraining.backtest import LEAST_ROWS, Backtest, Fold, fit_plan, folds_at
from backslide.retraining.history import Rows, moment
from backslide.retraining.learning import duration
from backslide.retraining.recipe import inputs, labels_of
from backslide.retraining.windows import TrainingPlan
from backslide.stats.metrics.metric import influence

START = 0.4
"""Share of the labelled rows that the starting model is trained on."""
STRETCHES = 8
THIRD = 3
ALARM = 0.05
"""One-sided error rate of the alarm on one stretch."""


@dataclass
class _PolicyRun:
    """One policy on its way."""

    name: str
    description: str
    values: list[float | None] = field(default_factory=list)
    retrains: int = 0
    used: set[int] = field(default_factory=set)


@dataclass
class _Simulation:
    """The stretches of a history, and the models that policies train at their origins."""

    bench: Backtest
    plan: TrainingPlan
    stretches: list[Fold]
    models: dict[int, tuple[Model, Rows]] = field(default_factory=dict)
    """By the number of the stretch that they answer first."""

    def train(self, run: _PolicyRun, k: int) -> Model:
        """The model that a policy trains before stretch ``k``.

        Raises:
            ModelError: it cannot be trained.
        """
        if k not in self.models:
            self.models[k] = fit_plan(self.bench, self.plan, self.stretches[k].origin, self.bench.rng("policy", k))
        model, rows = self.models[k]
        run.retrains += k > 0
        run.used |= set(rows.tolist())
        return model

    def answer(self, run: _PolicyRun, model: Model, stretch: Fold) -> Outcomes:
        """What the model in service says to a stretch; its value is noted."""
        answers = self.bench.case.answered(model, self.bench.history.frame[stretch.rows]).outcomes
        run.values.append(self.bench.value(answers))
        return answers

    def scheduled(self, name: str, description: str, every: int) -> _PolicyRun:
        """Trains before the first stretch, and again after ``every`` stretches; 0: never."""
        run = _PolicyRun(name, description)
        for k, stretch in enumerate(self.stretches):
            if k == 0 or (every and k % every == 0):
                model = self.train(run, k)
            self.answer(run, model, stretch)
        return run

    def on_alarm(self) -> _PolicyRun:
        """Trains again when a stretch, as far as its labels have arrived, is worse than the first one after training."""
        run = _PolicyRun("on alarm", "when the metric is shown to have dropped materially")
        base: Outcomes | None = None
        due = True
        for k, stretch in enumerate(self.stretches):
            if due:
                model, base, due = self.train(run, k), None, False
            answers = self.answer(run, model, stretch)
            moment = self.stretches[k + 1].origin if k + 1 < len(self.stretches) else np.inf
            arrived = answers.take(self.bench.history.arrived[stretch.rows] < moment)
            arrived = arrived.take(arrived.known())
            if len(arrived.labels) < LEAST_ROWS:
                continue
            if base is None:
                base = arrived
            else:
                due = _has_dropped(self.bench, base, arrived)
        return run

    def continuous(self) -> _PolicyRun | None:
        """One model that learns every row once, as soon as its label has arrived; for recipes that can."""
        bench, h, warm = self.bench, self.bench.history, self.bench.recipe.warm
        if warm is None:
            return None
        from sklearn.base import clone

        learner, learned = clone(warm), np.zeros(len(h.when), bool)
        run = _PolicyRun("continuous", "learns every row once its label has arrived")
        labels = labels_of(bench.recipe, h, np.flatnonzero(h.labelled))
        more = {} if bench.recipe.task == "regression" else {"classes": np.unique(labels)}
        try:
            for k, stretch in enumerate(self.stretches):
                known = h.known_at(stretch.origin)
                fresh = known[~learned[known]]
                if len(fresh):
                    rows = inputs(bench.recipe, h, fresh)
                    batch = labels_of(bench.recipe, h, fresh)
                    _learn(learner, rows.iloc[:, 0] if bench.recipe.takes_text else rows, batch, more)
                    learned[fresh] = True
                    run.retrains += k > 0
                model = wrap(learner, name="continuous", task=bench.case.problem.task)
                model.features = model.features or bench.recipe.columns
                self.answer(run, model, stretch)
        except Exception:  # it says that it can and cannot, for instance with missing values
            return None
        run.used |= set(np.flatnonzero(learned).tolist())
        return run


def simulate(bench: Backtest, plan: TrainingPlan) -> Policies | None:
    """Play every policy; None with too little history."""
    h = bench.history
    rows = np.flatnonzero(h.labelled)
    start = int(START * len(rows))
    if len(rows) - start < STRETCHES * LEAST_ROWS:
        return None
    cuts = [float(h.when[rows[start + (len(rows) - start) * k // STRETCHES]]) for k in range(STRETCHES)]
    stretches = [s for s in folds_at(h, rows, cuts) if len(s.rows) >= LEAST_ROWS]
    if len(stretches) < 4:
        return None
    simulation = _Simulation(bench, plan, stretches)
    try:
        runs = [
            simulation.scheduled("never", "trained once", 0),
            simulation.scheduled("every third stretch", "on schedule", THIRD),
            simulation.scheduled("every stretch", "on schedule", 1),
            simulation.on_alarm(),
        ]
    except ModelError:
        return None
    steady = simulation.continuous()
    return _compare(bench, [*runs, *([steady] if steady is not None else [])], stretches)


def _has_dropped(bench: Backtest, before: Outcomes, after: Outcomes) -> bool:
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


def _compare(bench: Backtest, runs: list[_PolicyRun], stretches: list[Fold]) -> Policies | None:
    metric = bench.metric
    means = {}
    for run in runs:
        values = [v for v in run.values if v is not None]
        means[run.name] = float(np.mean(values)) if values else None
    known = {name: value for name, value in means.items() if value is not None}
    if len(known) < 2:
        return None
    best = (max if metric.higher_is_better else min)(known.values())
    floor = bench.case.floor(metric)
    near = [w for w in runs if w.name in known and metric.harm(known[w.name] - best) < floor]
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
        for w in runs
    )
    if never is None or wanted.name == "never":
        sentence = (
            f"Never retraining would have cost less than a material change ({say.change(floor, share=metric.share)})."
        )
    else:
        worth = -metric.harm(known[wanted.name] - never)
        times = "once" if wanted.retrains == 1 else f"{wanted.retrains} times"
        length = float(bench.history.when[-1]) - stretches[0].origin
        pace = duration(length / max(wanted.retrains, 1), timed=bench.history.timed)
        sentence = (
            f"{say.sentence(wanted.name).rstrip('.')}: {times} in {len(wanted.values)} stretches, about every {pace}, "
            f"{say.change(worth, share=metric.share)} better than never."
        )
    starts = tuple(moment(bench.history, s.origin) for s in stretches)
    return Policies(policies=policies, starts=starts, sentence=sentence)
