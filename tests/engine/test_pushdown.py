"""Profiles that a database counts: the numbers of one pass here, whatever its dialect."""

from __future__ import annotations

import math
import sys
from fractions import Fraction
from pathlib import Path

import polars as pl
import pytest

from backslide.contracts.config import Settings
from backslide.contracts.diagnosis import Verdict
from backslide.contracts.errors import ColumnError, ConfigError, SourceError
from backslide.engine.profile.daily_profiles import profile_days
from backslide.engine.profile.plan import Plan
from backslide.engine.profile.profile import profile_batch
from backslide.engine.profile.profile_store import ProfileStore
from backslide.engine.pushdown.dialect import SqlDialect
from backslide.engine.pushdown.postgres import _squares_of
from backslide.engine.pushdown.source import open_pushdown
from backslide.engine.pushdown.sql_profile import profile_table
from backslide.engine.pushdown.statements import TableQuery
from backslide.engine.sources.open import open_source
from backslide.engine.window import open_windows
from backslide.jobs.diagnose import diagnose
from backslide.jobs.profile_days import store_profiles
from backslide.jobs.shadow import shadow
from commands import backslide
from pushdown import MODEL, assert_counts_alike, assert_extremes_alike, extremes, regression, settings_of, table
from servers import SECRET

duckdb = pytest.importorskip("duckdb")


def database(path: Path, **tables: pl.DataFrame) -> str:
    with duckdb.connect(str(path)) as connection:
        for name, rows in tables.items():
            kinds = {pl.Float64: "DOUBLE", pl.Int64: "BIGINT", pl.Boolean: "BOOLEAN", pl.String: "VARCHAR"}
            columns = ", ".join(
                '"' + column.replace('"', '""') + '" ' + kinds.get(dtype.base_type(), "TIMESTAMP")
                for column, dtype in rows.schema.items()
            )
            connection.execute(f'CREATE TABLE "{name}" ({columns})')
            # Rows one by one take a minute; null and NaN come apart from text.
            written = rows.with_columns(
                pl.col(pl.Float64).map_elements(repr, pl.String), pl.col(pl.String).fill_null("\\N")
            )
            written.write_csv(path.with_suffix(".csv"), null_value="\\N", quote_style="necessary")
            connection.execute(f"COPY \"{name}\" FROM '{path.with_suffix('.csv')}' (HEADER, NULLSTR '\\N')")
    return f"duckdb:///{path}#{next(iter(tables))}"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    return database(tmp_path_factory.mktemp("duck") / "log.duckdb", predictions=table(), errors=regression())


