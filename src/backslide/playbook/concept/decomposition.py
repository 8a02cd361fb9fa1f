"""Did the inputs move, or the relation between inputs and outcome?

Takes the change of the headline metric apart: the part that the current inputs would cause with the reference's relation
(more rows where the model was always weak), and the part that the same inputs now cause because they mean another outcome.
Doubly robust: cross-fitted importance weights and a cross-fitted outcome model, consistent when either is right.

**Why it matters.** The first asks for more rows of a kind, the second for new labels. A broken column looks like either, so
the causes are taken out before this is read again.

**Stays quiet** when a part is within noise (3.5 standard errors for the relation, 3 for the inputs) or under `min_effect`. Is
not reported where the reference does not support the current inputs: effective sample size under 100, or more than 20 % of
the current rows outside. Then the columns that tell little of the outcome are left out, as the weather of one week is never that
of another; and where that does not help, the terms over the common inputs stand in, and say so.

**What to do.** Read the causes named covariate_shift or concept_drift; both name the columns.

References: Robins, Rotnitzky and Zhao (1994); Cai, Namkoong and Yadlowsky (2023).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import polars as pl

from backslide.case import Case, Outcomes
from backslide.contracts import say
from backslide.contracts.evidence import Waterfall, WaterfallStep
from backslide.contracts.finding import Finding, Severity, Step
from backslide.engine.columns.cache import once
from backslide.engine.columns.design_matrix import make_design
from backslide.playbook import scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.playbook.clock import beyond_the_reference
from backslide.playbook.concept.screen import left_by_screen
from backslide.playbook.concept.telling_columns import telling_columns
from backslide.stats.arrays import Floats, Mask
from backslide.stats.change.bootstrap import Resampler
from backslide.stats.change.effect import Effect
from backslide.stats.metrics.metric import Metric
from backslide.stats.shift import doubly_robust

RELATION_Z = 3.5
INPUTS_Z = 3.0
MIN_ROWS = 200


class Decomposition(Check):
    code = "CON001"
    effort = 8
    title = "Inputs or relation"
    step = Step.CONCEPT
    needs = (Need.LABELS, Need.PREDICTIONS, Need.FEATURES)

    def run(self, case: Case) -> Iterable[Finding]:
        """One finding for the inputs' part and one for the relation's."""
        parts = headline_split(case)
        if parts is None:
            return
        sampled = None if case.reference.complete and case.current.complete else case.current.sample.height
        for subject, effect, limit in (("relation", parts.relation, RELATION_Z), ("inputs", parts.inputs, INPUTS_Z)):
            worse = case.metric.harm(effect.value) >= case.problem.min_effect and abs(effect.z) > limit
            yield Finding(
                code=self.code,
                subject=subject,
                severity=Severity.WARN if worse else Severity.OK,
                summary=_sentence(case, subject, effect, parts),
                estimate=effect.estimate(sampled),
                unit="points" if case.metric.share else "",
                numbers={
                    "effective_sample_size": parts.domain.ess,
                    "outside": parts.domain.outside,
                    "domain_auc": parts.domain.auc,
                    "supported": parts.supported,
                },
                evidence=(_waterfall(case, parts),) if subject == "relation" else (),
            )

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Labels turn against the model while the inputs stay."""
        current = scenarios.next_month(rng, flip=0.15)
        return scenarios.against(rng, current, "relation")


@once
def headline_split(case: Case) -> Split | None:
    """The split of the headline metric as served, computed once per case."""
    if min(len(case.labelled_rows(side)) for side in case.sides) < MIN_ROWS:
        return None
    return split(case, case.metric, served_populations(case))


def _sentence(case: Case, subject: str, effect: Effect, parts: Split) -> str:
    size = say.change(effect.value, share=case.metric.share)
    direction = "worse" if case.metric.harm(effect.value) > 0 else "better"
    what = "the inputs moved" if subject == "inputs" else "the same inputs mean another outcome"
    text = f"because {what}, {say.metric(case.metric.name)} is {size} {direction}"
    return (
        text
        if parts.supported
        else f"{text} (approximate: {say.percent(parts.domain.outside)} of rows lie outside the reference)"
    )


