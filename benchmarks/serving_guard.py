"""What a frozen pipeline costs per call, beside the same pipeline unguarded, and what a snapshot takes.

Calls both in turns, so that they meet the same machine, and counts processor time of the thread, so that waiting for other
programs does not count. Prints the median of an unguarded call, the median of the paired differences, their mean without the
highest and lowest 2 %, and the aim: 20 µs plus 2 % of the unguarded call. The frames hold ``columns`` columns, a fifth of them
categories; arrays hold only the numbers.

    python benchmarks/serving_guard.py --calls 2000
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
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


Rows = Callable[[int], Any]
"""Number of the call -> what it is asked about."""
CASES = (
    "frame, 1 row",
    "frame made of a dictionary",
    "dictionary",
    "array, 1 row",
    "frame, 100 rows",
    "frame, 1000 rows",
)


def asked(case: str, columns: int) -> tuple[Any, Any, Rows]:
    """The unguarded call, the frozen model's, and the rows."""
    import numpy as np
    import pandas as pd
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    import backslide

    model, frame = pipeline(2000, columns)
    records = frame.to_dict("records")
    if case == "array, 1 row":
        numbers = frame.select_dtypes("number")
        table = np.ascontiguousarray(numbers.to_numpy())
        model = make_pipeline(StandardScaler(), LogisticRegression()).fit(table, frame["n0"] > 0)
        frozen = backslide.freeze(model, backslide.snapshot(model, numbers))
        return model.predict_proba, frozen, lambda i: table[i % len(table)][None]
    frozen = backslide.freeze(model, backslide.snapshot(model, frame))
    if case == "frame made of a dictionary":
        return model.predict_proba, frozen, lambda i: pd.DataFrame([records[i % len(records)]])
    if case == "dictionary":

        def answer(rows: Any) -> Any:
            return model.predict_proba(pd.DataFrame([rows]) if isinstance(rows, dict) else rows)

        return answer, backslide.freeze(answer, backslide.snapshot(answer, frame)), lambda i: records[i % len(records)]
    batch = int(case.split()[1])
    return model.predict_proba, frozen, lambda i: frame.iloc[(i * batch) % (len(frame) - batch + 1) :][:batch]


def call_times(calls: int, case: str, columns: int) -> list[str]:
    """One line of the table."""
    plain, frozen, rows_of = asked(case, columns)
    guarded = frozen if case == "dictionary" else frozen.predict_proba
    pairs = []
    for i in range(calls + 20):
        rows = rows_of(i)
        times = []
        for call in (plain, guarded) if i % 2 else (guarded, plain):
            begun = time.thread_time_ns()
            call(rows)
            times.append((time.thread_time_ns() - begun) / 1e3)
        pairs.append(times if i % 2 else times[::-1])
    kept = pairs[20:]
    alone = statistics.median(p for p, _ in kept)
    more = sorted(g - p for p, g in kept)
    cut = len(more) // 50
    mean = statistics.fmean(more[cut : len(more) - cut])
    aim = 20 + 0.02 * alone
    seen = frozen.seen
    looked = statistics.fmean(seen.looked_at.values()) / seen.rows
    cells = (case, columns, alone, statistics.median(more), mean, aim)
    return [f"{cell:.0f}" if isinstance(cell, float) else str(cell) for cell in cells] + [f"{looked:.0%}"]


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
    parser.add_argument("--cases", nargs="+", choices=CASES, default=CASES)
    chosen = parser.parse_args()
    print(machine())
    head = ["rows", "columns", "unguarded µs", "more µs", "more µs, mean", "aim µs", "values looked at"]
    print(table(head, [call_times(chosen.calls, case, c) for c in chosen.columns for case in chosen.cases]))
    print()
    print(table(["columns", "snapshot s", "MB"], [snapshot_times(c) for c in (10, 200)]))


if __name__ == "__main__":
    main()
