"""Simulated prediction logs in which nothing happens, except what is asked for.

A binary classifier on nine features: six numeric ones (normal, log-normal, Student t with 3 degrees of freedom, an atom of
zeros, counts, a share capped at 1) and three categorical ones (4, 12 and 40 levels). Its scores are the true probabilities, so
that they are calibrated. Two windows follow each other in one stream. With ``days``, the stream is alive, and stationary:

* accuracy moves by day (standard deviation 0.8 points, AR(1) with correlation 0.3) and by weekday (up to 1.5 points);
* every numeric feature but ``share`` has an effect of its own by day (0.15 standard deviations, AR(1) with correlation 0.3), and
  ``income`` and ``visits`` one by weekday (up to 0.3);
* the shares of the levels of ``channel`` depend on the weekday (weekends bring up to 12 points more of ``web``), and so does
  how many rows a day brings.

All rows of a day share its effects: that, not the number of rows, is what limits what a window can tell.

Without ``days`` the rows are independent and carry no times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NUMERIC = ("income", "balance", "amount", "claims", "visits", "share")
CATEGORICAL = ("channel", "region", "code")
FEATURES = (*NUMERIC, *CATEGORICAL)
ROLES: dict[str, Any] = {
    "label": "label",
    "prediction": "prediction",
    "scores": {"yes": "p_yes"},
    "features": list(FEATURES),
    "metric": "accuracy",
}
TIME = "served_at"

ACCURACY_BY_DAY = 0.008
ACCURACY_BY_WEEKDAY = np.array([0.015, 0.007, 0.0, 0.003, -0.005, -0.005, -0.015])
FEATURE_BY_DAY = 0.15
FEATURE_BY_WEEKDAY = np.array([0.3, 0.15, 0.0, 0.0, -0.05, -0.1, -0.3])
WEB_BY_WEEKDAY = np.array([0.0, 0.0, 0.0, 0.0, 0.02, 0.12, 0.12])
ROWS_BY_WEEKDAY = np.array([1.2, 1.1, 1.1, 1.1, 1.0, 0.6, 0.5])
CORRELATION = 0.3
"""Of neighbouring days."""
FIRST = np.datetime64("2026-03-02", "D")  # a Monday
UNSURE = 0.05
"""Share of labels that no feature explains; it leaves room for accuracy to rise as well as to fall."""


@dataclass(frozen=True)
class Change:
    """What happens between the windows. Shifted columns do not enter the model, so that each change stays what it says."""

    shift: float = 0.0
    """Of ``balance``, and of the logarithm of ``amount``, in their standard deviations."""
    points: float = 0.0
    """Share of the rows whose ``region`` moves from the most frequent level to the second."""
    drop: float = 0.0
    """Fall of the probability to be right, for every row."""


@dataclass(frozen=True)
class Days:
    """How many days each window has; the current one follows the reference."""

    reference: int
    current: int

    def __str__(self) -> str:
        """``28 + 7``."""
        return f"{self.reference} + {self.current}"


class TrueModel:
    """The model behind the stream: knows the true probabilities. Stands in for a saved artefact."""

    classes_ = np.array(["no", "yes"])
    feature_names_in_ = np.array(FEATURES)

    def predict_proba(self, frame: Any) -> Floats:
        """Scores (n, 2)."""
        numeric = {c: np.nan_to_num(np.asarray(frame[c], float)) for c in ("income", "claims", "visits", "share")}
        p = probability(**numeric, channel=np.asarray(frame["channel"], object).astype(str))
        return np.column_stack([1 - p, p])

    def predict(self, frame: Any) -> NDArray[np.str_]:
        """The likelier class."""
        return np.asarray(self.classes_[(self.predict_proba(frame)[:, 1] >= 0.5).astype(int)])


def probability(income: Floats, claims: Floats, visits: Floats, share: Floats, channel: NDArray[np.str_]) -> Floats:
    """True probability of "yes"."""
    by_channel = np.select([channel == "web", channel == "phone", channel == "shop"], [0.4, -0.5, 0.1], 0.0)
    logit = 1.6 * income + 0.5 * np.log1p(np.clip(claims, 0, None)) + 0.12 * (visits - 6) - 1.5 * (share - 0.7)
    return np.asarray(UNSURE + (1 - 2 * UNSURE) / (1 + np.exp(-np.clip(logit + by_channel - 0.4, -30, 30))))


def windows(
    rng: np.random.Generator, rows: int, days: Days | None = None, change: Change | None = None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Reference and current window of one stream, ``rows`` rows each; ``change`` befalls the current one.

    Without ``days``: independent rows without times.
    """
    effects = _effects(rng, days) if days is not None else None
    change = change or Change()
    if effects is None or days is None:
        return _served(rng, rows, None, None, Change()), _served(rng, rows, None, None, change)
    # Any weekday may come first.
    first = FIRST + np.timedelta64(int(rng.integers(7)), "D")
    later = first + np.timedelta64(days.reference, "D")
    before = {name: values[: days.reference] for name, values in effects.items()}
    after = {name: values[days.reference :] for name, values in effects.items()}
    return _served(rng, rows, first, before, Change()), _served(rng, rows, later, after, change)


