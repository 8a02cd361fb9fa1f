"""``backslide log event``: a deploy or another dated change, typed or as others keep them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from backslide.cli.output import say
from backslide.contracts.errors import LogError
from backslide.contracts.say import counted


def run(
    text: str | None,
    store: str,
    *,
    source: Path | None,
    model: str | None,
    at: str | None,
    spool: Path | None,
    as_json: bool,
) -> int:
    """Write what was typed or read, and say how much of it was new."""
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
        events = [to_event(datetime.now(UTC) if at is None else _moment(at), str(text))]
    name = open_log(store).name if model is None else model
    added = add_events(store, name, events, spool=spool)
    cut = sum(event.cut for event in events)
    if as_json:
        content = {"model": name, "read": len(events) + ours + others, "added": added, "alarms_left_out": ours}
        content |= {"left_out": others} if others else {}
        content |= {"cut": cut} if cut else {}
        say(json.dumps({"format": "backslide.log-event/1", **content}, indent=2))
        return 0
    rest = f", {len(events) - added} there already" if added < len(events) else ""
    rest += f", {ours} of our own alarms left out" if ours else ""
    rest += f", {others} entries left out that tell of no deploy" if others else ""
    rest += f", {counted(cut, 'text')} cut after {LONGEST} characters" if cut else ""
    say(f"{name}: {counted(added, 'event')} added{rest}")
    return 0


def _moment(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise LogError(f"--at: expected a time such as 2026-03-01T12:00, got {text!r}") from None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
