"""``backslide init``: what is written can be read, says what was guessed, and overwrites nothing."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backslide.cli.init import configuration
from backslide.contracts.config import Settings
from backslide.contracts.roles import Roles
from backslide.engine.roles.proposed_windows import Windows

pytestmark = pytest.mark.core

N = 200
RNG = np.random.default_rng(5)
SCORE = RNG.random(N)
LOG = pl.DataFrame(
    {
        "request_id": [f"r{i}" for i in range(N)],
        "served_at": [datetime(2026, 3, 1) + timedelta(hours=6 * i) for i in range(N)],
        "income": RNG.lognormal(8, 1, N),
        "Unnamed: 0": range(N),
        "p_default": SCORE,
        "p_paid": 1 - SCORE,
        "prediction": np.where(SCORE > 0.5, "default", "paid"),
        "label": np.where(RNG.random(N) < SCORE, "default", "paid"),
    }
)


@pytest.fixture
def log(backslide, tmp_path):
    LOG.write_parquet(tmp_path / "log.parquet")


def test_what_is_written_loads(backslide, log, tmp_path):
    ran = backslide("init", "log.parquet")
    assert ran.code == 0
    assert "wrote backslide.toml" in ran.err
    settings = Settings.load(tmp_path / "backslide.toml")
    assert settings.model.label == "label"
    assert settings.model.prediction == "prediction"
    assert settings.model.scores == {"default": "p_default", "paid": "p_paid"}
    assert settings.model.timestamp == "served_at"
    assert settings.model.id == "request_id"
    assert settings.model.features == ("income",)
    assert settings.windows.reference == "2026-03-01..2026-04-12"
    assert settings.windows.current == "2026-04-13..2026-04-19"
    assert settings.data.source == "log.parquet"


def test_the_proposed_windows_cut_the_table(backslide, log, tmp_path):
    from backslide.engine.sources.open import parse_time_range

    backslide("init", "log.parquet")
    windows = Settings.load(tmp_path / "backslide.toml").windows
    spans = [parse_time_range(text) for text in (windows.reference, windows.current)]
    rows = [LOG.filter(span.condition("served_at")).height for span in spans]
    assert sum(rows) == N
    assert min(rows) > 0


def test_what_was_not_recognised_is_said_in_the_file(backslide, tmp_path):
    LOG.select("income").write_csv(tmp_path / "log.csv")
    ran = backslide("init", "log.csv")
    assert ran.code == 0
    text = (tmp_path / "backslide.toml").read_text(encoding="utf-8")
    assert "# label = " in text
    assert "no label was recognised" in text
    settings = Settings.load(tmp_path / "backslide.toml")
    assert settings.windows.reference == "log.csv"
    assert settings.windows.current is None


def test_what_is_to_be_decided_stands_as_a_comment(backslide, tmp_path):
    alike = LOG.rename({"label": "home"}).with_columns(away="home").drop("Unnamed: 0")
    alike.write_parquet(tmp_path / "log.parquet")
    assert "undecided: label" in backslide("init", "log.parquet").out
    (line,) = [
        t for t in (tmp_path / "backslide.toml").read_text(encoding="utf-8").splitlines() if t.startswith("# label")
    ]
    assert "decide: 'home' and 'away' agree" in line
    assert Settings.load(tmp_path / "backslide.toml").model.features == ("income",)


def test_versions_without_times_become_windows(backslide, tmp_path):
    LOG.drop("served_at").with_columns(model_version=pl.Series([1] * 120 + [2] * 80)).write_parquet(
        tmp_path / "log.parquet"
    )
    assert backslide("init", "log.parquet").code == 0
    windows = Settings.load(tmp_path / "backslide.toml").windows
    assert (windows.reference, windows.current) == ("log.parquet", "log.parquet")
    assert (windows.reference_version, windows.current_version) == ("1", "2")


def test_the_next_step_says_what_a_diagnosis_lacks(backslide, tmp_path):
    LOG.drop("served_at").write_parquet(tmp_path / "log.parquet")
    assert "set [windows] current, then run" in backslide("init", "log.parquet").err


def test_nothing_is_overwritten_unasked(backslide, log, tmp_path):
    (tmp_path / "backslide.toml").write_text("# mine\n", encoding="utf-8")
    backslide("init", "log.parquet").fails("backslide.toml already exists", "--force")
    assert (tmp_path / "backslide.toml").read_text(encoding="utf-8") == "# mine\n"
    assert backslide("init", "log.parquet", "--force").code == 0
    assert "label" in (tmp_path / "backslide.toml").read_text(encoding="utf-8")


def test_the_source_is_seen_from_the_file(backslide, log, tmp_path):
    (tmp_path / "conf").mkdir()
    backslide("init", "log.parquet", "--out", "conf/loans.toml")
    assert Settings.load(tmp_path / "conf" / "loans.toml").data.source == "../log.parquet"


def test_json(backslide, log):
    ran = backslide("init", "log.parquet", "--json")
    told = json.loads(ran.out)
    assert told["roles"]["label"] == "label"
    assert told["path"] == "backslide.toml"
    assert any("Unnamed: 0" in note for note in told["notes"])


def test_missing_table_writes_nothing(backslide, log, tmp_path):
    backslide("init", "lag.parquet").fails("log.parquet")
    assert not (tmp_path / "backslide.toml").exists()


def test_a_folder_that_is_not_there(backslide, log):
    backslide("init", "log.parquet", "--out", "nowhere/b.toml").fails("nowhere")


words = st.text(min_size=1, max_size=12)


@settings(deadline=None)
@given(
    name=words,
    source=words,
    label=st.none() | words,
    scores=st.dictionaries(words, words, max_size=4),
    features=st.none() | st.lists(words, max_size=4),
    notes=st.lists(st.text(), max_size=3),
    windows=st.none() | st.just(Windows("2026-03-01..2026-03-02", "2026-03-03..2026-03-04")),
)
def test_any_names_survive_the_file(name, source, label, scores, features, notes, windows):
    """Quotes, control characters, line breaks and dots in names are written so that they are read back."""
    import tomllib

    roles = Roles(label=label, scores=scores, features=None if features is None else tuple(features))
    read = Settings.from_dict(tomllib.loads(configuration(source, name, roles, notes, windows)))
    assert read.model.name == name
    assert read.model.label == label
    assert read.model.scores == roles.scores
    assert read.model.features == roles.features
    assert source in (read.windows.reference, read.data.source)


@pytest.mark.data
@pytest.mark.parametrize(
    "name",
    [
        "bank_marketing",
        "bike_sharing_hourly",
        "census_employment_ma",
        "electricity",
        "green_taxi_fares",
        "noaa_weather",
        "reuters_news",
        "scotus_case_facts",
    ],
)
def test_real_tables(backslide, real_data, tmp_path, name):
    ran = backslide("init", real_data / f"{name}.parquet")
    assert ran.code == 0, ran.err
    settings = Settings.load(tmp_path / "backslide.toml")
    assert settings.model.name == name
    assert str(real_data / f"{name}.parquet") in (settings.data.source, settings.windows.reference)
