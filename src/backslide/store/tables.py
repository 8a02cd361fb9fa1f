"""The tables, as SQLAlchemy knows them; how they came about is in ``migrations``."""

from __future__ import annotations

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

metadata = MetaData()

books = Table(
    "books",
    metadata,
    Column("book", String(64), primary_key=True),
    Column("model", Text, nullable=False),
    Column("settings", JSON, nullable=False),
    Column("reference", JSON),
    Column("told_through", Integer),
    Column("created", DateTime, nullable=False),
)
"""A model under one set of settings: what was learned of its reference."""

periods = Table(
    "periods",
    metadata,
    Column("book", String(64), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("sums", JSON, nullable=False),
    Column("frozen", DateTime, nullable=False),
)
"""Sums of each period, never changed."""

findings = Table(
    "findings",
    metadata,
    Column("book", String(64), primary_key=True),
    Column("incident", String(64), primary_key=True),
    Column("finding", JSON, nullable=False),
    Column("created", DateTime, nullable=False),
)
"""Diagnoses of incidents."""

messages = Table(
    "messages",
    metadata,
    Column("book", String(64), primary_key=True),
    Column("incident", String(64), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("period", String(64), primary_key=True),
    Column("place", Integer, nullable=False),
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", Text),
    Column("created", DateTime, nullable=False),
    Column("changed", DateTime, nullable=False),
)
"""What is to be told, and what became of it."""

mutes = Table(
    "mutes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("model", Text, nullable=False),
    Column("pattern", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("until", String(10)),
    Column("created", DateTime, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("book", String(64), nullable=False),
    Column("started", DateTime, nullable=False),
    Column("finished", DateTime),
    Column("status", String(16)),
    Column("summary", Text),
)

incidents = Table(
    "incidents",
    metadata,
    Column("model", Text, primary_key=True),
    Column("incident", String(64), primary_key=True),
    Column("number", Integer, nullable=False),
    Column("mark", String(16)),
    Column("note", Text),
    Column("covers", JSON),
    Column("marked", DateTime),
    Column("created", DateTime, nullable=False),
    Column("owner", Text),
    Column("acknowledged", DateTime),
    UniqueConstraint("model", "number", name="incident_number"),
)
"""Numbers of incidents, and what people said of them. They are of the model: other settings do not change what somebody knows."""

reports = Table(
    "reports",
    metadata,
    Column("book", String(64), primary_key=True),
    Column("model", Text, nullable=False),
    Column("report", JSON, nullable=False),
    Column("changed", DateTime, nullable=False),
)
"""The answer of the last look."""

threads = Table(
    "threads",
    metadata,
    Column("book", String(64), primary_key=True),
    Column("incident", String(64), primary_key=True),
    Column("receiver", String(32), primary_key=True),
    Column("thread", JSON, nullable=False),
)
"""Where the message of an incident stands at a receiver that can change it; receivers by a digest of their address."""

notes = Table(
    "notes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("model", Text, nullable=False),
    Column("incident", String(64), nullable=False),
    Column("author", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("created", DateTime, nullable=False),
    Index("notes_of_incident", "model", "incident"),
)
"""What people wrote beside an incident."""

jobs = Table(
    "jobs",
    metadata,
    Column("job", String(32), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("model", Text, nullable=False),
    Column("request", JSON, nullable=False),
    Column("status", String(16), nullable=False),
    Column("progress", Text),
    Column("share", Float),
    Column("result", JSON),
    Column("error", Text),
    Column("author", Text, nullable=False),
    Column("worker", String(64)),
    Column("created", DateTime, nullable=False),
    Column("started", DateTime),
    Column("seen", DateTime),
    Column("finished", DateTime),
    Index("jobs_by_status", "status", "created"),
    Index("jobs_of_model", "model", "created"),
)
"""Work in the background: ``waiting``, ``running``, ``done``, ``failed`` or ``cancelled``; ``seen``: its worker's last word."""

tokens = Table(
    "tokens",
    metadata,
    Column("token", String(16), primary_key=True),
    Column("name", Text, nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("scopes", JSON, nullable=False),
    Column("author", Text, nullable=False),
    Column("created", DateTime, nullable=False),
    Column("expires", DateTime),
    Column("revoked", DateTime),
    Column("used", DateTime),
)
"""Who may do what: digests of secrets that nobody can read back."""

sessions = Table(
    "sessions",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("token", String(16), nullable=False),
    Column("csrf", String(64), nullable=False),
    Column("created", DateTime, nullable=False),
    Column("expires", DateTime, nullable=False),
)
"""Browsers that are logged in, each with the token that let it in."""

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", DateTime, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", String(32), nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", JSON),
    Index("audit_by_time", "at"),
)
"""Who changed what, and when."""

leases = Table(
    "leases",
    metadata,
    Column("lease", String(64), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("expires", DateTime, nullable=False),
)
"""Which of several processes does what only one may do."""

snapshots = Table(
    "snapshots",
    metadata,
    Column("model", Text, primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("snapshot", JSON, nullable=False),
    Column("author", Text, nullable=False),
    Column("created", DateTime, nullable=False),
)
"""Manifests of serving environments."""

artefacts = Table(
    "artefacts",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("path", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("created", DateTime, nullable=False),
)
"""Model files that an administrator vouched for, by the digest of their contents: another file in their place is not trusted."""

looks = Table(
    "looks",
    metadata,
    Column("model", Text, primary_key=True),
    Column("book", String(64), nullable=False),
    Column("status", String(8), nullable=False),
    Column("card", JSON, nullable=False),
    Column("brief", JSON, nullable=False),
    Column("changed", DateTime, nullable=False),
)
"""The last look of each model: ``card`` for the list of models, ``brief`` the answer without points and incidents."""

incident_details = Table(
    "incident_details",
    metadata,
    Column("model", Text, primary_key=True),
    Column("incident", String(64), primary_key=True),
    Column("book", String(64), nullable=False),
    Column("level", String(8), nullable=False),
    Column("open", Boolean, nullable=False),
    Column("began", String(32), nullable=False),
    Column("known_on", String(32), nullable=False),
    Column("closed", String(32)),
    Column("sentence", Text, nullable=False),
    Column("kind", String(32)),
    Column("features", JSON, nullable=False),
    Column("muted", Text),
    Column("loss", JSON),
    Column("data", JSON, nullable=False),
    Index("incidents_by_time", "known_on"),
    Index("incidents_by_state", "open", "level", "known_on"),
    Index("incidents_by_kind", "kind"),
)
"""Incidents as they were published; ``loss`` is the change of the stream that speaks for it."""

series = Table(
    "series",
    metadata,
    Column("book", String(64), primary_key=True),
    Column("stream", String(255), primary_key=True),
    Column("part", Integer, primary_key=True),
    Column("digest", String(16), nullable=False),
    Column("points", JSON, nullable=False),
)
"""Streams by period, ``PART`` numbers of periods to a row: those of the reference and those after it."""

diagnoses = Table(
    "diagnoses",
    metadata,
    Column("model", Text, primary_key=True),
    Column("incident", String(64), primary_key=True),
    Column("document", JSON, nullable=False),
    Column("brief", JSON, nullable=False),
    Column("created", DateTime, nullable=False),
)
"""Whole answers of what alarms ran, and the parts that say why; what a person asked for is the result of a job."""

renderings = Table(
    "renderings",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("body", Text, nullable=False),
    Column("created", DateTime, nullable=False),
)
"""Answers laid out with their drawings, which take seconds to draw."""
