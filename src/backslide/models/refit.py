"""A saved scikit-learn pipeline with parts of its preprocessing fitted again on other rows, or its encoders in another order.

Only what is public is touched: ``steps``, ``transformers_``, ``fit`` and ``categories_`` of scikit-learn's own transformers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from backslide.models.scalers import SCALERS, fitted_branches, inside, named_columns
from backslide.stats.arrays import Mask

Order = Literal["frequency", "appearance", "descending"]
ORDERS: dict[Order, str] = {
    "frequency": "numbered by how frequent they are",
    "appearance": "numbered as they come",
    "descending": "in descending order",
}
"""Orders in which encoders are rebuilt, in words: other than that of the alphabet, which fitting gives."""
ENCODERS = ("OneHotEncoder", "OrdinalEncoder")
PREPROCESSING = (
    *SCALERS,
    *ENCODERS,
    "SimpleImputer",
    "KNNImputer",
    "PowerTransformer",
    "QuantileTransformer",
    "KBinsDiscretizer",
)
"""Classes that learn from inputs alone."""


def refit_parts(artefact: Any, rows: pd.DataFrame, kinds: Collection[str] = SCALERS) -> Any:
    """A copy of the pipeline whose parts of these ``kinds`` are fitted again on ``rows``, as the parts before hand them on."""

    def fit(part: Any, own: Any) -> None:
        if type(part).__name__ in kinds:
            part.fit(own)

    return _copy_and_visit(artefact, rows, fit)


def reorder_categories(artefact: Any, rows: pd.DataFrame, order: Order) -> Any:
    """A copy of the pipeline whose encoders know the same categories in the order that ``rows`` give them."""

    def turn(part: Any, own: Any) -> None:
        if type(part).__name__ in ENCODERS and getattr(part, "categories_", None) is not None:
            categories = own.to_numpy(object) if isinstance(own, pd.DataFrame) else np.asarray(own, object)
            part.categories_ = [_reorder(levels, categories[:, k], order) for k, levels in enumerate(part.categories_)]

    return _copy_and_visit(artefact, rows, turn)


def _copy_and_visit(artefact: Any, rows: pd.DataFrame, act: Callable[[Any, Any], None]) -> Any:
    """A copy whose parts were acted on; it shares the model at the end, which is never touched and may be large."""
    steps = getattr(artefact, "steps", None)
    last = inside(steps)[-1] if isinstance(steps, list) and inside(steps) else None
    copy = deepcopy(artefact, {id(last): last} if hasattr(last, "predict") else {})
    _visit(copy, rows, act)
    return copy


def _reorder(levels: Any, values: Any, order: Order) -> Any:
    """The categories (k,) of an encoder reordered; missing ones keep their place."""
    if levels.dtype.kind not in "OUS":
        return levels  # encoders look numbers up by their size: no order of theirs can change
    rest = iter(in_order([v for v in levels if not _missing(v)], values, order))
    return np.array([v if _missing(v) else next(rest) for v in levels], dtype=levels.dtype)


def in_order(known: Sequence[Any], values: Iterable[Any], order: Order) -> list[Any]:
    """Categories in the order that ``values`` give them; those that they do not hold keep their order behind."""
    if order == "descending":
        return list(known)[::-1]
    places = {v: k for k, v in enumerate(known)}
    counts = Counter(v for v in values if not _missing(v) and v in places)
    firsts = list(counts)
    if order == "frequency":
        firsts.sort(key=lambda v: -counts[v])  # stable: of equally frequent ones the first that came
    return [*firsts, *(v for v in known if v not in counts)]


def _missing(value: Any) -> bool:
    return value is None or bool(value != value)


def categories(artefact: Any, columns: Sequence[str]) -> dict[str, list[Any]]:
    """Column -> categories of the encoder that it meets, of all that are reached by name."""
    return {
        name: list(levels)
        for part, names in _encoders(artefact, list(columns))
        for name, levels in zip(names, part.categories_, strict=True)
    }


@dataclass(frozen=True)
class EncoderUnknowns:
    """Which values of one column an encoder met without knowing them, and what it makes of them."""

    column: str
    rows: Mask
    """(n,); missing values are none of them."""
    values: Counter[Any]
    instead: str
    """What the model is given: "ignored", "mapped to -1", "taken for infrequent ones"."""


def find_unknown(artefact: Any, rows: pd.DataFrame) -> list[EncoderUnknowns]:
    """What the encoders inside do not know of ``rows`` and let pass in silence, as the parts before hand the rows on.

    Raises:
        Exception: whatever a step in front raises.
    """
    named = {id(part): names for part, names in _encoders(artefact, [str(c) for c in rows.columns])}
    results = []

    def look(part: Any, own: Any) -> None:
        if id(part) not in named:
            return
        categories = own.to_numpy(object) if isinstance(own, pd.DataFrame) else np.asarray(own, object)
        for k, (column, levels) in enumerate(zip(named[id(part)], part.categories_, strict=True)):
            instead = _instead(part, k)
            if instead:
                known = set(levels.tolist())
                values = categories[:, k].tolist()
                strange = {v: not _missing(v) and v not in known for v in set(values)}
                odd = np.fromiter(map(strange.__getitem__, values), bool, len(values))
                results.append(EncoderUnknowns(column, odd, Counter(categories[odd, k].tolist()), instead))

    _visit(artefact, rows, look)
    return results


def _instead(part: Any, k: int) -> str:
    """What the model is given where an encoder does not know a value of its column ``k``; empty where it refuses."""
    rule = getattr(part, "handle_unknown", "error")
    if rule == "use_encoded_value":
        return f"mapped to {part.unknown_value}"
    if rule in ("infrequent_if_exist", "warn"):
        rare = getattr(part, "infrequent_categories_", None)
        return "taken for infrequent ones" if rare is not None and rare[k] is not None else "ignored"
    return "ignored" if rule == "ignore" else ""


def _encoders(part: Any, columns: list[str]) -> Iterator[tuple[Any, list[str]]]:
    if isinstance(steps := getattr(part, "steps", None), list):
        for step in inside(steps):
            encoders = list(_encoders(step, columns))
            if encoders:
                yield from encoders
                return
            if getattr(step, "n_features_in_", len(columns)) != len(columns) or hasattr(step, "transformers_"):
                return
    elif (branches := fitted_branches(part)) is not None:
        for branch, chosen in branches:
            if not isinstance(branch, str):
                yield from _encoders(branch, [c for c in named_columns(chosen, columns) if c in columns])
    elif columns and type(part).__name__ in ENCODERS and len(getattr(part, "categories_", ())) == len(columns):
        yield part, columns


def _visit(part: Any, rows: Any, act: Callable[[Any, Any], None]) -> None:
    """Act on every innermost part with the rows that reach it, in the order in which they pass."""
    if isinstance(steps := getattr(part, "steps", None), list):
        result = inside(steps)
        for step in result:
            _visit(step, rows, act)
            if any(not hasattr(later, "predict") for later in result[result.index(step) + 1 :]):
                rows = step.transform(rows)
    elif (branches := fitted_branches(part)) is not None:
        for branch, chosen in branches:
            if not isinstance(branch, str) and (own := _columns_of(rows, chosen)) is not None:
                _visit(branch, own, act)
    else:
        act(part, rows)


def _columns_of(rows: Any, chosen: Any) -> Any:
    """A branch's columns of a frame, or of the array that a step in front made of it; None where it takes none."""
    if isinstance(rows, pd.DataFrame):
        named = named_columns(chosen, list(rows.columns))
        return None if not named else rows[chosen if isinstance(chosen, str) else named]
    places = [int(k) for k in named_columns(chosen, [str(k) for k in range(rows.shape[1])])]
    return rows[:, places] if places else None
