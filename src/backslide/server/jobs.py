"""Which work in the background may be asked for, by whom, over what."""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from backslide.contracts.errors import TimestampError
from backslide.engine.times.time_range import parse_time_range
from backslide.server.body import PlainText
from backslide.server.context import Context
from backslide.server.problems import ProblemError
from backslide.store.queue import QueuedJob

JobKind = Literal["diagnose", "shadow", "gate", "retrain", "watch"]
OPTIONS: dict[JobKind, frozenset[str]] = {
    "diagnose": frozenset({"reference", "current", "quick", "reference_model"}),
    "shadow": frozenset({"reference", "current"}),
    "gate": frozenset({"reference", "current"}),
    "retrain": frozenset({"reference", "current"}),
    "watch": frozenset(),
}
"""What else may be said about a job of each kind; the rest comes from the configuration of the model."""
PAIRED: frozenset[JobKind] = frozenset({"diagnose", "retrain"})
"""Kinds that need a reference as well as what came later."""
MOST_WAITING = 100
"""Jobs that people asked for; looks of the schedule are bounded by the number of models."""
PERIOD = "A period, such as 2026-03-01..2026-03-31; the last day is included."
Period = Annotated[PlainText, Field(max_length=80, description=PERIOD, examples=["2026-03-01..2026-03-31"])]


class JobRequest(BaseModel):
    """What is to be done."""

    model_config = ConfigDict(extra="forbid")
    kind: JobKind = "diagnose"
    model: Annotated[PlainText, Field(min_length=1, max_length=200)]
    reference: Period | None = None
    """Default: as the configuration of the model says."""
    current: Period | None = None
    quick: bool = False
    """Verdict and causes alone."""
    reference_model: Annotated[PlainText, Field(min_length=1, max_length=1000)] | None = None
    """A model file on the server that an administrator marked as trusted; default: as the configuration says."""


def submit(context: Context, request: JobRequest, author: str) -> QueuedJob:
    """Check what is asked for and put it into the queue; a look that is to come anyway is not put twice.

    Raises:
        ProblemError: 422 for what cannot be done, 404 for an unknown model, 403 for a file that nobody vouched for, 429
            for a full queue.
        BackslideError: nothing of the model can be read yet.
    """
    _check_options(request)
    if request.model not in context.models.names():
        raise ProblemError(HTTPStatus.NOT_FOUND, f"no model {request.model!r}")
    settings = context.models.settings(request.model)
    for name in ("reference", "current"):
        period = getattr(request, name)
        if period is None:
            needed = name in OPTIONS[request.kind] and (name == "current" or request.kind in PAIRED)
            if needed and getattr(settings.windows, name) is None:
                words = f"expected {name}, a period such as 2026-03-01..2026-03-31: the configuration names none"
                raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, words)
            continue
        _check_period(name, period)
    details = request.model_dump(exclude={"kind", "model"}, exclude_none=True)
    if request.reference_model is not None:
        details["reference_model"], details["digest"] = trusted_file(context, request.reference_model)
    if request.kind == "watch" and (live := context.jobs.jobs(request.model, kinds=("watch",), live=True)):
        return live[-1]  # two looks at once would find the same
    if context.jobs.live(scheduled=False)["waiting"] >= MOST_WAITING:
        words = f"{MOST_WAITING} jobs are waiting; ask again when some are done"
        raise ProblemError(HTTPStatus.TOO_MANY_REQUESTS, words, retry_after=60)
    job = context.jobs.put(request.kind, request.model, details, author)
    context.accounts.note(author, f"start {request.kind}", request.model, job=job.job)
    return job


def file_digest(path: Path) -> str:
    """SHA-256 of the contents of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def model_file(context: Context, name: str) -> tuple[Path, str]:
    """A model file by the name that somebody sent, and the digest of its contents.

    Raises:
        ProblemError: 422, it is no file that can be read.
    """
    path = Path(name) if Path(name).is_absolute() else context.settings.base / name
    try:
        if path.is_file():
            return path.resolve(), file_digest(path)
    except (OSError, ValueError):
        pass
    raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "expected a model file on the server that can be read")


def trusted_file(context: Context, name: str) -> tuple[str, str]:
    """Path and digest of a model file that may be loaded.

    Raises:
        ProblemError: 403, nobody vouched for it or there is none: which of both is told to administrators only.
    """
    refusal = "no administrator has marked this model file as trusted; see POST /api/v1/artefacts"
    try:
        path, digest = model_file(context, name)
    except ProblemError:
        raise ProblemError(HTTPStatus.FORBIDDEN, refusal) from None
    if not context.files.trusted(digest):
        raise ProblemError(HTTPStatus.FORBIDDEN, refusal)
    return str(path), digest


def _check_options(request: JobRequest) -> None:
    """Refuse what a job of this kind would pass over."""
    plain = {name: field.default for name, field in JobRequest.model_fields.items()}
    said = {name for name in request.model_fields_set if getattr(request, name) != plain[name]}
    idle = sorted(said - {"kind", "model"} - OPTIONS[request.kind])
    if idle:
        allowed = ", ".join(sorted(OPTIONS[request.kind])) or "nothing else"
        words = f"{', '.join(idle)}: a {request.kind} job takes {allowed}; its configuration says the rest"
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, words)


def _check_period(name: str, text: str) -> None:
    """Let periods through and nothing else: a path would show any file of the server."""
    try:
        known = parse_time_range(text)
    except TimestampError as error:
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, f"{name}: {error}") from None
    if known is None:
        words = f"{name}: expected a period such as 2026-03-01..2026-03-31"
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, words)
