"""The composition root of the main job: two windows in, a diagnosis out.

Read it as a straight line: settings -> windows -> case -> checks -> verdict -> causes -> diagnosis.
"""

from __future__ import annotations

from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import Any

from backslide.case import Case
from backslide.causes.explanation import Explanation
from backslide.causes.pricing import materiality, proof
from backslide.causes.replay.output_change import add_output_changes, describe_output_changes
from backslide.causes.replay.snapshot_diff import add_commits, find_suspects
from backslide.causes.reporting import sentences as words
from backslide.causes.reporting.onset import incident_onset, mark_coinciding
from backslide.causes.reporting.to_contracts import Presenter, restrict_to_segment
from backslide.causes.search import find_causes
from backslide.contracts import say
from backslide.contracts.cause import Cause, Suspect
from backslide.contracts.config import Settings, is_auto
from backslide.contracts.diagnosis import Diagnosis, Verdict, WindowCounts, too_few
from backslide.contracts.finding import Outcome
from backslide.contracts.roles import Roles
from backslide.contracts.snapshot import Snapshot
from backslide.engine.sources.columnar_copy import columnar_copies
from backslide.engine.stored_window import open_stored
from backslide.engine.window import WindowPair, open_windows
from backslide.jobs.diagnosis_parts import inputs_of, metric_change, unused_settings, warnings_of
from backslide.jobs.label_request import consult
from backslide.jobs.prelude import Models, Progress, load_models, merge_settings, silent, window_sources
from backslide.jobs.pushdown import pushed_windows
from backslide.jobs.stored_diagnosis import diagnose_stored
from backslide.jobs.upstream import name_upstream, open_lineage
from backslide.jobs.verdict import Judgement, detectable, headline_verdict, judge
from backslide.jobs.waterfall import waterfall
from backslide.jobs.windows import find_windows
from backslide.playbook.drift.embedding.embedding_columns import check_functions
from backslide.playbook.integrity.differences import load as load_snapshots
from backslide.playbook.runner import CheckRun
from backslide.playbook.shadow.replay import failures
from backslide.playbook.verify.answer_coverage import answers_lost
from backslide.playbook.verify.answer_coverage import sentences as describe_unanswered
from backslide.playbook.verify.label_coverage import sentences
from backslide.playbook.verify.score_direction import check_scores
from backslide.playbook.workers.pool import workers
from backslide.stack.snapshot import snapshot
from backslide.stats.threads import one_blas_thread


@one_blas_thread()
def diagnose(
    reference: Any = None,
    current: Any = None,
    *,
    roles: Roles | None = None,
    reference_model: Any = None,
    current_model: Any = None,
    task: str | None = None,
    metric: str | None = None,
    min_effect: float | None = None,
    name: str = "model",
    settings: Settings | None = None,
    trusted: bool = False,
    quick: bool = False,
    ask: str | Path | None = None,
    progress: Progress | None = None,
) -> Diagnosis:
    """Find out why a model got worse between two windows of logged predictions.

    ``reference`` and ``current`` are pandas, Polars or Arrow tables, paths, globs, or time ranges over ``[data] source`` of
    ``settings``. ``reference_model`` is the saved model: an object with ``predict``, a path, or ``"module:function"``; without
    it, faults are priced with a stand-in and nothing is proven. Settings given as arguments win over ``settings``. ``quick``
    gives verdict and causes alone: the checks that describe are left out, and listed as skipped. ``ask`` is a CSV file: the
    current rows whose labels would decide an inconclusive verdict are written there; with labels filled in, they count when it is
    run again.

    Raises:
        BackslideError: bad input, in one line; see ``contracts.errors`` for the tree.
    """
    settings = merge_settings(
        settings, roles=roles, name=name, trusted=trusted, task=task, metric=metric, min_effect=min_effect
    )
    models = load_models(settings, reference_model, current_model)
    reference, current = window_sources(settings, reference, current)
    file, lineage = None if ask is None else Path(ask), open_lineage(settings)
    with columnar_copies(), workers(settings, reference, current, model=models[0] is not None, quick=quick):
        diagnosis = _diagnose_case(reference, current, settings, models, quick, file, progress)
    return name_upstream(diagnosis, settings, lineage)


