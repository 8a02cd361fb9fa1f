"""Canary rows: a fixed, labelled set of rows that the model is asked about once a period. The same rows hold the world still.

Where answers to them move, the model moved: a new version behind an address, another artefact, a changed prompt. The first look
asks twice and keeps the answers; how many of them differ between the two is the model's own noise. Later answers are held against
the first ones, and the number that differs against a beta-binomial prediction from that noise and the quiet periods so far
(Jeffreys' prior): one repeat knows little, and its error would be that of every period. The p-value becomes an e-value by the
calibrator of Vovk and Wang (2021), as single periods do in ``stats.change.sequential``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl
from scipy import stats

from backslide.case import Case
from backslide.contracts import say
from backslide.contracts.errors import ConfigError
from backslide.contracts.watch import Level
from backslide.engine.roles.outcomes import Outcomes
from backslide.models.load import load_model
from backslide.monitor.detect import Rules, Signal, Track
from backslide.monitor.periods import PeriodGrid
from backslide.monitor.stream import MonitoredStream
from backslide.monitor.streams import CANARY_SHARE
from backslide.stats.change.sequential import KAPPA, Periods, alarm_limit
from backslide.store.memory import Book, damaged

SAME = 1e-4
"""Difference of scores that counts as none: single precision, other hardware."""
NOISY = 0.05
"""Share of rows whose scores differ when asked twice from which on only decisions are compared."""
BACK = 0.05
"""P-value above which the answers are the former ones again."""
FIRST = -1
"""Place in the book of the first answers; periods of the present have positive numbers."""
STREAM = "canary"
Json = dict[str, Any]


@dataclass
class CanaryWatch:
    """The first answers and how later ones differ, by period."""

    first: Json
    """``rows``, ``noise`` (rows that differed when asked twice), ``level`` of the headline, ``answers``, ``asked``."""
    later: dict[int, Json]
    """By period: ``moved``, ``answered``, ``level``."""
    notes: list[str] = field(default_factory=list)

    @classmethod
    def ask(cls, case: Case, book: Book, last: int | None, grid: PeriodGrid) -> CanaryWatch | None:
        """Ask about the rows for period ``last``, unless that was done; None where the reference holds no rows to ask about.

        Raises:
            ConfigError: no model is named.
            BackslideError: it cannot be loaded.
        """
        settings = case.settings
        assert settings.watch.canary is not None
        kept = dict(book.periods("canary"))
        for n, one in kept.items():
            wanted = {"rows", "noise", "answers", "scores"} if n == FIRST else {"moved", "answered"}
            if not isinstance(one, dict) or not wanted <= one.keys():
                raise damaged("the answers to the canary rows cannot be read")
        canary = cls(kept.pop(FIRST, {}), kept)
        if last is None or last in kept:
            return canary if canary.first else None
        saved = settings.watch.canary.model or settings.artifacts.reference_model
        if saved is None:
            raise ConfigError("[watch.canary] needs a model: set its key model, or [artifacts] reference_model")
        rows = _rows(case, settings.watch.canary.rows)
        if not rows.height:
            return None
        model = load_model(saved, trusted=settings.artifacts.trusted, base=settings.base, task=settings.model.task)
        answers = case.answered(model, rows)
        if answers.failed.all():
            canary.notes.append(f"the canary rows were not answered: {answers.error}")
            return canary if canary.first else None
        own = _written(answers.outcomes, answers.failed)
        if not canary.first:
            again = case.answered(model, rows, afresh=True)
            repeated = _written(again.outcomes, again.failed)
            scored = _moved(own, repeated, scores=True)
            canary.first = {
                "rows": rows.height,
                "answers": own,
                "scores": bool(scored[0] <= NOISY * max(scored[1], 1)),
                "level": _level(case, answers.outcomes),
                "asked": grid.label(last),
            }
            canary.first["noise"] = _moved(own, repeated, scores=canary.first["scores"])[0]
            with book.transaction():
                book.freeze("canary", {FIRST: canary.first})
        moved, answered = _moved(canary.first["answers"], own, scores=canary.first["scores"])
        canary.later[last] = {"moved": moved, "answered": answered, "level": _level(case, answers.outcomes)}
        with book.transaction():
            book.freeze("canary", {last: canary.later[last]})
        return canary

    def same_since(self, period: int) -> bool:
        """Whether the model was asked before a period and is answering as it did since."""
        numbers = sorted(self.later)
        if not numbers or numbers[0] >= period or numbers[-1] < period:
            return False
        before = [self.later[n] for n in numbers if n < period]
        moved, answered = (sum(one[key] for one in before) for key in ("moved", "answered"))
        differed, alike = (
            self.first["noise"] + moved + 0.5,
            self.first["rows"] - self.first["noise"] + answered - moved + 0.5,
        )
        last = self.later[numbers[-1]]
        return float(stats.betabinom.sf(last["moved"] - 1, last["answered"], differed, alike)) > BACK

    def track(self, rules: Rules, headline: str, *, share: bool) -> Track:
        """The share of rows that are answered otherwise, through its detector."""
        numbers = sorted(self.later)
        asked = [self.later[n] for n in numbers]
        rows = np.array([max(one["answered"], 1) for one in asked], float)
        moved = np.array([one["moved"] for one in asked], float)
        n, noise = self.first["rows"], self.first["noise"]
        before = Periods(np.array([noise / n]), np.array([float(n)]), np.array([FIRST], np.int64), 0)
        after = Periods(moved / rows, rows, np.array(numbers, np.int64), 0)
        words = "share of the canary rows that the model answers otherwise"
        stream = MonitoredStream(STREAM, "canary", words, before, after, 0.0, True, (1,), 0.0, CANARY_SHARE)
        expected = np.full(len(numbers), (noise + 0.5) / (n + 1))
        track = Track(stream, None, expected, np.sqrt(expected * (1 - expected) / rows))
        self._detect(track, rules, headline, share=share)
        return track

    def _detect(self, track: Track, rules: Rules, headline: str, *, share: bool) -> None:
        limit = alarm_limit(rules.false_alarms * CANARY_SHARE, rules.periods_a_year)
        evidence, back, began = -np.inf, 0, 0
        signal: Signal | None = None
        differed, held = self.first["noise"] + 0.5, self.first["rows"] - self.first["noise"] + 0.5
        for t, one in enumerate(self.later[n] for n in sorted(self.later)):
            moved, asked = one["moved"], one["answered"]
            p = float(stats.betabinom.sf(moved - 1, asked, differed, held))
            evidence = np.logaddexp(evidence, 0.0) + np.log(KAPPA) + (KAPPA - 1) * np.log(max(p, 1e-300))
            back = back + 1 if p > BACK else 0
            began = t + 1 if p > BACK else began
            if signal is None and evidence >= limit:
                began = min(began, t)
                change = float(track.followed.later.values[t] - track.expected[t])
                half = 1.96 * float(track.noise[t])
                words = self._words(t, headline, share=share)
                signal = Signal(Level.ALARM, began, t, 1, change, change - half, change + half, words=words)
            elif signal is not None and back >= rules.recover_after:
                track.raised.append(replace(signal, closed=t))
                signal, evidence = None, -np.inf
            if signal is None:
                differed, held = differed + moved, held + asked - moved
        if signal is not None:
            track.raised.append(signal)
        track.evidence = max(float(evidence), 0.0) / limit

    def _words(self, t: int, headline: str, *, share: bool) -> str:
        one = self.later[sorted(self.later)[t]]
        moved, noise = one["moved"] / max(one["answered"], 1), self.first["noise"] / self.first["rows"]
        text = (
            f"the model answers {say.percent(moved)} of {say.counted(self.first['rows'], 'fixed row')} otherwise than on "
            f"{self.first['asked']} ({say.percent(noise)} when asked twice): the model moved, not the world"
        )
        if one["level"] is None or self.first["level"] is None:
            return text
        return f"{text}; {headline} on them {say.levels(self.first['level'], one['level'], share=share)}"


def _rows(case: Case, wanted: int) -> pl.DataFrame:
    """The same rows of the reference at every look, labelled ones where there are any."""
    sample = case.reference.sample
    known = case.labelled_rows(case.reference)
    place = known if len(known) else np.arange(sample.height)
    chosen = case.rng("canary").permutation(place)[:wanted]
    return sample[np.sort(chosen)]


def _written(outcomes: Outcomes, failed: np.ndarray) -> Json:
    """Answers as they are kept: decisions, and scores where there are any."""
    scores = None if outcomes.scores is None else np.round(outcomes.scores, 7).tolist()
    return {"decisions": outcomes.predictions.tolist(), "scores": scores, "failed": failed.tolist()}


def _moved(one: Mapping[str, Any], other: Mapping[str, Any], *, scores: bool) -> tuple[int, int]:
    """Rows that are answered otherwise, and rows that are answered both times."""
    answered = ~(np.array(one["failed"], bool) | np.array(other["failed"], bool))
    said = [np.array(side["decisions"], float) for side in (one, other)]
    differ = np.abs(said[0] - said[1]) > SAME * np.maximum(np.abs(said[0]), 1.0)
    if scores and one["scores"] is not None and other["scores"] is not None:
        apart = np.abs(np.array(one["scores"], float) - np.array(other["scores"], float)).max(axis=1)
        differ |= apart > SAME
    return int((differ & answered).sum()), int(answered.sum())


def _level(case: Case, outcomes: Outcomes) -> float | None:
    """The headline on the canary rows; None without labels."""
    own = outcomes.take(outcomes.known())
    if not len(own.labels) or case.metric.whole is not None:
        return None
    value = float(case.metric.value(own.statistics(case.metric, len(case.problem.classes)).sum(0)))
    return value if np.isfinite(value) else None
