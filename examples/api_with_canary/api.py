"""A stand-in for somebody else's API: simulated, and another model answers once the file NEW_MODEL is there."""

from pathlib import Path

import numpy as np
import pandas as pd


def score(rows: pd.DataFrame) -> pd.DataFrame:
    """Chances by class, as the provider returns them."""
    slope = 1.1 if Path("NEW_MODEL").exists() else 2.5
    paid = 1 / (1 + np.exp(-slope * (np.log(np.asarray(rows["income"], float)) - 3)))
    return pd.DataFrame({"default": 1 - paid, "paid": paid})
