"""Marks in place of names, and words that were cut, told from templates and from texts that are written so."""

from __future__ import annotations

import re

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.causes.columns.text_masks import Mask, Masking, find_masking
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
    assert isinstance(damage, Masking)
    assert damage.marks == {"[NAME]"}
    assert exact


@pytest.mark.parametrize("letters", [3, 5])
def test_words_cut_off_at_one_length(letters: int) -> None:
    ((damage, exact),) = damage_of(lambda t: re.sub(rf"(\w{{{letters}}})\w+", r"\1", t))
    assert isinstance(damage, WordLength)
    assert damage.letters == letters
    assert exact


MASKED = {
    "names and numbers, one mark": (
        lambda t: re.sub(r"\d+|\b[A-Z]\w+", "[X]", t),
        {"numbers": "[X]", "words with a capital letter": "[X]"},
    ),
    "a mark for each": (
        lambda t: re.sub(r"\d+", "<NUM>", re.sub(r"\b[A-Z]\w+", "<PERSON>", t)),
        {"numbers": "<NUM>", "words with a capital letter": "<PERSON>"},
    ),
    "letter by letter": (
        lambda t: re.sub(r"\b[A-Z]\w+", lambda m: "*" * len(m[0]), t),
        {"words with a capital letter": "*"},
    ),
    "long words too": (
        lambda t: re.sub(r"\d+|\b[A-Z]\w+|\w{9,}", "[X]", t),
        {"numbers": "[X]", "words with a capital letter": "[X]", "words of 9 letters and more": "[X]"},
    ),
}


@pytest.mark.parametrize("how", MASKED)
def test_marks_are_put_where_they_came_from(how: str) -> None:
    mask, expected = MASKED[how]
    rng = np.random.default_rng(5)
    texts = [f"{t} Case {rng.integers(10, 99_999)}, seen by {rng.choice(FIRST)}." for t in notes(rng, 600)]
    found = find_masking(texts[:300], [mask(t) for t in texts[300:]])
    assert found is not None
    assert {m.of: m.mark for m in found.masks} == expected
    assert np.mean([found.do(t) == mask(t) for t in texts]) > 0.9
    fill = found.filler(texts[:300], rng)
    assert not any(mark in fill(mask(t)) for t in texts[300:320] for mark in expected.values())


def test_marks_for_more_words_than_are_gone_stand_for_any_words() -> None:
    rng = np.random.default_rng(6)
    texts = [f"{t} Case {k}." for k, t in enumerate(notes(rng, 600))]
    found = find_masking(texts[:300], [re.sub(r"\d+|\b[a-m]\w*", "[X]", t) for t in texts[300:]])
    assert found is not None
    assert not found.told
    assert 0.2 < found.rate < 0.9


@pytest.mark.parametrize("end", [" #sale", " <br>", " xx", " XXX"])
def test_what_ends_texts_is_no_mark_in_place_of_words(end: str) -> None:
    rng = np.random.default_rng(7)
    texts = [f"{t} Case {k}." for k, t in enumerate(notes(rng, 600))]
    plain = [t.replace(f" Case {k}.", "") for k, t in enumerate(texts)]
    found = find_masking(texts[:300], [t + end for t in plain[300:]])
    assert found is None or not found.told


def test_letters_in_a_row_are_marks_only_beside_words() -> None:
    mask = Masking((Mask("x", "numbers", r"\d+", True),))
    assert mask.without_marks("the next box is xxx extra") == "the next box is   extra"
    assert not mask.hit("the next box")
    assert mask.do("room 4512 of box") == "room xxxx of box"


def test_names_of_any_alphabet_are_masked() -> None:
    rng = np.random.default_rng(8)
    named = ["Şule", "Émile", "Čeněk", "Ёлка"]
    texts = [f"Today {rng.choice(named)} wrote and {rng.choice(named)} answered at once." for _ in range(600)]
    masked = [re.sub(r"\b(?:" + "|".join([*named, "Today"]) + r")\b", "[X]", t) for t in texts[300:]]
    found = find_masking(texts[:300], masked)
    assert found is not None
    assert [found.do(t) for t in texts[300:]] == masked


def test_texts_as_they_are_written_show_no_damage() -> None:
    assert damage_of(lambda t: t) == []
