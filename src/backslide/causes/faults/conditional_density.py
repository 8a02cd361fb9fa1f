"""How likely a value of a column is on each row, given the other columns; which rows a fault hit follows by Bayes' rule."""

from __future__ import annotations

import numpy as np

from backslide.case import Case
from backslide.causes.columns import edit
from backslide.engine.columns.design_matrix import make_design
from backslide.engine.columns.pair import Pair
from backslide.stats.arrays import Floats
from backslide.stats.drift.boosting import regress

DENSITY_BINS = 60


class ConditionalDensity:
    """Density of a column given the others, as the reference has it: the rank regressed, its residual's histogram."""

    def __init__(self, case: Case, pair: Pair) -> None:
        self.sorted = pair.finite[0]
        n = len(self.sorted)
        edges = np.unique(np.quantile(self.sorted, np.linspace(0, 1, DENSITY_BINS + 1)))
        self.edges = edges
        counts = np.histogram(self.sorted, edges)[0] + 0.5
        self.density = counts / counts.sum() / np.diff(edges)
        reach = max(float(edges[-1] - edges[0]), 1e-300)
        self.outside = 0.5 / n / reach
        design = make_design(case.pairs.values(), leave_out={pair.name, *case.suspects})
        self.centre: Floats | None = None
        ref = pair.numbers[0]
        finite = np.isfinite(ref)
        if design.columns and finite.sum() >= edit.MIN_ROWS:
            reference, current = design.windows(case.pairs)
            x_ref = reference[finite]
            rank = self.rank(ref[finite])
            half = case.rng("halves " + pair.name).random(len(rank)) < 0.5
            model = regress(x_ref[half], rank[half], design.categorical, rounds=40)
            residual = rank[~half] - model.predict(x_ref[~half])
            counts, self.steps = np.histogram(residual, np.linspace(-1.2, 1.2, 49))
            smooth = np.convolve(counts + 0.2, [0.25, 0.5, 0.25], "same")
            self.residual = np.log(smooth / smooth.sum())
            self.centre = np.asarray(model.predict(current))

    def rank(self, values: Floats) -> Floats:
        """Rank among the reference's values (0 to 1)."""
        return np.asarray(np.searchsorted(self.sorted, values) / max(len(self.sorted), 1))

    def log_density(self, values: Floats) -> Floats:
        """Of each current row's value (n_cur,)."""
        place = np.searchsorted(self.edges, values, side="right") - 1
        inside = (values >= self.edges[0]) & (values <= self.edges[-1])
        density = np.where(inside, self.density[np.clip(place, 0, len(self.density) - 1)], self.outside)
        found = np.log(density)
        if self.centre is not None:
            step = np.searchsorted(self.steps, self.rank(values) - self.centre, side="right") - 1
            found = found + self.residual[np.clip(step, 0, len(self.residual) - 1)]
        return np.asarray(found)
