"""Exact SHAP values of tree and linear models, carried back to the columns that the model is given.

The package shap is an extra. What it says is checked against the model's own answers before it is believed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import polars as pl
from scipy import stats

from backslide.contracts.extras import needs
from backslide.contracts.imports import without
from backslide.contracts.labels import label_text
from backslide.models.frame import to_pandas
from backslide.stats.arrays import Floats, Ints

TREE_STEPS = 4e8
"""Leaves times squared depth times rows of one window that TreeSHAP may take: under a second."""
TREE_ROWS = (100, 200)
LINEAR_ROWS = 1000
UNOWNED = 0.01
"""Share of the values on inputs that no column moved from which they cannot be carried back."""
AGREES = 0.98
"""Rank correlation with the model's own answer under which the values are of another model than the one that answers."""
AGREES_CLASSES = 0.9
"""The same for what sets two of several classes apart, whose scores may each be normalised."""
EXACT = 1e-4


@dataclass(frozen=True)
class Exact:
    """SHAP values of rows on the columns of the model."""

    values: Floats
    """(n, p, K): as many outputs as asked for."""
    method: str
    unit: str


class NoExactError(Exception):
    """SHAP values of this model cannot be had exactly; the message says why."""


def installed() -> bool:
    """Whether the package shap is there; looking does not import it, which takes a second or two."""
    return find_spec("shap") is not None


def import_shap() -> Any:
    """The package, in a process of ours without what it draws with and without Spark: half of what its import takes.

    Raises:
        MissingExtraError: it is not installed.
    """
    with needs("explain", "exact SHAP values"), without("matplotlib", "IPython", "pyspark"):
        import shap
    return shap


