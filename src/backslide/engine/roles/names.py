"""What the name of a column says about its role. Names only; whether the content agrees is for inference.py."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache

from backslide.engine.roles import vocabulary as words

_SCORE_AFFIXES = (
    re.compile(
        r"^(?:y_)?(?:pred(?:icted|iction)?_)?(?:p|prob|proba|probs|probability|score|scores)[_:.\s]+(?P<label>.+)$",
        re.I,
    ),
    re.compile(r"^(?P<label>.+?)[_:.\s]+(?:prob|proba|probability|score)$", re.I),
    re.compile(r"^p(?P<label>\d+(?:\.\d+)?)$", re.I),
)
_ID_LIKE = re.compile(r"(^|_)(id|uuid|guid|key|hash)$")
_INDEX_LIKE = re.compile(r"^(unnamed_0|index_level_0|index|level_0|row_number|row_index|row_nr)$")
_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"})
COMPOUND = 5
"""Least letters of a word that is also looked for at the end of a longer one."""
STEM = 4
"""Least letters that two names must share to speak of the same thing."""


@dataclass(frozen=True)
class Name:
    """What the words of a name say of it as something that a model put out, or should have."""

    truth: bool = False
    prediction: bool = False
    surely: bool = False
    """Whether the word is one that only predictions have."""
    score: bool = False
    chance: bool = False
    """Whether it begins with a p, as in ``p_churn`` and ``p_value``."""
    confidence: bool = False
    outcome: bool = False
    history: bool = False
    stem: str = ""
    """What it is about: ``churn`` of ``churn_pred``; empty where it does not say."""

    @property
    def output(self) -> bool:
        """Whether it is named as something that a model puts out."""
        return self.prediction or self.score or self.confidence


@lru_cache(maxsize=4096)
def normal(name: str) -> str:
    """``PredictedProba`` and ``predicted-proba`` alike as ``predicted_proba``; ``résilié`` as ``resilie``."""
    plain = unicodedata.normalize("NFKD", name.strip().translate(_GERMAN))
    bare = "".join(letter for letter in plain if not unicodedata.combining(letter))
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", bare)
    return re.sub(r"[^0-9a-z]+", "_", spaced.lower()).strip("_")


def rank(name: str, known: Sequence[str]) -> int | None:
    """Place of the name, or of its last part behind a dot, in a list of usual names; None when it is not among them."""
    inner = normal(name.rpartition(".")[2])
    return next((known.index(word) for word in (normal(name), inner) if word in known), None)


@lru_cache(maxsize=4096)
def read(name: str) -> Name:
    """Take a name apart."""
    parts = normal(name).split("_")
    if parts[0] in words.FEATURE_PREFIXES and len(parts) > 1:
        return Name()
    joined = "_".join(parts)
    hat = "y_hat" in joined or "ypred" in joined or _is_answer_of_model(parts)

    def has(known: Collection[str]) -> bool:
        return any(_matches(part, known) is not None for part in parts)

    return Name(
        truth=has(words.TRUTH_WORDS),
        prediction=hat or has(words.PREDICTION_WORDS) or (len(parts) > 1 and parts[0] in words.MACHINE_WORDS),
        surely=hat or has(words.SURE_PREDICTION_WORDS),
        score=has(words.SCORE_WORDS) or bool(re.match(r"^(?:y_)?p(?:rob|roba)?_?[01]$", joined)),
        chance=parts[0] == "p" and len(parts) > 1,
        confidence=has(words.CONFIDENCE_WORDS),
        outcome=has(words.OUTCOME_WORDS),
        history=any(part in words.HISTORY_WORDS for part in parts),
        stem=_stem(parts[1:] if parts[0] == "p" else parts),
    )


def _is_answer_of_model(parts: list[str]) -> bool:
    """Whether a name is one such as ``model_label``, but neither ``model_year`` nor ``car_model``."""
    return parts[0] in words.MODEL_WORDS and any(_matches(part, words.TRUTH_WORDS) for part in parts[1:])


_OUTPUT_WORDS = (
    *words.TRUTH_WORDS,
    *words.PREDICTION_WORDS,
    *words.SCORE_WORDS,
    *words.CONFIDENCE_WORDS,
)


def _matches(part: str, known: Collection[str]) -> str | None:
    """What of this part of a name is one of the words, in any number and gender: all of it, or its end."""
    bare = _uninflected(part)
    if bare in _uninflected_all(tuple(known)):
        return part
    return next((word for word in known if len(word) >= COMPOUND and part.endswith(word)), None)


def _uninflected(word: str) -> str:
    """``pronosticad`` for ``pronosticado`` and ``pronosticadas``; short words as they are."""
    if len(word) < COMPOUND:
        return word
    single = word.removesuffix("s")
    return single[:-1] if single[-1] in "aeo" else single


@lru_cache(maxsize=64)
def _uninflected_all(known: tuple[str, ...]) -> frozenset[str]:
    return frozenset(_uninflected(word) for word in known)


def _stem(parts: list[str]) -> str:
    remaining = []
    for part in parts:
        word = _matches(part, _OUTPUT_WORDS)
        rest = part if word is None else part.removesuffix(word)
        if rest and rest not in words.FILLERS:
            remaining.append(rest)
    return "_".join(remaining)


def same_subject(one: str, other: str) -> bool:
    """Whether two stems speak of the same thing: ``churn`` and ``churned``, ``preis`` and ``verkaufspreis``."""
    if not one or not other:
        return False
    if one == other:
        return True
    short, long = sorted((one, other), key=len)
    if len(short) < STEM:
        return False
    shared = next((i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    return long.endswith(short) or shared >= max(STEM, 0.6 * len(short))


def score_labels(name: str) -> list[str]:
    """Class labels that a score column of this name would belong to, as written in the name."""
    return [match["label"] for pattern in _SCORE_AFFIXES if (match := pattern.match(name.strip()))]


def is_time_like(name: str) -> bool:
    """Whether the name speaks of a moment."""
    parts = normal(name).split("_")
    return _matches(parts[-1], words.TIME_WORDS) is not None or parts[0] in words.FIRST_TIME_WORDS


def is_time_of(name: str, label: str) -> bool:
    """Whether a name is that of a moment at which this happened: ``returned_at`` for ``returned``."""
    parts = [part for part in normal(name).split("_") if part not in words.TIME_WORDS]
    return is_time_like(name) and bool(parts) and _stem(parts) == read(label).stem != ""


def is_other_time(name: str) -> bool:
    """Whether the name speaks of another moment than the one of the prediction, such as ``labelled_at``."""
    word = normal(name)
    return any(part in word for part in words.OTHER_TIME_WORDS if len(part) > STEM) or any(
        part.startswith(other) for part in word.split("_") for other in words.OTHER_TIME_WORDS if len(other) <= STEM
    )


def is_key_like(name: str) -> bool:
    """Whether the name speaks of a key, in any of the languages."""
    parts = normal(name).split("_")
    return _matches(parts[-1], words.KEY_WORDS) is not None or (len(parts) > 1 and parts[0] in words.KEY_WORDS)


def is_id_like(name: str) -> bool:
    """Whether the name speaks of a key whatever its values are, so that they are no quantities."""
    return bool(_ID_LIKE.search(normal(name)))


def is_index_like(name: str) -> bool:
    """Whether the column is what pandas writes for its row index."""
    return bool(_INDEX_LIKE.match(normal(name)))
