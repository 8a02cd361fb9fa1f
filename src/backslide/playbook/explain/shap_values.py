"""Exact SHAP values of tree and linear models, carried back to the columns that the model is given.

The package shap is an extra. What it says is checked against the model's own answers before it is believed.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import polars as pl
from scipy import stats

from backslide.contracts.extras import needs
from backslide.contracts.imports import without
from backslide.contracts.labels import label_text
from backslide.playbook.explain.estimator import Inside, look_inside, owners
from backslide.stats.metrics.metric import Floats

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
