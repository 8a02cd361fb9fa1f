"""A server with a made-up history of two models, as looks leave it, and what reads its pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from running_server import RunningServer, start

from backslide.server.access import COOKIE
from server_pages import fill

DAYS, FEATURES = 160, 3
UNTIL = datetime.now(UTC).replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
QUIET, ALARMED = "model-000", "model-001"
OPEN = 3
"""Number of the incident that is open, the last of three."""


def started(folder: Path, url: str | None = None) -> Iterator[RunningServer]:
    """Two models: one quiet, one with an open alarm."""
    for server in start(folder, url):
        fill(server.context.database, 2, DAYS, FEATURES, until=UNTIL)
        yield server


def page(server: RunningServer, url: str, status: int = 200, **more) -> str:
    """The text of a page."""
    answer = server.client.get(url, **more)
    assert answer.status_code == status, answer.text[:500]
    return answer.text


def words(html: str) -> str:
    """What a reader sees, on one line."""
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


class Person:
    """Somebody who is logged in and sends forms."""

    def __init__(self, server: RunningServer, scope: str = "operate") -> None:
        self.server = server
        begun = server.context.accounts.log_in(server.secrets[scope], 1)
        assert begun is not None
        self.csrf = begun[0].csrf
        self.headers = {"Cookie": f"{COOKIE}={begun[1]}"}

    def get(self, url: str) -> str:
        """A page."""
        return page(self.server, url, headers=self.headers)

    def post(self, url: str, status: int = 303, files=None, **form: str) -> str:
        """Send a form; the text of the page that it leads to."""
        answer = self.server.client.post(url, data={"csrf_token": self.csrf, **form}, files=files, headers=self.headers)
        assert answer.status_code == status, answer.text[:500]
        return self.get(answer.headers["location"]) if status == 303 else answer.text
