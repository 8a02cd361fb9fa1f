"""The tables, as SQLAlchemy knows them; how they came about is in ``migrations``."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.schema import SchemaItem

metadata = MetaData()

_TYPES: dict[str, Any] = {
    column: kind
    for kind, columns in (
        (Boolean, "open"),
        (DateTime, "created frozen changed started finished marked acknowledged seen expires revoked used at"),
        (Float, "share"),
        (Integer, "told_through number place attempts id part"),
        (JSON, "settings reference sums finding covers report thread request result scopes detail snapshot"),
        (JSON, "card brief features loss data points document"),
        (String(10), "until"),
        (String(16), "kind status mark token"),
        (String(255), "stream"),
        (String(32), "receiver job action began known_on closed"),
        (String(64), "book incident period worker digest csrf lease holder"),
        (String(8), "level"),
    )
    for column in columns.split()
}
"""The type of a column by its name, in whatever table it stands; all others are texts of any length."""


def _table(name: str, key: str, needed: str, optional: str = "", *more: SchemaItem, **types: Any) -> Table:
    """A table with the columns of its key, those that must have a value, and the rest; ``types`` where they differ here."""

    def columns(names: str, **facts: Any) -> list[Column[Any]]:
        return [Column(column, types.get(column, _TYPES.get(column, Text)), **facts) for column in names.split()]

    return Table(
        name, metadata, *columns(key, primary_key=True), *columns(needed, nullable=False), *columns(optional), *more
    )


books = _table("books", "book", "model settings created", "reference told_through")
"""A model under one set of settings: what was learned of its reference."""

periods = _table("periods", "book kind number", "sums frozen")
"""Sums of each period, never changed."""

findings = _table("findings", "book incident", "finding created")
"""Diagnoses of incidents."""

messages = _table("messages", "book incident kind period", "place title body status attempts created changed", "error")
"""What is to be told, and what became of it."""

mutes = _table("mutes", "id", "model pattern reason created", "until")

runs = _table("runs", "id", "book started", "finished status summary")

incidents = _table(
    "incidents",
    "model incident",
    "number created",
    "mark note covers marked owner acknowledged",
    UniqueConstraint("model", "number", name="incident_number"),
)
"""Numbers of incidents, and what people said of them. They are of the model: other settings do not change what somebody knows."""

reports = _table("reports", "book", "model report changed")
"""The answer of the last look."""

threads = _table("threads", "book incident receiver", "thread")
"""Where the message of an incident stands at a receiver that can change it; receivers by a digest of their address."""

notes = _table("notes", "id", "model incident author text created", "", Index("notes_of_incident", "model", "incident"))
"""What people wrote beside an incident."""

jobs = _table(
    "jobs",
    "job",
    "kind model request status author created",
    "progress share result error worker started seen finished",
    Index("jobs_by_status", "status", "created"),
    Index("jobs_of_model", "model", "created"),
)
"""Work in the background: ``waiting``, ``running``, ``done``, ``failed`` or ``cancelled``; ``seen``: its worker's last word."""

tokens = _table(
    "tokens", "token", "name digest scopes author created", "expires revoked used", UniqueConstraint("digest")
)
"""Who may do what: digests of secrets that nobody can read back."""

sessions = _table("sessions", "digest", "token csrf created expires")
"""Browsers that are logged in, each with the token that let it in."""

audit = _table("audit", "id", "at actor action subject", "detail", Index("audit_by_time", "at"))
"""Who changed what, and when."""

leases = _table("leases", "lease", "holder expires")
"""Which of several processes does what only one may do."""

snapshots = _table("snapshots", "model digest", "snapshot author created")
"""Manifests of serving environments."""

artefacts = _table("artefacts", "digest", "path author created")
"""Model files that an administrator vouched for, by the digest of their contents: another file in their place is not trusted."""

looks = _table("looks", "model", "book status card brief changed", status=String(8))
"""The last look of each model: ``card`` for the list of models, ``brief`` the answer without points and incidents."""

incident_details = _table(
    "incident_details",
    "model incident",
    "book level open began known_on sentence features data",
    "closed kind muted loss",
    Index("incidents_by_time", "known_on"),
    Index("incidents_by_state", "open", "level", "known_on"),
    Index("incidents_by_kind", "kind"),
    kind=String(32),
)
"""Incidents as they were published; ``loss`` is the change of the stream that speaks for it."""

series = _table("series", "book stream part", "digest points", digest=String(16))
"""Streams by period, ``PART`` numbers of periods to a row: those of the reference and those after it."""

diagnoses = _table("diagnoses", "model incident", "document brief created")
"""Whole answers of what alarms ran, and the parts that say why; what a person asked for is the result of a job."""

renderings = _table("renderings", "digest", "body created")
"""Answers laid out with their drawings, which take seconds to draw."""
