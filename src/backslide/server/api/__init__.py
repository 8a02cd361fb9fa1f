"""``/api/v1``: records in, queries out, jobs."""

from __future__ import annotations

from fastapi import APIRouter

from backslide.server.api import admin, incidents, queries, records, status, work

router = APIRouter()
for one in (status, records, queries, incidents, work, admin):
    router.include_router(one.router)
