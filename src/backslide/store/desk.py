"""What people do with incidents: acknowledge, own, annotate; the state follows from it and from what they were marked as."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from backslide.contracts.extras import needs
from backslide.contracts.secrets import scrub
from backslide.store.memory import Mute
from backslide.store.records import Records, named_table, utc_now

State = Literal["new", "acknowledged", "fixed", "false alarm"]
OF_MARK: dict[str, State] = {"false": "false alarm", "fixed": "fixed", "known": "acknowledged"}


@dataclass(frozen=True)
class Note:
    """What somebody wrote beside an incident."""

    id: int
    author: str
    text: str
    created: datetime


class Desk(Records):
    """Incidents as people work on them."""

    def acknowledge(self, model: str, incident: str, owner: str | None) -> bool:
        """Note that somebody has seen it, and who takes care of it; returns whether there is such an incident."""
        return self._update(model, incident, acknowledged=utc_now(), **({} if owner is None else {"owner": owner}))

    def assign(self, model: str, incident: str, owner: str | None) -> bool:
        """Give it to somebody, or to nobody; returns whether there is such an incident."""
        return self._update(model, incident, owner=owner or None)

    def reopen(self, model: str, incident: str) -> bool:
        """Take back mark and acknowledgement; returns whether there is such an incident."""
        return self._update(model, incident, mark=None, note=None, covers=None, marked=None, acknowledged=None)

    def annotate(self, model: str, incident: str, author: str, text: str) -> None:
        """Add a note."""
        row = {"model": model, "incident": incident, "author": author, "text": scrub(text), "created": utc_now()}
        self.insert("notes", **row)

    def notes(self, model: str, incident: str) -> list[Note]:
        """Notes of an incident, the oldest first."""
        rows = self.where("notes", "id", model=model, incident=incident)
        return [Note(row.id, row.author, row.text, row.created) for row in rows]

    def last_change(self) -> tuple[int, datetime | None]:
        """How many answers of looks there are, and when the last one was kept."""
        with needs("server", "the server"):
            from sqlalchemy import func, select
        table = named_table("reports")
        with self.transaction() as connection:
            row = connection.execute(select(func.count(), func.max(table.c.changed))).one()
        return int(row[0]), row[1]

    def mutes(self, model: str) -> list[Mute]:
        """Streams of a model that call nobody."""
        return [Mute(row.pattern, row.reason, row.until) for row in self.where("mutes", "id", model=model)]

    def _update(self, model: str, incident: str, **values: object) -> bool:
        return bool(self.update("incidents", {"model": model, "incident": incident}, **values))
