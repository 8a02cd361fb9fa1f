"""Deploys as GitHub, GitLab, Kubernetes, MLflow, git and spreadsheets keep them, once into the log."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from backslide.contracts.errors import LogError
from backslide.log.event_files import read_events
from commands import backslide

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHA = "a84d88e7554fc1fa21bcbc4efae3c782a70d2b9d"
GITHUB = [
    {
        "id": 1,
        "sha": SHA,
        "ref": "v2",
        "task": "deploy",
        "environment": "production",
        "description": None,
        "created_at": "2026-03-01T12:00:00Z",
        "updated_at": "2026-03-01T12:03:00Z",
    }
]
GITLAB = [
    {
        "id": 42,
        "iid": 2,
        "ref": "main",
        "sha": SHA,
        "status": "success",
        "created_at": "2026-03-01T11:55:00.000Z",
        "environment": {"id": 9, "name": "production"},
        "deployable": {"finished_at": "2026-03-01T12:00:00.000Z"},
    },
    {
        "id": 43,
        "iid": 3,
        "ref": "main",
        "sha": SHA,
        "status": "failed",
        "created_at": "2026-03-02T11:55:00.000Z",
        "environment": {"id": 9, "name": "production"},
        "deployable": None,
    },
]
KUBERNETES = {
    "kind": "List",
    "items": [
        {
            "kind": "ReplicaSet",
            "metadata": {
                "name": "loans-5d4",
                "creationTimestamp": "2026-03-01T12:00:00Z",
                "annotations": {"deployment.kubernetes.io/revision": "7"},
                "ownerReferences": [{"kind": "Deployment", "name": "loans"}],
            },
            "spec": {"template": {"spec": {"containers": [{"name": "app", "image": "registry/loans:2.1"}]}}},
        },
        {
            "kind": "ReplicaSet",
            "metadata": {"name": "by-hand", "creationTimestamp": "2026-03-01T13:00:00Z"},
            "spec": {},
        },
    ],
}
MLFLOW = {
    "model_versions": [
        {
            "name": "loans",
            "version": "3",
            "creation_timestamp": 1_772_280_000_000,
            "last_updated_timestamp": 1_772_366_400_000,
            "aliases": ["champion"],
        }
    ]
}


@pytest.mark.parametrize(
    ("name", "content", "texts"),
    [
        ("github.json", GITHUB, ["deploy v2 a84d88e7 to production"]),
        ("gitlab.json", GITLAB, ["deploy main a84d88e7 to production"]),
        ("kubernetes.json", KUBERNETES, ["rollout loans revision 7: registry/loans:2.1"]),
        ("mlflow.json", MLFLOW, ["registered loans version 3", "alias champion on loans version 3"]),
        ("table.csv", "at,text,who\n2026-03-01T13:00:00+01:00,new warehouse,ops\n", ["new warehouse"]),
        ("grafana.json", [{"time": 1_772_366_400_000, "text": "deploy v2", "tags": []}], ["deploy v2"]),
    ],
)
def test_deploys_are_read_wherever_they_are_kept(tmp_path: Path, name: str, content: Any, texts: list[str]):
    (tmp_path / name).write_text(content if isinstance(content, str) else json.dumps(content))
    events, ours, others = read_events(tmp_path / name)
    assert (ours, others) == (0, int(name.startswith(("gitlab", "kubernetes"))))
    assert [event.text for event in events] == texts
    assert events[-1].at == NOON


def test_texts_that_are_cut_are_counted(tmp_path: Path):
    pytest.importorskip("deltalake")
    long, short = "a new form " * 60, "deploy v2"
    entries = [{"time": 1_772_366_400_000 + k, "text": text, "tags": []} for k, text in enumerate((long, short))]
    (tmp_path / "grafana.json").write_text(json.dumps(entries))
    (tmp_path / "table.csv").write_text(f"at,text\n2026-03-02T12:00:00Z,{long}\n2026-03-03T12:00:00Z,{short}\n")
    take = ("log", "event", "--model", "loans", "--from")
    first = backslide(tmp_path, *take, "grafana.json")
    assert first.out == "loans: 2 events added, 1 text cut after 500 characters\n", first.err
    second = json.loads(backslide(tmp_path, *take, "table.csv", "--json").out)
    assert (second["added"], second["cut"]) == (2, 1)
    assert "cut" not in json.loads(backslide(tmp_path, "log", "event", short, "--model", "loans", "--json").out)


SECRET = "postgresql://ana:tok3nplanted@db/x"


def test_no_event_holds_a_secret_not_even_half_of_one(tmp_path: Path):
    long = "x" * 475 + " " + SECRET  # cut in the midst of its password
    (tmp_path / "x.json").write_text(json.dumps([{"time": 1, "text": text, "tags": []} for text in (SECRET, long)]))
    (tmp_path / "x.csv").write_text(f"at,text\n2026-03-02,{SECRET}\n2026-03-02,{long}\n")
    texts = [event.text for name in ("x.json", "x.csv") for event in read_events(tmp_path / name)[0]]
    assert len(texts) == 4
    assert not [text for text in texts if "tok3n" in text]
    pytest.importorskip("deltalake")
    backslide(tmp_path, "log", "event", SECRET, "--model", "loans")
    (kept,) = pl.read_delta(str(tmp_path / "log" / "tables" / "loans" / "events"))["text"]
    assert kept.startswith("postgresql://ana:")
    assert "tok3n" not in kept


def test_a_table_of_events_is_read_as_others_write_it(tmp_path: Path):
    rows = ['2026-03-02,"two\nlines"', "2026-03-03,a\u2028b\x85c", "2026-03-04,x\x0cy"]
    (tmp_path / "x.csv").write_text("at,text\r\n" + "\r\n".join(rows), newline="")
    assert [event.text for event in read_events(tmp_path / "x.csv")[0]] == ["two lines", "a b c", "x y"]
    (tmp_path / "x.csv").write_text(f"at,text\n2026-03-02,{'x' * 200_000}\n")
    with pytest.raises(LogError, match="field larger than field limit"):
        read_events(tmp_path / "x.csv")


def test_tags_of_a_checkout_come_once_and_show_no_secret(tmp_path: Path):
    pytest.importorskip("deltalake")
    when = "2026-03-01T12:00:00+00:00"
    own = {**os.environ, "GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when, "GIT_CONFIG_GLOBAL": os.devnull}
    who = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "tag.gpgSign=false", "-c", "commit.gpgSign=false")
    for line in (
        ("init", "-q"),
        (*who, "commit", "-q", "--allow-empty", "-m", "one"),
        (*who, "tag", "-a", "v2", "-m", f"second model, {SECRET}"),
    ):
        subprocess.run(["git", *line], cwd=tmp_path, env=own, check=True)
    take = ("log", "event", "--from", ".", "--model", "loans")
    assert backslide(tmp_path, *take).out == "loans: 1 event added\n"
    assert backslide(tmp_path, *take).out == "loans: 0 events added, 1 there already\n"
    ((event,), _, _) = read_events(tmp_path)
    assert event.at == NOON
    assert event.text.startswith("tag v2 second model, postgresql://ana:")
    assert "tok3nplanted" not in event.text


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.json", json.dumps([{"created": 1}]), "expected annotations of Grafana, deployments of GitHub"),
        ("x.json", json.dumps([{**GITHUB[0], "created_at": "soon"}]), "entry 1: expected a time"),
        (
            "x.json",
            json.dumps({"model_versions": [{"name": "a", "version": "1", "creation_timestamp": 1e99}]}),
            "entry 1: expected a time",
        ),
        ("x.json", "[", "cannot read the annotations in"),
        ("x.csv", "when,what\n1,2\n", "expected a CSV with the columns at and text, got when, what"),
        ("x.csv", "at,text\nsoon,deploy\n", "entry 1: expected a time"),
    ],
)
def test_what_is_none_is_one_line(tmp_path: Path, name: str, content: str, words: str):
    (tmp_path / name).write_text(content)
    with pytest.raises(LogError, match=words):
        read_events(tmp_path / name)


def test_a_folder_that_is_no_checkout_is_one_line(tmp_path: Path):
    with pytest.raises(LogError, match="expected a git checkout"):
        read_events(tmp_path)


def _places(data: Any) -> Iterator[tuple[Any, Any]]:
    """Every object and list with each of its keys."""
    for key in data if isinstance(data, dict) else range(len(data)):
        yield data, key
        if isinstance(data[key], (dict, list)):
            yield from _places(data[key])


@pytest.mark.parametrize(
    "sound", [GITHUB, GITLAB, KUBERNETES, MLFLOW], ids=["github", "gitlab", "kubernetes", "mlflow"]
)
def test_entries_of_another_form_are_one_line(tmp_path: Path, sound: Any):
    file, refused = tmp_path / "events.json", []
    for holder, key in list(_places(sound)):
        for other in (7, "x", [1], {}, None):
            former, holder[key] = holder[key], other
            file.write_text(json.dumps(sound))
            holder[key] = former
            try:
                read_events(file)
            except LogError as error:
                refused.append(str(error))
    assert len(refused) > 10
    assert not any("\n" in text for text in refused)
