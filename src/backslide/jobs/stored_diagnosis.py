"""The main job where the reference is a stored profile: verdict and every check that counts and sums answer.

Causes are priced on rows of the reference, so none is looked for; the checks that need rows are listed as not applicable.
"""

from __future__ import annotations

from pathlib import Path

from backslide.case import Case, Progress
from backslide.causes.reporting import sentences as words
from backslide.contracts.config import Settings
from backslide.contracts.diagnosis import Diagnosis, Verdict
from backslide.contracts.errors import ConfigError, NoRowsError
from backslide.contracts.snapshot import Snapshot
from backslide.engine.window import WindowPair
from backslide.jobs.diagnosis_parts import inputs_of, metric_change, unused_settings, warnings_of
from backslide.jobs.prelude import silent
from backslide.jobs.verdict import Judgement, detectable, judge
from backslide.playbook.runner import run_checks
from backslide.playbook.verify.label_coverage import sentences

NO_CAUSE = "No cause was looked for: causes are priced on the rows of the reference, and a stored profile holds none."


def diagnose_stored(
    opened: WindowPair,
    settings: Settings,
    stacks: tuple[Snapshot, Snapshot] | None,
    notes: list[str],
    progress: Progress | None,
    *,
    quick: bool,
    ask: Path | None,
) -> Diagnosis:
    """What counts and sums say about two windows, of which the reference at least is a stored profile.

    Raises:
        ConfigError: rows are asked to be labelled, or weekdays to be matched.
    """
    if ask is not None:
        raise ConfigError(
            "--ask learns from the rows of the reference which current ones to label, and a stored profile holds none"
        )
    if settings.windows.match is not None:
        raise ConfigError(
            "[windows] match leaves rows out, and the reference is a stored profile; name its days instead"
        )
    say = progress or silent
    case = Case(opened, settings, snapshots=stacks)
    case.notes += [*notes, *_unread(settings)]
    say("profiling every row of the current window")
    outcomes = run_checks(case, progress, quick=quick)
    judgement = _judgement(case)
    metric, reason = metric_change(case, judgement), judgement.caveats[-1] if judgement.caveats else ""
    bad = judgement.verdict.bad
    summary = words.verdict_sentence(
        judgement.verdict, metric, judgement.target, judgement.parts, (), reason, too_few=NO_CAUSE if bad else ""
    )
    return Diagnosis(
        model=settings.model.name,
        verdict=judgement.verdict,
        summary=" ".join((summary, *sentences(case, outcomes))),
        parts=judgement.parts if judgement.verdict == Verdict.DEGRADED_IN_PART else (),
        warnings=tuple(dict.fromkeys((*sentences(case, outcomes), *case.warnings, *warnings_of(outcomes)))),
        decision=words.decide(judgement.verdict, (), (), reason, judgement.target, too_few=NO_CAUSE if bad else ""),
        metric=metric,
        detectable=detectable(case, judgement),
        checks=outcomes,
        inputs=inputs_of(case, [*case.notes, *judgement.caveats, NO_CAUSE, *unused_settings(case.settings)]),
    )


def _unread(settings: Settings) -> list[str]:
    """What the configuration names and a stored reference cannot answer."""
    artifacts = settings.artifacts
    saved = {"reference_model": artifacts.reference_model, "current_model": artifacts.current_model}
    return [
        f"[artifacts] {key} is set and not asked: a model is replayed on rows of both windows, and a stored profile holds none"
        for key, value in saved.items()
        if value is not None
    ]


def _judgement(case: Case) -> Judgement:
    """The verdict; none where the metric itself needs rows."""
    try:
        return judge(case)
    except NoRowsError as error:
        return Judgement(Verdict.INCONCLUSIVE, None, case.metric, None, (), (f"{case.metric.name} {error}",))
