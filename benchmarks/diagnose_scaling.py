"""What a whole diagnosis costs, and how the cost grows with rows and features.

Makes two windows of predictions of a gradient-boosted model on mixed columns (numbers, codes, texts, some missing), with
timestamps, labels and scores, and gives the saved model to ``backslide.diagnose``. Each size is diagnosed three times: quiet
(two draws of one population), with a fault (a column in another unit, so that the score drops and repair and injection run), and
with that fault quickly (``quick=True``).

The yardsticks run next to them on the same rows: fitting that model once, and its answers to both windows. Everything runs in
a process of its own; importing and reading files are not timed.

    python benchmarks/diagnose_scaling.py --rows 5000 10000 20000 40000 80000 --features 10 20 40 80
    python benchmarks/diagnose_scaling.py --where fault         where the time of the base case goes, by function
    python benchmarks/diagnose_scaling.py --steps quiet         the same by step of the playbook, in a fresh process and again
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from measure import Run, child, machine, median_processor, median_seconds, run_task, table

FAULTY = "c0"
"""The column that comes in another unit."""
FACTOR = 12.0
WORLDS = ("quiet", "fault")
COLUMNS = (
    "rows",
    "features",
    "fit s",
    "answers s",
    "quiet s",
    "fault s",
    "fault cpu s",
    "quick cpu s",
    "x base",
    "x fit",
    "peak MB",
    "first cause",
)


def make_world(folder: str, rows: str, features: str) -> None:
    """Write training rows, the model, and windows ``reference``, ``quiet`` and ``fault`` into ``folder``."""
    import joblib
    import numpy as np

    rng = np.random.default_rng([int(rows), int(features)])
    train = _inputs(rng, int(rows), int(features))
    model = _new_model(train).fit(train, _labels(rng, train))
    into = Path(folder)
    joblib.dump(model, into / "model.joblib")
    train.assign(label=_labels(rng, train)).to_pickle(into / "train.pkl")
    for name in ("reference", *WORLDS):
        new_window(rng, model, int(rows), int(features), name).write_parquet(into / f"{name}.parquet")


def new_window(rng: Any, model: Any, rows: int, features: int, name: str) -> Any:
    """Rows as the model served them, of the window ``reference``, ``quiet`` or ``fault``."""
    inputs = _inputs(rng, rows, features)
    label = _labels(rng, inputs)
    if name == "fault":
        inputs[FAULTY] *= FACTOR
    return _served(model, inputs, label, month=int(name != "reference"))


def _inputs(rng: Any, rows: int, features: int) -> Any:
    """Skewed and plain numbers, some missing; codes; every fourth column texts of 3 to 40 levels."""
    import numpy as np
    import pandas as pd

    made: dict[str, Any] = {}
    for i in range(features):
        if i % 4 == 3:
            levels = np.array([f"level_{k}" for k in range([3, 12, 40][i // 4 % 3])], object)
            made[f"c{i}"] = levels[rng.integers(0, len(levels), rows)]
        elif i % 4 == 2:
            made[f"c{i}"] = rng.integers(0, 30, rows)
        else:
            values = rng.lognormal(3, 0.7, rows) if i % 4 == 0 else rng.normal(size=rows)
            made[f"c{i}"] = np.where(rng.random(rows) < (0.03 if i % 3 == 2 else 0.0), np.nan, values)
    return pd.DataFrame(made)


def _labels(rng: Any, inputs: Any) -> Any:
    """Mostly by the column that will break, and a little by three others."""
    import numpy as np

    logit = 2.5 * (np.log(inputs[FAULTY].to_numpy()) - 3)
    if "c1" in inputs:
        logit = logit + 0.8 * np.nan_to_num(inputs["c1"].to_numpy())
    if "c2" in inputs:
        logit = logit + 0.05 * (inputs["c2"].to_numpy() - 15)
    if "c3" in inputs:
        logit = logit + 0.7 * (inputs["c3"].to_numpy() == "level_0")
    return np.where(rng.random(len(inputs)) < 1 / (1 + np.exp(-logit)), "yes", "no")


def _new_model(inputs: Any) -> Any:
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    texts = make_column_selector(dtype_exclude="number")
    encode = make_column_transformer((encoder, texts), remainder="passthrough")
    return make_pipeline(encode, HistGradientBoostingClassifier(random_state=0, early_stopping=False))


def _served(model: Any, inputs: Any, label: Any, month: int) -> Any:
    """The log of thirty days."""
    import numpy as np
    import polars as pl

    score = model.predict_proba(inputs)[:, 1]
    days = np.datetime64("2026-03-01", "us") + np.timedelta64(31 * month, "D")
    seconds = (np.linspace(0, 30, len(inputs), endpoint=False) * 86_400).astype("timedelta64[s]")
    columns = {name: pl.Series(name, inputs[name].to_numpy(), nan_to_null=True) for name in inputs}
    return pl.DataFrame(
        {
            **columns,
            "served_at": days + seconds,
            "label": label,
            "prediction": np.where(score >= 0.5, "yes", "no"),
            "p_yes": score,
        }
    )


def fit_once(folder: str) -> Callable[[], str]:
    """The model of this world, fitted again."""
    import pandas as pd

    train = pd.read_pickle(Path(folder) / "train.pkl")
    label = train.pop("label")
    model = _new_model(train)

    def fit() -> str:
        model.fit(train, label)
        return ""

    return fit


def answer_once(folder: str) -> Callable[[], str]:
    """The answers of the saved model to both windows."""
    import joblib
    import polars as pl

    model = joblib.load(Path(folder) / "model.joblib")
    columns = list(model.feature_names_in_)
    frames = [
        _to_pandas(pl.read_parquet(Path(folder) / f"{name}.parquet").select(columns)) for name in ("reference", "quiet")
    ]

    def answer() -> str:
        for frame in frames:
            model.predict_proba(frame)
        return ""

    return answer


def _to_pandas(frame: Any) -> Any:
    import pandas as pd

    return pd.DataFrame({name: frame[name].to_numpy() for name in frame.columns})


def diagnose_once(
    folder: str, world: str, mode: str = "whole", progress: Callable[[str], None] | None = None
) -> Callable[[], str]:
    """The main job on tables in memory, with the saved model: the whole, or ``quick``."""
    import joblib
    import polars as pl

    import backslide
    import backslide.jobs.diagnose

    model = joblib.load(Path(folder) / "model.joblib")
    windows = [pl.read_parquet(Path(folder) / f"{name}.parquet") for name in ("reference", world)]
    roles = backslide.Roles(label="label", prediction="prediction", timestamp="served_at", scores={"yes": "p_yes"})

    def diagnose() -> str:
        found = backslide.diagnose(
            *windows, roles=roles, reference_model=model, quick=mode == "quick", progress=progress
        )
        return found.causes[0].kind.value if found.causes else "none"

    return diagnose


TASKS: dict[str, Callable[..., Callable[[], str] | None]] = {
    "world": make_world,
    "fit": fit_once,
    "answers": answer_once,
    "diagnose": diagnose_once,
}


def measure_size(rows: int, features: int, repeats: int) -> dict[str, list[Run]]:
    """Yardsticks and both diagnoses of one size, in turns."""
    runs: dict[str, list[Run]] = {name: [] for name in ("fit", "answers", *WORLDS, "quick")}
    with tempfile.TemporaryDirectory() as folder:
        child(__file__, "world", folder, rows, features)
        for _ in range(repeats):
            runs["fit"].append(child(__file__, "fit", folder))
            runs["answers"].append(child(__file__, "answers", folder))
            for world in WORLDS:
                runs[world].append(child(__file__, "diagnose", folder, world))
            runs["quick"].append(child(__file__, "diagnose", folder, "fault", "quick"))
    return runs


def sizes(rows: list[int], features: list[int], base: tuple[int, int]) -> list[tuple[int, int]]:
    """Rows at the base number of features, then features at the base number of rows, each size once."""
    wanted = [(n, base[1]) for n in sorted({*rows, base[0]})] + [(base[0], f) for f in sorted({*features, base[1]})]
    return list(dict.fromkeys(wanted))


def compare(rows: list[int], features: list[int], base: tuple[int, int], repeats: int) -> None:
    """Measure every size and print the table; ``x base`` and ``x fit`` are processor seconds of the diagnosis with a fault."""
    print(f"backslide.diagnose, rows per window; median of {repeats} repeats")
    print(machine())
    measured = {}
    for size in sizes(rows, features, base):
        measured[size] = measure_size(*size, repeats)
        seen = median_seconds(measured[size]["fault"])
        print(f"measured {size[0]:,} rows x {size[1]} features: {seen:.2f} s with a fault", file=sys.stderr)
    reference = median_processor(measured[base]["fault"])
    lines = []
    for (n, f), runs in measured.items():
        seconds = [f"{median_seconds(runs[name]):.2f}" for name in ("fit", "answers", *WORLDS)]
        seconds += [f"{median_processor(runs[name]):.2f}" for name in ("fault", "quick")]
        whole = median_processor(runs["fault"])
        ratios = [whole / reference, whole / median_processor(runs["fit"])]
        peak = max(run.peak_mb for world in WORLDS for run in runs[world])
        cause = statistics.mode(run.note for run in runs["fault"])
        lines.append([f"{n:,}", str(f), *seconds, *(f"{r:.2f}" for r in ratios), f"{peak:.0f}", cause])
    print(table(COLUMNS, lines))
    print(machine())


def show_where(world: str, base: tuple[int, int], lines: int) -> None:
    """Where the time of the base case goes, by function."""
    with tempfile.TemporaryDirectory() as folder:
        make_world(folder, *map(str, base))
        job = diagnose_once(folder, world)
        profiler = cProfile.Profile()
        profiler.runcall(job)
    pstats.Stats(profiler).sort_stats("cumulative").print_stats(
        r"backslide|hist_gradient.*\((fit|_raw_predict)\)", lines
    )


def show_steps(world: str, base: tuple[int, int]) -> None:
    """Processor seconds of each step of the playbook, and their share of the whole diagnosis.

    The first diagnosis of a process also pays for imports that a step makes when it first needs them.
    """
    with tempfile.TemporaryDirectory() as folder:
        make_world(folder, *map(str, base))
        marks: list[tuple[str, float]] = []
        job = diagnose_once(folder, world, progress=lambda words: marks.append((words, time.process_time())))
        lines = []
        for name in ("first", "again"):
            marks[:] = [("", time.process_time())]
            job()
            taken = by_step([*marks, ("", time.process_time())])
            whole = sum(taken.values())
            lines += [[name, step, f"{s:.2f}", f"{s / whole:.3f}"] for step, s in taken.items()]
    print(machine())
    print(table(("diagnosis", "step", "cpu s", "share"), lines))


def by_step(marks: list[tuple[str, float]]) -> dict[str, float]:
    """Seconds by step of marks (``step: title of a check``, when it began); what belongs to no step is the rest."""
    from backslide.contracts.finding import Step

    taken = dict.fromkeys([step.value for step in Step], 0.0) | {"the rest": 0.0}
    for (words, begun), (_, ended) in pairwise(marks):
        step = words.partition(":")[0]
        taken[step if step in taken else "the rest"] += ended - begun
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--rows", type=int, nargs="*", default=[5_000, 10_000], help="rows per window, with the base's features"
    )
    parser.add_argument("--features", type=int, nargs="*", default=[10], help="features, with the base's rows")
    parser.add_argument("--base", type=int, nargs=2, default=[20_000, 20], metavar=("ROWS", "FEATURES"))
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--where", choices=WORLDS, help="profile the base case by function instead")
    parser.add_argument("--steps", choices=WORLDS, help="time the steps of the base case instead")
    parser.add_argument("--lines", type=int, default=40, help="functions to show with --where")
    parser.add_argument("--task", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    base = (options.base[0], options.base[1])
    if options.task:
        run_task(TASKS[options.task[0]], options.task[1:])
    elif options.where:
        show_where(options.where, base, options.lines)
    elif options.steps:
        show_steps(options.steps, base)
    else:
        compare(options.rows, options.features, base, options.repeats)


if __name__ == "__main__":
    main()
