"""Spark: tables, paths and queries, in a session that is there, on a master, or over Spark Connect.

What a profile asks for are aggregates of Spark's own SQL: no Python runs on the cluster, nothing is installed there, and it works
over Connect and on serverless alike. Bins are counted on the plan's edges, so that counts are exact; Spark's KLL sketches would
bound an error instead, and drop NaN in silence.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backslide.contracts.config import Settings
from backslide.contracts.errors import SourceError
from backslide.contracts.extras import needs
from backslide.contracts.secrets import scrub_address
from backslide.engine.pushdown.dialect import Row, SqlDialect
from backslide.engine.pushdown.source import PushdownTable
from backslide.engine.sources.database import is_query, resolved_address

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_TIME_ZONE = "spark.sql.session.timeZone"
_FORMATS = {".parquet": "parquet", ".pq": "parquet", ".orc": "orc", ".json": "json", ".jsonl": "json", ".avro": "avro"}
_PATH = re.compile(r"^([a-zA-Z][\w+.-]*://|/|\./|\.\./|~)|\.(parquet|pq|orc|json|jsonl|avro)$")


class Spark(SqlDialect):
    """A Spark session; one that was there already stays, with its settings as they were."""

    name = "spark"
    double = "DOUBLE"
    text = "STRING"
    sets = 3
    """A tree of comparisons is some 15 kB of byte code, and Spark gives up on methods beyond 64 kB."""

    def __init__(self, master: str | None) -> None:
        with needs("spark", '[engine] kind = "spark"'), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # that the installed pandas is newer than PySpark knows
            from pyspark.sql import SparkSession

        with _refusals(f"no Spark session at {scrub_address(master or 'the default master')!r}"):
            active = SparkSession.getActiveSession()
            # A session of another thread is not active in this one, and building one gives that very session back.
            self._started = active is None and not _runs_here()
            self._session: SparkSession = active if active is not None else _start(master)
            self._zone = self._session.conf.get(_TIME_ZONE)
            self._session.conf.set(_TIME_ZONE, "UTC")

    def run(self, statement: str) -> list[Row]:
        """All rows of an answer."""
        with _refusals("Spark refuses the query"):
            return [tuple(row) for row in self._session.sql(statement).collect()]

    def columns(self, source: str) -> dict[str, str]:
        """Column -> its type."""
        with _refusals("Spark refuses the query"):
            return dict(self._session.sql(f"SELECT * FROM {source}").dtypes)

    def close(self) -> None:
        """Stop what was started here; give a session that was there its time zone back."""
        if self._started:
            self._session.stop()
        else:
            self._session.conf.set(_TIME_ZONE, str(self._zone))

    def random(self, seed: int) -> str:
        """The same for the same partitions."""
        return f"rand({seed})"

    def quote(self, name: str) -> str:
        """Between backticks."""
        return "`" + name.replace("`", "``") + "`"

    def is_nan(self, expression: str) -> str:
        """Spark's own; NaN equals NaN there and is larger than every number."""
        return f"isnan({expression})"

    def day(self, column: str, kind: str) -> str:  # the session counts in UTC
        """In the time zone of the session, which is UTC."""
        return f"CAST({column} AS DATE)"

    def selected(self, name: str, kind: str) -> str:
        """Times without a zone: those with one come in the zone of this machine."""
        quoted = self.quote(name)
        return f"CAST({quoted} AS TIMESTAMP_NTZ) AS {quoted}" if kind == "timestamp" else quoted


def _runs_here() -> bool:
    """Whether this process has a session already; of Spark Connect nobody can tell."""
    try:
        from pyspark import SparkContext
    except ImportError:
        return False
    return SparkContext._active_spark_context is not None


def open_spark(text: str, settings: Settings) -> PushdownTable:
    """The table, path or query that a source names.

    Raises:
        SourceError: there is no session, or no such table.
        MissingExtraError: without PySpark.
    """
    dialect = Spark(settings.engine.master)
    try:
        source = _from(dialect, resolved_address(text), settings.base)
        return PushdownTable(dialect, source, dialect.columns(source), scrub_address(text))
    except BaseException:
        dialect.close()
        raise


def _from(dialect: Spark, text: str, base: Path) -> str:
    if is_query(text):
        return f"({text}) AS q"
    if text.startswith("delta://"):
        return f"delta.{dialect.quote(str(base / text.removeprefix('delta://')))}"
    if not _PATH.search(text):
        return ".".join(dialect.quote(part) for part in text.split("."))
    kind = next((known for ending, known in _FORMATS.items() if text.rstrip("/").endswith(ending)), None)
    place = text if "://" in text else str((base / Path(text).expanduser()).resolve())
    if kind is None and "://" not in text:
        kind = "delta" if (Path(place) / "_delta_log").is_dir() else "parquet" if Path(place).is_dir() else None
    if kind is None:
        raise SourceError(
            f"expected a table, a query or a path that ends with {', '.join(_FORMATS)} for Spark, got {scrub_address(text)!r}; "
            "write delta:// before a Delta table's path"
        )
    return f"{kind}.{dialect.quote(place)}"


def _start(master: str | None) -> SparkSession:
    with needs("spark", '[engine] kind = "spark"'):
        from pyspark.sql import SparkSession

    builder: Any = SparkSession.builder
    builder = builder.appName("backslide").config("spark.ui.enabled", "false")
    if master is not None:
        builder = builder.remote(master) if master.startswith("sc://") else builder.master(master)
    session: SparkSession = builder.config("spark.ui.showConsoleProgress", "false").getOrCreate()
    if master is None or not master.startswith("sc://"):
        session.sparkContext.setLogLevel("ERROR")
    return session


@contextmanager
def _refusals(what: str) -> Iterator[None]:
    """Turn what Spark, the bridge to Java and a missing Java raise into one line."""
    try:
        yield
    except Exception as error:
        module = type(error).__module__.partition(".")[0]
        if module not in ("pyspark", "py4j", "grpc") and not isinstance(error, (RuntimeError, OSError)):
            raise
        sentence = _line(error)
    else:
        return
    raise SourceError(f"{what}: {sentence}")


def _line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__
