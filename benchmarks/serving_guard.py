"""What a frozen pipeline costs per call, beside the same pipeline unguarded, and what a snapshot takes.

Calls both in turns, so that they meet the same machine, with single rows and with batches, and prints the median time of a
call, the median of the paired differences, and that difference as a share of the unguarded call. The aim is 20 µs plus 2 %.

    python benchmarks/serving_guard.py --calls 2000
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

from measure import machine, table


def pipeline(rows: int, columns: int) -> tuple[Any, Any]:
    """A fitted scaler, encoder and forest, and the rows it was fitted on."""
    import numpy as np
    import pandas as pd
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    rng = np.random.default_rng(0)
    frame = pd.DataFrame({f"n{i}": rng.normal(size=rows) for i in range(columns - columns // 5)})
    for i in range(columns // 5):
        frame[f"c{i}"] = rng.choice(list("abcdef"), rows).astype(object)
    numbers = [name for name in frame if name.startswith("n")]
    levels = [name for name in frame if name.startswith("c")]
    steps = ColumnTransformer([("n", StandardScaler(), numbers), ("c", OneHotEncoder(handle_unknown="ignore"), levels)])
    return make_pipeline(steps, LogisticRegression()).fit(frame, frame["n0"] > 0), frame


def call_times(calls: int, batch: int, columns: int) -> list[str]:
    """One line of the table."""
    import backslide

    model, frame = pipeline(2000, columns)
    frozen = backslide.freeze(model, backslide.snapshot(model, frame))
    pairs = []
    for i in range(calls + 20):
        start = (i * batch) % (len(frame) - batch + 1)
        rows = frame.iloc[start : start + batch]
        times = []
        for asked in (model, frozen) if i % 2 else (frozen, model):
            begun = time.perf_counter()
            asked.predict_proba(rows)
            times.append(time.perf_counter() - begun)
        pairs.append(times if i % 2 else times[::-1])
    kept = pairs[20:]
    plain = statistics.median(p for p, _ in kept)
    more = statistics.median(g - p for p, g in kept)
    mean = statistics.fmean(g for _, g in kept) / statistics.fmean(p for p, _ in kept) - 1
    looked = frozen.seen.looked_at / max(frozen.seen.rows, 1)
    cells = (
        batch,
        columns,
        f"{plain * 1e6:.0f}",
        f"{more * 1e6:.0f}",
        f"{more / plain:.2%}",
        f"{mean:.2%}",
        f"{looked:.0%}",
    )
    return [str(cell) for cell in cells]


def snapshot_times(columns: int) -> list[str]:
    """Seconds and size of a snapshot."""
    import backslide

    model, frame = pipeline(5000, columns)
    backslide.snapshot(model, frame)
    begun = time.perf_counter()
    taken = backslide.snapshot(model, frame)
    seconds = time.perf_counter() - begun
    return [str(columns), f"{seconds:.2f}", f"{len(taken.to_json()) / 1e6:.2f}"]


def main() -> None:
    """Measure and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--columns", type=int, nargs="+", default=[10, 50])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 100, 1000])
    chosen = parser.parse_args()
    print(machine())
    head = ["rows", "columns", "unguarded µs", "more µs", "more", "more in all", "values looked at"]
    print(table(head, [call_times(chosen.calls, b, c) for c in chosen.columns for b in chosen.batches]))
    print()
    print(table(["columns", "snapshot s", "MB"], [snapshot_times(c) for c in (10, 200)]))


if __name__ == "__main__":
    main()
