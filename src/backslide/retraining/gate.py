"""May the challenger take over? One line for each requirement, and the verdict that follows from them.

* **Headline**, one-sided at ``level``: ``superior`` needs a gain that is shown (H0: no gain) and an estimate of at least the
  margin; ``non_inferior`` needs a loss beyond the margin ruled out (H0: it loses the margin; Blackwelder 1982). Retraining may
  let the Brier score show the gain (``score_evidence``).
* **Classes and user segments**, F1 and the headline: one whose harm is shown and whose estimate is beyond its margin holds the
  challenger. All are tested together (Holm 1979), so an equal challenger is held for one of them at most at ``level``. With
  ``parts = "safety_shown"`` the burden is turned: a loss beyond the margin must be ruled out for each of them; all must pass, so
  each is tested at ``level`` (intersection-union test; Berger 1982).
* **Calibration**: the calibration error must not be shown to rise by more than its margin, unless the Brier score, which holds
  calibration and sharpness, is shown to fall.
* **Rows answered**: no more than one in a thousand fewer than the champion.
* **Latency and size**, where limited.

Noise is by day where there are days; see ``stats.shift.model_difference``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np
from scipy import stats

from backslide.case import Case
from backslide.contracts import say
from backslide.contracts.config import Settings
from backslide.contracts.errors import ModelError
from backslide.contracts.finding import Estimate
from backslide.contracts.gate import Gate, GateLine, GateVerdict
from backslide.contracts.retrain_settings import GateSettings
from backslide.contracts.shadow import ShadowInputs
from backslide.playbook.shadow.arms import Arms
from backslide.playbook.shadow.differences import PartMeasure, class_measures, difference, segment_measures
from backslide.playbook.shadow.judgement import in_words
from backslide.stats.metrics.calibration import bin_edges, bin_sums, curve_of
from backslide.stats.metrics.metric import OF_SCORES, Arrays, Metric, mean
from backslide.stats.shift.model_difference import ModelDifference
from backslide.stats.simultaneous import TestFamily
from backslide.stats.two_sample import holm

ALONE = TestFamily()
MIN_HEADLINE = 30
"""Labelled rows under which nothing is decided."""
MIN_CALIBRATION = 200
ALIKE = (
    'both answer every row alike, so no gain can be shown: headline = "non_inferior" under [gate] lets a model take over that '
    "is not worse, such as a rebuilt or a smaller one"
)
MORE_FAILURES = 0.001
"""Share of rows that the challenger may fail on beyond those that the champion fails on."""


@dataclass(frozen=True)
class GateResult:
    """Verdict, words and lines."""

    verdict: GateVerdict
    summary: str
    reason: str
    lines: tuple[GateLine, ...] = field(default=())

    def published(self, settings: Settings, champion: str, challenger: str, inputs: ShadowInputs) -> Gate:
        """As the answer of the gate."""
        return Gate(
            model=settings.model.name,
            champion=champion,
            challenger=challenger,
            verdict=self.verdict,
            summary=self.summary,
            reason=self.reason,
            lines=self.lines,
            policy=settings.gate,
            inputs=inputs,
        )


def judge(
    case: Case,
    arms: Arms,
    policy: GateSettings,
    *,
    family: TestFamily = ALONE,
    limits: tuple[GateLine, ...] = (),
    names: tuple[str, str] = ("the champion", "the challenger"),
    by_scores: float | None = None,
) -> GateResult:
    """Every requirement on the labelled rows that both arms answer.

    ``family`` are the challengers that were looked at, of which this one did best: the headline's p-value is corrected for it.
    ``by_scores`` is the error rate at which the Brier score may show the gain instead; the headline's must be material still.

    Raises:
        ModelError: the headline needs scores and there are none.
    """
    if case.metric.name in OF_SCORES and any(arm.outcomes.scores is None for arm in (arms.old, arms.new)):
        raise ModelError(
            f"one of the models gives no scores, which the headline {case.metric.name!r} needs; choose another"
        )
    compared = arms.answered()
    rows = min(int(k.sum()) for k in compared.known())
    head = headline(case, compared, policy, rows, family)
    head = head if by_scores is None else _by_scores(case, compared, head, by_scores)
    lines = (head, *parts(case, compared, policy), *_calibration(case, compared, policy, rows), _answers(arms), *limits)
    verdict = _verdict(case, compared, head, lines, policy)
    summary, reason = _words(verdict, head, lines, names)
    if verdict is GateVerdict.HOLD and policy.headline == "superior" and _alike(compared):
        reason += f"; {ALIKE}"
    return GateResult(verdict, summary, reason, lines)


def _alike(arms: Arms) -> bool:
    """Whether both give the same answers to the same rows."""
    old, new = arms.old.outcomes, arms.new.outcomes
    return (
        arms.paired
        and np.array_equal(old.predictions, new.predictions)
        and (old.scores is None or new.scores is None or np.allclose(old.scores, new.scores))
    )


def _answers(arms: Arms) -> GateLine:
    """That the challenger answers as many rows: those that it fails on are in no other comparison."""
    old, new = (float(arm.answered().mean()) if arm.rows else 0.0 for arm in (arms.old, arms.new))
    metric = Metric("rows answered", True, "own", mean, share=True)
    rule, passed = "fails on no more rows than the champion", old - new <= MORE_FAILURES
    return _line(metric, metric.name, "answers", MORE_FAILURES, rule, arms.new.rows, passed=passed, old=old, new=new)


def p_gain(measure: ModelDifference, metric: Metric, beyond: float = 0.0) -> float:
    """One-sided p-value of H0: the new model gains no more than ``beyond`` (a negative number: it loses at least so much)."""
    return _one_sided(measure, -metric.harm(measure.estimate), beyond)


def p_harm(measure: ModelDifference, metric: Metric) -> float:
    """One-sided p-value of H0: the new model does no harm."""
    return _one_sided(measure, metric.harm(measure.estimate), 0.0)


def _one_sided(measure: ModelDifference, size: float, beyond: float) -> float:
    if measure.se > 0:
        p = float(stats.t.sf((size - beyond) / measure.se, measure.df))
    else:
        p = 0.0 if size > beyond else 1.0
    if beyond == 0 and measure.test.startswith("McNemar"):
        p = max(p, measure.p_value / 2 if size > 0 else 1 - measure.p_value / 2)
    return p


def headline(case: Case, arms: Arms, policy: GateSettings, rows: int, family: TestFamily) -> GateLine:
    """Gain of the headline shown, or its loss ruled out."""
    metric = case.metric
    margin = case.floor(metric) if policy.margin is None else policy.margin
    size = say.change(margin, share=metric.share)
    superior = policy.headline == "superior"
    rule = f"gain shown, of at least {size}" if superior else f"a loss of {size} ruled out"
    result = difference(case, arms, metric) if rows >= MIN_HEADLINE else None
    if result is None:
        note = f"{rows} labelled rows that both answered, expected at least {MIN_HEADLINE}"
        return _line(metric, metric.name, "headline", margin, rule, rows, passed=False, note=note)
    p = family.adjusted(p_gain(result, metric, 0.0 if superior else -margin))
    enough = not superior or -metric.harm(result.estimate) >= max(margin, 1e-12)
    level = 1 - 2 * family.level(policy.level)
    note = f"the best of {family.size}, corrected for that" if family.size > 1 else ""
    passed = bool(p < policy.level and enough)
    numbers = _numbers(case, result, level, p)
    return _line(metric, metric.name, "headline", margin, rule, rows, passed=passed, note=note, **numbers)


def _by_scores(case: Case, arms: Arms, head: GateLine, level: float) -> GateLine:
    """The headline's line, passed where its gain is material and the Brier score shows one."""
    brier = case.named_metric("brier")
    shown = difference(case, arms, brier) if head.difference is not None else None
    if shown is None or head.difference is None:
        return head
    gain = head.difference.estimate if head.higher_is_better else -head.difference.estimate
    passed = gain >= max(head.margin, 1e-12) and p_gain(shown, brier) < level
    note = f"shown by the Brier score, {say.number(shown.old, 3)} → {say.number(shown.new, 3)}" if passed else ""
    return head.model_copy(update={"passed": bool(passed), "note": note})


