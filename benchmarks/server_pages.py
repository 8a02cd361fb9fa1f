"""How long the pages of ``backslide serve`` take where much is watched: 100 models, two years of days, 50 features each.

    python benchmarks/server_pages.py --models 100 --days 730 --features 50 --rounds 20
    python benchmarks/server_pages.py --url postgresql://me@127.0.0.1/pages

The state is written as looks write it, with made-up numbers. Every page is asked for in turn, in the process of the server, and
the 95th percentile of its times is printed beside the median.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from backslide.contracts.config import Settings
from backslide.contracts.watch import WatchReport
from backslide.monitor.periods import PeriodGrid
from backslide.monitor.publish import SHOWN
from backslide.store.database import Database, open_database

DAY = PeriodGrid("day", timedelta(days=1), None, 7)
REFERENCE = 56
APART = 45
"""Days between two incidents of a model."""
KINDS = ("unit_change", "missing_values", "concept_drift", "label_shift", "model_change")


def stream_names(features: int) -> list[tuple[str, str]]:
    """Names and kinds of the streams of a model with so many features."""
    heads = [("performance", "performance"), ("estimate", "estimate"), ("confidence", "confidence")]
    heads += [(f"class:{label}", "class") for label in ("paid", "default")]
    return heads + [(f"{kind}:feature_{i}", kind) for i in range(features) for kind in ("missing", "unknown")]


def fill(
    database: Database, models: int, days: int, features: int, *, until: datetime, prefix: str = "model"
) -> list[str]:
    """Write the state of so many models into a database; returns their names. The last model of all has an open alarm."""
    rng = np.random.default_rng(11)
    last = DAY.number(until) - 1
    numbers = list(range(last - days + 1, last + 1))
    names = [f"{prefix}-{i:03d}" for i in range(models)]
    for place, name in enumerate(names):
        series = [_series(stream, kind, numbers, rng) for stream, kind in stream_names(features)]
        report = _report(name, numbers, series, until, with_open=place == models - 1)
        book = database.book(name, {"model": name})
        with book.transaction():
            book.number([one["id"] for one in report["incidents"]])
            for one in report["incidents"]:
                book.keep_finding(one["id"], one["diagnosis"])
            book.keep_diagnosis(report["incidents"][-1]["id"], diagnosis(name))
            book.keep_report(WatchReport.from_dict(report).to_dict(), series)
    return names


def _series(stream: str, kind: str, numbers: list[int], rng: np.random.Generator) -> dict[str, Any]:
    level = 0.02 if kind in ("missing", "unknown") else 0.86
    values = np.round(level + rng.normal(0, level / 60, len(numbers)), 5).tolist()
    blank: list[Any] = [None] * REFERENCE
    later = len(numbers) - REFERENCE
    return {
        "stream": stream,
        "kind": kind,
        "number": numbers,
        "value": values,
        "expected": blank + [level] * later,
        "low": blank + [level * 0.96] * later,
        "high": blank + [level * 1.04] * later,
        "rows": [1200] * len(numbers),
    }


def _report(
    name: str, numbers: list[int], series: list[dict[str, Any]], until: datetime, *, with_open: bool
) -> dict[str, Any]:
    streams = [_stream(one, alarm=with_open and one["stream"] == "performance") for one in series]
    starts = range(REFERENCE + 10, len(numbers) - 20, APART)
    incidents = [_incident(k, DAY.label(numbers[at]), DAY.label(numbers[at + 9])) for k, at in enumerate(starts)]
    if with_open or not incidents:
        incidents.append(_incident(len(incidents), DAY.label(numbers[-6]), None))
    summary = incidents[-1]["sentence"] if with_open else f"Quiet: {len(streams)} streams."
    return {
        "format": "backslide.watch/1",
        "model": name,
        "as_of": f"{until.isoformat(timespec='seconds')}Z",
        "status": "alarm" if with_open else "quiet",
        "summary": summary,
        "metric": "accuracy",
        "period": "day",
        "reference": [DAY.label(numbers[0]), DAY.label(numbers[REFERENCE - 1])],
        "last": DAY.label(numbers[-1]),
        "promise": {
            "false_alarms_per_year": 0.1,
            "false_watches_per_year": 1.0,
            "periods_per_year": 365.25,
            "streams": len(streams),
            "note": "at most one in 10 years false alarm of all streams together",
            "years": (len(numbers) - REFERENCE) / 365.25,
        },
        "labels": {"age": 3, "complete_through": DAY.label(numbers[-8]), "waiting": 3},
        "incidents": incidents,
        "streams": streams,
        "events": [{"at": f"{DAY.label(numbers[at])}T09:00:00", "text": f"deploy v{k}"} for k, at in enumerate(starts)],
    }


def _stream(one: dict[str, Any], *, alarm: bool) -> dict[str, Any]:
    columns = ("value", "expected", "low", "high", "rows")
    places = range(max(len(one["number"]) - SHOWN, REFERENCE), len(one["number"]))
    points = [{"period": DAY.label(one["number"][i]), **{c: one[c][i] for c in columns}} for i in places]
    return {
        "name": one["stream"],
        "kind": one["kind"],
        "words": "accuracy" if one["kind"] == "performance" else one["stream"].replace(":", " of "),
        "level": "alarm" if alarm else "quiet",
        "share": True,
        "share_of_budget": 0.01,
        "periods": len(one["number"]) - REFERENCE,
        "reference": one["value"][0],
        "latest": points[-1],
        "points": points,
    }


def _incident(number: int, began: str, closed: str | None) -> dict[str, Any]:
    kind = KINDS[number % len(KINDS)]
    sentence = f"Accuracy fell by 3.{number % 10} points. feature_{number % 2} is 100 times larger than before."
    member = {
        "stream": "performance",
        "kind": "performance",
        "words": "accuracy",
        "level": "alarm",
        "began": began,
        "raised": began,
        "known_on": began,
        "closed": closed,
        "change": {"estimate": -0.034, "low": -0.045, "high": -0.023},
        "sentence": sentence,
    }
    return {
        "id": began,
        "level": "alarm",
        "open": closed is None,
        "began": began,
        "raised": began,
        "known_on": began,
        "closed": closed,
        "sentence": sentence,
        "members": [member],
        "events": [f"deploy v{number} ({began} 09:00)"],
        "diagnosis": {
            "verdict": "degraded",
            "sentence": sentence,
            "decision": f"fix upstream data: convert feature_{number % 2} back",
            "kind": kind,
            "features": [f"feature_{number % 2}"],
        },
    }


def diagnosis(model: str) -> dict[str, Any]:
    """A small answer of a diagnosis."""
    change = {"estimate": -0.034, "low": -0.045, "high": -0.023}
    back = {"estimate": 0.033, "low": 0.025, "high": 0.041}
    return {
        "format": "backslide.diagnosis/1",
        "model": model,
        "verdict": "degraded",
        "summary": "Accuracy fell by 3.4 points.",
        "decision": {"action": "fix_upstream_data", "reason": "convert feature_1 back"},
        "metric": {"name": "accuracy", "higher_is_better": True, "reference": 0.86, "current": 0.826, "change": change},
        "detectable": {"estimate": 0.011, "note": "a change under 1.1 points would not have been seen"},
        "causes": [
            {
                "rank": 1,
                "kind": "unit_change",
                "features": ["feature_1"],
                "points": change,
                "confidence": "verified",
                "repair": {"description": "divide feature_1 by 100", "points_back": back},
                "summary": "feature_1 is 100 times larger than before; it costs 3.4 points of accuracy",
                "next_step": "Convert the column back upstream.",
            }
        ],
        "inputs": {
            "task": "binary",
            "rows": {"reference": 60_000, "current": 7_000},
            "labelled": {"reference": 60_000, "current": 5_000},
            "sampled": {"reference": 20_000, "current": 7_000},
        },
    }


def paths(model: str, number: int) -> list[str]:
    """Every page that shows something of a model and one of its incidents, the lists, and the same as queries of programs."""
    one, incident = f"/models/{model}", f"/models/{model}/incidents/{number}"
    lists = ["/", "/?which=open", "/?q=feature_1", "/?page=4", f"/?model={model}", "/models", "/models?q=07"]
    tabs = [f"{one}?tab={tab}" for tab in ("parts", "inputs", "stack", "models", "watching")]
    own = [one, *tabs, f"{one}/axis.json", f"{one}/numbers", f"{one}/axis.json?also=missing:feature_3"]
    queries = ["incidents", "incidents?state=new", "models", f"models/{model}/metrics", f"models/{model}/streams"]
    return [
        *lists,
        *own,
        *(f"/api/v1/{query}" for query in queries),
        "/metrics",
        incident,
        *(f"{incident}?tab={tab}" for tab in ("report", "rows", "labels")),
        f"{incident}/axis.json",
    ]


def measure(client: Any, asked: list[str], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each page, so many times; the first time of each, which loads templates, is left out."""
    times: dict[str, list[float]] = {one: [] for one in asked}
    for turn in range(rounds + 1):
        for one in asked:
            begun = time.perf_counter()
            answer = client.get(one)
            assert answer.status_code == 200, (one, answer.status_code, answer.text[:300])
            if turn:
                times[one].append(1000 * (time.perf_counter() - begun))
    return times


def main() -> None:
    """Fill a database, ask for every page, print a table."""
    from fastapi.testclient import TestClient

    from backslide.server.app import create_app

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("models", 100), ("days", 730), ("features", 50), ("rounds", 20)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--url", default=None)
    wish = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(wish.url, Path(folder))
        begun = time.perf_counter()
        names = fill(database, wish.models, wish.days, wish.features, until=datetime.now(UTC).replace(tzinfo=None))
        print(f"filled in {time.perf_counter() - begun:.0f} s")
        settings = Settings.from_dict({"store": {} if wish.url is None else {"url": wish.url}}, base=Path(folder))
        with TestClient(create_app(settings), base_url="http://127.0.0.1") as client:
            times = measure(client, paths(names[-1], 1), wish.rounds)
        for one, taken in sorted(times.items(), key=lambda item: -np.quantile(item[1], 0.95)):
            print(f"{np.median(taken):7.1f} {np.quantile(taken, 0.95):7.1f} ms  {one}")
        database.close()


if __name__ == "__main__":
    main()
