"""What two snapshots of the serving stack say about a change of our own.

Replay proves that another computation answered; the snapshots say which: a refitted scaler, another preprocessing, another
library rather than another model. Without a replay, a difference that is likely to hurt is suspected, never priced.

`library_change`, `code_change` and `config_change` are named from `[artifacts] reference_snapshot` and `current_snapshot` alone:
`library_change` is proven where golden rows come out otherwise, or where the saved model with the second snapshot's fitted steps
gives what was served; commits and settings are told beside the onset and suspected where nothing else explains the drop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from backslide.case import Case
from backslide.causes.replay.base import OwnChange
from backslide.causes.replay.model_or_threshold import stand_in_is_faithful
from backslide.contracts.cause import Cause, CauseKind, Confidence
from backslide.contracts.diagnosis import Onset
from backslide.contracts.integrity import StackDifference
from backslide.contracts.moments import parse_moment
from backslide.playbook.integrity.differences import compare_snapshots, worth_naming
from backslide.playbook.shadow.replay import replay_rows
from backslide.stack.restore import with_state

MOST_SUSPECTS = 3
EXPLAINED = 0.75
"""Share of the change from which data faults leave nothing to suspect."""
MOST_EVENTS = 3
CLOSE = timedelta(days=3)
"""How far from the onset's interval a commit may lie to be told beside it."""
_CODES = {"fitted": "INT003", "artefact": "INT003", "repository": "INT002"}
_INNER = (CauseKind.SCALER_REFIT, CauseKind.PREPROCESSING_CHANGE, CauseKind.LIBRARY_CHANGE)


def name_by_snapshots(case: Case, found: OwnChange | None) -> OwnChange | None:
    """A model change under the more specific name that the snapshots give it, where they leave one only."""
    if found is None or found.kind != CauseKind.MODEL_CHANGE or case.snapshots is None:
        return found
    differences = compare_snapshots(case).differences
    inner = [d for d in differences if d.kind in _INNER and d.where in ("fitted", "environment") and d.risk == "likely"]
    other_model = any(d.kind == CauseKind.MODEL_CHANGE for d in differences)
    if other_model or not inner or not all(snapshot.fitted for snapshot in case.snapshots):
        return found
    best = min(inner, key=lambda d: (d.kind.precedence, -d.score))
    if best.kind == CauseKind.LIBRARY_CHANGE and not best.proven:
        return replace(found, evidence=(*found.evidence, *_keys(inner)))  # a lead; the artefact may differ all the same
    together = [d for d in inner if d.kind == best.kind]
    others = [d for d in inner if d.kind != best.kind]
    sure = best.kind == CauseKind.LIBRARY_CHANGE or _reproduced(case)
    meaning = "; ".join(d.meaning.rstrip(".") for d in together[:3])
    return replace(
        found,
        kind=best.kind,
        features=tuple(dict.fromkeys(f for d in together for f in d.features)),
        undo=f"serve {' and '.join(d.subject for d in together[:3])} of the first snapshot",
        seen=f"{meaning} (between the snapshots); {found.seen.split(': another model')[0]}",
        evidence=(*_keys(together), *_keys(others), *found.evidence),
        confidence=Confidence.PROVEN if sure else Confidence.SUPPORTED,
    )


def _reproduced(case: Case) -> bool:
    """Whether the saved model with the steps of the second snapshot gives what was served."""
    assert case.snapshots is not None
    if case.reference_model is None:
        return False
    model = with_state(case.reference_model, *case.snapshots)
    return model is not None and replay_rows(case, model, case.current).agrees


def find_suspects(case: Case, causes: Sequence[Cause], change: float | None) -> tuple[Cause, ...]:
    """Differences that are likely to hurt, where no replay can tell: suspected, or supported where golden rows changed.

    None where data faults account for most of the ``change`` of the metric: then there is nothing left to suspect.
    """
    faults = sum(c.points.estimate for c in causes if c.points is not None and c.kind.family == "data fault")
    if change and faults / change >= EXPLAINED:
        return ()
    if case.snapshots is None or (case.reference_model is not None and stand_in_is_faithful(case)):
        return ()
    named = {cause.kind for cause in causes}
    likely = [d for d in worth_naming(compare_snapshots(case).differences) if d.kind not in named]
    chosen: dict[CauseKind, StackDifference] = {}
    for difference in likely:
        chosen.setdefault(difference.kind, difference)
    ordered = sorted(chosen.values(), key=lambda d: (not d.proven, d.kind.precedence))[:MOST_SUSPECTS]
    return tuple(_suspected(difference, len(causes) + i) for i, difference in enumerate(ordered, 1))


def _suspected(difference: StackDifference, rank: int) -> Cause:
    confidence = Confidence.SUPPORTED if difference.proven else Confidence.SUSPECTED
    how = "golden rows are answered otherwise" if difference.proven else "suspected, not tried out"
    return Cause(
        rank=rank,
        kind=difference.kind,
        features=difference.features,
        points=None,
        confidence=confidence,
        summary=f"{difference.meaning.rstrip('.')}; {how}, and without a replay of logged rows it has no price.",
        evidence=tuple(_keys([difference])),
        next_step=difference.kind.remedy,
    )


def add_commits(case: Case, onset: Onset | None) -> Onset | None:
    """The onset with the commits made shortly before or within it."""
    if onset is None or case.snapshots is None:
        return onset
    low, high = parse_moment(onset.low or onset.at), parse_moment(onset.high or onset.at) + timedelta(days=1)
    told = []
    for difference in compare_snapshots(case).differences:
        commit = difference.commit
        if commit is None or difference.where != "repository" or difference.risk == "unlikely":
            continue
        at = parse_moment(commit.committed_at)
        if low - CLOSE <= at <= high:
            told.append(f"commit {commit.sha[:10]} “{commit.subject}” made {at:%Y-%m-%d %H:%M} UTC")
    return onset.model_copy(update={"events": (*onset.events, *told[:MOST_EVENTS])}) if told else onset


def _keys(differences: Sequence[StackDifference]) -> list[str]:
    return [f"{_CODES.get(d.where, 'INT001')}:{d.subject}" for d in differences]
