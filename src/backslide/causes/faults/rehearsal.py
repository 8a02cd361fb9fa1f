"""Faults to rehearse with: each done to one column by its plain description, apart from how it would be recognised."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from backslide.causes.columns import edit
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.pair import Floats, Pair

Mask = NDArray[np.bool_]
Break = Callable[[pl.DataFrame, Mask, np.random.Generator], pl.DataFrame]


@dataclass(frozen=True)
class Rehearsal:
    """One fault of one column (or two) on a share of the rows."""

    kind: CauseKind
    features: tuple[str, ...]
    share: float
    description: str
    damage: Break

    def apply(self, frame: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        """``frame`` with the fault on ``share`` of its rows."""
        rows = np.ones(frame.height, bool) if self.share >= 1 else rng.random(frame.height) < self.share
        return self.damage(frame, rows, rng)


def rehearsals(pair: Pair, others: list[Pair]) -> Iterator[Rehearsal]:
    """Faults that fit a column; ``others`` are columns it could be swapped with."""
    yield from _of_any(pair)
    if pair.numeric and not pair.discrete:
        yield from _of_numbers(pair, others)
    elif pair.categorical and pair.reference.dtype == pl.String:
        yield from _of_texts(pair)


def _of_any(pair: Pair) -> Iterator[Rehearsal]:
    name = pair.name
    for share in (0.1, 0.5):
        yield Rehearsal(
            CauseKind.MISSING_VALUES, (name,), share, "values go missing", lambda f, r, _: edit.blank(f, name, r)
        )
    usual = pair.reference.drop_nulls()[0] if pair.reference.drop_nulls().len() else None
    if usual is not None:
        yield Rehearsal(
            CauseKind.FROZEN_FEATURE,
            (name,),
            1.0,
            f"every row says {usual!r}",
            lambda f, r, _: edit.constant(f, name, usual, r),
        )
    yield Rehearsal(CauseKind.BROKEN_JOIN, (name,), 1.0, "values belong to other rows", _shuffled(name))


def _of_numbers(pair: Pair, others: list[Pair]) -> Iterator[Rehearsal]:
    name, (values, _) = pair.name, pair.finite
    cap = float(np.quantile(values, 0.7))
    noise = float(values.std())
    step = 10.0 ** np.floor(np.log10(max(noise, 1e-12)))
    yield Rehearsal(CauseKind.UNIT_CHANGE, (name,), 1.0, "1000 times as large", _mapped(name, lambda x, _: x * 1000))
    yield Rehearsal(CauseKind.UNIT_CHANGE, (name,), 0.4, "1000 times as large", _mapped(name, lambda x, _: x * 1000))
    yield Rehearsal(CauseKind.SIGN_FLIP, (name,), 1.0, "the other sign", _mapped(name, lambda x, _: -x))
    yield Rehearsal(
        CauseKind.CLIPPED_RANGE, (name,), 1.0, f"capped at {cap:.4g}", _mapped(name, lambda x, _: np.minimum(x, cap))
    )
    yield Rehearsal(
        CauseKind.ROUNDED_VALUES,
        (name,),
        1.0,
        f"rounded to {step:g}",
        _mapped(name, lambda x, _: np.round(x / step) * step),
    )
    yield Rehearsal(
        CauseKind.ADDED_NOISE,
        (name,),
        1.0,
        "noise of its own spread",
        _mapped(name, lambda x, rng: x + rng.normal(0, noise, len(x))),
    )
    default = 0.0 if values.min() > 0 else -999.0
    for share in (0.1, 0.5):
        yield Rehearsal(
            CauseKind.DEFAULT_VALUE,
            (name,),
            share,
            f"{default:g} in place of values",
            lambda f, r, _: edit.constant(f, name, default, r),
        )
    for other in others[:1]:
        yield Rehearsal(
            CauseKind.SWAPPED_COLUMNS, (name, other.name), 1.0, f"swapped with {other.name}", _swapped(name, other.name)
        )


def _of_texts(pair: Pair) -> Iterator[Rehearsal]:
    name = pair.name
    yield Rehearsal(
        CauseKind.CATEGORY_RECODE,
        (name,),
        1.0,
        "codes renamed",
        lambda f, r, _: f.with_columns(("x_" + pl.col(name)).alias(name)),
    )
    for share in (0.1, 0.5):
        yield Rehearsal(
            CauseKind.UNSEEN_CATEGORY,
            (name,),
            share,
            "a category never seen",
            lambda f, r, _: edit.constant(f, name, "never seen before", r),
        )


def _mapped(name: str, change: Callable[[Floats, np.random.Generator], Floats]) -> Break:
    def damage(frame: pl.DataFrame, rows: Mask, rng: np.random.Generator) -> pl.DataFrame:
        return edit.write(frame, name, change(edit.numbers_of(frame, name), rng), rows)

    return damage


def _shuffled(name: str) -> Break:
    def damage(frame: pl.DataFrame, rows: Mask, rng: np.random.Generator) -> pl.DataFrame:
        return frame.with_columns(frame[name].gather(rng.permutation(frame.height)).alias(name))

    return damage


def _swapped(one: str, other: str) -> Break:
    def damage(frame: pl.DataFrame, rows: Mask, rng: np.random.Generator) -> pl.DataFrame:
        values = edit.numbers_of(frame, one), edit.numbers_of(frame, other)
        return edit.write(edit.write(frame, one, values[1], rows), other, values[0], rows)

    return damage
