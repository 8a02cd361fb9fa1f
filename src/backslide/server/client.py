"""A client of ``backslide serve`` that needs nothing but the standard library, and the sender of what recorders wrote.

::

    client = Client("http://127.0.0.1:8642", token="env:BACKSLIDE_TOKEN")
    client.record("loans", features={"income": 1200}, prediction="paid", id="r-17")
    client.event("loans", "deploy v2")

    recorder = Recorder("loans", store="http://127.0.0.1:8642", spool="waiting")
    with Forwarder(client, "waiting"):      # sends what the recorder wrote, now or when the server is back
        recorder.record(features={"income": 1200}, prediction="paid")
"""

from __future__ import annotations

import http.client
import logging
import os
import threading
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import quote, urlencode, urlsplit

import orjson

from backslide.contracts.diagnosis import Diagnosis
from backslide.contracts.errors import BackslideError, ConfigError, InputError
from backslide.contracts.snapshot import Snapshot
from backslide.log.forward import forward
from backslide.log.lines import to_json_value

LOGGER = logging.getLogger("backslide")
AGAIN = frozenset((429, 502, 503, 504))
"""Statuses after which the same request may go later."""
LONGEST_PAUSE = 30.0
BATCH = 5_000
"""Records of one request."""
MOST_BYTES = 256 * 2**20
"""Of an answer: the largest diagnosis has a few."""
Json = dict[str, Any]


class ServerError(BackslideError):
    """The server refused a request, or is away."""

    def __init__(self, message: str, status: int | None = None) -> None:
        """Take a sentence and the status; None where there was no answer."""
        super().__init__(message)
        self.status = status


