"""The real data sets: label, features without the columns that give the label away, and how many rows train the model.

Split in two: the sets that may be looked at while detectors are written, and those that are only scored at the end.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import polars as pl

LOOKED_AT = ("electricity", "bank_marketing", "bike_sharing_hourly", "census_employment_ma")
HELD_OUT = ("noaa_weather", "green_taxi_fares", "reuters_news", "scotus_case_facts")


@dataclass(frozen=True)
class DataSet:
    """One table in time order."""

    name: str
    label: str
    task: str
    left_out: tuple[str, ...]
    """Columns that are no features: the time, keys, and what is known only afterwards."""
    train_rows: int
    texts: tuple[str, ...] = ()
    """Columns of running text."""
    balanced: bool = False
    """Whether the model weighs classes equally."""
    first_row: int = 0
    last_row: int | None = None

    @property
    def regression(self) -> bool:
        """Whether the label is a number."""
        return self.task == "regression"

    def rows(self) -> pl.DataFrame:
        """All rows in time order."""
        return _table(self.name)[self.first_row : self.last_row]

    def features(self) -> list[str]:
        """Columns that the model is given."""
        return [c for c in _table(self.name).columns if c != self.label and c not in self.left_out]

    def codes(self) -> list[str]:
        """Features of short text: categories."""
        return [c for c in self.features() if _table(self.name)[c].dtype == pl.String and c not in self.texts]

    def numbers(self) -> list[str]:
        """Features of numbers."""
        return [c for c in self.features() if _table(self.name)[c].dtype.is_numeric()]


_ALL = (
    # From the day on which both markets were one: before it, three columns stand still.
    DataSet("electricity", "price_change", "binary", ("timestamp", "nsw_price"), 8_000, first_row=17_424),
    DataSet(
        "bank_marketing",
        "subscribed",
        "binary",
        ("contact_date", "month", "day_of_month", "call_duration_s"),
        8_000,
        balanced=True,
    ),
    DataSet("bike_sharing_hourly", "count", "regression", ("timestamp", "casual", "registered", "year_index"), 5_000),
    # The year before the dormitories came in: quiet by itself.
    DataSet(
        "census_employment_ma",
        "employed",
        "binary",
        ("id", "year", "period", "prediction", "predicted_probability"),
        20_000,
        last_row=130_000,
    ),
    DataSet("noaa_weather", "rain", "binary", ("day_index",), 5_000),
    DataSet(
        "green_taxi_fares",
        "fare_amount",
        "regression",
        (
            "total_amount",
            "tip_amount",
            "pickup_time",
            "tolls_amount",
            "extra",
            "mta_tax",
            "improvement_surcharge",
            "congestion_surcharge",
            "ehail_fee",
        ),
        15_000,
        last_row=60_000,
    ),
    DataSet("reuters_news", "topic", "multiclass", ("doc_id", "published_at", "lewis_split"), 2_500, ("title", "body")),
    DataSet(
        "scotus_case_facts",
        "issue_area",
        "multiclass",
        (
            "case_id",
            "term_year",
            "decision_type",
            "disposition",
            "first_party_winner",
            "majority_vote",
            "minority_vote",
        ),
        1_200,
        ("case_name", "facts"),
    ),
)
SETS = {s.name: s for s in _ALL}


@cache
def _table(name: str) -> pl.DataFrame:
    folder = os.environ.get("BACKSLIDE_DATA")
    if not folder or not (Path(folder) / f"{name}.parquet").exists():
        raise SystemExit(f"expected {name}.parquet in the folder that BACKSLIDE_DATA names, found {folder!r}; set it")
    rows = pl.read_parquet(Path(folder) / f"{name}.parquet")
    # A number of two values that are names of something is read as the number it is; nothing else is done to the rows.
    return rows.with_columns(pl.col(pl.Boolean).cast(pl.String))
