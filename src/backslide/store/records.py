"""What the parts of the store that the server uses have in common: every call is one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from backslide.store.database import Database, store_errors

if TYPE_CHECKING:
    from sqlalchemy import Connection


class Records:
    """Rows of some of the tables of a database."""

    def __init__(self, database: Database) -> None:
        self.engine = database.engine

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """All writes inside take effect together, or not at all.

        Raises:
            StoreError: the database cannot be read or written, in one line.
        """
        with store_errors(self.engine), self.engine.begin() as connection:
            yield connection
