"""The unit of every score role, in both windows and for both models of a shadow comparison: read, converted or refused.

Scores that are no probabilities in both windows are refused with the conversion named, unless ``[model] scores_are`` says what
they are. In one window only they were altered after the model: they are converted, so that nothing is computed on the wrong
scale, and the change is handed on to be named as a cause.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from backslide.contracts import say
from backslide.contracts.config import Settings, ShadowColumns
from backslide.contracts.errors import LabelError
from backslide.engine.columns import names
from backslide.engine.roles.score_units import (
    FEW,
    SURELY,
    ScoreMeasures,
    Unit,
    are_plain,
    conversion,
    factor_to,
    far_outside,
    is_hundredth,
    measure,
    unit_of,
    whole,
)

Raw = dict[str, tuple[pl.LazyFrame, str]]
Schemas = dict[str, dict[str, pl.DataType]]
ENOUGH = 5
"""Rows outside 0 to 1 to be expected before their absence says that the unit is another."""
OFF_SUM = 0.05
"""Share of rows whose scores do not sum to 1 from which it is said, and"""
MOST_OFF = 0.5
"""share in one window only from which it is a change."""


@dataclass(frozen=True)
class AlteredScores:
    """Scores that one window alone has in another unit, as a whole or in part."""

    columns: tuple[str, ...]
    window: str
    seen: str
    """What was seen, as the sentence of a cause."""
    undo: str
    share: float
    """Of the rows of the window with scores."""
    every_row: bool
    warning: str


@dataclass(frozen=True)
class _ScoreNotes:
    """What is said of the windows: notes, and warnings, which stand first."""

    notes: list[str]
    warnings: list[str]


@dataclass(frozen=True)
class _ScoreColumns:
    """Score columns of one model."""

    labels: tuple[str, ...]
    columns: tuple[str, ...]
    declared: Unit | None
    whose: str = ""
    setting: str = "[model]"

    @property
    def words(self) -> str:
        """``scores of 'paid'``."""
        return f"scores of {say.listed([repr(label) for label in self.labels])}{self.whose}"

    @property
    def named(self) -> str:
        """``column 'score'``."""
        listed = say.listed([repr(column) for column in dict.fromkeys(self.columns)])
        return f"column {listed}" if len(self.columns) == 1 else f"one of the columns {listed}"


def read_scores(
    raw: Raw, schemas: Schemas, settings: Settings, notes: list[str], warnings: list[str]
) -> tuple[AlteredScores, ...]:
    """Make probabilities of the score columns of ``raw``, in place, and say what was done.

    Raises:
        LabelError: scores in another unit that nothing declares, or in one that nobody can convert.
    """
    roles, report = settings.model, _ScoreNotes(notes, warnings)
    altered: list[AlteredScores] = []
    if roles.scores:
        own = _ScoreColumns(tuple(roles.scores), tuple(roles.scores.values()), roles.scores_are)
        if all(c in schema and schema[c].is_numeric() for c in own.columns for schema in schemas.values()):
            altered += _read(raw, own, report)
    warnings += [one.warning for one in altered]
    return tuple(altered)


def with_threshold(settings: Settings) -> Settings:
    """The settings with the threshold on the scale of probabilities; it is configured in the unit of the scores.

    Raises:
        LabelError: it lies outside the unit.
    """
    at, unit = settings.model.threshold, settings.model.scores_are
    if at is None:
        return settings
    value = _probability(at, unit)
    if not 0 <= value <= 1:
        raise LabelError(
            f"[model] threshold: expected a share from 0 to 1, the unit of the scores, got {at:g}; write it as one, or set "
            '[model] scores_are = "percent" where the scores are percents'
        )
    return _with_model(settings, threshold=value)


def as_probabilities(settings: Settings) -> Settings:
    """The settings for rows whose scores were converted already."""
    return _with_model(with_threshold(settings), scores_are=None)


def _with_model(settings: Settings, **changes: Any) -> Settings:
    return settings.model_copy(update={"model": settings.model.model_copy(update=changes)})


def _probability(value: float, unit: Unit | None) -> float:
    if unit == "percent":
        return value / 100
    return float(pl.select(1 / (1 + pl.lit(-value).exp())).item()) if unit == "logit" else value


def _read(raw: Raw, scores: _ScoreColumns, report: _ScoreNotes) -> list[AlteredScores]:
    if scores.declared in (None, "probability") and all(are_plain(frame, scores.columns) for frame, _ in raw.values()):
        return []  # all is well, as nearly always
    measures = {window: measure(frame, scores.columns) for window, (frame, _) in raw.items()}
    units = {window: _unit(one, scores) for window, one in measures.items()}
    reference, current = measures["reference"], measures["current"]
    declared = None if scores.declared == "probability" else scores.declared
    wanted: Unit = declared or "probability"
    for window, other in (("reference", current), ("current", reference)):
        expected = other.share(other.outside) * measures[window].rows
        if declared and units[window] == "probability" and units[_other(window)] == wanted and expected < ENOUGH:
            units[window] = wanted  # too few rows for one of them to lie outside
    if units["reference"] == units["current"]:
        if units["reference"] != wanted:
            raise _refusal(scores, reference, current, units)
        for window, one in measures.items():
            _convert(raw, window, scores, one, wanted, report)
        if wanted != "probability":
            report.notes.append(f"{scores.words} are read as {_SPOKEN[wanted]}, as {scores.setting} scores_are says")
            return []
        return _hundredths(raw, scores, measures) or _sums(raw, scores, measures, report)
    return [_one_window(raw, scores, measures, units, wanted, report)]


def _unit(measures: ScoreMeasures, scores: _ScoreColumns) -> Unit:
    """A window's unit; log odds that happen to be positive are what they are declared to be."""
    unit = unit_of(measures, len(scores.columns))
    return "logit" if scores.declared == "logit" and unit != "probability" else unit


