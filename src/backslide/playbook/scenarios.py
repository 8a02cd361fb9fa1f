"""Small simulated tables for the scenarios of checks and signatures, and for their quiet counterparts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from backslide.contracts.snapshot import Environment, Snapshot
from backslide.playbook.base import Scenario
from backslide.stats.arrays import Floats, Ints

ROLES: dict[str, Any] = {
    "label": "label",
    "prediction": "prediction",
    "scores": {"yes": "p_yes"},
    "timestamp": "served_at",
}
START = datetime(2026, 3, 2)


def served(
    rng: np.random.Generator,
    rows: int = 3000,
    *,
    start: datetime = START,
    days: int = 28,
    flip: float = 0.0,
    sharpness: float = 1.0,
) -> pl.DataFrame:
    """A log of a binary classifier on four features; ``flip`` of the labels are reversed, ``sharpness`` scales the scores.

    The score is the true probability of the label given the features, so that labels follow it when nothing is wrong.
    """
    income = rng.lognormal(8, 0.5, rows)
    age = rng.integers(18, 80, rows)
    channel = rng.choice(["web", "phone", "branch", "partner"], rows, p=[0.4, 0.3, 0.2, 0.1])
    premium = rng.random(rows) < 0.3
    logit = probability_logit(income, age, channel)
    probability = 1 / (1 + np.exp(-logit))
    label = (rng.random(rows) < probability) ^ (rng.random(rows) < flip)
    shown = 1 / (1 + np.exp(-logit * sharpness))
    times = [start + timedelta(seconds=float(s)) for s in np.sort(rng.random(rows)) * days * 86400]
    return pl.DataFrame(
        {
            "income": income,
            "age": age,
            "channel": channel,
            "premium": premium,
            "label": np.where(label, "yes", "no"),
            "p_yes": shown,
            "prediction": np.where(shown >= 0.5, "yes", "no"),
            "served_at": times,
        }
    )


def probability_logit(income: Floats, age: Ints, channel: NDArray[np.str_]) -> Floats:
    """True log odds of "yes"."""
    effect = np.select([channel == "web", channel == "phone", channel == "branch"], [2.0, -1.5, 0.5], -0.5)
    return np.asarray(2.2 * (np.log(income) - 8) / 0.5 + 0.03 * (age - 48) + effect)


class TrueModel:
    """The model behind ``served``: knows the true probabilities. Stands in for a saved artefact."""

    classes_ = np.array(["no", "yes"])
    feature_names_in_ = np.array(["income", "age", "channel", "premium"])

    def predict_proba(self, frame: Any) -> Floats:
        """Scores (n, 2); unseen channels count as "partner", missing numbers as their median."""
        income = np.nan_to_num(np.asarray(frame["income"], float), nan=float(np.exp(8)))
        age = np.nan_to_num(np.asarray(frame["age"], float), nan=48.0)
        channel = np.asarray(frame["channel"], object).astype(str)
        logit = probability_logit(np.clip(income, 1e-9, 1e12), age, channel)
        p = 1 / (1 + np.exp(-np.clip(logit, -30, 30)))
        return np.column_stack([1 - p, p])

    def predict(self, frame: Any) -> NDArray[np.str_]:
        """The class with the larger score."""
        return np.asarray(self.classes_[(self.predict_proba(frame)[:, 1] >= 0.5).astype(int)])


def rescored(frame: pl.DataFrame, model: TrueModel | None = None) -> pl.DataFrame:
    """What the model serves for the features as they stand in ``frame``: for faults done to inputs."""
    one = model or TrueModel()
    p = one.predict_proba({c: frame[c].to_numpy() for c in one.feature_names_in_ if c in frame.columns})[:, 1]
    return frame.with_columns(pl.Series("p_yes", p), pl.Series("prediction", np.where(p >= 0.5, "yes", "no")))


SMALL_WORDS = "the of to and in a for is on that by with as it from was be at this have not or are but had".split()  # noqa: SIM905 - words are read as words
TOPICS = {
    "loan": "loan rate bank credit interest payment mortgage deposit branch account",
    "claim": "claim damage accident insurer policy water roof storm repair receipt",
    "travel": "flight hotel ticket luggage airport booking refund cancel train visa",
    "health": "doctor clinic patient hospital treatment surgery medicine therapy dentist nurse",
    "phone": "phone contract mobile signal network roaming device screen battery charger",
}
"""What notes are about: the words of each topic."""


def with_notes(
    frame: pl.DataFrame,
    rng: np.random.Generator,
    *,
    topics: dict[str, float] | None = None,
    length: tuple[int, int] = (12, 45),
) -> pl.DataFrame:
    """With a column ``note`` of running text: small words among those of one topic (its share in ``topics``)."""
    names = list(TOPICS)
    share = np.array([1.0 if topics is None else topics.get(name, 0.0) for name in names])
    about = rng.choice(len(names), frame.height, p=share / share.sum())
    size = rng.integers(*length, frame.height)
    small = np.array(SMALL_WORDS, object)
    own = [np.array(TOPICS[name].split(), object) for name in names]
    notes = []
    for topic, n in zip(about, size, strict=True):
        words = np.where(rng.random(n) < 0.5, rng.choice(small, n), rng.choice(own[topic], n))
        notes.append(" ".join(words.tolist()).capitalize() + ".")
    return frame.with_columns(pl.Series("note", notes, dtype=pl.String))


VECTOR_SIZE = 16
_SPACE = np.random.default_rng(7).standard_normal((8, VECTOR_SIZE))


def with_vectors(
    frame: pl.DataFrame,
    rng: np.random.Generator,
    *,
    shift: float = 0.0,
    fresh: float = 0.0,
    scale: float = 1.0,
    unit: bool = True,
) -> pl.DataFrame:
    """With a column ``vector``: an embedding of eight hidden axes and five groups, of length 1 if ``unit``.

    ``shift`` moves the first axis (in standard deviations), a share ``fresh`` of the rows belongs to a group that was not
    there, ``scale`` multiplies every vector.
    """
    group = np.where(rng.random(frame.height) < fresh, 5, rng.integers(0, 5, frame.height))
    centres = np.random.default_rng(8).standard_normal((6, 8)) * 2
    hidden = centres[group] + rng.standard_normal((frame.height, 8))
    hidden[:, 0] += shift
    vectors = hidden @ _SPACE + 0.3 * rng.standard_normal((frame.height, VECTOR_SIZE))
    if unit:
        vectors /= np.linalg.norm(vectors, axis=1)[:, None]
    values = pl.Series("vector", np.ascontiguousarray(scale * vectors, np.float32)).arr.to_list()
    return frame.with_columns(values)


def next_month(rng: np.random.Generator, **options: Any) -> pl.DataFrame:
    """The window after ``served``."""
    return served(rng, start=START + timedelta(days=28), **options)


def quiet(rng: np.random.Generator) -> Scenario:
    """Two months in which nothing happened."""
    return Scenario(served(rng), next_month(rng), dict(ROLES), TrueModel())


def broken(
    rng: np.random.Generator, fault: Callable[[pl.DataFrame], pl.DataFrame], subject: str, **options: Any
) -> Scenario:
    """Two months, the second with a fault of its inputs, both served by the true model; ``options`` are those of ``served``."""
    sound = next_month(rng, **options)
    reference = rescored(served(rng, **options))
    return Scenario(reference, rescored(fault(sound)), dict(ROLES), TrueModel(), subject, sound=rescored(sound))


def against(rng: np.random.Generator, current: pl.DataFrame, subject: str, artefact: Any = None) -> Scenario:
    """A sound month, and ``current`` after it."""
    return Scenario(served(rng), current, dict(ROLES), artefact, subject)


def missed_positives(rng: np.random.Generator, subject: str) -> Scenario:
    """Rows of "yes" are predicted "no" more often."""
    current = next_month(rng)
    missed = (current["label"] == "yes").to_numpy() & (rng.random(current.height) < 0.3)
    prediction = np.where(missed, "no", current["prediction"].to_numpy())
    return against(rng, current.with_columns(prediction=np.asarray(prediction, object)), subject)


def drop_in_accuracy(rng: np.random.Generator) -> Scenario:
    """A tenth of the labels turns against the model."""
    return Scenario(served(rng), next_month(rng, flip=0.15), dict(ROLES), TrueModel(), "accuracy")


MAIL = ("claim", "contract", "invoice", "lease")


def mail(rng: np.random.Generator, start: datetime, *, rows: int = 3000, blurred: float = 0.0) -> pl.DataFrame:
    """A log of a classifier of mail; ``blurred`` mixes the scores of contracts and leases, of 0 (not at all) to 1 (equal)."""
    label = rng.integers(0, len(MAIL), rows)
    evidence = 2.5 * np.eye(len(MAIL))[label] + rng.normal(0, 1, (rows, len(MAIL)))
    two = [MAIL.index("contract"), MAIL.index("lease")]
    evidence[:, two] = (1 - blurred) * evidence[:, two] + blurred * evidence[:, two].mean(axis=1, keepdims=True)
    scores = np.exp(evidence) / np.exp(evidence).sum(axis=1, keepdims=True)
    kinds = np.array(MAIL, object)
    return pl.DataFrame(
        {
            "label": kinds[label],
            "prediction": kinds[scores.argmax(axis=1)],
            "at": [start + timedelta(seconds=float(s)) for s in np.sort(rng.random(rows)) * 28 * 86400],
            **{f"p_{kind}": scores[:, k] for k, kind in enumerate(MAIL)},
        }
    )


def mail_roles() -> dict[str, Any]:
    """The roles of ``mail``."""
    return {
        "label": "label",
        "prediction": "prediction",
        "timestamp": "at",
        "scores": {kind: f"p_{kind}" for kind in MAIL},
    }


def blurred_mail(rng: np.random.Generator, blurred: float, subject: str) -> Scenario:
    """Two months of mail, in the second of which contracts and leases are hard to tell apart."""
    later = START + timedelta(days=28)
    return Scenario(mail(rng, START), mail(rng, later, blurred=blurred), mail_roles(), None, subject)


ENVIRONMENT: dict[str, Any] = {
    "python": "3.11.7",
    "implementation": "CPython",
    "platform": "Linux",
    "machine": "x86_64",
}


def stacks(windows: Scenario, subject: str, *parts: dict[str, Any]) -> Scenario:
    """The windows as two stacks served them, in March and April; ``parts`` are what is known of either beside its name."""
    first, second = (
        Snapshot(
            name="loans",
            taken_at=f"2026-0{month}-01T00:00:00Z",
            **{"environment": Environment(**ENVIRONMENT), **part},
        )
        for month, part in zip((3, 4), parts, strict=True)
    )
    return Scenario(windows.reference, windows.current, windows.model, windows.artefact, subject, (first, second))
