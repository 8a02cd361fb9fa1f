"""Numbers scaled otherwise before they reach the model: a scaler that was fitted again on rows that are not known.

Where the answer moves smoothly with the inputs, the scale of every column follows from what was served (Gauss-Newton on the
answers' own scale, on which linear models are linear: the first step is then exact).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from backslide.causes.replay.preprocessing.fit_on_subset import part_fitted_on
from backslide.causes.replay.preprocessing.replay import Alter, Asker, InputChange
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.pair import to_numbers
from backslide.models.scalers import ColumnScaling, scaled_columns
from backslide.stats.metrics.metric import Floats

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


def find_rescaling(asker: Asker) -> InputChange | None:
    """The scales of one column or of several that explain what was served."""
    numbers = [c for c in asker.features if asker.case.pairs[c].numeric][:MOST_COLUMNS]
    rows = asker.rows(asker.search)
    whole = np.logical_and.reduce([np.isfinite(to_numbers(rows[c])) for c in numbers]) if numbers else np.array([])
    at = _telling(asker, numbers, asker.search[whole]) if whole.any() else asker.search[:0]
    if len(at) < 20 or asker.served(at) is None:
        return None
    known = _scaled_as_logged(asker)
    for column in numbers:
        found = _solved(asker, at, [column]) if _witness(asker, [column], at) else None
        if found is not None and _differs(found[column]) and asker.explains(_without_gaps(asker, found)):
            return _describe(asker, found, known)
    together = [c for c in numbers if c in known]
    found = _solved(asker, at, together) if len(together) >= 2 else None
    if found is None or not asker.explains(_without_gaps(asker, found)):
        return None
    if _witness(asker, together, at):
        return _describe(asker, found, known)
    part = part_fitted_on(asker, {c: 1 / map_.factor for c, map_ in found.items()}, known)
    return None if part is None else _describe(asker, found, known, f", on {part}")


def _telling(asker: Asker, numbers: list[str], at: np.ndarray) -> np.ndarray:
    """Rows to compute from: half of them as they come, half that lie far from the median of one column.

    A column with one value on most rows does not move otherwise, and rows on which nothing moves tell no scale.
    """
    rows = asker.rows(at)
    chosen = list(range(min(len(at), FITTED // 2)))
    share = max(FITTED // 2 // len(numbers), 2)
    for column in numbers:
        values = to_numbers(rows[column])
        far = np.argsort(-np.abs(values - np.median(values)), kind="stable")[: 2 * share]
        chosen += far[::2].tolist()
    return np.asarray(at[np.unique(chosen)])


def _scaled_as_logged(asker: Asker) -> dict[str, ColumnScaling]:
    """Columns whose logged values a scaler scales."""
    known = scaled_columns(asker.model.artefact, list(asker.model.features or ()))
    return {column: scaled for column, scaled in known.items() if scaled.direct}


def _witness(asker: Asker, together: list[str], at: np.ndarray) -> bool:
    """Whether the answers rest on other columns too: a linear model of some numbers alone may as well have been fitted again."""
    others = [c for c in asker.features if c not in together]
    return bool(others) and asker.matters(others, at)


def _without_gaps(asker: Asker, found: dict[str, _Affine]) -> Alter:
    """The values as the scaler's former fit must be given them; missing ones filled first, as the imputer in front does."""
    known = _scaled_as_logged(asker)

    def alter(frame: pl.DataFrame) -> pl.DataFrame:
        changed = []
        for column, map_ in found.items():
            values = to_numbers(frame[column])
            filling = known[column].filling if column in known else None
            if filling is not None:
                values = np.where(np.isnan(values), filling, values)
            changed.append(pl.Series(column, map_.factor * values + map_.offset))
        return frame.with_columns(changed)

    return alter


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


def _differs(map_: _Affine) -> bool:
    return abs(map_.factor - 1) > RESCALED


def _describe(
    asker: Asker, found: dict[str, _Affine], known: dict[str, ColumnScaling], on: str = ""
) -> InputChange | None:
    changed = sorted((c for c in found if _differs(found[c])), key=lambda c: -abs(np.log(found[c].factor)))
    if not changed:
        return None
    alter = _without_gaps(asker, found)
    if not set(changed) <= set(known):
        how = say.listed([f"{c} times {say.number(found[c].factor)}" for c in changed])
        words = f"the model is given {how} of what is logged"
        return InputChange(CauseKind.PREPROCESSING_CHANGE, tuple(changed), alter, words, "prepare it as in training")
    one = changed[0]
    before, map_ = known[one], found[one]
    # With several columns only the sum of their offsets shows, so no centre is told.
    centre = (before.centre - map_.offset) / map_.factor if len(found) == 1 else before.centre
    words = refit_words(one, before, replace(before, centre=centre, spread=before.spread / map_.factor), len(changed))
    words += on
    return InputChange(CauseKind.SCALER_REFIT, tuple(changed), alter, words, BACK)


BACK = "load the fitted scaler of training, never fit one on production data"


def refit_words(column: str, before: ColumnScaling, after: ColumnScaling, columns: int) -> str:
    """Such as "StandardScaler of 2 columns was refitted: mean of income 3000 → 4500"."""
    parts = zip(before.measure, (before.centre, before.spread), (after.centre, after.spread), strict=True)
    moved = [
        f"{name} of {column} {say.number(old)} → {say.number(new)}"
        for name, old, new in parts
        if abs(new - old) > RESCALED * max(abs(old), abs(new))
    ]
    values = f": {', '.join(moved)}" if before.direct and moved else ""
    return f"{before.scaler} of {columns} {'column' if columns == 1 else 'columns'} was refitted{values}"
