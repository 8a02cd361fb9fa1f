"""How late labels come: from which age a period can be judged, and what must be said about labels."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import polars as pl

from backslide.contracts import say
from backslide.engine.columns import names
from backslide.engine.roles.outcomes import codes_of
from backslide.engine.sources.errors import reading
from backslide.monitor.periods import MONDAY
from backslide.monitor.rows import LABELLED, SERVED, PeriodRows, with_every_row
from backslide.stats.arrays import Floats
from backslide.stats.shift.label_delay import ArrivalCurve, compare_arrival, curves, selective_labels

MATURE = 0.95
"""Share of labels from which a period counts as fully labelled."""
MOST_ROWS = 200_000
MOST_CLASSES = 200


@dataclass(frozen=True)
class Ages:
    """When periods are judged."""

    first: int
    """Periods after its end at which a period enters."""
    mature: int | None
    """Periods after which practically every label is there; None where that is the same."""
    share: float | None
    """Of the labels that ever come, at the first age."""
    labelled: float
    """Share of the reference rows that are labelled at the first age."""
    known: bool
    """Whether the source says when labels came."""
    by_class: dict[str, float] = field(default_factory=dict)
    """Share of each class's labels that have come at the first age."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe."""
        return asdict(self)


def delays(frame: pl.LazyFrame, rows: PeriodRows) -> tuple[Floats, np.ndarray]:
    """Delays of labels in periods from the end of the row's period (n,), at least 0, and the labels as texts (n,)."""
    grid, label = rows.grid, rows.settings.model.label
    assert grid.length is not None
    assert label is not None
    end = pl.lit(MONDAY) + (grid.expression(SERVED) + 1) * pl.lit(grid.length)
    late = (pl.col(LABELLED) - end.cast(pl.Datetime("us"))).dt.total_microseconds() / (
        grid.length.total_seconds() * 1e6
    )
    known = pl.col(label).is_not_null() & pl.col(LABELLED).is_not_null()
    with reading():
        table = (
            frame.filter(known)
            .select(late.alias("late"), pl.col(label).cast(pl.String).alias("label"))
            .head(MOST_ROWS)
            .collect(engine="streaming")
        )
    return np.maximum(table["late"].to_numpy(), 0.0), table["label"].to_numpy()


def ages_of(rows: PeriodRows, labelled: float) -> Ages:
    """The ages at which the reference's labels had come."""
    watch = rows.settings.watch
    if not rows.has_label_times or not rows.grid.timed or LABELLED not in rows.reference.collect_schema():
        return Ages(watch.label_age or 0, None, None, labelled, known=False)
    late, labels = delays(rows.reference, rows)
    if not len(late):
        return Ages(watch.label_age or 0, None, None, labelled, known=True)
    curve = ArrivalCurve(np.sort(late))
    first = watch.label_age if watch.label_age is not None else int(np.ceil(curve.age(watch.label_share)))
    last = int(np.ceil(curve.age(MATURE)))
    shares: dict[str, float] = {}
    if last > first and len(set(labels)) <= MOST_CLASSES:
        shares = {str(label): float(of.at(first)) for label, of in curves(late, labels).items()}
    return Ages(first, last if last > first else None, float(curve.at(first)), labelled, known=True, by_class=shares)


def label_notes(rows: PeriodRows, ages: Ages, later: pl.DataFrame | None, classes: tuple[str, ...]) -> list[str]:
    """What must be said about how labels come.

    Args:
        rows: both windows.
        ages: as the reference shows them.
        later: prepared rows of mature later periods, or None.
        classes: of the problem.
    """
    notes: list[str] = []
    rows = with_every_row(rows)
    if rows.settings.model.label is None:
        return ["no labels are configured: only inputs, confidence and the estimate are monitored"]
    if ages.known and LABELLED in rows.later.collect_schema():
        notes += _arrival_notes(rows, ages)
    if later is not None and later.height:
        notes += _selective_note(later, classes)
    if not ages.known and rows.grid.timed:
        notes.append(
            "the source holds no arrival times of labels ([model] label_time): a period is judged once enough of its labels are "
            "there, and a bias of early labels cannot be corrected"
        )
    return notes


def _arrival_notes(rows: PeriodRows, ages: Ages) -> list[str]:
    before, _ = delays(rows.reference, rows)
    after, _ = delays(rows.later, rows)
    notes = []
    horizon = max(ages.mature or ages.first, 1)
    old = np.full(len(after), float(horizon) if len(before) == 0 else max(horizon, float(np.quantile(before, 0.99))))
    arrival = compare_arrival(before, after, old)
    if arrival is not None and arrival.changed:
        way = "later" if arrival.difference < 0 else "sooner"
        notes.append(
            f"labels come {way} than in the reference (by up to {say.percent(abs(arrival.difference))} of them at the same age): "
            "recent periods are not comparable; wait for the stream with all labels"
        )
    shares = ages.by_class
    if len(shares) > 1 and ages.mature is not None:
        slow, fast = min(shares, key=lambda c: shares[c]), max(shares, key=lambda c: shares[c])
        if shares[fast] - shares[slow] >= 0.1:
            notes.append(
                f"labels of {slow!r} come later than of {fast!r} ({say.percent(shares[slow])} and {say.percent(shares[fast])} "
                "at the age at which periods are judged): levels of young periods are biased, changes between them are not"
            )
    return notes


def _selective_note(later: pl.DataFrame, classes: tuple[str, ...]) -> list[str]:
    column = names.CONFIDENCE if names.CONFIDENCE in later.columns else names.PREDICTION
    if column not in later.columns or names.LABEL not in later.columns:
        return []
    score = (
        later[column].cast(pl.Float64).to_numpy()
        if later[column].dtype.is_numeric()
        else codes_of(later[column], classes).astype(float)
    )
    selection = selective_labels(score, later[names.LABEL].is_not_null().to_numpy())
    if selection is None or not selection.found:
        return []
    return [
        f"which rows are labelled depends on the score ({say.percent(selection.lowest)} to "
        f"{say.percent(selection.highest)} of its "
        "tenths): statements about performance hold for labelled rows only"
    ]
