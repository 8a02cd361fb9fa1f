"""Which rows to label where the labels decide nothing, and what the verdict is once some of them are.

Only an inconclusive verdict asks, and only where labels of current rows would decide it: not where the days differ too much among
themselves, and not where every row is labelled. The rows go out as CSV with their probabilities, and come back by the same name.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import norm

from backslide.case import Case, codes_of
from backslide.contracts import say
from backslide.contracts.cause import LabelRequest
from backslide.contracts.diagnosis import Verdict
from backslide.contracts.errors import ConfigError, LabelError, LogError
from backslide.contracts.files import whole_file
from backslide.contracts.finding import Estimate
from backslide.contracts.labels import label_text
from backslide.engine.roles.outcomes import Outcomes
from backslide.jobs.verdict import Judgement, headline_verdict
from backslide.log.label_sample import ANSWER, DESIGN, read_answers
from backslide.log.spreadsheet import guard_formulas
from backslide.stats.arrays import Floats, Ints, Mask
from backslide.stats.change import label_design
from backslide.stats.change.label_design import RowExpectation
from backslide.stats.change.label_plan import DrawPlanner
from backslide.stats.change.metric_change import Change, Units, compare
from backslide.stats.change.units import row_units

LEAST_REFERENCE = 200
"""Labelled reference rows under which they foretell nothing."""
LEAST_ROWS = 100
"""Current rows without a label under which there is nothing to draw from."""
FEWEST_ANSWERS = 25
"""Labels of a draw under which they decide nothing: their spread is not known."""
ROWS = ("counts", "absolute", "squared", "log_loss", "brier")
"""Row statistics that a few rows speak for."""


@dataclass(frozen=True)
class ReturnedLabels:
    """Labels that came back of a draw."""

    places: Ints
    """Rows of the current sample (m,)."""
    labels: NDArray[np.generic]
    """Codes of classes, or numbers (m,)."""
    chance: Floats
    """With which each row was drawn, and answered, (m,)."""
    rows: int
    """Rows in the file."""


class LabelDraw:
    """What the current window is expected to be, and the rows whose labels would tell more."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.metric = case.metric

    @property
    def obstacle(self) -> str:
        """Why no labels can be asked for; empty where they can."""
        if self.metric.whole is not None or self.metric.rows not in ROWS:
            return f"{say.metric(self.metric.name)} is no sum over rows, for which a draw of them could speak"
        if len(self._reference_rows) < LEAST_REFERENCE:
            return f"the reference has fewer than {LEAST_REFERENCE} labelled rows, so nothing is expected of the current ones"
        if (~self._labelled & self._answered).sum() < LEAST_ROWS:
            return f"fewer than {LEAST_ROWS} current rows with a prediction wait for a label"
        return ""

    @cached_property
    def _reference_rows(self) -> Ints:
        return self.case.labelled_rows(self.case.reference)

    @cached_property
    def _labelled(self) -> Mask:
        return self.case.current.outcomes.known()

    @cached_property
    def _answered(self) -> Mask:
        """Current rows with a prediction and, where there are scores, all of them."""
        o = self.case.current.outcomes
        return Outcomes(np.zeros(len(o.labels), o.labels.dtype), o.predictions, o.scores).known()

    @cached_property
    def rows(self) -> Ints:
        """Sampled current rows that the metric is about (n,)."""
        return np.flatnonzero(self._answered)

    @cached_property
    def expectation(self) -> RowExpectation:
        """Of the ``rows``."""
        reference, current = (
            self.case.reference.outcomes.take(self._reference_rows),
            self.case.current.outcomes.take(self.rows),
        )
        statistics = reference.statistics(self.metric, len(self.case.problem.classes))
        return label_design.expect(self.metric, statistics, _alike(reference), _alike(current))

    @cached_property
    def ideal(self) -> Change:
        """The change to expect from the answers alone, with the noise that labels of all current rows would leave."""
        case, days = self.case, self.case.current.blocks
        reference = case.reference.units(self.metric)
        own = case.reference.outcomes.take(self._reference_rows).statistics(self.metric, len(case.problem.classes))
        units = row_units(self.expectation.sums, None if days is None else days[self.rows])
        second = own.T @ own * (len(self.rows) / len(own))
        return compare(reference, Units(units.sums, units.rows, second, units.weekdays, units.ordinals), self.metric)

    def change(self, answers: ReturnedLabels | None) -> Change:
        """The change by the labels that are there and those that came back, with an interval that holds over all looks."""
        labelled = np.flatnonzero(self._labelled[self.rows])
        o, classes = self.case.current.outcomes, len(self.case.problem.classes)
        parts = [o.take(self.rows[labelled]).statistics(self.metric, classes)]
        places, chance = [labelled], [np.ones(len(labelled))]
        if answers is not None:
            drawn = o.take(answers.places)
            filled = Outcomes(answers.labels, drawn.predictions, drawn.scores)
            parts.append(filled.statistics(self.metric, classes))
            places.append(np.searchsorted(self.rows, answers.places))
            chance.append(answers.chance)
        joined = np.concatenate(places), np.concatenate(parts), np.concatenate(chance)
        return self.planner.over_looks(label_design.estimate(self.metric, self.ideal, self.expectation, *joined))

    @cached_property
    def planner(self) -> DrawPlanner:
        """Of the draws."""
        return DrawPlanner(self.expectation, self.metric, self.ideal, self.case.problem.min_effect)

    def request(self, answers: ReturnedLabels | None, change: Change | None) -> LabelRequest | None:
        """The smallest draw that would decide, or the next one on the way there; None where no draw would."""
        ideal = self.ideal
        if not (np.isfinite(ideal.estimate) and np.isfinite(ideal.se)):
            return None
        if answers is None or change is None:
            plan = self.planner.first()
        else:
            plan = self.planner.further(change, answers.rows)
        if plan is None:
            return None
        rows, expected = plan.rows, ideal.estimate if change is None else change.estimate
        half = float(norm.isf(self.planner.held_alpha)) * float(
            np.hypot(ideal.se, label_design.design_error(self.expectation, rows))
        )
        return LabelRequest(
            rows=rows,
            of_rows=len(self.rows),
            uniform_rows=label_design.uniform_rows(self.expectation, plan.error),
            interval_then=Estimate(estimate=expected, low=expected - half, high=expected + half),
        )

    def ids(self) -> list[str]:
        """Ids of the ``rows``.

        Raises:
            ConfigError: without such a column, or where ids repeat.
        """
        column = self.case.problem.roles.id
        if column is None:
            raise ConfigError("--ask needs [model] id, the column by which labels come back; name it")
        ids = self.case.current.sample[column].cast(pl.String)[self.rows]
        if ids.null_count() or ids.n_unique() < len(ids):
            raise ConfigError(
                f"--ask needs one id for each current row; {column!r} is missing or repeats on some of them"
            )
        return ids.to_list()

    def write(self, file: Path, request: LabelRequest, before: pl.DataFrame | None) -> LabelRequest:
        """Write the draw as CSV, with the labels that are there already.

        Raises:
            ConfigError: the rows have no ids.
        """
        ids = self.ids()
        chance = label_design.chances(self.expectation, request.rows)
        waiting = ~self._labelled[self.rows]
        drawn = np.flatnonzero((label_design.permanent_numbers(ids) < chance) & waiting)
        sample = self.case.current.sample[self.rows[drawn]]
        roles = self.case.problem.roles
        own = [c for c in sample.columns if not c.startswith("__") and c not in (roles.id, roles.label)]
        lists = [c for c in own if sample[c].dtype.is_nested()]
        table = sample.select(
            pl.Series("id", [ids[i] for i in drawn], dtype=pl.String),
            pl.Series("inclusion", chance[drawn]),
            pl.lit(len(self.rows)).alias("of_rows"),
            *(c for c in own if c not in ("id", ANSWER, *DESIGN, *lists)),
        )
        if before is None:
            table = table.with_columns(pl.lit(None, dtype=pl.String).alias(ANSWER))
        else:
            table = table.join(before.select("id", ANSWER).unique("id", keep="last"), on="id", how="left")
        with whole_file(file) as part:
            ordered = table.select("id", ANSWER, *DESIGN, pl.exclude("id", ANSWER, *DESIGN))
            guard_formulas(ordered).write_csv(part)
        return request.model_copy(update={"rows": table.height, "file": str(file)})

    def read(self, file: Path) -> tuple[pl.DataFrame, ReturnedLabels]:
        """Labels that came back.

        Raises:
            LogError: the file cannot be read.
            LabelError: a label is none of the classes, or no number, or no row of the file is in the current window.
        """
        table = read_answers(file)
        missing = [name for name in DESIGN if name not in table.columns]
        if missing:
            raise LogError(f"{file} has no column {missing[0]!r}, which --ask wrote; fill in that file")
        place = {text: i for i, text in enumerate(self.ids())}
        answered = table.drop_nulls(ANSWER).unique("id", keep="last", maintain_order=True)
        strangers = [text for text in answered["id"] if text not in place]
        if strangers:
            raise LabelError(
                f"{say.counted(len(strangers), 'id')} of {file} are not in the current rows, such as {strangers[0]!r}"
            )
        known = answered.with_columns(pl.Series("place", [place[t] for t in answered["id"]], dtype=pl.Int64))
        codes = self._labels(known[ANSWER], file)
        rate = known.height / max(table.height, 1)  # rows without an answer are taken to be like the others
        answers = ReturnedLabels(
            self.rows[known["place"].to_numpy()], codes, known["inclusion"].to_numpy() * rate, table.height
        )
        return table, answers

    def _labels(self, texts: pl.Series, file: Path) -> NDArray[np.generic]:
        problem = self.case.problem
        if not problem.classification:
            numbers = texts.cast(pl.Float64, strict=False)
            if numbers.null_count():
                raise LabelError(f"{file}: the label {texts.filter(numbers.is_null())[0]!r} is not a number")
            return numbers.to_numpy()
        codes = codes_of(np.array([label_text(text) for text in texts], object), problem.classes, problem.spellings)
        if (codes < 0).any():
            raise LabelError(
                f"{file}: the label {texts[int(np.argmax(codes < 0))]!r} is not one of {say.listed(problem.classes)}; correct it"
            )
        return codes


