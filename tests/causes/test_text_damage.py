"""What may happen to a text: there and back, and how much of it there was."""

from __future__ import annotations

import random

import numpy as np
import polars as pl
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import worlds
from backslide.causes.columns import text_corruption, text_encoding, text_vocabulary
from backslide.causes.faults.recognition import find_faults
from backslide.causes.faults.signatures.text_change import _damage
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.kinds import ColumnKind
from backslide.engine.columns.pair import Pair
from backslide.models.vectorisers import settings, vectorisers, with_setting, with_vectorisers
from backslide.playbook.base import Scenario

SENTENCES = [
    "It was 50 % of the “crude” oil, said Müller & Söhne.",
    "A & B = C? Not so; it is 1,200 t a day.",
    "漢字 and ümlauts",
]
CODES = [
    text_encoding.SpacedLetters(),
    *(text_encoding.WideEncoding(c) for c in text_encoding.WIDE),
    *(text_encoding.TransferEncoding(c) for c in text_encoding.TRANSFER),
]
NAMES = [
    *["crude", "wheat", "court", "bank", "tariff", "vessel", "judge", "grain", "yen"],
    "profit",
    "quarter",
    "appeal",
    "treaty",
    "statute",
]
SMALL = [
    "the",
    "of",
    "to",
    "and",
    "in",
    "a",
    "for",
    "said",
    "is",
    "on",
    "that",
    "by",
    "with",
    "as",
    "its",
    "from",
    "was",
    "be",
    "at",
]


def prose(n: int, seed: int, names: list[str] = NAMES) -> list[str]:
    """Sentences of frequent small words and rarer long ones, of various lengths."""
    rng = random.Random(seed)
    more = [f"{name}{ending}" for name in names for ending in ("", "s", "ing", "ers", "ed", "able")]
    words = [rng.choice(SMALL) if rng.random() < 0.45 else rng.choice(more) for _ in range(n * 40)]
    return [" ".join(words[i * 40 : i * 40 + rng.randint(15, 40)]) for i in range(n)]


def found(before: list[str], after: list[str]) -> text_corruption.TextDamage | None:
    import polars as pl

    got = _damage(Pair("note", ColumnKind.CATEGORICAL, pl.Series(before), pl.Series(after)))
    return got[0] if got else None


@pytest.mark.parametrize("code", CODES, ids=str)
@pytest.mark.parametrize("text", SENTENCES)
def test_what_was_never_decoded_can_be_decoded(code, text):
    travelled = code.do(text)
    assert code.undo(travelled) == text
    assert not code.hit(text)
    assert code.hit(travelled) or len(text) < 20


@pytest.mark.parametrize("code", CODES, ids=str)
@pytest.mark.parametrize("text", ["", " ", "\x00", "%", "%zz", "=", "\ud800", "a" * 40, "+", "\u202e"])
def test_odd_texts_break_nothing(code, text):
    for damage in (
        code,
        text_vocabulary.WordLimit(2),
        text_vocabulary.LetterLoss("?", 0.5),
        text_vocabulary.NumberedBoilerplate("n 1 ", " 2"),
    ):
        damage.hit(text)
        damage.do(text)
        damage.undo(text)


def test_a_template_with_numbers_comes_off_whatever_the_numbers():
    wrapped = [f"Doc {n} of 7. {t}" for n, t in enumerate(prose(300, 1))]
    damage = found(prose(300, 2), wrapped)
    assert isinstance(damage, text_vocabulary.NumberedBoilerplate)
    assert [damage.undo(t) for t in wrapped] == prose(300, 1)


def test_a_limit_of_words_is_told():
    damage = found(prose(400, 1), [" ".join(t.split()[:18]) for t in prose(400, 2)])
    assert damage == text_vocabulary.WordLimit(18)


@pytest.mark.parametrize("rate", [0.1, 0.2, 0.3])
def test_share_of_misread_letters_is_recovered(rate):
    rng = np.random.default_rng(3)
    garbled = ["".join("x" if c.isalpha() and rng.random() < rate else c for c in t) for t in prose(500, 2)]
    damage = found(prose(500, 1), garbled)
    assert isinstance(damage, text_vocabulary.MisreadLetters)
    assert damage.rate == pytest.approx(rate, rel=0.25)


