"""The fitted pipeline and its training rows, and a working folder outside of any checkout."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from stacks import Trained, unfitted


@pytest.fixture(scope="session")
def trained() -> Trained:
    rng = np.random.default_rng(0)
    n = 800
    rows = pd.DataFrame(
        {
            "income": rng.lognormal(8, 0.5, n),
            "age": rng.integers(18, 80, n).astype(float),
            "channel": rng.choice(["web", "phone", "branch"], n).astype(object),
        }
    )
    rows.loc[rng.random(n) < 0.05, "age"] = np.nan
    labels = np.where(np.log(rows["income"]) + 0.3 * (rows["channel"] == "web") > 8.1, "paid", "default")
    return Trained(rows, labels, unfitted().fit(rows, labels))


@pytest.fixture(autouse=True)
def _outside_of_any_checkout(tmp_path, monkeypatch):
    """A snapshot records the checkout of the working folder."""
    monkeypatch.chdir(tmp_path)
