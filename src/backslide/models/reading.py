"""One way to read what a model returned: which class every number is a score of, and on which scale."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from backslide.contracts import say
from backslide.engine.roles.outcomes import decide
from backslide.engine.roles.problem import Problem
from backslide.models.answer import Reply, ReplyError, label_texts, number_array
from backslide.stats.arrays import Floats

LINKS: dict[str, tuple[Callable[[Floats], Floats], str]] = {
    "probability": (lambda x: x, ""),
    "percent": (lambda x: x / 100.0, "in percent"),
    "logit": (lambda x: special.expit(x), "as log odds"),
    "softmax": (lambda x: special.softmax(x, axis=1), "as unnormalised log scores"),
}


@dataclass(frozen=True)
class Reading:
    """One way to read a return."""

    problem: Problem
    labels: tuple[str, ...] | None = None
    """Codes 0, 1, ... stand for these labels; empty where the return holds label texts."""
    order: tuple[str, ...] = ()
    """Class of every column of scores; of a vector, the one class that it scores."""
    columns: tuple[str, ...] = ()
    """Names of those columns, where it came in named ones."""
    decisions: str | None = None
    """Name of a column that holds decisions, or the numbers of a regression."""
    link: str = "probability"
    usual: bool = False
    """What the documentation promises where nothing else decides."""

    def __call__(self, reply: Reply) -> Reply:
        """The reply as labels, numbers or scores in the order of the problem's classes.

        Raises:
            ReplyError: it is of another shape than the one that was read first.
        """
        if not self.problem.classification:
            assert reply.columns is not None
            assert self.decisions is not None
            return Reply(numbers=number_array(reply.columns[self.decisions]))
        answers = None
        if self.labels is not None:
            values = reply.columns[self.decisions] if reply.columns is not None and self.decisions else reply.raw
            texts = label_texts(reply.labels if values is None else values)
            names = {str(code): label for code, label in enumerate(self.labels)}
            names |= {"false": self.labels[0], "true": self.labels[1]} if len(self.labels) == 2 else {}
            answers = np.array([names.get(t, t) if t is not None else None for t in texts], dtype=object)
        scores = self._scores(reply) if self.order else None
        if answers is None:
            assert scores is not None
            codes = decide(scores, self.problem)
            answers = np.array([*self.problem.classes, None], dtype=object)[codes]
        return Reply(labels=answers, scores=scores, classes=self.problem.classes)

    def _scores(self, reply: Reply) -> Floats:
        """(n, K) in the order of the problem's classes; a class that is not scored gets 0, or what is left of two."""
        numbers = as_numbers(reply, self.columns)
        if numbers.shape[1] != len(self.order):
            raise ReplyError(f"it returned {numbers.shape[1]} scores per row, {len(self.order)} before")
        numbers = LINKS[self.link][0](numbers)
        classes, same = self.problem.classes, self.problem.spellings
        places = [classes.index(same.get(label, label)) for label in self.order]
        scores = np.zeros((len(numbers), len(classes)))
        scores[:, places] = numbers
        if len(places) == 1 and len(classes) == 2:
            scores[:, 1 - places[0]] = 1.0 - numbers[:, 0]
        return scores


def lies_within(scores: Floats) -> bool:
    known = scores[np.isfinite(scores)]
    return bool(not known.size or (known.min() >= -1e-6 and known.max() <= 1 + 1e-6))


def as_numbers(reply: Reply, columns: tuple[str, ...]) -> Floats:
    """Scores (n, k) as they came."""
    if columns:
        assert reply.columns is not None
        return np.column_stack([np.asarray(reply.columns[c], dtype=np.float64) for c in columns])
    values = reply.scores if reply.scores is not None else reply.raw if reply.raw is not None else reply.numbers
    array = np.asarray(values, dtype=np.float64)
    return array[:, None] if array.ndim == 1 else array


def describe(reply: Reply) -> str:
    if reply.columns is not None:
        return f"returns the columns {list_names(list(reply.columns))}"
    if reply.scores is not None and reply.classes is not None:
        return f"scores the classes {list_names(reply.classes)}"
    if reply.scores is not None or (reply.raw is not None and reply.raw.ndim == 2):
        return f"returns {as_numbers(reply, ()).shape[1]} scores per row"
    raw = reply.raw if reply.raw is not None else reply.labels
    texts = {text for text in label_texts(raw) if text is not None}
    few = len(texts) <= 10 and (
        raw is None or raw.dtype.kind not in "f" or all(text.lstrip("-").isdigit() for text in texts)
    )
    return f"returns the labels {list_names(sorted(texts))}" if few else "returns one number per row"


def list_names(names: Sequence[Any]) -> str:
    return say.listed([repr(name) for name in names], 6)


def in_words(reading: Reading) -> str:
    """What a reading says, in words; empty where it says nothing that was not there."""
    how = LINKS[reading.link][1]
    if reading.columns and reading.usual:
        return ""
    if reading.order:
        scored = (
            f"the score of {reading.order[0]!r}"
            if len(reading.order) == 1
            else f"scores of {list_names(reading.order)} in this order"
        )
        return f"{scored} {how}".strip()
    return f"numbers of {list_names(reading.labels)} in this order" if reading.labels else ""
