"""Causes that are our own change and need no statistics: another model answered, or another threshold decides.

`model_change`: the saved model reproduces the reference and not the current window, or not the rows of some hosts, hours or
versions, or not the rows from some day on. `threshold_change`: in both windows the decisions follow one cut of the logged scores,
and the cuts differ; or some rows, all of them between the old cut and a new one, are decided the new way (one host, the days
from one on, or a share that nothing marks). Both are exact replays; only their price has an interval.

Without a saved model, one is recovered from the reference's answers where they are a formula of the columns; else the rules by
which inputs tell answers before and now are compared (`input_dependence`). A new version that answers beside the old one in the
current window is compared with it as in an A/B test: when the groups are alike in every input and the new one is worse,
`model_change` is supported, not proven.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from backslide.case import Case, Outcomes
from backslide.causes.faults.base import Fault
from backslide.causes.pricing.counterfactual import PricingBench
from backslide.causes.replay.answer_change import AnswerChange, altered_outcomes, find_answer_change, rows_that_show
from backslide.causes.replay.answer_map import find_answer_map
from backslide.causes.replay.base import OwnChange
from backslide.causes.replay.exchanged_by_labels import find_exchanged_by_labels
from backslide.causes.replay.input_dependence import find_other_answers
from backslide.causes.replay.output_change import find_exchanged_classes
from backslide.causes.replay.placeholder_answer import find_placeholder
from backslide.causes.replay.preprocessing.replay import InputChange
from backslide.causes.replay.preprocessing.search import find_input_change
from backslide.causes.replay.recovered_model import imitate, recover_model
from backslide.causes.replay.rollout import find_rollout
from backslide.causes.replay.threshold import decide_at, find_threshold_change
from backslide.causes.replay.version_comparison import find_worse_version
from backslide.contracts import say
from backslide.contracts.cause import CauseKind, Confidence
from backslide.contracts.containment import noted
from backslide.playbook.shadow.replay import Replay, replay, replay_rows
from backslide.stats.change.effect import Effect
from backslide.stats.metrics.metric import class_metric

ALL = 0.9995
"""Share of the predictions from which on none of them is reproduced, to four digits."""
BROKEN = 0.2
"""Share of the rows with a certain fault of the data from which rules of answers are not compared."""
MIN_CLASS_SHARE = 0.25
"""Share of the worst class's harm from which a class is named beside it."""


def find_own_change(bench: PricingBench, faults: Sequence[Fault] = ()) -> OwnChange | None:
    """The change of our own that replay proves, by the most specific name that it gives; None without one.

    ``faults`` are those of the data: what is wrong in the log alone is undone first, and rows that lost values are left out, as
    the model may have been given what the log no longer holds.
    """
    case = bench.case
    if not (case.inputs_known or case.problem.has_scores):
        return None
    found = _by_replay(bench, faults) if case.reference_model is not None and case.inputs_known else None
    without = case.inputs_known and not stand_in_is_faithful(case)
    if found is None and without:
        with noted("a formula of the answers", case.notes):
            found = _by_formula(bench, faults)
    if found is None:
        with noted("scores in each other's place", case.notes):
            found = _by_exchange(bench, faults, without=without)
    found = found or _threshold(bench) or find_worse_version(bench)
    if found is None and without:
        with noted("rules of the answers", case.notes):
            found = _by_rules(bench, faults)
    return found


def _by_exchange(bench: PricingBench, faults: Sequence[Fault], *, without: bool) -> OwnChange | None:
    """Scores of classes in each other's place, surer where the rules of the answers say so too."""
    exchanged = find_exchanged_classes(bench.case)
    if exchanged is None:
        by_labels = find_exchanged_by_labels(bench.case) if without else None
        return None if by_labels is None else _answer_change(bench, by_labels.change, 1.0, by_labels.confidence)
    told = _by_rules(bench, faults) if without else None
    sure = told is not None and told.kind == CauseKind.OUTPUT_CHANGE
    return _answer_change(bench, exchanged, 1.0, Confidence.SUPPORTED if sure else Confidence.SUSPECTED)


