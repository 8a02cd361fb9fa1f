"""whylogs' defaults: profiles of both windows and the drift score of every column.

A column is flagged when its score falls into the category DRIFT of the default thresholds. There is no alarm about performance.
"""

from __future__ import annotations

import os

os.environ["WHYLOGS_NO_ANALYTICS"] = "True"

import pandas as pd
import whylogs as why
from serve import Answer, Question, serve
from whylogs.viz.drift.column_drift_algorithms import calculate_drift_scores


def answer(reference: pd.DataFrame, current: pd.DataFrame, question: Question) -> Answer:
    """Columns in the category DRIFT."""
    features = question["numeric"] + question["categorical"]
    views = [why.log(pandas=frame[features]).view() for frame in (current, reference)]
    scores = calculate_drift_scores(target_view=views[0], reference_view=views[1], with_thresholds=True)
    flagged = [name for name in features if (scores.get(name) or {}).get("drift_category") == "DRIFT"]
    return {"flagged": flagged, "alarms": {}}


if __name__ == "__main__":
    serve(answer, why.__version__)
