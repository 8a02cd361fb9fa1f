"""What the world did: label shift, covariate shift and concept drift, for what no fault of ours explains.

`label_shift`: the reference with its classes in the current proportions has the current metric. `covariate_shift`: the
reference moved to the current inputs has it (doubly robust). `concept_drift`: what remains when the inputs are accounted for.

Order of precedence and gates: labels that moved between two classes while the model says what it always said, or other class
shares, whichever leaves less of the loss; class shares only when reweighting by class alone explains the loss, unless the inputs
foretell the new class shares, or the column that carries the inputs' part moved within the classes; then the doubly robust split,
only where the reference supports the current inputs (effective sample size of 100 and at most 20 % of rows outside).

Where the loss itself is within the noise of days, inputs that moved are named all the same when the split, or the values of one
column alone as often as they come now, price them at `min_effect` and four standard errors, as the labels of the reference tell
that price; and so is one segment that got worse beside the others of its days.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from backslide.case import Case
from backslide.causes.pricing.counterfactual import PricingBench
from backslide.causes.shift.attribution import NAMED, changed_relation, coded, moved_features, residuals, ties_between
from backslide.causes.shift.base import WorldChange
from backslide.causes.shift.inputs import COVARIATE_SHARE, COVARIATE_Z, covariate_shift, mix_of_one_column, support
from backslide.causes.shift.label_policy import find_label_policy
from backslide.causes.shift.local_relation import LocalDrift, find_local_drift
from backslide.causes.shift.recalibration import relearning_gain, targeted_gain
from backslide.contracts import say
from backslide.contracts.cause import CauseKind, Confidence
from backslide.playbook.concept.decomposition import Populations, Split, headline_split, split, weighted
from backslide.playbook.verify.slices import telling_slice
from backslide.stats.arrays import Floats
from backslide.stats.change.effect import Effect
from backslide.stats.shift import doubly_robust
from backslide.stats.two_sample import chi_squared

BY_ANSWERS = 0.9
"""Share of what learning anew from the answers and the named columns returns that the answers alone must return."""
BY_ANSWERS_PART = 0.25
"""And share of the relation's part: the rest may be noise that no model foretells."""
PRIOR_Z = 4.0
LABEL_SHARE = 0.5
STILL_Z = 2.5
"""Standard errors by which mean scores must miss what other class shares would make them."""
STILL_SHARE = 0.5
"""And how near, beside that, they must be to where they were."""
FORETOLD = 0.2
"""Share of the moved class shares that the inputs may leave unforetold when they are what moved them."""
REST_Z = 3.5
REST_SHARE, REST_SHARE_SAME = 0.15, 0.3
"""Share of the drop that other class shares may leave unexplained; more where the rows of each class are as they were."""
CONCEPT_Z = 3.5
CONCEPT_SHARE = 0.3
LOCAL_SHARE = 0.6
"""Share of the relation's part that one segment must hold to be named for it."""
LEAST_SEEN = 0.5
"""Share of what one segment lost that the whole must have lost where it lost clearly less."""
STILL_INPUTS_Z = 2.0
"""Standard errors of what the inputs leave, up to which they explain the loss."""
BY_CLASS = 0.6
"""Share of the distance by which a column moved that other class shares may leave where it moved with the classes alone."""
MAX_FOREIGN = 0.5
"""Share of current rows outside the reference beyond which inputs and relation are not told apart at all."""


def find_shifts(
    bench: PricingBench, p: Populations, drop: Effect, lost: Effect, rows_lost: NDArray[np.bool_]
) -> list[WorldChange]:
    """Causes in the world for what is left of the change, the largest part first; empty where nothing passes its gate.

    ``lost`` are points of faults that are still in the current rows because nothing restores them, ``rows_lost`` these rows
    (n_cur,); they are no drift.
    """
    parts = headline_split(bench.case) if p.untouched else split(bench.case, bench.target, p)
    if parts is not None:
        parts = replace(parts, relation=parts.relation - lost)
    policy, by_label = _policy(bench, p, drop), _label_shift(bench, p, drop, parts)
    if policy is not None and (
        by_label is None or abs((drop - policy.effect).value) <= abs((drop - by_label.effect).value)
    ):
        return [policy, *_beside(bench, p, drop, parts, policy)]
    if by_label is not None:
        by_inputs = _shares_by_inputs(bench, p, drop, parts) if by_label.caveat else None
        return [by_label if by_inputs is None else by_inputs]
    local = find_local_drift(bench, p, rows_lost)
    if parts is None or parts.domain.outside > MAX_FOREIGN:
        return _among_strangers(bench, p, drop, parts, local)
    found = [*covariate_shift(bench, p, drop, parts), *_concept_drift(bench, p, drop, parts, local)]
    if not found:  # the whole split is not as sharp as other rows of the same days, or as one column
        sharper = _told_by_others(bench, local, drop) or mix_of_one_column(bench, p, drop)
        found = [] if sharper is None else [sharper]
    return sorted(found, key=lambda cause: -bench.target.harm(cause.effect.value))


