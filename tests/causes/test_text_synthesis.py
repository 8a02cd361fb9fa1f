"""Damage that no rule knows, found by doing it to texts of the reference; texts as they are written show none."""

from __future__ import annotations

import re

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.causes.columns.text_parts import (
    BlankLoss,
    CharacterExchange,
    KeptPart,
    OnePiece,
    Successive,
    WrappedWords,
)
from backslide.causes.columns.text_synthesis import Shapes, synthesise
from backslide.causes.faults.signatures.text_change import TextChange
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario

SYLLABLES = ["ra", "men", "tol", "bi", "ser", "ka", "lun", "dep", "or", "ti", "va", "shi", "no", "gre", "pal", "ust"]
SMALL = ["the", "of", "and", "to", "in", "was", "for", "it", "that", "not"]


def texts(rng: np.random.Generator, count: int, topic: int = 0) -> list[str]:
    """Texts of three to nine sentences; a topic changes which longer words they use."""
    vocabulary = np.random.default_rng(7)
    words = ["".join(vocabulary.choice(SYLLABLES, int(vocabulary.integers(1, 5)))) for _ in range(400)]
    mine = words[40 * topic : 40 * topic + 200]
    made = []
    for _ in range(count):
        sentences = []
        for _ in range(int(rng.integers(3, 10))):
            some = [
                str(rng.choice(SMALL)) if rng.random() < 0.45 else str(rng.choice(mine))
                for _ in range(rng.integers(4, 15))
            ]
            some[0] = some[0].capitalize()
            if rng.random() < 0.3:
                some.insert(2, str(rng.integers(2, 3000)))
            if rng.random() < 0.4:
                some[len(some) // 2] += ","
            sentences.append(" ".join(some) + str(rng.choice([".", ".", ".", "?", "!"])))
        made.append(" ".join(sentences))
    return made


DONE = {
    "the first third, and dots": lambda t: t[: len(t) * 3 // 10] + "…",
    "the second half": lambda t: t[len(t) // 2 :],
    "the middle": lambda t: t[len(t) // 4 : -(len(t) // 4)],
    "the first sentence": lambda t: re.split(r"(?<=[.!?])\s", t)[0],
    "no vowels": lambda t: re.sub("[aeiou]", "", t),
    "another sign for a letter": lambda t: t.replace("e", "%C3"),
    "small and without punctuation": lambda t: re.sub(r"[^\w\s]", "", t).lower(),
    "a tag around every word": lambda t: " ".join(f'<span class="w">{w}</span>' for w in t.split()),
    "the end, without blanks, quoted": lambda t: "> " + t[len(t) * 2 // 3 :].replace(" ", "="),
}


@pytest.mark.parametrize("how", DONE)
@pytest.mark.parametrize("share", [1.0, 0.4])
def test_what_was_done_is_done_again(how: str, share: float) -> None:
    done = DONE[how]
    rng = np.random.default_rng(11)
    topic = 1 if share == 1.0 else 0  # beside whole texts another topic would count as much
    ref, cur = texts(rng, 700), [done(t) if rng.random() < share else t for t in texts(rng, 700, topic)]
    found = synthesise(ref, cur)
    assert found is not None
    assert found.certain or share < 1 or how == "the first sentence"  # which comes by nature too
    assert abs(found.fit.share - share) < 0.15
    other = texts(rng, 300)
    ours, theirs = ([change(t) for t in other] for change in (found.do, done))
    assert abs(np.log(np.mean([len(t) for t in ours]) / np.mean([len(t) for t in theirs]))) < (
        0.3 if share == 1.0 else 0.6
    )
    # To the eye of the shapes learned from whole texts the two can hardly be told apart.
    shapes = Shapes(ref, theirs)
    own = shapes.places(ours).mean(0) - shapes.whole.mean(0)
    assert float(((own - shapes.now) ** 2).sum()) < 0.25 * shapes.distance


def test_texts_of_other_topics_are_as_they_were() -> None:
    found = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        found.append(synthesise(texts(rng, 300), texts(rng, 300, topic=seed % 4)))
    assert found == [None] * 40


def sentences(rng: np.random.Generator, count: int, least: int, most: int) -> list[str]:
    """Texts of so many sentences."""
    pool = [s for t in texts(rng, count) for s in re.split(r"(?<=[.!?])\s", t)]
    return [" ".join(rng.choice(pool, int(rng.integers(least, most + 1)))) for _ in range(count)]


@pytest.mark.parametrize("size", [(1, 2), (1, 4), (2, 5), (6, 12), (12, 24)])
def test_shorter_and_longer_texts_are_no_certain_damage(size: tuple[int, int]) -> None:
    for seed in range(6):
        rng = np.random.default_rng(seed)
        found = synthesise(sentences(rng, 300, 3, 9), sentences(rng, 300, *size))
        assert found is None or not found.certain


def test_short_messages_in_small_letters_are_not_cut_off() -> None:
    for seed in range(3):
        rng = np.random.default_rng(seed)
        chat = [re.sub(r"[^\w\s]", "", t).lower() for t in sentences(rng, 300, 1, 2)]
        found = synthesise(sentences(rng, 300, 2, 7), chat)
        assert found is None or not found.certain or "lost all but" not in found.seen


SCRIPTS = {"Cyrillic": "абвгдежзиклмнопрстуфхцчшщ", "Arabic": "ابتثجحخدذرزسشصضطظعغفقكلمن"}


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("share", [0.3, 1.0])
def test_another_script_is_no_exchange_of_letters(script: str, share: float) -> None:
    rng = np.random.default_rng(10)
    letters = str.maketrans("abcdefghijklmnopqrstuvwxy", SCRIPTS[script])
    ref = texts(rng, 500)
    cur = [t.lower().translate(letters) if rng.random() < share else t for t in texts(rng, 500)]
    found = synthesise(ref, cur)
    assert found is None or not found.certain or "in place of" not in found.seen


@pytest.mark.parametrize("kind", ["shorter", "longer", "questions"])
def test_more_of_some_whole_texts_is_no_certain_damage(kind: str) -> None:
    rng = np.random.default_rng(3)
    ref, pool = texts(rng, 600), texts(rng, 2_500)
    size = np.array([len(t) for t in pool])
    chosen = {
        "shorter": size <= np.quantile(size, 0.3),
        "longer": size >= np.quantile(size, 0.7),
        "questions": np.array(["?" in t for t in pool]),
    }[kind]
    found = synthesise(ref, [t for t, is_so in zip(pool, chosen, strict=True) if is_so])
    assert found is None or not found.certain


def test_texts_of_another_source_are_no_certain_damage() -> None:
    rng = np.random.default_rng(4)
    codes = [f"{rng.integers(100, 999)} OK AT GATE {rng.integers(1, 40)}; CREW TOLD" for _ in range(400)]
    for share in (0.4, 1.0):
        cur = [codes[k] if rng.random() < share else t for k, t in enumerate(texts(rng, 400))]
        found = synthesise(texts(rng, 600), cur)
        assert found is None or not found.certain


def test_a_rule_that_is_sure_and_explains_it_stays() -> None:
    rng = np.random.default_rng(5)
    cut = KeptPart(0, 0.4)
    ref, cur = texts(rng, 500), [cut.do(t) for t in texts(rng, 500)]
    assert synthesise(ref, cur, cut, sure=True) is None
    assert synthesise(ref, cur, BlankLoss(0.02), sure=True) is not None


def test_few_or_equal_texts_tell_nothing() -> None:
    rng = np.random.default_rng(6)
    some = texts(rng, 80)
    assert synthesise(some[:50], [t[:20] for t in some]) is None
    assert synthesise(["as ever"] * 300, ["as ever"] * 300) is None
    assert synthesise([""] * 300, [" "] * 300) is None
    assert synthesise(some * 4, [""] * 300) is None
    assert synthesise([t * 60 for t in some * 2], [t[:200] for t in some]) is None  # long ones are left to rules


@pytest.mark.parametrize(
    ("damage", "left"),
    [
        (CharacterExchange("ß", "ss"), "One two three four."),
        (KeptPart(0.25, 0.75, by_words=True), "two three"),
        (KeptPart(0.5, 1.0), "ree four."),
        (OnePiece(lines=False, last=True), "One two three four."),
        (CharacterExchange("ot", "0"), "0ne 0w0 0hree f0ur."),
        (BlankLoss(1.0), "Onetwothreefour."),
        (WrappedWords("<b>", "</b>", 2), "<b>One two</b> <b>three four.</b>"),
        (Successive((KeptPart(0, 0.5), CharacterExchange(" ", ""))), "Onetwoth"),
    ],
)
def test_each_damage_does_what_it_says(damage, left: str) -> None:
    assert damage.do("One two three four.") in (left, " " + left)
    assert damage.seen


def test_tags_are_taken_off() -> None:
    tags = WrappedWords('<i class="x">', "</i>")
    assert tags.reversible
    assert tags.undo(tags.do("One two three")) == "One two three"
    assert tags.undo("One two three") is None


def test_the_signature_tells_and_repeats_it() -> None:
    rng = np.random.default_rng(8)
    reference, current = scenarios.served(rng), scenarios.next_month(rng)
    reference = reference.with_columns(note=pl.Series(texts(rng, reference.height)))
    cut = [t[: len(t) * 3 // 10] + "…" for t in texts(rng, current.height)]
    current = current.with_columns(note=pl.Series(cut))
    roles = dict(scenarios.ROLES) | {"features": ["income", "age", "note"]}
    case = worlds.case_of(Scenario(reference, current, roles))
    (found,) = TextChange().recognise(case)
    assert found.exact
    assert not found.reversible
    assert "lost all but about the first 30%" in found.seen
    assert found.rows.all()
    again = TextChange().inject(case, found, case.reference.sample)["note"].to_list()
    assert np.mean([t.endswith("…") for t in again]) == 1.0


def test_what_cannot_be_restored_is_taken_from_the_most_similar_text() -> None:
    rng = np.random.default_rng(9)
    ref, whole = texts(rng, 400), texts(rng, 200)
    done = DONE["the first third, and dots"]
    found = synthesise(ref, [done(t) for t in whole])
    assert found is not None
    assert not found.restores
    assert found.undo(done(whole[0])) is None
    again = found.with_most_similar(ref[:300], [done(t) for t in ref[:50]])
    assert np.mean([one == other for one, other in zip(again, ref[:50], strict=True)]) > 0.8
    assert found.with_most_similar(["?"], ["another text"]) == ["another text"]


def note_case(ref: list[str], cur: list[str]):
    rng = np.random.default_rng(12)
    reference, current = scenarios.served(rng)[: len(ref)], scenarios.next_month(rng)[: len(cur)]
    reference, current = reference.with_columns(note=pl.Series(ref)), current.with_columns(note=pl.Series(cur))
    roles = dict(scenarios.ROLES) | {"features": ["income", "age", "note"]}
    return worlds.case_of(Scenario(reference, current, roles))


def test_what_single_texts_show_for_certain_stays_whatever_else_changed() -> None:
    rng = np.random.default_rng(13)
    cur = ["" if rng.random() < 0.2 else t for t in sentences(rng, 600, 1, 2)]
    (found,) = TextChange().recognise(note_case(texts(rng, 600), cur))
    assert found.exact
    assert "is empty" in found.seen


def test_tags_around_words_are_taken_off_and_no_other_text_put_there() -> None:
    rng = np.random.default_rng(14)
    ref, whole = texts(rng, 600), texts(rng, 600)
    case = note_case(ref, [DONE["a tag around every word"](t) for t in whole])
    (found,) = TextChange().recognise(case)
    assert found.exact
    assert found.reversible
    again = TextChange().repair(case, found, case.current.sample)["note"].to_list()
    assert set(again) <= set(whole)
