"""Numbers scaled otherwise before they reach the model: a scaler that was fitted again.

Where the answer moves smoothly with the inputs, the scale of every column follows from what was served (Gauss-Newton on the
answers' own scale, on which linear models are linear: the first step is then exact). A scaler fitted again on the current window
or on each of its days is simply tried, whatever the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from backslide.causes.given.asker import ALWAYS, Alter, Altered, Asker
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.pair import to_numbers
from backslide.models.frame import to_pandas
from backslide.models.scalers import Scaled, refitted, scaled_columns
from backslide.models.wrap import wrap
from backslide.stats.metrics import Floats

FITTED = 300
"""Rows from which scales are computed."""
STEPS = 8
NUDGE = 1e-3
"""Step of the numerical derivative, in standard deviations of the column."""
RESCALED = 2e-3
"""Relative change of a scale from which it changed; a mere offset may as well be another intercept."""
PLAUSIBLE = (0.02, 50.0)
"""Old scale over new one. A scaler never turns the sign."""
MOST_COLUMNS = 60


@dataclass(frozen=True)
class _Affine:
    """x becomes factor * x + offset before the model's own scaling."""

    factor: float
    offset: float


def rescaled(asker: Asker) -> Altered | None:
    """The scales of one column or of several that explain what was served."""
    numbers = [c for c in asker.features if asker.case.pairs[c].numeric][:MOST_COLUMNS]
    rows = asker.rows(asker.search[:FITTED])
    whole = np.logical_and.reduce([np.isfinite(to_numbers(rows[c])) for c in numbers]) if numbers else np.array([])
    at = asker.search[:FITTED][whole] if len(whole) else asker.search[:0]
    if len(at) < 20 or asker.served(at) is None:
        return None
    known = scaled_columns(asker.model.artefact, list(asker.model.features or ()))
    for column in numbers:
        found = _solved(asker, at, [column])
        if found is not None and _changed(found[column]) and asker.explains(_without_gaps(asker, found)):
            return _told(asker, found, known)
    together = [c for c in numbers if c in known]
    if len(together) < 2 or not _witness(asker, together):
        return None
    found = _solved(asker, at, together)
    if found is None or not asker.explains(_without_gaps(asker, found)):
        return None
    return _told(asker, found, known)


def _witness(asker: Asker, together: list[str]) -> bool:
    """Whether the model takes other columns too: a linear model of scaled numbers alone may as well have been fitted again."""
    return any(c not in together for c in asker.features)


def _without_gaps(asker: Asker, found: dict[str, _Affine]) -> Alter:
    """Values that are missing are filled inside the pipeline and cannot be scaled here: filled by the scaler's centre first."""
    known = scaled_columns(asker.model.artefact, list(asker.model.features or ()))

    def alter(frame: pl.DataFrame) -> pl.DataFrame:
        changed = []
        for column, map_ in found.items():
            values = to_numbers(frame[column])
            if column in known and not np.isfinite(values).all():
                values = np.where(np.isnan(values), _filling(asker, column, known[column]), values)
            changed.append(pl.Series(column, map_.factor * values + map_.offset))
        return frame.with_columns(changed)

    return alter


def _filling(asker: Asker, column: str, scaled: Scaled) -> float:
    """What an imputer before the scaler fills in: the median of the reference, or else the scaler's centre."""
    values = asker.case.pairs[column].finite[0]
    return float(np.median(values)) if len(values) else scaled.centre


def _solved(asker: Asker, at: np.ndarray, columns: list[str]) -> dict[str, _Affine] | None:
    """Factor and offset of every column by Gauss-Newton; None where the answers do not move smoothly or no fit is reached."""
    rows, served = asker.rows(at), asker.served(at)
    assert served is not None
    x = np.column_stack([to_numbers(rows[c]) for c in columns])
    pairs = [asker.case.pairs[c].finite[0] for c in columns]
    centre, spread = (np.array([f(v) for v in pairs]) for f in (np.median, np.std))
    spread = np.where(spread > 0, spread, 1.0)
    u = (x - centre) / spread
    factor, offset = np.ones(len(columns)), np.zeros(len(columns))
    best = np.inf
    for _ in range(STEPS):
        now = u * factor + offset
        said, slopes = _slopes(asker, rows, columns, now, centre, spread)
        if said is None or slopes is None:
            return None
        left = served - said
        size = float(np.abs(left).max())
        if size < 1e-9 or size > 10 * best:
            break
        best = min(best, size)
        jacobian = np.concatenate([slopes * u.T[:, :, None], slopes])
        a = jacobian.reshape(2 * len(columns), -1).T
        if not np.abs(a).max() > 0:
            return None
        step = np.linalg.lstsq(a, left.reshape(-1), rcond=1e-9)[0]
        factor, offset = factor + step[: len(columns)], offset + step[len(columns) :]
    if not all(PLAUSIBLE[0] <= f <= PLAUSIBLE[1] for f in factor):
        return None
    # In the column's own unit: spread * (f * (x - c) / spread + o) + c.
    return {
        c: _Affine(float(factor[k]), float(centre[k] * (1 - factor[k]) + spread[k] * offset[k]))
        for k, c in enumerate(columns)
    }


