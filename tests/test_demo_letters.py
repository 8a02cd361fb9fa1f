"""The simulated story of the fine-tuned model: better on the whole, worse for court filings, less sure, and said at once."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from backslide.cli.app import app
from backslide.contracts.cause import CauseKind, Confidence
from backslide.contracts.diagnosis import Verdict
from backslide.contracts.shadow import ShadowVerdict
from backslide.demo import fine_tuning
from backslide.demo.fine_tuning import StoryResult
from backslide.demo.letters import letters

pytestmark = [pytest.mark.core, pytest.mark.slow]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> StoryResult:
    return fine_tuning.run(tmp_path_factory.mktemp("letters"))


def test_letters_are_simulated_the_same_every_time():
    rows = letters(fine_tuning.CURRENT, seed=1)
    assert rows.equals(letters(fine_tuning.CURRENT, seed=1))
    assert not rows.equals(letters(fine_tuning.CURRENT, seed=2))
    assert rows["letter_id"].str.starts_with("SIM-").all()
    assert rows["kind"].null_count() > 0


def test_validation_prefers_the_new_model(told: StoryResult):
    old, new = told.validation
    assert new > old + 0.03


def test_the_first_screen_says_what_is_hidden(told: StoryResult):
    diagnosis = told.diagnosis
    assert diagnosis.verdict is Verdict.DEGRADED_IN_PART
    assert diagnosis.metric.change.low > 0
    assert [part.name for part in diagnosis.parts] == ["court_filing"]
    assert "As a whole it got better, which hides it" in diagnosis.summary
    assert any("confidence fell" in str(warning) for warning in diagnosis.warnings)
    assert any("'court_filing' are predicted" in str(warning) for warning in diagnosis.warnings)
    page = " ".join(re.sub("<[^>]+>", " ", told.report.read_text(encoding="utf-8")).split())
    assert page.index("overall, accuracy rose") < page.index("confidence fell")


def test_the_cause_is_the_new_model_with_its_class_and_price(told: StoryResult):
    (cause,) = told.diagnosis.causes
    assert (cause.kind, cause.confidence, cause.classes) == (
        CauseKind.MODEL_CHANGE,
        Confidence.PROVEN,
        ("court_filing",),
    )
    assert cause.points.high < -0.05
    assert cause.since == "2026-03-02"


def test_both_models_on_the_same_letters_are_told_apart_by_class(told: StoryResult):
    assert told.shadow.verdict is ShadowVerdict.MIXED
    assert "court_filing" in told.shadow.summary
    assert told.shadow_report.exists()


def test_files_say_that_they_are_simulated(told: StoryResult):
    folder: Path = told.report.parent
    assert "Simulated data" in (folder / fine_tuning.CONFIG_FILE).read_text()
    assert pl.read_parquet(folder / fine_tuning.CURRENT_FILE)["letter_id"].str.starts_with("SIM-").all()


def test_a_story_that_is_not_there_is_said_in_one_line(tmp_path: Path):
    answer = CliRunner().invoke(app, ["demo", "--story", "other", "--out", str(tmp_path)])
    assert answer.exit_code != 0
    assert "expected one of letters, reader" in (answer.output + str(answer.exception))


def test_it_is_the_story_that_is_told_where_none_is_named(
    told: StoryResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(fine_tuning, "run", lambda out, progress: told)
    answer = CliRunner().invoke(app, ["demo", "--out", str(tmp_path), "--no-open", "-q"])
    assert answer.exit_code == 0
    assert "no letter, client or court in it is real" in answer.output
    assert "Validation, on letters kept back" in answer.output
    assert "Mixed: legal-desk letters (simulated)" in answer.output
    names = {path.name for path in told.report.parent.iterdir()}
    assert {"report.html", "shadow.html", "diagnosis.json", "backslide.toml", "simulated_story.txt"} <= names