def _other(window: str) -> str:
    return "current" if window == "reference" else "reference"


_SPOKEN: dict[Unit, str] = {
    "probability": "probabilities from 0 to 1",
    "percent": "percents",
    "logit": "log odds",
    "unknown": "no known unit",
}


def _refusal(
    scores: _ScoreColumns, reference: ScoreMeasures, current: ScoreMeasures, units: dict[str, Unit]
) -> LabelError:
    unit = units["reference"]
    low, high = min(reference.low, current.low), max(reference.high, current.high)
    if unit == "probability":
        return LabelError(
            f'{scores.words}: {scores.setting} scores_are = "{scores.declared}", but {scores.named} stays within 0 to 1 '
            f"({say.number(low, 4)} to {say.number(high, 4)}); leave scores_are out, or name the column "
            f"that holds {_SPOKEN[scores.declared or unit]}"
        )
    where = "" if reference == current else " in both windows"
    return LabelError(f"{scores.words} lie outside 0 to 1{where}: {_range_words(scores, unit, low, high)}")


def _range_words(scores: _ScoreColumns, unit: Unit, low: float, high: float) -> str:
    """What the columns hold, and what to do about it."""
    setting = f'or set {scores.setting} scores_are = "{unit}"'
    if unit == "percent" and high > SURELY:
        return f"{scores.named} reaches {say.number(high, 4)}, as percents do; divide by 100, {setting}"
    if unit == "logit":
        how = "sigmoid" if len(scores.columns) == 1 else "softmax (the sigmoid for scores of one class each)"
        return (
            f"{scores.named} runs from {say.number(low, 4)} to {say.number(high, 4)}, as log odds do; apply "
            f"the {how}, {setting}"
        )
    percents = f" (percents: divide by 100, {setting})" if unit == "percent" else ""
    return (
        f"{scores.named} runs from {say.number(low, 4)} to {say.number(high, 4)}; convert them to "
        f"probabilities from 0 to 1{percents}"
    )


