"""Is it another encoder? Whether vectors of both windows lie in one space, by what stands beside them.

Anchors, the surest first: rows with the same text or id in both windows; running text beside the vectors; other columns. A
natural change of topics brings other rows into the same space; another encoder brings the same rows into another space.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy import sparse

from backslide.case import Case
from backslide.contracts import say
from backslide.engine.columns import names
from backslide.engine.columns.design_matrix import make_design
from backslide.engine.columns.kinds import ColumnKind
from backslide.playbook.drift import change_of_column
from backslide.playbook.drift.embedding.embedding_columns import Vectors
from backslide.playbook.drift.embedding.map import text_beside
from backslide.stats.arrays import Floats, Ints, Mask
from backslide.stats.drift.domain_classifier import separation
from backslide.stats.text.anchor_map import EncoderAgreement, agreement, word_weights
from backslide.stats.text.embeddings import Matrix, Rotation, explained, norms, rotation_between, strangers

LEAST_PAIRS = 30
SAME, DIFFERENT = 0.5, 0.05
"""Share of the pairs with equal vectors from which the encoder is the same, and under which it is another."""
CLOSE = 1e-3
"""Distance of two vectors, as a share of their length, under which they are equal."""
REPEATS = 10
"""Anchors that stand twice in one window, whose vectors must then be equal: else the anchor does not decide the vector."""
WITHIN = 0.05
"""Share of the vectors' variance that anchors must account for in either window."""
ACROSS, BOTH = 0.75, 0.7
"""Slope across over slope within under which maps differ: of the larger of the two directions, and of the smaller. Periods of
two real sets of texts behind one encoder have 1.0 to 1.25; encoders of one kind fitted on overlapping texts .35 to .67."""
COVERED = 0.3
ALL_STRANGE, STRANGE = 0.95, 0.5
"""Share of current vectors that lie where none lay, for the whole window and beside anchors of other columns."""
UNMOVED = 0.6
"""AUC under which the other columns are as they were."""
EXACT, GOOD = 0.99, 0.9
"""Share of the variance of held-out pairs that a map must account for: to restore values, and to be told."""
MOST_ASKED = 2_400
CHARACTERS = 4_000
BINS = 8
MOST_LEVELS = 30
Encode = Callable[[Case, pl.DataFrame], Matrix]


@dataclass(frozen=True)
class SpaceChange:
    """Another encoder: how it is known, and the ways between the spaces."""

    words: str
    rotation: Rotation | None = None
    """Where an orthogonal map explains it to the last digit."""
    old: Encode | None = None
    """What the encoder of the reference would make of rows, roughly, from what stands beside their vectors."""
    new: Encode | None = None


def find_space_change(case: Case, held: Vectors) -> SpaceChange | None:
    """None where the vectors lie in one space, or where nothing tells."""
    paired = _pairs(case, held)
    if paired is not None:
        old, new, same = paired
        if same >= SAME:
            return None
        if same <= DIFFERENT:
            return _from_pairs(old, new)
    text = text_beside(case, held)
    if text is not None:
        return _by_text(case, held, text)
    return _by_columns(case, held)


def _pairs(case: Case, held: Vectors) -> tuple[Matrix, Matrix, float] | None:
    """Vectors of rows with one text or id in both windows (k, d), and the share of them that are equal."""
    for column in _keys(case, held):
        keys = [side.sample[column].gather(at).cast(pl.String) for side, at in zip(case.sides, held.rows, strict=True)]
        place: list[dict[str, int]] = []
        agreed = tried = 0
        for own, x in zip(keys, held.x, strict=True):
            seen: dict[str, int] = {}
            for i, key in enumerate(own.to_list()):
                if key is None or not key.strip():
                    continue
                if key in seen:
                    tried += 1
                    agreed += bool(_equal(x[seen[key]][None], x[i][None])[0])
                else:
                    seen[key] = i
            place.append(seen)
        shared = sorted(place[0].keys() & place[1].keys())
        if len(shared) < LEAST_PAIRS or tried < REPEATS or agreed < EXACT * tried:
            continue
        old, new = (x[[own[key] for key in shared]] for own, x in zip(place, held.x, strict=True))
        return old, new, float(_equal(old, new).mean())
    return None


def _keys(case: Case, held: Vectors) -> list[str]:
    """Columns whose value may decide the vector: running text first, then ids and columns that are no features."""
    text = text_beside(case, held)
    taken = {*case.problem.features, *case.problem.roles.columns().values()} - {case.problem.roles.id}
    kinds = case.reference.window.kinds
    shared = [c for c in case.reference.sample.columns if c in case.current.sample.columns and c in kinds]
    others = [c for c in shared if c not in taken and not c.startswith(names.PREFIX) and c != text]
    plain = [c for c in others if kinds[c] in (ColumnKind.CATEGORICAL, ColumnKind.NUMERIC)]
    return [*([text] if text is not None else []), *plain]


def _equal(one: Matrix, other: Matrix) -> Mask:
    apart = norms(np.asarray(one - other, np.float32))
    return np.asarray(apart <= CLOSE * np.maximum(norms(one), norms(other)) + 1e-12)


