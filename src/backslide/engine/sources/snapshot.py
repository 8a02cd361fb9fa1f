"""A snapshot as a window: the rows that it keeps of training, with what its model answered to them."""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl

from backslide.contracts.errors import SourceError
from backslide.contracts.roles import Roles
from backslide.contracts.snapshot import Snapshot

PREDICTION, SCORE = "__snapshot_prediction", "__snapshot_score "
HEAD = 200
"""Characters in which a snapshot says what it is."""


def is_snapshot(source: Any, base: Path) -> bool:
    """Whether it is a snapshot, or names the file of one."""
    if isinstance(source, Snapshot):
        return True
    if not isinstance(source, (str, Path)) or not str(source).endswith(".json"):
        return False
    if not (base / str(source)).is_file():
        return False
    try:
        with (base / str(source)).open(encoding="utf-8") as file:
            return '"backslide.snapshot/' in file.read(HEAD)
    except (OSError, ValueError):
        return False


def packed_rows(rows: pl.DataFrame, predictions: Any, scores: dict[str, Any]) -> str:
    """Rows and answers as a snapshot keeps them: base64 of Parquet."""
    columns = [pl.Series(PREDICTION, list(predictions), strict=False)] if predictions is not None else []
    columns += [pl.Series(f"{SCORE}{label}", values) for label, values in scores.items()]
    written = BytesIO()
    rows.with_columns(columns).write_parquet(written, compression="zstd")
    return base64.b64encode(written.getvalue()).decode("ascii")


def open_snapshot(source: Any, base: Path, roles: Roles) -> tuple[pl.LazyFrame, str]:
    """The kept rows under the names that the roles give, and where they come from.

    Prediction and scores are the model's own where the training rows hold none. Labels, times and ids that training rows do not
    hold are null.

    Raises:
        SourceError: it keeps no rows, or none that can be read.
        InputError: it is no snapshot.
    """
    snapshot = source if isinstance(source, Snapshot) else Snapshot.load(base / str(source))
    name = snapshot.name if isinstance(source, Snapshot) else str(source)
    if snapshot.rows is None:
        what = "a training profile and no rows" if snapshot.profile is not None else "no training rows"
        raise SourceError(
            f"the snapshot {name} holds {what}, and a reference window is compared row by row; take it again with "
            "`backslide snapshot --data TRAIN --rows 5000`"
        )
    try:
        rows = pl.read_parquet(BytesIO(base64.b64decode(snapshot.rows, validate=True)))
    except (ValueError, pl.exceptions.PolarsError):
        raise SourceError(f"the rows of snapshot {name} are damaged; take it again") from None
    return _as_logged(rows, roles).lazy(), f"{rows.height} training rows of snapshot {name}"


def _as_logged(rows: pl.DataFrame, roles: Roles) -> pl.DataFrame:
    added = []
    if roles.prediction is not None and roles.prediction not in rows.columns and PREDICTION in rows.columns:
        added.append(pl.col(PREDICTION).alias(roles.prediction))
    for label, column in roles.scores.items():
        if column not in rows.columns and f"{SCORE}{label}" in rows.columns:
            added.append(pl.col(f"{SCORE}{label}").alias(column))
    if roles.label is not None and roles.label not in rows.columns:
        added.append(pl.lit(None, pl.Float64 if _numbers(rows) else pl.String).alias(roles.label))
    if roles.timestamp is not None and roles.timestamp not in rows.columns:
        added.append(pl.lit(None, pl.Datetime("us")).alias(roles.timestamp))
    added += [
        pl.lit(None, pl.String).alias(column)
        for column in (roles.id, roles.version)
        if column is not None and column not in rows.columns
    ]
    own = [c for c in rows.columns if c != PREDICTION and not c.startswith(SCORE)]
    return rows.with_columns(added).select(*own, *(e.meta.output_name() for e in added))


def _numbers(rows: pl.DataFrame) -> bool:
    return PREDICTION in rows.columns and rows[PREDICTION].dtype.is_float()


def limitations(frame: pl.DataFrame | pl.LazyFrame, roles: Roles) -> list[str]:
    """What cannot be told from a snapshot's rows, as notes."""
    absent = frame.lazy().select(pl.all().is_null().all()).collect().row(0, named=True)
    missing = [(role, column) for role, column in roles.columns().items() if absent.get(column)]
    without = {
        "label": "the snapshot's rows hold no labels, so they cannot show whether the metric fell",
        "timestamp": "the snapshot's rows hold no times, so how much days differ is not known from the reference",
    }
    return [without[role] for role, _ in missing if role in without]
