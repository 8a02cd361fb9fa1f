"""OpenLineage's client reads what is written, and what it writes is read."""

from __future__ import annotations

from pathlib import Path

import worlds
from backslide.log.lineage import read_lineage
from integrations.environments import python_with, run


def test_its_client_takes_our_event_and_its_events_name_the_job(tmp_path: Path):
    python = python_with("openlineage-python")
    worlds.diagnosis_named("quiet").to_openlineage(tmp_path / "event.json")
    run(python, Path(__file__).with_name("speak_openlineage.py"), tmp_path)
    (job,) = read_lineage(tmp_path / "events.jsonl").trace("income")
    assert (job.job, job.change) == ("airflow/features", "code aaaaaaaaaa to bbbbbbbbbb")
