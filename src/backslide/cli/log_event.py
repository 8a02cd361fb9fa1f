"""``backslide log event``: a deploy or another dated change, typed or as others keep them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from backslide.cli.options import OneModel, PrintJson, Spool, Store, option
from backslide.cli.output import say, say_json
from backslide.contracts.errors import LogError
from backslide.contracts.moments import parse_moment
from backslide.contracts.say import counted


def event(
    text: Annotated[str | None, typer.Argument(metavar="TEXT", help="What changed, such as 'deploy v2'.")] = None,
    source: Annotated[
        Path | None,
        option(
            "--from",
            "FILE",
            "Read events instead: JSON of Grafana, GitHub, GitLab, Kubernetes or MLflow, a CSV, or a git checkout.",
        ),
    ] = None,
    at: Annotated[str | None, option("--at", "TIME", "When it changed (ISO, UTC); default: now.")] = None,
    store: Store = "log",
    model: OneModel = None,
    spool: Spool = None,
    json: PrintJson = False,
) -> int:
    """Add one or many deploys or other dated changes, skipping those already there."""
    from backslide.log.dated_events import LONGEST, add_events, to_event
    from backslide.log.event_files import read_events
    from backslide.log.reading import open_log

    if (text is None) == (source is None):
        raise LogError('expected either a text, backslide log event "deploy v2", or --from FILE')
    if source is not None and at is not None:
        raise LogError("--at belongs to a text; what a file holds has times of its own")
    ours = others = 0
    if source is not None:
        events, ours, others = read_events(source)
    else:
        if not str(text).strip():
            raise LogError("expected a text that says what changed, got an empty one")
        events = [to_event(datetime.now(UTC) if at is None else parse_moment(at, "--at"), str(text))]
    name = open_log(store).name if model is None else model
    added = add_events(store, name, events, spool=spool)
    cut = sum(event.cut for event in events)
    if json:
        content = {"model": name, "read": len(events) + ours + others, "added": added, "alarms_left_out": ours}
        content |= {"left_out": others} if others else {}
        content |= {"cut": cut} if cut else {}
        say_json("log-event", **content)
        return 0
    rest = f", {len(events) - added} there already" if added < len(events) else ""
    rest += f", {ours} of our own alarms left out" if ours else ""
    rest += f", {others} entries left out that tell of no deploy" if others else ""
    rest += f", {counted(cut, 'text')} cut after {LONGEST} characters" if cut else ""
    say(f"{name}: {counted(added, 'event')} added{rest}")
    return 0