class Explainer:
    """SHAP values of one saved model, where it is made of trees or is linear and its steps keep columns apart."""

    def __init__(self, artefact: Any, background: pl.DataFrame, probe: pl.DataFrame, rng: np.random.Generator) -> None:
        """Look inside ``artefact``; ``probe`` are rows of its columns.

        Raises:
            NoExactError: it is of another kind, its steps mix columns, or it is too large.
            Exception: whatever shap or the steps raise.
        """
        self.inside: Inside = look_inside(artefact)
        if not (self.inside.tree or self.inside.linear):
            raise NoExactError("it is neither made of trees nor linear")
        owner = owners(self.inside, probe, rng)
        if owner is None:
            raise NoExactError("its steps mix columns")
        self.owner = owner
        self.columns = len(probe.columns)
        with warnings.catch_warnings(action="ignore"):  # shap's own, of its dependencies
            shap = import_shap()
            if self.inside.tree:
                self._explainer = shap.TreeExplainer(self.inside.estimator)
            else:
                self._explainer = shap.LinearExplainer(self.inside.estimator, self.inside.transform(background))
        self.rows = self._most_rows()
        if not self.rows:
            raise NoExactError("its trees are too large")

    def _most_rows(self) -> int:
        """Rows of a window that can be explained in reasonable time; 0 for too few to say anything."""
        if not self.inside.tree:
            return LINEAR_ROWS
        trees = self._explainer.model
        leaves = float(np.sum(getattr(trees, "num_nodes", 6000))) / 2
        depth = float(getattr(trees, "max_depth", 10) or 10)
        rows = int(TREE_STEPS / max(leaves * depth**2, 1.0))
        return min(rows, TREE_ROWS[1]) if rows >= TREE_ROWS[0] else 0

    def values(self, frame: pl.DataFrame, answers: Floats, labels: tuple[str, ...], spellings: dict[str, str]) -> Exact:
        """SHAP values of ``frame`` for the scores of ``labels`` (none for a regression).

        Raises:
            NoExactError: they do not agree with ``answers`` (n, K), what the model itself says.
        """
        x = self.inside.transform(frame)
        with warnings.catch_warnings(action="ignore"):  # shap's own, of its dependencies
            options = {"check_additivity": False} if self.inside.tree else {}
            raw = np.asarray(self._explainer.shap_values(x, **options), float)
        raw = raw[:, :, None] if raw.ndim == 2 else raw
        expected = np.broadcast_to(
            np.ravel(np.asarray(self._explainer.expected_value, float))[-raw.shape[2] :], raw.shape[2]
        )
        if labels:
            raw, expected = self._of_labels(raw, expected, labels, spellings)
        unit = self._agreeing(raw.sum(axis=1) + expected, answers, bool(labels))
        method = "TreeSHAP" if self.inside.tree else "linear SHAP"
        return Exact(self._by_column(raw), method, unit)

    def _of_labels(
        self, raw: Floats, expected: Floats, labels: tuple[str, ...], spellings: dict[str, str]
    ) -> tuple[Floats, Floats]:
        """The outputs of the asked classes; one output stands for the second of two classes."""
        known = [spellings.get(t, t) for t in (label_text(c) for c in self.inside.estimator.classes_)]
        if raw.shape[2] == 1 and len(known) == 2:
            raw, expected = np.concatenate([-raw, raw], axis=2), np.concatenate([-expected, expected])
        if raw.shape[2] != len(known) or not set(labels) <= set(known):
            raise NoExactError("it gives other classes")
        at = [known.index(label) for label in labels]
        if len(labels) > 1:  # what moves all classes alike moves no answer
            raw, expected = raw - raw.mean(axis=2, keepdims=True), expected - expected.mean()
        return raw[:, :, at], expected[at]

    def _agreeing(self, outputs: Floats, answers: Floats, classifier: bool) -> str:
        rows = np.isfinite(outputs).all(axis=1) & np.isfinite(answers).all(axis=1)
        if rows.sum() < 10:
            raise NoExactError("it does not answer")
        outputs, answers, least = outputs[rows], answers[rows], AGREES
        plain = linked = answers
        if outputs.shape[1] > 1:
            # Scores of several classes share a denominator: only what sets two of them apart can be compared.
            logs = np.log(np.maximum(answers, 1e-12))
            outputs, plain, linked = (v[:, 1:] - v[:, :1] for v in (outputs, answers, logs))
            least = AGREES_CLASSES
        if np.allclose(outputs, plain, rtol=EXACT, atol=EXACT):
            return "probability" if classifier else "the label's unit"
        for k in range(outputs.shape[1]):
            if np.ptp(linked[:, k]) > 0 and not stats.spearmanr(outputs[:, k], linked[:, k]).statistic >= least:
                raise NoExactError("they are not what the model answers")
        return "log odds" if classifier else "the model's own scale"

    def _by_column(self, raw: Floats) -> Floats:
        free = np.abs(raw[:, self.owner < 0]).sum()
        if free > UNOWNED * np.abs(raw).sum():
            raise NoExactError("some inputs are of no column")
        values = np.zeros((raw.shape[0], self.columns, raw.shape[2]))
        for q in np.flatnonzero(self.owner >= 0):
            values[:, self.owner[q]] += raw[:, q]
        return values


# What is inside a saved model: the estimator at its end, the steps before it, and whose column each of its inputs is.


PROBE_ANSWERS = 8_000
MOST_CELLS = 20_000_000
WIDE = 60
"""Columns above which they are shuffled in groups."""
TREES = ("sklearn.ensemble", "sklearn.tree", "lightgbm", "xgboost", "catboost")
LINEAR = ("sklearn.linear_model", "sklearn.svm")


@dataclass(frozen=True)
class Inside:
    """The last estimator and how rows reach it."""

    estimator: Any
    transform: Callable[[pl.DataFrame], Floats]
    """Rows of the model's columns -> inputs of the estimator (n, q), as dense numbers; raises whatever the steps raise."""

    @property
    def tree(self) -> bool:
        """Whether it may be made of decision trees; shap refuses the other ensembles."""
        return _from(self.estimator, TREES)

    @property
    def linear(self) -> bool:
        """Whether it has a coefficient for each of its inputs."""
        return _from(self.estimator, LINEAR) and getattr(self.estimator, "coef_", None) is not None


