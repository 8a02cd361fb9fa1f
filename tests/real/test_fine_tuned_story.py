"""A model fine-tuned on fresh articles: better overall, less sure, worse for a class that the fresh labels hardly held."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest
from sklearn.pipeline import Pipeline

import backslide as bs
from backslide.contracts.cause import CauseKind, Confidence
from backslide.contracts.diagnosis import Verdict
from backslide.contracts.shadow import ShadowVerdict
from backslide.models.frame import to_pandas
from real.text_worlds import SETS, unfitted
from real.worlds import table
from scale import runs

pytestmark = [pytest.mark.data, pytest.mark.rates]
NAME = "reuters_news"
CASES = [("trade", 1), ("trade", 2)][: runs(1, 2)]
HEADING, TEXT, LABEL = SETS[NAME]
FEATURES = [HEADING, TEXT]


@dataclass(frozen=True)
class Desk:
    reference: pl.DataFrame
    current: pl.DataFrame
    old: Pipeline
    new: Pipeline
    roles: bs.Roles


def fitted(rows: pl.DataFrame, strength: float) -> Pipeline:
    return (
        unfitted(FEATURES).set_params(model__C=strength).fit(to_pandas(rows.select(FEATURES)), rows[LABEL].to_numpy())
    )


def served(rows: pl.DataFrame, model: Pipeline) -> pl.DataFrame:
    chance = model.predict_proba(to_pandas(rows.select(FEATURES)))
    scores = [pl.Series(f"p_{name}", chance[:, i]) for i, name in enumerate(model.classes_)]
    return rows.with_columns(pl.Series("predicted", model.classes_[chance.argmax(axis=1)]), *scores)


def desk(scarce: str, seed: int) -> Desk:
    """Old: 250 articles, weights free. New: ten times as many, of one class hardly any, weights held back."""
    rows = table(NAME)
    rng = np.random.default_rng(seed)
    past, fresh, later = (rows[np.sort(part)] for part in np.split(rng.permutation(rows.height), [250, 2882]))
    fresh = fresh.filter((pl.col(LABEL) != scarce) | pl.Series(rng.random(fresh.height) < 0.12))
    old, new = fitted(past, 1000.0), fitted(fresh, 1.0)
    half = later.height // 2
    roles = bs.Roles(
        label=LABEL,
        prediction="predicted",
        scores={name: f"p_{name}" for name in old.classes_},
        timestamp="published_at",
        features=tuple(FEATURES),
    )
    return Desk(served(later[:half], old), served(later[half:], new), old, new, roles)


@pytest.mark.parametrize(("scarce", "seed"), CASES)
def test_the_first_screen_says_what_the_total_hides(scarce: str, seed: int):
    d = desk(scarce, seed)
    found = bs.diagnose(
        reference=d.reference,
        current=d.current,
        roles=d.roles,
        reference_model=d.old,
        current_model=d.new,
        metric="accuracy",
    )
    assert found.verdict is Verdict.DEGRADED_IN_PART
    assert found.parts[0].name == scarce
    assert f"for the class '{scarce}'" in found.summary
    assert (found.causes[0].kind, found.causes[0].confidence) == (CauseKind.MODEL_CHANGE, Confidence.PROVEN)
    assert scarce in found.causes[0].classes
    assert found.causes[0].points.high < -0.1
    first = found.to_text().split("Causes")[0]
    assert f"{scarce}: F1 fell" in first
    assert "masked" in first
    assert "mean entropy of the scores rose" in first
    assert f"labelled '{scarce}' are predicted" in first


@pytest.mark.parametrize(("scarce", "seed"), CASES)
def test_both_models_on_the_same_articles_say_who_wins_where(scarce: str, seed: int):
    d = desk(scarce, seed)
    compared = bs.shadow(
        reference=d.reference, current=d.current, roles=d.roles, old_model=d.old, new_model=d.new, metric="accuracy"
    )
    assert compared.verdict is ShadowVerdict.MIXED
    assert compared.summary.startswith("The new model is better overall")
    assert scarce in compared.summary
    text = compared.to_text()
    assert f"{scarce} (masked)" in text
    sure = next(line for line in text.splitlines() if line.strip().startswith("confidence"))
    assert "−" in sure.split("%")[2], f"the new model is less sure: {sure}"
