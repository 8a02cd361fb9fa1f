"""A regression with a weekly season: the current window has more weekends, so the same weekdays are compared."""

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestRegressor

import backslide as bs
from backslide.contracts.config import Settings

FEATURES = ["weekday", "temperature", "humidity"]


def rides(start: str, days: int, seed: int) -> pd.DataFrame:
    """Simulated rides by the hour; humidity matters on warm days."""
    rng = np.random.default_rng(seed)
    at = pd.date_range(start, periods=24 * days, freq="h")
    warm, wet = 12 + 8 * rng.random(len(at)), 40 + 50 * rng.random(len(at))
    count = 100 + 60 * (at.day_of_week < 5) + 6 * (warm - 12) - 0.8 * (wet - 40) + rng.normal(0, 10, len(at))
    return pd.DataFrame({"at": at, "weekday": at.day_of_week, "temperature": warm, "humidity": wet, "rides": count})


past = rides("2026-01-05", 56, 1)
model = RandomForestRegressor(40, min_samples_leaf=5, random_state=0).fit(past[FEATURES], past["rides"])
march, april = rides("2026-03-02", 28, 2), rides("2026-04-02", 25, 3)
april.loc[april["at"] >= "2026-04-10", "humidity"] /= 100  # the fault: percent became fractions
for rows in (march, april):
    rows["forecast"] = model.predict(rows[FEATURES])

diagnosis = bs.diagnose(
    reference=march,
    current=april,
    roles=bs.Roles(label="rides", prediction="forecast", timestamp="at", features=FEATURES),
    settings=Settings.from_dict({"windows": {"match": "weekday"}}),
    task="regression",
    reference_model=model,
)
print(diagnosis.summary)
print(diagnosis.inputs.days_compared)
