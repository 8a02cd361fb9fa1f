"""fg-data-profiling (formerly ydata-profiling): a minimal profile of each window, compared on a page."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from data_profiling import ProfileReport, compare
from task import features, main


def drift_report(reference: pd.DataFrame, current: pd.DataFrame, report: Path) -> None:
    columns = [column for some in features(reference) for column in some]
    profiles = [
        ProfileReport(frame[columns], title=title, minimal=True, progress_bar=False)
        for frame, title in ((reference, "reference"), (current, "current"))
    ]
    compare(profiles).to_file(report, silent=True)


if __name__ == "__main__":
    main({"report": drift_report})
