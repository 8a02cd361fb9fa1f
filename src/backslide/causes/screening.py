"""What new rows tell of data faults before their labels come: recognised by the signatures, priced without a label of theirs.

Recognition looks at inputs alone. Only where something certain was recognised the model is asked: the fault is done to labelled
rows of the reference, which prices it without labels of the new ones. Of the world nothing is said here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from backslide.case import Case
from backslide.causes.faults.base import Fault
from backslide.causes.faults.recognition import find_all_faults
from backslide.causes.opened_bench import open_bench, price_all
from backslide.causes.pricing import materiality
from backslide.causes.pricing.counterfactual import PricingBench
from backslide.causes.pricing.materiality import Scale
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.segments import columns_of
from backslide.stats.change.effect import Effect


@dataclass(frozen=True)
class ScreenedFault:
    """A certain fault of the current rows, in words and in harm to the headline (positive: worse)."""

    kind: CauseKind
    features: tuple[str, ...]
    segment: str | None
    share_of_rows: float
    words: str
    repair: str
    harm: float | None
    """None where nothing prices it."""
    low: float | None
    high: float | None
    harmful: bool
    """Whether the harm reaches ``min_effect``."""
    periods: int = 1
    """Periods whose rows were read together."""
    marked: bool = False
    """Whether a column other than the time marks its rows, so that the others of the same period are sound."""


def screen(case: Case) -> list[ScreenedFault]:
    """Certain faults of ``case.current``, whose labels are not looked at; none where the signatures recognise nothing.

    What cannot be priced is noted in the case.
    """
    faults = [fault for fault in find_all_faults(case) if fault.exact]
    if not faults:
        return []
    bench, notes = open_bench(case, case.metric, faults)
    scale = Scale(case.metric, None, case.problem.min_effect)
    priced = [fault for fault in price_all(bench, faults, notes) if materiality.stands(fault, scale)]
    case.notes += notes
    return [_screened(_expected(bench, fault), scale, _marked(case, fault)) for fault in priced]


def _marked(case: Case, fault: Fault) -> bool:
    return fault.segment is not None and case.problem.roles.timestamp not in columns_of(fault.segment)


def _expected(bench: PricingBench, fault: Fault) -> Fault:
    """The fault at its expected price where other rows of the same time are the control, without the luck of its own few rows.

    That luck says how much it cost on these very days, not whether it does harm. Where all rows changed it is the guard against
    seasons that look like faults: their price is left as wide as that of those days.
    """
    if fault.injection_effect is None or not _marked(bench.case, fault):
        return fault
    return replace(fault, injection_effect=fault.injection_effect.scaled(1 / bench.own_noise))


def _screened(fault: Fault, scale: Scale, marked: bool) -> ScreenedFault:
    harm, low, high = harm_of(fault.points, scale)
    words = "; ".join(h.seen for h in fault.hypotheses)
    if fault.log_only:
        words += "; only in the log: the model was given the values as they were before"
    return ScreenedFault(
        fault.kind,
        fault.features,
        fault.segment,
        float(fault.rows.mean()),
        words,
        "; ".join(h.undo for h in fault.hypotheses),
        harm,
        low,
        high,
        harm is not None and harm >= scale.min_effect and materiality.matters(fault, scale),
        marked=marked,
    )


def harm_of(price: Effect | None, scale: Scale) -> tuple[float | None, float | None, float | None]:
    """A price as harm with its interval; None where there is none, as where no replicate held rows enough for the metric."""
    if price is None or not np.isfinite(price.value):
        return None, None, None
    ends = sorted(scale.target.harm(end) for end in price.bounds)
    return scale.harm(price), *(ends if np.isfinite(ends).all() else (None, None))
