"""A model behind an API: fixed rows are asked every day, so another model is told from another world, without labels."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

shutil.copy(Path(__file__).with_name("api.py"), "api.py")  # the configuration names it beside itself
Path("NEW_MODEL").unlink(missing_ok=True)
import api

import backslide as bs
from backslide.contracts.config import Settings

START, GOOD, LATER, CHANGE = datetime(2026, 3, 2, tzinfo=UTC), 28, 8, 4


def served(day: int) -> pd.DataFrame:
    """What was asked and answered on a simulated day; outcomes come a month later."""
    rng = np.random.default_rng(day)
    income = rng.lognormal(3, 0.5, 150)
    at = [START + timedelta(days=day, minutes=9 * k) for k in range(150)]
    answer = api.score(pd.DataFrame({"income": income}))["paid"]
    paid = rng.random(150) < 1 / (1 + np.exp(-2.5 * (np.log(income) - 3)))
    return pd.DataFrame(
        {
            "at": at,
            "income": income,
            "p_paid": answer,
            "prediction": np.where(answer > 0.5, "paid", "default"),
            "outcome": np.where(paid, "paid", "default") if day < GOOD else None,
        }
    )


settings = Settings.from_dict(
    {"watch": {"canary": {"model": "api.py:score", "rows": 100}, "diagnose": False}, "artifacts": {"trusted": True}},
    base=Path.cwd(),
)
roles = bs.Roles(
    label="outcome", prediction="prediction", scores={"paid": "p_paid"}, timestamp="at", features=("income",)
)
reference, later = pd.concat([served(day) for day in range(GOOD)]), []
Path("state.db").unlink(missing_ok=True)
for day in range(GOOD, GOOD + LATER):
    if day == GOOD + CHANGE:
        Path("NEW_MODEL").touch()
    later.append(served(day))
    look = bs.watch(
        reference,
        pd.concat(later),
        roles=roles,
        settings=settings,
        store="sqlite:///state.db",
        as_of=START + timedelta(days=day + 1, hours=1),
    )
    print(f"day {day - GOOD + 1}: {look.status.name.lower()}", *[one.sentence for one in look.incidents], sep=", ")
