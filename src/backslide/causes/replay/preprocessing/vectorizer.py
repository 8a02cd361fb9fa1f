"""Another vectoriser stands before the model, or the text was altered before it: which one gives what was served?

Each is put in the place of the saved one and asked: the vectoriser of the artefact given as the current one; the saved one with
one setting changed (small letters, runs of words, the pattern of a word, weights); one fitted again on the current window; and
the saved one on a text that was cut off or normalised on its way.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import polars as pl

from backslide.causes.columns import text_corruption, text_vocabulary
from backslide.causes.replay.preprocessing.replay import ALWAYS, Alter, Asker, InputChange, as_logged
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.pair import MISSING, to_texts
from backslide.models.vectorisers import settings, terms, vectorisers, with_setting, with_vectorisers
from backslide.models.wrap import wrap

FIRST = 12
"""Rows that must all but come out right before the others are asked about."""
PROMISING = 0.8
CUTS = (50, 64, 100, 128, 200, 250, 255, 256, 300, 400, 500, 510, 512, 1000, 1024, 2000, 2048, 4096)
"""Lengths at which texts are commonly cut off, in characters and in words."""
UNDO = "load the vectoriser of training together with the model"

Other = tuple[dict[str, Any], str]
"""Vectorisers by column, and in words what is other about them."""


def find_vectorizer_change(asker: Asker) -> InputChange | None:
    """The other vectoriser, or the alteration of a text, that explains what was served."""
    known = asker.model.features
    columns = list(known) if known is not None else asker.features
    held = vectorisers(asker.model.artefact, columns)
    held = {c: v for c, v in held.items() if c in asker.side.sample.columns}
    if not held:
        return None
    for others, words in _others(asker, columns, held):
        artefact = with_vectorisers(asker.model.artefact, columns, others)
        model = wrap(artefact, name=asker.model.name, task=asker.case.settings.model.task)
        if _explains(asker.asking(model), as_logged):
            return InputChange(CauseKind.PREPROCESSING_CHANGE, tuple(others), as_logged, words, UNDO, model)
    for column in held:
        for damage in _ways():
            alter = _altering(column, damage)
            if _explains(asker, alter):
                words = f"what the model was given of {column} {damage.seen}, while the log holds the whole text"
                return InputChange(
                    CauseKind.PREPROCESSING_CHANGE, (column,), alter, words, f"hand {column} to the model as logged"
                )
    return None


def _explains(asker: Asker, alter: Alter) -> bool:
    """Whether what was served comes out on some rows, and then on nearly all that were kept back."""
    few = asker.search[:FIRST]
    try:
        if asker.equal(alter(asker.rows(few)), few).mean() < PROMISING:
            return False
    except Exception:  # terms of another number, or a setting that this vectoriser does not take
        return False
    return bool(asker.equal(alter(asker.rows(asker.check)), asker.check).mean() >= ALWAYS)


def _others(asker: Asker, columns: list[str], held: dict[str, Any]) -> Iterator[Other]:
    yield from _of_successor(asker, columns, held)
    for column, vectoriser in held.items():
        for name, value, other in settings(vectoriser):
            words = f"the vectoriser of {column} reads with {name}={other!r}, the saved one with {name}={value!r}"
            yield {column: with_setting(vectoriser, name, other)}, words
    if len(held) > 1:
        yield from _all_with_setting(held)
    refitted = {c: fitted for c, v in held.items() if (fitted := _fitted_again(asker, c, v)) is not None}
    for column, fitted in refitted.items():
        new = _new_terms(held[column], fitted)
        yield {column: fitted}, f"the vectoriser of {column} was fitted again on the current window{new}"
    if len(refitted) > 1:
        yield refitted, f"the vectorisers of {say.listed(list(refitted))} were fitted again on the current window"


def _of_successor(asker: Asker, columns: list[str], held: dict[str, Any]) -> Iterator[Other]:
    """Of the artefact that answers now, where the user has it: another vectoriser before the same model."""
    successor = asker.case.current_model
    if successor is None:
        return
    theirs = vectorisers(successor.artefact, list(successor.features or columns))
    other = {c: theirs[c] for c in held if c in theirs and _differ(held[c], theirs[c])}
    if other:
        new = _new_terms(held[next(iter(other))], next(iter(other.values())))
        yield (
            other,
            f"before the saved model stands another vectoriser of {say.listed(list(other))}{new}, the one in current_model",
        )


def _differ(one: Any, other: Any) -> bool:
    return terms(one) != terms(other) or any(
        one.get_params().get(k) != v for k, v in other.get_params().items() if k != "dtype"
    )


def _all_with_setting(held: dict[str, Any]) -> Iterator[Other]:
    first = next(iter(held.values()))
    for name, value, other in settings(first):
        if all(name in v.get_params() for v in held.values()):
            words = f"the vectorisers of {say.listed(list(held))} read with {name}={other!r}, the saved with {name}={value!r}"
            yield {c: with_setting(v, name, other) for c, v in held.items()}, words


def _fitted_again(asker: Asker, column: str, vectoriser: Any) -> Any | None:
    """On all rows of the current window; None where only a sample of them is at hand."""
    if not asker.side.complete or terms(vectoriser) is None:
        return None
    known = [t for t in to_texts(asker.side.sample[column]) if t != MISSING]
    with warnings.catch_warnings(action="ignore"):  # the user's vectoriser repeats what it said when it was fitted
        try:
            return deepcopy(vectoriser).fit(known)
        except ValueError:  # no term is frequent enough
            return None


def _new_terms(one: Any, other: Any) -> str:
    before, after = terms(one), terms(other)
    if not before or not after:
        return ""
    return (
        f" ({say.percent(1 - len(before.keys() & after.keys()) / len(before))} of its {len(before)} terms are others)"
    )


def _ways() -> list[text_corruption.TextDamage]:
    """What is commonly done to a text right before a model, and seldom logged."""
    ways: list[text_corruption.TextDamage] = [text_corruption.Truncation(n) for n in CUTS]
    ways += [text_vocabulary.WordLimit(n) for n in CUTS]
    return [
        *ways,
        *(text_corruption.LetterCase(upper=upper) for upper in (False, True)),
        text_corruption.PunctuationLoss(),
        *(text_corruption.CharacterLoss(mark) for mark in ("", "?")),
        text_corruption.WhitespaceLoss(none=True),
        text_corruption.EntityEncoding(),
        text_corruption.EscapeEncoding(),
        *(text_corruption.WrongEncoding(codec) for codec in text_corruption.CODECS),
    ]


def _altering(column: str, damage: text_corruption.TextDamage) -> Alter:
    def alter(frame: pl.DataFrame) -> pl.DataFrame:
        values = [None if t is None else damage.do(str(t)) for t in frame[column].to_list()]
        return frame.with_columns(pl.Series(column, values, dtype=pl.String))

    return alter
