"""whylogs: profiles of both windows with their drift scores, and its report of drift."""

from __future__ import annotations

import os

os.environ["WHYLOGS_NO_ANALYTICS"] = "True"

from pathlib import Path

import pandas as pd
import whylogs as why
from task import features, main
from whylogs.viz import NotebookProfileVisualizer
from whylogs.viz.drift.column_drift_algorithms import calculate_drift_scores


def _views(reference: pd.DataFrame, current: pd.DataFrame) -> list[why.core.DatasetProfileView]:
    columns = [column for some in features(reference) for column in some]
    return [why.log(pandas=frame[columns]).view() for frame in (current, reference)]


def drift(reference: pd.DataFrame, current: pd.DataFrame, report: Path) -> None:
    target, base = _views(reference, current)
    calculate_drift_scores(target_view=target, reference_view=base, with_thresholds=True)


def drift_report(reference: pd.DataFrame, current: pd.DataFrame, report: Path) -> None:
    target, base = _views(reference, current)
    visualizer = NotebookProfileVisualizer()
    visualizer.set_profiles(target_profile_view=target, reference_profile_view=base)
    report.write_text(visualizer.summary_drift_report().data)


if __name__ == "__main__":
    main({"drift": drift, "report": drift_report})
