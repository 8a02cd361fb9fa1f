"""Times in plain words, in the reader's zone."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from backslide.server.pages import words

NOW = datetime(2026, 4, 15, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-04-15", "today"),
        ("2026-04-14", "yesterday"),
        ("2026-04-11", "Saturday"),
        ("2026-04-03", "3 April"),
        ("2025-04-03", "3 April 2025"),
        ("2026-04-03T10:00", "3 April 10:00 UTC"),
        ("rows 1 to 500", "rows 1 to 500"),
        (None, ""),
    ],
)
def test_days(text, expected):
    assert words.day(text, NOW) == expected


def test_moments_in_a_zone():
    tokyo = ZoneInfo("Asia/Tokyo")
    assert words.moment("2026-04-14T23:30:00", tokyo, NOW) == "today 08:30"
    assert words.moment("2026-04-14T23:30:00Z", ZoneInfo("UTC"), NOW) == "yesterday 23:30"
    assert words.moment("2026-04-03", tokyo, NOW) == "3 April"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-04-15T11:59:30", "just now"),
        ("2026-04-15T11:20:00", "40 minutes ago"),
        ("2026-04-15T02:00:00", "10 hours ago"),
        ("2026-04-03", "12 days ago"),
        ("2025-10-15", "6 months ago"),
        ("2026-04-15T13:00:00", "in 1 hour"),
    ],
)
def test_how_long_ago(text, expected):
    assert words.ago(text, NOW) == expected


def test_the_first_sentence_is_read_first():
    text = "F1 fell by 7.0 points (80.0% → 72.9%). Accuracy held. income is 100 times larger."
    assert words.first_sentence(text) == (
        "F1 fell by 7.0 points (80.0% → 72.9%).",
        "Accuracy held. income is 100 times larger.",
    )
    assert words.first_sentence("One only.") == ("One only.", "")


def test_points():
    fall = {"estimate": -0.034, "low": -0.045, "high": -0.023}
    assert words.points(fall, share=True) == ("3.4 points", "2.3 to 4.5")
    assert words.points({"estimate": 1.25, "low": None, "high": None}, share=False) == ("1.25", "")
    assert words.points(None, share=True) == ("", "")