def _waterfall(case: Case, parts: Split) -> Waterfall:
    change = case.change(case.metric)
    steps = [WaterfallStep(label="reference", value=change.reference, role="level")]
    for label, effect in (("inputs moved", parts.inputs), ("relation changed", parts.relation)):
        low, high = (float(v) for v in effect.bounds)
        steps.append(WaterfallStep(label=label, value=effect.value, low=low, high=high, role="cause"))
    end = change.reference + parts.inputs.value + parts.relation.value
    steps.append(WaterfallStep(label="current", value=end, role="level"))
    inputs, relation = (say.signed(e.value * (100 if case.metric.share else 1)) for e in (parts.inputs, parts.relation))
    return Waterfall(
        title="Inputs or relation",
        reading=f"Moved inputs {inputs}, changed relation {relation}{' points' if case.metric.share else ''}.",
        y=say.metric(case.metric.name),
        steps=tuple(steps),
        share=case.metric.share,
    )


@dataclass(frozen=True)
class Split:
    """The change of a metric taken apart into inputs and relation."""

    inputs: Effect
    relation: Effect
    domain: doubly_robust.Domain
    supported: bool


@dataclass(frozen=True)
class Populations:
    """Labelled rows of both samples, ready for the nuisance models."""

    s_g: Floats
    s_b: Floats
    x_g: Floats
    x_b: Floats
    categorical: Mask
    good: Outcomes
    bad: Outcomes
    columns: tuple[str, ...]
    classes: int
    """Number of classes; 0 for a regressor."""
    rng: np.random.Generator
    """Splits the reference's rows into the folds of the outcome models."""
    untouched: bool = False
    """Whether they are what was served, priced in the headline metric."""

    @property
    def outcomes(self) -> Floats:
        """What the inputs are to tell of reference rows: their row statistics, and the label of a regressor (n_ref, F)."""
        return self.s_g if self.classes else np.column_stack([self.s_g, self.good.labels.astype(float)])

    def of_columns(self, chosen: Mask) -> Populations:
        """The same rows, with some of the columns of ``x`` (p,)."""
        return replace(self, x_g=self.x_g[:, chosen], x_b=self.x_b[:, chosen], categorical=self.categorical[chosen])

    @cached_property
    def chances(self) -> tuple[Floats, Floats]:
        """P(label | x) of both windows, learned on the reference (n_ref, K) and (n_cur, K); for a classifier with labels of
        ``doubly_robust.MAX_CLASSES`` classes at most."""
        labels = self.good.labels.astype(np.int64)
        return doubly_robust.class_probabilities(self.x_g, labels, self.x_b, self.classes, self.categorical, self.rng)

    @cached_property
    def expectations(self) -> tuple[Floats, Floats]:
        """Expected row statistics given x for both windows, fitted on first use; zeros (plain importance weighting) with very
        many classes."""
        k = self.classes
        if not k or self.s_g.shape[1] != 3 * k:
            losses = self.s_g[:, 1:]
            m_g, m_b = doubly_robust.expected_losses(self.x_g, losses, self.x_b, self.categorical, self.rng)
            return np.column_stack([np.ones(len(m_g)), m_g]), np.column_stack([np.ones(len(m_b)), m_b])
        if k > doubly_robust.MAX_CLASSES:
            return np.zeros_like(self.s_g), np.zeros_like(self.s_b)
        in_g, in_b = self.chances
        return (
            doubly_robust.count_expectations(in_g, self.good.predictions.astype(np.int64)),
            doubly_robust.count_expectations(in_b, self.bad.predictions.astype(np.int64)),
        )


def populations(
    case: Case, target: Metric, frame: pl.DataFrame, bad: Outcomes, leave_out: tuple[str, ...] = ()
) -> Populations:
    """Reference as served against ``frame`` (a version of the current sample) with outcomes ``bad``."""
    untouched = frame is case.current.sample and bad is case.current.outcomes and target.name == case.metric.name
    if untouched and not leave_out:
        return served_populations(case)
    return _populations(case, target, frame, bad, leave_out, untouched)


@once
def served_populations(case: Case) -> Populations:
    """Both windows as served for the headline metric, with the models fitted on them, made once per case."""
    return _populations(case, case.metric, case.current.sample, case.current.outcomes, (), True)


