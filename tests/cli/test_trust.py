"""One gate for all code that a configuration names: nothing of it runs unless the configuration says ``trusted = true``.

The test walks over the settings. Whoever adds one that may hold a text says below whether that text may name code; if so, the
attack is tried with it.
"""

from __future__ import annotations

import typing
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from pydantic import BaseModel

from backslide.contracts.config import Settings

NAMES_CODE = {
    "model.metric": ("diagnose", '[model]\nmetric = "evil:run"'),
    "model.metrics": ("diagnose", '[model]\nmetrics = ["evil:run"]'),
    "model.embed": ("diagnose", '[model]\nembed = { note = "evil:run" }'),
    "artifacts.reference_model": ("diagnose", '[artifacts]\nreference_model = "evil:run"'),
    "artifacts.current_model": ("diagnose", '[artifacts]\ncurrent_model = "evil:run"'),
    "watch.canary.model": ("watch", '[watch.canary]\nmodel = "evil:run"'),
    "retrain.recipe": ("retrain", '[retrain]\nrecipe = "evil:run"\ndiagnose = false'),
    "retrain.mlflow": ("retrain", '[retrain]\nmlflow = "evil"'),
}
"""Setting -> a command that uses it, and the attack. MLflow writes pickles, which the next reader would execute."""
NAMES_DATA = {
    *(f"model.{key}" for key in ("label", "prediction", "scores", "positive", "timestamp", "timestamp_format", "name")),
    *(f"model.{key}" for key in ("timestamp_zone", "label_time", "label_source", "id", "version", "segments", "costs")),
    *(f"model.{key}" for key in ("features", "inputs", "weight")),
    *(f"windows.{key}" for key in ("reference", "current", "reference_version", "current_version")),
    *(f"data.{key}" for key in ("source", "missing", "text", "separator", "encoding")),
    *(f"payload.{key}" for key in ("features", "columns", "classes", "prediction", "scores")),
    *(f"artifacts.{key}" for key in ("reference_snapshot", "current_snapshot", "repository")),
    *(f"lineage.{key}" for key in ("events", "namespace", "dataset")),
    *(f"shadow.{side}.{key}" for side in ("old", "new") for key in ("prediction", "scores")),
    *(f"shadow.{side}_version" for side in ("old", "new")),
    "engine.master",
    "checks",
    *(f"watch.{key}" for key in ("period", "leave_out", "features", "reports", "metrics_file")),
    *(f"alerts.{key}" for key in ("urls", "title", "body", "report_url")),
    "store.url",
    *(f"server.{key}" for key in ("host", "names", "log", "spool", "models", "every", "rollup_every")),
    *(f"retrain.{key}" for key in ("label_time", "diagnosis", "registry")),
}
SENTENCE = "so loading it executes code; set trusted = true under [artifacts] if you made it"
EVIL = "from pathlib import Path\nPath(__file__).with_name('ran').touch()\n\n\ndef run(*_, **__):\n    return 0.0\n"
CONFIG = """\
[windows]
reference = "reference.parquet"
current = "current.parquet"
[engine]
sample_rows = 200
bootstrap = 50
[model]
label = "label"
prediction = "prediction"
timestamp = "served_at"
features = ["income", "note"]
"""


def text_settings(section=Settings, path=()):
    """``section.key`` of every setting that may hold a text of the user's choosing."""
    for name, field in section.model_fields.items():
        kinds = (field.annotation, *typing.get_args(field.annotation))
        inside = next((k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)), None)
        if inside is not None:
            yield from text_settings(inside, (*path, name))
        elif "str" in str(field.annotation) or "Any" in str(field.annotation):
            yield ".".join((*path, name))


def test_every_setting_is_known_to_name_code_or_data():
    assert set(text_settings()) == NAMES_CODE.keys() | NAMES_DATA


@pytest.fixture
def folder(tmp_path):
    for name, month in (("reference", 3), ("current", 4)):
        rng = np.random.default_rng(month)
        income = rng.normal(size=240)
        pl.DataFrame(
            {
                "served_at": [datetime(2026, month, 1) + timedelta(hours=3 * i) for i in range(240)],
                "income": income,
                "note": [f"a note on the case of customer {i} of this month" for i in range(240)],
                "prediction": np.where(income > 0, "default", "paid"),
                "label": np.where(income + rng.normal(size=240) / 2 > 0, "default", "paid"),
            }
        ).write_parquet(tmp_path / f"{name}.parquet")
    (tmp_path / "evil.py").write_text(EVIL, encoding="utf-8")
    return tmp_path


def config_with(attack: str, trusted: str) -> str:
    table, _, keys = attack.partition("\n")
    text = CONFIG if table == "[model]" else f"{CONFIG}{table}\n"
    text += f"{keys}\n"
    if table != "[artifacts]":
        text += "[artifacts]\n"
    return text + trusted


@pytest.mark.parametrize("setting", sorted(NAMES_CODE))
@pytest.mark.parametrize("trusted", ["", "trusted = false"])
def test_code_that_a_setting_names_is_refused_in_one_sentence(backslide, folder, setting, trusted):
    command, attack = NAMES_CODE[setting]
    (folder / "backslide.toml").write_text(config_with(attack, trusted), encoding="utf-8")
    backslide(command, "-q").fails(SENTENCE)
    assert not (folder / "ran").exists()


def test_the_same_code_runs_once_it_is_trusted(backslide, folder):
    _, attack = NAMES_CODE["model.metric"]
    (folder / "backslide.toml").write_text(config_with(attack, "trusted = true"), encoding="utf-8")
    backslide("diagnose", "-q")
    assert (folder / "ran").exists()


def test_a_snapshot_that_is_taken_untrusted_runs_no_code(backslide, folder):
    result = backslide("snapshot", "--model", "evil:run", "--untrusted", "--json", "--repository", ".")
    assert result.code in (0, 2)
    taken = backslide("snapshot", "--model", "evil:run", "--untrusted", "--out", "a.json")
    assert taken.code == 0, taken
    assert "was not loaded" in taken.out
    assert not (folder / "ran").exists()


def test_integrity_asks_no_untrusted_model(backslide, folder):
    (folder / "model.py").write_text("def score(rows):\n    return ['paid'] * len(rows)\n", encoding="utf-8")
    made = backslide("snapshot", "--model", "model:score", "--data", "reference.parquet", "--out", "a.json")
    assert made.code == 0, made
    backslide("integrity", "a.json", "a.json", "--model", "evil:run", "--untrusted").fails(
        "so loading it executes code; say --trusted (trusted=True) if you made it"
    )
    assert not (folder / "ran").exists()
