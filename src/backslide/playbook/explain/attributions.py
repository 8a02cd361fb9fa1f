"""The explanations of both windows that all checks of this step read, computed once.

SHAP values of trees and linear models where the package shap is installed and agrees with the model's own answers; else Shapley
values sampled by asking the model. Two models are compared in one unit by one method, or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import polars as pl

from backslide.case import Case, Side
from backslide.contracts.extras import install
from backslide.engine.columns.cache import once
from backslide.models.failures import one_line
from backslide.models.model import Model
from backslide.playbook.drift.tabular.feature_reliance import leaning
from backslide.playbook.explain import rows as chosen
from backslide.playbook.explain.permutation_shapley import sampled_values
from backslide.playbook.explain.shap_values import Explainer, NoExactError, installed
from backslide.stats.arrays import Floats, Ints
from backslide.stats.change.units import Days

LEAST_ROWS, SAMPLED_ROWS = 80, 200
SAMPLED_ANSWERS = 24_000
"""Answers per window and model that sampling may take."""
MOST_WALKS = 6
SAMPLED_COLUMNS = 30
"""Columns that walk, those that the model leans on most; the others keep the row's own value."""
WIDE = 60
"""Features that methods and windows are compared on: with more, each asks for more rows of more columns."""
MIN_ROWS = 30
WITHOUT = (
    "sampled values and permutation importance stand; exact SHAP values, of linear models and trees, "
    f"need the package shap; {install('explain')}"
)


@dataclass(frozen=True)
class AttributionRows:
    """Rows of one window explained on one model."""

    values: Floats
    """(n, p, K) finite."""
    rows: Ints
    """Their places in the sample."""
    days: Days

    @property
    def size(self) -> Floats:
        """Absolute values (n, p), averaged over the outputs."""
        return np.asarray(np.abs(self.values).mean(axis=2))


@dataclass(frozen=True)
class Explanations:
    """What the reference model leans on in both windows, and the current one where it is at hand."""

    columns: tuple[str, ...]
    reference: AttributionRows
    current: AttributionRows
    """The reference model on current rows."""
    other: AttributionRows | None
    """The current model on the same current rows."""
    method: str
    unit: str
    note: str
    """What the reader should know about the method; empty where there is nothing."""

    @property
    def basis(self) -> str:
        """For findings."""
        sentence = (
            f"{self.method} on {len(self.reference.rows)} reference and {len(self.current.rows)} current rows, "
            f"in {self.unit}"
        )
        return f"{sentence}; {self.note}" if self.note else sentence

    def of(self, places: Ints, note: str) -> Explanations:
        """The same of some columns, by their places."""
        columns = tuple(self.columns[j] for j in places)
        reference, current, other = (
            None if part is None else replace(part, values=part.values[:, places])
            for part in (self.reference, self.current, self.other)
        )
        assert reference is not None
        assert current is not None
        return replace(self, columns=columns, reference=reference, current=current, other=other, note=note)


@once
def explanations(case: Case) -> Explanations | None:
    """Computed once; None with fewer than two columns, too few rows, or a model that fails on them."""
    columns = _columns(case)
    if columns is None:
        return None
    why = "shap is not installed"
    if installed():
        try:
            return _exact(case, columns)
        except NoExactError as error:
            why = str(error)
        except Exception as error:  # whatever shap or a user's steps raise: the model can still be asked
            why = one_line(error)
    return _sampled(case, columns, why)


def leading(attributions: Explanations) -> Explanations:
    """The same of the ``WIDE`` features that the model leans on most in either window."""
    if len(attributions.columns) <= WIDE:
        return attributions
    size = np.maximum(attributions.reference.size.mean(axis=0), attributions.current.size.mean(axis=0))
    places = np.sort(np.argsort(-size, kind="stable")[:WIDE])
    note = f"the {WIDE} of {len(attributions.columns)} features that the model leans on most"
    return attributions.of(places, f"{attributions.note}; {note}" if attributions.note else note)


def _columns(case: Case) -> list[str] | None:
    model = case.reference_model
    if model is None or model.takes != "frame":
        return None
    if case.current_model is not None and case.current_model.takes != "frame":
        return None
    columns = chosen.asked_columns(case, model)
    if columns is None or len(columns) < 2:
        return None
    picked = chosen.draw_rows(case)
    enough = min(len(picked.reference), len(picked.current)) >= MIN_ROWS and len(picked.background) > 0
    return columns if enough else None


def _other(case: Case, columns: list[str]) -> Model | None:
    """The current model, where it takes the same columns."""
    model = case.current_model
    if model is None or model is case.reference_model:
        return None
    asked = chosen.asked_columns(case, model)
    return model if asked is not None and set(asked) == set(columns) else None


def _exact(case: Case, columns: list[str]) -> Explanations:
    """By the package shap.

    Raises:
        NoExactError: the models cannot be explained so, or not in one unit.
        Exception: whatever shap or a user's steps raise.
    """
    assert case.reference_model is not None
    picked = chosen.draw_rows(case)
    other = _other(case, columns)
    models = [case.reference_model, *([other] if other is not None else [])]
    explainers = [_explainer(case, model, picked) for model in models]
    most = min(e.rows for e in explainers)
    parts = [_explain(case, models[0], explainers[0], side, most) for side in case.sides]
    if len(models) > 1:
        parts.append(_explain(case, models[1], explainers[1], case.current, most))
    if len({part[2] for part in parts}) != 1:
        raise NoExactError("the two models have no unit in common")
    done = _together(columns, [part[0] for part in parts], " and ".join(sorted({p[1] for p in parts})), parts[0][2], "")
    if done is None:
        raise NoExactError("it fails on too many rows")
    return done


