"""The tables, as SQLAlchemy knows them; how they came about is in ``migrations``."""

from __future__ import annotations

from sqlalchemy import JSON, Column, DateTime, Integer, MetaData, String, Table, Text, UniqueConstraint

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
