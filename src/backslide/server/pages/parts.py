"""What several pages need: dependencies of routes, one model's answer put together, the commands that empty pages teach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, Path, Request
from markupsafe import Markup

from backslide.contracts import say
from backslide.contracts.watch import Stream, WatchReport
from backslide.monitor.marks import apply_marks
from backslide.report.documents.addresses import file_name
from backslide.server.access import Caller, require
from backslide.server.context import Context, context_of
from backslide.server.looks import ListedIncident, LookQueries
from backslide.server.pages.axis import grid_of
from backslide.server.pages.site import View
from backslide.server.pages.sparks import spark
from backslide.server.problems import ProblemError
from backslide.store.memory import Json

SPARK_PERIODS = 60
COSTLY = ("measured", "performance", "mature", "class", "segment")
"""Streams whose change is a loss; the others only move."""
NO_DIAGNOSIS = (
    "No diagnosis was made: an early sign runs none, and [watch] diagnose may be off. Choose two periods on the model's page and "
    "press Diagnose."
)


async def reading(request: Request, caller: Annotated[Caller, Depends(require("read"))]) -> View:
    """A page for whoever may read."""
    return View(request, caller)


async def operating(request: Request, caller: Annotated[Caller, Depends(require("operate"))]) -> View:
    """An action of whoever may act on incidents."""
    return View(request, caller)


Reader = Annotated[View, Depends(reading)]
Operator = Annotated[View, Depends(operating)]
Parts = Annotated[Context, Depends(context_of)]
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]


def plain(text: str) -> str:
    """A text that every database takes: PostgreSQL knows no NUL."""
    return text.replace("\0", "")


@dataclass(frozen=True)
class ModelLook:
    """The last look at a model, without the points of its streams."""

    model: str
    book: str
    report: WatchReport


def queries(context: Context) -> LookQueries:
    """The queries of pages on the server's database."""
    return LookQueries(context.database)


def model_named(context: Context, slug: str) -> str:
    """The model whose pages lie under a part of an address.

    Raises:
        ProblemError: there is none.
    """
    name = queries(context).name_of(slug) or queries(context).name_of(slug, context.models.names())
    if name is None:
        raise ProblemError(HTTPStatus.NOT_FOUND, "there is no such model; see the list of models")
    return name


def answer_of(context: Context, model: str) -> ModelLook | None:
    """The last look at a model with its incidents and what was said of them since; None where there was no look."""
    found = queries(context).brief(model)
    if found is None:
        return None
    book, brief = found
    report = WatchReport.from_dict({**brief, "incidents": queries(context).incidents_of(model)})
    return ModelLook(model, book, apply_marks(report, context.database.incidents(model)))


def look_of(context: Context, model: str) -> ModelLook:
    """The last look at a model that has incidents, which are written together with the answer of a look."""
    answer = answer_of(context, model)
    assert answer is not None, "an incident is written together with the answer of its look"
    return answer


def incident_of(context: Context, slug: str, number: int) -> tuple[ListedIncident, Json]:
    """An incident by its address.

    Raises:
        ProblemError: there is none.
    """
    found = queries(context).incident(model_named(context, slug), number)
    if found is None:
        raise ProblemError(
            HTTPStatus.NOT_FOUND, f"there is no incident {number} of this model; see the list of incidents"
        )
    return found


def lost_word(one: ListedIncident) -> str:
    """What the number beside an incident is."""
    kind = None if one.loss is None else one.loss.get("kind")
    return "Expected to lose" if kind in ("estimate", "fault") else "Lost" if kind in COSTLY else "Moved by"


def lines_of(context: Context, answer: ModelLook, streams: Sequence[Stream]) -> dict[str, Markup]:
    """Small lines of streams by their names."""
    last = _last_number(answer)
    first = None if last is None else last - SPARK_PERIODS + 1
    series = queries(context).series(answer.book, [one.name for one in streams], first)
    return {
        one.name: spark({"performance": series[one.name]}, f"{one.words}, last {SPARK_PERIODS} {answer.report.period}s")
        for one in streams
        if one.name in series
    }


def _last_number(answer: ModelLook) -> int | None:
    from datetime import datetime

    grid, last = grid_of(answer.report), answer.report.last
    if last is None or not grid.timed:
        return None
    return grid.number(datetime.fromisoformat(last))


def spark_label(one: Any) -> str:
    """The small line of a model in words."""
    head = one.card["head"]
    if head is None or head["latest"] is None:
        return f"{one.model}: nothing judged yet"
    latest = head["latest"]
    return (
        f"{head['words']} of {one.model}, last periods: {say.level(latest['value'], share=head['share'])} at last, "
        f"usual {say.level(latest['low'], share=head['share'])} to {say.level(latest['high'], share=head['share'])}"
    )


def commands(view: View, context: Context, model: str = "loan-defaults") -> Mapping[str, str]:
    """Commands that can be pasted: with the address of this server, and a model's name."""
    server = str(view.request.base_url).rstrip("/")
    file = f"models/{file_name(model)}.toml"
    post = f"curl -X POST {server}/api/v1/models/{_quoted(model)}"
    auth = '-H "Authorization: Bearer $BACKSLIDE_TOKEN" -H "Content-Type: application/json"'
    return {
        "token": "export BACKSLIDE_TOKEN=$(backslide serve token create my-service --scope ingest)",
        "record": f"{post}/predictions {auth} \\\n"
        '  -d \'{"id": "r-1", "features": {"income": 2100, "term": 36}, "prediction": "paid", '
        '"scores": {"paid": 0.91, "default": 0.09}}\'',
        "label": f'{post}/labels {auth} \\\n  -d \'{{"id": "r-1", "value": "paid"}}\'',
        "event": f'{post}/events {auth} \\\n  -d \'{{"text": "deploy \'"$GIT_COMMIT"\'"}}\'',
        "snapshot": "backslide snapshot --out now.snapshot.json\n"
        f"{post}/snapshots {auth} \\\n  --data @now.snapshot.json",
        "configure": f'# {file}, and under [server] of backslide.toml: models = ["models/*.toml"]\n'
        f'[model]\nname = "{model}"\nlabel = "label"\nprediction = "prediction"\ntimestamp = "at"\nid = "id"\n\n'
        f'[data]\nsource = "{context.store.source(model)}"\n\n[windows]\nreference = "2026-03-01..2026-04-30"',
        "look": f"backslide watch {file}",
    }


def _quoted(model: str) -> str:
    from urllib.parse import quote

    return quote(model, safe="")