class Client:
    """Calls of one server; safe in threads, each of which has a connection of its own.

    Args:
        url: such as ``http://127.0.0.1:8642``.
        token: the secret, or ``env:NAME``.
        timeout: seconds for one try.
        tries: how often a request is tried while the server is away or busy. It may go twice: records have ids, and jobs are not
            asked for again where the server may have heard.

    Raises:
        ConfigError: the URL is none, or the environment has no such variable.
    """

    def __init__(self, url: str, token: str | None = None, *, timeout: float = 10.0, tries: int = 4) -> None:
        self._connections: list[http.client.HTTPConnection] = []
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"expected a URL such as http://127.0.0.1:8642, got {url!r}")
        if token is not None and token.startswith("env:"):
            name = token.removeprefix("env:")
            token = os.environ.get(name)
            if not token:
                raise ConfigError(f"the environment has no variable {name!r} with a token; set it")
        token = None if token is None else token.strip()  # secrets from files end with a line
        if token is not None and not (token.isascii() and token.isprintable() and token):
            raise ConfigError("expected a token of plain characters; make one with `backslide serve token create`")
        self._parts, self._timeout, self._tries = parts, timeout, max(tries, 1)
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._local = threading.local()

    def record(
        self,
        model: str,
        features: Mapping[str, Any],
        prediction: Any = None,
        *,
        scores: Mapping[str, float] | None = None,
        id: str | None = None,
        at: Any = None,
        version: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> str:
        """One prediction; returns its id, which is made up where none is given.

        Raises:
            ServerError: it is not on the server's disk.
        """
        own = id or uuid.uuid4().hex
        values = {"scores": scores, "at": at, "version": version, "extra": extra}
        record = {"id": own, "features": features, "prediction": prediction}
        self._post(model, "predictions", record | {name: value for name, value in values.items() if value is not None})
        return own

    def record_many(self, model: str, records: Iterable[Json]) -> int:
        """Predictions as dictionaries with ``features`` and what else :meth:`record` takes; returns how many."""
        return self._post_many(
            model, "predictions", [one if "id" in one else {"id": uuid.uuid4().hex, **one} for one in records]
        )

    def label(self, model: str, id: str, value: Any, *, at: Any = None, source: str | None = None) -> None:
        """An outcome."""
        values = {"id": id, "value": value, "at": at, "source": source}
        self._post(model, "labels", {name: one for name, one in values.items() if one is not None})

    def label_many(self, model: str, labels: Iterable[Json]) -> int:
        """Outcomes as dictionaries with ``id`` and ``value``; returns how many."""
        return self._post_many(model, "labels", list(labels))

    def event(self, model: str, text: str, *, at: Any = None) -> None:
        """A deploy or another dated change; its time is set here, so that it counts once however often it is sent."""
        self._post(model, "events", {"text": text, "at": time.time() if at is None else at})

    def snapshot(self, model: str, snapshot: Snapshot) -> str:
        """Hand in a snapshot of the serving environment; returns its digest."""
        return str(self._post(model, "snapshots", snapshot.to_dict())["digest"])

    def lines(self, model: str, lines: bytes) -> int:
        """Lines as a recorder wrote them; returns how many were taken."""
        return int(self.call("POST", f"{_of(model)}/lines", lines, kind="application/x-ndjson")["recorded"])

    def models(self) -> list[Json]:
        """Every model in a line."""
        return cast(list[Json], self.call("GET", "/api/v1/models")["models"])

    def streams(self, model: str, name: str = "*", since: str = "", until: str = "") -> list[Json]:
        """Figures that are followed, by period."""
        query = urlencode({"name": name, "since": since, "until": until})
        return cast(list[Json], self.call("GET", f"{_of(model)}/streams?{query}")["streams"])

    def metrics(self, model: str) -> Json:
        """Performance as measured and as estimated."""
        return self.call("GET", f"{_of(model)}/metrics")

    def incidents(self, model: str | None = None, *, state: str | None = None) -> list[Json]:
        """What was raised, the latest first."""
        query = urlencode({name: one for name, one in (("model", model), ("state", state)) if one is not None})
        return cast(list[Json], self.call("GET", f"/api/v1/incidents?{query}")["incidents"])

    def diagnose(
        self, model: str, reference: str | None, current: str, *, quick: bool = False, patience: float = 3600.0
    ) -> Diagnosis:
        """Diagnose a model over two periods such as ``2026-03-01..2026-03-31``, and wait for the answer.

        Raises:
            ServerError: it failed, or is not done after ``patience`` seconds.
        """
        wish = {"reference": reference, "current": current, "quick": quick}
        return Diagnosis.from_dict(self.run_job("diagnose", model, patience=patience, **wish))

    def run_job(self, kind: str, model: str, *, patience: float = 3600.0, **options: Any) -> Json:
        """Run ``diagnose``, ``shadow``, ``gate``, ``retrain`` or ``watch`` on the server, and wait for the answer.

        ``options`` are periods (``reference``, ``current``) and what else the API says of the kind; the answer is in the format
        that the command of the same name publishes.

        Raises:
            ServerError: it failed, or is not done after ``patience`` seconds.
        """
        wish = {"kind": kind, "model": model, **options}
        asked = {name: one for name, one in wish.items() if one is not None}
        job = self.call("POST", "/api/v1/jobs", asked, once=True)["job"]
        end, pause = time.monotonic() + patience, 0.2
        while True:
            state = self.call("GET", f"/api/v1/jobs/{job}")
            if state["status"] == "done":
                return self.call("GET", f"/api/v1/jobs/{job}/result")
            if state["status"] in ("failed", "cancelled"):
                raise ServerError(f"the {kind} job {state['status']}: {state['error'] or 'somebody ended it'}")
            if time.monotonic() > end:
                raise ServerError(f"the {kind} job is not done after {patience:g} seconds; it goes on as {job}")
            time.sleep(pause)
            pause = min(pause * 1.5, 5.0)

    def call(
        self, method: str, path: str, body: Any = None, *, kind: str = "application/json", once: bool = False
    ) -> Json:
        """One request; the answer as JSON. With ``once`` it is not tried again where the server may have taken it.

        Raises:
            ServerError: it was refused, or the server stays away.
            InputError: JSON cannot say the body.
        """
        data = body if body is None or isinstance(body, bytes) else _json(body)
        if once:
            self.close_own()  # one that was idle may be closed at the other end, which looks like a lost answer
        headers = self._headers | ({} if data is None else {"Content-Type": kind})
        for number in range(self._tries):
            last = number == self._tries - 1
            try:
                status, told, text = self._try(method, path, data, headers)
            except (OSError, http.client.HTTPException) as error:
                self.close_own()
                if last or (once and not isinstance(error, ConnectionRefusedError)):
                    words = f"{self._parts.scheme}://{self._parts.netloc.rpartition('@')[2]}"
                    raise ServerError(f"the server at {words} is away: {error or type(error).__name__}") from None
                told = None
            else:
                if status < 400:
                    return _answer(text)
                if status not in AGAIN or last:
                    raise ServerError(_detail(text, status), status)
            time.sleep(min(_seconds(told) or 0.2 * 2**number, LONGEST_PAUSE))
        raise AssertionError

    def close(self) -> None:
        """Close every connection; another call opens one again."""
        while self._connections:
            self._connections.pop().close()

    def close_own(self) -> None:
        """Close the connection of this thread."""
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()

    def __enter__(self) -> Self:
        """For a block that closes the connections at its end."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close them."""
        self.close()

    def __del__(self) -> None:
        """Nobody needs them any more."""
        self.close()

    def _try(self, method: str, path: str, data: bytes | None, headers: Json) -> tuple[int, str | None, bytes]:
        connection = getattr(self._local, "connection", None)
        if connection is None or self._local.process != os.getpid():  # a fork would share the socket of its parent
            self._local.process = os.getpid()
            kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
            host = self._parts.hostname
            assert host is not None
            connection = self._local.connection = kind(host, self._parts.port, timeout=self._timeout)
        if connection.sock is None:  # it opens by itself, and is closed with the others
            self._connections.append(connection)
        connection.request(method, self._parts.path.rstrip("/") + path, data, headers)
        answer = connection.getresponse()
        text = answer.read(MOST_BYTES + 1)
        if len(text) > MOST_BYTES:
            raise http.client.HTTPException(f"it answered with more than {MOST_BYTES // 2**20} MB")
        return answer.status, answer.headers.get("Retry-After"), text

    def _post(self, model: str, what: str, body: Any) -> Json:
        return self.call("POST", f"{_of(model)}/{what}", body)

    def _post_many(self, model: str, what: str, records: Sequence[Json]) -> int:
        parts = [records[first : first + BATCH] for first in range(0, len(records), BATCH)]
        return sum(int(self._post(model, what, part)["recorded"]) for part in parts)


class Forwarder:
    """Sends what recorders write into a folder, from a thread of its own, for as long as its block lasts.

    Args:
        client: of the server.
        spool: the folder that recorders were given as ``spool``.
        every: seconds between two looks.
    """

    def __init__(self, client: Client, spool: str | os.PathLike[str], *, every: float = 2.0) -> None:
        self._client, self._spool, self._every = client, Path(spool), every
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.error: str | None = None
        """Why the last look sent nothing; None where it did."""

    def send(self) -> int:
        """Send what waits now; returns how many lines.

        Raises:
            BackslideError: the server is away or refused, or somebody else is at work in the folder. What waits goes on waiting.
        """
        return forward(self._spool, lambda model, lines: _take(self._client, model, lines))

    def __enter__(self) -> Self:
        """Begin."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._loop, name="backslide-forwarder", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Try once more and end; what cannot be sent waits for the next time."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._look()

    def _loop(self) -> None:
        while not self._stop.wait(self._every):
            self._look()

    def _look(self) -> None:
        try:
            self.send()
        except (BackslideError, OSError) as error:
            if self.error is None:
                LOGGER.warning("backslide records wait in %s: %s", self._spool, error)
            self.error = str(error)
        else:
            self.error = None


def _take(client: Client, model: str, lines: bytes) -> None:
    client.lines(model, lines)


def _json(body: Any) -> bytes:
    try:
        return orjson.dumps(body, default=_plain, option=orjson.OPT_NON_STR_KEYS)
    except (TypeError, BackslideError) as error:
        raise InputError(f"cannot be sent as JSON: {error.__cause__ or error}") from None


def _plain(value: Any) -> Any:
    """A value that JSON does not know: numbers of NumPy and what is missing in any library's way, as recorders take them."""
    known = to_json_value(value)
    if isinstance(known, dict) and len(known) == 1:
        ((tag, text),) = known.items()
        if tag == "$o":
            raise TypeError(f"expected numbers, texts, times, lists and dictionaries, got {type(value).__name__}")
        if tag in ("$f", "$d", "$t", "$b"):
            return None if tag == "$f" else text
    return known


def _answer(text: bytes) -> Json:
    try:
        answer = orjson.loads(text)
    except orjson.JSONDecodeError:
        answer = None
    if not isinstance(answer, dict):
        raise ServerError("what answered is no `backslide serve`: expected JSON; check the URL")
    return answer


def _of(model: str) -> str:
    return f"/api/v1/models/{quote(model, safe='')}"


def _detail(text: bytes, status: int) -> str:
    try:
        return str(orjson.loads(text)["detail"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return f"the server answered {status}"


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isdigit() else None
