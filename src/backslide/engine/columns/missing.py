"""How missing values are written in text: ``NA``, ``NULL``, ``\\N`` and the like."""

from __future__ import annotations

TOKENS = (
    "NA",
    "N/A",
    "n/a",
    "NULL",
    "Null",
    "null",
    "None",
    "none",
    "NaN",
    "nan",
    "NAN",
    "-NaN",
    "-nan",
    "<NA>",
    "#N/A",
    "#NA",
    "\\N",
    "NaT",
    "nil",
    "-",
    "--",
    "?",
    ".",
)
"""Among numbers and times, each of them is a missing value."""
EVERYWHERE = ("NULL", "null", "Null", "\\N", "#N/A", "<NA>")
"""In text files also missing in columns of words: no one names a category so."""
