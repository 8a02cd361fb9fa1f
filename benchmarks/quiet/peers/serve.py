"""What the adapters share: one question per line on standard input, one answer per line on standard output.

Runs inside a peer's own environment, with nothing but pandas and the peer at hand. A question names two parquet files and
the roles of their columns; an answer names the columns flagged as drifted and the alarms about performance. Whatever the
peer itself prints goes to standard error.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any

import pandas as pd

Question = dict[str, Any]
Answer = dict[str, Any]
Adapter = Callable[[pd.DataFrame, pd.DataFrame, Question], Answer]


def serve(adapter: Adapter, version: str) -> None:
    """Answer questions until standard input ends; an exception is an answer as well."""
    warnings.filterwarnings("ignore")  # other packages warn as they like
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the peer prints must not get among the answers
    _say(answers, {"ready": True, "version": version, "python": sys.version.split()[0]})
    for line in sys.stdin:
        question = json.loads(line)
        try:
            windows = [read(question[side], question) for side in ("reference", "current")]
            answer = adapter(windows[0], windows[1], question)
        except Exception as error:  # a peer that cannot answer one pair still answers the next
            answer = {"error": one_line(error)}
        _say(answers, answer)


def alarm(ask: Callable[[], bool]) -> bool | str:
    """An alarm, or the reason why the peer cannot tell: what it says of columns is not lost with it."""
    try:
        return bool(ask())
    except Exception as error:
        return one_line(error)


def one_line(error: Exception) -> str:
    """Class and first line."""
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"[:300]


def _say(answers: Any, answer: Answer) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


def read(path: str, question: Question) -> pd.DataFrame:
    """A window; everything categorical is text."""
    frame = pd.read_parquet(path)
    for column in question["categorical"]:
        known = frame[column].notna()
        frame[column] = frame[column].astype(str).astype(object).where(known, None)
    return frame
