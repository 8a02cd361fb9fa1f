"""The inquiry: from a judged case to ranked causes that add up.

In order: what replay proves (model, threshold); data faults by their signatures, priced by repair and injection; what the world
did with what is left (label shift, covariate shift, concept drift). Each step explains only what the former left over, so no
points are counted twice, and what nothing explains is a line of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from backslide.case import Case, Progress
from backslide.causes.faults.collect import Fault, collect, collect_again
from backslide.causes.pricing import materiality
from backslide.causes.pricing.counterfactual import Bench, Trial, try_out
from backslide.causes.pricing.materiality import Scale
from backslide.causes.pricing.shapley import all_undone, share_out
from backslide.causes.pricing.surrogate import surrogate
from backslide.causes.replay.model_or_threshold import Replaced, replaced, stand_in_is_faithful
from backslide.causes.replay.snapshot_diff import named_by_snapshots
from backslide.causes.shift import shifts
from backslide.contracts.containment import let_through
from backslide.playbook.concept.decomposition import populations
from backslide.playbook.shadow.replay import replay
from backslide.stats.change.effect import Effect, nothing
from backslide.stats.metrics.metric import Metric

LEFT_Z = 2.6
"""Standard errors (one-sided 0.5 %) by which what is left must do harm before the world is asked."""
LEFT_SHARE = 0.5
"""Share of ``min_effect`` that what is left must reach."""
MIN_WORLD_ROWS = 200


@dataclass(frozen=True)
class Explanation:
    """Everything that was found out, before it is put into words."""

    change: Effect | None
    ours: Replaced | None = None
    ours_material: bool = False
    faults: tuple[tuple[Trial, Effect | None], ...] = ()
    """Harmful faults with the points that are theirs."""
    harmless: tuple[Trial, ...] = ()
    worldly: tuple[shifts.Worldly, ...] = ()
    artefact: bool = False
    """Whether the saved model answered; else a stand-in fitted to the logged scores, or none."""
    priced: bool = False
    notes: tuple[str, ...] = field(default=())

    @property
    def proving(self) -> bool:
        """Whether the saved model answered or a replay decided, so that a repair can prove what the metric's noise hides."""
        return self.artefact or (self.ours is not None and self.ours_material)

    @property
    def explained(self) -> list[Effect]:
        """Effects of every cause that has a price."""
        ours = (
            [self.ours.effect] if self.ours is not None and self.ours_material and self.ours.effect is not None else []
        )
        return [*ours, *(e for _, e in self.faults if e is not None), *(w.effect for w in self.worldly)]

    @property
    def unexplained(self) -> Effect | None:
        """What no cause accounts for."""
        if self.change is None:
            return None
        left = self.change
        for effect in self.explained:
            left = left - effect
        return left


def inquire(case: Case, target: Metric, *, degraded: bool, progress: Progress | None = None) -> Explanation:
    """Look for causes of the change of ``target``.

    Faults and replays are looked for whatever the verdict; the world is asked only when ``degraded``, because without a drop
    there is nothing for it to explain.
    """
    say = progress or (lambda _: None)
    say("causes: replaying the saved model")
    plain = Bench(case, target, None)
    change = plain.served_change if case.has_labels else None
    scale = Scale(target, change, case.problem.min_effect)
    say("causes: reading fault signatures")
    faults = collect_again(case, collect(case))
    notes: list[str] = []
    bench, artefact = _bench(case, target, faults, notes)
    say(f"causes: trying out {len(faults)} suspects")
    certain = [fault for fault in faults if fault.exact and fault.reversible]
    tried = [_contained(bench, fault, [other for other in certain if other is not fault], notes) for fault in faults]
    trials = [t for t in tried if t is not None and materiality.stands(t, scale)]
    harmful = [t for t in trials if _matters(t, scale)]
    ours = None
    if case.inputs_known or case.problem.has_scores:
        lost = [t.fault for t in trials if not t.fault.reversible]
        ours = named_by_snapshots(case, replaced(plain, [t.fault for t in trials if t.log_only], lost))
    shares: list[Effect | None] = (
        list(share_out(bench, harmful)) if all(t.points for t in harmful) else [t.points for t in harmful]
    )
    unpriced = ours is not None and ours.effect is None and not bench.current_labels
    matters = unpriced or (ours is not None and materiality.felt(ours.effect, scale))
    found = Explanation(
        change,
        ours,
        matters,
        tuple(zip(harmful, shares, strict=True)),
        tuple(t for t in trials if t not in harmful),
        (),
        artefact,
        bench.model is not None,
        tuple(notes),
    )
    if degraded and change is not None:
        say("causes: inputs or relation")
        found = _with_world(found, bench, scale)
    return found


