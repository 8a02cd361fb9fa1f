"""The application: routes, errors, and what surrounds them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool

from backslide import __version__
from backslide.contracts.config import Settings
from backslide.server import api, login, pages, problems
from backslide.server.access import TokenCache
from backslide.server.context import Context
from backslide.server.predictions import PredictionStore
from backslide.server.runner import JobRunner, worker_name
from backslide.server.schedule import Schedule
from backslide.server.security import Shell, is_local
from backslide.server.telemetry import Telemetry
from backslide.store.database import Database, open_database


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Jobs and schedule live as long as the server; when it is asked to end, requests that are at work end first."""
    context: Context = app.state.context
    name = worker_name()
    app.state.schedule = schedule = Schedule(context, name)
    runner = JobRunner(context, name)
    runner.start()
    schedule.start()
    try:
        yield
    finally:
        await run_in_threadpool(schedule.stop)
        await run_in_threadpool(runner.stop)


def create_app(settings: Settings, *, database: Database | None = None, background: bool = False) -> FastAPI:
    """A server for these settings; the database is opened and brought up to date unless one is given.

    ``app.state.context`` holds the :class:`Context`. With ``background``, jobs, looks and rollups run while it serves.

    Raises:
        StoreError: the database cannot be opened.
        LogError: the log is elsewhere and no folder for waiting lines is named.
    """
    store = PredictionStore(settings)
    if database is None:
        database = open_database(settings.store.url, settings.base)
    app = FastAPI(
        title="backslide",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=_lifespan if background else None,
    )
    app.state.context = Context(settings, database, store)
    app.state.telemetry = telemetry = Telemetry()
    telemetry.watch(app.state.context)
    app.state.tokens = TokenCache()
    server = settings.server  # with a proxy in front, everybody comes from this machine
    app.state.login_for_reading = server.require_login or server.https or not is_local(server.host)
    problems.register(app)
    app.include_router(api.router)
    app.include_router(login.router)
    app.include_router(pages.router)
    app.add_middleware(Shell, settings=settings, telemetry=telemetry)
    return app
