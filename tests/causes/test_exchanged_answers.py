"""Answers of classes in each other's place without a model: told by the labels, and apart from labels that were renamed."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.causes.replay.exchanged_by_labels import find_exchanged_by_labels
from backslide.contracts.cause import CauseKind, Confidence
from backslide.playbook.base import Scenario

CLASSES = np.array(["bird", "cat", "cow", "dog", "fox"])
ROLES = {
    "label": "label",
    "prediction": "said",
    "scores": {c: f"p_{c}" for c in CLASSES.tolist()},
    "features": ("size",),
}


def animals(seed: int, shares: tuple[float, ...], rows: int = 2500) -> pl.DataFrame:
    """Animals with scores that are right in eight of ten, and a size that says little."""
    rng = np.random.default_rng(seed)
    label = rng.choice(5, rows, p=shares)
    logits = rng.normal(size=(rows, 5)) + 2.6 * np.eye(5)[label]
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    columns = {f"p_{c}": scores[:, i] for i, c in enumerate(CLASSES)}
    said = CLASSES[scores.argmax(axis=1)]
    return pl.DataFrame({"size": rng.normal(label, 3.0), "label": CLASSES[label], "said": said, **columns})


def exchanged(frame: pl.DataFrame, order: dict[str, str]) -> pl.DataFrame:
    """Scores and decisions under other names."""
    return frame.with_columns(
        *(frame[f"p_{old}"].alias(f"p_{new}") for old, new in order.items()), frame["said"].replace(order)
    )


APART = (0.4, 0.3, 0.15, 0.1, 0.05)
ALIKE = (0.2,) * 5
PAIR, RING = {"bird": "cow", "cow": "bird"}, {"bird": "cow", "cow": "dog", "dog": "bird"}


@pytest.mark.parametrize("order", [PAIR, RING])
@pytest.mark.parametrize(("shares", "sure"), [(APART, Confidence.SUPPORTED), (ALIKE, Confidence.SUSPECTED)])
def test_answers_that_exchange_classes_are_named_with_what_it_costs(order, shares, sure):
    sound = animals(2, shares)
    scenario = Scenario(animals(1, shares), exchanged(sound, order), ROLES, None)
    first = worlds.causes_of(scenario, metric="accuracy").causes[0]
    assert (first.kind, set(first.classes)) == (CauseKind.OUTPUT_CHANGE, set(order))
    assert first.confidence == sure
    right = [float((f["label"] == f["said"]).mean()) for f in (scenario.current, sound)]
    assert first.points.low <= right[0] - right[1] <= first.points.high


@pytest.mark.parametrize("kind", ["quiet", "renamed labels", "a worse class", "another mix"])
def test_what_is_no_exchange_of_answers(kind):
    current = animals(2, APART[::-1] if kind == "another mix" else APART)
    if kind == "renamed labels":
        current = current.with_columns(current["label"].replace(PAIR))
    if kind == "a worse class":
        lost = pl.when(pl.col("label") == "cow").then(pl.lit("dog")).otherwise(pl.col("said"))
        current = current.with_columns(said=lost)
    assert find_exchanged_by_labels(worlds.case_of(Scenario(animals(1, APART), current, ROLES, None))) is None
