"""Which column is what."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import ValidationError, field_validator, model_validator
from pydantic.functional_validators import ModelWrapValidatorHandler

from backslide.contracts.errors import ConfigError
from backslide.contracts.labels import label_text
from backslide.contracts.validation import ScoreColumns, SettingsSection, one_line


class Roles(SettingsSection):
    """Which column holds label, prediction, scores, timestamp, id and version, and which are features.

    Score columns are named by class label, never by column order. Labels are compared as text (see ``label_text``).

    Raises:
        ConfigError: an unknown role or a value of another type, in one line.
    """

    label: str | None = None
    prediction: str | None = None
    scores: ScoreColumns = {}
    """Class label -> column of its score (0 to 1)."""
    scores_are: Literal["probability", "percent", "logit"] | None = None
    """Unit of the scores, which are read as probabilities; default: probabilities. ``threshold`` is in the same unit."""
    positive: str | None = None
    """Binary only; default: 1 / true / yes if so named, else the rarer reference label."""
    threshold: float | None = None
    """On the score of ``positive``; default 0.5."""
    timestamp: str | None = None
    timestamp_format: str | None = None
    """How ``timestamp`` is written, where that cannot be told: a ``strptime`` pattern, ``iso``, ``dmy`` or ``mdy`` (which of day
    and month comes first), ``epoch_s``, ``epoch_ms``, ``epoch_us`` or ``epoch_ns``."""
    timestamp_zone: str | None = None
    """Of times that name none, such as ``Europe/Berlin``; default: UTC."""
    label_time: str | None = None
    """When the label came, where labels come late."""
    label_source: str | None = None
    """Who gave the label; what ``review`` gave counts as a correction by a reviewer."""
    id: str | None = None
    version: str | None = None
    weight: str | None = None
    """Where the table holds counts: how many predictions each row stands for, whole numbers from 0 on. For a table of rows
    that were added up by everything that is in it."""
    segments: tuple[str, ...] = ()
    """Columns or expressions such as ``term_months > 48``."""
    features: tuple[str, ...] | None = None
    """Default: every column without another role."""
    inputs: str | dict[str, str] | None = None
    """Where the log also holds what the model was given after preprocessing: a pattern (``"model_*"``, where ``*`` stands for the
    input's name), or name of the input -> column. They are no features."""

    @field_validator("inputs")
    @classmethod
    def _one_star(cls, inputs: Any) -> Any:
        if isinstance(inputs, str) and (inputs.count("*") != 1 or len(inputs) < 2):
            raise ValueError(f"expected a pattern with one * such as 'model_*', got {inputs!r}")
        return inputs

    @model_validator(mode="wrap")
    @classmethod
    def _in_one_line(cls, values: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return validate(values)
        except ValidationError as error:
            if cls is not Roles:  # a section of the settings, which know the file and the section to name
                raise
            raise ConfigError(f"roles: {one_line(cls, error)}") from None

    @field_validator("positive", mode="before")
    @classmethod
    def _label_value(cls, positive: Any) -> Any:
        return None if positive is None else label_text(positive)

    def columns(self) -> dict[str, str]:
        """Role -> column for every single-column role that is set, and ``score of X`` for each score."""
        named = {
            "label": self.label,
            "prediction": self.prediction,
            "timestamp": self.timestamp,
            "label_time": self.label_time,
            "label_source": self.label_source,
            "id": self.id,
            "version": self.version,
            "weight": self.weight,
        }
        by_role = {role: column for role, column in named.items() if column is not None}
        return by_role | {f"score of {label!r}": column for label, column in self.scores.items()}
