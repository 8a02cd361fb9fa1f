"""Which model is better, in a word, a sentence and a decision."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from backslide.case import Case
from backslide.contracts import say
from backslide.contracts import shadow as contract
from backslide.contracts.gate import GateLine
from backslide.contracts.shadow import ShadowAction, ShadowDecision, ShadowVerdict
from backslide.stats.change.metric_change import POWER, VERDICT_ALPHA
from backslide.stats.two_sample import Z95

MIN_LABELLED = 30
MOST_TIMES = 20
"""Times the rows beyond which nobody waits for more of them."""


@dataclass(frozen=True)
class ShadowJudgement:
    """The verdict with its words."""

    verdict: ShadowVerdict
    summary: str
    decision: ShadowDecision


@dataclass(frozen=True)
class VerdictBasis:
    """What the verdict rests on."""

    headline: contract.MetricComparison
    labelled: int
    parts: tuple[contract.PartComparison, ...]
    agreement: contract.AnswerAgreement | None
    flips: contract.Flips | None
    assignment: contract.Assignment | None
    label_free: contract.LabelFree | None
    why_not: str
    """Why there is no estimate without labels."""


def judge(case: Case, basis: VerdictBasis, old: str, new: str) -> ShadowJudgement:
    """``new_better`` and ``old_better`` need a one-sided 0.5 % test and a difference beyond ``min_effect``.

    ``no_difference`` needs an interval within it, or answers too alike for one. ``mixed``: the new model does not lose overall
    but loses a class or segment beyond ``min_effect`` after correction. Groups that are not comparable decide nothing.
    """
    if basis.assignment is not None and not basis.assignment.balanced:
        text = basis.assignment.reading.rstrip(".")
        return _judgement(
            ShadowVerdict.INCONCLUSIVE, f"Inconclusive: {_low(text)}.", f"repair the assignment first: {_low(text)}"
        )
    losses = [p for p in basis.parts if p.comparison is not None and p.comparison.winner == "old"]
    headline = basis.headline
    if headline.winner == "old":
        return _judgement(
            ShadowVerdict.OLD_BETTER,
            f"The old model is better: {_headline_change(basis)}.",
            f"let {old} answer: {new} {_losses(losses) or 'loses on the same traffic'}",
        )
    if losses:
        start = "The new model is better overall" if headline.winner == "new" else "The new model is no better overall"
        sentence = f"{start} ({_headline_change(basis)}), but {_losses(losses)}."
        return _judgement(
            ShadowVerdict.MIXED,
            sentence,
            f"{new} {_losses(losses)}: find out why before it answers there",
        )
    if headline.winner == "new":
        return _judgement(
            ShadowVerdict.NEW_BETTER,
            f"The new model is better: {_headline_change(basis)}.",
            f"{new} may answer: no class and no segment that was looked at is worse",
        )
    alike = _alike(case, basis)
    if alike:
        return _judgement(
            ShadowVerdict.NO_DIFFERENCE, f"No difference that matters: {alike}.", f"{alike}; either may answer"
        )
    reason = _reason(case, basis)
    return _judgement(ShadowVerdict.INCONCLUSIVE, f"Inconclusive: {reason}.", reason)


_ACTIONS = {
    ShadowVerdict.NEW_BETTER: ShadowAction.KEEP,
    ShadowVerdict.NO_DIFFERENCE: ShadowAction.KEEP,
    ShadowVerdict.OLD_BETTER: ShadowAction.ROLL_BACK,
    ShadowVerdict.MIXED: ShadowAction.INVESTIGATE,
    ShadowVerdict.INCONCLUSIVE: ShadowAction.INVESTIGATE,
}


def _judgement(verdict: ShadowVerdict, summary: str, reason: str) -> ShadowJudgement:
    return ShadowJudgement(verdict, summary, ShadowDecision(action=_ACTIONS[verdict], reason=reason))


def _alike(case: Case, basis: VerdictBasis) -> str:
    """Why the two cannot differ by what matters; empty where they might."""
    agreement, flips, headline = basis.agreement, basis.flips, basis.headline
    if agreement is not None and agreement.equal == 1 and agreement.score_distance in (None, 0.0):
        return f"both models give the same answer to all {agreement.rows} rows"
    floor = case.floor(case.metric)
    if flips is not None and headline.difference is None and case.metric.rows == "counts":
        if flips.rows == 0 and flips.share.high is not None and flips.share.high < floor:
            return f"both models decide all {agreement.rows if agreement else 0} rows alike"
        if case.metric.name == "accuracy" and flips.share.high is not None and flips.share.high < floor:
            return f"they decide differently on only {say.percent(flips.share.estimate)} of the rows"
    interval = headline.difference
    if interval is None or interval.low is None or interval.high is None or basis.labelled < MIN_LABELLED:
        return ""
    if max(abs(interval.low), abs(interval.high)) < floor:
        return f"{_headline_change(basis)}, within what matters ({say.change(floor, share=case.metric.share)})"
    return ""


def _reason(case: Case, basis: VerdictBasis) -> str:
    headline = basis.headline
    if headline.difference is None or basis.labelled < MIN_LABELLED:
        few = f"only {basis.labelled} rows with label and both answers" if basis.labelled else "no labels of these rows"
        return f"{few}; {_without_labels(case, basis)}"
    low, high = headline.difference.low, headline.difference.high
    assert low is not None
    assert high is not None
    se = (high - low) / 2 / Z95
    quantile = float(stats.norm.ppf(1 - VERDICT_ALPHA) + stats.norm.ppf(POWER))
    factor = (quantile * se / max(case.floor(case.metric), 1e-12)) ** 2
    more = (
        f"about {say.fixed(factor, 1)} times the rows would settle it"
        if 1 < factor <= MOST_TIMES
        else "more rows would settle it"
    )
    if factor > MOST_TIMES:
        more = "a difference of min_effect is too small to be distinguished from noise with about this many rows"
    return f"{_headline_change(basis)}, which could be noise or too little to matter; {more}"


def _without_labels(case: Case, basis: VerdictBasis) -> str:
    sentences = []
    if basis.flips is not None:
        sentences.append(f"{say.percent(basis.flips.share.estimate)} of the decisions flip")
    if basis.label_free is not None:
        size = say.change(basis.label_free.difference.estimate, share=case.metric.share)
        word = "worse" if case.metric.harm(basis.label_free.difference.estimate) > 0 else "better"
        sentences.append(f"estimated without labels the new model is {size} {word}")
    elif basis.why_not:
        sentences.append(basis.why_not)
    flipped = basis.flips is not None and basis.flips.rows > 0
    return "; ".join(
        [*sentences, "label the flips: only they distinguish the models" if flipped else "label more rows"]
    )


def _headline_change(basis: VerdictBasis) -> str:
    """``accuracy 0.812 → 0.836, 2.4 points better (1.1 to 3.7), on 1 200 labelled rows``."""
    one = basis.headline
    if one.difference is None or one.old is None or one.new is None:
        return "no labels"
    return f"{in_words(one)}, on {say.count(basis.labelled)} labelled rows"


def in_words(one: contract.MetricComparison | GateLine) -> str:
    """``accuracy 0.812 → 0.836, 2.4 points better (0.3 to 4.1)``, of a difference that is known."""
    d = one.difference
    assert d is not None
    worse = (d.estimate < 0) == one.higher_is_better and d.estimate != 0
    text = f"{say.metric(one.metric)} {say.levels(one.old or 0.0, one.new or 0.0, share=one.share)}, "
    text += f"{say.change(d.estimate, share=one.share)} {'worse' if worse else 'better'}"
    if d.low is None or d.high is None or not np.isfinite((d.low, d.high)).all():
        return text
    sign = -1 if d.estimate < 0 else 1
    ends = sorted(sign * v * (100 if one.share else 1) for v in (d.low, d.high))
    return f"{text} ({' to '.join(say.number(round(v, 1) if one.share else v, 3) for v in ends)})"


def _losses(losses: list[contract.PartComparison]) -> str:
    """``loses 14.8 points of F1 of 'no' and in 13 more parts``."""
    if not losses:
        return ""
    worst = losses[0]
    assert worst.comparison is not None
    assert worst.comparison.difference is not None
    size = say.change(worst.comparison.difference.estimate, share=worst.comparison.share)
    where = "" if worst.kind == "class" else f" where {worst.name}"
    more = len(losses) - 1
    rest = "" if not more else f" and in {more} more part{'' if more == 1 else 's'}"
    return f"loses {size} of {say.metric(worst.comparison.metric)}{where}{rest}"


def _low(text: str) -> str:
    return text[:1].lower() + text[1:]
