"""In continuous integration: may the new model replace the old one? The exit code stops the deployment."""

import sys

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

import backslide as bs

FEATURES = ["income", "age", "region"]


def loans(rows: int, seed: int) -> pd.DataFrame:
    """Simulated loans with their outcomes; what age means depends on the region."""
    rng = np.random.default_rng(seed)
    income, age, region = rng.normal(0, 1, rows), rng.normal(0, 1, rows), rng.integers(0, 2, rows)
    paid = rng.random(rows) < 1 / (1 + np.exp(-2 * income - 3 * age * (2 * region - 1)))
    at = pd.date_range("2026-03-01", periods=rows, freq="10min")
    return pd.DataFrame({"at": at, "income": income, "age": age, "region": region, "outcome": paid.astype(int)})


past, labelled = loans(4000, 1), loans(2500, 2)
old = LogisticRegression().fit(past[FEATURES], past["outcome"])
new = HistGradientBoostingClassifier(random_state=0).fit(past[FEATURES], past["outcome"])
if "--worse" in sys.argv:
    old, new = new, old

answer = bs.gate(
    labelled.assign(prediction=old.predict(labelled[FEATURES])),
    roles=bs.Roles(label="outcome", prediction="prediction", timestamp="at", features=FEATURES),
    reference_model=old,
    current_model=new,
)
print(answer.summary)
answer.to_junit("gate.xml")
sys.exit(answer.verdict.held)
