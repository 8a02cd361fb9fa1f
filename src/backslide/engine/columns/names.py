"""Names of the columns that a prepared window adds beside the user's own."""

from __future__ import annotations

PREFIX = "__"
LABEL = "__label"
"""Class label as canonical text, or the number to predict; null = not labelled."""
PREDICTION = "__prediction"
TIME = "__time"
"""Naive UTC datetime."""
DAY = "__day"
"""Date of ``TIME``."""
VERSION = "__version"
CONFIDENCE = "__confidence"
"""Score of the predicted class."""
MARGIN = "__margin"
"""Distance to the decision boundary: |score - threshold| (binary) or best minus second-best score."""
ENTROPY = "__entropy"
"""Entropy of the scores over its maximum log K (0 to 1)."""
NEAR = "__near"
"""1 where ``MARGIN`` is below ``NEAR_BOUNDARY``, else 0."""
NEAR_BOUNDARY = 0.1
LOG_LOSS = "__log_loss"
BRIER = "__brier"
ERROR = "__error"
"""Prediction minus label."""
ABSOLUTE = "__absolute"
SQUARED = "__squared"
PERCENTAGE = "__percentage"
"""Absolute error over the label's size; null where the label is 0."""
COST = "__cost"
"""Cost of the error, where over- and underestimation have prices."""
CONVERTED = "__converted"
"""Whether the scores of a row came in another unit, where only some rows' did."""
CENTRED = "__centred"
"""Label minus a constant near its mean, on rows with a prediction: what the variance of labels is summed from."""


def is_pattern(name: str) -> bool:
    """Whether an expression takes a column's name for a pattern of names: ``*``, or a regular expression from ``^`` to ``$``."""
    return name == "*" or (name.startswith("^") and name.endswith("$"))


def score(label: str) -> str:
    """Column of the score of a class."""
    return f"__score:{label}"
