"""How the beginning and the end of a cause are written."""

from __future__ import annotations

import pytest

from backslide.contracts.cause import Began, Cause, CauseKind, Confidence
from backslide.report.documents.causes import since


def cause(**when: object) -> Cause:
    return Cause(
        rank=1,
        kind=CauseKind.UNIT_CHANGE,
        confidence=Confidence.VERIFIED,
        summary="x is 12 times as large.",
        next_step="Convert x back.",
        **when,
    )


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ({}, ""),
        ({"since": "2026-04-03"}, "3 April"),
        (
            {"since": "2026-04-03", "began": Began(at="2026-04-03", low="2026-04-03", high="2026-04-03")},
            "3 April",
        ),
        (
            {"since": "2026-04-03", "began": Began(at="2026-04-03", low="2026-04-01", high="2026-04-05")},
            "3 April (1 April to 5 April)",
        ),
        ({"since": "2026-04-03", "until": "2026-04-10"}, "3 April, until 10 April"),
    ],
)
def test_since_says_the_interval_and_the_end_where_there_are_any(when, said):
    assert since(cause(**when)) == said
