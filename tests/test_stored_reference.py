"""A stored profile as the reference: the same numbers as with the rows, and what needs rows is listed."""

import json

import numpy as np
import polars as pl
import pytest

from backslide.case import Case
from backslide.contracts.config import Settings
from backslide.contracts.diagnosis import Verdict
from backslide.contracts.errors import ColumnError, ConfigError, SourceError
from backslide.contracts.finding import Status
from backslide.engine.window import open_windows
from backslide.jobs.diagnose import diagnose
from backslide.jobs.diagnosis_parts import metric_change
from backslide.jobs.profile_days import store_profiles
from backslide.jobs.verdict import judge
from backslide.playbook import scenarios
from backslide.playbook.runner import run_checks
from commands import backslide

ROLES = dict(scenarios.ROLES) | {"segments": ["channel"]}
SETTINGS = Settings.from_dict({"model": ROLES})
SAME = ("DRF001", "DRF002", "DRF003", "DRF004", "VER001", "VER002", "VER003", "VER006", "VER010")
NEEDS_ROWS = {"VER007", "DRF006", "DRF007", "CON001"}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    rng = np.random.default_rng(3)
    reference, current = scenarios.served(rng), scenarios.next_month(rng)
    missed = (current["label"] == "yes").to_numpy() & (rng.random(current.height) < 0.5)
    reference = reference.with_columns(pl.when(pl.int_range(pl.len()) % 9 > 0).then("income").alias("income"))
    current = current.with_columns(
        current["income"] * 1.5, prediction=pl.Series(np.where(missed, "no", current["prediction"].to_numpy()))
    )
    folder = tmp_path_factory.mktemp("world")
    stored = store_profiles(SETTINGS, folder / "profiles", rows=reference)
    reference.write_parquet(folder / "reference.parquet")
    current.write_parquet(folder / "current.parquet")
    return folder, reference, current, stored


@pytest.fixture(scope="module")
def both(world):
    folder, reference, current, _ = world
    case = Case(open_windows(reference, current, SETTINGS), SETTINGS)
    return case, run_checks(case), diagnose(str(folder / "profiles"), current, settings=SETTINGS)


def test_the_verdict_and_its_numbers_are_those_of_the_rows(both):
    case, _, stored = both
    judgement = judge(case)
    assert stored.verdict == judgement.verdict == Verdict.DEGRADED
    assert stored.metric == metric_change(case, judgement)
    assert stored.inputs.rows.reference == case.reference.window.rows == stored.inputs.labelled.reference
    assert stored.inputs.sampled.reference == 0
    assert stored.inputs.periods["reference"].days == 28
    assert "No cause was looked for" in stored.summary
    assert not stored.causes


def test_checks_of_counts_and_sums_find_the_same(both):
    rows, stored = (
        {(f.code, f.subject): f for o in d for f in o.findings if o.code in SAME} for d in (both[1], both[2].checks)
    )
    assert {code for code, _ in stored} == set(SAME)
    for key, finding in stored.items():
        known = rows[key]
        if "needs the rows" in finding.summary:
            assert key in {("VER001", "roc_auc"), ("VER001", "pr_auc")}
            continue
        assert (finding.severity, finding.since, finding.summary) == (known.severity, known.since, known.summary), key
        for name, value in finding.numbers.items():
            if isinstance(value, float):
                assert value == pytest.approx(known.numbers[name], rel=1e-9, abs=1e-12), (key, name)
            else:
                assert value == known.numbers[name], (key, name)


def test_checks_that_need_rows_are_listed_with_the_reason(both):
    stored = both[2]
    listed = {o.code: o.reason for o in stored.checks if o.status == Status.NOT_APPLICABLE}
    assert NEEDS_ROWS <= set(listed)
    assert all("reference window is a stored profile" in listed[code] for code in NEEDS_ROWS)
    assert not [o for o in stored.checks if o.status == Status.FAILED]


def test_two_periods_of_one_folder_compare_without_rows(world, both):
    folder, _, current, _ = world
    done = store_profiles(SETTINGS, folder / "profiles", rows=current)
    assert done.stored == len(done.days) + 28
    place = str(folder / "profiles")
    answer = diagnose(f"{place}#2026-03-01..2026-03-29", f"{place}#2026-03-30..2026-05-31", settings=SETTINGS)
    assert answer.metric == both[2].metric
    assert answer.verdict == Verdict.DEGRADED
    assert answer.inputs.sampled.current == 0
    again = store_profiles(SETTINGS, folder / "profiles", rows=current, new=True)
    assert again.days == done.days[-1:]
    source = Settings.from_dict({"model": ROLES, "data": {"source": place}})
    ranged = diagnose("2026-03-01..2026-03-29", "2026-03-30..2026-05-31", settings=source)
    assert ranged.metric == answer.metric