def _from(estimator: Any, modules: tuple[str, ...]) -> bool:
    return any(type(estimator).__module__.startswith(module) for module in modules)


def look_inside(artefact: Any) -> Inside:
    """The estimator at the end of a pipeline or search; the artefact itself where there is no such thing."""
    while (best := getattr(artefact, "best_estimator_", None)) is not None:
        artefact = best
    steps = getattr(artefact, "steps", None)
    if not isinstance(steps, list) or not steps:
        return Inside(artefact, lambda frame: _dense(to_pandas(frame)))
    before = [step for _, step in steps[:-1] if step is not None and step != "passthrough"]

    def transform(frame: pl.DataFrame) -> Floats:
        rows: Any = to_pandas(frame)
        with warnings.catch_warnings(action="ignore"):  # the user's steps: what they give is checked below
            for step in before:
                rows = step.transform(rows)
        return _dense(rows)

    return Inside(steps[-1][1], transform)


def _dense(rows: Any) -> Floats:
    """As float64 (n, q).

    Raises:
        ValueError: texts, or too wide to be held.
    """
    if rows.shape[0] * rows.shape[1] > MOST_CELLS:
        raise ValueError("too wide")
    return np.asarray(rows.toarray() if hasattr(rows, "toarray") else rows, dtype=np.float64)


def owners(inside: Inside, frame: pl.DataFrame, rng: np.random.Generator) -> Ints | None:
    """Which column of ``frame`` each input of the estimator is made of (q,), -1 for none; None where one is made of several.

    Found by shuffling one column at a time in front of the steps, so that it holds for steps of any kind.
    """
    columns = frame.columns
    if len(columns) > WIDE:
        return _owners_by_groups(inside, frame, rng)
    rows = frame.head(max(PROBE_ANSWERS // max(len(columns), 1), 20))
    shuffled = [rows.with_columns(rows[c].gather(rng.permutation(rows.height)).alias(c)) for c in columns]
    answers = inside.transform(pl.concat([rows, *shuffled])).reshape(len(columns) + 1, rows.height, -1)
    owner = np.full(answers.shape[2], -1, np.int64)
    for j, answer in enumerate(answers[1:]):
        touched = (~np.isclose(answer, answers[0], rtol=1e-9, atol=0, equal_nan=True)).any(axis=0)
        if (owner[touched] >= 0).any():
            return None
        owner[touched] = j
    return owner


def _owners_by_groups(inside: Inside, frame: pl.DataFrame, rng: np.random.Generator) -> Ints | None:
    """The same by twice as many trials as the number of columns has binary digits.

    Each trial shuffles all columns whose number has one digit in one place, or all others. An input that is made of one column
    moves in one of the two, which is a digit of its owner; one that is made of several moves in both where their numbers differ.
    """
    columns, places = np.arange(frame.width), range((frame.width - 1).bit_length())
    groups = [[((columns >> place) & 1) == digit for digit in (0, 1)] for place in places]
    trials = 2 * len(places) + 1
    rows = frame.head(max(min(PROBE_ANSWERS, MOST_CELLS // frame.width) // trials, 20))
    shuffled = []
    for group in (group for pair in groups for group in pair):
        order = rng.permutation(rows.height)
        shuffled.append(rows.with_columns(rows.select(np.array(frame.columns)[group].tolist())[order]))
    answers = inside.transform(pl.concat([rows, *shuffled])).reshape(trials, rows.height, -1)
    moved = [(~np.isclose(a, answers[0], rtol=1e-9, atol=0, equal_nan=True)).any(axis=0) for a in answers[1:]]
    digits = np.array(moved).reshape(len(places), 2, -1)
    if digits.all(axis=1).any():
        return None
    owner = (digits[:, 1] * (1 << np.arange(len(places)))[:, None]).sum(axis=0)
    # Rows that a shuffle left in place by chance leave a digit open: such an input moves too rarely to have an owner.
    return np.where(digits.any(axis=1).all(axis=0) & (owner < frame.width), owner, -1)
