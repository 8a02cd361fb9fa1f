"""Inputs that moved to where the model was always weaker, priced by the labels of the reference: by all columns, or one alone."""

from __future__ import annotations

from backslide.causes.pricing.counterfactual import PricingBench
from backslide.causes.shift.attribution import moved_beyond_days, moved_features, share_of_one_column, ties_between
from backslide.causes.shift.base import WorldChange
from backslide.contracts.cause import CauseKind, Confidence
from backslide.playbook.concept.decomposition import Populations, Split, headline_split
from backslide.stats.change.effect import Effect

COVARIATE_Z = 3.0
COVARIATE_SHARE = 0.25
SURE_INPUTS_Z = 4.0
"""Standard errors from which the inputs' part is believed though the drop itself is within the noise of days."""
LEAST_SEEN = 1 / 3
"""Share of what the mix of one column costs that must have been lost: what the world made up for is no loss."""


def find_moved_inputs(bench: PricingBench, p: Populations, drop: Effect) -> WorldChange | None:
    """Inputs that moved to where the model was always weaker, by ``min_effect`` and many standard errors: the reference's own
    labels price them, so the days of the current window need not show a clear drop, but one that may be as large."""
    parts, harm = (headline_split(bench.case) if p.untouched else None), bench.target.harm
    least, most = bench.case.problem.min_effect, max(map(harm, drop.bounds))
    if parts is None or harm(drop.value) <= 0:
        return None
    sure = parts.supported and bench.target.sign * parts.inputs.z <= -SURE_INPUTS_Z
    if sure and least <= harm(parts.inputs.value) <= most:
        whole = next((shift for shift in covariate_shift(bench, p, drop, parts) if shift.features), None)
        # The split takes how often values come now as given, so that days on which they differ are no part of its noise.
        if whole is not None and any(moved_beyond_days(bench, p, column) for column in whole.features):
            return whole
    mix = mix_of_one_column(bench, p, drop)
    if mix is None or not least <= harm(mix.effect.value) <= min(most, harm(drop.value) / LEAST_SEEN):
        return None
    return mix


def covariate_shift(bench: PricingBench, p: Populations, drop: Effect, parts: Split) -> list[WorldChange]:
    """The inputs' part, where it is clear and counts."""
    harm = bench.target.harm
    if abs(parts.inputs.z) <= COVARIATE_Z or harm(parts.inputs.value) < COVARIATE_SHARE * harm(drop.value):
        return []
    confidence, caveat = support(parts)
    named = moved_features(bench, p, parts)
    facts = ties_between(bench.case, named)
    return [WorldChange(CauseKind.COVARIATE_SHIFT, parts.inputs, named, (), confidence, caveat, facts)]


def mix_of_one_column(bench: PricingBench, p: Populations, drop: Effect) -> WorldChange | None:
    """Values of one column that come more often, where the model was always weaker, if they are a good part of the drop."""
    found, harm = (share_of_one_column(bench, p) if p.untouched else None), bench.target.harm
    if found is None or harm(found[1].value) < COVARIATE_SHARE * harm(drop.value):
        return None
    column, effect = found
    return WorldChange(CauseKind.COVARIATE_SHIFT, effect, (column,), (), Confidence.SUPPORTED)


def support(parts: Split) -> tuple[Confidence, str]:
    """How sure a part of the split is, and what is to be said of it."""
    if parts.supported:
        return Confidence.SUPPORTED, ""
    return Confidence.SUSPECTED, "many current rows lie outside what the reference holds, so the split is approximate"