def _explainer(case: Case, model: Model, picked: chosen.ExplainedRows) -> Explainer:
    columns = chosen.asked_columns(case, model)
    assert columns is not None
    sides = [(case.reference, picked.reference), (case.current, picked.current)]
    probe = pl.concat([side.sample[rows[:400]].select(columns) for side, rows in sides], how="vertical_relaxed")
    background = case.reference.sample[picked.background].select(columns)
    return Explainer(model.artefact, background, probe, case.rng("owners"))


def _explain(case: Case, model: Model, explainer: Explainer, side: Side, most: int) -> tuple[AttributionRows, str, str]:
    rows = chosen.draw_rows(case).of(case, side, most)
    assert case.reference_model is not None
    asked, columns = chosen.asked_columns(case, model), chosen.asked_columns(case, case.reference_model)
    assert asked is not None
    assert columns is not None
    frame = side.sample[rows]
    answers = chosen.outputs(case, model, frame)
    labels = chosen.explained_classes(case)
    attributions = explainer.values(frame.select(asked), answers, labels, dict(case.problem.spellings))
    values = attributions.values[:, [asked.index(c) for c in columns]]
    explained = _finite(case, side, values, rows)
    if explained is None:
        raise NoExactError("it fails on too many rows")
    return explained, attributions.method, attributions.unit


def _finite(case: Case, side: Side, values: Floats, rows: Ints) -> AttributionRows | None:
    """Without rows on which the model failed; None where those are many."""
    fine = np.isfinite(values).all(axis=(1, 2))
    if fine.sum() < MIN_ROWS or fine.mean() < 0.8:
        return None
    return AttributionRows(values[fine], rows[fine], chosen.days_at(case, side, rows[fine]))


def _sampled(case: Case, columns: list[str], why: str) -> Explanations | None:
    if len(columns) > SAMPLED_COLUMNS:
        leans = leaning(case)
        importance = leans.importance if leans is not None else {}
        columns = sorted(columns, key=lambda c: (-importance.get(c, 0.0), c))[:SAMPLED_COLUMNS]
    assert case.reference_model is not None
    asked = chosen.asked_columns(case, case.reference_model)
    assert asked is not None
    plan = [(case.reference_model, case.reference), (case.reference_model, case.current)]
    other = _other(case, asked)
    if other is not None:
        plan.append((other, case.current))
    done = [_walked(case, model, side, asked, columns) for model, side in plan]
    if any(part is None for part in done):
        return None
    unit = "probability" if case.problem.classification else "the label's unit"
    method = f"sampled Shapley values ({why})"
    return _together(columns, [d for d in done if d], method, unit, "" if installed() else WITHOUT)


def _walked(case: Case, model: Model, side: Side, asked: list[str], columns: list[str]) -> AttributionRows | None:
    picked = chosen.draw_rows(case)
    answers = chosen.budget(case, SAMPLED_ANSWERS)
    # One pair of walks is the least, so that a dear model is asked about fewer rows.
    rows = picked.of(case, side, int(np.clip(answers // (2 * (len(columns) + 1)), LEAST_ROWS, SAMPLED_ROWS)))
    walks = int(np.clip(answers // max(2 * len(rows) * (len(columns) + 1), 1), 1, MOST_WALKS))
    types = case.reference.sample.select(asked).schema
    frame = side.sample[rows].select(asked)
    background = case.reference.sample[picked.background].select(asked)
    if frame.schema != types:
        background, frame = _one_schema(background, frame)
    values = sampled_values(
        partial(chosen.outputs, case, model), frame, background, columns, walks, case.rng(f"walks {side.window.name}")
    )
    return _finite(case, side, values, rows)


def _one_schema(background: pl.DataFrame, frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Both in the types that hold either window's values; a column without such a type stays what it usually is."""
    both = []
    for column in frame.columns:
        try:
            joined = pl.concat([background.select(column), frame.select(column)], how="vertical_relaxed")
        except pl.exceptions.PolarsError:
            filler = background[column].gather(np.zeros(frame.height, np.int64))
            joined = pl.concat([background.select(column), filler.to_frame()])
        both.append(joined[column])
    whole = pl.DataFrame(both)
    return whole.head(background.height), whole.tail(frame.height)


def _together(
    columns: list[str], done: list[AttributionRows], method: str, unit: str, note: str
) -> Explanations | None:
    current, other = done[1], done[2] if len(done) > 2 else None
    if other is not None:
        # Paired: rows that both models answered.
        both, at, at_other = np.intersect1d(current.rows, other.rows, return_indices=True)
        if len(both) < MIN_ROWS:
            return None
        current, other = _take(current, at), _take(other, at_other)
    return Explanations(tuple(columns), done[0], current, other, method, unit, note)


def _take(part: AttributionRows, at: Ints) -> AttributionRows:
    return AttributionRows(part.values[at], part.rows[at], None if part.days is None else part.days[at])
