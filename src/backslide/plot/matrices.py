"""Quick look at the errors: the confusion matrix of both periods, and what changed, as shares within each label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from backslide.contracts import say
from backslide.contracts.errors import LabelError
from backslide.contracts.evidence import Matrix
from backslide.engine.roles.derive import label_expression
from backslide.engine.roles.problem import order_classes
from backslide.engine.sources.errors import reading
from backslide.plot.draw import chart
from backslide.plot.tables import PeriodTable, Tables, not_recognised, open_both, recognised, require
from backslide.report.charts.palette import BAND, INK, PAPER, RISE
from backslide.report.charts.spec import chart_spec
from backslide.report.charts.standalone import framed, safe
from backslide.stats.arrays import Floats

if TYPE_CHECKING:
    from altair.typing import ChartType

    from backslide.report.charts.parts import Spec

MOST_CLASSES = 200
"""More distinct labels than this are no classes."""
MOST_SHOWN = 8
"""Classes drawn: those whose rows changed most."""
NONE = "(none)"
CELL, CELL_HEIGHT = 48, 28


def confusion(good: object, bad: object, label: str | None = None, prediction: str | None = None) -> ChartType:
    """Confusion matrices of both periods side by side, and their difference, over all labelled rows.

    Cells are shares of the label's rows, so that a changed class mix is not mistaken for changed errors. Of many classes,
    the eight that changed most are drawn. Rows without a prediction are a column of their own.

    Args:
        good: the period when things were fine: a table, path or glob.
        bad: the period to compare with it.
        label: column of the true class; found by name and content when left out.
        prediction: column of the predicted class; likewise.

    Raises:
        SourceError: when a period cannot be opened or holds no rows.
        ColumnError: when a column is absent or not recognised.
        LabelError: when the labels are no classes, or a period has none.
    """
    tables = open_both(good, bad)
    label, prediction = _columns(tables, label, prediction)
    require(tables, label, prediction)
    counted = [_count(table, label, prediction) for table in tables]
    grid = _Grid.of([cells for cells, _ in counted])
    shown = grid.most_changed()
    unlabelled = [empty / table.rows for (_, empty), table in zip(counted, tables, strict=True)]
    return chart(_side_by_side(grid, shown, label, prediction, _sentence(grid, unlabelled)))


def _columns(tables: Tables, label: str | None, prediction: str | None) -> tuple[str, str]:
    if label is not None and prediction is not None:
        return label, prediction
    roles = recognised(tables)
    call = "plot.confusion(good, bad, label='...', prediction='...')"
    columns = label or roles.label, prediction or roles.prediction
    if columns[0] is None:
        raise not_recognised("label", call, tables)
    if columns[1] is None:
        raise not_recognised("prediction", call, tables)
    return columns[0], columns[1]


def _count(table: PeriodTable, label: str, prediction: str) -> tuple[dict[tuple[str, str | None], int], int]:
    """Rows by label and prediction, and the rows without a label."""
    both = [label_expression(c, table.schema[c]).alias(n) for c, n in ((label, "label"), (prediction, "prediction"))]
    with reading(f"the rows of {table.name}"):
        counts = table.frame.select(both).group_by("label", "prediction").len().collect(engine="streaming")
    names = set(counts["label"].drop_nulls()) | set(counts["prediction"].drop_nulls())
    if len(names) > MOST_CLASSES:
        raise LabelError(
            f"{label!r} and {prediction!r} hold {say.number(len(names))} distinct values in {table.name}, expected classes; "
            "for numbers use plot.over_time(good, bad, 'mae')"
        )
    cells = {(truth, answer): rows for truth, answer, rows in counts.iter_rows() if truth is not None}
    if not cells:
        raise LabelError(f"no row of {table.name} has a label in {label!r}; give a period that has been labelled")
    return cells, table.rows - sum(cells.values())


@dataclass(frozen=True)
class _Grid:
    """Both confusion matrices as shares within label (K, K or K + 1), NaN where a label has no rows."""

    labels: tuple[str, ...]
    predictions: tuple[str, ...]
    good: Floats
    bad: Floats

    @classmethod
    def of(cls, counted: list[dict[tuple[str, str | None], int]]) -> _Grid:
        """From counted cells; all classes of both periods in one order."""
        pairs = {pair for cells in counted for pair in cells}
        classes = order_classes({name for pair in pairs for name in pair if name is not None})
        predictions = classes + ((NONE,) if any(prediction is None for _, prediction in pairs) else ())
        row = {name: i for i, name in enumerate(classes)}
        shares = []
        for cells in counted:
            table = np.zeros((len(classes), len(predictions)))
            for (truth, prediction), rows in cells.items():
                table[row[truth], len(classes) if prediction is None else row[prediction]] += rows
            with np.errstate(invalid="ignore"):
                shares.append(table / table.sum(1, keepdims=True))
        return cls(classes, predictions, shares[0], shares[1])

    @property
    def change(self) -> Floats:
        """Bad minus good."""
        return np.asarray(self.bad - self.good)

    def most_changed(self) -> list[int]:
        """Positions of the classes to draw, in their order."""
        size = np.abs(np.nan_to_num(self.change))
        k = len(self.labels)
        weight = size.max(1) + size.max(0)[:k]
        return sorted(int(i) for i in np.argsort(-weight, kind="stable")[:MOST_SHOWN])


def _sentence(grid: _Grid, unlabelled: list[float]) -> str:
    errors = np.nan_to_num(grid.change).copy()
    np.fill_diagonal(errors, 0.0)
    i, j = np.unravel_index(int(np.argmax(np.abs(errors))), errors.shape)
    if errors[i, j] == 0:
        text = "No kind of error changed"
    else:
        after, before = float(grid.bad[i, j]), float(grid.good[i, j])
        phrase = "get no prediction" if grid.predictions[j] == NONE else f"are predicted {grid.predictions[j]!r}"
        text = (
            f"The error that changed most: {say.percent(after)} of the rows labelled {grid.labels[i]!r} {phrase}, "
            f"{say.percent(before)} before"
        )
    if any(unlabelled):
        text += f"; without a label are {say.percent(unlabelled[1])} of rows, {say.percent(unlabelled[0])} before"
    return text + "."


def _side_by_side(grid: _Grid, shown: list[int], label: str, prediction: str, sentence: str) -> Spec:
    across = [*shown, *range(len(grid.labels), len(grid.predictions))]
    left_out = len(grid.labels) - len(shown)
    difference = safe(
        Matrix(
            title="change",
            reading=sentence,
            rows=tuple(grid.labels[i] for i in shown),
            columns=tuple(grid.predictions[j] for j in across),
            row_title=f"label: {label}",
            column_title=prediction,
            values=tuple(tuple(_finite_or_none(v) for v in grid.change[i, across]) for i in shown),
        )
    )
    figure = chart_spec(difference, width=CELL * len(across) + 140)
    periods = ("reference, % of label", grid.good), ("current, % of label", grid.bad)
    panels = [_panel(difference, name, values[np.ix_(shown, across)]) for name, values in periods]
    last = {"layer": figure["layer"], "data": figure["data"], "width": {"step": CELL}, "height": {"step": CELL_HEIGHT}}
    panels.append({**last, "title": {"text": "change, in points", "fontWeight": "normal", "anchor": "middle"}})
    title = f"Confusion of {label} and {prediction}" + (
        f", the {len(shown)} of {len(grid.labels)} classes that changed most" if left_out else ""
    )
    whole = {key: figure[key] for key in ("$schema", "config")}
    # The sentence was made safe with the matrix; the heading is made safe the same way.
    heading = safe(difference.model_copy(update={"title": title})).title
    spec = {**whole, "title": {"text": heading}, "description": difference.reading, "hconcat": panels, "spacing": 24}
    return framed(spec, width=max(480, 3 * CELL * len(across)))


def _panel(names: Matrix, title: str, shares: Floats) -> Spec:
    """One period's matrix, deeper where more of the label's rows are."""
    values = [
        {"row": row, "column": column, "text": _percent_text(shares[i, j]), "tint": _tint(shares[i, j])}
        for i, row in enumerate(names.rows)
        for j, column in enumerate(names.columns)
    ]
    steep = 6.6 * max(len(name) for name in names.columns) > CELL
    axis = {"labelLimit": 110, "ticks": False, "domain": False, "grid": False}
    place = {
        "x": {"field": "column", "type": "nominal", "sort": list(names.columns), "title": names.column_title}
        | {"axis": {**axis, "orient": "top", "labelAngle": -45 if steep else 0}},
        "y": {"field": "row", "type": "nominal", "sort": list(names.rows), "title": names.row_title, "axis": axis},
    }
    tint = {"field": "tint", "type": "nominal", "scale": None, "legend": None}
    return {
        "title": {"text": title, "fontWeight": "normal", "anchor": "middle"},
        "data": {"values": values},
        "width": {"step": CELL},
        "height": {"step": CELL_HEIGHT},
        "layer": [
            {"mark": {"type": "rect", "stroke": PAPER, "strokeWidth": 2}, "encoding": {**place, "fill": tint}},
            {
                "mark": {"type": "text", "fontSize": 11, "color": INK},
                "encoding": {**place, "text": {"field": "text"}},
            },
        ],
    }


def _finite_or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _percent_text(share: float) -> str:
    return say.fixed(100 * share, 1) if np.isfinite(share) else ""


def _tint(share: float) -> str:
    if not np.isfinite(share):
        return PAPER
    return BAND if share < 0.02 else RISE[min(2, int(3 * share))]
