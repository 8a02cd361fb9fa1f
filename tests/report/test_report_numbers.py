"""Numbers are written the same way everywhere: signs, decimals, intervals, dates."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backslide.contracts import say
from backslide.contracts.finding import Estimate
from backslide.contracts.say import Unit

FINITE = st.floats(-1e6, 1e6, allow_nan=False)


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [(0.034, 2, "+0.03"), (-3.45, 1, "−3.5"), (-0.04, 1, "0.0"), (0.0, 0, "0"), (-1234.5, 0, "−1,234")],
)
def test_signed(value, decimals, text):
    assert say.fixed(value, decimals, sign=True) == text


@given(FINITE, st.integers(0, 4))
def test_a_signed_number_reads_back_as_itself(value, decimals):
    back = float(say.fixed(value, decimals, sign=True).replace("−", "-").replace(",", ""))
    assert abs(back - value) <= 0.5 * 10.0**-decimals * (1 + 1e-9) + 1e-9


@given(FINITE)
def test_plain_keeps_three_figures(value):
    text = say.number(value, 3).replace("−", "-").replace(",", "")
    assert float(text) == pytest.approx(value, rel=0.006, abs=1e-12)


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (4100, "4,100"), (0.5, "0.5"), (-2.1e-7, "−2.10e−7"), (1234567.8, "1,234,568")]
)
def test_plain(value, text):
    assert say.number(value, 3) == text


def test_points_of_a_classifier():
    change = Estimate(estimate=-0.034, low=-0.045, high=-0.023)
    unit = Unit.of("accuracy", classification=True, level=0.842, change=change)
    assert unit.level(0.842) == "84.2%"
    assert unit.estimate(change) == "−3.4 points [−4.5 to −2.3]"
    assert unit.size(0.011) == "1.1 points"


def test_small_changes_of_a_classifier_get_more_decimals():
    change = Estimate(estimate=-0.0004, low=-0.0006, high=-0.0002)
    unit = Unit.of("accuracy", classification=True, level=0.842, change=change)
    assert unit.estimate(change) == "−0.04 points [−0.06 to −0.02]"
    assert unit.level(0.842) == "84.20%"


@pytest.mark.parametrize("metric", ["log_loss", "cost"])
def test_unbounded_metrics_of_classifiers_have_no_points(metric):
    unit = Unit.of(metric, classification=True, level=0.4, change=Estimate(estimate=0.12))
    assert unit.change(0.12) == "+0.120"


@pytest.mark.parametrize(
    ("change", "level", "text"),
    [(1.23, 2.41, "2.41 +1.23"), (12_345.0, 91_000.0, "91,000 +12,345"), (0.0123, 0.4, "0.4000 +0.0123")],
)
def test_regression_is_written_in_the_metrics_unit(change, level, text):
    unit = Unit.of("mae", classification=False, level=level, change=Estimate(estimate=change))
    assert f"{unit.level(level)} {unit.change(change)}" == text


def test_what_is_not_estimable_is_said():
    assert Unit(True, 1).level(None) == "not estimable"


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (1.0, "all rows"),
        (0.9996, "all rows"),
        (0.998, "99% of rows"),
        (0.37, "37% of rows"),
        (0.002, "under 1% of rows"),
    ],
)
def test_share_of_rows(share, text):
    assert say.share_of_rows(share) == text


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        ("2026-04-03", "2026-04-03"),
        ("2026-04-03T10:00:00Z", "2026-04-03 10:00 UTC"),
        ("2026-04-03T12:00:00+02:00", "2026-04-03 10:00 UTC"),
        ("2026-04-03T10:00:00", "2026-04-03 10:00"),
        ("block 3 of the rows", "block 3 of the rows"),
    ],
)
def test_moments(moment, text):
    assert say.moment(moment) == text


@pytest.mark.parametrize(
    ("estimate", "unit", "text"),
    [
        (Estimate(estimate=-0.034, low=-0.045, high=-0.023), "points", "−3.4 points [−4.5 to −2.3]"),
        (Estimate(estimate=0.12, low=0.1, high=0.14), "share", "12.0% [10.0% to 14.0%]"),
        (Estimate(estimate=45_100.0, low=44_800.0, high=45_400.0), "USD", "45,100 USD [44,800 to 45,400]"),
        (Estimate(estimate=0.93), "", "0.93"),
    ],
)
def test_an_estimate_in_the_unit_that_a_finding_names(estimate, unit, text):
    assert say.free_estimate(estimate, unit) == text


@pytest.mark.parametrize(("p", "text"), [(0.0, "p < 0.0001"), (2e-9, "p < 0.0001"), (0.034, "p = 0.034")])
def test_p_values(p, text):
    assert say.p_value(p) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (-0.0081, "points", "0.8 points"),
        (0.0004, "points", "0.04 points"),
        (0.012, "share", "1.2%"),
        (45.0, "USD", "45 USD"),
        (45.0, "unit of the feature", "45"),
    ],
)
def test_the_size_of_a_change_in_the_unit_that_a_finding_names(value, unit, text):
    assert say.free_size(value, unit) == text
