"""The first two pages: incidents, and models."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from backslide.contracts import say
from backslide.server.looks import PAGE, STATES, IncidentFilter, ListedIncident, ListedModel, Which
from backslide.server.pages.parts import Parts, Reader, commands, lost_word, plain, queries, spark_label
from backslide.server.pages.site import respond
from backslide.server.pages.sparks import spark

router = APIRouter(include_in_schema=False)
NAMES = {
    "open": "Open",
    "new": "New",
    "acknowledged": "Acknowledged",
    "fixed": "Fixed",
    "false alarm": "False alarms",
    "over": "Over",
    "all": "All",
}
MOST_LINES = 2000
_LINES: dict[tuple[str, str], Markup] = {}
UNWATCHED = (
    "It has sent rows, and nothing says yet what is normal for it: a configuration with [windows] reference does. "
    "Its page shows how."
)


@router.get("/")
def incidents_page(
    view: Reader,
    context: Parts,
    which: str = "",
    model: Annotated[str, Query(max_length=500)] = "",
    owner: Annotated[str, Query(max_length=100)] = "",
    q: Annotated[str, Query(max_length=200)] = "",
    page: str = "1",
) -> HTMLResponse:
    """Incidents, those first that ask for somebody."""
    asked: Which = which if which in STATES else "all"
    number = int(page) if page.isascii() and page.isdigit() and 0 < len(page) < 6 else 1
    wish = IncidentFilter(asked, plain(model), plain(owner), plain(q), max(number, 1))
    ask = queries(context)
    shown, total = ask.incidents(wish)
    counts = ask.counts(wish.model)
    models = ask.names()
    return respond(
        view,
        "incidents.html.j2",
        heading=_heading(counts["open"], shown, models),
        shown=shown,
        total=total,
        filtered=bool(which or model or owner or q),
        wish=wish,
        states=STATES,
        names=NAMES,
        counts=counts,
        models=models,
        owners=ask.owners(),
        similar=ask.similar([one for one in shown if one.pressing], 1),
        lost_word=lost_word,
        page_size=PAGE,
        any_model=bool(models),
        quiet=_quiet(models),
        commands=commands(view, context),
    )


def _heading(pressing: int, shown: list[ListedIncident], models: list[str]) -> str:
    if not models:
        return "Nothing is watched yet"
    if not pressing:
        return "Nothing asks for anybody"
    if pressing == 1 and shown and shown[0].pressing:
        return f"One incident asks for somebody: {shown[0].model}"
    return f"{say.counted(pressing, 'incident')} ask for somebody"


def _quiet(models: list[str]) -> str:
    return f"{say.counted(len(models), 'model')} watched, and nothing was ever raised."


@router.get("/models")
def models_page(view: Reader, context: Parts, q: Annotated[str, Query(max_length=200)] = "") -> HTMLResponse:
    """Every model: state, last periods, labels, freshness, open incidents."""
    looked = queries(context).models()
    known = {one.model for one in looked}
    listed = [*looked, *(ListedModel(name) for name in context.models.names() if name not in known)]
    shown = [one for one in listed if q.lower() in one.model.lower()]
    alarms = sum(one.status == "alarm" for one in looked)
    heading = f"{say.counted(len(listed), 'model')}, no alarm is open" if listed else "No models yet"
    if alarms:
        heading = f"{alarms} of {say.counted(len(listed), 'model')} with an open alarm"
    elif listed and not looked:
        heading = f"{say.counted(len(listed), 'model')}, none is watched yet"
    return respond(
        view,
        "models.html.j2",
        heading=heading,
        shown=shown,
        text=q,
        unwatched=UNWATCHED,
        sparks={one.model: _small_line(one) for one in shown if one.card is not None},
        troubles=[f"{file}: {error}" for file, error in context.models.errors.items()],
        any_model=False,
        commands=commands(view, context),
    )


def _small_line(one: ListedModel) -> Markup:
    """The small line of a model: drawn once for each look."""
    key = (one.model, str(one.changed))
    known = _LINES.get(key)
    if known is None:
        assert one.card is not None
        if len(_LINES) >= MOST_LINES:
            _LINES.clear()
        known = _LINES[key] = spark(one.card["lines"], spark_label(one))
    return known