def _slopes(
    asker: Asker, rows: pl.DataFrame, columns: list[str], now: Floats, centre: Floats, spread: Floats
) -> tuple[Floats | None, Floats | None]:
    """Answers at the altered rows (n, k) and their derivative by each column in standard deviations (columns, n, k)."""
    frames = []
    for nudged in [None, *range(len(columns))]:
        values = now.copy()
        if nudged is not None:
            values[:, nudged] += NUDGE
        frames.append(
            rows.with_columns(pl.Series(c, values[:, k] * spread[k] + centre[k]) for k, c in enumerate(columns))
        )
    said = asker.margins(pl.concat(frames))
    if said is None or not np.isfinite(said).all():
        return None, None
    parts = said.reshape(len(frames), rows.height, -1)
    return parts[0], np.asarray((parts[1:] - parts[0]) / NUDGE)


def _changed(map_: _Affine) -> bool:
    return abs(map_.factor - 1) > RESCALED


def _told(asker: Asker, found: dict[str, _Affine], known: dict[str, Scaled]) -> Altered | None:
    changed = sorted((c for c in found if _changed(found[c])), key=lambda c: -abs(np.log(found[c].factor)))
    if not changed:
        return None
    alter = _without_gaps(asker, found)
    if not set(changed) <= set(known):
        how = say.listed([f"{c} times {say.number(found[c].factor)}" for c in changed])
        words = f"the model is given {how} of what is logged"
        return Altered(CauseKind.PREPROCESSING_CHANGE, tuple(changed), alter, words, "prepare it as in training")
    one = changed[0]
    before, map_ = known[one], found[one]
    spread = before.spread / map_.factor
    values = f"{before.measure[1]} of {one} {say.number(before.spread)} → {say.number(spread)}"
    if len(found) == 1:
        centre = (before.centre - map_.offset) / map_.factor
        values = f"{before.measure[0]} of {one} {say.number(before.centre)} → {say.number(centre)}, {values}"
    return Altered(CauseKind.SCALER_REFIT, tuple(changed), alter, _refit_words(before, len(changed), values), _BACK)


_BACK = "load the fitted scaler of training, never fit one on production data"


def _refit_words(before: Scaled, columns: int, values: str) -> str:
    return f"{before.scaler} of {columns} {'column' if columns == 1 else 'columns'} was refitted: {values}"


def refitted_on_window(asker: Asker) -> Altered | None:
    """A scaler fitted again on the logged rows themselves: on the whole current window, or on each of its days."""
    artefact, task = asker.model.artefact, asker.case.settings.model.task
    columns = list(asker.model.features or ())
    known = scaled_columns(artefact, columns)
    if not known or not set(columns) <= set(asker.side.sample.columns):
        return None
    logged = to_pandas(asker.side.sample.select(columns))
    days = asker.side.blocks
    wholes: list[tuple[str, dict[int, Any]]] = [("the current window", {0: refitted(artefact, logged)})]
    if days is not None:
        wholes.append(("each day", {int(d): refitted(artefact, logged[days == d]) for d in np.unique(days)}))
    for where, models in wholes:
        equal = np.zeros(len(asker.check), bool)
        for day, model in models.items():
            own = np.ones(len(asker.check), bool) if len(models) == 1 else days[asker.check] == day  # type: ignore[index]
            if own.any():
                again = asker.asking(wrap(model, name=asker.model.name, task=task))
                equal[own] = again.equal(asker.rows(asker.check[own]), asker.check[own])
        if equal.mean() >= ALWAYS:
            return _on_window(asker, known, where, next(iter(models.values())))
    return None


def _on_window(asker: Asker, known: dict[str, Scaled], where: str, model: Any) -> Altered:
    after = scaled_columns(model, list(asker.model.features or ()))
    moved = sorted(known, key=lambda c: -abs(after[c].centre - known[c].centre) / max(abs(known[c].spread), 1e-300))
    one = moved[0]
    values = f"{known[one].measure[0]} of {one} {say.number(known[one].centre)} → {say.number(after[one].centre)}"
    maps = {
        c: _Affine(
            known[c].spread / after[c].spread, known[c].centre - after[c].centre * known[c].spread / after[c].spread
        )
        for c in known
        if after[c].spread
    }
    words = f"{_refit_words(known[one], len(known), values)}, on {where}"
    return Altered(CauseKind.SCALER_REFIT, tuple(moved), _without_gaps(asker, maps), words, _BACK)
