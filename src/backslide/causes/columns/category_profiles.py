"""The company that each value of a column keeps: its share, and the means of the other columns on its rows."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from backslide.case import Case
from backslide.engine.columns.cache import once
from backslide.engine.columns.pair import Pair
from backslide.stats.arrays import Floats, Ints
from backslide.stats.two_sample import ranks

SHARE_WEIGHT = 3.0
OTHERS_WEIGHT = 0.5
MAX_OTHERS = 40
MIN_ROWS = 10
Profile = tuple[float, Floats, int]
"""Share of the rows, means of the standardised other columns, rows."""


class CategoryProfiles:
    """Profiles of the values of one column in both windows."""

    def __init__(
        self,
        met: tuple[dict[str, Profile], dict[str, Profile]],
        rows: tuple[int, int],
        others: int,
    ) -> None:
        """``met``: profiles by value, of both windows with so many ``rows``, over so many ``others``."""
        self._rows = rows
        self._others = others
        self._met = met

    def of(self, window: int, level: str) -> Profile:
        """(share, mean standardised other columns, rows) of a value; zeros for values with fewer than 10 rows."""
        met = self._met[window].get(level)
        return met if met is not None else (0.0, np.zeros(self._others), 0)

    def _squared(self, old: str, new: str) -> tuple[float, float]:
        share_ref, mean_ref, _ = self.of(0, old)
        share_cur, mean_cur, _ = self.of(1, new)
        share = (SHARE_WEIGHT * (np.sqrt(share_ref) - np.sqrt(share_cur))) ** 2
        return float(share), float(OTHERS_WEIGHT**2 * ((mean_ref - mean_cur) ** 2).sum())

    def costs(self, old: list[str], new: list[str]) -> Floats:
        """Squared profile distance of every old value to every new one (old, new)."""
        share_ref, share_cur = (np.sqrt([self.of(w, v)[0] for v in values]) for w, values in ((0, old), (1, new)))
        mean_ref, mean_cur = (np.array([self.of(w, v)[1] for v in values]) for w, values in ((0, old), (1, new)))
        share = (SHARE_WEIGHT * (share_ref[:, None] - share_cur[None, :])) ** 2
        # Squares of differences, one old value at a time: exact, and no more memory than the answer.
        others = np.array([((mean - mean_cur) ** 2).sum(axis=1) for mean in mean_ref])
        return np.asarray(share + OTHERS_WEIGHT**2 * others)

    def cost(self, mapping: dict[str, str]) -> float:
        """Distance summed over new -> old, by share of rows."""
        return sum(sum(self._squared(old, new)) * self.of(1, new)[0] for new, old in mapping.items())

    def strangeness(self, mapping: dict[str, str]) -> float:
        """Largest difference of share or company under the mapping, in standard errors."""
        worst = 0.0
        for new, old in mapping.items():
            share_ref, mean_ref, n_ref = self.of(0, old)
            share_cur, mean_cur, n_cur = self.of(1, new)
            if min(n_ref, n_cur) < MIN_ROWS:
                continue
            n, m = self._rows
            error = np.sqrt(share_ref * (1 - share_ref) / n + share_cur * (1 - share_cur) / m)
            worst = max(worst, abs(share_ref - share_cur) / max(error, 1e-9))
            if len(mean_ref):
                worst = max(worst, float(np.abs(mean_ref - mean_cur).max() / np.sqrt(1 / n_ref + 1 / n_cur)))
        return worst

    def informative(self, mapping: dict[str, str]) -> bool:
        """Whether the other columns alone speak against the mapping, beyond shares."""
        return any(
            len(self.of(0, old)[1])
            and float(np.abs(self.of(0, old)[1] - self.of(1, new)[1]).max())
            > 8 * np.sqrt(1 / max(self.of(0, old)[2], 1) + 1 / max(self.of(1, new)[2], 1))
            for new, old in mapping.items()
        )

    def known(self, mapping: dict[str, str]) -> bool:
        """Whether most rows of the mapped values are of values frequent enough for the company they keep to be known."""
        rows = {new: self.of(1, new)[2] for new in mapping}
        seen = sum(n for new, n in rows.items() if min(n, self.of(0, mapping[new])[2]) >= MIN_ROWS)
        return seen > 0.5 * sum(rows.values())

    def agrees(self, mapping: dict[str, str]) -> bool:
        """Whether matched values keep the same company, up to noise and mild drift (mean gap of 0.3 standard deviations)."""
        gaps, weights = [], []
        for new, old in mapping.items():
            _, mean_ref, n_ref = self.of(0, old)
            _, mean_cur, n_cur = self.of(1, new)
            if min(n_ref, n_cur) >= MIN_ROWS and len(mean_ref):
                noise = np.sqrt(1 / n_ref + 1 / n_cur)
                gaps.append(max(float(np.sqrt(((mean_ref - mean_cur) ** 2).mean())) - 2 * noise, 0.0))
                weights.append(n_cur)
        return not gaps or float(np.average(gaps, weights=weights)) < 0.3


def profiles_by_value(codes: Ints, levels: list[str], columns: Floats, others: list[int]) -> dict[str, Profile]:
    """Share, means of the other columns and rows of every value, in one pass; ``codes`` (n,) point to ``levels``."""
    if not len(codes):
        return {}
    rows = np.bincount(codes, minlength=len(levels))
    present = np.flatnonzero(rows)
    rows = rows[present]
    n = len(codes)
    by_level = sparse.csc_matrix((np.ones(n), codes, np.arange(n + 1)), shape=(len(levels), n))
    # All columns are summed and the others picked after: picking first would copy the rows.
    sums = np.asarray(by_level @ columns)[present][:, others]
    means = np.where(rows[:, None] >= MIN_ROWS, sums / rows[:, None], 0.0)
    return {levels[k]: (float(rows[i] / len(codes)), means[i], int(rows[i])) for i, k in enumerate(present)}


def profiles_of(case: Case, pair: Pair) -> CategoryProfiles:
    """Profiles of the values of ``pair`` against up to 40 other columns, each standardised within its own window."""
    names, matrices = _standardised(case)
    others = [i for i, name in enumerate(names) if name != pair.name][:MAX_OTHERS]
    levels, codes = pair.codes

    def profiles(window: int) -> dict[str, Profile]:
        return profiles_by_value(codes[window], levels, matrices[window], others)

    # The reference stays while current rows are repaired.
    reference = case.reference.cache.get(profiles_by_value, (pair.name,), lambda: profiles(0))
    return CategoryProfiles((reference, profiles(1)), (len(codes[0]), len(codes[1])), len(others))


@once
def _standardised(case: Case) -> tuple[list[str], tuple[Floats, Floats]]:
    """The first columns that vary, standardised, for both windows; computed once for all columns."""
    pairs = [pair for pair in case.pairs.values() if not pair.constant_before][: MAX_OTHERS + 1]
    heights = (case.reference.sample.height, case.current.sample.height)
    ref, cur = (
        np.column_stack([_standard(pair, window) for pair in pairs]) if pairs else np.empty((height, 0))
        for window, height in enumerate(heights)
    )
    return [pair.name for pair in pairs], (ref, cur)


@once
def _standard(pair: Pair, window: int) -> Floats:
    """Numbers as normalised ranks, categories as the indicator of the reference's most frequent value; mean 0, sd 1."""
    if pair.numeric:
        values = pair.numbers[window]
        values = ranks(
            np.where(np.isfinite(values), values, np.nanmedian(values) if np.isfinite(values).any() else 0.0)
        )
    else:
        counts, (levels, codes) = pair.levels[0], pair.codes
        mode = levels.index(max(counts, key=lambda k: counts[k])) if counts else -1
        values = (codes[window] == mode).astype(float)
    spread = values.std()
    return np.asarray((values - values.mean()) / spread if spread > 0 else values * 0.0)
