"""Watching from Python: tables in, streams and incidents out as frames; a store only where one is named."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import backslide as bs
from backslide.contracts.errors import InputError
from backslide.jobs.prelude import merge_settings
from streams_of_logs import REFERENCE, after, moment, served

ROLES = bs.Roles(label="label", prediction="prediction", scores={"paid": "p_paid"}, timestamp="served_at")
SETTINGS = merge_settings(bs.Settings(), watch={"diagnose": False, "estimate": False, "faults": False})


def tables() -> tuple[pl.DataFrame, pl.DataFrame]:
    def broken(columns):
        columns["income"] = np.where(columns["day"] >= REFERENCE + 10, columns["income"] / 12, columns["income"])

    frame = served(71, REFERENCE + 20, rows=100, change=broken).drop("label_at")
    return frame.filter(pl.col("served_at") < moment(0)), frame.filter(pl.col("served_at") >= moment(0))


def test_tables_are_watched_and_answer_in_frames():
    reference, later = tables()
    given = {"roles": ROLES, "settings": SETTINGS, "name": "loans", "as_of": moment(21), "features": ["age"]}
    found = bs.watch(reference.to_pandas(), later, **given)
    assert found.replay
    assert found.alarmed
    assert found.incidents[0].began == after(10)
    streams = found.to_frame()
    assert streams.filter(pl.col("stream") == "performance").height == 20
    assert streams.filter(pl.col("stream") == "level:age").height == 20
    incidents = found.to_frame("incidents")
    assert incidents["stream"][0] == "performance"
    assert incidents.height == sum(len(one.members) for one in found.incidents)
    with pytest.raises(InputError, match="'streams' and 'incidents'"):
        found.to_frame("causes")


def test_the_present_may_have_a_zone():
    reference, later = tables()
    found = bs.watch(reference, later, roles=ROLES, settings=SETTINGS, as_of=moment(15))
    zone = timezone(timedelta(hours=9))
    there = moment(15).replace(tzinfo=UTC).astimezone(zone)
    assert bs.watch(reference, later, roles=ROLES, settings=SETTINGS, as_of=there) == found


def test_a_store_remembers(tmp_path: Path):
    pytest.importorskip("sqlalchemy")
    reference, later = tables()
    store = f"sqlite:///{tmp_path}/state.db"
    first = bs.watch(reference, later, roles=ROLES, settings=SETTINGS, as_of=moment(21), store=store)
    assert not first.replay
    newest = later.filter(pl.col("served_at") >= moment(19))
    again = bs.watch(reference, newest, roles=ROLES, settings=SETTINGS, as_of=moment(21), store=store)
    assert again.incidents == first.incidents


def test_the_gate_takes_tables_and_models():
    class Model:
        """Answers by income alone, the wrong way round where ``worse``."""

        classes_ = np.array(["default", "paid"])

        def __init__(self, worse: bool) -> None:
            self.worse = worse

        def predict_proba(self, frame):
            p = 1 / (1 + np.exp(-2.4 * (np.log(frame["income"].to_numpy()) - 3) * (-1 if self.worse else 1)))
            return np.column_stack([1 - p, p])

        def predict(self, frame):
            return self.classes_[self.predict_proba(frame).argmax(axis=1)]

    rows = served(72, 20).drop("label_at")
    found = bs.gate(rows, roles=ROLES, reference_model=Model(worse=False), current_model=Model(worse=True))
    assert found.verdict.held
    assert bs.gate(rows, roles=ROLES, reference_model=Model(worse=True), current_model=Model(worse=False)).lines
