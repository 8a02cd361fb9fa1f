"""Deploys as others keep them: what a file or a checkout holds is told by what is in it. One function a kind.

Source: the REST APIs of Grafana (annotations), GitHub and GitLab (deployments), Kubernetes (ReplicaSets, which are what ``kubectl
rollout history`` lists), MLflow (model versions); git (tags).
"""

from __future__ import annotations

import csv
import io
import subprocess
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from backslide.contracts.errors import LogError
from backslide.contracts.files import parse_json, read_text
from backslide.log.dated_events import DatedText, read_annotations, to_event

REVISION = "deployment.kubernetes.io/revision"
GIT_SECONDS = 60
KNOWN = (
    "annotations of Grafana, deployments of GitHub or GitLab, ReplicaSets of Kubernetes, model versions of MLflow, a CSV with "
    "the columns at and text, or a git checkout"
)


def read_events(source: Path) -> tuple[list[DatedText], int, int]:
    """Events of a file (JSON or CSV) or a git checkout; how many alarms of our own and how many entries without a deploy it has.

    Raises:
        LogError: it cannot be read, or is none of what is known; the entry that is at fault is named.
    """
    if source.is_dir():
        return list(_git_tags(source)), 0, 0
    try:
        text = read_text(source)
        if source.suffix.lower() == ".csv":
            return list(_table(text)), 0, 0
        data = parse_json(text)
    except (OSError, ValueError, csv.Error) as error:
        raise LogError(f"cannot read the annotations in {source}: {error}") from None
    entries = _entries(data)
    for fits, read in READERS:
        if entries and all(isinstance(one, dict) and fits(one) for one in entries):
            read_each = [_read_one(read, one, number) for number, one in enumerate(entries, 1)]
            return [event for events in read_each for event in events], 0, sum(not events for events in read_each)
    if entries and not any(isinstance(one, dict) and {"time", "text"} & one.keys() for one in entries):
        raise LogError(f"{source.name}: expected {KNOWN}")
    return (*read_annotations(data), 0)


def _read_one(
    read: Callable[[dict[str, Any], int], Iterator[DatedText]], one: dict[str, Any], number: int
) -> list[DatedText]:
    try:
        return list(read(one, number))
    except (AttributeError, TypeError, LookupError) as error:  # a list for an object, a number for a text
        raise LogError(f"entry {number}: expected {KNOWN}, got another form ({error})") from None


def _entries(data: Any) -> list[Any]:
    if isinstance(data, dict):
        data = next((data[key] for key in ("items", "model_versions") if key in data), [])
    return data if isinstance(data, list) else []


def _github(one: dict[str, Any], number: int) -> Iterator[DatedText]:
    words = [
        one.get("task") or "deploy",
        one.get("ref"),
        str(one["sha"])[:8],
        f"to {one['environment']}",
        one.get("description"),
    ]
    yield _event(one["created_at"], words, number)


def _gitlab(one: dict[str, Any], number: int) -> Iterator[DatedText]:
    if one.get("status") not in (None, "success"):
        return
    job = one.get("deployable")
    at = (job.get("finished_at") if isinstance(job, dict) else None) or one["created_at"]
    yield _event(at, ["deploy", one.get("ref"), str(one["sha"])[:8], f"to {one['environment'].get('name')}"], number)


def _replica_set(one: dict[str, Any], number: int) -> Iterator[DatedText]:
    about = one.get("metadata", {})
    revision = (about.get("annotations") or {}).get(REVISION)
    if revision is None:
        return
    owners = about.get("ownerReferences") or [{}]
    pods = one.get("spec", {}).get("template", {}).get("spec", {})
    images = [container.get("image") for container in pods.get("containers") or []]
    cause = (about.get("annotations") or {}).get("kubernetes.io/change-cause")
    words = [
        "rollout",
        owners[0].get("name") or about.get("name"),
        f"revision {revision}:",
        ", ".join(filter(None, images)),
        cause,
    ]
    yield _event(about.get("creationTimestamp"), words, number)


def _model_version(one: dict[str, Any], number: int) -> Iterator[DatedText]:
    name = f"{one['name']} version {one['version']}"
    yield _event(_milliseconds(one["creation_timestamp"]), ["registered", name], number)
    aliases = one.get("aliases")
    changed = one.get("last_updated_timestamp")
    if aliases and changed and changed != one["creation_timestamp"]:
        # MLflow keeps no history of aliases: the last change of a version that has one is the best there is.
        yield _event(_milliseconds(changed), ["alias", ", ".join(map(str, aliases)), "on", name], number)


READERS: tuple[tuple[Callable[[dict[str, Any]], bool], Callable[[dict[str, Any], int], Iterator[DatedText]]], ...] = (
    (lambda one: {"created_at", "sha"} <= one.keys() and isinstance(one.get("environment"), str), _github),
    (lambda one: {"created_at", "sha"} <= one.keys() and isinstance(one.get("environment"), dict), _gitlab),
    (lambda one: one.get("kind") == "ReplicaSet", _replica_set),
    (lambda one: {"name", "version", "creation_timestamp"} <= one.keys(), _model_version),
)
"""Whether an entry is of a kind, and how it is read."""


def _table(text: str) -> Iterator[DatedText]:
    rows = csv.DictReader(io.StringIO(text, newline=""))
    if not {"at", "text"} <= set(rows.fieldnames or ()):
        raise LogError(
            f"expected a CSV with the columns at and text, got {', '.join(rows.fieldnames or ()) or 'an empty one'}"
        )
    for number, row in enumerate(rows, 1):
        yield _event(row["at"], [row["text"]], number)


def _git_tags(folder: Path) -> Iterator[DatedText]:
    form = "--format=%(creatordate:iso-strict)%09%(refname:short)%09%(subject)"
    try:
        told = subprocess.run(
            ["git", "-C", folder, "for-each-ref", "refs/tags", "--sort=creatordate", form],
            capture_output=True,
            check=True,
            timeout=GIT_SECONDS,
        )
    except FileNotFoundError:
        raise LogError("reading tags needs git, which is not on the path") from None
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        raise LogError(f"{folder}: expected a git checkout, whose tags are its deploys") from None
    for number, line in enumerate(told.stdout.decode("utf-8", "replace").rstrip("\n").split("\n"), 1):
        at, tag, subject = (*line.split("\t", 2), "", "")[:3]
        yield _event(at, ["tag", tag, subject], number)


def _milliseconds(value: Any) -> datetime | None:
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=float(value))
    except (OverflowError, ValueError, TypeError):
        return None


def _event(at: Any, words: Iterable[Any], number: int) -> DatedText:
    text = " ".join(str(word) for word in words if word)
    try:
        moment = at if isinstance(at, datetime) else datetime.fromisoformat(str(at))
    except ValueError:
        moment = None
    if moment is None or not text.strip():
        raise LogError(f"entry {number}: expected a time such as 2026-03-01T12:00:00Z and a text, got {at!r}")
    at = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return to_event(at, text)
