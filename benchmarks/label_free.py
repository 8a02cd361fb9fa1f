"""Performance without labels on the real sets, beside doing nothing and NannyML's CBPE on the same rows.

    BACKSLIDE_DATA=... python benchmarks/label_free.py --nannyml ~/.cache/backslide-bench/nannyml-0.13.1/bin/python

A model of the first fifth (the census brings its own) answers the rest; a quarter of that is the labelled reference, and what
follows is cut into chunks. Each chunk is estimated without its labels: accuracy as it was in the reference, CBPE, and backslide's
doubly robust estimate. Then the chunks are broken on purpose, a column in another unit; here only what is said counts.
CBPE runs in an environment of its own.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from backslide.case import Case
from backslide.contracts.config import Settings
from backslide.engine.window import open_windows
from backslide.jobs.watch import ESTIMATED_ROWS
from backslide.monitor.expectation import estimate_performance
from backslide.monitor.periods import PeriodGrid
from backslide.monitor.stream import summed_metric

SETS = {
    "electricity": ("price_change", "UP", ("nsw_price", "vic_price", "vic_demand", "transfer"), "timestamp"),
    "noaa_weather": ("rain", "1", ("day_index",), None),
    "bank_marketing": ("subscribed", "yes", ("call_duration_s", "month"), "contact_date"),
    "census_employment_ma": ("employed", "1", ("prediction", "predicted_probability", "id", "year", "period"), None),
}
"""Label, positive label, columns left out, time."""
CBPE = """
import os, sys, warnings
os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"
warnings.simplefilter("ignore")  # only estimates count
import nannyml, pandas
reference, chunks = pandas.read_parquet(sys.argv[1]), pandas.read_parquet(sys.argv[2])
model = nannyml.CBPE(metrics=["accuracy"], problem_type="classification_binary", y_true="y", y_pred="said", y_pred_proba="score",
                     chunk_size=int(sys.argv[3]))
found = model.fit(reference).estimate(chunks).filter(period="analysis").to_df()
print(",".join(str(v) for v in found[("accuracy", "value")]))
"""


@dataclass
class Errors:
    """Absolute errors by method, in points of accuracy, and what was said of broken chunks."""

    still: list[float] = field(default_factory=list)
    cbpe: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)
    inside: list[bool] = field(default_factory=list)
    moved: list[float] = field(default_factory=list)
    """By how much accuracy really moved."""
    left: int = 0
    """Chunks as they were for which no estimate is given."""
    refused: int = 0
    seconds: float = 0.0


def served(folder: Path, name: str) -> tuple[pl.DataFrame, list[str]]:
    """Rows after the training part with label ``y`` (0, 1), ``said`` and ``score``, and the features."""
    target, positive, leave, time = SETS[name]
    frame = pl.read_parquet(folder / f"{name}.parquet")
    features = [c for c in frame.columns if c not in {target, time, *leave}]
    y = (frame[target].cast(pl.String) == positive).cast(pl.Int64).alias("y")
    if "predicted_probability" in frame.columns:
        answers = [frame["prediction"].cast(pl.Int64).alias("said"), frame["predicted_probability"].alias("score")]
        return frame.select(features).with_columns(y, *answers), features
    train = frame.height // 5
    model = fitted(frame.head(train), features, y.head(train).to_numpy())
    rest = frame.tail(frame.height - train)
    score = model.predict_proba(rest.select(features).to_pandas())[:, 1]
    return rest.select(*features, *([time] if time else [])).with_columns(
        y.tail(rest.height), pl.Series("said", (score >= 0.5).astype(int)), pl.Series("score", score)
    ), features


def fitted(rows: pl.DataFrame, features: list[str], y: np.ndarray) -> Pipeline:
    """Gradient boosting behind an encoder of texts."""
    text = [c for c in features if not rows[c].dtype.is_numeric()]
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)
    trees = HistGradientBoostingClassifier(max_iter=100, random_state=0, early_stopping=False)
    return make_pipeline(make_column_transformer((encoder, text), remainder="passthrough"), trees).fit(
        rows.select(features).to_pandas(), y
    )


def estimate(
    reference: pl.DataFrame, chunk: pl.DataFrame, features: list[str], time: str | None
) -> tuple[float, float, float] | str | None:
    """Our estimate with its band, why there is none, or None where there is nothing to say."""
    model = {
        "label": "y",
        "prediction": "said",
        "scores": {"1": "score"},
        "metric": "accuracy",
        "task": "binary",
        "features": features,
        **({"timestamp": time} if time else {}),
    }
    settings = Settings.from_dict(
        {"model": model, "watch": {"period": "100 rows"}, "engine": {"sample_rows": ESTIMATED_ROWS}}
    )
    unlabelled = chunk.with_columns(pl.lit(None, dtype=pl.Int64).alias("y"))
    case = Case(open_windows(reference.lazy(), unlabelled.lazy(), settings), settings)
    found = estimate_performance(case, summed_metric(case.problem), PeriodGrid.of(settings.watch), [0], [], None)
    if found is None:
        return None
    one = found.estimate
    if one is None or one.low is None or one.high is None:
        return found.suppressed
    return one.estimate, one.low, one.high


def cbpe(python: str, reference: pl.DataFrame, chunks: list[pl.DataFrame]) -> list[float]:
    """CBPE's estimates of chunks of one size."""
    with tempfile.TemporaryDirectory() as name:
        paths = [Path(name) / "reference.parquet", Path(name) / "chunks.parquet"]
        for path, rows in zip(paths, (reference, pl.concat(chunks)), strict=True):
            rows.select("y", "said", "score").write_parquet(path)
        command = [python, "-c", CBPE, *map(str, paths), str(chunks[0].height)]
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return [float(v) for v in done.stdout.strip().splitlines()[-1].split(",")]


