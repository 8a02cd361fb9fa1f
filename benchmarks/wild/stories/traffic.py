"""Which rows come: twice, not at all, or more of one sort than before."""

from __future__ import annotations

import numpy as np
import polars as pl

from faults.windows import tilted
from wild.incident import ALL, Incident, Rng, Setting, anything, has_code, is_classification, pick, story
from wild.sets import AT, WildSet

KEPT = 0.55
"""Share of the rows of the period that a resampled window holds."""


def _several(data: WildSet, _: str) -> bool:
    return len(data.numbers()) + len(data.codes()) > 2


def _daily(data: WildSet, _: str) -> bool:
    return data.name not in ("scotus_case_facts", "noaa_weather", "bank_marketing")  # several times a day


def _segment(setting: Setting, rng: Rng) -> tuple[str, pl.Series] | None:
    """A column and the rows of a segment of it: a level, or all beyond a quantile."""
    column = pick(rng, [*setting.codes(), *setting.quantities()])
    if column is None:
        return None
    values = setting.rows[column]
    if column in setting.data.codes():
        counts = values.drop_nulls().value_counts(sort=True)
        common = counts.filter((pl.col("count") / values.len()).is_between(0.05, 0.7))[column].to_list()
        level = pick(rng, common)
        return None if level is None else (column, (values == level).fill_null(False))
    limit, above = values.quantile(float(rng.uniform(0.3, 0.7))), bool(rng.random() < 0.5)
    return column, ((values > limit) == above).fill_null(False)


@story("duplicated_rows", needs=anything, portions=(ALL,))
def segment_sent_twice(setting: Setting, rng: Rng) -> Incident | None:
    """A fan-out join: each row of a segment comes two to five times."""
    segment, times = _segment(setting, rng), int(rng.integers(2, 6))
    if segment is None:
        return None
    column, inside = segment
    copies = np.where(inside.to_numpy(), times, 1)
    return Incident(
        f"{column}: {inside.mean():.0%} of the rows {times} times",
        (column,),
        rows=lambda rows, _, __: np.repeat(np.arange(rows.height), copies),
        subject="segment",
    )


@story("duplicated_rows", needs=anything, portions=("40-unmarked", "10-marked", "40-marked", "since-middle"))
def retries_logged_again(setting: Setting, rng: Rng) -> Incident | None:
    """Rows of the portion are sent again by a client that saw no acknowledgement."""
    times = int(rng.integers(2, 5))

    def rows(frame: pl.DataFrame, hit: np.ndarray, _: Rng) -> np.ndarray:
        return np.repeat(np.arange(frame.height), np.where(hit, times, 1))

    return Incident(
        f"{times} times",
        (setting.marker,) if setting.marker else (),
        rows=rows,
        subject="segment" if setting.marker else "kind",
    )


@story("lost_rows", needs=anything, portions=(ALL,))
def segment_lost(setting: Setting, rng: Rng) -> Incident | None:
    """A filter or an inner join drops a segment."""
    segment = _segment(setting, rng)
    if segment is None or not 0.05 < float(segment[1].mean() or 0) < 0.8:
        return None
    column, inside = segment
    kept = np.flatnonzero(~inside.to_numpy())
    return Incident(
        f"{column}: {inside.mean():.0%} of the rows lost", (column,), rows=lambda *_: kept, subject="segment"
    )


@story("lost_rows", needs=_daily, portions=(ALL,))
def hours_lost(setting: Setting, rng: Rng) -> Incident | None:
    """A nightly job reads until some hour, so that the rest of each day never comes."""
    hour = setting.rows[AT].dt.hour()
    begin, length = int(rng.integers(0, 24)), int(rng.integers(5, 13))
    kept = np.flatnonzero(((hour.cast(pl.Int64) - begin) % 24 >= length).to_numpy())
    if not 0.2 < len(kept) / setting.rows.height < 0.95:
        return None
    return Incident(f"{length} hours from {begin} on", rows=lambda *_: kept, subject="kind")


@story("covariate_shift", needs=_several, portions=(ALL,))
def new_segment_of_customers(setting: Setting, rng: Rng) -> Incident | None:
    """A campaign brings people who are rare otherwise: extreme in two columns at once."""
    return _resampled(setting, rng, 2, 2.5)


@story("covariate_shift", needs=anything, portions=(ALL,))
def more_of_the_hard_rows_by_one_column(setting: Setting, rng: Rng) -> Incident | None:
    """More rows from the end of one column."""
    return _resampled(setting, rng, 1, float(rng.uniform(1, 2.5)))


@story("covariate_shift", needs=_several, portions=(ALL,))
def more_of_the_hard_rows_by_two_columns(setting: Setting, rng: Rng) -> Incident | None:
    """More rows where two columns are high or low together."""
    return _resampled(setting, rng, 2, float(rng.uniform(0.8, 1.6)))


@story("covariate_shift", needs=has_code, portions=(ALL,))
def more_of_one_category(setting: Setting, rng: Rng) -> Incident | None:
    """The mix of a category moves towards one level."""
    column = pick(rng, setting.codes())
    if column is None:
        return None
    level = pick(rng, setting.rows[column].drop_nulls().unique().sort().to_list())
    inside = (setting.rows[column] == level).fill_null(False).to_numpy()
    return _chosen(setting, rng, np.where(inside, 3.0, 0.0), f"mostly {column} = {level}", (column,))


@story("label_shift", needs=is_classification, portions=(ALL,), labels=True)
def more_of_one_class(setting: Setting, rng: Rng) -> Incident | None:
    """One class becomes more frequent, or rarer."""
    label, classes = setting.data.label, [str(c) for c in setting.world.pipeline.classes_]
    chosen, strength = pick(rng, classes), float(rng.choice([-1, 1]) * rng.uniform(1, 3))
    weight = np.where(setting.rows[label].cast(pl.String).to_numpy() == chosen, strength, 0.0)
    return _chosen(setting, rng, weight, f"class {chosen} at odds times {np.exp(strength):.2f}", (), (chosen,))


def _resampled(setting: Setting, rng: Rng, columns: int, strength: float) -> Incident | None:
    options = [*setting.quantities(), *setting.codes(distinct=3)]
    if len(options) < columns:
        return None
    names = [str(c) for c in rng.choice(options, size=columns, replace=False)]
    n = int(KEPT * setting.rows.height)
    strength *= float(rng.choice([-1, 1]))
    kept = np.sort(tilted(setting.rows, names, strength, n, rng))
    return Incident(f"tilted by {strength:.2f}", tuple(names), rows=lambda *_: kept, subject="segment")


def _chosen(
    setting: Setting, rng: Rng, weight: np.ndarray, words: str, columns: tuple[str, ...], classes: tuple[str, ...] = ()
) -> Incident:
    n = int(KEPT * setting.rows.height)
    kept = np.sort(np.argsort(-(weight + rng.gumbel(size=setting.rows.height)))[:n])
    return Incident(words, columns, rows=lambda *_: kept, subject="segment" if columns else "kind", classes=classes)
