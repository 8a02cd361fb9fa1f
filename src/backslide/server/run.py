"""From settings to a listening server, and back when it is stopped."""

from __future__ import annotations

import sys

import uvicorn

from backslide.contracts.config import Settings
from backslide.server.app import create_app
from backslide.server.context import Context
from backslide.server.security import check_binding

GRACE_SECONDS = 20
"""For requests that are at work when the server is stopped."""


def run(settings: Settings) -> None:
    """Serve until stopped by a signal.

    Raises:
        ConfigError: it would listen to other machines without authentication.
    """
    app = create_app(settings, background=True)
    context: Context = app.state.context
    try:
        check_binding(settings, protected=context.accounts.protected())
        config = uvicorn.Config(
            app,
            host=settings.server.host,
            port=settings.server.port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        print(f"backslide serves http://{settings.server.host}:{settings.server.port}", file=sys.stderr)
        uvicorn.Server(config).run()
    finally:
        context.store.close()
        context.database.close()