def consult(case: Case, judgement: Judgement, file: Path | None) -> tuple[Judgement, LabelRequest | None]:
    """What the labels of a draw say of an inconclusive verdict, and the draw that would decide it, written to ``file``.

    Raises:
        BackslideError: the file cannot be read or written, in one line.
    """
    if judgement.verdict != Verdict.INCONCLUSIVE:
        return _without_request(case, judgement, file, "the labels that are there decide")
    draw = LabelDraw(case)
    if draw.obstacle:
        return _without_request(case, judgement, file, draw.obstacle)
    table = answers = change = None
    if file is not None and file.exists():
        table, answers = draw.read(file)
        if len(answers.places) < FEWEST_ANSWERS:
            answers = None  # the same draw is asked for again
        else:
            change = draw.change(answers)
            judgement = _judge(draw, judgement, change, answers)
    if judgement.verdict != Verdict.INCONCLUSIVE:
        return judgement, None
    request = draw.request(answers, change)
    if request is None:
        reason = "labels of more rows, or of all, would hardly decide: the windows differ too much by chance"
        return _without_request(case, judgement, file, reason)
    if file is None:
        return judgement, request
    try:
        return judgement, draw.write(file, request, table)
    except OSError as error:
        raise ConfigError(f"--ask cannot write {file}: {error.strerror}; name a file in a folder that exists") from None


