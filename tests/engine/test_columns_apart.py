"""Columns of large Parquet files are read each by itself: once for sample and profile, with the same result as all together."""

from __future__ import annotations

import json
import threading
from collections import Counter
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from backslide.case import Case
from backslide.contracts.config import Settings
from backslide.contracts.errors import SourceError
from backslide.engine.columns.sample import sample
from backslide.engine.profile import counted_sample
from backslide.engine.profile.column import ColumnProfile
from backslide.engine.profile.profile import Plan, Profile, make_plan
from backslide.engine.profile.run import profile
from backslide.engine.sources import batches as module
from backslide.engine.sources.batches import column_groups, read_groups
from backslide.engine.stored_window import open_stored
from backslide.engine.window import open_windows
from backslide.jobs.profile_days import store_profiles

ROWS = 5000
BATCH = 700
FEATURES = ("x", "n", "c", "b", "short")
OTHERS = ("at", "y", "p", "v")


def table(seed: int, n: int = ROWS) -> pl.DataFrame:
    """Numbers, some missing, levels, truth values and a vector, with times, labels and scores."""
    rng = np.random.default_rng(seed)
    x = np.where(rng.random(n) < 0.03, np.nan, rng.lognormal(size=n) + seed)
    score = rng.random(n)
    return pl.DataFrame(
        {
            "x": x,
            "n": pl.Series(np.where(rng.random(n) < 0.1, 0, rng.integers(-5, 2**40, n))),
            "c": pl.Series([f"v{k}" for k in rng.integers(0, 40, n)]).set(pl.Series(rng.random(n) < 0.05), None),
            "b": rng.random(n) < 0.3,
            "short": rng.normal(size=n).astype(np.float32),
            "at": [datetime(2026, 3, 1 + 7 * seed) + timedelta(minutes=i) for i in range(n)],
            "y": np.where(rng.random(n) < score, "yes", "no"),
            "p": score,
            "v": rng.normal(size=(n, 3)),
        }
    )


@pytest.fixture(autouse=True)
def small_files_are_large(monkeypatch):
    """Ranges and files of the size of a test."""
    monkeypatch.setattr(module, "_RANGE_BYTES", 8 * 1500)
    monkeypatch.setattr(module, "_ROWS_A_FILE", 100)


@pytest.fixture
def files(tmp_path):
    """Both windows as files of several groups of rows."""
    paths = [tmp_path / "reference.parquet", tmp_path / "current.parquet"]
    for seed, path in enumerate(paths):
        table(seed).write_parquet(path, row_group_size=1300)
    return paths


def settings_of(**model) -> Settings:
    roles = {"label": "y", "scores": {"yes": "p"}, "timestamp": "at", "features": list(FEATURES)}
    return Settings.from_dict({"model": roles | model, "engine": {"sample_rows": 400, "batch_rows": BATCH}})


def case_of(reference, current, **model) -> Case:
    settings = settings_of(**model)
    return Case(open_windows(reference, current, settings), settings)


def content(summary: Profile) -> str:
    """All of it to the last digit; cells come in no order."""

    def in_order(some):
        if isinstance(some, dict):
            return {key: in_order(value) for key, value in some.items()}
        return sorted(map(in_order, some), key=str) if isinstance(some, list) else some

    counts = summary.counts()
    columns = {name: list(column["levels"].items()) for name, column in counts["columns"].items()}
    loose = {key: in_order(counts[key]) for key in ("cells", "sums", "parts")}
    return json.dumps([summary.plan.to_dict(), counts["columns"], columns, loose], sort_keys=True)


