"""Pages for people: incidents, models, a model's time axis."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(include_in_schema=False)
