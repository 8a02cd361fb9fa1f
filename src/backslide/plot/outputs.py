"""Quick look at the scores: how sure the model is in both periods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import polars as pl

from backslide.contracts import say
from backslide.contracts.errors import ColumnError
from backslide.contracts.labels import label_text
from backslide.contracts.roles import Roles
from backslide.engine.columns.kinds import ColumnKind
from backslide.engine.roles.derive import label_expression
from backslide.plot.draw import draw
from backslide.plot.inputs import histograms
from backslide.plot.tables import (
    PeriodTable,
    Profiles,
    Tables,
    count_numbers,
    not_recognised,
    open_both,
    recognised,
    require,
)

if TYPE_CHECKING:
    from altair.typing import ChartType

Scores = str | Sequence[str] | Mapping[object, str]


def confidence(good: object, bad: object, scores: Scores | None = None, *, prediction: str | None = None) -> ChartType:
    """Histograms of the model's confidence in both periods, over each other, over all rows.

    The confidence is the score of the class that was predicted where the prediction is known, else the largest score.

    Args:
        good: the period when things were fine: a table, path or glob.
        bad: the period to compare with it.
        scores: columns by class label (``{"yes": "p_yes"}``; one of two classes is enough), a list of the columns of all
            classes, or one column, drawn as it is. Found by name and content, with the prediction, when left out.
        prediction: column of the predicted class, for scores by class label.

    Raises:
        SourceError: when a period cannot be opened or holds no rows.
        ColumnError: when a column is absent, holds no numbers, or no scores are recognised.
    """
    tables = open_both(good, bad)
    if scores is None:
        scores, prediction = _score_columns(tables, prediction)
    columns = _columns(scores)
    require(tables, *columns, *([prediction] if prediction is not None else []))
    values = _confidence(tables[0], scores, prediction), _confidence(tables[1], scores, prediction)
    profiles = count_numbers(tables, values)
    alone = len(columns) == 1 and not isinstance(scores, Mapping)
    title = columns[0] if alone else "Confidence"
    by = f"score of {prediction}" if prediction is not None else f"largest of {say.listed(columns, 3)}"
    if isinstance(scores, Mapping) and len(columns) == 1 and prediction is None:
        by = f"{columns[0]} or its complement, the larger"
    x = title if alone else f"confidence: {by}"
    return draw(histograms(profiles, title=title, reading=_reading(title, profiles), x=x))


def _score_columns(tables: Tables, prediction: str | None) -> tuple[Mapping[object, str], str | None]:
    roles: Roles = recognised(tables)
    if not roles.scores:
        raise not_recognised("score", "plot.confidence(good, bad, scores=['p_no', 'p_yes'])", tables)
    return dict(roles.scores.items()), prediction or roles.prediction


def _columns(scores: Scores) -> list[str]:
    columns = [scores] if isinstance(scores, str) else list(scores.values() if isinstance(scores, Mapping) else scores)
    if not columns:
        raise ColumnError("expected at least one column of scores, got none; name one, or leave scores out")
    return columns


def _confidence(table: PeriodTable, scores: Scores, prediction: str | None) -> pl.Expr:
    if not isinstance(scores, Mapping):
        columns = _columns(scores)
        return _score(table, columns[0]) if len(columns) == 1 else pl.max_horizontal(_score(table, c) for c in columns)
    by_class = {label_text(label): _score(table, column) for label, column in scores.items()}
    lone = next(iter(by_class.values())) if len(by_class) == 1 else None
    if prediction is None:
        every = list(by_class.values()) if lone is None else [lone, 1.0 - lone]
        return pl.max_horizontal(every)
    predicted = label_expression(prediction, table.schema[prediction])
    # With one score of two classes, every other predicted class is its complement.
    chosen = pl.when(predicted.is_not_null()).then(1.0 - lone) if lone is not None else pl.when(False).then(0.0)
    value: pl.Expr = chosen.otherwise(None)
    for label, score in by_class.items():
        value = pl.when(predicted == label).then(score).otherwise(value)
    return value


def _score(table: PeriodTable, column: str) -> pl.Expr:
    if table.kind(column) is not ColumnKind.NUMERIC and table.schema[column] != pl.Null:
        raise ColumnError(
            f"expected scores in {column!r}, found {table.schema[column]} in {table.name}; name columns of numbers"
        )
    number = pl.col(column).cast(pl.Float64)
    return pl.when(number.is_finite()).then(number)


def _reading(title: str, profiles: Profiles) -> str:
    means = [say.number(side.mean, 3) if side.finite else "none" for side in profiles]
    tenths = [say.number(side.quantile(0.1), 3) if side.finite else "none" for side in profiles]
    return (
        f"Mean {title.lower() if title == 'Confidence' else title} is {means[1]}, {means[0]} before; a tenth of the rows is "
        f"under {tenths[1]}, under {tenths[0]} before."
    )
