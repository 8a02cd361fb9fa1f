"""One fitted attribute before and after: which columns, categories or parameters changed, and by how much."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from backslide.contracts import say
from backslide.contracts.integrity import Detail
from backslide.contracts.snapshot import FittedStep, FittedValue, Number

SAME = 1e-9
"""Relative difference under which two numbers are one: another machine's last bits."""
WORDS = {
    "mean_": "mean",
    "center_": "centre",
    "scale_": "scale",
    "var_": "variance",
    "data_min_": "minimum",
    "data_max_": "maximum",
    "min_": "offset",
    "max_abs_": "largest size",
    "lambdas_": "power",
    "statistics_": "imputed value",
    "data_range_": "range",
    "coef_": "coefficient",
    "intercept_": "intercept",
    "categories_": "categories",
    "vocabulary_": "vocabulary",
    "idf_": "weight",
    "n_samples_seen_": "rows it was fitted on",
    "feature_names_in_": "column order",
    "columns": "columns",
}


@dataclass(frozen=True)
class AttributeChange:
    """One value that differs; ``column`` where it belongs to one."""

    attribute: str
    column: str | None
    before: str
    after: str
    old: float | None = None
    new: float | None = None

    @property
    def named(self) -> str:
        """``mean of income``."""
        word = WORDS.get(self.attribute, self.attribute.strip("_").replace("_", " "))
        return f"{word} of {self.column}" if self.column is not None else word

    @property
    def detail(self) -> Detail:
        """As the report holds it."""
        return Detail(name=self.named, before=self.before, after=self.after)


def moves(
    attribute: str, a: FittedValue | None, b: FittedValue | None, before: FittedStep, after: FittedStep
) -> Iterator[AttributeChange]:
    """What differs in one attribute of a step."""
    if a is None or b is None:
        yield AttributeChange(attribute, None, "absent" if a is None else brief(a), "absent" if b is None else brief(b))
    elif a.digest == b.digest and _columns(before, a) == _columns(after, b):
        return
    elif a.kind == b.kind == "numbers" or (a.numbers and b.numbers):
        yield from _numbers(attribute, a, b, before, after)
    elif a.kind == b.kind == "texts" and attribute in ("feature_names_in_", "classes_"):
        if a.texts != b.texts:
            yield AttributeChange(attribute, None, say.listed(a.texts, 6), say.listed(b.texts, 6))
    elif a.items and b.items:
        yield from _items(attribute, a, b, before)
    elif a.digest != b.digest:
        yield from _whole(attribute, a, b)


def brief(form: FittedValue) -> str:
    """A value in a few words."""
    if form.kind in ("scalar", "code"):
        return form.text
    if form.texts:
        return say.listed(form.texts, 6)
    if form.numbers:
        return say.listed([write_number(v) for v in form.numbers], 6)
    if form.figures:
        return ", ".join(f"{key} {write_number(value)}" for key, value in form.figures.items() if key != "finite")
    if form.shape:
        return f"{form.text or form.kind} of {'×'.join(map(str, form.shape))}"
    return form.text or form.kind


def write_number(value: Number) -> str:
    """A number as people write it."""
    return say.number(value) if isinstance(value, float) else value


def _columns(part: FittedStep, value: FittedValue) -> tuple[str, ...] | None:
    """Names of the elements of an array that has one per column."""
    names = part.columns
    return names if names is not None and value.shape and value.shape[-1] == len(names) else None


def _numbers(
    attribute: str, a: FittedValue, b: FittedValue, before: FittedStep, after: FittedStep
) -> Iterator[AttributeChange]:
    names, others = _columns(before, a), _columns(after, b)
    if len(a.shape) <= 1 and names is not None and others is not None:
        new = dict(zip(others, b.numbers, strict=False))
        for column, value in zip(names, a.numbers, strict=False):
            if column in new and not same(value, new[column]):
                yield _change_of_number(attribute, column, value, new[column])
        return
    if a.shape != b.shape:
        yield AttributeChange(attribute, None, brief(a), brief(b))
        return
    for index, (value, other) in enumerate(zip(a.numbers, b.numbers, strict=False)):
        if not same(value, other):
            place = None if not a.shape else f"element {index}" if names is None else names[index % len(names)]
            yield _change_of_number(attribute, place, value, other)


def _change_of_number(attribute: str, column: str | None, value: Number, other: Number) -> AttributeChange:
    plain = [v if isinstance(v, float) else None for v in (value, other)]
    return AttributeChange(attribute, column, write_number(value), write_number(other), *plain)


def same(a: Number, b: Number) -> bool:
    """Equal up to the last bits; NaN equals NaN."""
    if not isinstance(a, float) or not isinstance(b, float):
        return a == b
    return math.isclose(a, b, rel_tol=SAME, abs_tol=1e-300)


def _items(attribute: str, a: FittedValue, b: FittedValue, before: FittedStep) -> Iterator[AttributeChange]:
    names = before.columns
    by_column = a.kind == "list" and names is not None and len(a.items) == len(names)
    for key in dict.fromkeys((*a.items, *b.items)):
        old, new = a.items.get(key), b.items.get(key)
        column = names[int(key)] if by_column and names is not None and key.isdigit() and int(key) < len(names) else key
        if old is None or new is None:
            yield AttributeChange(
                attribute, column, "absent" if old is None else brief(old), "absent" if new is None else brief(new)
            )
        elif old.digest != new.digest:
            yield from _within(attribute, column, old, new)


def _within(attribute: str, column: str, old: FittedValue, new: FittedValue) -> Iterator[AttributeChange]:
    whole = old.kind == new.kind == "numbers" and old.shape == new.shape and bool(old.numbers)
    if whole and all(same(x, y) for x, y in zip(old.numbers, new.numbers, strict=False)):
        return
    if old.texts and new.texts:
        yield AttributeChange(attribute, column, *_texts(old.texts, new.texts))
        return
    numbers = [h.numbers[0] if len(h.numbers) == 1 else None for h in (old, new)]
    plain = [v if isinstance(v, float) else None for v in numbers]
    yield AttributeChange(attribute, column, brief(old), brief(new), *plain)


def _texts(old: tuple[str, ...], new: tuple[str, ...]) -> tuple[str, str]:
    """What went and what came; where neither, that the order is another."""
    gone, come = [t for t in old if t not in set(new)], [t for t in new if t not in set(old)]
    if not gone and not come:
        first = next(i for i, (x, y) in enumerate(zip(old, new, strict=False)) if x != y)
        return say.listed(old[first : first + 4], 6), f"{say.listed(new[first : first + 4], 6)} (another order)"
    return (f"with {say.listed(gone)}" if gone else f"{len(old)} of them"), (
        f"with {say.listed(come)}" if come else f"{len(new)} of them"
    )


def _whole(attribute: str, a: FittedValue, b: FittedValue) -> Iterator[AttributeChange]:
    if a.figures and b.figures and a.shape == b.shape:
        for key in ("mean", "std", "minimum", "maximum"):
            old, new = a.figures.get(key), b.figures.get(key)
            if old is not None and new is not None and not same(old, new):
                yield _change_of_number(attribute, key, old, new)
                return
    before, after = brief(a), brief(b)
    yield AttributeChange(attribute, None, before, after if after != before else f"{after}, other content")