def test_columns_are_read_apart_where_it_saves_something(files, tmp_path, monkeypatch):
    scan = pl.scan_parquet(files[0])
    columns = scan.collect_schema().names()
    apart = [[column] for column in columns]
    assert column_groups(scan) == apart
    assert column_groups(scan, total=ROWS) == apart
    assert column_groups(pl.scan_parquet(files))[0] == columns[:1]
    assert column_groups(scan.with_columns(pl.col("x") * 2)) == apart
    assert column_groups(scan, together=("y", "p")) == [["y", "p"], *([c] for c in columns if c not in ("y", "p"))]
    together = [columns]
    assert column_groups(scan, together=columns) == together
    assert column_groups(scan, total=150) == together
    assert column_groups(scan.filter(pl.col("b"))) == together
    assert column_groups(scan.with_columns(pl.col("x").shift(1))) == together
    assert column_groups(table(0).lazy()) == together
    assert column_groups(scan.select("x")) == [["x"]]
    odd = scan.rename({"x": "^n$"})
    assert column_groups(odd) == [odd.collect_schema().names()]
    for i in range(20):
        table(0, 250).write_parquet(tmp_path / f"part{i:02d}.parquet")
    many = pl.scan_parquet(tmp_path / "part*.parquet")
    assert [len(group) for group in column_groups(many)] == [5, 4]
    monkeypatch.setattr(module, "_MOST_GROUPS", 4)
    assert [len(group) for group in column_groups(scan)] == [3, 3, 3]


def test_files_that_are_elsewhere_are_read_as_a_whole():
    plan = "Parquet SCAN [s3://bucket/a.parquet, ... 3 other sources]\nSLICE: Positive { offset: 1, len: 1 }\n"

    class Elsewhere:
        def slice(self, *_):
            return self

        def explain(self):
            return plan

    assert module._files(Elsewhere()) == 0
    plan = plan.replace("s3://bucket", "/folder")
    assert module._files(Elsewhere()) == 4


def test_groups_come_in_their_order_and_stop_at_an_error(files):
    scan = pl.scan_parquet(files[0])
    groups = column_groups(scan)

    def consume(group, read):
        return group, pl.concat(read)

    for group, rows in read_groups(scan, groups, 100, consume):
        assert rows.equals(table(0).select(group))
    begun = threading.Event()

    def fail(group, read):
        if group == ["n"]:
            assert begun.wait(10)
            raise ZeroDivisionError
        seen = 0
        for _ in read:
            begun.set()
            seen += 1
        return seen

    with pytest.raises(ZeroDivisionError):
        read_groups(scan, [["x"], ["n"], ["c"]] * 5, 10, fail)


def test_a_file_that_ends_early_is_a_source_error(files, monkeypatch):
    scan = pl.scan_parquet(files[0]).select("x", "n", "c")
    batches = module.batches

    def fewer(frame, *args, **named):
        yield from batches(frame.head(ROWS - 10) if frame.collect_schema().names() == ["n"] else frame, *args, **named)

    monkeypatch.setattr(module, "batches", fewer)
    with pytest.raises(SourceError, match="number changed meanwhile"):
        profile(scan, Plan(numeric={"x": (0.0,), "n": (0.0,)}, categorical=("c",)), batch_rows=BATCH)


def test_the_sample_is_the_same(files):
    for path, seed in zip(files, (0, 1), strict=True):
        scan = pl.scan_parquet(path)
        assert len(column_groups(scan)) > 1
        assert sample(scan, 300, seed=7).equals(sample(table(seed).lazy(), 300, seed=7))


@pytest.mark.parametrize("max_levels", [1000, 10])
def test_the_profile_is_the_same(files, max_levels):
    frame = table(0)
    plan = make_plan(
        frame.head(500),
        numeric=["x", "n", "short", "p"],
        categorical=["c", "b"],
        cells=["y", "b"],
        block="y",
        sums=["p"],
        segments={"c": ("\"c\" = 'v1'",)},
        max_levels=max_levels,
    )
    apart, together = (profile(rows, plan, batch_rows=BATCH) for rows in (pl.scan_parquet(files[0]), frame.lazy()))
    assert content(apart) == content(together)


def profiles_and_samples(case: Case):
    return [(content(side.profile), side.sample) for side in case.sides]


