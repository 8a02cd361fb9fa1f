"""Numbers in sentences: one way to write a share, a number and a change."""

from __future__ import annotations

MINUS = "−"
_METRICS = {
    "mae": "mean absolute error",
    "rmse": "root mean squared error",
    "r2": "R²",
    "mape": "mean absolute percentage error",
    "f1": "F1",
    "roc_auc": "ROC AUC",
    "pr_auc": "PR AUC",
    "brier": "Brier score",
    "matthews": "Matthews correlation",
    "p90_absolute_error": "90th percentile of the absolute error",
}
_WORDS = {"f1": "F1"}


def number(value: float, digits: int = 4) -> str:
    """A number as people write it: significant digits, thousands apart, no exponent where avoidable."""
    value += 0.0  # no negative zero
    if value != value or value in (float("inf"), float("-inf")):
        return str(value)
    size = abs(value)
    if size >= 1000 and size < 1e15:
        text = f"{value:,.0f}".replace(",", "\u202f")
    elif size == 0 or 1e-4 <= size:
        text = f"{value:.{digits}g}"
        if "e" in text:
            text = f"{value:.0f}"
    else:
        text = f"{value:.2e}"
    return text.replace("-", MINUS)


def metric(name: str) -> str:
    """A metric as sentences write it: ``macro F1``, ``F1 of 'paid'`` for ``f1[paid]``; a user's function as it is named."""
    if ":" in name.partition("[")[0]:
        return name
    plain, _, label = name.partition("[")
    spelled = _METRICS.get(plain) or " ".join(_WORDS.get(word, word) for word in plain.split("_"))
    return f"{spelled} of {label[:-1]!r}" if label else spelled


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    return text if not text else text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def percent(share: float) -> str:
    """A share as percentage: ``4.1 %``; small ones keep two significant digits."""
    value = share * 100
    digits = 1 if abs(value) >= 1 or value == 0 else 2
    return f"{value:.{digits}f} %".replace("-", MINUS)


def signed(value: float, digits: int = 3) -> str:
    """A number with its sign."""
    return ("+" if value >= 0 else "") + number(value, digits)


def change(value: float, *, share: bool, unit: str = "") -> str:
    """A change of a metric: ``3.4 points`` for shares, a number in the metric's unit otherwise; always positive."""
    size = abs(value)
    if share:
        return f"{size * 100:.1f} points"
    return f"{number(size, 3)}{f' {unit}' if unit else ''}"


def listed(words: list[str] | tuple[str, ...], most: int = 4) -> str:
    """``a, b and c``; more than ``most`` end in ``and 5 more``."""
    names = list(words)
    if len(names) > most:
        names = [*names[: most - 1], f"{len(names) - most + 1} more"]
    if len(names) < 2:
        return "".join(names)
    return ", ".join(names[:-1]) + " and " + names[-1]