def _among_strangers(
    bench: PricingBench, p: Populations, drop: Effect, parts: Split | None, local: LocalDrift | None
) -> list[WorldChange]:
    """Where few current rows are like reference rows: what sets one segment apart from the others of its days can be told, and
    what the relation did to the rows that are alike. That the others are inputs the reference never held is a fact, and the
    first to look at where nothing surer is found; what that cost can hardly be told."""
    segment = [_drift_of(local)] if local is not None and _counts(bench, local.effect, drop) else []
    if parts is None or (local is not None and segment and not local.usual):
        return segment
    common = parts.domain.overlap >= doubly_robust.MIN_ESS
    found = covariate_shift(bench, p, drop, parts)
    found += segment or (_concept_drift(bench, p, drop, parts, None) if common else [])
    harm = bench.target.harm
    if all(change.kind != CauseKind.COVARIATE_SHIFT for change in found) and (
        harm(parts.inputs.value) >= COVARIATE_SHARE * harm(drop.value)
    ):
        strange = f"{say.percent(parts.domain.outside)} of the current rows lie outside what the reference holds"
        caveat = f"{strange}, so what their inputs cost can hardly be told"
        moved = moved_features(bench, p, parts, priced=False)
        found.append(WorldChange(CauseKind.COVARIATE_SHIFT, parts.inputs, moved, (), Confidence.SUSPECTED, caveat))
    return sorted(found, key=lambda cause: -harm(cause.effect.value))


def find_segment_drift(
    bench: PricingBench, p: Populations, drop: Effect, rows_lost: NDArray[np.bool_]
) -> WorldChange | None:
    """A relation that changed in one segment by ``min_effect``, told by the other rows of the same days: it needs no clear drop
    of the whole, but one that may be as large or is half of it, as few see a gain elsewhere that hides the rest."""
    return _told_by_others(bench, find_local_drift(bench, p, rows_lost), drop)


def _told_by_others(bench: PricingBench, local: LocalDrift | None, drop: Effect) -> WorldChange | None:
    harm = bench.target.harm
    if local is None or local.usual or harm(local.effect.value) < bench.case.problem.min_effect:
        return None
    least, most = min(map(harm, local.effect.bounds)), max(map(harm, drop.bounds))
    seen = least <= most or harm(drop.value) >= LEAST_SEEN * harm(local.effect.value)
    return _drift_of(local) if seen else None


def _drift_of(local: LocalDrift) -> WorldChange:
    confidence, caveat = Confidence.SUPPORTED, ""
    if local.usual:
        confidence, caveat = Confidence.SUSPECTED, "it went the same way within the reference already"
    return WorldChange(
        CauseKind.CONCEPT_DRIFT, local.effect, local.columns, (), confidence, caveat, segment=local.segment
    )


def _counts(bench: PricingBench, relation: Effect, drop: Effect) -> bool:
    """Whether the relation's part is clear and a good part of the drop."""
    harm = bench.target.harm
    return abs(relation.z) > CONCEPT_Z and harm(relation.value) >= CONCEPT_SHARE * harm(drop.value)


def _concept_drift(
    bench: PricingBench, p: Populations, drop: Effect, parts: Split, local: LocalDrift | None
) -> list[WorldChange]:
    """The relation's part, where it is clear and counts; that of ``local``, where the windows share too little for the whole."""
    harm = bench.target.harm
    if not parts.supported and local is not None and _counts(bench, local.effect, drop):
        return [_drift_of(local)]
    if not _counts(bench, parts.relation, drop):
        return []
    confidence, caveat = support(parts)
    features, classes = changed_relation(bench, p)
    segment, columns = (telling_slice(bench.case) if p.untouched else None) or (None, features)
    if local is not None and not local.usual and harm(local.effect.value) >= LOCAL_SHARE * harm(parts.relation.value):
        segment, features = local.segment, local.columns
    elif segment is not None:  # of a segment's columns, the one whose relation to the outcome changed comes first
        order = {column: place for place, column in enumerate(features)}
        features = tuple(sorted(columns, key=lambda column: order.get(column, len(order))))
    gain = targeted_gain(bench, features) if p.untouched else None
    if gain is not None and max(harm(end) for end in gain.bounds) >= 0:
        caveat = f"{caveat}; " if caveat else ""
        caveat += "a refit along it on half of the labels did not clearly help on the other half"
    every = len(classes) == len(bench.case.problem.classes)
    drift = WorldChange(
        CauseKind.CONCEPT_DRIFT, parts.relation, features, classes, confidence, caveat, (), gain, segment, every
    )
    return [_by_answers(bench, drift, support(parts)[1])]


