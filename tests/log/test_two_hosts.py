"""Two hosts on one log: both record and roll up at once, through one spool whose locks both see, or each through its own."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import polars as pl
import pytest

from backslide.log.reading import open_log
from backslide.log.rollup import rollup

pytest.importorskip("deltalake")
HOST = """
import sys, time
from backslide.contracts.errors import LogError
from backslide.log.recorder import Recorder
from backslide.log.rollup import rollup
store, spool, name = sys.argv[1:]
busy = 0
with Recorder("m", store=store, spool=spool) as recorder:
    for k in range(600):
        assert recorder.record({"x": float(k)}, "paid", id=f"{name}-{k}") is not None
        if k % 60 == 0:
            try:
                rollup(store, model="m", spool=spool)
            except LogError as error:  # the other host is at it
                busy += 1
                assert "another rollup" in str(error), error
print(busy)
"""


@pytest.mark.slow
@pytest.mark.parametrize("shared", [True, False], ids=["one spool", "a spool each"])
def test_nothing_is_lost_or_doubled(tmp_path, shared):
    store = tmp_path / "store"
    spools = {name: store / "spool" if shared else tmp_path / name for name in ("north", "south")}
    hosts = [
        subprocess.Popen(
            [sys.executable, "-c", HOST, str(store), str(spool), name],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name, spool in spools.items()
    ]
    for host in hosts:
        out, err = host.communicate(timeout=300)
        assert host.returncode == 0, err
        assert int(out) >= 0
    for spool in set(spools.values()):
        rollup(store, model="m", spool=spool)
    ids = open_log(store, "m").predictions().select("id").collect()["id"].to_list()
    assert Counter(ids) == Counter(f"{name}-{k}" for name in spools for k in range(600))
    assert pl.Series(ids).n_unique() == 1200
