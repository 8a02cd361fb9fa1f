"""The same rows under both stacks: whether anything of what differs matters, and what of it is proven to."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.contracts.integrity import GoldenReplay, StackDifference
from backslide.contracts.snapshot import Golden, Number, Snapshot
from backslide.stack.compare_settings import PATHS
from backslide.stack.compare_steps import as_logged
from backslide.stack.likelihood import difference, reweigh

Array = NDArray[Any]

TOLERANCE = 1e-6
"""Of scores; the last bits may differ between machines."""
_MACHINE = ("python", "implementation", "machine", "platform")
MOVED = 1e-6
"""Relative difference from which an input of the last step counts as another."""


def compare_golden(a: Golden | None, b: Golden | None) -> GoldenReplay | None:
    """Rows that both hold, and how their answers compare; None where there are none, or none holds an answer."""
    if a is None or b is None:
        return None
    places = {key: i for i, key in enumerate(b.keys)}
    rows = [(i, places[key]) for i, key in enumerate(a.keys) if key in places]
    if not rows:
        return None
    old, new = (np.array([pair[side] for pair in rows]) for side in (0, 1))
    gaps = _gaps(a, b, old, new)
    flips = [a.predictions[i] != b.predictions[j] for i, j in rows] if _both(a.predictions, b.predictions) else []
    if gaps is None and not flips:  # scores that no classes name, say
        return None
    if gaps is None:
        gaps = np.array([1.0 if flip else 0.0 for flip in flips])
    inputs_equal, columns = _inputs(a, b, rows)
    return GoldenReplay(
        rows=len(rows),
        equal=int((gaps <= TOLERANCE).sum()),
        largest=float(gaps.max(initial=0.0)),
        flips=_flips(a, b, rows, flips),
        inputs_equal=inputs_equal,
        moved=columns,
    )


def weigh_by_replay(
    differences: list[StackDifference], a: Snapshot, b: Snapshot, replay: GoldenReplay
) -> list[StackDifference]:
    """The differences in the light of the replay."""
    if replay.equal == replay.rows:
        return [_harmless(d, replay) for d in differences]
    inner = [d for d in differences if d.where == "fitted"]
    made_of = {*_MACHINE, *(n for s in (a, b) for n in (*s.environment.imported, *s.environment.needed))}
    libraries = [d for d in differences if d.where == "environment" and d.subject in made_of]
    sentence = answers(replay)
    if inner:
        return [_of_state(d, inner, libraries, replay, sentence) for d in differences]
    if libraries and not any(d.where == "artefact" for d in differences):
        alone = len(libraries) == 1 and not any(d.where == "repository" for d in differences)
        why = f"{sentence}, by the same artefact" + (
            "" if alone else "; it or another of the changes beside it is the reason"
        )
        columns = as_logged(replay.moved, tuple(a.golden.dtypes) if a.golden is not None else ())
        return [
            reweigh(d, 0.97 if alone else 0.75 + d.score * 0.2, why, proven=alone, features=columns)
            if d in libraries
            else d
            for d in differences
        ]
    if not any(d.risk != "unlikely" for d in differences) or not differences:
        return [*differences, _unexplained_difference(a, sentence)]
    return differences


def answers(replay: GoldenReplay) -> str:
    """``20 of 24 golden rows get other scores (by up to 0.31), 5 of them a different prediction``."""
    other = replay.rows - replay.equal
    words = f"{other} of {replay.rows} golden rows get different answers (by up to {say.number(replay.largest, 2)})"
    return words + (f", {replay.flips} of them a different prediction" if replay.flips else "")


def _harmless(one: StackDifference, replay: GoldenReplay) -> StackDifference:
    same = f"all {replay.rows} golden rows get the same answers"
    if one.where in ("environment", "artefact"):
        return reweigh(one, one.score * 0.2, same)
    if one.where == "variables" and one.subject in PATHS:
        return reweigh(one, one.score * 0.3, same)
    if one.where == "fitted":
        return reweigh(one, min(one.score * 0.6, 0.6), f"{same}, which does not settle rows of other kinds")
    return one


def _of_state(
    one: StackDifference,
    inner: list[StackDifference],
    libraries: list[StackDifference],
    replay: GoldenReplay,
    sentence: str,
) -> StackDifference:
    if one not in inner:
        return one
    before_model = one.kind != CauseKind.MODEL_CHANGE
    if before_model and replay.inputs_equal:
        return reweigh(one, one.score * 0.4, "the model is given the same numbers for the golden rows")
    if before_model and any(d.kind == CauseKind.MODEL_CHANGE for d in inner):
        return one  # the model was fitted on its new outputs: whatever changed the answers, it is told of the model
    alone = len({d.kind == CauseKind.MODEL_CHANGE for d in inner}) == 1 and not libraries
    proven = alone and (replay.inputs_equal is not before_model if replay.inputs_equal is not None else True)
    return reweigh(one, max(one.score, 0.8) + (0.1 if proven else 0), sentence, proven=proven)


def _unexplained_difference(a: Snapshot, sentence: str) -> StackDifference:
    function = a.artefact is not None and a.artefact.kind == "function"
    return difference(
        CauseKind.CODE_CHANGE if function else CauseKind.MODEL_CHANGE,
        "artefact",
        a.name,
        say.sentence(f"{sentence}, and nothing that the snapshots hold differs"),
        0.8,
        "something outside the snapshots differs, or the model does not answer the same twice",
    )


def _gaps(a: Golden, b: Golden, old: Array, new: Array) -> Array | None:
    if a.scores and b.scores and set(a.classes) == set(b.classes):
        order = [b.classes.index(c) for c in a.classes] if a.classes else slice(None)
        x, y = table(a.scores)[old], table(b.scores)[new][:, order]
        return _largest(x, y)
    if not _both(a.predictions, b.predictions):
        return None
    pairs = [(a.predictions[i], b.predictions[j]) for i, j in zip(old, new, strict=True)]
    if not all(isinstance(v, float) or v is None for pair in pairs for v in pair):
        return None
    numbers = np.array([[np.nan if v is None else v for v in pair] for pair in pairs], float)
    size = np.maximum(1.0, np.nan_to_num(np.abs(numbers[:, 0]), nan=1.0))
    return _largest(numbers[:, :1] / size[:, None], numbers[:, 1:] / size[:, None])


def _largest(x: Array, y: Array) -> Array:
    """(n,) largest difference of each row; not answered on one side only counts as 1."""
    gap = np.where(np.isnan(x) & np.isnan(y), 0.0, np.abs(x - y))
    return np.asarray(np.where(np.isnan(gap), 1.0, gap).max(axis=1, initial=0.0))


def _inputs(a: Golden, b: Golden, rows: list[tuple[int, int]]) -> tuple[bool | None, tuple[str, ...]]:
    if not a.transformed or not b.transformed:
        return None, ()
    if a.transformed_columns != b.transformed_columns:
        return False, tuple(c for c in a.transformed_columns if c not in set(b.transformed_columns))[:20]
    pairs = [(i, j) for i, j in rows if i < len(a.transformed) and j < len(b.transformed)]
    if not pairs:
        return None, ()
    x, y = table(a.transformed)[[i for i, _ in pairs]], table(b.transformed)[[j for _, j in pairs]]
    gap = np.where(np.isnan(x) & np.isnan(y), 0.0, np.abs(x - y) / np.maximum(1.0, np.abs(np.nan_to_num(x))))
    worst = np.nan_to_num(gap, nan=1.0).max(axis=0)
    columns = [a.transformed_columns[k] for k in np.argsort(-worst, kind="stable") if worst[k] > MOVED]
    return not columns, tuple(columns[:50])


def _flips(a: Golden, b: Golden, rows: list[tuple[int, int]], by_prediction: list[bool]) -> int:
    numbers = any(isinstance(v, float) for v in a.predictions)
    if by_prediction and not numbers:
        return sum(by_prediction)
    if a.scores and b.scores and a.classes and a.classes == b.classes:
        x, y = table(a.scores), table(b.scores)
        return sum(int(np.argmax(x[i]) != np.argmax(y[j])) for i, j in rows)
    return 0


def _both(a: tuple[object, ...], b: tuple[object, ...]) -> bool:
    return bool(a) and bool(b)


def table(values: tuple[tuple[Number, ...], ...]) -> Array:
    """(n, k) float64 of stored numbers."""
    return np.array([[float(v) for v in row] for row in values], dtype=np.float64)