def _effects(rng: np.random.Generator, days: Days) -> dict[str, Floats]:
    """Day effects (standard normal) of one stream over both windows."""
    total = days.reference + days.current
    moving = ("accuracy", *NUMERIC[:-1])
    return {name: _autoregressive(rng, total) for name in moving}


def _autoregressive(rng: np.random.Generator, n: int) -> Floats:
    """AR(1) with standard deviation 1, from its stationary distribution on."""
    steps = rng.normal(size=n)
    values = np.empty(n)
    values[0] = steps[0]
    for i in range(1, n):
        values[i] = CORRELATION * values[i - 1] + np.sqrt(1 - CORRELATION**2) * steps[i]
    return values


def _served(
    rng: np.random.Generator, rows: int, first: np.datetime64 | None, effects: dict[str, Floats] | None, change: Change
) -> pl.DataFrame:
    zero = np.zeros(rows)
    if first is None or effects is None:
        day_of_row, weekday = np.zeros(rows, np.int64), None
        moved = dict.fromkeys(("accuracy", *NUMERIC), zero)
    else:
        total = len(effects["accuracy"])
        weekdays = (np.arange(total) + int((first - FIRST).astype(int))) % 7
        weight = ROWS_BY_WEEKDAY[weekdays]
        day_of_row = np.sort(rng.choice(total, rows, p=weight / weight.sum()))
        weekday = weekdays[day_of_row]
        moved = {name: values[day_of_row] for name, values in effects.items()} | {"share": zero}
    columns = _features(rng, rows, moved, weekday, change)
    p = probability(**{c: columns[c] for c in ("income", "claims", "visits", "share")}, channel=columns["channel"])
    right = np.maximum(p, 1 - p) + ACCURACY_BY_DAY * moved["accuracy"] - change.drop
    if weekday is not None:
        right = right + ACCURACY_BY_WEEKDAY[weekday]
    predicted = p >= 0.5
    label = predicted ^ (rng.random(rows) >= right)
    times = {} if first is None else {TIME: _times(rng, first, day_of_row)}
    return pl.DataFrame(
        columns
        | {"label": np.where(label, "yes", "no"), "p_yes": p, "prediction": np.where(predicted, "yes", "no")}
        | times
    )


def _features(
    rng: np.random.Generator, rows: int, moved: dict[str, Floats], weekday: NDArray[np.int64] | None, change: Change
) -> dict[str, Any]:
    latent = {name: rng.normal(size=rows) + FEATURE_BY_DAY * moved[name] for name in NUMERIC}
    if weekday is not None:
        for name in ("income", "visits"):
            latent[name] += FEATURE_BY_WEEKDAY[weekday]
    for name in ("balance", "amount"):
        latent[name] += change.shift
    heavy = latent["claims"] / np.sqrt(rng.chisquare(3, rows) / 3)  # Student t
    web = 0.4 + (0.0 if weekday is None else WEB_BY_WEEKDAY[weekday])
    return {
        "income": latent["income"],
        "balance": 1200 + 300 * latent["balance"],
        "amount": np.exp(4 + latent["amount"]),
        "claims": np.where(rng.random(rows) < 0.4, 0.0, np.abs(heavy)),
        "visits": np.floor(np.clip(6 + 2.5 * latent["visits"], 0, None)),
        "share": np.minimum(0.7 + 0.25 * latent["share"], 1.0),
        "channel": _channel(rng, rows, web),
        "region": _region(rng, rows, change.points),
        "code": np.array([f"code_{k:02d}" for k in range(40)], object)[_long_tail(rng, rows, 40)],
    }


def _channel(rng: np.random.Generator, rows: int, web: Floats | float) -> NDArray[np.object_]:
    rest = np.array(["phone", "shop", "partner"], object)[rng.choice(3, rows, p=[0.5, 0.3, 0.2])]
    return np.where(rng.random(rows) < web, "web", rest)


REGIONS = np.array([f"region_{k:02d}" for k in range(12)], object)
REGION_SHARES = np.array([0.3, 0.2, 0.12, 0.1, 0.08, 0.06, 0.05, 0.04, 0.02, 0.015, 0.01, 0.005])


def _region(rng: np.random.Generator, rows: int, points: float) -> NDArray[np.object_]:
    shares = REGION_SHARES.copy()
    shares[0] -= points
    shares[1] += points
    return np.asarray(REGIONS[rng.choice(12, rows, p=shares)])


def _long_tail(rng: np.random.Generator, rows: int, levels: int) -> NDArray[np.int64]:
    share = 1 / np.arange(1, levels + 1)
    return np.asarray(rng.choice(levels, rows, p=share / share.sum()))


def _times(rng: np.random.Generator, first: np.datetime64, day_of_row: NDArray[np.int64]) -> pl.Series:
    """Rising within each day: ``day_of_row`` is sorted already."""
    within = rng.integers(0, 86_400, len(day_of_row))
    seconds = np.sort(day_of_row * 86_400 + within).astype("timedelta64[s]")
    return pl.Series(TIME, first.astype("datetime64[us]") + seconds)
