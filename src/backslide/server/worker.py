"""The process of one job: reads an order from standard input, says what it does on standard output, one JSON object a line.

``python -m backslide.server.worker``. It runs nobody's code but that of configurations and of files that an administrator vouched
for; the server bounds its time and memory, and ends it.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backslide.contracts.config import Settings
from backslide.contracts.errors import BackslideError, ModelError
from backslide.contracts.secrets import scrub

if TYPE_CHECKING:
    from backslide.contracts.values import PublishedDocument

Json = dict[str, Any]
Say = Callable[[str], None]


def main() -> int:
    """Do what the order says; the last line holds ``result`` or ``error``."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries and models print is no answer
    order = json.loads(sys.stdin.buffer.read())
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    seconds = int(order["seconds"]) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (seconds * (os.cpu_count() or 1),) * 2)

    def tell(**message: Any) -> None:
        channel.write(json.dumps(message) + "\n")
        channel.flush()

    try:
        tell(result=KINDS[order["kind"]](order, lambda words: tell(progress=words)))
    except BackslideError as error:
        tell(error=str(error))
    except Exception as error:  # whatever a library raises, the server gets a line
        text = " ".join(str(error).split())
        tell(error=scrub(f"internal error, {type(error).__name__}: {text}"))
    return 0


def _settings(order: Json) -> Settings:
    """As configured, but for the workers: the server bounds this process alone."""
    settings = Settings.from_dict(order["settings"], base=Path(order["base"]))
    return settings.model_copy(update={"engine": settings.engine.model_copy(update={"workers": 1})})


def _windows(order: Json) -> Json:
    """The periods that were asked for; what is absent comes from the configuration."""
    return {name: order["request"].get(name) for name in ("reference", "current")}


def _diagnose(order: Json, say: Say) -> Json:
    settings, wish = _settings(order), order["request"]
    with tempfile.TemporaryDirectory(prefix="backslide-") as folder:
        from backslide.jobs.diagnose import diagnose
        from backslide.models.load import load_model

        model = None
        if "digest" in wish:
            # This file alone is trusted: what else the configuration names is not, for it.
            copy = _verified_copy(Path(wish["reference_model"]), wish["digest"], Path(folder))
            model = load_model(copy, trusted=True, task=settings.model.task)
        # Names of files come from the server alone: no request holds one.
        ask = Path(order["label_requests"], wish["ask"]) if "ask" in wish else None
        quick = bool(wish.get("quick"))
        answer = diagnose(
            settings=settings, reference_model=model, quick=quick, ask=ask, progress=say, **_windows(order)
        )
    moment = datetime.now(UTC).isoformat(timespec="seconds")
    return answer.model_copy(update={"inputs": answer.inputs.model_copy(update={"made": moment})}).to_dict()


def _compare(order: Json, say: Say) -> Json:
    """Do one of the jobs that compare two models or train one; its module is named as the job is."""
    name = order["kind"]
    job = getattr(import_module(f"backslide.jobs.{name}"), name)
    answer: PublishedDocument = job(settings=_settings(order), progress=say, **_windows(order))
    return answer.to_dict()


def _watch(order: Json, say: Say) -> Json:
    from backslide.jobs.watch import settings_key, watch
    from backslide.store.database import open_database

    settings = _settings(order)
    with open_database(order["store"], Path(order["store_base"])) as database:
        book = database.book(settings.model.name, settings_key(settings))
        number = book.begin_run()
        report = watch(settings, book=book, progress=say)
        book.end_run(number, report.status.value, report.summary)
    return {"status": report.status.value, "summary": report.summary, "as_of": report.as_of}


def _roll_up(order: Json, say: Say) -> Json:
    from backslide.log.rollup import roll_up_each

    done = roll_up_each(order["log"], spool=order["spool"])
    return {
        "rows": sum(sum(one.rows.values()) for one in done),
        "errors": {one.model: one.error for one in done if one.error is not None},
    }


KINDS: dict[str, Callable[[Json, Say], Json]] = {
    "diagnose": _diagnose,
    "shadow": _compare,
    "gate": _compare,
    "retrain": _compare,
    "watch": _watch,
    "rollup": _roll_up,
}


def _verified_copy(path: Path, digest: str, folder: Path) -> Path:
    """A copy of a file whose contents are the ones that were vouched for: the file may have been changed since.

    Raises:
        ModelError: it was.
    """
    copy = folder / path.name
    try:
        shutil.copyfile(path, copy)
    except OSError as error:
        raise ModelError(f"cannot read the model file: {error.strerror or error}") from None
    with copy.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != digest:
            raise ModelError("the model file has changed since it was marked as trusted; have it marked again")
    return copy


if __name__ == "__main__":
    sys.exit(main())
