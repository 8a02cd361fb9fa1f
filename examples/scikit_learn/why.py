"""A scikit-learn pipeline that got worse: an app began to send the income of a month where the model expects that of a year."""

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import backslide as bs


def month(start: str, rows: int, seed: int) -> pd.DataFrame:
    """Simulated loans of a month: what the service was sent, and what became of them."""
    rng = np.random.default_rng(seed)
    income, age = rng.lognormal(10.3, 0.4, rows), rng.uniform(20, 70, rows)
    paid = rng.random(rows) < 1 / (1 + np.exp(-(np.log(income) - 10.3) * 6 - (age - 45) / 15))
    at = pd.date_range(start, periods=rows, freq=f"{30 * 24 * 60 // rows}min")
    return pd.DataFrame(
        {
            "at": at,
            "income": income,
            "age": age,
            "channel": rng.choice(["app", "branch"], rows),
            "outcome": np.where(paid, "paid", "default"),
        }
    )


def served(rows: pd.DataFrame, model) -> pd.DataFrame:
    scores = model.predict_proba(rows[["income", "age"]])
    return rows.assign(
        prediction=model.predict(rows[["income", "age"]]), p_paid=scores[:, list(model.classes_).index("paid")]
    )


past = month("2026-01-01", 2000, 1)
model = make_pipeline(StandardScaler(), LogisticRegression()).fit(past[["income", "age"]], past["outcome"])
april = month("2026-04-01", 2000, 3)
april.loc[april["channel"] == "app", "income"] /= 12  # the fault

diagnosis = bs.diagnose(
    reference=served(month("2026-03-01", 2000, 2), model),
    current=served(april, model),
    roles=bs.Roles(label="outcome", prediction="prediction", scores={"paid": "p_paid"}, timestamp="at"),
    reference_model=model,
)
print(diagnosis.summary)
diagnosis.to_html("why.html")
