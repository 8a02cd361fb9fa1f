"""How alike two models answer the same rows, which needs no labels: agreement, flips, confidence."""

from __future__ import annotations

import numpy as np
from scipy import stats

from backslide.contracts import shadow as contract
from backslide.contracts.finding import Estimate
from backslide.engine.columns import names
from backslide.engine.roles.outcomes import Outcomes
from backslide.engine.roles.problem import Problem
from backslide.playbook.shadow.arms import Arms
from backslide.stats.arrays import Floats, Mask
from backslide.stats.change.units import MEAN
from backslide.stats.metrics.row_sums import Codes
from backslide.stats.shift.model_difference import compare_paired, compare_unpaired

SAME_NUMBER = 1e-6
MOST_FLOWS = 40


def flipped(arms: Arms) -> Mask:
    """Rows (n,) that both models answer and decide differently."""
    old, new = arms.old.outcomes.predictions, arms.new.outcomes.predictions
    both = arms.old.answered() & arms.new.answered()
    if old.dtype.kind == "f":
        a, b = old.astype(float), new.astype(float)
        return np.asarray(both & (np.abs(a - b) > SAME_NUMBER * np.maximum(1.0, np.abs(a))))
    return np.asarray(both & (old != new))


def agreement(arms: Arms, problem: Problem) -> contract.AnswerAgreement | None:
    """How alike the answers are; None without a row that both answered."""
    both = arms.old.answered() & arms.new.answered()
    n = int(both.sum())
    if not n:
        return None
    apart = flipped(arms)[both]
    old, new = (_values(arm.outcomes.take(both), problem) for arm in (arms.old, arms.new))
    distance = correlation = None
    if old is not None and new is not None:
        distance = float(np.abs(old - new).mean())
        if min(np.ptp(old), np.ptp(new)) > 0:
            correlation = float(stats.spearmanr(old.ravel(), new.ravel()).statistic)
    kappa = _kappa(arms, both, problem) if problem.classification else None
    return contract.AnswerAgreement(
        rows=n, equal=float(1 - apart.mean()), kappa=kappa, score_distance=distance, correlation=correlation
    )


def _values(outcomes: Outcomes, problem: Problem) -> Floats | None:
    if not problem.classification:
        return outcomes.predictions.astype(np.float64)
    if outcomes.scores is None:
        return None
    if problem.positive is not None and problem.positive in problem.classes:
        return outcomes.scores[:, problem.classes.index(problem.positive)]
    return outcomes.scores


def _kappa(arms: Arms, both: Mask, problem: Problem) -> float | None:
    k = len(problem.classes)
    old, new = (arm.outcomes.predictions[both].astype(np.int64) for arm in (arms.old, arms.new))
    expected = float(np.bincount(old, minlength=k) @ np.bincount(new, minlength=k)) / len(old) ** 2
    return None if expected >= 1 else float(((old == new).mean() - expected) / (1 - expected))


def flips(arms: Arms, problem: Problem) -> contract.Flips | None:
    """The rows that flip, which way, and who is right on them; None for numbers."""
    both = arms.old.answered() & arms.new.answered()
    if not problem.classification or not both.any():
        return None
    apart = flipped(arms)
    ones = np.ones(int(both.sum()))
    moves = apart[both].astype(float)
    days = None if arms.new.days is None else arms.new.days[both]
    share = compare_paired(MEAN, np.column_stack([ones, 0 * moves]), np.column_stack([ones, moves]), days)
    low, high = share.interval()
    old, new = (arm.outcomes.predictions[apart].astype(np.int64) for arm in (arms.old, arms.new))
    labels = arms.new.outcomes.labels[apart].astype(np.int64)
    return contract.Flips(
        share=Estimate(estimate=share.estimate, low=max(low, 0.0), high=min(high, 1.0)),
        rows=int(apart.sum()),
        labelled=int((labels >= 0).sum()),
        old_right=int((labels == old).sum()),
        new_right=int((labels == new).sum()),
        both_wrong=int(((labels >= 0) & (labels != old) & (labels != new)).sum()),
        flows=_flows(old, new, labels, problem, int(both.sum())),
    )


def _flows(old: Codes, new: Codes, labels: Codes, problem: Problem, n: int) -> tuple[contract.Flow, ...]:
    k = len(problem.classes)
    way, rows = np.unique(old * k + new, return_counts=True)
    flows = []
    for code, count in sorted(zip(way.tolist(), rows.tolist(), strict=True), key=lambda f: (-f[1], f[0]))[:MOST_FLOWS]:
        a, b = divmod(code, k)
        mine = (old == a) & (new == b)
        flows.append(
            contract.Flow(
                old=problem.classes[a],
                new=problem.classes[b],
                rows=count,
                share=count / n,
                old_right=int((labels[mine] == a).sum()),
                new_right=int((labels[mine] == b).sum()),
            )
        )
    return tuple(flows)


def confidence(arms: Arms, problem: Problem) -> tuple[contract.Shift, ...]:
    """Change of what the scores say about themselves; empty without scores."""
    if arms.old.outcomes.scores is None or arms.new.outcomes.scores is None or len(problem.classes) < 2:
        return ()
    rows = [arm.answered() for arm in (arms.old, arms.new)]
    rows = [rows[0] & rows[1]] * 2 if arms.paired else rows
    if min(int(r.sum()) for r in rows) < 2:
        return ()
    values = [quantities(arm.outcomes.take(r), problem) for arm, r in zip((arms.old, arms.new), rows, strict=True)]
    days = [None if arm.days is None else arm.days[r] for arm, r in zip((arms.old, arms.new), rows, strict=True)]
    shifts = []
    for name in ("confidence", "margin", "entropy", "near_boundary"):
        one, other = (np.column_stack([np.ones(len(v[name])), v[name]]) for v in values)
        difference = (
            compare_paired(MEAN, one, other, days[1])
            if arms.paired
            else compare_unpaired(MEAN, one, other, days[0], days[1])
        )
        low, high = difference.interval()
        shifts.append(
            contract.Shift(
                name=name,
                old=difference.old,
                new=difference.new,
                difference=Estimate(estimate=difference.estimate, low=low, high=high),
            )
        )
    return tuple(shifts)


def quantities(outcomes: Outcomes, problem: Problem) -> dict[str, Floats]:
    """Confidence, margin, entropy and nearness to the boundary of each row (n,), as ``engine.derive`` has them."""
    scores = outcomes.scores
    assert scores is not None
    mine = scores[np.arange(len(scores)), outcomes.predictions.astype(np.int64)]
    if problem.task == "binary" and problem.positive is not None:
        margin = np.abs(scores[:, problem.classes.index(problem.positive)] - problem.threshold)
    else:
        top = np.sort(scores, axis=1)
        margin = top[:, -1] - top[:, -2]
    p = np.where(scores > 0, scores, 1.0)
    entropy = -(p * np.log(p)).sum(axis=1) / np.log(scores.shape[1])
    near = (margin < names.NEAR_BOUNDARY).astype(np.float64)
    return {"confidence": mine, "margin": margin, "entropy": entropy, "near_boundary": near}
