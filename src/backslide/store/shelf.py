"""What was handed in beside records: snapshots of serving environments, and which model files an administrator vouched for."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from backslide.store.memory import Json
from backslide.store.records import Records, named_table, utc_now

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
        return digest, bool(self.insert_once("snapshots", row))

    def entries(self, model: str) -> list[SnapshotEntry]:
        """The newest first."""
        table = named_table("snapshots")
        chosen = table.select().with_only_columns(table.c.digest, table.c.author, table.c.created)
        chosen = chosen.where(table.c.model == model).order_by(table.c.created.desc()).limit(MOST)
        return [SnapshotEntry(*row) for row in self.rows(chosen)]

    def snapshot(self, model: str, digest: str) -> Json | None:
        """One by its digest."""
        table = named_table("snapshots")
        chosen = table.select().with_only_columns(table.c.snapshot)
        return self.value(chosen.where(table.c.model == model, table.c.digest == digest))


class TrustedFiles(Records):
    """Model files that may be loaded, by what is in them: another file in the place of one is not trusted."""

    def trust(self, digest: str, path: str, author: str) -> None:
        """Vouch for a file."""
        self.insert_once("artefacts", {"digest": digest, "path": path, "author": author, "created": utc_now()})

    def distrust(self, digest: str) -> bool:
        """Take it back; returns whether it was trusted."""
        return bool(self.delete("artefacts", digest=digest))

    def trusted(self, digest: str) -> bool:
        """Whether somebody vouched for these contents."""
        return bool(self.where("artefacts", digest=digest))

    def entries(self) -> list[dict[str, Any]]:
        """Digest, path, author and time of each."""
        table = named_table("artefacts")
        return [dict(row._mapping) for row in self.rows(table.select().order_by(table.c.created.desc()).limit(MOST))]
