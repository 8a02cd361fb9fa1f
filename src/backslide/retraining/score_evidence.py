"""A gain that scores show before answers do: the plain candidate, judged by its Brier score.

An accuracy moves only with the rows whose answer turns, a Brier score with every row. Of few labels the gain of a better model is
therefore within luck long after its scores are shown to be better. So one candidate that is named before anything is seen, that
which learns from every labelled row alike, may also be shown to gain by its Brier score: over all stretches together, and from
stretch to stretch. Its gain of the headline must be material all the same, and classes, segments and calibration are judged as
ever. This second way has a fifth of the error rate, and what the headline shows the rest.
"""

from __future__ import annotations

from collections.abc import Sequence

from backslide.contracts.gate import GateVerdict
from backslide.contracts.retrain_settings import GateSettings
from backslide.playbook.shadow.differences import difference
from backslide.retraining.backtest import Backtest, CandidateResult, arms_of
from backslide.retraining.choice import Choice, limit_lines, stretch_line, stretch_test
from backslide.retraining.gate import judge
from backslide.stats.metrics.metric import OF_SCORES

SHARE = 0.2
"""Of the error rate of a recommendation."""
PLAIN = "all"
"""Name of the candidate that learns from every labelled row alike: nothing about it is chosen by what comes out."""


def plain_candidate(bench: Backtest, tried: Sequence[CandidateResult], policy: GateSettings) -> CandidateResult | None:
    """The one that its scores may show; None where there are no scores, or the headline is made of them already."""
    if policy.headline != "superior" or not bench.case.problem.classification or bench.metric.name in OF_SCORES:
        return None
    plain = next((one for one in tried if one.plan.name == PLAIN and one.found is not None), None)
    if plain is None or plain.arms is None:
        return None
    return plain if all(arm.outcomes.scores is not None for arm in (plain.arms.old, plain.arms.new)) else None


def headline_share(bench: Backtest, tried: Sequence[CandidateResult], policy: GateSettings) -> float:
    """Share of the error rate that is left to what the headline shows."""
    return 1.0 if plain_candidate(bench, tried, policy) is None else 1.0 - SHARE


def choose_by_scores(bench: Backtest, tried: Sequence[CandidateResult], policy: GateSettings) -> Choice | None:
    """The plain candidate, where its scores show a gain; None where they do not, or another requirement is not met."""
    plain = plain_candidate(bench, tried, policy)
    if plain is None:
        return None
    assert plain.arms is not None
    brier = bench.case.named_metric("brier")
    each = [
        arms_of(bench.history, run.on(bench.folds[run.fold].rows), bench.folds[run.fold].rows) for run in plain.runs
    ]
    gains = [None if d is None else -brier.harm(d.estimate) for d in (difference(bench.case, a, brier) for a in each)]
    test = stretch_test(gains)
    judgement = judge(
        bench.case,
        plain.arms,
        policy,
        names=("the champion", f"the candidate {plain.plan.name!r}"),
        limits=(*stretch_line(brier, gains, test, policy), *limit_lines(bench, plain, policy)),
        by_scores=SHARE * policy.level,
    )
    if judgement.verdict is not GateVerdict.PROMOTE:
        return None
    return Choice(plain, judgement, True, {plain.plan.name: judgement})