def broken(
    chunk: pl.DataFrame, features: list[str], model: Pipeline | None, rng: np.random.Generator
) -> pl.DataFrame | None:
    """The chunk with a numeric column in another unit, answered again."""
    numbers = [c for c in features if chunk[c].dtype.is_numeric() and chunk[c].n_unique() > 20]
    if not numbers:
        return None
    column = str(rng.choice(numbers))
    rows = chunk.with_columns((pl.col(column).cast(pl.Float64) * 12 + 32).alias(column))
    score = model.predict_proba(rows.select(features).to_pandas())[:, 1]
    return rows.with_columns(pl.Series("said", (score >= 0.5).astype(int)), pl.Series("score", score))


def run(folder: Path, name: str, size: int, most: int, python: str | None) -> tuple[Errors, int]:
    """Errors over the chunks of a set, and how many broken chunks there were."""
    rows, features = served(folder, name)
    reference = rows.head(min(rows.height // 4, 20_000))
    later = rows.tail(rows.height - reference.height)
    starts = np.linspace(0, later.height - size, min(most, later.height // size)).astype(int)
    chunks = [later.slice(int(s), size) for s in starts]
    frame = pl.read_parquet(folder / f"{name}.parquet")
    target, positive, _, moment = SETS[name]
    train = frame.head(frame.height // 5)
    model = fitted(train, features, (train[target].cast(pl.String) == positive).cast(pl.Int64).to_numpy())
    errors, before, harmed = Errors(), float((reference["y"] == reference["said"]).mean()), 0
    theirs = cbpe(python, reference, chunks) if python else [float("nan")] * len(chunks)
    rng = np.random.default_rng(0)
    for chunk, other in zip(chunks, theirs, strict=True):
        truth = float((chunk["y"] == chunk["said"]).mean())
        begun = time.perf_counter()
        found = estimate(reference, chunk, features, moment)
        errors.seconds += time.perf_counter() - begun
        if isinstance(found, tuple):
            errors.still.append(abs(before - truth))
            errors.cbpe.append(abs(other - truth))
            errors.ours.append(abs(found[0] - truth))
            errors.inside.append(found[1] <= truth <= found[2])
            errors.moved.append(truth - before)
        else:
            errors.left += 1
        bad = broken(chunk, features, model, rng)
        if bad is not None:
            harmed += 1
            errors.refused += isinstance(estimate(reference, bad, features, moment), str)
    return errors, harmed


def line(*cells: str) -> None:
    """One row of a Markdown table."""
    print(f"| {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", default=list(SETS))
    parser.add_argument("--size", type=int, default=2000)
    parser.add_argument("--chunks", type=int, default=12)
    parser.add_argument("--nannyml", help="Python of an environment that has NannyML")
    given = parser.parse_args()
    warnings.simplefilter("ignore")  # only estimates count
    folder = Path(os.environ["BACKSLIDE_DATA"])
    columns = (
        "set",
        "chunks estimated",
        "no estimate",
        "mean move",
        "do nothing",
        "CBPE",
        "backslide",
        "inside the band",
        "broken chunks refused",
        "s a chunk",
    )
    line(*columns)
    line(*["---"] * len(columns))
    for name in given.sets:
        e, harmed = run(folder, name, given.size, given.chunks, given.nannyml)
        means = [f"{100 * np.mean(np.abs(v)):.2f}" if v else "-" for v in (e.moved, e.still, e.cbpe, e.ours)]
        n = len(e.ours)
        line(
            name,
            str(n),
            str(e.left),
            *means,
            f"{sum(e.inside)} of {n}",
            f"{e.refused} of {harmed}",
            f"{e.seconds / max(n + e.left, 1):.1f}",
        )
    print("\nmean absolute errors in points of accuracy; the band is for 90 %")


if __name__ == "__main__":
    main()