def parts(case: Case, arms: Arms, policy: GateSettings) -> tuple[GateLine, ...]:
    """Classes and user segments, the most harmed first; those that cannot be judged at the end."""
    measures = [("class", m) for m in class_measures(case, arms, policy.min_rows)]
    measures += [("segment", m) for m in segment_measures(case, arms, search=False, least=policy.min_rows, most=None)]
    tested = [m.found for _, m in measures if m.found is not None]
    metrics = [m.metric for _, m in measures if m.found is not None]
    if policy.parts == "harm_shown":
        adjusted = iter(holm([p_harm(d, m) for d, m in zip(tested, metrics, strict=True)]))
        level = 1 - 2 * policy.level / max(len(tested), 1)
    else:
        adjusted = iter(
            np.array(
                [
                    p_gain(m.found, m.metric, -_margin(case, k, m.metric, policy))
                    for k, m in measures
                    if m.found is not None
                ]
            )
        )
        level = 1 - 2 * policy.level
    lines = []
    for kind, m in measures:
        p = None if m.found is None else float(next(adjusted))
        harm = -np.inf if m.found is None else m.metric.harm(m.found.estimate)
        lines.append((harm, _part(case, kind, m, p, level, policy)))
    return tuple(line for _, line in sorted(lines, key=lambda one: (one[1].passed is not False, -one[0], one[1].name)))