def _diagnose_case(
    reference: Any,
    current: Any,
    settings: Settings,
    models: Models,
    quick: bool,
    ask: Path | None,
    progress: Progress | None,
) -> Diagnosis:
    say = progress or silent
    stacks = _snapshots(settings, models[0])
    notes: list[str] = []
    if settings.engine.kind != "local":
        reference, current = pushed_windows(reference, current, settings, notes)
    elif is_auto(current):
        say("looking for the day on which it began")
        windows = find_windows(reference, settings)
        reference, current = windows.reference, windows.current
        notes.append(windows.note)
    say("opening both windows")
    stored = open_stored(reference, current, settings)
    if stored is not None:
        return diagnose_stored(stored, settings, stacks, notes, progress, quick=quick, ask=ask)
    opened = open_windows(reference, current, settings, match=settings.windows.match)
    model, unread = _replayable(models[0], opened, settings)
    case = Case(opened, settings, model, models[1], stacks)
    check_scores(case)
    case.notes += [*notes, *unread]
    check_functions(case)
    say("profiling every row")
    first = len(case.notes)
    checks = CheckRun(case, progress, quick=quick)
    judgement, request = consult(case, judge(case), ask)
    judgement, subject, explanation = _explained(case, judgement, progress)
    outcomes = checks.finish()
    case.notes[first:] = sorted(case.notes[first:])  # the same whoever came upon it first
    diagnosis = _diagnosis(case, subject, judgement, explanation, outcomes)
    unsure = diagnosis.verdict == Verdict.INCONCLUSIVE  # a cause may have decided it
    return diagnosis.model_copy(update={"label_request": request if unsure else None})


def _explained(case: Case, judgement: Judgement, progress: Progress | None) -> tuple[Judgement, Case, Explanation]:
    """The judgement, the rows that it is about, and their explanation.

    Where only a part got worse for certain, and no fault is what cost it most, what is wrong for certain may have cost the whole,
    which the days are too noisy to show: then the whole is what is explained.
    """
    subject = case if judgement.segment is None else case.within(judgement.segment)
    found = find_causes(subject, judgement.target, degraded=judgement.verdict.bad, progress=progress)
    certain = found.own_change is not None or any(fault.exact for fault in (*found.faults, *found.harmless))
    first = next(iter(Presenter(subject, judgement.target, found, ()).causes()), None)
    by_the_world = first is None or first.kind.family == "the world"
    whole_asked = judgement.verdict == Verdict.DEGRADED_IN_PART and by_the_world
    if not whole_asked or not (certain or found.traffic or found.harmless_traffic):
        return judgement, subject, found
    headline = replace(
        judgement,
        verdict=headline_verdict(case, judgement.change) if judgement.change is not None else Verdict.INCONCLUSIVE,
        target=case.metric,
        target_change=judgement.change,
        parts=(),
        segment=None,
    )
    whole = find_causes(case, case.metric, degraded=False, progress=progress)
    causes = Presenter(case, case.metric, whole, ()).causes()
    if _verdict(case, case, headline, whole, causes) == Verdict.DEGRADED:
        if judgement.parts:
            parts = say.listed([f"{part.kind} {part.name}" for part in judgement.parts])
            case.notes.append(
                f"all rows are explained, since what is named cost them all; {parts} got worse for certain as well"
            )
        return headline, case, whole
    return judgement, subject, found


def _verdict(
    case: Case, subject: Case, judgement: Judgement, explanation: Explanation, causes: tuple[Cause, ...]
) -> Verdict:
    return proof.verdict_with(
        causes,
        judgement.verdict,
        judgement.change,
        materiality.Scale(judgement.target, None, case.problem.min_effect),
        labels=case.has_labels,
        needs_proof=judgement.needs_proof,
        artefact=explanation.proving,
        answers_lost=answers_lost(subject),
        certain=frozenset((f.kind, frozenset(f.features)) for f in explanation.faults if f.exact),
    )


def _replayable(model: Any, opened: WindowPair, settings: Settings) -> tuple[Any, list[str]]:
    """The saved model; none where the log holds what it was given after preprocessing and not the raw rows."""
    columns = opened.current.kinds.keys() & opened.reference.kinds.keys()
    missing = [c for c in (model.features or ()) if c not in columns] if model is not None else []
    if not missing or settings.model.inputs is None:
        return model, []
    return None, [
        f"the saved model takes {say.listed(missing)}, of which the log holds no raw values: it cannot be replayed, so a "
        "refitted scaler, a rebuilt encoder and another model cannot be distinguished from each other or from data that changed; "
        "log the raw rows, or compare snapshots of both stacks"
    ]


def _snapshots(settings: Settings, model: Any) -> tuple[Snapshot, Snapshot] | None:
    """Both snapshots; of the former stack the saved model alone will do."""
    artifacts = settings.artifacts
    own = None
    if model is not None and artifacts.current_snapshot is not None and artifacts.reference_snapshot is None:
        own = snapshot(model, golden=0, repository=None, env=())
    return load_snapshots(artifacts.reference_snapshot, artifacts.current_snapshot, settings.base, own)


