"""Alibi Detect: tests of every column, with texts as codes; missing numbers become the median, for it takes none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from alibi_detect.cd import TabularDrift
from task import features, main


def drift(reference: pd.DataFrame, current: pd.DataFrame, report: Path) -> None:
    numeric, texts = features(reference)
    medians = reference[numeric].median()
    both = []
    for frame in (reference, current):
        codes = [pd.Categorical(frame[c], pd.concat([reference[c], current[c]]).unique()).codes for c in texts]
        both.append(np.column_stack([frame[numeric].fillna(medians).to_numpy(float), *codes]))
    levels = {len(numeric) + place: None for place in range(len(texts))}
    TabularDrift(both[0], p_val=0.05, categories_per_feature=levels).predict(both[1])


if __name__ == "__main__":
    main({"drift": drift})
