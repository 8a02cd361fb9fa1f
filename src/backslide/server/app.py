"""The application: routes, errors, and what surrounds them."""

from __future__ import annotations

from fastapi import FastAPI

from backslide import __version__
from backslide.contracts.config import Settings
from backslide.server import api, login, pages, problems
from backslide.server.access import TokenCache
from backslide.server.context import Context
from backslide.server.predictions import PredictionStore
from backslide.server.security import Shell, is_local
from backslide.store.database import Database, open_database


def create_app(settings: Settings, *, database: Database | None = None) -> FastAPI:
    """A server for these settings; the database is opened and brought up to date unless one is given.

    ``app.state.context`` holds the :class:`Context`.

    Raises:
        StoreError: the database cannot be opened.
        LogError: the log is elsewhere and no folder for waiting lines is named.
    """
    store = PredictionStore(settings)
    if database is None:
        database = open_database(settings.store.url, settings.base)
    app = FastAPI(title="backslide", version=__version__, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.context = Context(settings, database, store)
    app.state.tokens = TokenCache()
    app.state.login_for_reading = settings.server.require_login or not is_local(settings.server.host)
    problems.register(app)
    app.include_router(api.router)
    app.include_router(login.router)
    app.include_router(pages.router)
    app.add_middleware(Shell, settings=settings)
    return app
