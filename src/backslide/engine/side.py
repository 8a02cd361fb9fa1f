"""One window of a case: its profile over all rows, its sample, and the sums that metrics are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import copy
from functools import cached_property

import numpy as np
import polars as pl

from backslide.contracts.config import Settings
from backslide.engine.columns import names
from backslide.engine.columns.cache import Cache
from backslide.engine.columns.pair import to_numbers
from backslide.engine.columns.sample import positions
from backslide.engine.columns.segments import holds
from backslide.engine.profile.counted_sample import Bins, CountedSample
from backslide.engine.profile.daily_sums import cell_units, count_units, loss_units, variance_units
from backslide.engine.profile.plan import column_edges
from backslide.engine.profile.profile import Plan, Profile
from backslide.engine.profile.run import profile
from backslide.engine.profile.segment_counts import REST
from backslide.engine.roles.outcomes import Outcomes, outcomes
from backslide.engine.roles.problem import Problem
from backslide.engine.stored_window import StoredWindow
from backslide.engine.window import Window
from backslide.stats.arrays import Floats, Ints, Mask
from backslide.stats.change.jackknife import jackknife_units
from backslide.stats.change.metric_change import Units
from backslide.stats.change.units import row_units
from backslide.stats.metrics.metric import Metric

LOSS_COLUMNS = {
    "log_loss": names.LOG_LOSS,
    "brier": names.BRIER,
    "absolute": names.ABSOLUTE,
    "squared": names.SQUARED,
    "signed": names.ERROR,
    "percentage": names.PERCENTAGE,
    "cost": names.COST,
}
"""Where the row values of a kind stand."""


class Side:
    """One window of the case: its profile over all rows and its sample."""

    def __init__(
        self,
        window: Window,
        problem: Problem,
        settings: Settings,
        plan: Callable[[], Plan],
        bins: Callable[[], Bins] | None = None,
    ) -> None:
        """``bins`` gives those of the plan; None where they are decided by the sample of this window."""
        self.window = window
        self.problem = problem
        self.settings = settings
        self._plan = plan
        self._bins = bins
        self.cache = Cache()
        """Of what only depends on the rows of the sample, their times, and columns that no repair changes."""

    @property
    def stored(self) -> StoredWindow | None:
        """The window where it is a stored profile, which holds no rows."""
        return self.window if isinstance(self.window, StoredWindow) else None

    @cached_property
    def sample(self) -> pl.DataFrame:
        """At most ``[engine] sample_rows`` rows, uniform and seeded.

        Raises:
            NoRowsError: the window is a stored profile.
        """
        return self._counted_sample.rows

    @cached_property
    def _counted_sample(self) -> CountedSample:
        """The sample with what was counted of all rows while it was drawn."""
        engine = self.settings.engine
        return self.window.counted_sample(
            engine.sample_rows,
            seed=engine.seed,
            features=self.problem.features,
            bins=None if self._bins is None else self._bins(),
            batch_rows=engine.batch_rows,
        )

    @cached_property
    def profile(self) -> Profile:
        """Summary of every row."""
        if self.stored is not None:
            return self.stored.whole
        batch_rows = self.settings.engine.batch_rows
        return profile(self.window.frame, self._plan(), batch_rows=batch_rows, counts=self._counted_sample.counts)

    def part(self, rows: Mask) -> Side:
        """The same window with only some of its sampled rows; the profile still speaks of all of them."""
        return self.with_sample(self.sample.filter(pl.Series(rows)))

    def with_sample(self, sample: pl.DataFrame) -> Side:
        """The same window with other sampled rows; the profile still speaks of all of them."""
        other = self.restored(sample)
        for key in ("blocks", "seconds", "places"):
            other.__dict__.pop(key, None)
        other.cache = Cache()
        return other

    def restored(self, sample: pl.DataFrame) -> Side:
        """The same rows with other values of some features: what is known of their times stays."""
        other = copy(self)
        other.__dict__.pop("outcomes", None)
        other.__dict__["sample"] = sample
        return other

    @property
    def complete(self) -> bool:
        """Whether the sample holds every row, so that the row before each is the one that came before it."""
        return self.stored is None and self.sample.height == self.window.rows and self.window.places is None

    @cached_property
    def places(self) -> Ints | None:
        """The place of every sampled row among all that came (n,); None where rows were taken out of the sample."""
        n, all_rows, engine = self.sample.height, self.window.rows, self.settings.engine
        if n == all_rows:
            return np.arange(n) if self.window.places is None else self.window.places
        if n != engine.sample_rows or all_rows < n:
            return None
        at = positions(all_rows, n, engine.seed)
        return at if self.window.places is None else self.window.places[at]

    @cached_property
    def outcomes(self) -> Outcomes:
        """What was served on the sample."""
        return outcomes(self.sample, self.problem)

    @cached_property
    def blocks(self) -> Ints | None:
        """Day ordinals of the sampled rows (days since 1970, 0 where unknown), None without timestamps.

        Shifted so that ``% 7`` is the weekday with Monday 0.
        """
        if names.DAY not in self.sample.columns:
            return None
        days = self.sample[names.DAY].cast(pl.Int32).fill_null(0).to_numpy().astype(np.int64)
        return np.asarray(days + 3)  # 1970-01-01 was a Thursday

    @cached_property
    def seconds(self) -> Floats | None:
        """Times of the sampled rows in seconds since 1970 (n,), NaN where unknown; None without times."""
        if names.TIME not in self.sample.columns:
            return None
        return to_numbers(self.sample[names.TIME].cast(pl.Datetime("us")).cast(pl.Int64)) / 1e6

    def units(self, metric: Metric) -> Units:
        """Sums of the metric's row statistics over all rows, by day where there are days."""
        summed = self._summed(self.profile, metric)
        if summed is not None:
            return summed
        if metric.whole is not None:
            return self._jackknife(metric)
        known = self.outcomes.known()
        rows = self.outcomes.take(known).statistics(metric, len(self.problem.classes))
        if metric.rows == "variance":
            rows[:, 3] += self.problem.centre * (self.problem.centre - 2 * rows[:, 2])
            rows[:, 2] -= self.problem.centre
            return variance_units(self.profile, rows)
        return row_units(rows, None if self.blocks is None else self.blocks[known])

    def _summed(self, summary: Profile, metric: Metric) -> Units | None:
        """The metric's sums over all rows of a profile; None where only rows themselves will do."""
        if metric.rows == "counts":
            return self._counted if summary is self.profile else count_units(summary, self.problem)
        if metric.cells is not None:
            return cell_units(summary, self.problem, metric.cells)
        return loss_units(summary, LOSS_COLUMNS[metric.rows]) if metric.rows in LOSS_COLUMNS else None

    @cached_property
    def _counted(self) -> Units:
        """Labels, predictions and hits by day, which every metric of them shares."""
        return count_units(self.profile, self.problem)

    def on_sample(self, metric: Metric) -> bool:
        """Whether the metric rests on a sample that is not the whole window."""
        return metric.rows == "own" and metric.cells is None and not self.complete

    def _jackknife(self, metric: Metric) -> Units:
        known = self.outcomes.known()
        chosen = self.outcomes.take(known)
        assert metric.whole is not None
        whole = metric.whole
        days = None if self.blocks is None else self.blocks[known]
        rng = np.random.default_rng([self.settings.engine.seed, 0])
        return jackknife_units(lambda keep: whole(chosen.take(keep).arrays), len(chosen.labels), days, rng)

    def mean_units(self, column: str) -> Units:
        """Rows and sum of one of ``MEANS`` (for regression also of the prediction) by day, over all rows."""
        return loss_units(self.profile, column)

    def segment_units(self, metric: Metric, variable: str, expression: str) -> Units:
        """The same sums over the rows of one segment of the plan; a metric that is not summed rests on the sample."""
        summary = self.profile.segment(variable, expression)
        summed = self._summed(summary, metric)
        if summed is not None:
            return summed
        mask = np.zeros(self.sample.height, bool)
        for other in self._plan().segments[variable] if expression == REST else (expression,):
            mask |= holds(self.sample, other).to_numpy()
        mask = (~mask if expression == REST else mask) & self.outcomes.known()
        rows = self.outcomes.take(mask).statistics(metric, len(self.problem.classes))
        return row_units(rows, None if self.blocks is None else self.blocks[mask])


def bins_of(side: Side, numeric: Callable[[], Iterable[str]]) -> Bins:
    """The bins that the plan gives columns of numbers, by the sample of the window, or as its stored plan says."""
    if side.stored is not None:
        return side.stored.plan.numeric
    return {column: column_edges(side.sample.get_column(column)) for column in numeric()}