def _part(case: Case, kind: str, m: PartMeasure, p: float | None, level: float, policy: GateSettings) -> GateLine:
    margin = _margin(case, kind, m.metric, policy)
    size = say.change(margin, share=m.metric.share)
    strict = policy.parts == "safety_shown"
    rule = f"a loss of {size} ruled out" if strict else f"no harm shown beyond {size}"
    rows = m.part.labelled
    if m.found is None or p is None:
        note, passed = f"{rows} labelled rows, {policy.min_rows} are needed", False if strict else None
        return _line(m.metric, m.part.name, kind, margin, rule, rows, passed=passed, note=note)
    harm = m.metric.harm(m.found.estimate)
    passed = bool(p < policy.level if strict else not (p < policy.level and harm > margin))
    numbers = _numbers(case, m.found, level, min(max(p, 0.0), 1.0))
    return _line(m.metric, m.part.name, kind, margin, rule, rows, passed=passed, **numbers)


def _margin(case: Case, kind: str, metric: Metric, policy: GateSettings) -> float:
    own = policy.class_margin if kind == "class" else policy.segment_margin
    if own is not None:
        return own
    if policy.margin is not None and metric.name == case.metric.name:
        return policy.margin
    return case.floor(metric)


def _calibration(case: Case, arms: Arms, policy: GateSettings, rows: int) -> tuple[GateLine, ...]:
    if not arms.paired or any(arm.outcomes.scores is None for arm in (arms.old, arms.new)):
        return ()
    positive = (
        case.problem.classes.index(case.problem.positive) if case.problem.positive in case.problem.classes else None
    )
    metric = Metric("calibration_error", False, "own", lambda sums: sums[..., 0], whole=lambda a: _error(a, positive))
    margin = policy.calibration_margin
    rule = f"no rise shown beyond {say.change(margin, share=True)}"
    line = partial(_line, metric, "calibration error", "calibration", margin, rule, rows)
    result = difference(case, arms, metric) if rows >= MIN_CALIBRATION else None
    if result is None:
        return (line(passed=None, note=f"{rows} labelled rows, {MIN_CALIBRATION} are needed"),)
    p = p_harm(result, metric)
    rose = p < policy.level and result.estimate > margin
    better = rose and _scores_are_better(case, arms, policy)
    note = "it rises, but the scores as a whole are shown to be better (Brier score)" if better else ""
    return (line(passed=not rose or better, note=note, **_numbers(case, result, 1 - 2 * policy.level, p)),)


def _scores_are_better(case: Case, arms: Arms, policy: GateSettings) -> bool:
    """A model that got much more often right and says so too timidly is less calibrated, and its scores tell more."""
    brier = case.named_metric("brier")
    result = difference(case, arms, brier)
    return result is not None and p_gain(result, brier) < policy.level


def _error(arrays: Arrays, positive: int | None) -> float:
    """Calibration error of the positive class's score, or of the score of the class with the largest."""
    labels, _, scores = arrays
    assert scores is not None
    if not len(labels):
        return float("nan")
    if positive is not None and scores.shape[1] == 2:
        shown, hits = scores[:, positive], (labels == positive).astype(float)
    else:
        top = scores.argmax(1)
        shown, hits = scores[np.arange(len(top)), top], (labels == top).astype(float)
    return curve_of(bin_sums(shown, hits, bin_edges(shown)).sum(0)).error