def _convert(
    raw: Raw,
    window: str,
    scores: _ScoreColumns,
    measures: ScoreMeasures,
    unit: Unit,
    report: _ScoreNotes,
    *,
    factor: float | None = None,
    every_row: bool = True,
) -> None:
    """Put probabilities in place of one window's scores, and say what was clipped, left out or missing."""
    frame, source = raw[window]
    size = factor if factor is not None else 100.0 if unit == "percent" else 1.0
    if unit != "probability" or size != 1.0 or measures.hair or measures.outside:
        expressions = conversion(scores.columns, measures, logit=unit == "logit", factor=size, every_row=every_row)
        if not every_row:
            frame = frame.with_columns(far_outside(scores.columns).alias(names.CONVERTED))
        raw[window] = frame.with_columns(expressions), source
    if unit == "probability" and size == 1.0:
        if measures.outside:
            words = (
                f"{say.count(measures.outside)} rows of the {window} window have {scores.words} far outside 0 "
                f"to 1 ({say.number(measures.low, 4)} to "
                f"{say.number(measures.high, 4)}): those scores are left out"
            )
            (report.warnings if measures.share(measures.outside) > FEW else report.notes).append(words)
        elif measures.hair:
            report.notes.append(
                f"{say.count(measures.hair)} rows of the {window} window have {scores.words} just outside 0 "
                f"to 1 ({say.number(measures.low, 9)} to "
                f"{say.number(measures.high, 9)}): they are read as 0 or 1"
            )
    if unit == "percent" and size == 100 and measures.below:
        report.notes.append(
            f"{say.count(measures.below)} rows of the {window} window have {scores.words} below 0: those scores are left out"
        )
    if measures.missing:
        infinite = f", {say.count(measures.infinite)} of them infinite" if measures.infinite else ""
        report.notes.append(
            f"{say.count(measures.missing)} rows of the {window} window have no readable {scores.words}{infinite}"
        )


def _one_window(
    raw: Raw,
    scores: _ScoreColumns,
    measures: dict[str, ScoreMeasures],
    units: dict[str, Unit],
    wanted: Unit,
    report: _ScoreNotes,
) -> AlteredScores:
    """One window in another unit than the other: both become probabilities, and the change is told."""
    window = "current" if units["reference"] == wanted or units["current"] != "probability" else "reference"
    odd, other = measures[window], measures[_other(window)]
    if "probability" not in units.values():
        spans = [
            f"{_SPOKEN[units[name]]} in the {name} window ({say.number(measures[name].low, 4)} to "
            f"{say.number(measures[name].high, 4)})"
            for name in measures
        ]
        raise LabelError(
            f"{scores.words}: {scores.named} holds {spans[0]} and {spans[1]}; convert both to probabilities from 0 to 1"
        )
    if units[window] == "probability":  # the other one is in the unit that is declared
        _convert(raw, _other(window), scores, other, wanted, report)
        _convert(raw, window, scores, odd, "probability", report)
        return _alteration(
            scores,
            window,
            odd,
            f"{_SPOKEN['probability']}, where the {_other(window)} window has {_SPOKEN[wanted]}",
            f"write them as {_SPOKEN[wanted]} again",
            True,
        )
    unit = units[window]
    factor = None if unit == "logit" else factor_to(odd, other)
    if unit != "logit" and factor is None:
        raise LabelError(
            f"{scores.words} lie outside 0 to 1 in the {window} window alone: "
            f"{_range_words(scores, 'unknown', odd.low, odd.high)}"
            f"{'' if odd.steady or len(scores.columns) == 1 else '; the columns do not have one unit'}"
        )
    every = whole(odd, unit, other)
    _convert(raw, _other(window), scores, other, "probability", report)
    _convert(raw, window, scores, odd, unit, report, factor=factor, every_row=every)
    if factor is None:
        spoken, undo = "log odds", "apply the sigmoid" if len(scores.columns) == 1 else "apply the softmax"
    else:
        spoken = "percents" if factor == 100 else f"{say.fixed(factor, 0)} times as large"
        undo = f"divide by {factor:g}"
    reach = f"{say.number(odd.low, 4)} to {say.number(odd.high, 4)}"
    return _alteration(
        scores, window, odd, f"{spoken} ({reach}), where the {_other(window)} window has 0 to 1", undo, every
    )


