"""Two spellings of one class: ``True`` in one window and ``1`` in the other, ``"1.0"`` from a text column beside 1.

Only forms of truth values and of whole numbers are read as one; unlike words never are. Classes that do not meet at all are
said, or refused where nothing can be compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import TypeVar

from backslide.contracts import say
from backslide.contracts.errors import LabelError
from backslide.contracts.roles import Roles

Counts = dict[str, int]
"""Rows of each label."""
Seen = dict[str, tuple[Counts, Counts]]
"""Window -> rows of each label and of each predicted class."""
Price = TypeVar("Price")
_STYLES = (("0", "1"), ("false", "true"), ("False", "True"), ("FALSE", "TRUE"), ("0.0", "1.0"))
_TRUTH = {text: value for style in _STYLES for value, text in enumerate(style)}
_WHOLE = re.compile(r"(-?\d+)\.0+")


def spellings(seen: Seen, roles: Roles) -> dict[str, str]:
    """Other spelling -> the one that is used, for the classes of the data and of the roles.

    Truth values are written as the reference's labels are; forms that no row has are known too, for a model may answer in one.
    """
    order = [*(text for window in seen.values() for column in window for text in column), *roles.scores]
    order += [] if roles.positive is None else [roles.positive]
    if order and all(text in _TRUTH for text in order):
        style = next((style for text in order for style in _STYLES[:-1] if text in style), _STYLES[-1])
        return {text: style[value] for text, value in _TRUTH.items() if text not in style}
    return {text: whole[1] for text in order if (whole := _WHOLE.fullmatch(text)) and whole[1] in order}


def merged(counts: Counts, same: Mapping[str, str]) -> Counts:
    """Rows of each class, spellings of one class together."""
    merged_counts: Counts = {}
    for text, rows in counts.items():
        merged_counts[same.get(text, text)] = merged_counts.get(same.get(text, text), 0) + rows
    return merged_counts


def respelled(roles: Roles, same: Mapping[str, str]) -> Roles:
    """Roles whose classes are written as they are used.

    Raises:
        LabelError: two score columns are of one class.
    """
    scores = {same.get(label, label): column for label, column in roles.scores.items()}
    if len(scores) < len(roles.scores):
        twice = ", ".join(map(repr, roles.scores))
        raise LabelError(f"[model] scores: {twice} name one class twice; keep one score column for each class")
    positive = None if roles.positive is None else same.get(roles.positive, roles.positive)
    return roles.model_copy(update={"scores": scores, "positive": positive})


def repriced(costs: dict[str, Price] | None, same: Mapping[str, str]) -> dict[str, Price] | None:
    """``[model.costs]`` by the classes as they are used."""
    if costs is None:
        return None
    return {
        # What it maps to is a mapping again:
        same.get(label, label): repriced(cost, same) if isinstance(cost, dict) else cost  # type: ignore[misc]
        for label, cost in costs.items()
    }


def notes(seen: Seen, same: Mapping[str, str]) -> list[str]:
    """What was read as one, where more than one spelling is in the rows."""
    met = {text for both in seen.values() for counts in both for text in counts}
    if len({same.get(text, text) for text in met}) == len(met):
        return []
    where: dict[str, list[str]] = {}
    for window, both in seen.items():
        for role, counts in zip(("labels", "predictions"), both, strict=True):
            if counts:
                where.setdefault(_texts(counts), []).append(f"{role} of the {window} window")
    listing = ", ".join(f"{texts} ({say.listed(columns)})" for texts, columns in where.items())
    return [f"the same classes are written in more than one way and read as one: {listing}"]


def strangers(seen: Seen) -> list[str]:
    """Warnings about classes that do not meet where they should.

    Raises:
        LabelError: the windows share no label, or no prediction is a label in either, so that nothing can be compared.
    """
    before, after = (seen[window][0] for window in ("reference", "current"))
    warnings = []
    if _apart(before, after):
        sentence = f"the windows share no label: the reference has {_texts(before)}, the current window {_texts(after)}"
        if min(len(before), len(after)) > 1:
            raise LabelError(f"{sentence}; use one spelling in both, or give windows of the same problem")
        warnings.append(f"{sentence}; they are counted as different classes")
    lost = {name: both for name, both in seen.items() if _apart(*both)}
    if len(lost) == 2 and all(len(texts) > 1 for both in lost.values() for texts in both):
        labels, predictions = lost["reference"]
        raise LabelError(
            f"no prediction is one of the labels: labels are {_texts(labels)}, predictions {_texts(predictions)}; "
            "write both alike, or name the right columns under [model] label and prediction"
        )
    for name, (labels, predictions) in lost.items():
        warnings.append(
            f"no prediction of the {name} window is one of its labels, so every row counts as wrong: labels are "
            f"{_texts(labels)}, predictions {_texts(predictions)}"
        )
    return warnings + _nearly_alike(text for both in seen.values() for column in both for text in column)


def _apart(one: Counts, two: Counts) -> bool:
    return bool(one and two and not set(one) & set(two))


def _nearly_alike(texts: Iterable[str]) -> list[str]:
    pairs = combinations(sorted(set(texts)), 2)
    alike = [f"{a!r} and {b!r}" for a, b in pairs if a.strip().casefold() == b.strip().casefold()]
    if not alike:
        return []
    return [f"classes {say.listed(alike)} differ only in capitals or spaces; they are counted as different classes"]


def _texts(classes: Iterable[str]) -> str:
    return say.listed([repr(text) for text in sorted(classes)])
