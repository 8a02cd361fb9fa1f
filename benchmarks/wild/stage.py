"""One cell set up: two consecutive windows, the incidents that happen in the second, and what each of them truly changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from faults.pipelines import PREDICTION, World
from wild import truth
from wild.catalogue import NOTHING, of
from wild.cells import NO_LABELS, PERIODS, Cell
from wild.incident import ALL, Incident, Setting
from wild.sets import AT
from wild.truth import Effect
from wild.worlds import MARKED, Windows, consecutive, world_of

TRIES = 16
SLOW_TRIES = 2
"""For stories that train a model."""
LEAST_TOUCHED = 0.01
"""Share of the rows hit that an incident must change to be one."""
BY_FEATURE = 0.5
"""Share of the marked cells in which a level of a feature marks the rows, where one of about the right share is there."""
SHARES = {"40": (0.25, 0.55), "10": (0.05, 0.17)}


@dataclass(frozen=True)
class Staged:
    """All that a diagnosis is given, and what it is held against."""

    cell: Cell
    world: World
    windows: Windows
    current: pl.DataFrame
    """As logged under the incidents, with all labels."""
    incidents: tuple[Incident, ...]
    effects: tuple[Effect, ...]
    metric: str
    share: float
    marker: str | None

    @cached_property
    def logged(self) -> pl.DataFrame:
        """The current window without labels where they have not come."""
        if self.cell.at_hand != NO_LABELS:
            return self.current
        label = self.world.data.label
        return self.current.with_columns(pl.lit(None).cast(self.current.schema[label]).alias(label))


def stage(cell: Cell, cache: Path | None = None) -> Staged:
    """Draw everything by the cell's own chance.

    Raises:
        LookupError: the set has nothing that the story could happen to in this period.
    """
    world = world_of(cell.data, cell.model, cell.seed, cache)
    rng = cell.rng("windows")
    place = float(rng.random())
    if cell.story == NOTHING:
        place = (int(cell.portion.rpartition("-")[2]) + place) / PERIODS
    windows = consecutive(world, place, rng)
    metric = truth.headline(world.data, windows.reference)
    staged = Staged(cell, world, windows, windows.current, (), (), metric, 0.0, None)
    if cell.story == NOTHING:
        return staged
    hit, marker = rows_hit(cell, windows, world)
    setting = Setting(world, windows.reference, windows.current, hit, cell.portion, marker)
    staged = replace(staged, share=float(hit.mean()), marker=marker)
    told: list[tuple[Incident, Effect]] = []
    for name in cell.stories:
        taken = {c for incident, _ in told for c in incident.columns}
        told.append(_told(staged, setting, name, taken))
    incidents = tuple(i for i, _ in told)
    current, _ = happened(staged, setting.hit, incidents)
    effects = tuple(e for _, e in told) if len(told) == 1 else _shared(staged, setting, incidents)
    return replace(staged, incidents=incidents, effects=effects, current=current)


def rows_hit(cell: Cell, windows: Windows, world: World) -> tuple[np.ndarray, str | None]:
    """Mask of the rows, and the column that tells them."""
    rows, rng = windows.current, cell.rng("rows")
    share, _, how = cell.portion.partition("-")
    if cell.portion == ALL:
        return np.ones(rows.height, bool), None
    if share == "since":
        return np.arange(rows.height) >= rows.height // 2, AT
    if how == "unmarked":
        return rng.random(rows.height) < int(share) / 100, None
    column, level = windows.marker, MARKED[share]
    low, high = SHARES[share]
    levels = [
        (c, v)
        for c in world.data.codes()
        for v, there in rows[c].value_counts(normalize=True).sort(c).rows()
        if v is not None and low <= there <= high
    ]
    if levels and rng.random() < BY_FEATURE:
        column, level = levels[int(rng.integers(len(levels)))]
    return (rows[column] == level).fill_null(False).to_numpy(), column


def happened(staged: Staged, hit: np.ndarray, incidents: Sequence[Incident]) -> tuple[pl.DataFrame, np.ndarray]:
    """The rows as logged after the incidents, and the position of each among the sound ones."""
    world, rows = staged.world, staged.windows.current
    for incident in incidents:
        for change in (incident.inputs, incident.labels):
            if change is not None:
                rows = merged(rows, change(rows, staged.cell.rng(incident.words)), hit)
    if any(i.inputs is not None for i in incidents):
        rows = world.serve(rows)
    origin = np.arange(rows.height)
    for incident in incidents:
        if incident.answers is not None:
            rows = merged(rows, incident.answers(rows, staged.cell.rng(incident.words)), hit)
        if incident.rows is not None:
            origin = origin[incident.rows(rows, hit, staged.cell.rng(incident.words))]
    return rows[origin], origin


def merged(before: pl.DataFrame, after: pl.DataFrame, hit: np.ndarray) -> pl.DataFrame:
    """``after`` in the rows hit, ``before`` in the others; a column of two types becomes text, as in a log."""
    if hit.all():
        return after
    mask, made = pl.Series(hit), []
    for column in before.columns:
        one, other = before[column], after[column]
        if one.dtype != other.dtype:
            kind = pl.Float64 if one.dtype.is_numeric() and other.dtype.is_numeric() else pl.String
            one, other = one.cast(kind), other.cast(kind)
        made.append(other.zip_with(mask, one).alias(column))
    return pl.DataFrame(made)


def _told(staged: Staged, setting: Setting, name: str, taken: set[str]) -> tuple[Incident, Effect]:
    """The first telling that matters, else the most harmful: an incident that cost nothing is not looked into."""
    story, rng, best = of(name), staged.cell.rng(f"story {name}"), None
    for _ in range(SLOW_TRIES if story.slow else TRIES):
        incident = story.tell(setting, rng)
        if incident is None or taken & set(incident.columns):
            continue
        current, origin = happened(staged, setting.hit, [incident])
        if story.family != "harmless" and not _touched(staged, incident, current, origin):
            continue
        effect = _effect(staged, current, origin)
        if best is None or effect.harm > best[1].harm:
            best = incident, effect
        if effect.material or story.family == "harmless":
            break
    if best is None:
        raise LookupError(f"nothing in this period of {staged.cell.data} for {name}")
    return best


def _touched(staged: Staged, incident: Incident, current: pl.DataFrame, origin: np.ndarray) -> bool:
    sound, data = staged.windows.current, staged.world.data
    if incident.rows is not None:
        return len(origin) != sound.height
    told = (*(c for c in sound.columns if c.startswith("p_")), PREDICTION)
    columns = incident.columns if incident.inputs else (data.label,) if incident.labels else told
    differs = np.zeros(sound.height, bool)
    for column in columns:
        one, other = sound[column], current[column]
        if one.dtype != other.dtype and not (one.dtype.is_numeric() and other.dtype.is_numeric()):
            one, other = one.cast(pl.String), other.cast(pl.String)
        differs |= one.ne_missing(other).to_numpy()
    return float(differs.sum()) >= LEAST_TOUCHED * staged.share * sound.height


def _effect(staged: Staged, current: pl.DataFrame, origin: np.ndarray) -> Effect:
    data, sound = staged.world.data, staged.windows.current
    least = truth.material(data, staged.windows.reference)
    return truth.effect_of(data, staged.metric, least, sound, current, origin)


def _shared(staged: Staged, setting: Setting, incidents: tuple[Incident, ...]) -> tuple[Effect, ...]:
    """Of two: the mean over both orders of happening."""
    alone = [_effect(staged, *happened(staged, setting.hit, [i])) for i in incidents]
    both = _effect(staged, *happened(staged, setting.hit, incidents)).change
    first, second = (e.change for e in alone)
    return (
        replace(alone[0], change=(first + both - second) / 2),
        replace(alone[1], change=(second + both - first) / 2),
    )
