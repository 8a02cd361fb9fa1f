"""The main job as a user runs it: two parquet files, a saved model, a backslide.toml, one command."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import polars as pl
from jsonschema import Draft202012Validator
from sklearn.pipeline import Pipeline

from backslide.contracts.diagnosis import Diagnosis
from backslide.report.documents.diagnosis import diagnosis_page
from commands import backslide

FUNCTION = """\
import joblib
from pathlib import Path

_model = joblib.load(Path(__file__).with_name("model.joblib"))


def answer(frame):
    return _model.predict_proba(frame)


answer.classes = list(_model.classes_)
"""


@dataclass(frozen=True)
class Report:
    """What the command left behind."""

    code: int
    diagnosis: Diagnosis
    html: str

    @property
    def said(self) -> str:
        """Every sentence of the diagnosis, one per line."""
        findings = [f.summary for o in self.diagnosis.checks for f in o.findings]
        named = [c.summary for c in (*self.diagnosis.causes, *self.diagnosis.harmless)]
        notes = self.diagnosis.inputs.notes
        return "\n".join([self.diagnosis.summary, *self.diagnosis.warnings, *named, *findings, *notes])


def diagnose(
    folder: Path,
    reference: pl.DataFrame,
    current: pl.DataFrame,
    roles: dict[str, Any],
    *,
    model: Pipeline | None = None,
    as_function: bool = False,
    current_model: Pipeline | None = None,
    quick: bool = False,
) -> Report:
    """Write everything into ``folder``, run ``backslide diagnose`` there and read what it wrote."""
    reference.write_parquet(folder / "reference.parquet")
    current.write_parquet(folder / "current.parquet")
    sections: dict[str, dict[str, Any]] = {
        "model": roles,
        "windows": {"reference": "reference.parquet", "current": "current.parquet"},
    }
    if model is not None:
        joblib.dump(model, folder / "model.joblib")
        (folder / "served_model.py").write_text(FUNCTION, encoding="utf-8")
        sections["artifacts"] = (
            {"reference_model": "served_model:answer", "trusted": True}
            if as_function
            else {"reference_model": "model.joblib", "trusted": True}
        )
    if current_model is not None:
        joblib.dump(current_model, folder / "current.joblib")
        sections["artifacts"]["current_model"] = "current.joblib"
    (folder / "backslide.toml").write_text(_toml(sections), encoding="utf-8")
    return _run(folder, ["--quick"] if quick else [])


def _run(folder: Path, options: list[str]) -> Report:
    written, page = folder / "diagnosis.json", folder / "report.html"
    ran = backslide(folder, "diagnose", "backslide.toml", "--json", written, "--html", page, *options)
    assert ran.code in (0, 1), ran.err
    data = json.loads(written.read_text(encoding="utf-8"))
    Draft202012Validator(Diagnosis.json_schema()).validate(data)
    diagnosis = Diagnosis.from_dict(data)
    assert diagnosis.to_dict() == data
    assert _flat(diagnosis_page(diagnosis).headline) in _flat(ran.out)
    return Report(ran.code, diagnosis, page.read_text(encoding="utf-8"))


def _toml(sections: dict[str, dict[str, Any]]) -> str:
    lines: list[str] = []
    for section, keys in sections.items():
        lines += [f"[{section}]", *(f"{key} = {_toml_value(value)}" for key, value in keys.items())]
    return "\n".join(lines) + "\n"


def _toml_value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(k)} = {_toml_value(v)}" for k, v in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)


def _flat(text: str) -> str:
    """Without the line breaks that fit it to a terminal."""
    return " ".join(text.split())
