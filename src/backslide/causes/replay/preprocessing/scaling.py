"""Numbers scaled otherwise before they reach the model: a scaler that was fitted again on rows that are not known.

Where the answer moves smoothly with the inputs, the scale of every column follows from what was served (Gauss-Newton on the
answers' own scale, on which linear models are linear: the first step is then exact).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from backslide.causes.replay.preprocessing.replay import Alter, Asker, InputChange
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.pair import to_numbers
from backslide.models.scalers import ColumnScaling, scaled_columns
from backslide.stats.arrays import Floats

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


# Whether new scales of all columns are those of a part of the rows: those above or below one value of a column.
#
# A linear model of nothing but scaled numbers with every scale changed is the same function as one fitted again on other labels.
# What tells them apart is that a scaler's spreads hang together: filtering rows by one column moves all of them along one curve.


FEWEST = 4
"""Columns under which a curve may pass by chance."""
LEAST = 0.05
"""Root mean square of the scales' log ratios from which they say anything."""
CHANCE = 0.01
"""Probability, at most, that log ratios in a random direction come as near to one of the curves."""
PLACES = 400
"""Clearly different places on all curves together."""
MOST_LEFT_OVER = 0.05
"""Share of the squared log ratios that the curve may leave, however many columns there are."""
SMALLEST_PART = 50
"""Rows."""


def part_fitted_on(asker: Asker, spreads: Mapping[str, float], known: Mapping[str, ColumnScaling]) -> str | None:
    """The part of the reference rows whose spreads are the new ones.

    Args:
        spreads: Of every column the new spread over the old one.
        known: How the saved scaler scales them; only standard deviations are compared.

    Returns:
        The rows in words, as in "fitted on rows with age above about 40"; None where no part fits better than chance would.
    """
    columns = [c for c in spreads if known[c].measure[1] == "standard deviation"]
    if len(columns) < max(FEWEST, len(spreads)):
        return None
    values = _values(asker, columns, known)
    if values is None:
        return None
    # What never varies among the reference rows has no spread to compare.
    varied = values.std(axis=0) > 0
    columns, values = [c for c, varies in zip(columns, varied, strict=True) if varies], values[:, varied]
    seen = np.log([spreads[c] for c in columns])
    if len(columns) < FEWEST or np.sqrt(np.mean(seen**2)) < LEAST:
        return None
    # The error of a spread grows with the tails of its column (delta method: relative variance (kurtosis - 1) / 4n).
    weights = 1 / np.maximum((values**4).mean(axis=0) - 1, 0.1)
    bound = min((CHANCE / PLACES) ** (2 / len(columns)), MOST_LEFT_OVER)
    least, best = bound, None
    for column in columns:
        by = _filled(asker, column, known[column].filling)
        for side, order in (("below", np.argsort(by, kind="stable")), ("above", np.argsort(-by, kind="stable"))):
            left = _left_over(values[order], seen, weights)
            at = int(np.argmin(left))
            if left[at] < least:
                place = float(by[order[at + SMALLEST_PART - 1]])
                least, best = float(left[at]), f"rows with {column} {side} about {say.number(place)}"
    return best


def _filled(asker: Asker, column: str, filling: float | None) -> Floats:
    """The column of the reference rows as the scaler is given it (n,)."""
    numbers = to_numbers(asker.case.reference.sample[column])
    return numbers if filling is None else np.where(np.isnan(numbers), filling, numbers)


def _values(asker: Asker, columns: list[str], known: Mapping[str, ColumnScaling]) -> Floats | None:
    """The columns in units of their own spreads (n, columns), 0 where one never varies; None where one has gaps."""
    values = np.column_stack([_filled(asker, c, known[c].filling) for c in columns])
    if len(values) < 2 * SMALLEST_PART or not np.isfinite(values).all():
        return None
    spread = values.std(axis=0)
    return np.asarray((values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0))


def _left_over(values: Floats, seen: Floats, weights: Floats) -> Floats:
    """Share of the squared log ratios not explained by the spreads of the first m rows, for m from ``SMALLEST_PART`` on."""
    n = np.arange(1, len(values) + 1)[:, None]
    mean = np.cumsum(values, axis=0) / n
    variance = (np.cumsum(values**2, axis=0) / n - mean**2)[SMALLEST_PART - 1 :]
    said = 0.5 * np.log(np.maximum(variance, 1e-12))
    return np.asarray((said - seen) ** 2 @ weights / (seen**2 @ weights))
