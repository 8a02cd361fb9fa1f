"""The text vectorisers inside a saved scikit-learn pipeline: which column each reads, and the same pipeline with another one.

Only what is public is read: ``steps``, ``transformers_`` and what scikit-learn's own vectorisers hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

from backslide.models.scalers import fitted_branches, inside, named_columns

VECTORISERS = ("TfidfVectorizer", "CountVectorizer", "HashingVectorizer")
CHOICES: dict[str, tuple[Any, ...]] = {
    "lowercase": (True, False),
    "ngram_range": ((1, 1), (1, 2), (1, 3), (2, 2)),
    "stop_words": (None, "english"),
    "strip_accents": (None, "unicode", "ascii"),
    "token_pattern": (r"(?u)\b\w\w+\b", r"(?u)\b\w+\b", r"\S+"),
    "analyzer": ("word", "char", "char_wb"),
    "binary": (False, True),
    "sublinear_tf": (False, True),
    "use_idf": (True, False),
    "norm": ("l2", "l1", None),
}
"""Settings that decide how a text is read, whose usual values are few."""


def vectorisers(artefact: Any, columns: Sequence[str]) -> dict[str, Any]:
    """Column of texts -> the fitted vectoriser that reads it, of all that are reached by name."""
    return {column: part for part, column in _walk(artefact, list(columns))}


def _walk(part: Any, columns: list[str]) -> Iterator[tuple[Any, str]]:
    if isinstance(steps := getattr(part, "steps", None), list):
        for step in inside(steps)[:1]:
            yield from _walk(step, columns)
    elif (branches := fitted_branches(part)) is not None:
        for branch, chosen in branches:
            if not isinstance(branch, str):
                yield from _walk(branch, [c for c in named_columns(chosen, columns) if c in columns])
    elif type(part).__name__ in VECTORISERS and len(columns) == 1:
        yield part, columns[0]


def with_vectorisers(artefact: Any, columns: Sequence[str], others: dict[str, Any]) -> Any:
    """A copy of the pipeline with other vectorisers in the place of those of some columns; all else is shared."""
    own = vectorisers(artefact, columns)
    memo = {id(own[column]): other for column, other in others.items() if column in own}
    steps = getattr(artefact, "steps", None)
    if isinstance(steps, list) and inside(steps) and hasattr(last := inside(steps)[-1], "predict"):
        memo[id(last)] = last
    return deepcopy(artefact, memo)


def with_setting(vectoriser: Any, name: str, value: Any) -> Any:
    """A copy that reads texts with one setting changed and knows the same terms."""
    copy = deepcopy(vectoriser)
    copy.set_params(**{name: value})
    weights = getattr(copy, "_tfidf", None)
    if weights is not None and name in weights.get_params():
        weights.set_params(**{name: value})
        if name == "use_idf" and not value and hasattr(weights, "idf_"):
            del weights.idf_
    return copy


def settings(vectoriser: Any) -> Iterator[tuple[str, Any, Any]]:
    """Every setting with its value and one that it might have had instead."""
    known = vectoriser.get_params()
    for name, values in CHOICES.items():
        if name in known:
            yield from ((name, known[name], other) for other in values if other != known[name])


def terms(vectoriser: Any) -> dict[str, int] | None:
    """The vocabulary of a fitted vectoriser; None where it hashes."""
    vocabulary = getattr(vectoriser, "vocabulary_", None)
    return vocabulary if isinstance(vocabulary, dict) else None
