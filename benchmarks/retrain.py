"""What the backtest of `retrain` promises, and what the next stretch then brings, on real data sets in time order.

    BACKSLIDE_DATA=... python benchmarks/retrain.py [--sets electricity,...] [--settings 5] [--json FILE]

In every setting a champion is trained on a stretch of early rows and served on; `retrain` sees a reference and a current window
after it, recommends (or holds), and states a 95 % prediction interval for the gain on one more stretch. The chosen candidate is
then trained on all that is known and judged on the next stretch, which nothing has touched. Settings differ in where they
start; none is chosen by what comes out.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from backslide.case import Case
from backslide.causes.reporting.onset import incident_onset
from backslide.contracts.config import Settings
from backslide.contracts.retrain_settings import WINDOWS
from backslide.engine.window import open_windows
from backslide.models.frame import to_pandas
from backslide.models.load import load_model
from backslide.playbook.shadow.differences import difference
from backslide.retraining.backtest import Backtest, arms_of, folds_of, future, try_plan
from backslide.retraining.choice import choose
from backslide.retraining.gain_onset import choose_since
from backslide.retraining.history import History, history
from backslide.retraining.recipe import recipe_of, train_model
from backslide.retraining.score_evidence import choose_by_scores, headline_share
from backslide.retraining.windows import limit_rows, plans

FOLDS = 5


@dataclass(frozen=True)
class DataSet:
    """How one set is cut: rows that the champion learns from, and rows of the windows after it."""

    name: str
    label: str
    leave_out: tuple[str, ...]
    train: int
    reference: int
    current: int
    timestamp: str | None = None
    text: str | None = None
    regression: bool = False


SETS = (
    DataSet(
        "green_taxi_fares",
        "fare_amount",
        (
            "fare_amount",
            "total_amount",
            "tip_amount",
            "pickup_time",
            "dropoff_time",
            "tolls_amount",
            "extra",
            "mta_tax",
            "improvement_surcharge",
            "congestion_surcharge",
            "ehail_fee",
        ),
        15_000,
        6_000,
        12_000,
        "pickup_time",
        regression=True,
    ),
    DataSet(
        "bank_marketing",
        "subscribed",
        ("subscribed", "contact_date", "month", "day_of_month", "call_duration_s"),
        12_000,
        4_000,
        9_000,
        "contact_date",
    ),
    DataSet("electricity", "price_change", ("timestamp", "price_change"), 9_000, 4_000, 9_000, "timestamp"),
    DataSet("scotus_case_facts", "issue_area", (), 700, 300, 900, text="facts"),
    DataSet("noaa_weather", "rain", ("day_index", "rain"), 5_000, 2_000, 4_000),
)


@dataclass(frozen=True)
class Result:
    """One setting."""

    data: str
    start: int
    metric: str
    promoted: bool
    candidate: str
    gain: float
    low: float
    high: float
    expected: float
    expected_low: float
    expected_high: float
    realised: float
    seconds: float

    @property
    def inside(self) -> bool:
        """Whether the realised gain lies in the prediction interval."""
        return bool(self.expected_low <= self.realised <= self.expected_high)


def settings_of(data: DataSet, rows: int, count: int) -> list[int]:
    """Where the settings start: evenly over what the set has room for."""
    needed = data.train + data.reference + data.current + data.current // (FOLDS + 1)
    return [int(v) for v in np.linspace(0, max(rows - needed, 0), count)]


def recipe_for(data: DataSet, columns: dict[str, pl.DataType]) -> Any:
    """A plain pipeline."""
    if data.text is not None:
        return make_pipeline(
            TfidfVectorizer(max_features=8_000, sublinear_tf=True), LogisticRegression(max_iter=200, C=5)
        )
    texts = [c for c, kind in columns.items() if kind == pl.String]
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)
    transform = make_column_transformer((encoder, texts), remainder="passthrough", verbose_feature_names_out=False)
    options = {"max_iter": 60, "random_state": 0, "early_stopping": False}
    kind = HistGradientBoostingRegressor if data.regression else HistGradientBoostingClassifier
    return make_pipeline(transform, kind(**options))


def served(data: DataSet, table: pl.DataFrame, start: int) -> tuple[Any, list[pl.DataFrame], list[str], dict[str, Any]]:
    """The champion, and reference, current and untouched rows with its answers."""
    features = [data.text] if data.text else [c for c in table.columns if c not in data.leave_out]
    cuts = np.cumsum([start, data.train, data.reference, data.current, data.current // (FOLDS + 1)])
    parts = [table[int(a) : int(b)] for a, b in pairwise(cuts)]
    model = recipe_for(data, {c: table.schema[c] for c in features})

    def given(rows: pl.DataFrame) -> pd.DataFrame | pd.Series:
        frame = to_pandas(rows.select(features))
        return frame.iloc[:, 0].fillna("") if data.text else frame

    labels = parts[0][data.label]
    model.fit(given(parts[0]), labels.to_numpy() if data.regression else labels.cast(pl.String).to_numpy())
    roles: dict[str, Any] = {"label": data.label, "prediction": "served_prediction", "features": features}
    if data.timestamp:
        roles["timestamp"] = data.timestamp
    if data.regression:
        roles["task"] = "regression"
        return (
            model,
            [p.with_columns(served_prediction=pl.Series(model.predict(given(p)))) for p in parts[1:]],
            features,
            roles,
        )
    classes = [str(c) for c in model.classes_]
    known = [p.filter(pl.col(data.label).cast(pl.String).is_in(classes)) for p in parts[1:]]
    logs = []
    for part in known:
        scores = model.predict_proba(given(part))
        said = pl.Series("served_prediction", np.array(classes)[scores.argmax(1)])
        logs.append(part.with_columns(said, *(pl.Series(f"p_{c}", scores[:, k]) for k, c in enumerate(classes))))
    roles["scores"] = {c: f"p_{c}" for c in classes}
    return model, logs, features, roles


def run(
    data: DataSet, table: pl.DataFrame, start: int, say: Callable[[str], None], windows: tuple[str, ...] = WINDOWS
) -> Result:
    """One setting from end to end; ``windows`` as under [retrain]."""
    began = time.perf_counter()
    model, logs, _, roles = served(data, table, start)
    settings = Settings.from_dict({"model": roles, "engine": {"sample_rows": 50_000}, "retrain": {"windows": windows}})
    case = Case(open_windows(logs[0], logs[1], settings), settings, load_model(model))
    began_at = incident_onset(case, case.metric, ())
    h = history(case).since(None if began_at is None else began_at.at)
    recipe = recipe_of(None, case.reference_model, h, base=Path(), trusted=True)
    bench = Backtest(h, recipe, folds_of(h, FOLDS), case.metric, settings.retrain.max_rows, 0)
    tried = []
    for plan in plans(settings.retrain, h):
        say(f"{data.name} {start}: {plan.name}")
        tried.append(try_plan(bench, plan))
    choice = choose(bench, tried, settings.gate, share=headline_share(bench, tried, settings.gate))
    if not choice.promoted:
        choice = choose_by_scores(bench, tried, settings.gate) or choice
    since = None if choice.promoted else choose_since(bench, tried, settings.gate)
    if since is not None:
        bench, _, choice = since
    best, metric = choice.best, bench.metric
    ahead = future(best)
    assert ahead is not None
    assert best.found is not None
    realised = _realised(bench, best.plan, logs[2])
    ends = sorted(-metric.harm(v) for v in best.found.interval())
    return Result(
        data.name,
        start,
        metric.name,
        choice.promoted,
        best.plan.name,
        best.gain(metric),
        ends[0],
        ends[1],
        ahead.estimate,
        ahead.low,
        ahead.high,
        realised,
        time.perf_counter() - began,
    )


def _realised(bench: Backtest, plan: Any, untouched: pl.DataFrame) -> float:
    """Gain of the candidate, trained on all that is known, on rows that nothing has touched."""
    h = bench.history
    rng = bench.rng("final")
    rows, weights = limit_rows(plan.choose(h, np.inf, rng), bench.max_rows, rng)
    model = train_model(bench.recipe, h, rows, weights, plan.steady, rng, plan.name)
    frame = bench.case.current.window.prepare(untouched.lazy()).collect()
    from backslide.engine.roles.outcomes import outcomes

    later = History(
        bench.case,
        frame,
        outcomes(frame, bench.case.problem),
        np.ones(frame.height, bool),
        np.arange(frame.height, dtype=float),
        np.zeros(frame.height),
        False,
    )
    answers = bench.case.answered(model, frame).outcomes
    found = difference(bench.case, arms_of(later, answers, np.arange(frame.height)), bench.metric)
    assert found is not None
    return float(-bench.metric.harm(found.estimate))


def main() -> None:
    """Run the settings and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sets", default=",".join(d.name for d in SETS))
    parser.add_argument("--settings", type=int, default=5)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    folder = Path(os.environ["BACKSLIDE_DATA"])
    results = []
    for data in [d for d in SETS if d.name in chosen.sets.split(",")]:
        table = pl.read_parquet(folder / f"{data.name}.parquet")
        if data.timestamp and table.schema[data.timestamp] == pl.Date:
            table = table.with_columns(pl.col(data.timestamp).cast(pl.Datetime("us")))
        for start in settings_of(data, table.height, chosen.settings):
            found = run(data, table, start, lambda text: None)
            results.append(found)
            print(line(found), flush=True)
    inside = sum(r.inside for r in results)
    print(f"realised gain inside the prediction interval: {inside} of {len(results)}")
    if chosen.json:
        chosen.json.write_text(json.dumps([asdict(r) | {"inside": r.inside} for r in results], indent=1, default=float))


def line(r: Result) -> str:
    """One row of the table."""
    verdict = "promote" if r.promoted else "hold"
    return (
        f"| {r.data} | {r.start} | {r.metric} | {verdict} | {r.candidate} | {r.gain:+.3f} [{r.low:+.3f}, {r.high:+.3f}] | "
        f"{r.expected:+.3f} [{r.expected_low:+.3f}, {r.expected_high:+.3f}] | {r.realised:+.3f} | "
        f"{'yes' if r.inside else 'no'} | {r.seconds:.0f} s |"
    )


if __name__ == "__main__":
    main()
