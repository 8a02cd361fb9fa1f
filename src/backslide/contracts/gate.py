"""What the gate says: may a challenger take over from the champion? Every requirement is a line with its numbers."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import ValidationError

from backslide.contracts.errors import InputError
from backslide.contracts.finding import Estimate
from backslide.contracts.shadow import ShadowInputs
from backslide.contracts.upkeep import GateSettings
from backslide.contracts.values import Value, published_schema

FORMAT: Literal["backslide.gate/1"] = "backslide.gate/1"


class GateVerdict(StrEnum):
    """What may be done with the challenger."""

    PROMOTE = "promote"
    HOLD = "hold"
    ROLL_BACK = "roll_back"
    """It is shown to be worse overall: where it answers already, the champion should again."""

    @property
    def held(self) -> bool:
        """Whether it must not take over; the command line exits with 1."""
        return self is not GateVerdict.PROMOTE


class GateLine(Value):
    """One requirement and whether it is met."""

    kind: Literal["headline", "stretches", "class", "segment", "calibration", "answers", "latency", "size"]
    name: str
    """Of the class, the segment, or what is limited."""
    metric: str
    higher_is_better: bool = False
    share: bool = False
    """Whether the values are fractions, shown in points."""
    rule: str
    """In words, with its number: ``gain shown, of at least 1.0 points``."""
    old: float | None = None
    new: float | None = None
    difference: Estimate | None = None
    """New minus old."""
    level: float | None = None
    """Of the interval; its ends are one-sided bounds at half of what is left."""
    margin: float
    """As a size in the metric's unit."""
    p_value: float | None = None
    """One-sided, of what the rule wants shown; adjusted (Holm) where several are tested together."""
    test: str = ""
    rows: int = 0
    """Labelled rows it rests on."""
    passed: bool | None = None
    """None where it could not be judged."""
    note: str = ""


class Gate(Value):
    """Champion against challenger, line by line."""

    format: Literal["backslide.gate/1"] = FORMAT
    model: str
    champion: str
    challenger: str
    verdict: GateVerdict
    summary: str
    reason: str
    """What to do now, and why."""
    lines: tuple[GateLine, ...]
    policy: GateSettings
    inputs: ShadowInputs

    @property
    def failed(self) -> tuple[GateLine, ...]:
        """Requirements that are not met."""
        return tuple(line for line in self.lines if line.passed is False)

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe dictionary in the format ``backslide.gate/1``."""
        return self.model_dump(mode="json")

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """The JSON Schema of the format, as published in docs/gate.schema.json."""
        return published_schema(cls, FORMAT)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Read what :meth:`to_dict` wrote.

        Raises:
            InputError: when the dictionary is no gate report of a format this version reads.
        """
        found = data.get("format") if isinstance(data, dict) else None
        if found != FORMAT:
            raise InputError(
                f"expected a gate report of format {FORMAT!r}, found {found!r}; write it with `backslide gate --json`"
            )
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise InputError(f"the gate report cannot be read at {where}: {first['msg']}") from None

    def to_json(self, path: str | Path | None = None) -> str:
        """JSON text; also written to ``path`` when one is given."""
        text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)
        return _written(text, path, end="\n")

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what :meth:`to_json` wrote.

        Raises:
            InputError: when the text is not JSON or no gate report.
        """
        try:
            data = json.loads(text)
        except ValueError as error:
            raise InputError(f"expected a gate report as JSON: {error}") from None
        return cls.from_dict(data)

    # Imported late, so that reading a report needs no templates.
    def to_text(self) -> str:
        """The report for a terminal or a mail."""
        from backslide.report.gate import render_gate_text

        return render_gate_text(self)

    def to_markdown(self, path: str | Path | None = None) -> str:
        """The report for a pull request; also written to ``path`` when one is given."""
        from backslide.report.gate import render_gate_markdown

        return _written(render_gate_markdown(self), path)

    def to_html(self, path: str | Path | None = None) -> str:
        """The self-contained page; also written to ``path`` when one is given."""
        from backslide.report.gate import render_gate_html

        return _written(render_gate_html(self), path)

    def __repr__(self) -> str:
        """One line: ``<Gate of loans, hold: ...>``."""
        from backslide.report.clean import clean_text

        return clean_text(f"<Gate of {self.model}, {self.verdict}: {self.summary}>")

    __str__ = __repr__


def _written(text: str, path: str | Path | None, end: str = "") -> str:
    if path is not None:
        Path(path).write_text(text + end, encoding="utf-8")
    return text