def _alteration(
    scores: _ScoreColumns, window: str, odd: ScoreMeasures, how: str, undo: str, every: bool
) -> AlteredScores:
    share = 1.0 if every else odd.share(odd.outside)
    some = "" if every else f" on {say.percent(share)} of the rows"
    named = say.listed([repr(column) for column in scores.columns])
    observation = f"the {scores.words} ({named}) of the {window} window are written{some} as {how}"
    rest = "" if every else "; rows that stay within 0 to 1 are read as they are"
    warning = f"{observation}: they are converted ({undo}) before anything is computed{rest}"
    return AlteredScores(scores.columns, window, observation, undo, share, every, warning)


def _hundredths(raw: Raw, scores: _ScoreColumns, measures: dict[str, ScoreMeasures]) -> list[AlteredScores]:
    """Probabilities of one window divided by 100, as if they had been percents."""
    for window in ("current", "reference"):
        if is_hundredth(measures[window], measures[_other(window)]):
            _convert(raw, window, scores, measures[window], "percent", _ScoreNotes([], []), factor=0.01)
            low, high = measures[window].high, measures[_other(window)].high
            how = f"hundredths (up to {say.number(low, 4)}), where the {_other(window)} window reaches {say.number(high, 4)}"
            return [_alteration(scores, window, measures[window], how, "multiply by 100", True)]
    return []


def _sums(
    raw: Raw, scores: _ScoreColumns, measures: dict[str, ScoreMeasures], report: _ScoreNotes
) -> list[AlteredScores]:
    """Scores of all classes that do not sum to 1: legal where each class is scored for itself, a change in one window only."""
    off = {window: one.share(one.off_sum) for window, one in measures.items()}
    if len(scores.columns) < 2 or max(off.values()) <= OFF_SUM:
        return []
    window = max(off, key=lambda name: (off[name], name == "current"))
    odd = measures[window]
    if min(off.values()) <= OFF_SUM and off[window] > MOST_OFF:
        undo = "write the scores as the model gave them"
        if odd.steady and odd.sum > 0:
            _convert(raw, window, scores, odd, "percent", _ScoreNotes([], []), factor=odd.sum)
            undo = f"divide by {say.number(odd.sum, 4)}"
        observation = (
            f"the {scores.words} of a row do not sum to 1 in the {window} window (median sum "
            f"{say.number(odd.sum, 4)}), where they do in "
            f"the {_other(window)} window"
        )
        return [AlteredScores(scores.columns, window, observation, undo, 1.0, True, observation)]
    report.notes.append(
        f"{scores.words} do not sum to 1 on {say.percent(off['current'])} of the current rows (median sum "
        f"{say.number(measures['current'].sum, 4)}): they are read as one score per class, each for itself"
    )
    return []


def arm_scores(frame: pl.DataFrame, columns: ShadowColumns, settings: Settings, notes: list[str]) -> pl.DataFrame:
    """The rows of a shadow comparison with the other model's scores as probabilities; columns of ``[model]`` are so already.

    Raises:
        LabelError: they are in another unit, and nothing declares it.
    """
    own = tuple(columns.scores.values())
    if not own or set(own) & set(settings.model.scores.values()):
        return frame
    arm = "old" if columns == settings.shadow.old else "new"
    scores = _ScoreColumns(
        tuple(columns.scores),
        own,
        columns.scores_are or settings.model.scores_are,
        f" by the {arm} model",
        f"[shadow.{arm}]",
    )
    raw: Raw = {"current": (frame.lazy(), "")}
    measures = measure(raw["current"][0], own)
    unit = _unit(measures, scores)
    if unit == "probability" and columns.scores_are in (None, "probability"):
        _convert(raw, "current", scores, measures, unit, _ScoreNotes(notes, notes))
    elif unit != scores.declared:
        raise _refusal(scores, measures, measures, {"reference": unit, "current": unit})
    else:
        _convert(raw, "current", scores, measures, unit, _ScoreNotes(notes, notes))
        notes.append(f"{scores.words} are read as {_SPOKEN[unit]}, as scores_are says")
    return raw["current"][0].collect()