def _populations(
    case: Case, target: Metric, frame: pl.DataFrame, bad: Outcomes, leave_out: tuple[str, ...], untouched: bool
) -> Populations:
    design = make_design(
        case.pairs.values(), leave_out=(*leave_out, *left_by_screen(case), *beyond_the_reference(case))
    )
    rows_g, rows_b = case.labelled_rows(case.reference), case.labelled_rows(case.current)
    good, bad = case.reference.outcomes.take(rows_g), bad.take(rows_b)
    k = len(case.problem.classes)
    x_g, x_b = design.matrix(case.reference.sample)[rows_g], design.matrix(frame)[rows_b]
    categorical = design.categorical
    if good.scores is not None and bad.scores is not None and k <= doubly_robust.MAX_CLASSES:
        # The model's own scores summarise what it saw; for text they are all that a table model can use.
        x_g, x_b = np.hstack([x_g, good.scores[:, :-1]]), np.hstack([x_b, bad.scores[:, :-1]])
        categorical = np.r_[categorical, np.zeros(k - 1, bool)]
    elif not case.problem.classification:
        x_g, x_b = (
            np.column_stack([x_g, good.predictions.astype(float)]),
            np.column_stack([x_b, bad.predictions.astype(float)]),
        )
        categorical = np.r_[categorical, False]
    return Populations(
        good.statistics(target, k),
        bad.statistics(target, k),
        x_g,
        x_b,
        categorical,
        good,
        bad,
        design.columns,
        k,
        case.rng("outcome models"),
        untouched,
    )


def split(case: Case, target: Metric, p: Populations) -> Split | None:
    """Doubly robust split into inputs and relation; the shared-support split where the reference does not support the inputs."""
    if p.x_g.shape[1] == 0 or min(len(p.s_g), len(p.s_b)) < 2 * doubly_robust.FOLDS:
        return None
    rng = case.rng("decomposition")
    folds = doubly_robust.DomainFolds(p.x_g, p.x_b, p.categorical, rng)
    if not folds.clearly_apart and folds.domain.supported:
        return _doubly_robust(case, target, p, folds.domain)
    fewer = p.of_columns(telling_columns(p.x_g, p.x_b, p.categorical, p.outcomes))
    if 0 < fewer.x_g.shape[1] < p.x_g.shape[1]:
        known = doubly_robust.DomainFolds(fewer.x_g, fewer.x_b, fewer.categorical, rng)
        if not known.clearly_apart and known.domain.supported:
            return _doubly_robust(case, target, fewer, known.domain)
    return _shared_support(case, target, p, folds.domain)


def _doubly_robust(case: Case, target: Metric, p: Populations, domain: doubly_robust.Domain) -> Split:
    draw_g, draw_b = case.draw(case.reference), case.draw(case.current)
    value = target.value
    m_g, m_b = p.expectations
    moved = doubly_robust.move(p.s_g, p.s_b, m_g, m_b, domain.weights, draw_g, draw_b)
    before = Effect(float(value(moved.reference)), value(moved.reference_replicates))
    between = Effect(float(value(moved.moved)), value(moved.moved_replicates))
    after = Effect(float(value(moved.current)), value(moved.current_replicates))
    return Split(between - before, after - between, domain, True)


def _shared_support(case: Case, target: Metric, p: Populations, domain: doubly_robust.Domain) -> Split:
    """Terms over the inputs that both windows hold (Cai, Namkoong and Yadlowsky 2023); unseen inputs count as inputs."""
    value = target.value
    draw_g, draw_b = case.draw(case.reference), case.draw(case.current)
    own = [weighted(s, np.ones(len(s)), d, value) for s, d in ((p.s_g, draw_g), (p.s_b, draw_b))]
    common = [
        weighted(s, w, d, value) for s, w, d in ((p.s_g, domain.shared[0], draw_g), (p.s_b, domain.shared[1], draw_b))
    ]
    relation = common[1] - common[0]
    return Split((own[1] - own[0]) - relation, relation, domain, False)


def weighted(s: Floats, w: Floats, draw: Resampler, value: Callable[[Floats], Floats]) -> Effect:
    """A metric of row statistics (n, F) under row weights (n,), with replicates."""
    replicates = draw.sums(s * w[:, None])
    return Effect(float(value((s * w[:, None]).sum(0))), value(replicates))
