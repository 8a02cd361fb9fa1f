"""Which of three moved: the world, the model or the labels? Simulated incidents of each through the whole of ``watch``.

    python benchmarks/world_model_labels.py --incidents 100
    python benchmarks/world_model_labels.py --incidents 100 --classes 2

A desk sorts letters into classes by five numbers; a model behind a function answers, and every look asks it about canary rows:
in the middle and at the end of the quiet days, as a change may be dated a day early, and once more when all is over. Labels come
on the day. After twelve quiet days one thing changes, by a size drawn at random that costs three points of accuracy or more:

* *model*: another one answers behind the same address: one that learned from few rows, two classes exchanged, one class favoured;
* *labels*: reviewers label a share of one class as another, or two classes as each other;
* *world*: one class looks different from then on, letters come nearer to the boundaries, or classes come in other proportions.

The answer is ``incidents[].diagnosis.origin`` of the first alarm. An incident that raises nothing within the broken days
counts as not raised, and one that says that it is not sure as unsure.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from backslide.contracts.config import Settings
from backslide.contracts.watch import Incident, Level
from backslide.jobs import investigate
from backslide.jobs.diagnose import diagnose
from backslide.jobs.watch import watch
from backslide.store.memory import Book
from watched_logs import REFERENCE, START

QUIET, BROKEN, ROWS = 12, 21, 250
INPUTS = [f"x{j}" for j in range(5)]
LEAST_HARM = 0.03
TRIES = 200
Rng = np.random.Generator


@dataclass(frozen=True)
class Model:
    """Scores by the distance to a centre of each class, as learned."""

    centres: np.ndarray
    bias: np.ndarray
    order: np.ndarray

    def scores(self, x: np.ndarray) -> np.ndarray:
        """(n, K)."""
        logits = -0.5 * ((x[:, None, :] - self.centres[None]) ** 2).sum(-1) + self.bias
        odds = np.exp(logits - logits.max(1, keepdims=True))
        return np.asarray((odds / odds.sum(1, keepdims=True))[:, self.order])


@dataclass(frozen=True)
class Desk:
    """What letters look like, how often each class comes, how they are labelled, and who answers."""

    centres: np.ndarray
    shares: np.ndarray
    spread: float
    relabel: np.ndarray
    """(K, K): chance that a letter of a class is labelled as another."""
    model: Model

    def rows(self, rng: Rng, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and codes of labels."""
        true = rng.choice(len(self.shares), n, p=self.shares)
        x = self.centres[true] * self.spread + rng.normal(size=(n, len(INPUTS)))
        chance = self.relabel[true].cumsum(1)
        return x, (rng.random(n)[:, None] > chance).sum(1)

    def accuracy(self, rng: Rng) -> float:
        """Of the model on many letters."""
        x, label = self.rows(rng, 20_000)
        return float((self.model.scores(x).argmax(1) == label).mean())


def desk_of(rng: Rng, classes: int) -> Desk:
    """A desk and the model that it trained."""
    centres = rng.normal(size=(classes, len(INPUTS))) * (1.6 if classes > 2 else 1.1)
    shares = rng.dirichlet(np.full(classes, 20.0))
    model = Model(centres + rng.normal(0, 0.1, centres.shape), np.log(shares), np.arange(classes))
    return Desk(centres, shares, 1.0, np.eye(classes), model)


def pair(rng: Rng, classes: int) -> tuple[int, int]:
    """Two classes."""
    one, other = rng.choice(classes, 2, replace=False)
    return int(one), int(other)


def of_model(desk: Desk, rng: Rng) -> tuple[str, Desk]:
    """Another model answers."""
    classes, old = len(desk.shares), desk.model
    how = str(rng.choice(["few rows", "exchanged", "favoured"]))
    if how == "few rows":
        return how, replace(
            desk, model=replace(old, centres=old.centres + rng.normal(0, rng.uniform(0.3, 1.2), old.centres.shape))
        )
    one, other = pair(rng, classes)
    if how == "exchanged":
        order = old.order.copy()
        order[[one, other]] = order[[other, one]]
        return how, replace(desk, model=replace(old, order=order))
    return how, replace(desk, model=replace(old, bias=old.bias + rng.uniform(1, 4) * (np.arange(classes) == one)))


def of_labels(desk: Desk, rng: Rng) -> tuple[str, Desk]:
    """Reviewers label otherwise."""
    one, other = pair(rng, len(desk.shares))
    share, how = rng.uniform(0.3, 1.0), str(rng.choice(["one way", "both ways"]))
    relabel = desk.relabel.copy()
    for a, b in ((one, other), (other, one))[: 1 if how == "one way" else 2]:
        relabel[a, a], relabel[a, b] = 1 - share, share
    return how, replace(desk, relabel=relabel)


def of_world(desk: Desk, rng: Rng) -> tuple[str, Desk]:
    """The letters are other ones."""
    how = str(rng.choice(["a class looks different", "nearer", "proportions"]))
    classes = len(desk.shares)
    if how == "a class looks different":
        turn = np.zeros_like(desk.centres)
        turn[rng.integers(classes)] = rng.normal(size=len(INPUTS)) * rng.uniform(0.5, 1.5)
        return how, replace(desk, centres=desk.centres + turn)
    if how == "nearer":
        return how, replace(desk, spread=rng.uniform(0.5, 0.85))
    return how, replace(desk, shares=rng.dirichlet(np.full(classes, 1.0)))


