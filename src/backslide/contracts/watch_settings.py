"""[watch], [alerts] and [store] of backslide.toml: what is watched, who is told, where the state is kept."""

from __future__ import annotations

import re
from datetime import date
from typing import Literal

from pydantic import Field, field_validator

from backslide.contracts.validation import SettingsSection

PERIODS = ("hour", "day", "week")
_DURATION = re.compile(r"^(\d+(?:\.\d+)?)\s*(s|m|min|h|d)$")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_ROWS = re.compile(r"^([1-9][\d_ ]*)\s*rows$")


def parse_duration(text: str) -> float:
    """Seconds of a time such as ``30m``, ``1h`` or ``1d``.

    Raises:
        ValueError: it is none.
    """
    match = _DURATION.match(text.strip())
    if match is None or float(match.group(1)) <= 0:
        raise ValueError(f"expected a time such as 30m, 1h or 1d, got {text!r}")
    return float(match.group(1)) * _SECONDS[match.group(2)]


class CanarySettings(SettingsSection):
    """[watch.canary]: fixed rows of the reference that the model is asked about once a period."""

    model: str | None = None
    """``module:function``, a saved model or an MLflow URI; default: ``[artifacts] reference_model``."""
    rows: int = Field(default=200, ge=30, le=10_000)


class WatchSettings(SettingsSection):
    """[watch]: periods, promises, labels."""

    period: str = "day"
    """``hour``, ``day``, ``week``, or a number of rows such as ``"5000 rows"``."""
    false_alarms_per_year: float = Field(default=0.1, gt=0, le=12)
    """Of all streams of the model together; the headline has half of it."""
    false_watches_per_year: float = Field(default=1.0, gt=0, le=52)
    """The same for early signs."""
    label_share: float = Field(default=0.6, gt=0, le=1)
    """A period is judged at the age at which this share of its labels has usually come."""
    label_age: int | None = Field(default=None, ge=0)
    """That age in periods; default: told from the arrival of the reference's labels."""
    holidays: tuple[date, ...] = ()
    """Days that are left out."""
    reference: Literal["fixed", "growing", "rolling", "same_weekday"] = "fixed"
    """``growing``: stretches of 28 quiet periods join the reference, once nothing was raised in them; ``rolling``: they push
    its oldest periods out as well; ``same_weekday``: fixed, and a day is compared with its own weekday alone."""
    leave_out: tuple[str, ...] = ()
    """Streams that are not watched, by name or pattern such as ``missing:*``."""
    recover_after: int | None = Field(default=None, ge=1)
    """Periods back to normal that close an alarm; default 7, for weeks and numbers of rows 3."""
    remind_after: int = Field(default=7, ge=1)
    """Periods after which an open alarm is told again."""
    cooldown: int = Field(default=2, ge=0)
    """Periods after a recovery within which a new alarm counts as the same incident."""
    diagnose: bool = True
    """Whether an alarm runs the diagnosis by itself."""
    estimate: bool = True
    """Whether performance is estimated before labels come."""
    faults: bool = True
    """Whether the rows of each new period are read for data faults, which are priced before labels come."""
    features: tuple[str, ...] = ()
    """Features whose own values are followed as well, by name or pattern: level and spread of numbers, shares of categories."""
    canary: CanarySettings | None = None
    reports: str | None = None
    """Folder for the report of each diagnosis, as HTML."""
    metrics_file: str | None = None
    """File for the figures in Prometheus' text format, for its textfile collector."""

    @field_validator("period")
    @classmethod
    def _known_period(cls, period: str) -> str:
        if period not in PERIODS and not _ROWS.match(period):
            raise ValueError(f"expected hour, day, week or a number of rows such as '5000 rows', got {period!r}")
        return period

    @property
    def rows(self) -> int | None:
        """Rows of a period; None where periods are stretches of time."""
        match = _ROWS.match(self.period)
        return int(re.sub(r"[_ ]", "", match.group(1))) if match else None


class AlertSettings(SettingsSection):
    """[alerts]: who is told."""

    urls: tuple[str, ...] = ()
    """Apprise URLs; ``env:NAME`` reads one from the environment, so that no secret stands in the file."""
    on: tuple[Literal["alarm", "watch", "reminder", "recovery"], ...] = ("alarm", "reminder", "recovery")
    title: str = "[backslide] {model}: {level}"
    body: str = "{sentence}\n{detail}\n{decision}\n{report}"
    report_url: str | None = None
    """Address under which ``[watch] reports`` is served, with ``{file}`` for the name of a report; default: its path."""
    attach_report: bool = False
    """Whether alarms carry the report as a file, to services that take one."""
    attempts: int = Field(default=5, ge=1)
    """Runs after which a message that nobody takes is given up, and said so."""

    @field_validator("title", "body")
    @classmethod
    def _known_fields(cls, template: str) -> str:
        try:
            template.format(**dict.fromkeys(FIELDS, ""))
        except (KeyError, IndexError, ValueError):
            raise ValueError(
                f"expected a template with {', '.join('{' + f + '}' for f in FIELDS)}, got {template!r}"
            ) from None
        return template

    @field_validator("report_url")
    @classmethod
    def _with_file(cls, url: str | None) -> str | None:
        if url is not None and ("{file}" not in url or url.replace("{file}", "").count("{")):
            raise ValueError(f"expected an address with the word file in curly brackets in it, got {url!r}")
        return url


FIELDS = ("model", "level", "sentence", "detail", "decision", "stream", "since", "points", "report", "incident")
"""What a message may hold."""


class StoreSettings(SettingsSection):
    """[store]: where the state of watching is kept."""

    url: str | None = None
    """SQLAlchemy URL; default: ``backslide.db``, SQLite, beside the configuration. ``env:NAME`` reads it from the environment."""
