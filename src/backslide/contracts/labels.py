"""One way to write a class label.

The same class comes as ``1`` (model), ``1.0`` (a column with nulls), ``"1"`` (a TOML key) or ``True``. Everything
inside compares labels as text, written here and nowhere else.
"""

from __future__ import annotations

from typing import Any


def label_text(value: Any) -> str:
    """The canonical text of a class label: ``True`` -> "true", ``1.0`` -> "1", ``"paid"`` -> "paid"."""
    if hasattr(value, "item") and not isinstance(value, (str, bytes)):
        value = value.item()  # numpy scalar; the contracts do not know numpy
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)


AFFIRMATIVE = ("1", "true", "yes")
"""Labels that name the positive class of a binary task by themselves, compared without regard to case."""
