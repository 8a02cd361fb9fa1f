"""Simulated documents of a legal desk: what comes in, day by day, and what the desk's systems make of it.

Nothing here is real. Each class has its own habits (length, citations, sender, channel, print quality); a document's
observed columns follow from its class, and text that was read badly loses some of its clues. Two things change over
time, and both are arguments: how documents arrive (harmless), and the unit in which the reader reports its
confidence (the fault of the story).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from backslide.stats.arrays import Floats, Ints, Mask

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLASSES = ("complaint", "contract", "court_filing", "invoice", "other")
SOURCES = ("scanner", "email", "portal")
SENDERS = ("private", "company", "law_firm", "authority")
LANGUAGES = ("en", "de", "fr")
JURISDICTIONS = ("federal", "north", "south", "west")
FEATURES = (
    "source",
    "sender_type",
    "language",
    "jurisdiction",
    "page_count",
    "word_count",
    "citation_count",
    "amount_count",
    "attachment_count",
    "days_to_deadline",
    "has_signature",
    "ocr_confidence",
)
DOCUMENTS_PER_WEEKDAY = (400.0, 385.0, 375.0, 380.0, 350.0, 130.0, 60.0)
"""Expected documents from Monday to Sunday."""
DAY_NOISE = 0.12
"""Standard deviation of each class's daily log-weight: no two days bring quite the same mix."""
GARBLE = 5.0
"""Marks mistaken for a citation or an amount on a page that cannot be read at all."""
UNREVIEWED = 0.04
"""Share of documents whose final category nobody has entered yet."""


HABITS: dict[str, tuple[Any, ...]] = {
    "weight": (0.275, 0.265, 0.09, 0.25, 0.12),
    # shares in the order of SENDERS, and in that of SOURCES
    "senders": (
        (0.68, 0.2, 0.11, 0.01),
        (0.08, 0.6, 0.3, 0.02),
        (0.08, 0.06, 0.42, 0.44),
        (0.06, 0.74, 0.16, 0.04),
        (0.3, 0.38, 0.08, 0.24),
    ),
    "sources": ((0.55, 0.33, 0.12), (0.3, 0.46, 0.24), (0.58, 0.18, 0.24), (0.3, 0.46, 0.24), (0.36, 0.44, 0.2)),
    # share of the scans that are faxes, faded copies or handwriting: read badly. Courts want a clean print: a bad scan is
    # seldom a filing, and the model learns that
    "poor_print": (0.09, 0.13, 0.03, 0.13, 0.17),
    # median of a log-normal
    "pages": (2.6, 9.0, 4.6, 1.7, 2.4),
    "words_per_page": (290, 380, 330, 150, 120),
    # means of what is cited, before any is lost in reading
    "citations": (2.0, 3.6, 6.5, 0.3, 0.4),
    "amounts": (1.2, 3.0, 0.9, 5.5, 1.0),
    "attachments": (1.3, 1.8, 3.0, 0.5, 0.4),
    # share that states a deadline, and its median in days
    "deadline": ((0.3, 16), (0.22, 30), (0.7, 12), (0.52, 24), (0.1, 21)),
    "signed": (0.84, 0.86, 0.82, 0.2, 0.42),
}
"""What is usual for each class of document, in the order of ``CLASSES``."""


@dataclass(frozen=True)
class SimulatedPeriod:
    """Days of documents, and the two things that differ between periods."""

    first: date
    days: int
    email_growth: float = 1.0
    """Odds factor of documents that come by e-mail: harmless."""
    ocr_as_fraction: bool = False
    """The reader reports its confidence from 0 to 1 where it used to report percent: the fault."""


def documents(period: SimulatedPeriod, seed: int) -> pl.DataFrame:
    """The documents of a period in the order of their arrival.

    Returns:
        One row per document: ``document_id`` (``SIM-...``), ``received_at`` (UTC), ``FEATURES``, and ``category``,
        the reviewers' final word (null where not reviewed yet).
    """
    rng = np.random.default_rng([seed, period.first.toordinal()])
    days = [period.first + timedelta(days=offset) for offset in range(period.days)]
    moments, labels = zip(*(_day(day, rng) for day in days), strict=True)
    label = np.concatenate(labels)
    frame = pl.DataFrame({"received_at": np.concatenate(moments)}).with_columns(
        pl.col("received_at").dt.replace_time_zone("UTC")
    )
    prefix = f"SIM-{period.first:%y%m%d}"
    return frame.with_columns(
        pl.Series("document_id", [f"{prefix}-{number:06d}" for number in range(len(label))]),
        *_features(label, period, rng),
        pl.Series("category", label.tolist(), dtype=pl.String).set(
            pl.Series(rng.random(len(label)) < UNREVIEWED), None
        ),
    )