def test_what_contradicts_the_profiles_is_one_line(world):
    folder, reference, current, _ = world
    place = str(folder / "profiles")
    with pytest.raises(ConfigError, match="the stored profiles were made with 'label'"):
        diagnose(place, current, settings=Settings.from_dict({"model": ROLES | {"label": "premium"}}))
    with pytest.raises(ConfigError, match="make the stored one the reference"):
        diagnose(current, place, settings=SETTINGS)
    with pytest.raises(ConfigError, match="--ask learns"):
        diagnose(place, current, settings=SETTINGS, ask="labels.csv")
    with pytest.raises(ConfigError, match="match leaves rows out"):
        diagnose(place, current, settings=Settings.from_dict({"model": ROLES, "windows": {"match": "weekday"}}))
    with pytest.raises(SourceError, match="hold no day"):
        diagnose(f"{place}#2020-01-01..2020-01-02", current, settings=SETTINGS)
    with pytest.raises(SourceError, match="expected days"):
        diagnose(f"{place}#march", current, settings=SETTINGS)
    with pytest.raises(ColumnError, match="count numbers of it"):
        store_profiles(SETTINGS, folder / "profiles", rows=reference.with_columns(income=pl.lit("much")))


def test_columns_that_went_or_changed_their_kind_are_said(world):
    folder, _, current, _ = world
    odd = current.drop("age").with_columns(income=pl.lit("much"), fresh=pl.lit(1))
    answer = diagnose(str(folder / "profiles") + "#2026-03-01..2026-03-29", odd, settings=SETTINGS)
    notes = " | ".join(answer.inputs.notes)
    assert "missing from the current window, read as null throughout: age" in notes
    assert "of another kind than in the stored profiles, so not compared: income" in notes
    assert "only in the current window, so not compared: fresh" in notes
    assert ("DRF003", "age") in {(f.code, f.subject) for o in answer.checks for f in o.findings}


def test_regression_needs_no_rows_for_its_error(tmp_path):
    rng = np.random.default_rng(0)

    def month(bias):
        x, days = rng.normal(size=2000), [f"2026-0{1 + bool(bias)}-{1 + i // 80:02}" for i in range(2000)]
        return pl.DataFrame({"x": x, "y": 3 * x + rng.normal(size=2000), "p": 3 * x + bias, "t": days})

    settings = Settings.from_dict({"model": {"label": "y", "prediction": "p", "timestamp": "t", "task": "regression"}})
    reference, current = month(0), month(2.0)
    store_profiles(settings, tmp_path / "p", rows=reference)
    case = Case(open_windows(reference, current, settings), settings)
    stored, judgement = diagnose(str(tmp_path / "p"), current, settings=settings, quick=True), judge(case)
    assert stored.verdict == judgement.verdict == Verdict.DEGRADED
    assert stored.metric.reference == pytest.approx(judgement.change.reference, rel=1e-12)
    assert stored.metric.change.low == pytest.approx(judgement.change.low, rel=1e-9)


def test_the_command_line_stores_and_reads_profiles(world, tmp_path):
    folder, *_ = world
    (tmp_path / "backslide.toml").write_text(
        f'[model]\nlabel = "label"\nprediction = "prediction"\ntimestamp = "served_at"\nscores = {{ yes = "p_yes" }}\n'
        f'[windows]\nreference = "{folder / "reference.parquet"}"\ncurrent = "{folder / "current.parquet"}"\n'
    )
    done = backslide(tmp_path, "log", "profile", "-q", "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert told["format"] == "backslide.log-profile/1"
    assert (told["rows"], told["stored"]) == (3000, 28)
    assert "28 days" in backslide(tmp_path, "log", "profile", "-q").out
    answer = backslide(tmp_path, "diagnose", "-q", "--quick", "--reference", "profiles", "--json", "-")
    assert answer.code == 1, answer.err
    assert json.loads(answer.out)["inputs"]["sources"]["reference"] == "stored profiles profiles"
    wrong = backslide(tmp_path, "log", "profile", "-q", "--window", "both")
    assert (wrong.code, wrong.err.count("\n")) == (2, 1)
