"""Two snapshots against each other: every difference, ranked by how likely it hurts and how near to the onset it was made."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.contracts.integrity import GoldenReplay, Integrity, SnapshotIdentity, StackDifference
from backslide.contracts.moments import parse_moment
from backslide.contracts.snapshot import Snapshot
from backslide.contracts.trust import trust_beside_the_name
from backslide.models.load import load_model
from backslide.stack.compare_code import code_differences, link_commits
from backslide.stack.compare_environment import environment_differences
from backslide.stack.compare_golden import answers, compare_golden, weigh_by_replay
from backslide.stack.compare_settings import settings_differences
from backslide.stack.compare_steps import fitted_differences
from backslide.stack.compare_training import training_notes
from backslide.stack.golden import ask_again
from backslide.stack.likelihood import difference, rank_differences, weigh_by_onset
from backslide.stack.mlflow_snapshots import find_snapshot


def integrity(
    a: Snapshot | str | Path,
    b: Snapshot | str | Path,
    *,
    onset: str | None = None,
    repository: str | Path | None = None,
    paths: Iterable[str] = (),
    model: Any = None,
    trusted: bool = False,
    base: str | Path | None = None,
) -> Integrity:
    """What differs between two snapshots: of two moments, or of two environments of one moment.

    Args:
        a: the snapshot from when it was good, a file, or the MLflow address of the model that it was logged with.
        b: the one from when it feels bad, or of the other environment.
        onset: when it began (ISO); changes made shortly before it rank higher.
        repository: the git checkout, for the commits between the two.
        paths: files or folders of the checkout that prepare what the model is given; by default all count.
        model: the artefact of ``b``, asked about the golden rows of ``a`` here and now where ``b`` was not.
        trusted: whether a pickle-based ``model`` may be loaded.
        base: folder that relative paths start from.

    Raises:
        BackslideError: a snapshot, the onset, the checkout or the model cannot be read, in one line.
    """
    folder = Path(base) if base is not None else Path()
    first, second = (find_snapshot(s, folder) for s in (a, b))
    began = None if onset is None else parse_moment(onset, "onset")
    notes: list[str] = [f"{which}: {note}" for which, s in (("first", first), ("second", second)) for note in s.notes]
    every = [
        *fitted_differences(first, second),
        *_artefact(first, second),
        *environment_differences(first, second),
        *settings_differences(first, second, notes),
    ]
    replay = _replay(first, second, model, trusted, folder, notes)
    if replay is not None:
        every = weigh_by_replay(every, first, second, replay)
    code = code_differences(
        first, second, None if repository is None else folder / str(repository), tuple(paths), every, notes
    )
    dated = [weigh_by_onset(d, began) for d in code] if began is not None else code
    differences = rank_differences(link_commits(every, dated) + dated)
    notes += training_notes(first, second)
    return Integrity(
        a=_identity(first),
        b=_identity(second),
        summary=_summary(differences, replay),
        onset=began.isoformat() if began else None,
        differences=differences,
        replay=replay,
        notes=tuple(dict.fromkeys(notes)),
    )


def _identity(snapshot: Snapshot) -> SnapshotIdentity:
    return SnapshotIdentity(
        name=snapshot.name,
        taken_at=snapshot.taken_at,
        commit=None if snapshot.repository is None else snapshot.repository.commit,
        artefact=None if snapshot.artefact is None else snapshot.artefact.sha256,
    )


def _artefact(a: Snapshot, b: Snapshot) -> list[StackDifference]:
    """The file differs and what is inside is not known, or is the same."""
    if a.artefact is None or b.artefact is None:
        return []
    old, new = a.artefact.sha256, b.artefact.sha256
    kinds = a.artefact.kind, b.artefact.kind
    inside = bool(a.fitted and b.fitted)
    if inside and {p.path: p.digest for p in a.fitted} != {p.path: p.digest for p in b.fitted}:
        return []  # told step by step
    if old is None or new is None or old == new:
        return []
    meaning = (
        "another file with the same fitted content" if inside else "another file; what differs inside is not known"
    )
    if not inside and all(kinds) and kinds[0] != kinds[1]:
        meaning = f"{meaning}: {kinds[0]} → {kinds[1]}"
    return [
        difference(
            CauseKind.MODEL_CHANGE,
            "artefact",
            b.artefact.name,
            f"The artefact is {meaning}.",
            0.1 if inside else 0.65,
            "every fitted step is the same" if inside else "the artefact was replaced",
            before=old[:12],
            after=new[:12],
        )
    ]


def _replay(a: Snapshot, b: Snapshot, model: Any, trusted: bool, folder: Path, notes: list[str]) -> GoldenReplay | None:
    if model is not None and a.golden is not None:
        with trust_beside_the_name():
            loaded = load_model(model, trusted=trusted, base=folder)
        notes.append(
            "the golden rows of the first snapshot were asked again here, under the libraries of this environment"
        )
        return compare_golden(a.golden, ask_again(loaded, a.golden))
    replay = compare_golden(a.golden, b.golden)
    if replay is None and (a.golden is not None or b.golden is not None):
        notes.append(
            "the snapshots hold no golden rows in common, so it is unknown whether the differences change an answer; take the "
            "second with --against the first"
        )
    return replay


def _summary(differences: tuple[StackDifference, ...], replay: GoldenReplay | None) -> str:
    if not differences:
        same = " and answer the golden rows alike" if replay is not None and replay.equal == replay.rows else ""
        return f"Nothing differs: both stacks are the same{same}."
    hurting = [d for d in differences if d.risk != "unlikely"]
    tail = f" {say.sentence(answers(replay))}" if replay is not None and replay.equal < replay.rows else ""
    if not hurting:
        return f"{_count(len(differences), 'difference')}, none of which is likely to hurt.{tail}"
    likely = sum(d.risk == "likely" for d in hurting)
    counted = f"{_count(len(differences), 'difference')}, {likely} likely to hurt and {len(hurting) - likely} possibly"
    return f"{counted}. First: {differences[0].meaning}{tail}"


def _count(n: int, word: str) -> str:
    return f"{say.number(n)} {word}{'' if n == 1 else 's'}"