def test_letters_lost_are_not_letters_beyond_ascii():
    rng = np.random.default_rng(3)
    lost = ["".join("?" if c.isalpha() and rng.random() < 0.3 else c for c in t) for t in prose(500, 2)]
    damage = found(prose(500, 1), lost)
    assert isinstance(damage, text_vocabulary.LetterLoss)
    assert damage.rate == pytest.approx(0.3, rel=0.1)


def test_some_texts_in_another_language_are_told_from_new_topics():
    foreign = prose(600, 5, ["ölpreis", "weizen", "gericht", "zoll"])
    own = [
        "der",
        "von",
        "zu",
        "und",
        "in",
        "ein",
        "für",
        "sagte",
        "ist",
        "auf",
        "dass",
        "bei",
        "mit",
        "als",
        "sein",
        "aus",
        "war",
        "sei",
        "am",
    ]
    german = dict(zip(SMALL, own, strict=True))
    foreign = [" ".join(german.get(w, w) for w in t.split()) for t in foreign]
    mixed = [f if i % 5 == 0 else t for i, (f, t) in enumerate(zip(foreign, prose(600, 2), strict=True))]
    assert isinstance(found(prose(600, 1), mixed), text_corruption.ForeignLanguage)
    topics = prose(600, 5, ["soybean", "merger", "dividend", "strike"])
    assert found(prose(600, 1), [*topics[:120], *prose(480, 2)]) is None


@pytest.mark.parametrize("seed", range(10))
def test_two_draws_of_one_prose_have_no_damage(seed):
    assert found(prose(400, seed), prose(400, 100 + seed)) is None


def test_vectorisers_are_found_by_column_and_exchanged_alone():
    import pandas as pd

    frame = pd.DataFrame({"head": prose(40, 1), "body": prose(40, 2)})
    parts = [("h", CountVectorizer(), "head"), ("b", make_pipeline(TfidfVectorizer()), "body")]
    model = make_pipeline(ColumnTransformer(parts), LogisticRegression()).fit(frame, [0, 1] * 20)
    held = vectorisers(model, list(frame.columns))
    assert {c: type(v).__name__ for c, v in held.items()} == {"head": "CountVectorizer", "body": "TfidfVectorizer"}
    ways = {name: with_setting(held["body"], name, other) for name, _, other in settings(held["body"])}
    for name, way in ways.items():
        changed = with_vectorisers(model, list(frame.columns), {"body": way})
        assert vectorisers(changed, list(frame.columns))["body"] is way, name
        assert changed[-1] is model[-1]
        changed.predict_proba(frame)
    assert np.abs(ways["use_idf"].transform(frame["body"]) - held["body"].transform(frame["body"])).max() > 0.01
    assert vectorisers(model, list(frame.columns)) == held, "the saved model stays as it is"


def test_a_header_in_front_of_titles_is_read_though_they_are_no_sentences():
    """Two words are too few for a text, and no two titles are the same."""
    rng = np.random.default_rng(3)
    words = np.array(["scan", "tables", "fit", "models", "open", "files", "draw", "charts", "join", "rows"])

    def titles(n: int, header: str = "") -> pl.Series:
        numbers = np.arange(n).astype(str)
        picked = rng.choice(words, (n, 2))
        return pl.Series([f"{header}{a} {b}{i}" for (a, b), i in zip(picked, numbers, strict=True)])

    x, answer = rng.normal(size=(2, 1000)), rng.integers(0, 2, 1000)
    windows = [
        pl.DataFrame({"title": titles(1000, header), "x": x[k], "answer": answer, "said": answer})
        for k, header in enumerate(("", "Thank you for contacting us. Your message reads: "))
    ]
    roles = {"label": "answer", "prediction": "said", "features": ("title", "x")}
    found = find_faults(worlds.case_of(Scenario(*windows, roles, None)))
    assert [(f.kind, f.features) for f in found if f.exact] == [(CauseKind.TEXT_CHANGE, ("title",))]
    plain = find_faults(worlds.case_of(Scenario(windows[0], windows[0].with_columns(title=titles(1000)), roles, None)))
    assert [f.kind for f in plain if f.features == ("title",)] == []
