"""LightGBM with categories: the code list of a column was renumbered upstream, and every value still looks valid."""

import lightgbm as lgb
import numpy as np
import pandas as pd

import backslide as bs

SHOPS = ["north", "south", "east", "west", "online"]


def month(start: str, rows: int, seed: int) -> pd.DataFrame:
    """Simulated orders, whether they came back, and where they were sold."""
    rng = np.random.default_rng(seed)
    shop, price = rng.choice(SHOPS, rows, p=[0.4, 0.25, 0.15, 0.15, 0.05]), rng.lognormal(3, 0.5, rows)
    often = pd.Series(shop).map({"north": -2.0, "south": 1.5, "east": -1.0, "west": 2.0, "online": 0.5}).to_numpy()
    back = rng.random(rows) < 1 / (1 + np.exp(-often - (np.log(price) - 3)))
    at = pd.date_range(start, periods=rows, freq="15min")
    return pd.DataFrame({"at": at, "shop": pd.Categorical(shop, SHOPS), "price": price, "returned": back.astype(int)})


def served(rows: pd.DataFrame, model) -> pd.DataFrame:
    chance = model.predict_proba(rows[["shop", "price"]])[:, 1]
    return rows.assign(prediction=(chance > 0.5).astype(int), p_returned=chance)


past = month("2026-01-01", 3000, 1)
model = lgb.LGBMClassifier(n_estimators=60, n_jobs=1, verbose=-1).fit(past[["shop", "price"]], past["returned"])
april = month("2026-04-01", 2500, 3)
april["shop"] = april["shop"].cat.rename_categories(dict(zip(SHOPS, [*SHOPS[1:], SHOPS[0]]))).cat.set_categories(SHOPS)

diagnosis = bs.diagnose(
    reference=served(month("2026-03-01", 2500, 2), model),
    current=served(april, model),
    roles=bs.Roles(label="returned", prediction="prediction", scores={"1": "p_returned"}, timestamp="at"),
    reference_model=model,
)
print(diagnosis.summary)