def _from_pairs(old: Matrix, new: Matrix) -> SpaceChange:
    share = f"of {len(old)} rows that come in both windows, none or hardly any has its former vector"
    found = rotation_between(old[::2], new[::2])
    fits = explained(old[1::2], np.asarray(found.undo(new[1::2]), np.float32))
    if fits >= EXACT and len(old) // 2 >= old.shape[1]:
        return SpaceChange(f"{share}; a rotation of the space explains all of them", found)
    return SpaceChange(share)


def _by_text(case: Case, held: Vectors, column: str) -> SpaceChange | None:
    asked, x = _thin(held)
    texts = [
        side.sample[column].gather(at).cast(pl.String, strict=False).fill_null("").str.slice(0, CHARACTERS).to_list()
        for side, at in zip(case.sides, asked, strict=True)
    ]
    weigh = word_weights((texts[0], texts[1]))
    found = agreement((weigh(texts[0]), weigh(texts[1])), x)
    if not _differ(found):
        return None

    def by(one: Callable[[Any], Matrix]) -> Encode:
        def encode(case: Case, frame: pl.DataFrame) -> Matrix:
            written = frame[column].cast(pl.String, strict=False).fill_null("").str.slice(0, CHARACTERS)
            return one(weigh(written.to_list()))

        return encode

    words = (
        f"the words of {column} lead to other vectors than they did ({_slopes(found)} of the former agreement is left)"
    )
    return SpaceChange(words, _rotation_of(found, weigh(texts[1]), held, x[1]), by(found.old), by(found.new))


def _by_columns(case: Case, held: Vectors) -> SpaceChange | None:
    if strangers(held.x[0], held.x[1]) < STRANGE:
        return None
    design = make_design(case.pairs.values())
    if not design.columns:
        return None
    asked, x = _thin(held)
    samples = [side.sample[at] for side, at in zip(case.sides, asked, strict=True)]
    matrices = [design.matrix(sample) for sample in samples]
    edges = _edges(matrices[0], design.categorical)

    def cells(frame: pl.DataFrame) -> Any:
        return _one_hot(design.matrix(frame), edges)

    found = agreement((_one_hot(matrices[0], edges), _one_hot(matrices[1], edges)), x)
    if _differ(found):
        turn = _rotation_of(found, _one_hot(matrices[1], edges), held, x[1])
        words = f"rows alike in the other columns have other vectors than they had ({_slopes(found)} of the former agreement)"
        return SpaceChange(words, turn, lambda _, f: found.old(cells(f)), lambda _, f: found.new(cells(f)))
    if strangers(held.x[0], held.x[1]) < ALL_STRANGE or len(design.columns) < 2:
        return None
    days = [None if d is None else d[a] for d, a in zip(change_of_column.both_days(case), asked, strict=True)]
    auc = separation(matrices[0], matrices[1], design.categorical, (days[0], days[1]), case.rng("other columns")).auc
    if auc >= UNMOVED:
        return None
    return SpaceChange("every vector lies where none lay before, while the other columns are as they were")


def _differ(found: EncoderAgreement) -> bool:
    high, low = max(found.across), min(found.across)
    return found.within >= WITHIN and found.covered >= COVERED and high <= ACROSS and low <= BOTH


def _slopes(found: EncoderAgreement) -> str:
    return say.percent(max(*found.across, 0.0), 0)


def _thin(held: Vectors) -> tuple[list[Ints], tuple[Matrix, Matrix]]:
    """Evenly spread rows of both windows: their positions in the samples, and their vectors."""
    kept = [np.unique(np.linspace(0, len(x) - 1, min(len(x), MOST_ASKED)).round().astype(np.int64)) for x in held.x]
    rows = [at[k] for at, k in zip(held.rows, kept, strict=True)]
    return rows, (held.x[0][kept[0]], held.x[1][kept[1]])


def _rotation_of(found: EncoderAgreement, anchors: Any, held: Vectors, new: Matrix) -> Rotation | None:
    """A rotation from what the old encoder would have said to what stands there, where vectors return among the former ones
    and agree with their anchors again."""
    if held.x[0].shape[1] != new.shape[1]:
        return None
    guess = found.old(anchors)
    turn = rotation_between(guess[::2] - guess.mean(axis=0), new[::2] - new.mean(axis=0)).turn
    ratio = float(np.median(norms(new)) / max(float(np.median(norms(held.x[0]))), 1e-300))
    rotation = Rotation(turn, ratio)
    back = np.asarray(rotation.undo(new[1::2]), np.float32)
    return rotation if strangers(held.x[0], back) <= 1 - GOOD else None


def _edges(x: Floats, categorical: Mask) -> list[Floats | None]:
    found: list[Floats | None] = []
    for k in range(x.shape[1]):
        known = x[np.isfinite(x[:, k]), k]
        found.append(
            None
            if categorical[k] or not len(known)
            else np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1]))
        )
    return found


def _one_hot(x: Floats, edges: list[Floats | None]) -> Any:
    parts = []
    for k, edge in enumerate(edges):
        code = (
            np.nan_to_num(x[:, k], nan=MOST_LEVELS) if edge is None else np.searchsorted(edge, np.nan_to_num(x[:, k]))
        )
        place = np.clip(code, 0, MOST_LEVELS).astype(np.int64)
        parts.append(sparse.csr_matrix((np.ones(len(x)), (np.arange(len(x)), place)), (len(x), MOST_LEVELS + 1)))
    return sparse.hstack(parts).tocsr()
