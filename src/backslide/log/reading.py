"""Reading a log: predictions with the last label of each, labels with their history, events."""

from __future__ import annotations

import os
from datetime import UTC, datetime, time
from pathlib import Path

import numpy as np
import polars as pl

from backslide.contracts.errors import LogError
from backslide.log.columns import plain_names
from backslide.log.label_index import LabelIndex
from backslide.log.parse_rows import EXTRA, FEATURE, SCORE
from backslide.log.paths import REVIEW, TABLES, is_uri, models_of, table_of
from backslide.log.tables import PARTITION, LogTable

OWN = ("id", "at", "version", "prediction", "label", "label_at", "label_source")
"""Columns of the log itself; a feature of such a name is called ``feature_...`` when read."""


class Log:
    """The tables of one model."""

    def __init__(self, store: str | os.PathLike[str], name: str) -> None:
        self.name = name
        self._tables = {table: LogTable(table_of(store, name, table), table) for table in TABLES}
        self._numbers: dict[str, bool] = {}
        self._index: LabelIndex | None = None
        if not self._tables["predictions"].there:
            raise LogError(
                f"nothing of {name!r} has been rolled up in {os.fspath(store)!r}; run `backslide log rollup --store ...` first"
            )

    def predictions(
        self, *, since: datetime | None = None, until: datetime | None = None, labels: bool = True
    ) -> pl.LazyFrame:
        """A row for each id, joined with its last label.

        Columns: ``id``, ``at`` (UTC), ``version``, ``prediction``, ``label``, ``label_at``, ``label_source``, a score
        ``p_<class>`` each, then features and extras by their own names. Of several records with one id the last counts.
        Prediction and label are numbers where all of them are.

        Args:
            since: only what was served from then on (naive: UTC); only the files of those days are read.
            until: only what was served before.
            labels: False leaves the labels null, which is much quicker where only inputs matter.
        """
        rows = _within(self._tables["predictions"].scan(), since, until)
        names = rows.collect_schema()
        bounded = since is not None or until is not None
        ids = rows.select("id").collect() if bounded else None
        own = ids if ids is not None else rows.select("id").collect(engine="streaming")
        once = _unique(own["id"])
        rows = rows if once else _last(rows, "at")
        prediction = self._answer("predictions", "prediction", "prediction_number")
        columns: list[pl.Expr] = [pl.col("id"), pl.col("at"), pl.col("version"), prediction]
        columns += [_together(group, names).alias(plain) for plain, _, group in _plain_columns(names.names())]
        if not labels or not self._tables["labels"].there:
            nothing = [pl.lit(None, dtype=dtype).alias(name) for name, dtype in _NO_LABEL.items()]
            return rows.select(*columns[:4], *nothing, *columns[4:])
        latest = self._tables["labels"].scan()
        if ids is not None:  # few of all labels, found once
            if self._index is None:
                self._index = LabelIndex(latest)
            aligned = self._index.aligned(ids["id"]) if once else None
            if aligned is not None:  # rows of a scan come in the order in which their ids came
                beside = self._labels_of(aligned.lazy()).drop("id")
                return pl.concat([rows.select(columns), beside], how="horizontal").select(*_ORDER, pl.exclude(_ORDER))
            latest = self._index.of(ids["id"]).collect(engine="streaming").lazy()
        if not _unique(latest.select("id").collect(engine="streaming")["id"]):
            latest = _last(latest, "at", "recorded", "place")
        joined = rows.select(columns).join(self._labels_of(latest), on="id", how="left")
        return joined.select(*_ORDER, pl.exclude(_ORDER))

    def _labels_of(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        """Rows of the table of labels under the names of :meth:`predictions`."""
        return rows.select(
            "id",
            self._answer("labels", "value", "number").alias("label"),
            pl.col("at").alias("label_at"),
            pl.col("source").alias("label_source"),
        )

    def labels(self) -> pl.LazyFrame:
        """Every label that ever came; empty where none did.

        ``id``; ``at``, the time as of which it was told; ``value`` and ``number``; ``source``; ``recorded``, when it arrived
        (null where that is not known); ``by``, who put a prediction right; ``inclusion``, with which probability the row was
        drawn to be labelled (null: it was not drawn).
        """
        table = self._tables["labels"]
        if not table.there:
            return pl.LazyFrame(schema=_LABELS)
        rows = table.scan()
        later = set(_LABELS) - set(rows.collect_schema())  # columns that tables of an earlier version have not
        return rows.with_columns(pl.lit(None, dtype=_LABELS[name]).alias(name) for name in sorted(later)).select(
            list(_LABELS)
        )

    def corrections(self) -> pl.LazyFrame:
        """What people put in the place of predictions, one row each time.

        ``id``, ``at``, ``recorded``, ``value``, ``by``; ``served``, the time of the prediction, and ``prediction`` as text, both
        null where the log has no such prediction; ``changed``, whether the two differ.
        """
        served = self._tables["predictions"].scan().sort("at").unique("id", keep="last", maintain_order=True)
        served = served.select("id", pl.col("at").alias("served"), "prediction")
        reviews = self.labels().filter(pl.col("source") == REVIEW).select("id", "at", "recorded", "value", "by")
        joined = reviews.join(served, on="id", how="left").sort("at", "recorded")
        return joined.with_columns((pl.col("value") != pl.col("prediction")).alias("changed"))

    def scores(self) -> list[str]:
        """Columns of :meth:`predictions` that hold scores of classes."""
        return self._columns_of(SCORE)

    def features(self) -> list[str]:
        """Columns of :meth:`predictions` that hold features, not what was recorded beside them."""
        return self._columns_of(FEATURE)

    def _columns_of(self, kind: str) -> list[str]:
        names = self._tables["predictions"].scan().collect_schema().names()
        return [plain for plain, own, _ in _plain_columns(names) if own == kind]

    def add_labels(self, rows: pl.DataFrame) -> None:
        """Labels that came another way than through a recorder, in one commit; columns as in the table."""
        self._tables["labels"].append(rows)
        self._numbers, self._index = {}, None

    def events(self) -> pl.LazyFrame:
        """``at`` and ``text`` of every event; one that was sent twice counts once."""
        table = self._tables["events"]
        return (
            table.scan().select("at", "text").unique(maintain_order=True).sort("at", maintain_order=True)
            if table.there
            else pl.LazyFrame(schema={"at": _TIME, "text": pl.String()})
        )

    def counts(self) -> dict[str, int]:
        """Rows of every table."""
        return {name: table.rows() for name, table in self._tables.items()}

    def _answer(self, kind: str, text: str, number: str) -> pl.Expr:
        """Numbers where every text of a table has one, else texts."""
        if kind not in self._numbers:
            table = self._tables[kind]
            self._numbers[kind] = bool(table.values(number)) and bool(
                table.scan().select((pl.col(text).is_null() | pl.col(number).is_not_null()).all()).collect().item()
            )
        return pl.col(number).alias(text) if self._numbers[kind] else pl.col(text)


def _within(rows: pl.LazyFrame, since: datetime | None, until: datetime | None) -> pl.LazyFrame:
    """Rows of a stretch of time; by the days first, which tell the files."""
    for bound, least in ((since, True), (until, False)):
        if bound is not None:
            at = (bound if bound.tzinfo is not None else bound.replace(tzinfo=UTC)).astimezone(UTC)
            day, whole = pl.col(PARTITION), at.time() == time()
            inside = day >= at.date() if least else day < at.date() if whole else day <= at.date()
            rows = rows.filter(
                day.is_not_null(), inside
            )  # Polars before 2.0 lets rows without a day through "earlier than"
            if not whole:  # the day says it all otherwise
                rows = rows.filter(pl.col("at") >= at if least else pl.col("at") < at)
    return rows


def _last(rows: pl.LazyFrame, *order: str) -> pl.LazyFrame:
    """The last row of each id."""
    return rows.sort(*order).unique("id", keep="last", maintain_order=True)


_TIME = pl.Datetime("us", "UTC")
_LABELS: dict[str, pl.DataType] = {
    "id": pl.String(),
    "at": _TIME,
    "value": pl.String(),
    "number": pl.Float64(),
    "source": pl.String(),
    "recorded": _TIME,
    "by": pl.String(),
    "inclusion": pl.Float64(),
}


def _unique(ids: pl.Series) -> bool:
    """Whether none stands twice: different digests say so, and are compared ten times as fast as texts."""
    digests = np.sort(ids.hash().to_numpy())
    return not bool((digests[1:] == digests[:-1]).any()) or ids.n_unique() == len(ids)


_ORDER = ["id", "at", "version", "prediction", "label", "label_at", "label_source"]
_NO_LABEL: dict[str, pl.DataType] = {"label": pl.String(), "label_at": _TIME, "label_source": pl.String()}


def _plain_columns(columns: list[str]) -> list[tuple[str, str, list[str]]]:
    """What values are called when read, their kind, and the columns that hold them."""
    taken, results = set(OWN), []
    for stem, (name, group) in plain_names(columns).items():
        kind = stem[:2]
        plain = {SCORE: f"p_{name}", FEATURE: name, EXTRA: name}[kind]
        other = {SCORE: "score_", FEATURE: "feature_", EXTRA: "extra_"}[kind]
        if plain in taken:
            plain = other + name
        while plain in taken:  # another feature may be called that
            plain = other + plain
        taken.add(plain)
        results.append((plain, kind, group))
    return results


def _together(group: list[str], schema: pl.Schema) -> pl.Expr:
    """Values of one name that were kept in several columns: as numbers where all are, else as texts."""
    if len(group) == 1:
        return pl.col(group[0])
    if all(schema[column].is_numeric() for column in group):
        return pl.coalesce(pl.col(column).cast(pl.Float64) for column in group)
    texts = [
        pl.col(c).cast(pl.List(pl.String)).list.join(", ")
        if isinstance(schema[c], pl.List)
        else pl.col(c).cast(pl.String)
        for c in group
    ]
    return pl.coalesce(texts)


def open_log(store: str | os.PathLike[str], name: str | None = None) -> Log:
    """The log of a model; the name may be left out where there is but one.

    Raises:
        LogError: there is no such log or model, or nothing has been rolled up yet.
    """
    if name is None:
        known = [] if is_uri(store) else models_of(store)
        if len(known) != 1:
            what = f"there is {', '.join(map(repr, known))}" if known else "none is there"
            raise LogError(f"expected the name of one model in the log {os.fspath(store)!r}; {what}")
        name = known[0]
    elif not is_uri(store) and name not in models_of(store):
        known = models_of(store)
        raise LogError(
            f"no model {name!r} in the log {os.fspath(store)!r}"
            + (f"; there is {', '.join(map(repr, known))}" if known else "")
        )
    return Log(store, name)


def is_log(path: Path) -> bool:
    """Whether a folder is a log's."""
    return (path / "spool").is_dir() or (path / "tables").is_dir()
