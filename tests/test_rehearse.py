"""The self-test: faults done to the user's own rows, what they cost and whether they would be caught."""

from __future__ import annotations

import json

import joblib
import numpy as np
import pytest

import worlds
from backslide.cli import main
from backslide.contracts.config import Settings
from backslide.contracts.errors import ConfigError
from backslide.contracts.selftest import SelfTest
from backslide.jobs.selftest import selftest
from backslide.playbook import scenarios


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    base = tmp_path_factory.mktemp("rehearsal")
    rows = scenarios.served(np.random.default_rng(2), 5000)
    rows.write_parquet(base / "reference.parquet")
    joblib.dump(scenarios.TrueModel(), base / "model.joblib")
    (base / "backslide.toml").write_text(
        '[model]\nlabel = "label"\nprediction = "prediction"\nscores = { yes = "p_yes" }\ntimestamp = "served_at"\n'
        'features = ["income", "age", "channel", "premium"]\n[windows]\nreference = "reference.parquet"\n'
        '[artifacts]\nreference_model = "model.joblib"\ntrusted = true\n'
    )
    return base


@pytest.fixture(scope="module")
def test_of(folder) -> SelfTest:
    return selftest(Settings.load(folder / "backslide.toml"), columns=1, rows=2500)


@pytest.mark.slow
def test_most_harmful_faults_are_named_and_silence_is_said(test_of):
    # No other column of this log knows anything of income: its dependence cannot be seen to break.
    alone = ("broken_join", "added_noise")
    harmful = [t for t in test_of.tried if t.harm > 2 * test_of.detectable and t.kind not in alone]
    assert len(harmful) >= 4
    assert np.mean([t.outcome == "named" for t in harmful]) >= 0.8, [(t.kind, t.said) for t in harmful]
    assert {t.outcome for t in test_of.tried} <= {"named", "other name", "harmless", "missed", "failed"}
    assert test_of.quiet in ("no_material_change", "inconclusive")


@pytest.mark.slow
def test_it_breaks_what_the_model_leans_on(test_of):
    assert {t.features[0] for t in test_of.tried} == {"income"}


@pytest.mark.slow
def test_harm_is_the_true_change_on_the_same_rows(test_of):
    frozen = next(t for t in test_of.tried if t.kind == "frozen_feature")
    slight = next(t for t in test_of.tried if t.kind == "missing_values" and t.share_of_rows == 0.1)
    assert frozen.harm > 5 * abs(slight.harm) > 0


@pytest.mark.slow
def test_the_command_prints_a_table_and_writes_json(folder, tmp_path, capsys, monkeypatch):
    out = tmp_path / "selftest.json"
    arguments = ["selftest", str(folder / "backslide.toml"), "--columns", "1", "--rows", "1000", "--minutes", "0"]
    assert main([*arguments, "--json", str(out)]) == 0
    assert json.loads(out.read_text())["format"] == "backslide.selftest/1"
    assert "stopped after 0 minutes" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("section", "message"),
    [({"windows": {}}, "reference, the rows"), ({"artifacts": {}}, "reference_model, the model")],
)
def test_what_it_needs_is_said_in_one_line(folder, section, message):
    data = {
        "model": worlds.BARE,
        "windows": {"reference": "reference.parquet"},
        "artifacts": {"reference_model": "model.joblib", "trusted": True},
    } | section
    with pytest.raises(ConfigError, match=message):
        selftest(Settings.from_dict(data, base=folder))


def test_faults_are_chosen_by_kind(folder):
    settings, said = Settings.load(folder / "backslide.toml"), []
    chosen = selftest(settings, columns=1, rows=1000, faults=["sign_flip", "unit_change"], progress=said.append)
    assert {t.kind for t in chosen.tried} == {"sign_flip", "unit_change"}
    assert said[-1].startswith("3 of 3")
    with pytest.raises(ConfigError, match=r"expected some of duplicated_rows.*got 'rain'"):
        selftest(settings, faults=["rain"])
