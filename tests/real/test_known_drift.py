"""Drifts that are known to have happened, diagnosed through the command line on logs of a plain pipeline."""

from __future__ import annotations

import html
import re

import polars as pl
import pytest

from backslide.contracts.cause import CauseKind
from backslide.contracts.diagnosis import Verdict
from backslide.contracts.finding import Finding
from real import by_cli, worlds
from real.periods import data_faults

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def census(tmp_path_factory):
    reference, current = _census_windows()
    served = worlds.census()
    folder = tmp_path_factory.mktemp("census")
    return by_cli.diagnose(folder, reference, current, served.roles, model=served.model, quick=True)


@pytest.fixture(scope="module")
def census_as_logged(tmp_path_factory):
    """The predictions that were logged with the data set, of a model that nobody can load."""
    reference, current = (rows.gather_every(3) for rows in _census_windows())
    roles = worlds.census().roles | {"prediction": "prediction", "scores": {"1": "predicted_probability"}}
    return by_cli.diagnose(tmp_path_factory.mktemp("census_as_logged"), reference, current, roles, quick=True)


@pytest.fixture(scope="module")
def taxi(tmp_path_factory):
    served, day = worlds.taxi(), pl.col("pickup_time")
    reference = served.log.filter(day < pl.datetime(2022, 4, 1))
    current = served.log.filter(day >= pl.datetime(2023, 3, 1))
    folder = tmp_path_factory.mktemp("taxi")
    return by_cli.diagnose(folder, reference, current, served.roles, model=served.model, quick=True)


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    served, day = worlds.bank(), pl.col("contact_date")
    reference = served.log.filter(day < pl.datetime(2009, 4, 1))
    current = served.log.filter((day >= pl.datetime(2009, 10, 1)) & (day < pl.datetime(2010, 1, 1)))
    return by_cli.diagnose(tmp_path_factory.mktemp("bank"), reference, current, served.roles, model=served.model)


@pytest.fixture(scope="module")
def electricity(tmp_path_factory):
    served = worlds.electricity()
    joined = 17_424 - 12_000  # the row from which the two markets were one
    return by_cli.diagnose(
        tmp_path_factory.mktemp("electricity"),
        served.log[:joined],
        served.log[joined:],
        served.roles,
        model=served.model,
        as_function=True,
    )


WORLDS = ("census", "census_as_logged", "taxi", "bank", "electricity")
each_world = pytest.mark.parametrize("world", WORLDS)


@each_world
def test_exit_code_says_degraded(world, request):
    report = request.getfixturevalue(world)
    assert report.diagnosis.verdict.bad
    assert report.code == 1


@pytest.mark.parametrize("world", [name for name in WORLDS if name != "electricity"])
def test_whole_metric_fell(world, request):
    """The days of electricity resemble one another too much for its headline to be sure; the rest fell beyond doubt."""
    assert request.getfixturevalue(world).diagnosis.verdict is Verdict.DEGRADED


@each_world
def test_causes_and_the_rest_add_up(world, request):
    d = request.getfixturevalue(world).diagnosis
    # Where only a part fell, points are in the metric of that part.
    change = d.parts[0].change if d.verdict is Verdict.DEGRADED_IN_PART else d.metric.change
    told = sum(c.points.estimate for c in d.causes if c.points is not None) + d.unexplained.estimate
    assert told == pytest.approx(change.estimate, abs=1e-9)


@each_world
def test_page_tells_the_same(world, request):
    report = request.getfixturevalue(world)
    page = html.unescape(report.html)
    for cause in report.diagnosis.causes:
        assert cause.next_step in page
        assert all(feature in page for feature in cause.features)
    assert 'src="http' not in page
    assert len(report.html.encode()) < 2_000_000


@each_world
def test_nothing_failed_on_the_way(world, request):
    failed = [(o.code, o.reason) for o in request.getfixturevalue(world).diagnosis.checks if o.status == "failed"]
    assert not failed


@pytest.mark.parametrize("world", ["census", "census_as_logged"])
def test_census_is_another_population(world, request):
    """Students in dormitories: the model was always weak on them."""
    d = request.getfixturevalue(world).diagnosis
    assert d.causes[0].kind is CauseKind.COVARIATE_SHIFT
    assert {"relp", "agep"} & set(d.causes[0].features)
    assert d.metric.change.estimate == pytest.approx(-0.05, abs=0.03)  # 0.83 before, 0.77 to 0.78 in the two chunks
    assert not data_faults(d)


def test_taxi_is_another_tariff(taxi):
    """The same trips cost more since the rule of December 2022; nobody measures miles or minutes in another unit."""
    d = taxi.diagnosis
    assert d.causes[0].kind is CauseKind.CONCEPT_DRIFT
    offered = [c for c in (*d.causes, *d.harmless) if c.repair is not None and c.kind.family == "data fault"]
    assert not [c for c in offered if {"trip_distance", "trip_duration_min"} & set(c.features)]
    # Learning the tariff anew, on held-out trips, brings nearly all of it back.
    assert d.causes[0].repair.points_back.low > 0.5 * d.metric.change.estimate


def test_bank_is_another_share_of_buyers(bank):
    """Subscribers rise from few to nearly half, and the model never says yes."""
    assert bank.diagnosis.causes[0].kind is CauseKind.LABEL_SHIFT
    assert "predictions all one class" in bank.said
    assert "predictions all one class" in re.sub("<[^>]+>", "", bank.html)
    assert not data_faults(bank.diagnosis)


@pytest.mark.parametrize("column", ["vic_price", "vic_demand", "transfer"])
def test_electricity_says_which_columns_came_alive(electricity, column):
    said = [f for f in _findings(electricity) if f.subject == column and "constant before" in f.summary]
    assert said
    assert "varying now" in said[0].summary
    priced = [c for c in electricity.diagnosis.causes if column in c.features and c.points is not None]
    assert not priced


def test_electricity_is_no_data_fault(electricity):
    d = electricity.diagnosis
    assert not [c for c in (*d.causes, *d.harmless) if c.kind is CauseKind.UNIT_CHANGE]
    assert not d.causes or d.causes[0].kind is CauseKind.CONCEPT_DRIFT


def _census_windows() -> tuple[pl.DataFrame, pl.DataFrame]:
    log = worlds.census().log
    analysis = log.filter(pl.col("period") == "analysis").sort("id")
    return log.filter(pl.col("period") == "reference"), analysis[135_000:145_000]


def _findings(report: by_cli.Report) -> list[Finding]:
    return [f for o in report.diagnosis.checks for f in o.findings]