def _by_replay(bench: PricingBench, faults: Sequence[Fault]) -> OwnChange | None:
    """Another model, another preprocessing before it, or answers altered after it; None where the saved model still answers."""
    case = bench.case
    done = _sound_replay(case, faults)
    if not done.swapped:
        return None
    share = 1 - done.current.share
    spread = find_rollout(case, done.current.comparable & ~done.current.equal, done.current.comparable)
    # Rows that the old model cannot answer keep what was served: they prove nothing.
    undone = _fill(done.current.answered.outcomes, case.current.outcomes, done.current.answered.failed)
    answers, altered = None, None
    with noted("answers altered after the model", case.notes):
        answers = find_answer_change(case, done.current, spread.rows) or find_placeholder(
            case, done.current, spread.rows
        )
    if answers is None:
        altered = find_input_change(case, done.current)
    if answers is None and altered is None:
        with noted("a map of the answers", case.notes):
            answers = find_answer_map(case, done.current, spread.rows)
    if answers is not None:
        shows = rows_that_show(answers, done.current)
        spread = find_rollout(case, done.current.comparable & ~done.current.equal, shows)
        found = _answer_change(bench, replace(answers, undone=undone), share, Confidence.PROVEN)
    elif altered is not None:
        seen = altered.words + (f"; with that {case.model_name} gives what was served" if altered.reproduces else "")
        found = _price(
            bench,
            altered.kind,
            undone,
            seen,
            altered.undo,
            "SHD001:current",
            lambda: _answers_with_change(case, altered),
        )
        found = replace(found, features=altered.features)
    else:
        not_reproduced = "reproduces none" if share >= ALL else f"does not reproduce {say.percent(share)}"
        seen = (
            f"{case.model_name} {not_reproduced} of the current predictions, while it reproduces "
            f"{say.percent(done.reference.share)} of the reference: another model answers{spread.words}"
        )
        if done.successor is not None and done.successor.agrees:
            seen += ", the one given as current_model"
        undo = f"let {case.model_name} answer"
        found = _price(bench, CauseKind.MODEL_CHANGE, undone, seen, undo, "SHD001:current", lambda: _by_successor(case))
    return replace(found, share_of_rows=float(spread.rows.mean()), rows=spread.rows, segment=spread.segment)


def _by_formula(bench: PricingBench, faults: Sequence[Fault]) -> OwnChange | None:
    """The same without a saved model, by the formula that the reference's answers are, where they are one. No proof: it may lack
    what did not vary in the reference."""
    model = recover_model(bench.case)
    if model is None:
        return None
    case = imitate(bench.case, model)
    found = _by_replay(PricingBench(case, bench.target, model), faults)
    if found is None or (found.kind == CauseKind.OUTPUT_CHANGE and _stand_elsewhere(faults)):
        return None
    seen = f"{found.seen} (unless the model reads what is not logged)"
    return replace(found, confidence=Confidence.SUPPORTED, seen=seen)


def _stand_elsewhere(faults: Sequence[Fault]) -> bool:
    """Whether the values of a column stand some rows away: answers that follow them do so too, beside a formula of others."""
    return any(h.params.get("shift") for fault in faults if fault.exact for h in fault.hypotheses)


def _by_rules(bench: PricingBench, faults: Sequence[Fault]) -> OwnChange | None:
    """By what the inputs tell of the answers before and now, where no formula tells."""
    if recover_model(bench.case) is not None:
        return None
    if any(fault.log_only or (fault.exact and fault.rows.mean() >= BROKEN) for fault in faults):
        return (
            None  # the log is no witness for what the model was given, or of inputs that the reference's rule never saw
        )
    other = find_other_answers(bench.case)
    if other is None:
        return None
    # The reference answered in the same way is not known, so before labels come there is no price.
    found = _price(bench, other.kind, other.undone, other.seen, other.undo, "DRF004:prediction", lambda: None)
    roles = bench.case.problem.roles
    columns = tuple(roles.scores.values()) or ((roles.prediction,) if roles.prediction else ())
    return replace(
        found,
        confidence=Confidence.SUPPORTED if other.kept else Confidence.SUSPECTED,
        share_of_rows=float(other.rows.mean()),
        rows=other.rows,
        features=columns if other.kind == CauseKind.OUTPUT_CHANGE else (),
    )


def _sound_replay(case: Case, faults: Sequence[Fault]) -> Replay:
    """The replay, on rows whose log can be believed."""
    done = replay(case)
    log_only = [fault for fault in faults if fault.log_only]
    if done.swapped and log_only:
        assert case.reference_model is not None
        frame = case.current.sample
        for fault in log_only:
            frame = fault.repair(case, frame)
        again = replay_rows(case, case.reference_model, case.current, frame, tolerance=done.reference.tolerance)
        done = replace(done, current=again)
    lost = [fault.rows for fault in faults if not fault.reversible]
    if done.swapped and lost:
        done = replace(done, current=done.current.on(~np.logical_or.reduce(lost)))
    return done


def _answer_change(bench: PricingBench, altered: AnswerChange, share: float, confidence: Confidence) -> OwnChange:
    """Answers that were altered after the model."""
    kind, evidence = CauseKind.OUTPUT_CHANGE, "SHD001:current"

    def inject() -> Outcomes | None:
        if altered.alter is None:
            return None
        served = bench.case.reference.outcomes
        rows = bench.case.rng("answers of some rows").random(len(served.predictions)) < share
        return altered_outcomes(served, bench.case.problem, altered.alter, rows)

    found = _price(bench, kind, altered.undone, altered.seen, altered.undo, evidence, inject)
    return replace(
        found, features=altered.features, classes=altered.classes, confidence=confidence, share_of_rows=share
    )


