"""Embeddings come from another encoder, in another dimension, or otherwise scaled than in training.

**Recognised** in columns of vectors of one dimension:

- *another dimension* in nearly all rows;
- *no longer of length 1*, in all rows or some, where all were; *of length 1 now*, where they were not;
- *rescaled*: every norm is one multiple of what it was, and the directions lie where they lay;
- *another encoder*: rows with one text or id in both windows have other vectors; or the words of the text beside them (or the
  values of the other columns) lead to other vectors than they did, as firmly as before; or all vectors lie where none lay
  while no other column moved.

**Natural drift** brings other topics: other rows, in the same space, where the same words lead to the same places. It is told
from another encoder by what stands beside the vectors; where nothing does, no encoder is accused.

**Repair** normalises, rescales, or turns the space back where a rotation explains the change; else vectors are what the old
encoder would roughly have made of the text beside them, and the price comes from the **injection**: the same done to the
reference.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from backslide.case import Case
from backslide.causes.columns import edit
from backslide.causes.columns.embedding_space import SpaceChange, find_space_change
from backslide.causes.faults.base import Hypothesis, Signature
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.vectors import exact_matrix, lengths, usual_length, write
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario
from backslide.playbook.drift.embedding import embedding_columns
from backslide.playbook.drift.embedding.embedding_columns import VectorFacts, Vectors
from backslide.stats.arrays import Floats, Mask
from backslide.stats.text.embeddings import directions_of, strangers
from backslide.stats.two_sample import KS_LIMIT_1_PERCENT, ks, ks_limit

MOSTLY = 0.9
"""Share of the vectors that must have another dimension."""
ALL, UNIT = 0.99, 1e-3
"""Share of vectors of length 1 where all are, and how far the norm of one may be from 1."""
SOME = 0.02
"""Share of vectors that must have lost their length of 1."""
FACTOR = 1.5
"""Multiple of the norms from which on it is no drift of topics."""
REMAINS = 0.1
"""Share of the moved distance of the norms that may remain once they are rescaled."""
AMONG = 0.1
"""Share of the directions that may lie where none lay for a change of norms alone."""


@dataclass(frozen=True)
class VectorChange:
    """What happened to the vectors of a column."""

    seen: str
    undo: str
    evidence: str
    rows: Mask
    reversible: bool
    params: dict[str, Any]


class EmbeddingChange(Signature):
    kind = CauseKind.PREPROCESSING_CHANGE
    title = "Embeddings of another encoder"

    def recognise(self, case: Case) -> Iterable[Hypothesis]:
        """At most one hypothesis per column of embeddings; nothing is read within parts of the samples."""
        if any(_part(case, side) for side in (0, 1)):
            return
        for column in embedding_columns.embedding_columns(case):
            found = _find_change(case, column)
            if found is not None:
                yield Hypothesis(
                    signature=self,
                    features=(column,),
                    seen=f"{column} {found.seen}",
                    undo=found.undo,
                    evidence=(found.evidence,),
                    exact=True,
                    reversible=found.reversible,
                    rows=found.rows,
                    params={"size": embedding_columns.dimension(case, column), **found.params},
                )

    def repair(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Undo it on the rows concerned."""
        (column,) = hypothesis.features
        params = hypothesis.params
        now = params.get("now", params["size"])
        rows = np.asarray((lengths(frame[column]) == now) & hypothesis.rows[: frame.height])
        if not rows.any():
            return frame
        x = exact_matrix(frame[column].filter(pl.Series(rows)), now)
        return write(frame, column, rows, _undo(case, hypothesis, frame.filter(pl.Series(rows)), x))

    def inject(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Do it to the same share of the reference."""
        (column,) = hypothesis.features
        hit = edit.likely_rows(case, hypothesis.rows, hypothesis.features, hypothesis.params.get("rate", 1.0))
        rows = np.asarray(hit & (lengths(frame[column]) == hypothesis.params["size"]))
        if not rows.any():
            return frame
        x = exact_matrix(frame[column].filter(pl.Series(rows)), hypothesis.params["size"])
        return write(frame, column, rows, _do(case, hypothesis, frame.filter(pl.Series(rows)), x))

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Vectors come unnormalised; the model reads the channel from them."""
        current = _with_channels(scenarios.next_month(rng), rng, unit=False)
        reference = _with_channels(scenarios.served(rng), rng, unit=True)
        frames = [scenarios.rescored(frame, _VectorReader()) for frame in (reference, current)]
        roles = dict(scenarios.ROLES) | {"features": ["income", "age", "premium", "vector"]}
        return Scenario(frames[0], frames[1], roles, _VectorReader(), "vector")


def _part(case: Case, side: int) -> bool:
    """Whether only some of the sampled rows are looked at."""
    own = case.sides[side]
    return own.sample.height < min(own.window.rows, case.settings.engine.sample_rows)


def _find_change(case: Case, column: str) -> VectorChange | None:
    before, after = (embedding_columns.facts(case, side, column) for side in case.sides)
    d, now = embedding_columns.dimension(case, column), usual_length(after.size)
    if now != d:
        share = float((after.size[after.known] == now).mean()) if after.known.any() else 0.0
        if share < MOSTLY or int(after.known.sum()) < edit.MIN_ROWS:
            return None
        return VectorChange(
            f"holds vectors of {now} numbers, {d} before: another encoder or another setting of it",
            f"take vectors of the former {d} numbers",
            f"DRF014:{column} dimension",
            after.size == now,
            False,
            {"now": now},
        )
    held = embedding_columns.vectors(case, column)
    if held is None:
        return None
    norm = _norms(column, before, after, held)
    if norm is not None and norm.params.get("certain"):
        return norm
    space = find_space_change(case, held)
    if space is not None:
        return _other(column, space, after, d)
    return norm


def _norms(column: str, before: VectorFacts, after: VectorFacts, held: Vectors) -> VectorChange | None:
    """Another length of the vectors, whose directions are what they were."""
    usable = [f.finite & (f.norm > 0) & (f.size == held.x[0].shape[1]) for f in (before, after)]
    unit = [usable_ & (np.abs(f.norm - 1) <= UNIT) for usable_, f in zip(usable, (before, after), strict=True)]
    share = [float(u.sum() / max(int(k.sum()), 1)) for u, k in zip(unit, usable, strict=True)]
    key = f"DRF014:{column} norm"
    if strangers(directions_of(held.x[0]), directions_of(held.x[1])) > AMONG:
        return None
    if share[0] >= ALL and share[1] <= 1 - SOME:
        rows = usable[1] & ~unit[1]
        where = "" if rows.mean() > 0.98 else f" on {say.percent(float(rows.mean()))} of the rows"
        return VectorChange(
            f"is no longer normalised{where}: median norm {say.number(float(np.median(after.norm[rows])), 3)}, 1 before",
            f"divide {column} by its norm",
            key,
            rows,
            True,
            {
                "norms": after.norm[rows],
                "rate": 1.0 if not where else float(rows.mean()),
                "way": "unit",
                "certain": True,
            },
        )
    if share[1] >= ALL and share[0] <= 0.5:
        middle = float(np.median(before.norm[usable[0]]))
        return VectorChange(
            f"is normalised now: every vector of length 1, median norm {say.number(middle, 3)} before",
            "give vectors the former median norm",
            key,
            usable[1],
            False,
            {"norm": middle, "way": "normalised", "certain": True},
        )
    logs = [np.log(f.norm[k]) for f, k in zip((before, after), usable, strict=True)]
    factor = float(np.exp(np.median(logs[1]) - np.median(logs[0])))
    if abs(np.log(factor)) < np.log(FACTOR):
        return None
    apart = ks(np.sort(logs[0]), np.sort(logs[1]))
    left = ks(np.sort(np.round(logs[0], 5)), np.sort(np.round(logs[1] - np.log(factor), 5)))
    noise = ks_limit(len(logs[0]), len(logs[1]), KS_LIMIT_1_PERCENT)
    spread = float(np.std(logs[0]))
    if spread > 1e-4 and left > max(REMAINS * apart, noise):
        return None
    return VectorChange(
        f"is {say.number(factor, 4)} times as long as it was",
        f"divide {column} by {say.number(factor, 4)}",
        key,
        usable[1],
        True,
        {"factor": factor, "way": "scaled", "certain": True},
    )


def _other(column: str, space: SpaceChange, after: VectorFacts, d: int) -> VectorChange:
    rows = after.finite & (after.size == d)
    undo = "turn the space back" if space.rotation is not None else f"embed {column} with the former encoder"
    return VectorChange(
        f"comes from another encoder: {space.words}",
        undo,
        f"DRF013:{column}",
        rows,
        space.rotation is not None,
        {"space": space, "way": "space"},
    )


def _undo(case: Case, hypothesis: Hypothesis, part: pl.DataFrame, x: Floats) -> Floats:
    """Vectors (k, d) as they were, of the rows ``part``."""
    params = hypothesis.params
    way, size = params.get("way"), np.linalg.norm(x, axis=1, keepdims=True)
    if way == "unit":
        return x / np.where(size > 0, size, 1.0)
    if way == "normalised":
        return np.asarray(x * params["norm"])
    if way == "scaled":
        return np.asarray(x / params["factor"])
    space: SpaceChange | None = params.get("space")
    if space is not None and space.rotation is not None:
        return space.rotation.undo(x)
    if space is not None and space.old is not None:
        return _as_long(case, hypothesis.features[0], space.old(case, part))
    known = _usual(case.reference.sample, hypothesis.features[0], params["size"])
    return known[case.rng(f"vectors instead of {hypothesis.features[0]}").integers(len(known), size=len(x))]


def _do(case: Case, hypothesis: Hypothesis, part: pl.DataFrame, x: Floats) -> Floats:
    """Reference vectors (k, d) with the fault done to them."""
    params, column = hypothesis.params, hypothesis.features[0]
    way = params.get("way")
    rng = case.rng(f"fault of {column}")
    if way == "unit":
        return x * rng.choice(params["norms"], len(x))[:, None]
    if way == "normalised":
        size = np.linalg.norm(x, axis=1, keepdims=True)
        return x / np.where(size > 0, size, 1.0)
    if way == "scaled":
        return np.asarray(x * params["factor"])
    space: SpaceChange | None = params.get("space")
    if space is not None and space.rotation is not None:
        return space.rotation.apply(x)
    if space is not None and space.new is not None:
        return _as_long(case, column, space.new(case, part))
    now = _usual(case.current.sample, column, params.get("now", params["size"]))
    return now[rng.integers(len(now), size=len(x))]


def _usual(frame: pl.DataFrame, column: str, size: int) -> Floats:
    known = exact_matrix(frame[column].filter(pl.Series(lengths(frame[column]) == size)), size)
    known = known[np.isfinite(known).all(axis=1)]
    return known if len(known) else np.zeros((1, size))


def _as_long(case: Case, column: str, made: NDArray[np.float32]) -> Floats:
    """Guesses, which are short of what they guess, with the usual norm of the reference."""
    norm = embedding_columns.facts(case, case.reference, column).norm
    size = np.linalg.norm(made, axis=1, keepdims=True)
    return np.asarray(made / np.where(size > 0, size, 1.0) * float(np.nanmedian(norm)), np.float64)


def _with_channels(frame: pl.DataFrame, rng: np.random.Generator, *, unit: bool) -> pl.DataFrame:
    """A vector per row whose first numbers say the channel, of length 1 if ``unit``."""
    code = np.array([("web", "phone", "branch", "partner").index(c) for c in frame["channel"]])
    made = 0.1 * rng.standard_normal((frame.height, 12))
    made[np.arange(frame.height), code] += 1.0
    made /= np.linalg.norm(made, axis=1)[:, None]
    if not unit:
        made *= rng.uniform(0.3, 0.7, frame.height)[:, None]
    return frame.with_columns(pl.Series("vector", made).arr.to_list())


class _VectorReader(scenarios.TrueModel):
    """The true model, which finds the channel in the vector."""

    feature_names_in_ = np.array(["income", "age", "premium", "vector"])

    def predict_proba(self, frame: Any) -> Floats:
        """Scores (n, 2); a vector that says none of three channels clearly counts as "partner"."""
        vectors = np.stack([np.asarray(v, float) for v in frame["vector"]])
        said = np.array(["web", "phone", "branch"], object)[vectors[:, :3].argmax(axis=1)]
        channel = np.where(vectors[:, :3].max(axis=1) > 0.65, said, "partner")
        given = {name: np.asarray(frame[name]) for name in ("income", "age")}
        return super().predict_proba(given | {"channel": channel})