def _day(day: date, rng: np.random.Generator) -> tuple[NDArray[np.datetime64], NDArray[np.object_]]:
    """Arrival times (microseconds, ascending) and classes of one day's documents."""
    count = int(rng.poisson(DOCUMENTS_PER_WEEKDAY[day.weekday()])) + 1
    seconds = np.sort(np.clip(rng.normal(13.0, 2.8, count), 0.5, 23.5)) * 3600
    midnight = np.datetime64(datetime(day.year, day.month, day.day), "us")
    weights = np.array(HABITS["weight"]) * np.exp(rng.normal(0, DAY_NOISE, len(CLASSES)))
    labels = rng.choice(np.array(CLASSES, dtype=object), size=count, p=weights / weights.sum())
    return midnight + seconds.astype("timedelta64[s]"), labels


def _features(label: NDArray[np.object_], period: SimulatedPeriod, rng: np.random.Generator) -> list[pl.Series]:
    """The feature columns, in the order of ``FEATURES``, as the desk's systems record them."""
    position = np.searchsorted(CLASSES, label.astype(str))
    n = len(label)

    def habit(name: str) -> Floats:
        return np.array(HABITS[name], dtype=np.float64)[position]

    def counted(name: str) -> Ints:
        counts = rng.binomial(rng.poisson(habit(name) * rng.gamma(2.0, 0.5, n)), legible)
        return counts + rng.poisson(GARBLE * (1 - legible))

    source = _choose("sources", position, rng, odds=(1.0, period.email_growth, 1.0))
    quality = _reading_quality(source, rng.random(n) < habit("poor_print"), rng)
    legible = np.clip((quality - 30) / 65, 0.0, 1.0)
    pages = np.maximum(1, np.rint(habit("pages") * rng.lognormal(0, 0.5, n))).astype(np.int64)
    sender = np.where(rng.random(n) < legible, _choose("senders", position, rng), rng.integers(len(SENDERS), size=n))
    stated, horizon = habit("deadline")[:, 0], habit("deadline")[:, 1]
    dated = rng.random(n) < stated * legible + 0.15 * (1 - legible)
    columns = {
        "source": np.array(SOURCES, dtype=object)[source],
        "sender_type": np.array(SENDERS, dtype=object)[sender],
        "language": rng.choice(np.array(LANGUAGES, dtype=object), n, p=(0.58, 0.27, 0.15)),
        "jurisdiction": rng.choice(np.array(JURISDICTIONS, dtype=object), n, p=(0.2, 0.35, 0.25, 0.2)),
        "page_count": pages,
        "word_count": np.rint(pages * habit("words_per_page") * rng.lognormal(0, 0.3 + 0.7 * (1 - legible), n)),
        "citation_count": counted("citations"),
        "amount_count": counted("amounts"),
        "attachment_count": rng.poisson(habit("attachments")),
        "days_to_deadline": np.where(dated, np.maximum(1, np.rint(horizon * rng.lognormal(0, 0.6, n))), np.nan),
        "has_signature": rng.random(n) < habit("signed") * legible + 0.5 * (1 - legible),
        "ocr_confidence": np.round(quality, 1) / (100 if period.ocr_as_fraction else 1),
    }
    return [pl.Series(name, columns[name], dtype=_DTYPES.get(name), nan_to_null=True) for name in FEATURES]


_DTYPES: dict[str, type[pl.DataType]] = dict.fromkeys(FEATURES[:4], pl.String)


def _choose(
    habit: str, position: NDArray[np.intp], rng: np.random.Generator, odds: tuple[float, ...] | None = None
) -> NDArray[np.intp]:
    """Draw from each row's class shares (rows of ``HABITS``), tilted by ``odds``."""
    shares = np.array(HABITS[habit]) * np.array(odds or 1.0)
    edges = np.cumsum(shares / shares.sum(axis=1, keepdims=True), axis=1)
    edges[:, -1] = 1.0
    above = rng.random(len(position))[:, None] > edges[position]
    return np.asarray(above.sum(axis=1), dtype=np.intp)


def _reading_quality(source: NDArray[np.intp], poor_print: Mask, rng: np.random.Generator) -> Floats:
    """How sure the reader is of the text, in percent: born-digital text best, poorly printed scans worst."""
    lost = np.array([7.5, 2.5, 1.5])[source] * rng.gamma(2.0, 0.5, len(source))
    lost += np.where(poor_print & (source == 0), rng.gamma(6.0, 5.0, len(source)), 0.0)
    return np.clip(100 - lost, 20, 99.9)
