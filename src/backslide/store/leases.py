"""Which of several processes does what only one may do: a row with an end, which its holder moves on."""

from __future__ import annotations

from datetime import timedelta

from backslide.store.records import Records, insert_once, named_table, utc_now


class Leases(Records):
    """Leases of a store. A clock that is wrong by more than the length of a lease makes two leaders."""

    def acquire(self, name: str, holder: str, seconds: float) -> bool:
        """Take a lease that nobody has, or that has ended, or prolong one's own; returns whether it is the holder's."""
        table, now = named_table("leases"), utc_now()
        end = now + timedelta(seconds=seconds)
        with self.transaction() as connection:
            mine = (table.c.holder == holder) | (table.c.expires < now)
            changed = connection.execute(
                table.update().where(table.c.lease == name, mine).values(holder=holder, expires=end)
            )
            if changed.rowcount:
                return True
            return bool(insert_once(connection, "leases", {"lease": name, "holder": holder, "expires": end}))

    def release(self, name: str, holder: str) -> None:
        """Give it back."""
        self.delete("leases", lease=name, holder=holder)

    def holder(self, name: str) -> str | None:
        """Who has it now."""
        table = named_table("leases")
        chosen = table.select().with_only_columns(table.c.holder)
        return self.value(chosen.where(table.c.lease == name, table.c.expires >= utc_now()))
