"""The bench that faults are tried out on: with the saved model, or with a stand-in where none reproduces what was served."""

from __future__ import annotations

from dataclasses import replace

from backslide.case import Case
from backslide.causes.explanation import Explanation
from backslide.causes.faults.base import Fault
from backslide.causes.pricing.counterfactual import PricingBench, price
from backslide.causes.pricing.surrogate import fit_surrogate
from backslide.causes.replay.model_or_threshold import stand_in_is_faithful
from backslide.contracts.containment import noted
from backslide.playbook.shadow.replay import replay
from backslide.stats.metrics.metric import Metric


def open_bench(case: Case, target: Metric, faults: list[Fault]) -> tuple[PricingBench, list[str]]:
    """The bench on the saved model, or on a stand-in fitted to what was served when there is none that reproduces it; notes."""
    if stand_in_is_faithful(case):
        return PricingBench(case, target, case.reference_model, artefact=True), []
    notes = []
    if case.reference_model is not None and case.inputs_known:
        done = replay(case).reference
        notes.append(
            f"the saved model fails on {done.failed} of {len(done.answered.failed)} reference rows: {done.answered.error}; "
            "repairs were priced with a stand-in"
            if done.unasked
            else "the saved model does not reproduce the reference predictions; repairs were priced with a stand-in"
        )
    if not faults:
        return PricingBench(case, target, None), notes
    model, note = fit_surrogate(case)
    return PricingBench(case, target, model), [*notes, note]


def on_stand_in(bench: PricingBench, found: Explanation) -> tuple[PricingBench, Explanation]:
    """A stand-in to ask where there is no model yet, and the note on how faithful it is."""
    if bench.model is not None:
        return bench, found
    model, note = fit_surrogate(bench.case)
    notes = tuple(dict.fromkeys((*found.notes, note)))
    return PricingBench(bench.case, bench.target, model), replace(found, notes=notes)


def price_all(bench: PricingBench, faults: list[Fault], notes: list[str]) -> list[Fault]:
    """The faults tried out, each beside the certain ones; one that cannot be is noted and left, never the end of the run."""
    certain = [fault for fault in faults if fault.exact and fault.reversible]
    priced = []
    for fault in faults:
        with noted(f"{fault.kind} of {', '.join(fault.features)} is suspected and", notes):
            priced.append(price(bench, fault, [other for other in certain if other is not fault]))
    return priced
