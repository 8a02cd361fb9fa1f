"""Slack: one message an incident, kept up to date and answered in its thread; blocks that show strangers' text as it is."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("apprise")

from backslide.contracts.config import Settings
from backslide.monitor import notify, slack
from backslide.monitor.courier import hand_over
from backslide.store.database import open_database
from backslide.store.memory import Message

pytestmark = pytest.mark.filterwarnings("ignore")  # modules of Apprise's plugins that Python will lose one day

BOT = "slack://xoxb-1234-1234-abc123/#alerts"
HOOK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
BODY = "Accuracy of p_paid fell.\n- F1 *fell* <@U1>.\nhttps://reports.example.org/a|b.html\n\nMessage 0123456789ab."


class Slack:
    """What Slack's two doors answer, on loopback."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, dict[str, Any]] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                name = self.path.rsplit("/", 1)[-1]
                outer.asked.append((self.path.split("/", 2)[-1], content))
                number = len(outer.asked)
                answer = outer.answers.get(name, {"ok": True, "channel": "C42", "ts": f"17000.{number}"})
                data = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                """Silent."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture(name="there")
def _there(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slack]:
    there = Slack()
    base = f"http://127.0.0.1:{there.server.server_port}"
    monkeypatch.setattr(slack, "API", f"{base}/api/")
    monkeypatch.setattr(slack, "WEBHOOK", f"{base}/hook/")
    yield there
    there.server.shutdown()
    there.server.server_close()


def send(url: str, kind: str, thread: dict[str, str] | None = None) -> dict[str, Any]:
    return hand_over(
        {"url": url, "title": f"loans: {kind}", "body": BODY, "kind": kind, "file": None, "thread": thread}
    )


def test_a_bot_keeps_one_message_up_to_date_and_answers_in_its_thread(there: Slack):
    first = send(BOT, "alarm")
    assert first == {"error": None, "thread": {"#alerts": "C42 17000.1"}}
    assert send(BOT, "recovery", first["thread"]) == first
    (name, posted), (changed, update), (answered, news) = there.asked
    assert (name, changed, answered) == ("chat.postMessage", "chat.update", "chat.postMessage")
    assert posted["channel"] == "#alerts"
    assert (update["channel"], update["ts"]) == ("C42", "17000.1")
    assert update["blocks"][0]["text"]["text"] == ":large_green_circle: loans: recovery"
    assert (news["thread_ts"], news["reply_broadcast"]) == ("17000.1", False)


def test_a_message_that_somebody_deleted_is_written_anew(there: Slack):
    there.answers["chat.update"] = {"ok": False, "error": "message_not_found"}
    done = send(BOT, "reminder", {"#alerts": "C42 1.0"})
    assert done == {"error": None, "thread": {"#alerts": "C42 17000.2"}}


def test_what_slack_refuses_is_said_without_the_token(there: Slack):
    there.answers["chat.postMessage"] = {"ok": False, "error": "not_in_channel"}
    done = send(BOT, "alarm")
    assert done == {"error": "refused it (not_in_channel)", "thread": {}}


def test_a_webhook_takes_the_same_blocks(there: Slack):
    assert send(HOOK, "alarm")["error"] is None
    ((path, content),) = there.asked
    assert path.startswith("T1JJ3T3L2/")
    header, sentence, rest, link, last = content["blocks"]
    assert header["text"]["text"] == ":red_circle: loans: alarm"
    assert sentence["text"] == {"type": "plain_text", "text": "Accuracy of p_paid fell.", "emoji": True}
    assert rest["text"]["text"] == "- F1 *fell* <@U1>."  # plain text: neither emphasis nor a mention
    assert link["text"]["text"] == "<https://reports.example.org/a%7Cb.html|Report>"
    assert last["elements"][0]["text"] == "Message 0123456789ab."


def test_where_the_message_stands_outlives_the_look(there: Slack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Here:
        """A courier in this process, which knows where Slack is."""

        def __enter__(self) -> Here:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def post(self, message: dict[str, Any]) -> dict[str, Any]:
            return hand_over(message)

    monkeypatch.setattr(notify, "Courier", Here)
    settings = Settings.from_dict({"model": {"name": "m"}, "alerts": {"urls": [BOT]}}, base=tmp_path)
    for kind in ("alarm", "recovery"):
        database = open_database(None, tmp_path)
        book = database.book("m", {})
        book.put([Message("2026-03-01", kind, f"2026-03-0{len(kind)}", f"m: {kind}", "It fell.")])
        notify.deliver(settings, book)
        database.close()
    assert [name for name, _ in there.asked] == ["chat.postMessage", "chat.update", "chat.postMessage"]
    assert b"xoxb" not in (tmp_path / "backslide.db").read_bytes()
