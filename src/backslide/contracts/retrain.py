"""What retraining is worth: candidates on later time, the gate, the price of repair instead, and when to do it again."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import ValidationError

from backslide.contracts.errors import InputError
from backslide.contracts.evidence import Evidence
from backslide.contracts.finding import Estimate
from backslide.contracts.gate import Gate, GateVerdict
from backslide.contracts.shadow import ShadowInputs
from backslide.contracts.values import Value, published_schema

FORMAT: Literal["backslide.retrain/1"] = "backslide.retrain/1"


class RetrainVerdict(StrEnum):
    """What retraining is worth."""

    PROMOTE = "promote"
    HOLD = "hold"
    REFUSED = "refused"
    """The cause is a fault that a repair fixes; retraining would only hide it."""

    @property
    def held(self) -> bool:
        """Whether nothing may be promoted; the command line exits with 1."""
        return self is not RetrainVerdict.PROMOTE


class Candidate(Value):
    """One way to train again, judged on later time."""

    name: str
    description: str
    rows: int = 0
    """Trained on, at the last origin."""
    value: float | None = None
    """The headline over all stretches."""
    gain: Estimate | None = None
    """Over what was served, on the same rows; positive is better."""
    by_fold: tuple[float | None, ...] = ()
    future: Estimate | None = None
    """Gain on one more stretch, with a 95 % prediction interval."""
    gate: GateVerdict | None = None
    failed: tuple[str, ...] = ()
    """Requirements of the gate that are not met."""
    note: str = ""
    """Why it could not be tried."""


class Stretch(Value):
    """One fold of the backtest."""

    start: str
    end: str
    known: int
    """Labels that had arrived when it began."""
    rows: int
    champion: float | None
    best: float | None


class FeatureRank(Value):
    """A feature by drift times harm."""

    feature: str
    drift: float
    harm: float
    """What shuffling it costs on later rows, in the headline; negative where that helps: it leads astray."""


class CurvePoint(Value):
    """The headline with so many fresh labels; by class its labels and F1."""

    labels: int
    value: float
    classes: dict[str, tuple[int, float]] = {}


class LearningCurve(Value):
    """The worth of labels."""

    points: tuple[CurvePoint, ...]
    sentence: str


class Life(Value):
    """How long a retrained model lasts."""

    days: float | None
    """None where it did not age; in ``unit``."""
    unit: str = "days"
    sentence: str


class Policy(Value):
    """One way to keep a model fresh, simulated over the history."""

    name: str
    description: str
    value: float | None
    """Mean of the headline over the stretches."""
    retrains: int
    labels: int
    """Trained on in all."""
    by_stretch: tuple[float | None, ...] = ()
    recommended: bool = False


class Policies(Value):
    """Never, on schedule, on alarm, continuously."""

    policies: tuple[Policy, ...]
    starts: tuple[str, ...] = ()
    """When each stretch began."""
    sentence: str


class Refusal(Value):
    """Why retraining is not the answer, with both numbers."""

    cause: str
    features: tuple[str, ...] = ()
    summary: str
    repair: str
    """What undoes it."""
    repair_gain: Estimate | None
    """Of the headline, positive is better."""
    retrain_gain: Estimate | None
    """Of the best candidate trained on the faulty rows."""


class Retrain(Value):
    """Whether to train again, on what, and what it is worth."""

    format: Literal["backslide.retrain/1"] = FORMAT
    model: str
    recipe: str
    verdict: RetrainVerdict
    summary: str
    action: str
    reason: str
    metric: str
    higher_is_better: bool
    share: bool
    champion_value: float | None = None
    """What was served, over the stretches of the backtest."""
    recommended: str | None = None
    candidates: tuple[Candidate, ...] = ()
    """The best first."""
    stretches: tuple[Stretch, ...] = ()
    features: tuple[FeatureRank, ...] = ()
    curve: LearningCurve | None = None
    life: Life | None = None
    policies: Policies | None = None
    refusal: Refusal | None = None
    quality: tuple[str, ...] = ()
    """What stands out about the labels."""
    gate: Gate | None = None
    """Of the recommended candidate, else of the best one."""
    version: str | None = None
    """Where the artefact was written."""
    registered: str | None = None
    """URI in the MLflow registry."""
    evidence: tuple[Evidence, ...] = ()
    inputs: ShadowInputs

    @property
    def best(self) -> Candidate | None:
        """The recommended candidate, else the best one that could be tried."""
        named = [c for c in self.candidates if c.name == self.recommended]
        tried = [c for c in self.candidates if c.gain is not None]
        return next(iter([*named, *tried]), None)

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe dictionary in the format ``backslide.retrain/1``."""
        return self.model_dump(mode="json")

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """The JSON Schema of the format, as published in docs/retrain.schema.json."""
        return published_schema(cls, FORMAT)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Read what :meth:`to_dict` wrote.

        Raises:
            InputError: when the dictionary is no such report of a format this version reads.
        """
        found = data.get("format") if isinstance(data, dict) else None
        if found != FORMAT:
            raise InputError(
                f"expected a report of format {FORMAT!r}, found {found!r}; write it with `backslide retrain --json`"
            )
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise InputError(f"the report cannot be read at {where}: {first['msg']}") from None

    def to_json(self, path: str | Path | None = None) -> str:
        """JSON text; also written to ``path`` when one is given."""
        return _written(json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False), path, end="\n")

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what :meth:`to_json` wrote.

        Raises:
            InputError: when the text is not JSON or no such report.
        """
        try:
            data = json.loads(text)
        except ValueError as error:
            raise InputError(f"expected a report as JSON: {error}") from None
        return cls.from_dict(data)

    # Imported late, so that reading a report needs no templates.
    def to_text(self) -> str:
        """The report for a terminal or a mail."""
        from backslide.report.retrain import render_retrain_text

        return render_retrain_text(self)

    def to_markdown(self, path: str | Path | None = None) -> str:
        """The report for a pull request; also written to ``path`` when one is given."""
        from backslide.report.retrain import render_retrain_markdown

        return _written(render_retrain_markdown(self), path)

    def to_html(self, path: str | Path | None = None) -> str:
        """The self-contained page; also written to ``path`` when one is given."""
        from backslide.report.retrain import render_retrain_html

        return _written(render_retrain_html(self), path)

    def __repr__(self) -> str:
        """One line: ``<Retrain of loans, promote: ...>``."""
        from backslide.report.clean import clean_text

        return clean_text(f"<Retrain of {self.model}, {self.verdict}: {self.summary}>")

    __str__ = __repr__


def _written(text: str, path: str | Path | None, end: str = "") -> str:
    if path is not None:
        Path(path).write_text(text + end, encoding="utf-8")
    return text