def _threshold(bench: PricingBench) -> OwnChange | None:
    case = bench.case
    found = find_threshold_change(case)
    if found is None:
        return None
    served = case.current.outcomes
    undone = Outcomes(served.labels, decide_at(served, case, found.old), served.scores)
    (low, high), (ref_low, ref_high) = found.new, found.before
    where = "" if found.share == 1 else f" on {say.percent(found.share)} of the rows"
    where += "" if found.segment is None else f" ({found.segment})"
    now, old = _plainest(low, high), _plainest(ref_low, ref_high)
    seen = f"the decision threshold for {case.problem.positive!r} moved from {old} to {now}{where}, as the scores show"
    at = case.problem.threshold if low < case.problem.threshold <= high else high
    undo, evidence = f"set the threshold back to {say.number(found.old)}", "DRF004:prediction"
    change = _price(
        bench, CauseKind.THRESHOLD_CHANGE, undone, seen, undo, evidence, lambda: _recut(case, at, found.share)
    )
    share = found.share if found.share < 1 else float(found.moved.mean())
    return replace(change, segment=found.segment if found.share < 1 else None, share_of_rows=share)


def _plainest(low: float, high: float) -> str:
    """The number of fewest decimals between two limits."""
    middle = (low + high) / 2
    return next((say.fixed(middle, d) for d in range(1, 6) if low <= round(middle, d) <= high), say.number(middle))


def _recut(case: Case, at: float, share: float) -> Outcomes:
    """The reference, or a share of its rows, decided at another threshold."""
    served = case.reference.outcomes
    codes = np.where(served.predictions.astype(np.int64) < 0, -1, decide_at(served, case, at))
    if share < 1:
        rows = case.rng("threshold of some rows").random(len(codes)) < share
        codes = np.where(rows, codes, served.predictions)
    return Outcomes(served.labels, codes.astype(np.int64), served.scores)


def _by_successor(case: Case) -> Outcomes | None:
    """The reference answered by the model given as the current one; None where none is given."""
    if case.current_model is None:
        return None
    return case.answered(case.current_model, case.reference.sample).outcomes


def _answers_with_change(case: Case, altered: InputChange) -> Outcomes | None:
    """The reference answered by the saved model, given what it was given in the current window.

    None where one alteration does not say what each row was given.
    """
    if not altered.reproduces:
        return None
    assert case.reference_model is not None
    return case.answered(altered.model or case.reference_model, altered.alter(case.reference.sample)).outcomes


def _price(
    bench: PricingBench,
    kind: CauseKind,
    undone: Outcomes,
    seen: str,
    undo: str,
    evidence: str,
    inject: Callable[[], Outcomes | None],
) -> OwnChange:
    """With its price: on the current labels, or before they come by doing the same to the labelled reference."""
    case = bench.case
    effect: Effect | None = None
    classes: tuple[str, ...] = ()
    if bench.current_labels:
        effect = bench.score(case.current, case.current.outcomes).metric - bench.score(case.current, undone).metric
        classes = _classes_hit(bench, undone)
    elif bench.reference_labels and (injected := inject()) is not None:
        served = bench.score(case.reference, case.reference.outcomes).metric
        ratio = len(bench.rows(case.reference)) / max(case.current.sample.height, 1)
        effect = (bench.score(case.reference, injected).metric - served).scaled(float(np.sqrt(1 + ratio)))
    return OwnChange(kind, effect, undone, seen, undo, 1.0, classes, (evidence,))


def _classes_hit(bench: PricingBench, undone: Outcomes) -> tuple[str, ...]:
    """Classes whose F1 the change lowers by more than noise, worst first."""
    case = bench.case
    if not case.problem.classification:
        return ()
    rows, k = bench.rows(case.current), len(case.problem.classes)
    draw = bench.draw(case.current)
    found: list[tuple[float, str]] = []
    for index, label in enumerate(case.problem.classes):
        metric = class_metric("f1", index, label)
        sums = [o.take(rows).statistics(metric, k) for o in (case.current.outcomes, undone)]
        served, old = (Effect(float(metric.value(s.sum(0))), metric.value(draw.sums(s))) for s in sums)
        lost = served - old
        if np.isfinite(lost.value) and lost.value < 0 and lost.clear:
            found.append((lost.value, label))
    found.sort()
    if case.problem.task == "binary" and len(found) > 1:
        return ()  # both of two classes: that is the whole, not a class
    return tuple(label for lost, label in found[:4] if lost <= MIN_CLASS_SHARE * found[0][0])


def _fill(undone: Outcomes, served: Outcomes, failed: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Outcomes:
    if not failed.any():
        return undone
    predictions = np.where(failed, served.predictions, undone.predictions)
    scores = undone.scores
    if scores is not None and served.scores is not None:
        scores = np.where(failed[:, None], served.scores, scores)
    return Outcomes(undone.labels, predictions, scores)


def stand_in_is_faithful(case: Case) -> bool:
    """Whether the saved model reproduces the reference, so that repairs computed with it are about what was served."""
    return case.reference_model is not None and case.inputs_known and replay(case).faithful
