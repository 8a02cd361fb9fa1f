"""Which rows a model cannot answer: a batch that raises is taken apart until only those are left."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from backslide.models.reply import Reply

if TYPE_CHECKING:
    import pandas as pd

Ask = Callable[["pd.DataFrame"], Reply]
Answered = list[tuple[np.ndarray, Reply]]
"""Positions within the batch, and the reply for them."""


@dataclass
class Budget:
    """Calls that may still be spent on the search for failing rows."""

    calls: int


def answer_what_can_be(ask: Ask, batch: pd.DataFrame, budget: Budget) -> tuple[Answered, str | None]:
    """Ask about the whole batch and, where that raises, about ever smaller parts, largest first.

    Returns:
        What was answered, and the first failure in one line. Positions in no reply have failed, or were given up
        when the budget ran out.
    """
    everything = np.arange(len(batch))
    reply, first_error = _try(ask, batch)
    if reply is not None:
        return [(everything, reply)], None
    answered: Answered = []
    failing = [(-len(batch), 0, everything)]
    while failing and budget.calls > 1:
        rows = heapq.heappop(failing)[2]
        if len(rows) == 1:
            continue
        for half in np.array_split(rows, 2):
            budget.calls -= 1
            reply, _ = _try(ask, batch.iloc[half])
            if reply is None:
                heapq.heappush(failing, (-len(half), int(half[0]), half))
            else:
                answered.append((half, reply))
    return answered, first_error


def _try(ask: Ask, rows: pd.DataFrame) -> tuple[Reply | None, str | None]:
    try:
        return ask(rows), None
    except Exception as error:  # the user's code: whatever it raises is a failure of these rows
        return None, one_line(error)


def one_line(error: BaseException) -> str:
    """``ValueError: could not convert string to float: 'many'``, on one line and not endless."""
    text = " ".join(str(error).split())
    text = text if len(text) <= 300 else text[:297] + "..."
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
