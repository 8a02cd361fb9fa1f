"""What an assistant may ask: answers of the stored state, cut to a size that it can read, without secrets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from backslide.contracts.config import Settings
from backslide.contracts.errors import ConfigError, SourceError
from backslide.contracts.files import read_text
from backslide.contracts.secrets import scrubbed

LARGEST = 24_000
"""Characters of one answer; long lists lose their end, and say so."""
ENTRIES = (50, 20, 10, 5, 3, 1)
"""Lengths that lists are cut to, until the answer is short enough."""
CAUSE = (
    "kind",
    "features",
    "classes",
    "segment",
    "points",
    "unit",
    "confidence",
    "share_of_rows",
    "since",
    "summary",
    "next_step",
    "settle",
)
OF_AN_INCIDENT = (
    "id",
    "number",
    "level",
    "open",
    "began",
    "raised",
    "closed",
    "sentence",
    "diagnosis",
    "events",
    "mark",
)


class Assistant:
    """The questions about one configuration; files are those of its folder alone."""

    def __init__(self, config: Path) -> None:
        self._config = config.resolve()
        self._folder = self._config.parent
        self._settings = Settings.load(self._config)

    def list_incidents(self) -> dict[str, Any]:
        """What watching raised for this model, the latest first, with what each diagnosis said and what people made of it."""
        from backslide.cli.incidents import last_look

        with last_look(self._config) as (_, report):
            answer = report.model_dump(mode="json", include={"model", "as_of", "status", "promise"})
            incidents = [one.model_dump(mode="json") for one in reversed(report.incidents)]
        return answer | {"incidents": [_only(one, OF_AN_INCIDENT) for one in incidents]}

    def get_diagnosis(self, file: str) -> dict[str, Any]:
        """A stored diagnosis: verdict, causes with points, suspects, what to do. `file` is its JSON beside the configuration."""
        from backslide.contracts.diagnosis import Diagnosis

        try:
            text = read_text(self._inside(file))
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error  # without the path, which is of this machine
            raise SourceError(f"cannot read {file!r}: {why}") from None
        return _summary(Diagnosis.from_json(text).to_dict())

    def compare_periods(self, reference: str, current: str) -> dict[str, Any]:
        """Diagnose one period against another, both as `FROM..TO` (ISO dates, ends included) over the configured source."""
        diagnosis = self._diagnosis(reference, current, None)
        return _summary(diagnosis.to_dict())

    def compare_snapshots(self, before: str, after: str) -> dict[str, Any]:
        """What changed between two snapshots of what serves (files beside the configuration), the likeliest to hurt first."""
        from backslide.stack.compare import integrity

        answer = integrity(self._inside(before), self._inside(after)).to_dict()
        return {key: value for key, value in answer.items() if key != "golden"}

    def rows_to_label(self, reference: str, current: str) -> dict[str, Any]:
        """Rows whose labels would decide an undecided comparison of two periods (`FROM..TO`), with the chance of each."""
        from backslide.log.label_sample import read_answers

        with TemporaryDirectory() as folder:
            file = Path(folder) / "ask.csv"
            diagnosis = self._diagnosis(reference, current, file)
            answer = diagnosis.to_dict()
            request = answer.get("label_request")
            rows: list[dict[str, Any]] = []
            if request is not None and file.exists():
                rows = read_answers(file).select("id", "inclusion").to_dicts()
        if request is None:
            return {"verdict": answer["verdict"], "rows": [], "note": "labels would not decide more than is decided"}
        return {
            "verdict": answer["verdict"],
            "label_request": _only(request, ("rows", "of_rows", "interval_then")),
            "rows": rows,
        }

    def mark_incident(self, incident: str, what: str, note: str = "") -> dict[str, Any]:
        """Say what an incident was: `false`, `fixed` or `known`. False counts against the promised rate of false alarms."""
        from backslide.cli.incidents import set_mark

        set_mark(self._config, incident, what, note)
        return {"marked": incident, "as": what}

    def _diagnosis(self, reference: str, current: str, ask: Path | None) -> Any:
        from backslide.engine.times.time_range import parse_time_range
        from backslide.jobs.diagnose import diagnose

        for text in (reference, current):
            if parse_time_range(text) is None:  # a path would let an assistant read any table of this machine
                raise ConfigError(f"expected a period as FROM..TO, such as 2026-03-01..2026-03-31, got {text!r}")
        return diagnose(reference, current, settings=self._settings, quick=True, ask=ask)

    def _inside(self, file: str) -> Path:
        """A file of the configuration's folder.

        Raises:
            SourceError: it is none, or lies elsewhere.
        """
        path = (self._folder / file.replace("\0", "/")).resolve()
        if not path.is_relative_to(self._folder) or not path.is_file():
            raise SourceError(f"expected a file in the folder of the configuration, got {file!r}")
        return path


def shorten(answer: Mapping[str, Any]) -> str:
    """An answer as JSON of at most ``LARGEST`` characters, without secrets; what was cut is counted under ``cut``."""
    clean = scrubbed(dict(answer))
    text = json.dumps(clean, ensure_ascii=False)
    for entries in ENTRIES:
        if len(text) <= LARGEST:
            break
        cut: dict[str, int] = {}
        text = json.dumps(_cut(clean, entries, "", cut) | {"cut": cut}, ensure_ascii=False)
    if len(text) > LARGEST:
        return json.dumps({"cut": f"the answer has {len(text)} characters; ask for less"})
    return text


def _cut(value: Any, entries: int, where: str, cut: dict[str, int]) -> Any:
    if isinstance(value, dict):
        return {key: _cut(own, entries, f"{where}.{key}".lstrip("."), cut) for key, own in value.items()}
    if isinstance(value, list):
        if len(value) > entries:
            cut[where] = max(cut.get(where, 0), len(value) - entries)
        return [_cut(own, entries, where, cut) for own in value[:entries]]
    return value


def _summary(diagnosis: Mapping[str, Any]) -> dict[str, Any]:
    """What an answer to "why" needs of a diagnosis."""
    keys = (
        "model",
        "verdict",
        "summary",
        "warnings",
        "decision",
        "metric",
        "detectable",
        "onset",
        "unexplained",
        "label_request",
    )
    answer = _only(diagnosis, keys)
    for name in ("causes", "suspects", "harmless"):
        answer[name] = [_only(cause, CAUSE) for cause in diagnosis.get(name, [])]
    windows = diagnosis.get("inputs", {})
    return answer | {"inputs": _only(windows, ("reference", "current", "made")) if isinstance(windows, Mapping) else {}}


def _only(values: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    return {key: values[key] for key in keys if values.get(key) not in (None, [], ())}
