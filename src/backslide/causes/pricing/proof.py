"""What causes prove: the verdict in their light, and under it which are named, suspected, or harmless.

A replay or repair is paired with the very rows, so it may prove a degradation that the noise of days hides.
"""

from __future__ import annotations

import numpy as np

from backslide.causes.pricing.materiality import BY_THE_WORLD, GAIN_Z, Z95, Scale
from backslide.contracts.cause import Cause, CauseKind, Confidence
from backslide.contracts.diagnosis import Verdict
from backslide.stats.change.metric_change import Change

SHIFTS = (CauseKind.COVARIATE_SHIFT, CauseKind.LABEL_SHIFT, CauseKind.CONCEPT_DRIFT)
ONLY_BY_PRICE = (CauseKind.UNRECOGNISED_FAULT, *SHIFTS)
"""Kinds that nothing but their price speaks for, unless the values themselves show that something was done to them."""
MOST_ROWS = 0.9
"""Share of the rows from which missing values are no growth: nearly all of the column is gone."""


def verdict_with(
    causes: tuple[Cause, ...],
    verdict: Verdict,
    change: Change | None,
    scale: Scale,
    *,
    labels: bool,
    needs_proof: bool,
    artefact: bool,
    answers_lost: bool = False,
    certain: frozenset[tuple[CauseKind, frozenset[str]]] = frozenset(),
) -> Verdict:
    """The verdict on the whole window, or that the model got worse where a cause proves it.

    A replay or repair that is clear of zero and beyond ``min_effect`` proves a degradation that the noise of the ``change``
    hides: it is paired, so sharper. ``labels``: whether both windows hold some. ``needs_proof``: only what is proven counts.
    Where no model is at hand (``artefact`` false) a stand-in must tell of a known fault by undoing it, against what was served.
    ``answers_lost``: more rows than in the reference got no answer, so that the change, of the others alone, excuses no fault.
    ``certain``: kinds and columns of faults that the values themselves show, which need no drop to be believed.
    """
    if verdict in (Verdict.DEGRADED, Verdict.DEGRADED_IN_PART, Verdict.IMPROVED):
        return verdict
    needed = Confidence.PROVEN if needs_proof else Confidence.SUPPORTED
    sure = [cause for cause in causes if cause.confidence.rank >= needed.rank]
    if not artefact:
        sure = [c for c in sure if c.confidence == Confidence.PROVEN or c.kind != CauseKind.UNRECOGNISED_FAULT]
    return (
        Verdict.DEGRADED
        if any(
            _proves(
                cause,
                change,
                scale,
                labels=labels,
                unanswered=answers_lost,
                certain=(cause.kind, frozenset(cause.features)) in certain,
            )
            for cause in sure
        )
        else verdict
    )


def _both_harm(cause: Cause) -> bool:
    """Whether repair and injection are both clear of zero and tell of the same harm."""
    back = cause.repair.points_back if cause.repair is not None else None
    done = cause.injection.points if cause.injection is not None else None
    if back is None or done is None or back.low is None or done.low is None or done.high is None:
        return False
    return back.low > 0 and done.low * done.high > 0


def _restores(cause: Cause) -> bool:
    """Whether undoing a fault of the pipeline, which growth does not bring, pays by so many standard errors that it need not be
    done to other rows to be believed."""
    back = cause.repair.points_back if cause.repair is not None else None
    if back is None or back.low is None or back.high is None or cause.kind in (*BY_THE_WORLD, *ONLY_BY_PRICE):
        return False
    return cause.confidence.rank >= Confidence.SUPPORTED.rank and 2 * Z95 * back.estimate >= GAIN_Z * (
        back.high - back.low
    )


def _comes_with_growth(cause: Cause) -> bool:
    """Whether growth may bring it: not where most of a column is gone."""
    most = cause.kind == CauseKind.MISSING_VALUES and (cause.share_of_rows or 0.0) >= MOST_ROWS
    return cause.kind in BY_THE_WORLD and not most


def _proves(
    cause: Cause, change: Change | None, scale: Scale, *, labels: bool, unanswered: bool, certain: bool
) -> bool:
    if cause.points is None:
        return False
    harm, floor = scale.target.harm, scale.min_effect
    if not labels:
        return harm(cause.points.estimate) >= floor
    fell = change is None or harm(change.estimate) > 0
    segment = cause.kind == CauseKind.CONCEPT_DRIFT and cause.segment is not None
    by_rows_beside = certain and cause.repair is None and cause.injection is None and cause.points.low is not None
    if cause.kind == CauseKind.COVARIATE_SHIFT or segment or by_rows_beside:
        # The labels of the reference, and the other rows of the same days, are controls as sharp as a pair.
        return fell and harm(cause.points.estimate) >= floor
    back = cause.repair.points_back if cause.repair is not None else None
    # Where the metric did not fall at all, a repair that alone tells of harm may undo what the world did for the better.
    rose = change is not None and max(map(harm, (change.low, change.high))) < 0
    shown = certain and not rose and cause.kind not in SHIFTS and not _comes_with_growth(cause)
    sure = fell or shown or cause.confidence.rank >= Confidence.VERIFIED.rank or _both_harm(cause) or _restores(cause)
    if sure and back is not None and back.low is not None and back.low > 0 and back.estimate >= floor:
        return True
    # What no repair restores is priced by doing it to the same reference rows: as paired, and evidence as long as the change
    # that was seen, noisy as it is, does not speak against it.
    done = cause.injection.points if cause.injection is not None else None
    if done is None or done.low is None or done.high is None or change is None:
        return False
    least, worst = min(harm(done.low), harm(done.high)), max(harm(change.low), harm(change.high))
    # What the values themselves show did its harm though the world may have made up for it in the same days, by as much as the
    # noise of both allows.
    seen, cost = harm(change.estimate), harm(done.estimate)
    noise = float(np.hypot(worst - seen, cost - least))
    allowed = unanswered or (seen > 0 and worst >= cost) or (shown and seen + noise >= cost)
    return least > 0 and harm(done.estimate) >= floor and allowed


def name_causes(
    verdict: Verdict, causes: tuple[Cause, ...], harmless: tuple[Cause, ...], *, current_labels: bool
) -> tuple[tuple[Cause, ...], tuple[Cause, ...], tuple[Cause, ...]]:
    """Causes, those of them that are only suspected, and harmless findings under a verdict.

    No cause is named to fill the list: where nothing material happened, what was found is harmless; where the rows do not decide,
    it is suspected. Without labels nothing can make a verdict, so what would do harm stays the cause to look at.
    """
    if verdict == Verdict.NO_MATERIAL_CHANGE:
        return (), (), (*causes, *harmless)
    if verdict == Verdict.INCONCLUSIVE and current_labels:
        return (), causes, harmless
    return causes, (), harmless
