"""How much faster two Spark workers profile than one, and whether the numbers are the same.

    python benchmarks/spark_speed.py --rows 20_000_000

A standalone master and its workers run on loopback, each worker with one core. Every run is a process of its own; the first
after a start is not counted. Needs Java and PySpark (`make install-spark`), and a machine that nobody else uses.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

QUERY = """SELECT timestampadd(SECOND, cast(id % 864000 AS int), TIMESTAMP '2026-03-01 00:00:00') AS at,
  randn(1) AS x0, exp(randn(2)) AS x1, randn(3) * 10 AS x2, rand(4) AS x3, cast(rand(5) * 100 AS int) AS n0,
  concat('c', cast(rand(6) * 20 AS int)) AS c0, IF(rand(7) < 0.3, 'yes', 'no') AS label,
  IF(rand(8) < 0.3, 'yes', 'no') AS prediction
  FROM range(0, {rows}, 1, 16)"""
JOB = """
import json, os, resource, sys, time
from pathlib import Path
from pyspark.sql import SparkSession
from backslide.contracts.config import Settings
from backslide.engine.profile.profile_store import ProfileStore
from backslide.jobs.profile_days import store_profiles
master, cores, source, folder = sys.argv[1:]
builder = SparkSession.builder.master(master).config("spark.ui.enabled", "false").config("spark.driver.host", "127.0.0.1")
builder = builder.config("spark.cores.max", cores).config("spark.executor.memory", "1g")
builder = builder.config("spark.sql.shuffle.partitions", "8")
session = builder.getOrCreate()
roles = {"label": "label", "prediction": "prediction", "timestamp": "at"}
settings = Settings.from_dict({"model": roles, "engine": {"kind": "spark"}})
seconds = []
for run in range(2):
    begun = time.perf_counter()
    store_profiles(settings, Path(folder) / str(run), rows=source)
    seconds.append(time.perf_counter() - begun)
store = ProfileStore.open(Path(folder) / "1")
counts = {day: {c: p.counts.tolist() for c, p in sum_.columns.items() if p.counts is not None}
          for day, sum_ in store.by_day(store.days()).items()}
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": seconds[1], "driver_mb": memory, "counts": counts}))
session.stop()
"""


@contextmanager
def cluster(workers: int) -> Iterator[str]:
    """A master and workers of one core each."""
    import pyspark

    command = str(Path(pyspark.__file__).parent / "bin" / "spark-class")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    address = f"spark://127.0.0.1:{port}"
    place = "org.apache.spark.deploy"
    master = [f"{place}.master.Master", "--host", "127.0.0.1", "--port", port, "--webui-port", "0"]
    worker = [f"{place}.worker.Worker", "--cores", "1", "--memory", "1500m", "--webui-port", "0", address]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = os.environ | {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
    started = [
        subprocess.Popen([command, *arguments], env=environment, start_new_session=True, **quiet)
        for arguments in (master, *[worker] * workers)
    ]
    try:
        yield address
    finally:
        for process in started:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def main() -> None:
    """Print the times, the speed-up and whether all counts are equal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000_000)
    rows = parser.parse_args().rows
    answers = {}
    with tempfile.TemporaryDirectory() as folder:
        table = str(Path(folder) / "rows.parquet")
        write = (
            "from pyspark.sql import SparkSession as S; "
            f"S.builder.master('local[2]').getOrCreate().sql('''{QUERY.format(rows=rows)}''').write.parquet({table!r})"
        )
        subprocess.run([sys.executable, "-W", "ignore", "-c", write], check=True, capture_output=True)
        for workers in (1, 2):
            with cluster(workers) as address:
                time.sleep(10)  # the workers register
                arguments = [address, str(workers), table, str(Path(folder) / f"p{workers}")]
                done = subprocess.run(
                    [sys.executable, "-W", "ignore", "-c", JOB, *arguments], check=True, capture_output=True
                )
                answers[workers] = json.loads(done.stdout.decode().splitlines()[-1])
            print(
                f"{workers} worker(s): {answers[workers]['seconds']:.1f} s, driver {answers[workers]['driver_mb']:.0f} MB"
            )
    print(
        f"speed-up {answers[1]['seconds'] / answers[2]['seconds']:.2f}; "
        f"counts equal: {answers[1]['counts'] == answers[2]['counts']}"
    )
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
