"""Who is told what: messages are written with the state they speak of, and sent until somebody takes them.

At least once: who is killed after a receiver took a message and before that is noted sends it again, under the same id.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from backslide.contracts import say
from backslide.contracts.config import Settings
from backslide.contracts.errors import ConfigError
from backslide.contracts.extras import needs
from backslide.contracts.files import write_whole
from backslide.contracts.secrets import scrub
from backslide.contracts.watch import IncidentDiagnosis, Member, WatchReport
from backslide.contracts.watch_settings import FIELDS
from backslide.monitor.courier import Courier
from backslide.monitor.events import events_of, near
from backslide.monitor.exposition import exposition
from backslide.monitor.incidents import DueMessage, Group, due_messages, finding_of, identity, incident
from backslide.monitor.periods import PeriodGrid
from backslide.store.database import from_environment
from backslide.store.memory import Book, Message

MOST_LINES = 8
"""Streams that a message lists."""


def put(settings: Settings, book: Book, groups: Sequence[Group], grid: PeriodGrid, last: int | None) -> None:
    """Write down what became due since the last look; at the first look only what is still open.

    Messages and the mark of how far they go take effect together, so that no look can lose or double one.
    """
    if last is None:
        return
    with book.transaction():
        before = book.told_through()
        if settings.alerts.urls:  # without a receiver nothing waits for one
            book.put(_messages(settings, book, groups, grid, last, before))
        book.tell_through(last if before is None else max(last, before))


def _messages(
    settings: Settings, book: Book, groups: Sequence[Group], grid: PeriodGrid, last: int, before: int | None
) -> list[Message]:
    alerts, mutes, findings, entries = settings.alerts, book.mutes(), book.findings(), book.incidents()
    known = {(m.incident, m.kind) for m in book.messages()}
    messages: list[Message] = []
    for group in groups:
        name = identity(group, grid)
        shown = incident(group, grid, mutes, None, last, entries.get(name))
        if shown.muted is not None:
            continue
        answered = shown.mark is not None and not shown.uncovered
        for one in due_messages(group, grid, last, settings.watch.remind_after):
            if one.kind not in alerts.on or not _new(one, group, before, known):
                continue
            if one.kind == "reminder" and answered:  # somebody has looked at all of it
                continue
            finding = finding_of(findings, name)
            messages.append(_message(settings, group, grid, one, finding, last))
    return messages


def _new(one: DueMessage, group: Group, before: int | None, known: set[tuple[str, str]]) -> bool:
    if before is None:
        return group.over is None and one.kind in ("alarm", "watch")
    if one.kind == "recovery" and (one.incident, "alarm") not in known and (one.incident, "watch") not in known:
        return False  # nobody was told that it began
    # A judgement that needed late labels may concern a period before the last look.
    late = one.kind in ("alarm", "watch") and (one.incident, one.kind) not in known and group.over is None
    return one.number > before or late


_LEVEL = {"alarm": "ALARM", "watch": "early sign", "reminder": "still open", "recovery": "recovered"}


def _message(
    settings: Settings, group: Group, grid: PeriodGrid, one: DueMessage, finding: IncidentDiagnosis | None, last: int
) -> Message:
    message = incident(group, grid, (), finding, last)
    others = [m.sentence for m in message.members][:MOST_LINES]
    others += [f"at that time: {e}" for e in near(events_of(settings), grid, group.speaker.began, group.speaker.at)]
    sentence = message.sentence
    if one.kind == "recovery":
        sentence = f"Back to normal since {grid.label(one.number)}. It was: {sentence}"
    fields = {
        "model": settings.model.name,
        "level": _LEVEL[one.kind],
        "sentence": sentence,
        "detail": "\n".join(f"- {text}" for text in others),
        "decision": finding.decision if finding is not None else "",
        "stream": message.members[0].stream,
        "since": message.began,
        "points": _size(message.members[0], group),
        "report": _address(settings, finding),
        "incident": message.id,
    }
    alerts = settings.alerts
    body = "\n".join(text for text in alerts.body.format(**fields).splitlines() if text.strip())
    return Message(one.incident, one.kind, grid.label(one.number), alerts.title.format(**fields), body)


def _size(member: Member, group: Group) -> str:
    """The size of what speaks for the incident: ``7.1 points``."""
    change = member.change
    return "" if change is None else say.change(change.estimate, share=group.speaker.track.followed.share)


def _address(settings: Settings, finding: IncidentDiagnosis | None) -> str:
    """Where the report is read; empty where there is none."""
    if finding is None or finding.report is None:
        return ""
    url = settings.alerts.report_url
    return finding.report if url is None else url.replace("{file}", quote(Path(finding.report).name))


def deliver(settings: Settings, book: Book) -> None:
    """Send what waits, the oldest first; what nobody takes waits for the next look."""
    waiting = [m for m in book.messages() if m.status == "waiting"]
    if not waiting or not settings.alerts.urls:
        return
    findings = book.findings()
    with Courier() as courier:
        for message in waiting:
            if not _waits(message, book):
                continue  # another look sent it meanwhile
            report = findings.get(message.incident, {}).get("report") if message.kind == "alarm" else None
            attached = settings.base / report if report and settings.alerts.attach_report else None
            error = _send(settings, message, courier, attached, book)
            if error is None:
                status = "delivered"
            else:
                status = "given_up" if message.attempts + 1 >= settings.alerts.attempts else "waiting"
            with book.transaction():
                book.mark(message, status, error)


def _waits(message: Message, book: Book) -> bool:
    """Whether nobody has sent it yet, as far as the book knows."""
    own = message_id(message)
    return any(m.status == "waiting" and message_id(m) == own for m in book.messages())


def _send(
    settings: Settings, message: Message, courier: Courier, report: Path | None = None, book: Book | None = None
) -> str | None:
    """Why nobody took it; None where everybody did. The book keeps where a receiver's message of the incident stands.

    Raises:
        MissingExtraError: Apprise is not installed.
        ConfigError: a URL that Apprise does not know.
    """
    failed, file = [], str(report.resolve()) if report is not None and report.is_file() else None
    body = f"{scrub(message.body)}\n\nMessage {message_id(message)}."
    for place, url in enumerate(settings.alerts.urls, 1):
        address = from_environment(url, f"[alerts] urls, number {place}", receiver=True)
        if not _known(address):
            raise ConfigError(f"[alerts] urls, number {place}: Apprise does not know this kind of URL")
        receiver = sha256(address.encode()).hexdigest()[:32]
        content = {"url": address, "title": scrub(message.title), "body": body, "kind": message.kind, "file": file}
        threads = {} if book is None else book.threads(message.incident)
        answer = courier.post({**content, "thread": threads.get(receiver)})
        if book is not None and answer.get("thread"):
            book.keep_thread(message.incident, receiver, answer["thread"])
        if answer["error"] is not None:
            failed.append(f"number {place} {answer['error']}")
    return "; ".join(failed) or None


def _known(address: str) -> bool:
    """Whether Apprise knows this kind of address."""
    with (
        needs("watch", "sending alerts"),
        warnings.catch_warnings(action="ignore"),
    ):  # its plugins load modules that Python will drop
        import apprise  # most of a second: only when there is something to tell

        return bool(apprise.Apprise().add(address))


def message_id(message: Message) -> str:
    """By which a receiver knows one that comes again: who is killed between sending and noting it sends it once more."""
    text = "\x1f".join((message.incident, message.kind, message.period, message.title))
    return sha256(text.encode()).hexdigest()[:12]


def test_message(settings: Settings) -> str | None:
    """Send a test message; why it was not taken, None where every receiver took it.

    Raises:
        ConfigError: there is no receiver.
    """
    if not settings.alerts.urls:
        raise ConfigError("[alerts] urls is empty, so there is nobody to notify")
    title = settings.alerts.title.format(**{**dict.fromkeys(FIELDS, ""), "model": settings.model.name, "level": "test"})
    with Courier() as courier:
        return _send(settings, Message("", "test", "", title, "A test: alerts of backslide arrive here."), courier)


def write_metrics(settings: Settings, report: WatchReport) -> None:
    """Write the figures where a textfile collector reads them; whole, or not at all."""
    path = settings.base / Path(settings.watch.metrics_file or "backslide.prom")
    write_whole(path, exposition(report))
