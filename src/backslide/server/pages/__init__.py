"""Pages for people: incidents, models, a model's time axis. They work without JavaScript, except for the chart."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter
from fastapi.responses import Response

from backslide.server.pages import actions, asking, incident, jobs, listing, model
from backslide.server.pages.site import asset_response
from backslide.server.problems import ProblemError

router = APIRouter(include_in_schema=False)
for part in (listing, model, incident, asking, actions, jobs):
    router.include_router(part.router)


@router.get("/static/{name:path}")
def static(name: str) -> Response:
    """A style sheet, a script or the icon; they say nothing of anybody's models, so that everybody may have them."""
    found = asset_response(name)
    if found is None:
        raise ProblemError(HTTPStatus.NOT_FOUND, "there is no such file")
    return found
