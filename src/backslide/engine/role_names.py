"""What people call the columns of a prediction log. Names only; whether the content agrees is for inference.py."""

from __future__ import annotations

import re


def _words(text: str) -> list[str]:
    """Names from most to least usual."""
    return text.split()


LABEL = _words(
    "label y_true true_label ground_truth groundtruth actual actuals actual_label actual_value target y truth "
    "outcome observed gt labels class true_class true_value response"
)
PREDICTION = _words(
    "prediction predicted_label predicted_class predicted_value prediction_label pred_label y_pred ypred y_hat yhat "
    "predicted pred preds predictions forecast decision model_output"
)
SCORE = _words(
    "score proba probability prob p y_score y_proba y_prob pred_proba pred_prob prediction_proba prediction_probability "
    "prediction_score predicted_probability predicted_proba predicted_prob predicted_score y_pred_proba y_pred_prob "
    "positive_probability model_score risk_score fraud_score"
)
TIMESTAMP = _words(
    "served_at predicted_at scored_at prediction_time prediction_timestamp timestamp event_time event_timestamp "
    "request_time requested_at logged_at created_at ts datetime date_time time date"
)
VERSION = _words("model_version modelversion model_ver model_tag model_release version")
ID = _words("id request_id prediction_id row_id event_id record_id uuid guid transaction_id rowid key")

_SCORE_AFFIXES = (
    re.compile(
        r"^(?:y_)?(?:pred(?:icted|iction)?_)?(?:p|prob|proba|probs|probability|score|scores)[_:.\s]+(?P<label>.+)$",
        re.I,
    ),
    re.compile(r"^(?P<label>.+?)[_:.\s]+(?:prob|proba|probability|score)$", re.I),
    re.compile(r"^p(?P<label>\d+(?:\.\d+)?)$", re.I),
)
_PREDICTION_AFFIXES = (
    re.compile(r"^(?:pred|predicted|prediction|yhat|forecast)_(?P<target>.+)$"),
    re.compile(r"^(?P<target>.+)_(?:pred|predicted|prediction|yhat|forecast)$"),
)
_LABEL_AFFIXES = (
    re.compile(r"^(?:label|target|actual|true|observed)_(?P<target>.+)$"),
    re.compile(r"^(?P<target>.+)_(?:label|target|actual|true|observed|ground_truth)$"),
)
_TIME_LIKE = re.compile(r"(^|_)(at|time|date|timestamp|ts|day|datetime)$")
_OTHER_TIME = re.compile(
    r"label|birth|dob|due|deadline|expir|end|dropoff|closed|updated|modified|issued|since|until|hire|join|signup"
)
_ID_LIKE = re.compile(r"(^|_)(id|uuid|guid|key|hash)$")
_INDEX_LIKE = re.compile(r"^(unnamed_0|index_level_0|index|level_0|row_number|row_index|row_nr)$")


def normal(name: str) -> str:
    """``PredictedProba`` and ``predicted-proba`` alike as ``predicted_proba``."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())
    return re.sub(r"[^0-9a-z]+", "_", spaced.lower()).strip("_")


def rank(name: str, known: list[str]) -> int | None:
    """Place of the name in a list of usual names, most usual first; None when it is not among them."""
    word = normal(name)
    return known.index(word) if word in known else None


def score_labels(name: str) -> list[str]:
    """Class labels that a score column of this name would belong to, as written in the name."""
    return [found["label"] for pattern in _SCORE_AFFIXES if (found := pattern.match(name.strip()))]


def predicted_target(name: str) -> str | None:
    """``fare`` for ``predicted_fare`` or ``fare_pred``; None when the name says nothing about a prediction."""
    return _affixed(name, _PREDICTION_AFFIXES)


def labelled_target(name: str) -> str | None:
    """``fare`` for ``actual_fare`` or ``fare_actual``."""
    return _affixed(name, _LABEL_AFFIXES)


def _affixed(name: str, patterns: tuple[re.Pattern[str], ...]) -> str | None:
    word = normal(name)
    return next((found["target"] for pattern in patterns if (found := pattern.match(word))), None)


def is_time_like(name: str) -> bool:
    """Whether the name speaks of a moment."""
    return bool(_TIME_LIKE.search(normal(name)))


def is_other_time(name: str) -> bool:
    """Whether the name speaks of another moment than the one of the prediction, such as ``labelled_at``."""
    return bool(_OTHER_TIME.search(normal(name)))


def is_id_like(name: str) -> bool:
    """Whether the name speaks of a key."""
    return bool(_ID_LIKE.search(normal(name)))


def is_index_like(name: str) -> bool:
    """Whether the column is what pandas writes for its row index."""
    return bool(_INDEX_LIKE.match(normal(name)))