def _bench(case: Case, target: Metric, faults: list[Fault], notes: list[str]) -> tuple[Bench, bool]:
    """The bench on the saved model, or on a stand-in fitted to what was served when there is none that reproduces it."""
    if stand_in_is_faithful(case):
        return Bench(case, target, case.reference_model, artefact=True), True
    if case.reference_model is not None and case.inputs_known:
        done = replay(case).reference
        notes.append(
            f"the saved model fails on {done.failed} of {len(done.answered.failed)} reference rows: {done.answered.error}; "
            "repairs were priced with a stand-in"
            if done.unasked
            else "the saved model does not reproduce the reference predictions; repairs were priced with a stand-in"
        )
    if not faults:
        return Bench(case, target, None), False
    model, note = surrogate(case)
    notes.append(note)
    return Bench(case, target, model), False


def _contained(bench: Bench, fault: Fault, others: list[Fault], notes: list[str]) -> Trial | None:
    """A fault tried out; one that cannot be is noted and left, never the end of the run."""
    try:
        return try_out(bench, fault, others)
    except Exception as error:
        if let_through():
            raise
        named = f"{fault.kind} of {', '.join(fault.features)}"
        notes.append(
            f"{named} is suspected and could not be tried out: {type(error).__name__}: {error}".splitlines()[0][:200]
        )
        return None


def _matters(trial: Trial, scale: Scale) -> bool:
    """Whether a fault that stands is a cause rather than harmless; one that cannot be priced is a suspect, not a cause."""
    return materiality.material(trial.points, scale) or (scale.change is None and materiality.may_harm(trial, scale))


def _with_world(found: Explanation, bench: Bench, scale: Scale) -> Explanation:
    """Ask the world about what proven changes and faults leave of the drop."""
    case = bench.case
    left = found.unexplained
    assert left is not None
    if scale.harm(left) < LEFT_SHARE * scale.min_effect or abs(left.z) < LEFT_Z:
        return found
    if min(len(bench.rows(side)) for side in case.sides) < MIN_WORLD_ROWS:
        return found
    harmful = [trial.fault for trial, _ in found.faults]
    outcomes = found.ours.undone if found.ours is not None and found.ours_material else case.current.outcomes
    frame = case.current.sample
    if harmful and bench.model is not None:
        frame = all_undone(bench, harmful)
        outcomes = bench.answer(frame)
    # What could not be restored says nothing about the world; the points it cost are not counted again as drift.
    lost = tuple(f for fault in harmful if not fault.reversible for f in fault.features)
    p = populations(case, scale.target, frame, outcomes, leave_out=lost)
    causes = shifts.explain(bench, p, left, lost_points(found, case.settings.engine.bootstrap))
    return Explanation(
        found.change,
        found.ours,
        found.ours_material,
        found.faults,
        found.harmless,
        tuple(causes),
        found.artefact,
        found.priced,
        found.notes,
    )


def lost_points(found: Explanation, replicates: int) -> Effect:
    """Points of the faults that repair cannot restore: still in the repaired rows, so taken out of the relation's part."""
    total = nothing(replicates)
    for trial, effect in found.faults:
        if not trial.fault.reversible and effect is not None:
            total = total + effect
            if trial.repair is not None:
                total = total + trial.repair
    return total