def _line(
    metric: Metric, name: str, kind: Any, margin: float, rule: str, rows: int, *, passed: bool | None, **numbers: Any
) -> GateLine:
    return GateLine(
        kind=kind,
        name=name,
        metric=metric.name,
        higher_is_better=metric.higher_is_better,
        share=metric.share,
        margin=margin,
        rule=rule,
        rows=rows,
        passed=passed,
        **numbers,
    )


def _numbers(case: Case, measure: ModelDifference, level: float, p: float) -> dict[str, object]:
    low, high = measure.interval(level)
    sampled = None if case.current.complete else case.current.sample.height
    basis: Literal["all", "sample"] = "sample" if sampled else "all"
    estimate = Estimate(estimate=measure.estimate, low=low, high=high, basis=basis, n=sampled)
    return {
        "old": measure.old,
        "new": measure.new,
        "level": level,
        "difference": estimate,
        "p_value": p,
        "test": measure.test,
    }


def _verdict(case: Case, arms: Arms, head: GateLine, lines: tuple[GateLine, ...], policy: GateSettings) -> GateVerdict:
    if all(line.passed is not False for line in lines):
        return GateVerdict.PROMOTE
    result = difference(case, arms, case.metric) if head.difference is not None else None
    if result is not None:
        worse = p_harm(result, case.metric) < policy.level
        if worse and case.metric.harm(result.estimate) >= max(case.floor(case.metric), 1e-12):
            return GateVerdict.ROLL_BACK
    return GateVerdict.HOLD


def _words(
    verdict: GateVerdict, head: GateLine, lines: tuple[GateLine, ...], names: tuple[str, str]
) -> tuple[str, str]:
    """What came out, and what to do."""
    old, new = names
    failed = [line for line in lines if line.passed is False]
    unknown = None in (head.difference, head.old, head.new)
    clause = head.note or "not known" if unknown else in_words(head)
    if verdict is GateVerdict.PROMOTE:
        unjudged = [line.name for line in lines if line.passed is None and line.kind in ("class", "segment")]
        rest = f"; not judged for lack of labels: {say.listed(unjudged)}" if unjudged else ""
        if head.note.startswith("shown by"):
            clause += f"; {head.note}"
        return f"Promote: {clause}.", f"{new} may take over: it meets every requirement that could be judged{rest}"
    if verdict is GateVerdict.ROLL_BACK:
        return f"Roll back: {clause}.", f"let {old} answer: {new} is shown to be worse overall"
    lost = [line for line in failed if line.kind != "headline"]
    if head.passed and lost:
        return f"Hold: {clause}, but {_losses(lost)}.", f"{new} {_losses(lost)}: find out why before it answers there"
    also = f"; it also {_losses(lost)}" if lost else ""
    why = head.note if head.difference is None else f"{clause}; required: {head.rule}"
    return f"Hold: {why}{also}.", f"keep {old}: {new} does not meet the gate's requirements"


def _losses(lines: list[GateLine]) -> str:
    """``loses 9.8 points of F1 of 'fraud' and fails 2 more requirements``."""
    worst = lines[0]
    more = len(lines) - 1
    rest = "" if not more else f" and fails {more} more requirement{'' if more == 1 else 's'}"
    if worst.kind in ("latency", "size"):
        return f"exceeds the limit of {worst.name}{rest}"
    if worst.kind == "answers":
        return f"answers only {say.percent(worst.new or 0.0)} of the rows{rest}"
    if worst.kind == "stretches":
        return f"does not gain from stretch to stretch{rest}"
    if worst.difference is None or worst.kind == "calibration":
        return f"fails on {worst.name}{rest}"
    where = f" where {worst.name}" if worst.kind == "segment" else ""
    harm = -worst.difference.estimate if worst.higher_is_better else worst.difference.estimate
    if harm <= 0:
        return f"is not shown to be safe for {say.metric(worst.metric)}{where}{rest}"
    return f"loses {say.change(harm, share=worst.share)} of {say.metric(worst.metric)}{where}{rest}"