MOVES: dict[str, Callable[[Desk, Rng], tuple[str, Desk]]] = {"model": of_model, "labels": of_labels, "world": of_world}


def harmful(moved: str, rng: Rng, classes: int) -> tuple[str, Desk, Desk]:
    """A change of one kind that costs enough to be an incident, with the desk before and after it."""
    for _ in range(TRIES):
        before = desk_of(rng, classes)
        how, after = MOVES[moved](before, rng)
        if before.accuracy(rng) - after.accuracy(rng) >= LEAST_HARM:
            return how, before, after
    raise SystemExit(f"no change of the {moved} costs {LEAST_HARM}")


def write(folder: Path, rng: Rng, before: Desk, after: Desk) -> Settings:
    """The log of both times, and how it is watched."""
    names = [f"c{k}" for k in range(len(before.shares))]
    days = [before] * (REFERENCE + QUIET) + [after] * BROKEN
    parts = []
    for day, desk in enumerate(days):
        x, label = desk.rows(rng, ROWS)
        scores = desk.model.scores(x)
        at = [START + timedelta(days=day, seconds=int(s)) for s in np.sort(rng.integers(0, 86_400, ROWS))]
        parts.append(
            pl.DataFrame(
                {"at": at, "label": np.array(names)[label], "said": np.array(names)[scores.argmax(1)]}
                | {f"p_{name}": scores[:, k] for k, name in enumerate(names)}
                | {name: x[:, j] for j, name in enumerate(INPUTS)}
            )
        )
    pl.concat(parts).write_parquet(folder / "log.parquet")
    last = (START + timedelta(days=REFERENCE - 1)).date()
    return Settings.from_dict(
        {
            "model": {
                "name": "desk",
                "timestamp": "at",
                "label": "label",
                "prediction": "said",
                "features": INPUTS,
                "scores": {name: f"p_{name}" for name in names},
                "metric": "accuracy",
            },
            "windows": {"reference": f"{START.date()}..{last}"},
            "data": {"source": "log.parquet"},
            "watch": {"canary": {"model": "desk.py:score"}, "estimate": False},
            "artifacts": {"trusted": True},
        },
        base=folder,
    )


def incident(moved: str, seed: int, classes: int) -> tuple[str, Incident | None, float]:
    """One incident from its reference to its alarm."""
    rng, begun = np.random.default_rng([seed, list(MOVES).index(moved), classes]), time.process_time()
    how, before, after = harmful(moved, rng, classes)
    with tempfile.TemporaryDirectory() as name:
        settings, book = write(Path(name), rng, before, after), Book()
        for day, desk in ((QUIET // 2, before), (QUIET, before), (QUIET + BROKEN, after)):
            _deploy(Path(name), desk.model)
            answer = watch(settings, book=book, as_of=START + timedelta(days=REFERENCE + day, hours=6), deliver=False)
    raised = [one for one in answer.incidents if one.level == Level.ALARM]
    return how, raised[-1] if raised else None, time.process_time() - begun


SERVING = """
import json, pathlib
import numpy as np
import pandas as pd
def score(frame):  # what answers behind the address may change at any time
    centres, bias, order = map(np.array, json.loads((pathlib.Path(__file__).parent / "deployed.json").read_text()))
    x = frame[[c for c in frame.columns if c.startswith("x")]].to_numpy()
    z = -0.5 * ((x[:, None, :] - centres[None]) ** 2).sum(-1) + bias
    p = np.exp(z - z.max(1, keepdims=True))
    p = (p / p.sum(1, keepdims=True))[:, order]
    return pd.DataFrame(p, columns=[f"c{k}" for k in range(p.shape[1])])
"""


def _deploy(folder: Path, model: Model) -> None:
    """What answers from now on."""
    (folder / "desk.py").write_text(SERVING, encoding="utf-8")
    parts = [part.tolist() for part in (model.centres, model.bias, model.order)]
    (folder / "deployed.json").write_text(json.dumps(parts), encoding="utf-8")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--incidents", type=int, default=100, help="of each")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--classes", type=int, default=4)
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    investigate.diagnose = partial(diagnose, quick=True)  # the checks that describe are read by nobody here
    said: dict[str, Counter[str]] = {moved: Counter() for moved in MOVES}
    for seed in range(options.first, options.first + options.incidents):
        for moved in MOVES:
            how, found, seconds = incident(moved, seed, options.classes)
            answer = "not raised" if found is None else (found.diagnosis and found.diagnosis.origin) or "nothing said"
            said[moved][answer] += 1
            if options.verbose or answer not in (moved, "unsure"):
                text = "" if found is None else found.diagnosis.sentence if found.diagnosis else found.sentence
                print(f"  {moved} {seed} ({how}, {seconds:.0f} s): {answer}: {text}", flush=True)
    columns = sorted({answer for counts in said.values() for answer in counts})
    print("| moved | " + " | ".join(columns) + " |\n|" + " --- |" * (len(columns) + 1))
    for moved, counts in said.items():
        print(f"| {moved} | " + " | ".join(str(counts[answer]) for answer in columns) + " |")


if __name__ == "__main__":
    main()
