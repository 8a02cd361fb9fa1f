"""Quick looks at one column: categories as paired bars, numbers as histograms over each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from backslide.contracts import say
from backslide.contracts.errors import ColumnError
from backslide.contracts.evidence import Bars, Histograms
from backslide.engine.columns.kinds import ColumnKind
from backslide.engine.roles.derive import label_expression
from backslide.engine.roles.problem import order_classes
from backslide.playbook import evidence
from backslide.plot.draw import draw
from backslide.plot.tables import PeriodTable, Profiles, count_levels, count_numbers, open_both, require

if TYPE_CHECKING:
    from altair.typing import ChartType

MOST_CODES = 50
"""Distinct numbers up to which a numeric column is drawn as categories when asked for."""
MISSING, OTHER, NEW = "(missing)", "all other", "(new)"


def categorical(good: object, bad: object, column: str) -> ChartType:
    """Shares of each category of a column in both periods, side by side, over all rows.

    Missing values are a bar of their own, categories that the good period does not have are marked ``(new)``, and what
    neither moved nor is frequent is folded into one bar.

    Args:
        good: the period when things were fine: a table, path or glob.
        bad: the period to compare with it.
        column: text, booleans, or numbers of at most 50 distinct values.

    Raises:
        SourceError: when a period cannot be opened or holds no rows.
        ColumnError: when the column is absent or no set of categories.
    """
    tables = open_both(good, bad)
    require(tables, column)
    levels = count_levels(tables, (_category(tables[0], column), _category(tables[1], column)))
    numeric_codes = any(table.kind(column) is ColumnKind.NUMERIC for table in tables)
    if numeric_codes and max(side.distinct_levels for side in levels) > MOST_CODES:
        raise ColumnError(
            f"{column!r} holds {say.number(max(s.distinct_levels for s in levels))} distinct numbers, expected categories; "
            f"use plot.numeric(good, bad, {column!r})"
        )
    return draw(_bars(column, levels, by_value=numeric_codes))


def numeric(good: object, bad: object, column: str) -> ChartType:
    """Histograms of a numeric column in both periods, over each other, as shares of its finite values.

    Counted over all rows. The range shown is the middle 99 % of both periods; the outer bins hold what lies beyond. What
    is missing or infinite stands beside the axis.

    Args:
        good: the period when things were fine: a table, path or glob.
        bad: the period to compare with it.
        column: a column of numbers.

    Raises:
        SourceError: when a period cannot be opened or holds no rows.
        ColumnError: when the column is absent or holds no numbers.
    """
    tables = open_both(good, bad)
    require(tables, column)
    profiles = count_numbers(tables, (_number(tables[0], column), _number(tables[1], column)))
    return draw(histograms(profiles, title=column, reading=_median_sentence(column, profiles), x=column))


def histograms(profiles: Profiles, *, title: str, reading: str, x: str) -> Histograms:
    """Both periods' numbers as evidence; a period without any number is drawn as nothing rather than refused.

    Raises:
        ColumnError: when neither holds a finite number.
    """
    filled = [side for side in profiles if side.finite]
    if not filled:
        raise ColumnError(f"{title!r} holds no finite number in either period; nothing to draw")
    both = profiles if len(filled) == 2 else (filled[0], filled[0])
    figure = evidence.histograms(*both, title=title, reading=reading, x=x + _gaps(profiles))
    assert figure is not None  # there are finite numbers on both sides
    nothing = (0.0,) * len(figure.reference)
    empty = {name: nothing for name, side in zip(("reference", "current"), profiles, strict=True) if not side.finite}
    return figure.model_copy(update=empty)


def _gaps(profiles: Profiles) -> str:
    """`` (missing: 0.1 % before, 4.0 % now)``, where any are."""
    sentences = []
    for what, shares in (
        ("missing", [side.missing_share for side in profiles]),
        ("infinite", [(side.pos_inf + side.neg_inf) / side.rows for side in profiles]),
    ):
        if any(shares):
            sentences.append(f"{what}: {say.percent(shares[0])} before, {say.percent(shares[1])} now")
    return f" ({'; '.join(sentences)})" if sentences else ""


def _median_sentence(column: str, profiles: Profiles) -> str:
    medians = [say.number(side.quantile(0.5), 3) if side.finite else "none" for side in profiles]
    middle = [
        f"{say.number(side.quantile(0.05), 3)} to {say.number(side.quantile(0.95), 3)}" if side.finite else "none"
        for side in profiles
    ]
    return (
        f"The median of {column} is {medians[1]}, {medians[0]} before; nine in ten values lie in {middle[1]}, "
        f"{middle[0]} before{_gaps(profiles)}."
    )


def _category(table: PeriodTable, column: str) -> pl.Expr:
    dtype, kind = table.schema[column], table.kind(column)
    if dtype == pl.Null:
        return pl.col(column).cast(pl.String)
    if kind in (ColumnKind.CATEGORICAL, ColumnKind.BOOLEAN, ColumnKind.NUMERIC):
        return label_expression(column, dtype)
    hint = "plot.over_time draws what happens by day" if kind is ColumnKind.TEMPORAL else "cast it to text first"
    raise ColumnError(f"expected categories in {column!r}, found {dtype} in {table.name}; {hint}")


def _number(table: PeriodTable, column: str) -> pl.Expr:
    dtype, kind = table.schema[column], table.kind(column)
    if kind is ColumnKind.NUMERIC:
        return pl.col(column)
    if dtype == pl.Null:
        return pl.col(column).cast(pl.Float64)
    hint = f"use plot.categorical(good, bad, {column!r})"
    if kind not in (ColumnKind.CATEGORICAL, ColumnKind.BOOLEAN):
        hint = "name a column of numbers"
    raise ColumnError(f"expected numbers in {column!r}, found {dtype} in {table.name}; {hint}")


def _bars(column: str, levels: Profiles, *, by_value: bool) -> Bars:
    shares = _shares(levels)
    ranking = sorted(shares, key=lambda k: (-abs(shares[k][1] - shares[k][0]) - 0.2 * max(shares[k]), k))
    shown = sorted(ranking[: evidence.DRAWN_LEVELS], key=lambda k: (-shares[k][0], -shares[k][1], k))
    if by_value:
        shown = list(order_classes(set(shown)))
    new = _new(levels)
    rows = [(f"{_short(k)} {NEW}" if k in new else _short(k), *shares[k]) for k in shown]
    missing = levels[0].missing_share, levels[1].missing_share
    before, now = (max(1 - missing[i] - sum(shares[k][i] for k in shown), 0.0) for i in (0, 1))
    if len(shares) > len(shown) or any(side.rest_rows for side in levels):
        rows.append((OTHER, before, now))
    if any(missing) or not rows:
        rows.append((MISSING, *missing))
    return Bars(
        title=column,
        reading=_largest_move(ranking, shares, new, missing),
        x="share of rows",
        categories=tuple(name for name, _, _ in rows),
        reference=tuple(before for _, before, _ in rows),
        current=tuple(now for _, _, now in rows),
    )


def _shares(levels: Profiles) -> dict[str, tuple[float, float]]:
    """Category -> its share of all rows, missing ones included, in both periods."""
    good, bad = levels
    return {
        name: (good.levels.get(name, 0) / good.rows, bad.levels.get(name, 0) / bad.rows)
        for name in {**good.levels, **bad.levels}
    }


def _new(levels: Profiles) -> dict[str, float]:
    """Categories that the good period does not have, with their share of the bad one; none where it was not counted out."""
    good, bad = levels
    if good.rest_rows or not good.levels:
        return {}
    return {name: rows / bad.rows for name, rows in bad.levels.items() if name not in good.levels}


def _largest_move(
    ranking: list[str], shares: dict[str, tuple[float, float]], new: dict[str, float], missing: tuple[float, float]
) -> str:
    if not ranking:
        return "Every value is missing in both periods."
    most = max(ranking, key=lambda name: abs(shares[name][1] - shares[name][0]))
    before, now = shares[most]
    sentences = [f"Largest change: {_short(most)!r} with {say.percent(now)} of rows, {say.percent(before)} before"]
    if new:
        names = say.listed([repr(_short(name)) for name in new], 3)
        sentences.append(f"new: {names} ({say.percent(sum(new.values()))} of rows)")
    if any(missing):
        sentences.append(f"missing: {say.percent(missing[1])}, {say.percent(missing[0])} before")
    return "; ".join(sentences) + "."


def _short(name: str) -> str:
    return name if len(name) <= 40 else name[:37] + "..."
