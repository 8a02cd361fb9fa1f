"""What a payload log holds, told from its first calls: the names that a mapping may give."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from backslide.contracts.config import PayloadSettings
from backslide.contracts.errors import LogError
from backslide.contracts.say import count
from backslide.log.payloads.bodies import request_rows, response_rows
from backslide.log.payloads.exchange import UnreadableRecordError, pair
from backslide.log.payloads.ingest import ODD, describe_skipped, read_calls

SAMPLE = 2_000
"""Records that are looked at."""


@dataclass(frozen=True)
class PayloadSample:
    """Names in the bodies of a payload log."""

    calls: int
    fields: tuple[str, ...]
    """Of the features, in the order in which they came."""
    scores: tuple[str, ...]
    """Of the scores."""
    left_out: dict[str, int]

    @property
    def positional(self) -> bool:
        """Whether values of requests carry no names."""
        return bool(self.fields) and all(name.startswith("feature_") for name in self.fields)

    @property
    def unnamed_classes(self) -> bool:
        """Whether scores come as vectors."""
        return bool(self.scores) and list(self.scores) == [str(k) for k in range(len(self.scores))]


def look_at(records: Iterable[dict[str, Any]], format: str) -> PayloadSample:
    """The names in the first calls.

    Args:
        records: as the server wrote them.
        format: one of the formats of ``ingest_payloads``.

    Raises:
        LogError: an unknown format, or no whole call among them.
    """
    reasons: Counter[str] = Counter()
    fields: dict[str, None] = {}
    scores: dict[str, None] = {}
    calls, plain = 0, PayloadSettings()
    for call in pair(read_calls(islice(records, SAMPLE), format, reasons), reasons):
        try:
            features, answers = request_rows(call.request, plain), response_rows(call.response, plain)
        except UnreadableRecordError as reason:
            reasons[str(reason)] += 1
            continue
        except ODD:
            reasons["calls of another form"] += 1
            continue
        calls += 1
        fields |= dict.fromkeys(name for row in features for name in row)
        scores |= dict.fromkeys(name for row in answers for name in row.get("scores", ()))
    if not calls:
        raise LogError(
            f"no call in the first {count(SAMPLE)} records read as {format}: {'; '.join(describe_skipped(reasons))}"
        )
    return PayloadSample(calls, tuple(fields), tuple(scores), dict(reasons))