def test_duckdb_counts_what_one_pass_here_counts(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(SqlDialect, "sets", 3)  # the last of several statements is shorter
    assert_counts_alike(source, table(), tmp_path / "p")


@pytest.mark.parametrize("most", [1, 3, 5, 6])
def test_of_many_levels_the_same_stay(source: str, most: int):
    opened = open_pushdown(source, settings_of())
    assert opened is not None
    plan = Plan(categorical=("c",), max_levels=most)
    query = TableQuery(opened.source, "CAST(NULL AS DATE)", "CAST(NULL AS VARCHAR)", {}, {"c": '"c"'})
    (counted,) = profile_table(opened.dialect, query, plan, frozenset(), {}).values()
    opened.dialect.close()
    one, known = counted.columns["c"], profile_batch(table().select("c"), plan).columns["c"]
    assert one.to_dict() | {"mean": None} == known.to_dict() | {"mean": None}


@pytest.mark.parametrize("lost", [0, 4])
def test_levels_that_all_tie_beyond_the_most_are_counted_as_the_rest(tmp_path: Path, lost: int):
    rows = pl.DataFrame({"c": [f"customer {k}" for k in range(12)] + [None] * lost}, schema={"c": pl.String})
    opened = open_pushdown(database(tmp_path / "ties.duckdb", ties=rows), Settings())
    assert opened is not None
    query = TableQuery(opened.source, "CAST(NULL AS DATE)", "CAST(NULL AS VARCHAR)", {}, {"c": '"c"'})
    (counted,) = profile_table(opened.dialect, query, Plan(categorical=("c",), max_levels=5), frozenset(), {}).values()
    opened.dialect.close()
    one = counted.columns["c"]
    assert (one.rows, one.nulls, one.levels, one.rest_rows, one.rest_levels) == (12 + lost, lost, {}, 12, 12)


def test_decimals_are_the_classes_that_rows_are_read_as(tmp_path: Path):
    with duckdb.connect(str(tmp_path / "d.duckdb")) as connection:
        connection.execute(
            "CREATE TABLE d AS SELECT CAST(i % 2 AS DECIMAL(10, 2)) AS label, i % 2 AS said, 1.0 AS x FROM range(60) t(i)"
        )
    settings = Settings.from_dict({"model": {"label": "label", "prediction": "said"}, "engine": {"kind": "sql"}})
    source = f"duckdb:///{tmp_path / 'd.duckdb'}#d"
    answer = diagnose(source, source, settings=settings)
    assert answer.inputs.classes == ("0", "1")
    assert answer.metric.reference == 1.0


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_numbers_beyond_the_range_of_squares_are_counted_as_here(tmp_path: Path):
    assert_extremes_alike(database(tmp_path / "e.duckdb", extremes=extremes()), tmp_path / "p")


def test_new_days_of_a_period_end_with_it(source: str, tmp_path: Path):
    settings = settings_of(data={"source": source})
    store_profiles(settings, tmp_path / "p", rows="2026-03-01..2026-03-04")
    more = store_profiles(settings, tmp_path / "p", rows="2026-03-01..2026-03-07", new=True)
    assert more.days[-1] == "2026-03-07"


def test_sums_of_a_regression_are_those_of_the_rows(source: str, tmp_path: Path):
    settings = Settings.from_dict({"model": {"label": "y", "prediction": "p", "timestamp": "at", "task": "regression"}})
    store_profiles(settings, tmp_path / "p", rows=source.replace("predictions", "errors"))
    store = ProfileStore.open(tmp_path / "p")
    here = profile_days(open_windows(regression(), regression(), settings).reference.frame, store.manifest.plan)
    for key, known in here.items():
        counted = store.read(key.day)[key]
        assert set(counted.sums) == set(known.sums) >= {"__absolute", "__squared", "__percentage"}
        for name, blocks in known.sums.items():
            for block, values in blocks.items():
                assert counted.sums[name][block] == pytest.approx(values, rel=1e-11, abs=1e-9), (key, name)


def test_a_diagnosis_compares_two_periods_where_the_rows_are(source: str):
    settings = settings_of(engine={"kind": "sql"}, data={"source": source})
    rows = table()
    early = rows.filter(pl.col("at") < pl.datetime(2026, 3, 11))
    late = rows.filter(pl.col("at") >= pl.datetime(2026, 3, 11))
    pushed = diagnose("2026-03-01..2026-03-10", "2026-03-11..2026-04-30", settings=settings)
    here = diagnose(early, late, settings=settings_of(), quick=True)
    assert pushed.verdict == here.verdict != Verdict.DEGRADED
    assert pushed.inputs.rows == here.inputs.rows
    assert pushed.inputs.sampled.reference == pushed.inputs.sampled.current == 0
    assert pushed.metric.reference == pytest.approx(here.metric.reference, rel=1e-12)
    assert pushed.metric.current == pytest.approx(here.metric.current, rel=1e-12)


def test_later_days_are_added_alike_and_new_ones_alone(source: str, tmp_path: Path):
    settings = settings_of(data={"source": source})
    first = store_profiles(settings, tmp_path / "p", rows="2026-03-01..2026-03-10")
    assert len(first.days) == 10
    rest = store_profiles(settings, tmp_path / "p", rows=source, new=True)
    assert rest.days[0] == "2026-03-10"
    assert rest.stored > 10
    answer = diagnose(f"{tmp_path / 'p'}#2026-03-01..2026-03-10", source, settings=settings_of(engine={"kind": "sql"}))
    assert answer.inputs.rows.current == 3000


def test_a_sample_is_seeded_and_takes_the_columns_asked_for(source: str):
    opened = open_pushdown(source, settings_of())
    assert opened is not None
    one, two, other = (opened.sample(["x", "c"], 500, seed) for seed in (1, 1, 2))
    assert one.equals(two)
    assert not one.equals(other)
    assert one.columns == ["x", "c"]
    assert 380 < one.height < 620
    opened.dialect.close()


def test_rows_of_duckdb_are_a_source_like_any_other(source: str):
    rows = open_source(source).collect()
    assert rows.equals(table(), null_equal=True)
    assert open_source(source.replace("#predictions", "#SELECT x FROM predictions LIMIT 0")).collect().height == 0


def test_queries_and_views_are_counted_as_they_are_written(source: str, tmp_path: Path):
    query = source.replace("#predictions", "#SELECT * REPLACE (-x AS x) FROM predictions WHERE c <> ''")
    done = store_profiles(settings_of(), tmp_path / "p", rows=query)
    assert 0 < done.rows < 3000


def test_what_cannot_be_counted_there_is_one_line(source: str, tmp_path: Path):
    pushed = settings_of(engine={"kind": "sql"})
    with pytest.raises(
        ConfigError, match="counts in DuckDB and PostgreSQL, and the reference window is Polars DataFrame"
    ):
        diagnose(table(), table(), settings=pushed)
    with pytest.raises(ConfigError, match="leave kind out"):
        shadow(table(), settings=pushed)
    with pytest.raises(SourceError, match="found none; check the path"):
        store_profiles(settings_of(), tmp_path / "p", rows="duckdb:///none.duckdb#t")
    assert not (tmp_path / "none.duckdb").exists()
    with pytest.raises(SourceError, match="expected a table or a query behind #"):
        store_profiles(settings_of(), tmp_path / "p", rows=source.partition("#")[0])
    with pytest.raises(SourceError, match="DuckDB refuses the query"):
        store_profiles(settings_of(), tmp_path / "p", rows=source.replace("predictions", "nothing"))
    with pytest.raises(ColumnError, match="no column 'when'"):
        store_profiles(Settings.from_dict({"model": MODEL | {"timestamp": "when"}}), tmp_path / "p", rows=source)
    times = Settings.from_dict({"model": MODEL | {"timestamp": "c"}, "data": {"source": source}})
    with pytest.raises(ColumnError, match="cast it in a query"):
        open_pushdown("2026-03-01..2026-03-02", times)
    with pytest.raises(SourceError, match="refuses"):
        store_profiles(
            settings_of(), tmp_path / "p", rows=source.replace("#predictions", "#SELECT 1; DROP TABLE predictions")
        )
    with pytest.raises(ConfigError, match=r"needs \[model\] prediction"):
        store_profiles(
            Settings.from_dict({"model": {"label": "label", "scores": {"yes": "share"}}}),
            tmp_path / "q",
            rows=source,
        )


def test_the_command_line_profiles_a_database(source: str, tmp_path: Path):
    (tmp_path / "backslide.toml").write_text(
        f'[model]\nlabel = "label"\nprediction = "prediction"\ntimestamp = "at"\n[windows]\nreference = \'{source}\'\n'
    )
    done = backslide(tmp_path, "log", "profile", "-q")
    assert done.code == 0, done.err
    assert "3,000 rows" in done.out


@pytest.mark.postgres
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_postgresql_counts_what_one_pass_here_counts(postgres: str, tmp_path: Path):
    psycopg = pytest.importorskip("psycopg")
    rows = table()
    with psycopg.connect(f"postgresql://{postgres}", autocommit=True) as connection:
        connection.execute("CREATE SCHEMA pushed")
        connection.execute(
            'CREATE TABLE pushed.predictions ("at" timestamptz, x float8, "odd ""name" float8, share float8, k int8, '
            "c text, b boolean, label text, prediction text, ver text)"
        )
        connection.execute("SET TIME ZONE 'UTC'")
        with connection.cursor().copy("COPY pushed.predictions FROM STDIN") as copy:
            for row in rows.rows():
                copy.write_row(row)
    source = f"postgresql://{postgres}#pushed.predictions"
    assert_counts_alike(source, rows, tmp_path / "p")
    opened = open_pushdown(source, settings_of())
    assert opened is not None
    assert opened.sample(["x"], 500, 3).equals(opened.sample(["x"], 500, 3))
    with pytest.raises(SourceError, match="read-only") as refused:
        opened.dialect.run("DELETE FROM pushed.predictions")
    assert SECRET not in str(refused.value)
    opened.dialect.close()
    with psycopg.connect(f"postgresql://{postgres}", autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE pushed.extremes (at timestamptz, small float8, large float8, mixed float8, whole int8, "
            "y float8, p float8)"
        )
        connection.execute("SET TIME ZONE 'UTC'")
        with connection.cursor().copy("COPY pushed.extremes FROM STDIN") as copy:
            for row in extremes().rows():
                copy.write_row(row)
    assert_extremes_alike(f"postgresql://{postgres}#pushed.extremes", tmp_path / "e")
    with pytest.raises(SourceError, match="cannot be read") as failed:
        open_pushdown(f"postgresql://me:wrong{SECRET[:2]}@127.0.0.1:1/postgres#t", settings_of())
    assert "wrong" not in str(failed.value)


def test_squares_end_where_floats_do():
    """In whole numbers: some libraries make this process take the smallest floats for 0."""
    low, high = _squares_of()
    square, least, most = (lambda x: Fraction(x) ** 2), Fraction(1, 2**1074), Fraction(sys.float_info.max)
    assert square(low) <= least / 2 < square(math.nextafter(low, 1))
    assert square(math.nextafter(high, 0)) < most + Fraction(2**970) <= square(high)
