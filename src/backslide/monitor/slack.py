"""Slack in its block layout: one message an incident. A bot keeps it up to date, and tells what is new in its thread.

Addresses are Apprise's (``slack://...``), which also tells their parts. What is sent is ours: Apprise hands back no name of
the message that it wrote, without which it cannot be changed. A webhook has no such name: there a recovery is a message too.
"""

from __future__ import annotations

import json
from typing import Any
from urllib import request
from urllib.error import URLError

API = "https://slack.com/api/"
WEBHOOK = "https://hooks.slack.com/services/"
TIMEOUT = 20.0
"""Seconds for one answer of Slack."""
MOST_HEADER, MOST_TEXT = 150, 2900
"""Characters that Slack takes in a header, and in the text of a section (3,000)."""
MOST_ANSWER = 1_000_000
"""Bytes of an answer that are read."""
SIGNS = {
    "alarm": ":red_circle:",
    "watch": ":large_yellow_circle:",
    "reminder": ":red_circle:",
    "recovery": ":large_green_circle:",
}
Thread = dict[str, str]
"""Channel as it was named -> where the message of an incident stands there: ``channel ts``."""


def blocks(title: str, body: str, kind: str) -> list[dict[str, Any]]:
    """A message in blocks: what it is, the first sentence in strong type, the rest, and the id below."""
    lines = [line for line in body.splitlines() if line.strip()]
    sentence, rest, last = lines[0] if lines else title, lines[1:], ""
    if rest and rest[-1].startswith("Message "):
        last = rest.pop()
    links = [line for line in rest if line.startswith(("https://", "http://"))]
    plain = "\n".join(line for line in rest if line not in links)
    header = _plain(f"{SIGNS.get(kind, ':bell:')} {title}", MOST_HEADER)
    found: list[dict[str, Any]] = [{"type": "header", "text": header}]
    found += [{"type": "section", "text": _plain(text, MOST_TEXT)} for text in (sentence, plain) if text]
    for link in links:
        address = link.replace("&", "&amp;").replace("<", "%3C").replace(">", "%3E").replace("|", "%7C")
        found.append({"type": "section", "text": {"type": "mrkdwn", "text": f"<{address[:MOST_TEXT]}|Report>"}})
    if last:
        found.append({"type": "context", "elements": [_plain(last, MOST_TEXT)]})
    return found


def _plain(text: str, most: int) -> dict[str, Any]:
    """Text that Slack shows as it is: names of columns hold what would be emphasis, and strangers' text mentions."""
    return {"type": "plain_text", "text": text[:most], "emoji": True}


def is_slack(plugin: Any) -> bool:
    """Whether Apprise reads an address as a bot or a webhook of Slack, and its parts are known."""
    wanted = ("access_token", "token_a", "token_b", "token_c", "channels")
    return type(plugin).__name__ == "NotifySlack" and all(hasattr(plugin, name) for name in wanted)


def hand_to_slack(plugin: Any, title: str, body: str, kind: str, thread: Thread) -> tuple[str | None, Thread]:
    """Send one message; why it was not taken, and where the incident's message stands now in each channel.

    An incident that has a message keeps it: it is changed, and answered in its thread; an alarm is shown in the channel too.
    """
    content = {
        "text": f"{title}: {body.splitlines()[0] if body else ''}"[:MOST_TEXT],
        "blocks": blocks(title, body, kind),
    }
    if not plugin.access_token:
        if not plugin.token_a:
            return "is a workflow, which takes no blocks", thread
        error, _ = _post(f"{WEBHOOK}{plugin.token_a}/{plugin.token_b}/{plugin.token_c}", content, None)
        return error, thread
    token, places, errors = str(plugin.access_token), dict(thread), []
    for channel in plugin.channels or ["#general"]:
        error = _to_channel(str(channel), content, kind, token, places)
        if error is not None:
            errors.append(error)
    return "; ".join(errors) or None, places


def _to_channel(channel: str, content: dict[str, Any], kind: str, token: str, places: Thread) -> str | None:
    if channel in places:
        where, ts = places[channel].split(" ")
        error, _ = _post(f"{API}chat.update", {**content, "channel": where, "ts": ts}, token)
        if error is None:
            news = {**content, "channel": where, "thread_ts": ts, "reply_broadcast": kind == "alarm"}
            return _post(f"{API}chat.postMessage", news, token)[0]
        if error != "message_not_found":  # somebody deleted it: begin anew
            return error
    error, answer = _post(f"{API}chat.postMessage", {**content, "channel": channel}, token)
    if error is None and answer.get("channel") and answer.get("ts"):
        places[channel] = f"{answer['channel']} {answer['ts']}"
    return error


def _post(url: str, content: dict[str, Any], token: str | None) -> tuple[str | None, dict[str, Any]]:
    """Why Slack did not take it, and what it answered."""
    headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "backslide"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    asked = request.Request(url, data=json.dumps(content).encode(), headers=headers, method="POST")
    try:
        with request.urlopen(asked, timeout=TIMEOUT) as response:
            text = response.read(MOST_ANSWER)
        answer = json.loads(text) if token is not None else {"ok": True}
    except (URLError, OSError, ValueError) as error:
        return f"refused it ({type(error).__name__})", {}
    if not isinstance(answer, dict) or not answer.get("ok"):
        reason = str(answer.get("error", "")) if isinstance(answer, dict) else ""
        return reason if reason == "message_not_found" else f"refused it ({reason[:60] or 'no reason given'})", {}
    return None, answer
