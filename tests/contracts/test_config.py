"""backslide.toml: known keys are read, unknown ones are errors that name the nearest."""

from __future__ import annotations

from pathlib import Path

import pytest

from backslide.contracts.config import (
    ArtifactSettings,
    DataSettings,
    EngineSettings,
    ModelSettings,
    Settings,
    WindowSettings,
)
from backslide.contracts.errors import ConfigError
from backslide.contracts.validation import SettingsSection

pytestmark = pytest.mark.core

SECTIONS = {
    "model": ModelSettings,
    "windows": WindowSettings,
    "data": DataSettings,
    "artifacts": ArtifactSettings,
    "engine": EngineSettings,
}
KEYS = [(section, key) for section, model in SECTIONS.items() for key in model.model_fields]

EXAMPLE = """
[model]
name = "loan-defaults"
task = "binary"
label = "label"
prediction = "prediction"
scores = { "default" = "p_default", "paid" = "p_paid" }
positive = "default"
threshold = 0.5
timestamp = "served_at"
id = "request_id"
version = "model_version"
segments = ["branch", "term_months > 48"]
features = ["income", "term_months"]
metric = "macro_f1"
min_effect = 0.01
[model.costs]
default = 5
[windows]
reference = "reference.parquet"
current = "current.parquet"
[data]
source = "predictions/*.parquet"
[artifacts]
reference_model = "model_v1.joblib"
current_model = "model_v2.joblib"
trusted = true
reference_snapshot = "v1.snapshot.json"
current_snapshot = "v2.snapshot.json"
repository = "."
[checks.DRF001]
ks = 0.2
[engine]
seed = 3
[watch]
[alerts]
[store]
[retrain]
[gate]
"""


def one_line(data: dict[str, object]) -> str:
    with pytest.raises(ConfigError) as caught:
        Settings.from_dict(data)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_full_example_is_read(tmp_path: Path):
    (tmp_path / "backslide.toml").write_text(EXAMPLE, encoding="utf-8")
    settings = Settings.load(tmp_path / "backslide.toml")
    assert settings.base == tmp_path
    assert settings.model.scores == {"default": "p_default", "paid": "p_paid"}
    assert settings.model.segments == ("branch", "term_months > 48")
    assert settings.windows.current == "current.parquet"
    assert settings.artifacts.trusted is True
    assert settings.checks == {"DRF001": {"ks": 0.2}}
    assert settings.engine.seed == 3


def test_an_empty_file_is_all_defaults(tmp_path: Path):
    (tmp_path / "b.toml").write_text("")
    assert Settings.load(tmp_path / "b.toml") == Settings(base=tmp_path)


@pytest.mark.parametrize(("section", "key"), KEYS, ids=lambda v: str(v))
def test_a_misspelt_key_names_the_right_one(section, key):
    wrong = key + "x"
    message = one_line({section: {wrong: 1}})
    assert f"unknown key [{section}] {wrong!r}" in message
    assert f"did you mean {key!r}?" in message


@pytest.mark.parametrize("section", ["model", "windows", "data", "artifacts", "checks", "engine", "watch", "alerts"])
def test_a_misspelt_section_names_the_right_one(section):
    assert f"did you mean {section!r}?" in one_line({section + "s": {}})


def test_a_key_that_resembles_none_lists_what_there_is():
    assert "; there is 'source'" in one_line({"data": {"qqqqqqqq": 1}})


def test_the_folder_is_no_key_of_the_file():
    assert "unknown key 'base'" in one_line({"base": "/etc"})


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"model": {"task": "clustering"}}, ["[model] task", "'clustering'", "binary"]),
        ({"model": {"threshold": "high"}}, ["[model] threshold", "'high'"]),
        ({"model": {"min_effect": -1}}, ["[model] min_effect", "-1"]),
        ({"model": {"features": "income"}}, ["[model] features", "'income'"]),
        ({"engine": {"sample_rows": 5}}, ["[engine] sample_rows", "200", "5"]),
        ({"artifacts": {"trusted": "perhaps"}}, ["[artifacts] trusted", "'perhaps'"]),
        ({"engine": 3}, ["engine", "3"]),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(data, words):
    message = one_line(data)
    assert all(word in message for word in words), message


def test_an_unknown_key_is_named_before_a_wrong_value():
    assert "unknown key" in one_line({"model": {"threshold": "high", "treshold": 1}})


def test_a_missing_file_says_how_to_write_one(tmp_path: Path):
    with pytest.raises(ConfigError, match="backslide init"):
        Settings.load(tmp_path / "none.toml")


@pytest.mark.parametrize("content", [b"[model", b"\xff\xfe\x00", b'[model]\nname = "a"\nname = "b"\n'])
def test_a_broken_file_is_one_line(tmp_path: Path, content: bytes):
    (tmp_path / "b.toml").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        Settings.load(tmp_path / "b.toml")
    assert "\n" not in str(caught.value)
    assert "b.toml" in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_folder_in_place_of_a_file_is_one_line(tmp_path: Path):
    with pytest.raises(ConfigError, match="cannot be read"):
        Settings.load(tmp_path)


@pytest.mark.parametrize("section", [{"retrain": {"registry": "a\0b"}}, {"artifacts": {"reference_model": "x\0"}}])
def test_a_path_holds_no_nul(section):
    with pytest.raises(ConfigError, match="without the character NUL"):
        Settings.from_dict(section)


NUMBERS = [
    (section, key)
    for section, part in Settings.model_fields.items()
    if isinstance(part.annotation, type) and issubclass(part.annotation, SettingsSection)
    for key, field in part.annotation.model_fields.items()
    if "float" in str(field.annotation) and "dict" not in str(field.annotation)
]


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 10**400], ids=["inf", "nan", "10**400"])
@pytest.mark.parametrize(("section", "key"), NUMBERS)
def test_no_setting_is_infinite_or_no_number(section: str, key: str, value: float):
    with pytest.raises(ConfigError, match=rf"\[{section}\] {key}: "):
        Settings.from_dict({section: {key: value}})


def test_there_are_numbers():
    assert {("model", "min_effect"), ("gate", "class_margin"), ("engine", "max_memory")} <= set(NUMBERS)
