"""What was handed in beside records: snapshots of serving environments, and which model files an administrator vouched for."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from backslide.store.memory import Json
from backslide.store.records import Records
from backslide.store.statements import insert_once, named_table, utc_now

MOST = 500


@dataclass(frozen=True)
class SnapshotEntry:
    """A snapshot without its contents."""

    digest: str
    author: str
    created: datetime


class SnapshotStore(Records):
    """Snapshots by model and digest."""

    def add(self, model: str, snapshot: Json, author: str) -> tuple[str, bool]:
        """Keep one; returns its digest, and whether it is new."""
        digest = hashlib.sha256(orjson.dumps(snapshot, option=orjson.OPT_SORT_KEYS)).hexdigest()
        row = {"model": model, "digest": digest, "snapshot": snapshot, "author": author, "created": utc_now()}
        with self.transaction() as connection:
            return digest, bool(insert_once(connection, "snapshots", row))

    def entries(self, model: str) -> list[SnapshotEntry]:
        """The newest first."""
        table = named_table("snapshots")
        chosen = table.select().with_only_columns(table.c.digest, table.c.author, table.c.created)
        chosen = chosen.where(table.c.model == model).order_by(table.c.created.desc()).limit(MOST)
        with self.transaction() as connection:
            return [SnapshotEntry(*row) for row in connection.execute(chosen).all()]

    def snapshot(self, model: str, digest: str) -> Json | None:
        """One by its digest."""
        table = named_table("snapshots")
        chosen = table.select().where(table.c.model == model, table.c.digest == digest)
        with self.transaction() as connection:
            row = connection.execute(chosen).first()
        return None if row is None else row.snapshot


class TrustedFiles(Records):
    """Model files that may be loaded, by what is in them: another file in the place of one is not trusted."""

    def trust(self, digest: str, path: str, author: str) -> None:
        """Vouch for a file."""
        row = {"digest": digest, "path": path, "author": author, "created": utc_now()}
        with self.transaction() as connection:
            insert_once(connection, "artefacts", row)

    def distrust(self, digest: str) -> bool:
        """Take it back; returns whether it was trusted."""
        table = named_table("artefacts")
        with self.transaction() as connection:
            return bool(connection.execute(table.delete().where(table.c.digest == digest)).rowcount)

    def trusted(self, digest: str) -> bool:
        """Whether somebody vouched for these contents."""
        table = named_table("artefacts")
        with self.transaction() as connection:
            return connection.execute(table.select().where(table.c.digest == digest)).first() is not None

    def entries(self) -> list[dict[str, Any]]:
        """Digest, path, author and time of each."""
        table = named_table("artefacts")
        with self.transaction() as connection:
            rows = connection.execute(table.select().order_by(table.c.created.desc()).limit(MOST)).all()
        return [dict(row._mapping) for row in rows]