@pytest.mark.parametrize("waiting", [10**6, 0])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_case_of_files_is_that_of_its_tables(files, order, waiting, monkeypatch):
    monkeypatch.setattr(counted_sample, "WAITING_BYTES", waiting)
    case, expected = case_of(*map(str, files)), case_of(table(0), table(1))
    for i in order:
        _ = case.sides[i].sample
    for (left, rows), (right, other) in zip(profiles_and_samples(case), profiles_and_samples(expected), strict=True):
        assert left == right
        assert rows.equals(other)
    counts = [set(side._counted_sample.counts) for side in case.sides]
    assert counts == [set(FEATURES) if waiting else {"c", "b"}, set(FEATURES)]
    assert not any(side._counted_sample.counts for side in expected.sides)


def test_features_of_large_files_are_read_once(files, monkeypatch):
    reads: Counter[tuple[str, str]] = Counter()
    batches = module.batches

    def counted(frame, *args, **named):
        path = next(path.stem for path in files if str(path) in frame.explain())
        reads.update((path, column) for column in frame.collect_schema().names())
        yield from batches(frame, *args, **named)

    monkeypatch.setattr(module, "batches", counted)
    monkeypatch.setattr("backslide.engine.profile.run.batches", counted)
    profiles_and_samples(case_of(*map(str, files)))
    assert {reads[path.stem, column] for path in files for column in (*FEATURES, *OTHERS)} == {1}


def test_a_large_file_beside_a_stored_reference(files, tmp_path):
    settings = settings_of()
    store_profiles(settings, tmp_path / "profiles", rows=table(0))
    summaries, drawn = [], []
    for current in (str(files[1]), table(1)):
        stored = open_stored(str(tmp_path / "profiles"), current, settings)
        side = Case(stored, settings).current
        summaries.append(content(side.profile))
        drawn.append(side._counted_sample.counts.keys())
    assert summaries[0] == summaries[1]
    assert [set(some) for some in drawn] == [set(FEATURES), set()]


def test_segments_and_their_columns(files):
    segments = ["c", "x > 1.5"]
    case, expected = (case_of(*some, segments=segments) for some in (map(str, files), (table(0), table(1))))
    assert [one for one, _ in profiles_and_samples(case)] == [one for one, _ in profiles_and_samples(expected)]
    variable = next(iter(case.segments))
    assert case.reference.profile.parts[variable]


def test_a_column_of_another_type_in_the_other_window_is_counted_as_planned(files):
    odd = table(1).with_columns(pl.col("n").cast(pl.String), pl.col("short").cast(pl.Int64))
    odd.write_parquet(files[1])
    case, expected = case_of(*map(str, files)), case_of(table(0), odd)
    assert [one for one, _ in profiles_and_samples(case)] == [one for one, _ in profiles_and_samples(expected)]


def test_counts_that_do_not_fit_the_plan_or_the_rows_are_not_used():
    frame = table(0).select("x", "c")
    plan = make_plan(frame, numeric=["x"], categorical=["c"])
    whole = profile(frame.lazy(), plan)
    half = profile(frame.head(ROWS // 2).lazy(), plan).columns
    others = profile(frame.lazy(), Plan(numeric={"x": (0.0, 9.0)})).columns
    for counts in ({"c": half["c"]}, {"x": half["x"]}, others, {"x": whole.columns["c"]}, {"c": whole.columns["x"]}):
        assert content(profile(frame.lazy(), plan, counts=counts)) == content(whole)
    counted = {"c": ColumnProfile(rows=ROWS, levels={"v1": ROWS})}
    fewer_levels = make_plan(frame, numeric=["x"], categorical=["c"], max_levels=5)
    assert profile(frame.lazy(), fewer_levels, counts=counted).columns["c"].rest_rows > 0
    assert profile(frame.lazy(), plan, counts=counted).columns["c"].levels == {"v1": ROWS}
    assert content(profile(frame.lazy(), plan, counts=whole.columns)) == content(whole)