def _by_answers(bench: PricingBench, drift: WorldChange, caveat: str) -> WorldChange:
    """The drift with the answers alone as remedy, where learning the outcome anew from them returns what more columns return."""
    anew = None if drift.gain is None else relearning_gain(bench)
    if drift.gain is None or anew is None or not anew.clear:
        return drift
    harm = bench.target.harm
    returned, needed = -harm(anew.value), BY_ANSWERS * max(-harm(drift.gain.value), 0.0)
    if returned < max(needed, BY_ANSWERS_PART * harm(drift.effect.value)):
        return drift
    return replace(drift, gain=anew, caveat=caveat, by_answers=True)


def _policy(bench: PricingBench, p: Populations, drop: Effect) -> WorldChange | None:
    """Concept drift between two classes: rows of the one are labelled as the other, while the model says what it always said."""
    found = find_label_policy(bench, p)
    harm = bench.target.harm
    if found is None or abs(found.effect.z) <= CONCEPT_Z or harm(found.effect.value) < CONCEPT_SHARE * harm(drop.value):
        return None
    classes = bench.case.problem.classes
    facts = tuple(
        f"{say.percent(move.share, 0)} of what was labelled {classes[move.before]!r} is now labelled {classes[move.after]!r}"
        for move in found.moves
    )
    named = (classes[found.moves[0].before], classes[found.moves[0].after])
    told = telling_slice(bench.case) if p.untouched else None
    gain = relearning_gain(bench) if p.untouched else None
    return WorldChange(
        CauseKind.CONCEPT_DRIFT,
        found.effect,
        () if told is None else told[1],
        named,
        Confidence.SUPPORTED,
        "",
        facts,
        gain,
        None if told is None else told[0],
        False,
        True,
    )


def _beside(
    bench: PricingBench, p: Populations, drop: Effect, parts: Split | None, policy: WorldChange
) -> list[WorldChange]:
    """Inputs that moved besides; what else the relation did is not told from the labels that moved."""
    if parts is None or parts.domain.outside > MAX_FOREIGN or not parts.supported:
        return []
    left = drop - policy.effect
    return covariate_shift(bench, p, drop, parts) if bench.target.harm(left.value) > 0 else []


def _label_shift(bench: PricingBench, p: Populations, drop: Effect, parts: Split | None) -> WorldChange | None:
    """Label shift when class shares moved and reweighting by class explains the loss.

    The loss condition names the cause; features that moved within a class lower the confidence, or, where the inputs explain
    the loss as well, leave the name to covariate shift.
    """
    case = bench.case
    if not case.problem.classification:
        return None
    k = len(case.problem.classes)
    y_ref, y_cur = p.good.labels.astype(np.int64), p.bad.labels.astype(np.int64)
    if min(len(np.unique(y_ref)), len(np.unique(np.r_[y_ref, y_cur]))) < 2:
        return None
    draw_ref, draw_cur = bench.draw(case.reference), bench.draw(case.current)
    moved = doubly_robust.reweight_classes(p.s_g, y_ref, y_cur, k, draw_ref, draw_cur)
    value, harm = bench.target.value, bench.target.harm
    before = weighted(p.s_g, np.ones(len(p.s_g)), draw_ref, value)
    after = weighted(p.s_b, np.ones(len(p.s_b)), draw_cur, value)
    between = Effect(float(value(moved.sums)), value(moved.replicates))
    part, rest = between - before, after - between
    same = _features_match(case, p, moved.weights[y_ref])
    left = REST_SHARE_SAME if same else REST_SHARE
    explains = abs(rest.z) <= REST_Z or abs(rest.value) <= left * abs(drop.value)
    if np.abs(moved.z).max() <= PRIOR_Z or not explains or part.z == 0 or abs(part.z) < COVARIATE_Z:
        return None
    if harm(part.value) < LABEL_SHARE * harm(drop.value) or _labels_alone_moved(p, moved.weights[y_ref]):
        return None
    if not same and parts is not None and _inputs_explain(bench, p, parts, moved.weights[y_ref], rest):
        return None
    named = np.argsort(-np.abs(moved.z))[:NAMED]
    classes = tuple(case.problem.classes[i] for i in named if abs(moved.z[i]) > PRIOR_Z)
    facts = tuple(
        f"{case.problem.classes[i]}: {say.levels(np.mean(y_ref == i), np.mean(y_cur == i), share=True)} of labels"
        for i in named[:2]
    )
    confidence = Confidence.SUPPORTED
    caveat = "" if same else "features moved within the classes too"
    return WorldChange(CauseKind.LABEL_SHIFT, part, (), classes, confidence, caveat, facts)


