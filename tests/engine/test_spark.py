"""Spark counts what one pass here counts: in this process, and on a cluster of which a worker is killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from backslide.contracts.errors import ConfigError, SourceError
from backslide.engine.pushdown.source import open_pushdown
from backslide.jobs.diagnose import diagnose
from backslide.jobs.watch import watch
from pushdown import assert_counts_alike, assert_extremes_alike, assert_stored_alike, extremes, settings_of, table

pytestmark = [pytest.mark.slow, pytest.mark.spark, pytest.mark.filterwarnings("ignore")]  # PySpark warns of itself
HERE = {"kind": "spark", "master": "local[2]"}


@pytest.fixture(scope="module")
def session() -> Iterator[None]:
    """A session of the user's own, which is not stopped."""
    from pyspark.sql import SparkSession

    built = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    session = built.config("spark.sql.shuffle.partitions", "2").config("spark.driver.host", "127.0.0.1").getOrCreate()
    session.conf.set("spark.sql.session.timeZone", "America/New_York")
    yield
    session.stop()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("spark") / "log.parquet"
    table().write_parquet(path)
    return str(path)


@pytest.mark.usefixtures("session")
def test_a_session_that_is_there_counts_and_keeps_its_settings(source: str, tmp_path: Path):
    from pyspark.sql import SparkSession

    assert_counts_alike(source, table(), tmp_path / "p", engine=HERE)
    extremes().write_parquet(tmp_path / "extremes.parquet")
    assert_extremes_alike(str(tmp_path / "extremes.parquet"), tmp_path / "e", engine=HERE)
    active = SparkSession.getActiveSession()
    assert active is not None
    assert active.conf.get("spark.sql.session.timeZone") == "America/New_York"
    active.read.parquet(source).createOrReplaceTempView("predictions")
    for named in ("predictions", "SELECT * FROM predictions"):
        opened = open_pushdown(named, settings_of(engine=HERE))
        assert opened is not None
        assert opened.rows() == 3000
        assert opened.sample(["x", "at"], 500, 3).equals(opened.sample(["x", "at"], 500, 3))
        opened.dialect.close()


@pytest.mark.usefixtures("session")
def test_a_diagnosis_with_labels_that_are_joined_there(source: str, tmp_path: Path):
    rows = table().with_row_index("id")
    rows.drop("label").write_parquet(tmp_path / "predictions.parquet")
    rows.select("id", "label").write_parquet(tmp_path / "labels.parquet")
    join = (
        f"SELECT p.*, l.label FROM parquet.`{tmp_path / 'predictions.parquet'}` p "
        f"LEFT JOIN parquet.`{tmp_path / 'labels.parquet'}` l USING (id)"
    )
    settings = settings_of(engine=HERE, data={"source": join})
    fewer = settings.model.model_copy(update={"id": "id", "features": ("c",)})
    settings = settings.model_copy(update={"model": fewer})
    answer = diagnose("2026-03-01..2026-03-10", "2026-03-11..2026-04-30", settings=settings)
    late = table().filter(pl.col("at") >= pl.datetime(2026, 3, 11), pl.col("label").is_not_null())
    assert answer.metric.current == pytest.approx((late["label"] == late["prediction"]).mean(), rel=1e-12)


@pytest.mark.usefixtures("session")
def test_what_spark_does_not_do_is_one_line(source: str):
    with pytest.raises(ConfigError, match="leave kind out"):
        watch(settings_of(engine=HERE, windows={"reference": source}, data={"source": source}))
    for wrong in ("no_such_table", "/no/such/path.parquet", "SELECT nothing FROM range(3)"):
        with pytest.raises(SourceError, match="Spark refuses") as refused:
            open_pushdown(wrong, settings_of(engine=HERE))
        assert "\n" not in str(refused.value)
    with pytest.raises(SourceError, match="expected a table, a query or a path"):
        open_pushdown("/no/such/path.xlsx", settings_of(engine=HERE))


JOB = """
import json, sys, threading, time, os, signal
from pathlib import Path
from pyspark.sql import SparkSession
from backslide.contracts.config import Settings
from backslide.jobs.profile_days import store_profiles

master, source, folder, victim = sys.argv[1:]
builder = SparkSession.builder.master(master).config("spark.ui.enabled", "false").config("spark.driver.host", "127.0.0.1")
builder = builder.config("spark.executor.memory", "512m").config("spark.cores.max", "2")
builder = builder.config("spark.sql.shuffle.partitions", "4")
session = builder.config("spark.sql.files.maxPartitionBytes", "200000").getOrCreate()
tracker = session.sparkContext.statusTracker()
done = threading.Event()

def kill():
    while not done.is_set():
        if tracker.getActiveStageIds() and len(tracker.getJobIdsForGroup()) > 2:
            os.killpg(int(victim), signal.SIGKILL)
            return
        time.sleep(0.05)

threading.Thread(target=kill, daemon=True).start()
settings = Settings.from_dict(json.loads(os.environ["JOB_SETTINGS"]))
store_profiles(settings, Path(folder), rows=source)
done.set()
session.stop()
"""


@pytest.fixture
def cluster() -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A standalone master and two workers on loopback, each in a process group of its own."""
    import pyspark

    command = str(Path(pyspark.__file__).parent / "bin" / "spark-class")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    address, started = f"spark://127.0.0.1:{port}", []
    environment = os.environ | {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}

    def start(*arguments: str) -> None:
        started.append(
            subprocess.Popen(
                [command, *arguments],
                env=environment,
                start_new_session=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )

    try:
        start("org.apache.spark.deploy.master.Master", "--host", "127.0.0.1", "--port", port, "--webui-port", "0")
        for _ in range(2):  # a worker tries again until there is a master
            start(
                "org.apache.spark.deploy.worker.Worker", "--cores", "1", "--memory", "1g", "--webui-port", "0", address
            )
        yield address, started[1:]
    finally:
        for process in started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_a_worker_that_is_killed_changes_no_number(
    cluster: tuple[str, list[subprocess.Popen[bytes]]], source: str, tmp_path: Path
):
    master, workers = cluster
    model = settings_of().model.model_dump(exclude_defaults=True) | {"features": ["x", "c"]}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", JOB, master, source, str(tmp_path / "p"), str(workers[0].pid)],
        env=os.environ
        | {"SPARK_LOCAL_IP": "127.0.0.1", "JOB_SETTINGS": json.dumps({"model": model, "engine": {"kind": "spark"}})},
        capture_output=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    assert workers[0].poll() is not None  # while a stage was running
    assert workers[1].poll() is None
    assert_stored_alike(tmp_path / "p", table())
