"""What a worker does: it imports while the other process reads its files, is sent a case, and then codes of checks one by one.

It ends with its pipe, whatever it is doing: when the other process closes it, or is no more.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import threading
from contextlib import suppress
from typing import BinaryIO

from backslide.contracts.imports import claim_process, heavy_imports, undocumented
from backslide.playbook.workers.pipe import receive, send


def main() -> None:
    """Answer until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the other process, which then closes the pipe
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(silence, stream)  # what libraries and models print is no answer
    inbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(requests, inbox), daemon=True).start()
    _work(inbox, replies)


def _read(requests: BinaryIO, inbox: queue.SimpleQueue[bytes]) -> None:
    try:
        while True:
            inbox.put(receive(requests))
    except (EOFError, OSError):
        os._exit(0)


def _work(inbox: queue.SimpleQueue[bytes], replies: BinaryIO) -> None:
    claim_process()
    with heavy_imports(), undocumented():
        from backslide.models.user_code import Limits, limit_calls
        from backslide.playbook.explain.shap_values import import_shap
        from backslide.playbook.registry import all_checks
        from backslide.playbook.runner import run_check
        from backslide.playbook.workers.parcel import unpack
        from backslide.stats.threads import one_blas_thread

        checks = {check.code: check for check in all_checks()}
        if inbox.empty():
            with suppress(Exception):
                import_shap()  # the largest of what a check may import
    Limits.last_resort = lambda _: os._exit(1)
    case = unpack(inbox.get())
    limit_calls(case.settings.engine.model_timeout)
    with one_blas_thread():
        while True:
            check = checks[inbox.get().decode()]
            try:
                reply: object = run_check(check, case)
            except Exception as error:  # what ends a run ends it over there
                reply = error
            send(replies, pickle.dumps(reply))


if __name__ == "__main__":
    main()