def _inputs_explain(bench: PricingBench, p: Populations, parts: Split, weights: Floats, rest: Effect) -> bool:
    """Whether the loss is a matter of inputs that moved within the classes, rather than of the class shares: what the inputs
    leave is within noise, and the column that carries most of it is not where other class shares would take it.

    ``weights`` (n_ref,) take the reference to the current class shares, which leave ``rest`` of the loss.
    """
    if abs(parts.relation.z) > STILL_INPUTS_Z:
        return False
    carried = moved_features(bench, p, parts)[:1]
    if carried and _left_by_classes(bench.case, carried[0], weights) <= BY_CLASS:
        return False
    if parts.supported:
        return abs(rest.z) > abs(parts.relation.z)
    return bool(carried) and bench.target.sign * parts.inputs.z < -COVARIATE_Z


def _left_by_classes(case: Case, column: str, weights: Floats) -> float:
    """Total variation between current rows and reference rows in the current class shares, over that between the windows."""
    rows = (np.flatnonzero(case.reference.outcomes.known()), np.flatnonzero(case.current.outcomes.known()))
    code_ref, code_cur, cells = coded(case.pairs[column], rows)
    now = np.bincount(code_cur, minlength=cells) / len(code_cur)
    apart = [np.abs(np.bincount(code_ref, w, cells) / w.sum() - now).sum() for w in (np.ones(len(weights)), weights)]
    return float(apart[1] / max(apart[0], 1e-12))


def _shares_by_inputs(bench: PricingBench, p: Populations, drop: Effect, parts: Split | None) -> WorldChange | None:
    """Covariate shift, where the class shares moved because the inputs did: the outcomes are what the reference leads to expect
    of such inputs. None where they are not; then the whole drop is no matter of inputs.

    Under a shift of classes the inputs alone foretell only a part of the new shares, as far as they tell classes apart.
    """
    if parts is None or not parts.supported or abs(parts.relation.z) > STILL_Z:
        return None
    ref, cur = residuals(bench.case, p)
    if ref.shape[1] != len(bench.case.problem.classes):
        return None
    beyond = cur.mean(0) - ref.mean(0)
    y_ref, y_cur = (np.bincount(o.labels.astype(np.int64), minlength=ref.shape[1]) for o in (p.good, p.bad))
    moved = y_cur / y_cur.sum() - y_ref / y_ref.sum()
    if np.abs(beyond).max() > FORETOLD * np.abs(moved).max():
        return None
    named = moved_features(bench, p, parts)
    facts = ties_between(bench.case, named)
    return WorldChange(CauseKind.COVARIATE_SHIFT, drop, named, (), Confidence.SUPPORTED, facts=facts)


def _labels_alone_moved(p: Populations, weights: Floats) -> bool:
    """Whether the scores stayed as they were although other class shares would have moved them: rows are labelled otherwise.

    ``weights`` take the reference to the current class shares. Mean scores are compared with the reference's, and with what they
    would be if the rows had come in those shares.
    """
    if p.good.scores is None or p.bad.scores is None:
        return False
    ref, cur = p.good.scores, p.bad.scores
    w = weights / max(weights.sum(), 1e-12)
    expected, before, now = w @ ref, ref.mean(0), cur.mean(0)
    noise = cur.var(0) / len(cur)
    error_shift = np.sqrt(noise + (w[:, None] ** 2 * (ref - expected) ** 2).sum(0))
    error_still = np.sqrt(noise + ref.var(0) / len(ref))
    from_shift = np.abs(now - expected) / np.maximum(error_shift, 1e-12)
    from_still = np.abs(now - before) / np.maximum(error_still, 1e-12)
    return bool(from_shift.max() > STILL_Z and from_still.max() < STILL_SHARE * from_shift.max())


def _features_match(case: Case, p: Populations, weights: Floats) -> bool:
    """Whether every feature of the reweighted reference is distributed as in the current window (chi-squared z under 5)."""
    rows = (np.flatnonzero(case.reference.outcomes.known()), np.flatnonzero(case.current.outcomes.known()))
    effective = weights.sum() ** 2 / max((weights**2).sum(), 1e-12)
    for column in p.columns:
        code_ref, code_cur, cells = coded(case.pairs[column], rows)
        expected = np.bincount(code_ref, weights, cells)
        expected *= effective / max(expected.sum(), 1e-12)
        _, _, statistic = chi_squared(expected, np.bincount(code_cur, minlength=cells))
        freedom = max(cells - 1, 1)
        if (statistic - freedom) / np.sqrt(2 * freedom) > 5:
            return False
    return True
