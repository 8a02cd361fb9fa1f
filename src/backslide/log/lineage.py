"""Which job makes a column, and when that job last changed, read from OpenLineage events.

Source: OpenLineage 2-0-2 (``RunEvent``, ``JobEvent``), facets ``columnLineage`` of output datasets, ``sourceCodeLocation`` and
``sql`` of jobs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from backslide.contracts.cause import UpstreamJob
from backslide.contracts.errors import LogError, did_you_mean
from backslide.contracts.files import parse_json, read_text
from backslide.contracts.secrets import scrub

NEAREST = 6
"""Jobs that are named of one column: those next to it; what is farther up is seldom asked."""
SHORT = 10
"""Characters of a commit that tell it from others."""

Dataset = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True)
class ColumnOrigin:
    """The job that makes a column of a dataset, and the columns that it makes it of."""

    job: str
    inputs: tuple[tuple[Dataset, str], ...]


@dataclass
class JobHistory:
    """What events say of a job: aspect -> when it was seen first with which content, in order of time."""

    first: datetime
    aspects: dict[str, list[tuple[datetime, str]]] = field(default_factory=dict)

    def see(self, aspect: str, at: datetime, content: str) -> None:
        """Keep the content where it is another one than before."""
        values = self.aspects.setdefault(aspect, [])
        if not values or values[-1][1] != content:
            values.append((at, content))

    def last_change(self, until: datetime | None, aspects: Iterable[str]) -> tuple[datetime, str] | None:
        """When one of the aspects became another one last, no later than ``until``, and what it was."""
        changes = [
            (at, _change(aspect, earlier, content))
            for aspect in aspects
            for (_, earlier), (at, content) in pairwise(self.aspects.get(aspect, []))
            if until is None or at <= until
        ]
        return max(changes, default=None)


@dataclass(frozen=True)
class Lineage:
    """Columns with their jobs, and jobs with their changes."""

    columns: dict[tuple[Dataset, str], ColumnOrigin]
    jobs: dict[str, JobHistory]
    start: Dataset | None
    """The dataset of the logged rows, where it was named."""

    def trace(self, column: str, until: datetime | None = None) -> tuple[UpstreamJob, ...]:
        """Jobs that a column comes from, the nearest first; empty where no event, or more than one dataset, tells of it.

        ``until`` leaves out what was changed later.
        """
        queue = [(dataset, column) for dataset in self._datasets_of(column)]
        jobs: dict[tuple[str, str], UpstreamJob] = {}
        for subject in queue:  # grows while it is walked
            origin = self.columns.get(subject)
            if origin is None or (origin.job, subject[1]) in jobs or len(jobs) == NEAREST:
                continue
            jobs[origin.job, subject[1]] = self._job(subject, origin, until)
            queue += origin.inputs
        return tuple(jobs.values())

    def _datasets_of(self, column: str) -> list[Dataset]:
        if self.start is not None:
            return [self.start]
        read = {dataset for origin in self.columns.values() for dataset, _ in origin.inputs}
        last = {dataset for dataset, name in self.columns if name == column and dataset not in read}
        return list(last) if len(last) == 1 else []

    def _job(self, subject: tuple[Dataset, str], origin: ColumnOrigin, until: datetime | None) -> UpstreamJob:
        (namespace, name), column = subject
        history = self.jobs[origin.job]
        change = history.last_change(until, ("code", "query", _columns_of(subject)))
        return UpstreamJob(
            column=column,
            dataset=f"{namespace}/{name}",
            job=origin.job,
            changed=None if change is None else change[0].isoformat(),
            change="" if change is None else change[1],
            known_since=history.first.isoformat(),
            inputs=tuple(f"{space}/{table}.{made_of}" for (space, table), made_of in origin.inputs),
        )


def read_lineage(source: Path, *, namespace: str | None = None, dataset: str | None = None) -> Lineage:
    """Events of a file (JSON, or one a line) or of every such file of a folder; ``dataset`` is that of the logged rows.

    Raises:
        LogError: a file cannot be read, holds something else than events, or no event makes the dataset.
    """
    columns: dict[tuple[Dataset, str], ColumnOrigin] = {}
    jobs: dict[str, JobHistory] = {}
    for at, event in sorted(_events(source), key=lambda one: one[0]):
        job = f"{event['job']['namespace']}/{event['job']['name']}"
        history = jobs.setdefault(job, JobHistory(at))
        _see_job(history, at, event["job"].get("facets") or {})
        for made in event.get("outputs") or ():
            place = (str(made["namespace"]), str(made["name"]))
            lineage = (made.get("facets") or {}).get("columnLineage") or {}
            for column, origin in (lineage.get("fields") or {}).items():
                inputs = tuple(
                    ((str(one["namespace"]), str(one["name"])), str(one["field"])) for one in origin["inputFields"]
                )
                columns[place, column] = ColumnOrigin(job, inputs)
                history.see(_columns_of((place, column)), at, _made_of(origin["inputFields"]))
    return Lineage(columns, jobs, _start(columns, namespace, dataset))


def _start(columns: Iterable[tuple[Dataset, str]], namespace: str | None, dataset: str | None) -> Dataset | None:
    if dataset is None:
        return None
    made = sorted({place for place, _ in columns})
    fitting = [place for place in made if place[1] == dataset and namespace in (None, place[0])]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise LogError(f"[lineage] dataset: {dataset!r} is in several namespaces; name one of {_listed(fitting)}")
    raise LogError(f"[lineage] dataset: no event makes {dataset!r}{did_you_mean(dataset, [name for _, name in made])}")


def _listed(places: list[Dataset]) -> str:
    return ", ".join(repr(space) for space, _ in places)


def _see_job(history: JobHistory, at: datetime, facets: dict[str, Any]) -> None:
    code, query = facets.get("sourceCodeLocation") or {}, facets.get("sql") or {}
    if told := code.get("version") or code.get("tag"):
        history.see("code", at, str(told))
    if told := query.get("query"):
        history.see("query", at, " ".join(str(told).split()))


def _columns_of(subject: tuple[Dataset, str]) -> str:
    (namespace, name), column = subject
    return f"columns {namespace}/{name}.{column}"


def _made_of(fields: Iterable[dict[str, Any]]) -> str:
    """Input columns with what is done to them, as a text that is the same for the same lineage."""
    parts = sorted(
        " ".join(
            [
                f"{one['namespace']}/{one['name']}.{one['field']}",
                *sorted(str(step.get("subtype") or step.get("type")) for step in one.get("transformations") or ()),
            ]
        )
        for one in fields
    )
    return ", ".join(parts)


def _change(aspect: str, earlier: str, content: str) -> str:
    if aspect == "code":
        return scrub(f"code {earlier[:SHORT]} to {content[:SHORT]}")
    return "another query" if aspect == "query" else scrub(f"made of {content}, formerly of {earlier}")


def _events(source: Path) -> Iterator[tuple[datetime, dict[str, Any]]]:
    files = sorted(p for p in source.rglob("*.json*") if p.is_file()) if source.is_dir() else [source]
    if not files:
        raise LogError(f"[lineage] events: no file of JSON in {source}")
    for path in files:
        for number, event in _entries(path):
            try:
                at = datetime.fromisoformat(event["eventTime"])
                _ = event["job"]["namespace"], event["job"]["name"]
                _see_job(JobHistory(at), at, event["job"].get("facets") or {})
                for made in event.get("outputs") or ():
                    _ = made["namespace"], made["name"]
                    for origin in ((made.get("facets") or {}).get("columnLineage") or {}).get("fields", {}).values():
                        _ = _made_of(origin["inputFields"])
            except (KeyError, TypeError, ValueError, AttributeError):
                raise LogError(f"{path.name}: event {number}: expected an event of OpenLineage with its job") from None
            yield (at if at.tzinfo is not None else at.replace(tzinfo=UTC)), event


def _entries(path: Path) -> Iterator[tuple[int, Any]]:
    try:
        text = read_text(path)
        try:
            data = parse_json(text)
            entries = data if isinstance(data, list) else [data]
        except ValueError:  # one a line, as the transport to files writes them
            entries = [parse_json(line) for line in text.split("\n") if line.strip()]
    except (OSError, ValueError) as error:
        raise LogError(f"[lineage] events: cannot read {path}: {error}") from None
    for number, one in enumerate(entries, 1):
        if not (
            isinstance(one, dict) and "dataset" in one and "job" not in one
        ):  # an event of a dataset alone names no job
            yield number, one