def _without_request(case: Case, judgement: Judgement, file: Path | None, reason: str) -> tuple[Judgement, None]:
    """The verdict as it is; where rows were asked for, a note says why there are none."""
    if file is not None:
        case.notes.append(f"--ask asks for no labels: {reason}")
    return judgement, None


def _judge(draw: LabelDraw, judgement: Judgement, change: Change, answers: ReturnedLabels) -> Judgement:
    """The verdict by the labels of a draw."""
    verdict = headline_verdict(draw.case, change, draw.planner.alpha)
    labels = f"{say.counted(len(answers.places), 'label')} of a draw of {say.counted(answers.rows, 'current row')}"
    said = f"{labels} do not decide yet" if verdict == Verdict.INCONCLUSIVE else f"the verdict rests on {labels}"
    changed = replace(judgement, verdict=verdict, change=change, target_change=change, caveats=(said,))
    return replace(changed, needs_proof=False)


def _alike(outcomes: Outcomes) -> tuple[Ints, Floats]:
    """By what rows are answered alike: the predicted class and its score; of numbers the number."""
    predictions = outcomes.predictions
    if predictions.dtype.kind == "f":
        return np.zeros(len(predictions), np.int64), predictions.astype(float)
    codes = predictions.astype(np.int64)
    if outcomes.scores is None:
        return codes, np.zeros(len(codes))
    return codes, outcomes.scores[np.arange(len(codes)), codes]
