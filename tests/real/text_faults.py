"""What happens to running text on its way to a model, written from what goes wrong and not from how it is recognised.

Each draws its details from the generator and returns the texts as the model then got them; None where the served stack, not the
text, is at fault.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote

import numpy as np

Rng = np.random.Generator
Texts = list[str]
Change = Callable[[Texts, Rng, int], Texts]

GERMAN = (
    "the der of von to zu and und in in a ein for für said sagte is ist on auf that dass by von with mit as als its sein it es "
    "at bei from aus was war be sein he er are sind has hat will wird an ein would würde not nicht or oder his ihr which welche "
    "were waren this dies but aber have haben had hatte they sie their ihre after nach court Gericht law Gesetz under unter "
    "state Staat company Firma year Jahr"
)
SPANISH = (
    "the el of de to a and y in en a un for para said dijo is es on sobre that que by por with con as como its su it lo at en "
    "from desde was fue be ser he él are son has ha will será an un would habría not no or o his su which cual were fueron this "
    "este but pero have han had había they ellos their sus after después court tribunal law ley under bajo state estado company "
    "empresa year año"
)
ENDINGS = {
    "german": {
        "tion": "tionierung",
        "ity": "ität",
        "ing": "end",
        "ed": "te",
        "s": "en",
        "y": "ig",
        "e": "en",
        "c": "k",
    },
    "spanish": {"tion": "ción", "ity": "idad", "ing": "ando", "ed": "ado", "s": "os", "y": "ía", "e": "o", "c": "co"},
}
ACCENTS = str.maketrans({"a": "á", "i": "í", "e": "é", "o": "ö", "'": "’", "-": "–"})
"""What an accented language looks like to an encoding."""
CYRILLIC = dict(zip("abcdefghijklmnopqrstuvwxyz", "абцдефгхижклмнопярстувшхыз", strict=True))
MISREAD = {
    "e": "c",
    "o": "0",
    "l": "1",
    "a": "o",
    "n": "ri",
    "h": "b",
    "i": "l",
    "t": "f",
    "s": "5",
    "r": "i",
    "u": "ii",
}
MASTHEAD = {
    "reuters_news": "MARKETS WIRE. In this edition: crude oil and gas, opec barrels, grain and wheat, corn, sugar and coffee "
    "quotas, central bank interest rates, repurchase agreements and money supply, dollar exchange, yen, tariffs and trade, "
    "vessels and ports. ",
    "scotus_case_facts": "Digest of the term. Parts: First Amendment speech and religion; criminal procedure, search and "
    "seizure, sentencing; taxation; labor unions; civil rights and discrimination; antitrust and commerce; federal courts. ",
}
FOOTER = (
    " You receive this because you subscribed. To stop trading alerts write to the bank. Rights reserved; the court of law at the"
    " seat of the company decides on any tax, price, interest or employment claim. Please recycle: save oil, gas and wheat."
)


def truncation(texts: Texts, rng: Rng, variant: int) -> Texts:
    """A field of so many characters, a limit of so many words, or a limit that never cuts a word."""
    length = int(rng.integers(60, 120))
    if variant == 1:
        return [" ".join(t.split()[: length // 7]) for t in texts]
    if variant == 2:
        return [t if len(t) <= length else t[:length].rsplit(" ", 1)[0] + "..." for t in texts]
    return [t[:length] for t in texts]


def encoding(texts: Texts, rng: Rng, variant: int) -> Texts:
    """UTF-16 taken for a one-byte code; percent-encoded and never decoded; accents of UTF-8 read as Latin 1."""
    if variant == 1:
        return [quote(t) for t in texts]
    if variant == 2:
        return [t.encode("utf-8").decode("latin-1") for t in texts]
    return [t.encode("utf-16-le").decode("latin-1") for t in texts]


def garbling(texts: Texts, rng: Rng, variant: int) -> Texts:
    """A scanner that misreads letters, a sender whose characters get lost, a page layout that breaks words in two."""
    share = float(rng.uniform(0.3, 0.5))
    if variant == 2:
        return [re.sub("[A-Za-z]{4,}", lambda m: _broken(m[0], rng, 2 * share), t) for t in texts]
    if variant == 1:
        return [
            "".join("?" if c.isalpha() and u < share else c for c, u in zip(t, rng.random(len(t)), strict=True))
            for t in texts
        ]
    return [
        "".join(MISREAD.get(c, c) if u < share else c for c, u in zip(t, rng.random(len(t)), strict=True))
        for t in texts
    ]


def _broken(word: str, rng: Rng, share: float) -> str:
    at = int(rng.integers(2, len(word) - 1))
    return f"{word[:at]} {word[at:]}" if rng.random() < share else word


def boilerplate(name: str) -> Change:
    """A masthead that is the same, one with a running number and a date in it, a footer."""

    def change(texts: Texts, rng: Rng, variant: int) -> Texts:
        masthead = MASTHEAD[name] * int(rng.integers(2, 4))
        if variant == 1:
            numbers = rng.integers(10_000, 99_999, len(texts))
            return [f"Doc {n}, page {n % 7} of 9. {masthead}{t}" for n, t in zip(numbers, texts, strict=True)]
        if variant == 2:
            return [t + FOOTER + " " + masthead for t in texts]
        return [masthead + t for t in texts]

    return change


def language(texts: Texts, rng: Rng, variant: int) -> Texts:
    """A share of the texts comes in German, in Spanish, or in Cyrillic letters."""
    share = float(rng.uniform(0.4, 0.7))
    turn = (_german, _spanish, _cyrillic)[variant]
    return [turn(t) if u < share else t for t, u in zip(texts, rng.random(len(texts)), strict=True)]


def _translated(text: str, pairs: str, endings: dict[str, str]) -> str:
    words = pairs.split()
    known = dict(zip(words[::2], words[1::2], strict=True))

    def word(m: re.Match[str]) -> str:
        own = known.get(m[0].lower())
        if own is not None:
            return own
        ending = next((e for e in endings if m[0].endswith(e)), "")
        return m[0][: len(m[0]) - len(ending)] + endings.get(ending, "en")

    return re.sub(r"[A-Za-z]+", word, text)


def _german(text: str) -> str:
    return _translated(text, GERMAN, ENDINGS["german"])


def _spanish(text: str) -> str:
    return _translated(text, SPANISH, ENDINGS["spanish"])


def _cyrillic(text: str) -> str:
    return "".join(CYRILLIC.get(c, c) for c in text.lower())