def _diagnosis(
    case: Case, subject: Case, judgement: Judgement, explanation: Explanation, outcomes: tuple[Outcome, ...]
) -> Diagnosis:
    """``subject`` is the case that the causes were looked for in: the whole, or the rows of the segment that got worse."""
    presenter = Presenter(subject, judgement.target, explanation, outcomes)
    verdict, named_causes, suspects, harmless = _causes(case, subject, judgement, explanation, presenter)
    causes, harmless = add_output_changes(case, named_causes, harmless)
    beside = (
        *describe_unanswered(case),
        *sentences(case, outcomes),
        *describe_output_changes(case, causes, named_causes),
    )
    onset = add_commits(subject, incident_onset(subject, judgement.target, causes)) if verdict.bad else None
    metric = metric_change(case, judgement)
    looked_at = WindowCounts(reference=subject.reference.sample.height, current=subject.current.sample.height)
    unread = too_few(looked_at, "" if judgement.segment is None else f" where {judgement.segment}")
    reason = judgement.caveats[-1] if judgement.caveats else ""
    rest = explanation.unexplained if causes or verdict.bad else explanation.change
    unexplained = None if rest is None or not isfinite(rest.value) else rest.estimate(presenter.sampled)
    paired_only = verdict != judgement.verdict
    summary = words.verdict_sentence(
        verdict,
        metric,
        judgement.target,
        judgement.parts,
        named_causes,
        reason,
        paired_only=paired_only,
        too_few=unread,
        suspects=suspects,
    )
    return Diagnosis(
        model=case.settings.model.name,
        verdict=verdict,
        summary=" ".join((summary, *beside)),
        parts=judgement.parts if verdict == Verdict.DEGRADED_IN_PART else (),
        warnings=tuple(
            dict.fromkeys((*failures(case), *sentences(case, outcomes), *case.warnings, *warnings_of(outcomes)))
        ),
        decision=words.decide(verdict, causes, suspects, reason, judgement.target, too_few=unread),
        metric=metric,
        detectable=detectable(case, judgement),
        onset=onset,
        causes=mark_coinciding(causes, onset),
        unexplained=unexplained,
        suspects=suspects,
        harmless=harmless,
        checks=outcomes,
        inputs=inputs_of(case, _notes(case, judgement, explanation)),
        waterfall=waterfall(judgement, causes, unexplained) if verdict.bad else None,
    )


def _causes(
    case: Case, subject: Case, judgement: Judgement, explanation: Explanation, presenter: Presenter
) -> tuple[Verdict, tuple[Cause, ...], tuple[Suspect, ...], tuple[Cause, ...]]:
    """The verdict in the light of the causes, those that are named or suspected, and faults that cost nothing."""
    causes, harmless = presenter.causes(), presenter.harmless()
    if judgement.verdict.bad and not any(cause.kind.family == "our own change" for cause in causes):
        change = None if judgement.change is None else judgement.change.estimate
        causes = (*causes, *find_suspects(subject, causes, change))
    if judgement.segment is not None:
        causes, harmless = (restrict_to_segment(some, judgement.segment, case, subject) for some in (causes, harmless))
    verdict = _verdict(case, subject, judgement, explanation, causes)
    labelled = case.current.window.labelled > 0
    named, doubted, harmless = proof.name_causes(verdict, causes, harmless, current_labels=labelled)
    unsure = verdict.bad or verdict == Verdict.INCONCLUSIVE
    suspects = presenter.suspects(doubted) if unsure else ()
    if (
        judgement.segment is not None
    ):  # nothing is doubted under its verdict, so that all of these are of the segment alone
        suspects = restrict_to_segment(suspects, judgement.segment, case, subject)
    return verdict, named, suspects, harmless


def _notes(case: Case, judgement: Judgement, explanation: Explanation) -> list[str]:
    models = [m for m in (case.reference_model, case.current_model) if m is not None]
    remarks = [remark for model in models for remark in model.remarks]
    notes = [*case.notes, *remarks, *judgement.caveats, *explanation.notes, *unused_settings(case.settings)]
    constant = [c for c, pair in case.pairs.items() if pair.constant_before and pair.current.n_unique() <= 1]
    if constant:
        notes.append(f"constant in both windows: {', '.join(constant[:10])}")
    missing = [c for c in case.problem.features if c not in case.pairs]
    if missing:
        notes.append(f"columns left alone because of their type: {', '.join(missing[:10])}")
    return notes
