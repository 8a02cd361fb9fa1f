"""A classifier of texts whose input is cut upstream: a field of the ticket system holds 40 characters since April.

A transformer is asked in the same way: ``reference_model`` is any object with ``predict`` that takes a frame with the column.
"""

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import backslide as bs

TOPICS = {
    "billing": "invoice charged refund twice card payment",
    "login": "password reset locked account code email",
    "delivery": "parcel late driver address tracking box",
}
FILLER = (
    "hello team I am writing because since some days there is something that I would like you to look at please".split()
)


def month(start: str, rows: int, seed: int) -> pd.DataFrame:
    """Simulated tickets: a greeting of some length, then what it is about."""
    rng = np.random.default_rng(seed)
    topics = rng.choice(list(TOPICS), rows)
    texts = [" ".join([*FILLER[: rng.integers(4, 20)], *rng.choice(TOPICS[topic].split(), 5)]) for topic in topics]
    return pd.DataFrame({"at": pd.date_range(start, periods=rows, freq="20min"), "text": texts, "topic": topics})


past = month("2026-01-01", 1500, 1)
model = make_pipeline(make_column_transformer((TfidfVectorizer(), "text")), LogisticRegression(max_iter=500))
model.fit(past[["text"]], past["topic"])
march, april = month("2026-03-01", 1500, 2), month("2026-04-01", 1500, 3)
april["text"] = april["text"].str[:40]  # the fault

diagnosis = bs.diagnose(
    reference=march.assign(prediction=model.predict(march[["text"]])),
    current=april.assign(prediction=model.predict(april[["text"]])),
    roles=bs.Roles(label="topic", prediction="prediction", timestamp="at"),
    reference_model=model,
    quick=True,
)
print(diagnosis.summary)
