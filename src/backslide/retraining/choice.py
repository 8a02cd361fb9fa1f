"""Which candidate is recommended: the best one that passes the gate, corrected for how many were tried."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy import stats

from backslide.contracts.finding import Estimate
from backslide.contracts.gate import GateLine, GateVerdict
from backslide.contracts.retrain_settings import GateSettings
from backslide.playbook.shadow.arms import Arms
from backslide.playbook.shadow.differences import difference
from backslide.retraining.backtest import MIN_FOLDS, Backtest, CandidateResult, best_first, fit_plan
from backslide.retraining.gate import GateResult, judge, p_gain
from backslide.retraining.limits import limits
from backslide.stats.metrics.metric import Metric, influence
from backslide.stats.simultaneous import TestFamily, family_of

STEADY_LEVEL = 0.1
"""One-sided error rate at which a candidate without a feature must beat the one that it changes."""


@dataclass(frozen=True)
class Choice:
    """The candidate that is recommended or, where none passes, the best one."""

    best: CandidateResult
    judged: GateResult
    promoted: bool
    gates: dict[str, GateResult] = field(default_factory=dict)
    """Name of each candidate that was judged."""
    no_better: tuple[str, ...] = ()
    """Candidates with steadier inputs that do no better than the one they change."""


@dataclass(frozen=True)
class StretchTest:
    """Whether a candidate gains from stretch to stretch, and not on one of them."""

    p_value: float
    se: float
    """Of the mean of the stretches' gains."""
    df: int
    words: str


def choose(
    bench: Backtest,
    tried: Sequence[CandidateResult],
    policy: GateSettings,
    *,
    lasting: Callable[[CandidateResult], StretchTest | None] | None = None,
    looks: int = 1,
    share: float = 1.0,
) -> Choice:
    """Judge candidates from the best down, until one passes; the recalibrated champion first where none is shown to be better
    than it, because less changes with it.

    ``lasting`` tests that the gain is one of all stretches (default: ``over_stretches``); ``looks`` is how many selections of
    stretches could have been judged, ``share`` what the headline has of the error rate where there is another way to show a gain.
    """
    no_better = tuple(t.plan.name for t in tried if t.plan.base and not _helps(bench, t, tried))
    ordered = [t for t in best_first(tried, bench.metric) if t.plan.name not in no_better]
    kept = next((t for t in ordered if t.plan.recipe is not None), None)
    if kept is not None and not _beats(bench, ordered[0], kept):
        ordered = [kept, *(t for t in ordered if t is not kept)]
    family = replace(_family(bench, [t for t in tried if t.found is not None]), looks=looks, share=share)
    gates: dict[str, GateResult] = {}
    for one in ordered:
        assert one.arms is not None
        named = ("the champion", f"the candidate {one.plan.name!r}")
        judgement = judge(
            bench.case,
            one.arms,
            policy,
            family=family,
            names=named,
            limits=(*over_time(bench, one, policy, lasting or over_stretches), *limit_lines(bench, one, policy)),
        )
        gates[one.plan.name] = judgement
        if judgement.verdict is GateVerdict.PROMOTE:
            return Choice(one, judgement, True, gates, no_better)
        if judgement.lines[0].passed is False and one.plan.recipe is None:
            break  # those that follow gain less
    best = best_first(ordered, bench.metric)[0]
    return Choice(best, gates[best.plan.name], False, gates, no_better)


def _family(bench: Backtest, tried: Sequence[CandidateResult]) -> TestFamily:
    """The candidates as comparisons on the same rows, by day; ``found`` of each is there."""
    metric, classes = bench.metric, len(bench.case.problem.classes)
    arms = [t.arms for t in tried if t.arms is not None]
    known = [both.known()[0] for both in arms]
    if metric.whole is not None or any(not np.array_equal(one, known[0]) for one in known):
        return TestFamily(len(tried))
    days = arms[0].new.days
    moves = []
    for both in arms:
        old, new = (side.outcomes.take(known[0]).statistics(metric, classes) for side in (both.old, both.new))
        pull = influence(metric, new, new.sum(0)) - influence(metric, old, old.sum(0))
        moves.append(pull if days is None else np.bincount(np.unique(days[known[0]], return_inverse=True)[1], pull))
    return family_of(np.column_stack(moves))


def over_stretches(one: CandidateResult) -> StretchTest | None:
    """Student's test of the mean of the stretches' gains, each one observation; None with too few of them."""
    return stretch_test(one.gains)


def stretch_test(by_stretch: Sequence[float | None]) -> StretchTest | None:
    """The same of any gains, positive where better."""
    gains = np.array([g for g in by_stretch if g is not None])
    if len(gains) < MIN_FOLDS:
        return None
    mean, se, df = float(gains.mean()), float(gains.std(ddof=1) / np.sqrt(len(gains))), len(gains) - 1
    p = float(stats.t.sf(mean / se, df)) if se > 0 else float(mean <= 0)
    return StretchTest(p, se, df, f"t over {len(gains)} stretches")


def over_time(
    bench: Backtest,
    one: CandidateResult,
    policy: GateSettings,
    lasting: Callable[[CandidateResult], StretchTest | None] = over_stretches,
) -> tuple[GateLine, ...]:
    """That the gain is no matter of one stretch.

    The paired test sees the noise of rows and days; whether a gain lasts shows only from stretch to stretch.
    """
    return stretch_line(bench.metric, one.gains, lasting(one), policy)


def stretch_line(
    metric: Metric, gains: Sequence[float | None], test: StretchTest | None, policy: GateSettings
) -> tuple[GateLine, ...]:
    """The requirement as a line; none with too few stretches, or where no gain is asked for."""
    if test is None or policy.headline != "superior":
        return ()
    mean = float(np.mean([g for g in gains if g is not None]))
    half = float(stats.t.ppf(1 - policy.level, test.df)) * test.se
    ends = sorted(metric.sign * v for v in (mean - half, mean + half))
    return (
        GateLine(
            kind="stretches",
            name="mean of the stretches",
            metric=metric.name,
            higher_is_better=metric.higher_is_better,
            share=metric.share,
            rule="gain shown from stretch to stretch",
            margin=0.0,
            p_value=test.p_value,
            difference=Estimate(estimate=metric.sign * mean, low=ends[0], high=ends[1]),
            level=1 - 2 * policy.level,
            test=test.words,
            passed=test.p_value < policy.level,
        ),
    )


def limit_lines(bench: Backtest, one: CandidateResult, policy: GateSettings) -> tuple[GateLine, ...]:
    """Latency and size of the candidate as it was trained last, where they are limited."""
    if policy.max_latency_ms is None and policy.max_size_mb is None:
        return ()
    rng, last = bench.rng(one.plan.name, "limits"), bench.folds[-1]
    model, _ = fit_plan(bench, one.plan, last.origin, rng)
    return limits(bench.case.reference_model, model, bench.history.frame[last.rows], policy, bench.case.settings.base)


def _helps(bench: Backtest, one: CandidateResult, tried: Sequence[CandidateResult]) -> bool:
    """Whether it is better on later rows than the candidate that it changes."""
    base = next((t for t in tried if t.plan.name == one.plan.base), None)
    return base is not None and _beats(bench, one, base)


def _beats(bench: Backtest, one: CandidateResult, other: CandidateResult) -> bool:
    """Whether one is shown to be better than another on later rows."""
    if other.arms is None or one.arms is None:
        return False
    result = difference(bench.case, Arms(other.arms.new, one.arms.new, True), bench.metric)
    return result is not None and p_gain(result, bench.metric) < STEADY_LEVEL
