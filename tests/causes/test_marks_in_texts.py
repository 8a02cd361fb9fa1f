"""Marks in place of names, and words that were cut, told from templates and from texts that are written so."""

from __future__ import annotations

import re

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.causes.columns.text_damage_of_some import Placeholder
from backslide.causes.columns.text_vocabulary import WordLength
from backslide.causes.faults.signatures.text_change import TextChange
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario

FIRST = ["Anna", "Boris", "Clara", "Dmitri", "Elif", "Farid"]
TOLD = "wrote about the late delivery of a parcel and asked for another appointment with the technician"
REST = TOLD.split()


def notes(rng: np.random.Generator, rows: int) -> pl.Series:
    made = []
    for _ in range(rows):
        words = list(rng.permutation(REST)[: int(rng.integers(6, 14))])
        words.insert(int(rng.integers(1, 4)), str(rng.choice(FIRST)))
        made.append(f"{rng.choice(FIRST)} {' '.join(words)}.")
    return pl.Series(made)


def damage_of(change) -> list[object]:
    rng = np.random.default_rng(3)
    reference, current = scenarios.served(rng), scenarios.next_month(rng)
    reference = reference.with_columns(note=notes(rng, reference.height))
    current = current.with_columns(note=pl.Series([change(text) for text in notes(rng, current.height)]))
    roles = dict(scenarios.ROLES) | {"features": ["income", "age", "note"]}
    case = worlds.case_of(Scenario(reference, current, roles))
    return [(h.params["damage"], h.exact) for h in TextChange().recognise(case)]


def test_a_mark_in_place_of_names_is_no_template() -> None:
    ((damage, exact),) = damage_of(lambda t: re.sub("|".join(FIRST), "[NAME]", t))
    assert isinstance(damage, Placeholder)
    assert damage.mark.startswith("[NAME]")
    assert exact


@pytest.mark.parametrize("letters", [3, 5])
def test_words_cut_off_at_one_length(letters: int) -> None:
    ((damage, exact),) = damage_of(lambda t: re.sub(rf"(\w{{{letters}}})\w+", r"\1", t))
    assert isinstance(damage, WordLength)
    assert damage.letters == letters
    assert exact


def test_texts_as_they_are_written_show_no_damage() -> None:
    assert damage_of(lambda t: t) == []
