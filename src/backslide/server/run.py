"""From settings to a listening server, and back when it is stopped."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import suppress

import uvicorn

from backslide.contracts.config import Settings
from backslide.contracts.errors import ConfigError
from backslide.server.app import create_app
from backslide.server.connection import PromptConnection
from backslide.server.context import Context
from backslide.server.security import check_binding
from backslide.server.telemetry import log_as_json

GRACE_SECONDS = 7
"""For requests that are at work when the server is stopped; less than the command line waits before it ends a process."""
BACKLOG = 2048


def run(settings: Settings) -> None:
    """Serve until stopped by a signal.

    Raises:
        ConfigError: it would listen to other machines without authentication, or the address is taken.
    """
    log_as_json()
    _hold_many_files()
    app = create_app(settings, background=True)
    context: Context = app.state.context
    try:
        protected = context.accounts.protected()
        check_binding(settings, protected=protected)
        with _listener(settings) as listener:
            host, port = listener.getsockname()[:2]
            shown = f"[{host}]" if ":" in host else host
            print(f"listening at http://{shown}:{port}", file=sys.stderr, flush=True)
            if not protected:
                hint = "backslide serve token create NAME --scope admin"
                print(f"reading is free on this machine; to write, make a token: {hint}", file=sys.stderr, flush=True)
            config = uvicorn.Config(
                app,
                http=PromptConnection,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
            uvicorn.Server(config).run(sockets=[listener])
    finally:
        context.store.close()
        context.database.close()


def _hold_many_files() -> None:
    """Let the server hold as many files as the system allows it: a connection is one, and so is the log of each model."""
    if os.name != "posix":
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS names a limit that it does not grant
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _listener(settings: Settings) -> socket.socket:
    host, port = settings.server.host, settings.server.port
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        try:
            if os.name == "posix":
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise ConfigError(f"cannot listen at {host}:{port}: {error.strerror or error}; choose another --port") from None
    return listener
