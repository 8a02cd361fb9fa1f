"""Values that stand for the absence of one: error codes far from every value, and words such as ``unknown``."""

from __future__ import annotations

from backslide.engine.columns.pair import MISSING, Pair
from backslide.stats.metrics.metric import Floats

NEW_SHARE = 0.002
"""A value under this share before counts as new."""
BESIDE = 0.02
"""Rows beyond the reference's range with other values, in parts of those with the value, from which the range itself widened."""

NOTHING = frozenset(
    {"n/a", "na", "nan", "null", "nil", "none", "unknown", "unk", "undefined", "missing", "default", "other", "empty"}
    | {"", "-", "?", "0", "-1", "999", "9999", "xxx", "tbd", "not available", "not specified", "unspecified"}
)
"""Categories that stand for the absence of one, compared without regard to case."""


def is_new(pair: Pair, text: str) -> bool:
    """Whether the reference hardly held the value."""
    return float((pair.texts[0] == text).mean()) < NEW_SHARE


def is_word_for_nothing(text: str) -> bool:
    """Whether people write the category for "nothing here"."""
    return text.strip().casefold() in NOTHING


def is_sentinel(pair: Pair, text: str) -> bool:
    """Whether a value of the current window is new and stands for none: a word for nothing, or a number that stands alone beyond
    the reference's range."""
    if text == MISSING or not is_new(pair, text):
        return False
    if not pair.numeric:
        return is_word_for_nothing(text)
    value, (ref, cur) = float(text), pair.finite
    if not len(ref) or ref[0] <= value <= ref[-1]:
        return False
    bound = ref[0] if value < ref[0] else ref[-1]
    outside = cur < bound if value < bound else cur > bound
    alone = float((outside & (cur != value)).sum()) <= BESIDE * float((cur == value).sum())
    return alone and not is_moved_bound(ref, cur, value, bound)


def is_moved_bound(ref: Floats, cur: Floats, value: float, bound: float) -> bool:
    """Whether the values that were gathered at the reference's bound are now gathered at the new one: a top code that moved."""
    before, left, after = (float((v == at).mean()) for v, at in ((ref, bound), (cur, bound), (cur, value)))
    return before > 0.5 * after and left < 0.5 * before
