"""popmon: its stability report by day against a reference."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import popmon
from task import features, main


def drift_report(reference: pd.DataFrame, current: pd.DataFrame, report: Path) -> None:
    columns = [f"served_at:{column}" for some in features(reference) for column in some]
    settings = popmon.Settings(reference_type="external", time_axis="served_at", features=columns)
    first = str(reference["served_at"].min().normalize())
    popmon.df_stability_report(
        current, settings=settings, reference=reference, time_width="1d", time_offset=first
    ).to_file(str(report))


if __name__ == "__main__":
    main({"report": drift_report})
