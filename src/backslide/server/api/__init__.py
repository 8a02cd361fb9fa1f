"""``/api/v1``: records in, queries out, jobs."""

from __future__ import annotations

from fastapi import APIRouter

from backslide.server.api import status

router = APIRouter()
router.include_router(status.router)
