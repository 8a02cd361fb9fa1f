"""What quick looks show: the numbers in the evidence against the same numbers computed by hand."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import confusion_matrix, f1_score

from backslide import plot
from backslide.contracts.evidence import Bars, Histograms, Series
from backslide.playbook import scenarios

ROWS = 4000


@pytest.fixture(scope="module")
def months():
    rng = np.random.default_rng(7)
    good = scenarios.served(rng, ROWS)
    bad = scenarios.next_month(rng, rows=ROWS, flip=0.1, sharpness=0.5)
    return good, bad


@pytest.fixture
def evidence(monkeypatch):
    """Quick looks hand over their evidence instead of drawing it."""
    for module in ("inputs", "outputs", "timeline"):
        monkeypatch.setattr(f"backslide.plot.{module}.draw", lambda value: value)


def shares(bars: Bars) -> dict[str, tuple[float, float]]:
    return {c: (r, n) for c, r, n in zip(bars.categories, bars.reference, bars.current, strict=True)}


@pytest.mark.usefixtures("evidence")
class TestColumns:
    def test_shares_are_of_all_rows_and_missing_and_new_categories_show(self):
        good = pl.DataFrame({"c": ["a"] * 60 + ["b"] * 30 + [None] * 10})
        bad = pl.DataFrame({"c": ["b"] * 100 + ["a"] * 60 + ["fax"] * 20 + [None] * 20})
        drawn = plot.categorical(good, bad, "c")
        assert shares(drawn) == {
            "a": (0.6, 0.3),
            "b": (0.3, 0.5),
            "fax (new)": (0.0, 0.1),
            "(missing)": (0.1, 0.1),
        }
        assert "'a' with 30.0% of rows, 60.0% before" in drawn.reading
        assert "new: 'fax' (10.0% of rows)" in drawn.reading

    def test_many_categories_fold_into_one_and_still_add_up(self):
        names = [f"c{i:04}" for i in range(3000)]
        good = pl.DataFrame({"c": names * 2 + ["big"] * 500})
        bad = pl.DataFrame({"c": names * 2 + ["big"] * 2500})
        drawn = plot.categorical(good, bad, "c")
        assert len(drawn.categories) <= 14
        assert sum(drawn.reference) == pytest.approx(1)
        assert sum(drawn.current) == pytest.approx(1)
        assert shares(drawn)["big"] == pytest.approx((500 / 6500, 2500 / 8500))
        assert shares(drawn)["all other"][0] > 0.9
        assert "new:" not in drawn.reading, "levels that were not counted out are not called new"

    def test_numeric_codes_stand_by_value_and_one_and_one_point_zero_agree(self):
        good = pl.DataFrame({"c": [10, 10, 10, 2, 1]})
        bad = pl.DataFrame({"c": [10.0, 2.0, 2.0, 1.0, float("nan")]})
        drawn = plot.categorical(good, bad, "c")
        assert drawn.categories == ("1", "2", "10", "(missing)")
        assert drawn.current == pytest.approx((0.2, 0.4, 0.2, 0.2))

    def test_a_column_without_any_value(self):
        nothing = pl.DataFrame({"c": [None, None]})
        assert shares(plot.categorical(nothing, nothing, "c")) == {"(missing)": (1.0, 1.0)}
        half = plot.numeric(pl.DataFrame({"c": [1.0, 2.0]}), nothing, "c")
        assert sum(half.reference) == pytest.approx(1)
        assert sum(half.current) == 0

    def test_histograms_are_shares_and_gaps_are_said(self, months):
        good, bad = months
        bad = bad.with_columns(
            pl.when(pl.int_range(pl.len()) < 400).then(float("nan")).otherwise("income").alias("income")
        )
        bad = bad.with_columns(
            pl.when(pl.int_range(pl.len()) == 500).then(float("inf")).otherwise("income").alias("income")
        )
        drawn = plot.numeric(good, bad, "income")
        assert isinstance(drawn, Histograms)
        assert sum(drawn.reference) == pytest.approx(1)
        assert sum(drawn.current) == pytest.approx(1)
        assert "missing: 0.0% before, 10.0% now" in drawn.x
        assert "infinite: 0.0% before, 0.03% now" in drawn.x
        counted = np.histogram(good["income"], np.array([-np.inf, *drawn.edges[1:-1], np.inf]))[0] / ROWS
        assert np.abs(counted - drawn.reference).max() < 0.01

    def test_a_shifted_column_reads_shifted(self, months):
        good, bad = months
        drawn = plot.numeric(good, bad.with_columns(pl.col("income") * 12), "income")
        assert f"{good['income'].median():,.0f}" in drawn.reading
        middle = [
            float(np.dot(side, np.convolve(drawn.edges, [0.5, 0.5], "valid")))
            for side in (drawn.reference, drawn.current)
        ]
        assert middle[1] > 4 * middle[0]


@pytest.mark.usefixtures("evidence")
class TestConfidence:
    def test_found_by_itself_it_is_the_score_of_the_predicted_class(self, months):
        drawn = plot.confidence(*months)
        p = months[1]["p_yes"].to_numpy()
        chosen = np.where(months[1]["prediction"] == "yes", p, 1 - p)
        assert f"{chosen.mean():.3g}" in drawn.reading
        assert "score of prediction" in drawn.x

    def test_by_class_in_a_list_or_as_it_is(self, months):
        both = [frame.with_columns(p_no=1 - pl.col("p_yes")) for frame in months]
        largest = f"{np.maximum(p := months[1]['p_yes'].to_numpy(), 1 - p).mean():.3g}"
        for scores in ({"yes": "p_yes"}, ["p_no", "p_yes"], {"no": "p_no", "yes": "p_yes"}):
            assert f"is {largest}," in plot.confidence(*both, scores=scores).reading
        alone = plot.confidence(*both, scores="p_yes")
        assert f"is {p.mean():.3g}," in alone.reading
        assert alone.x == "p_yes"

    def test_decisions_cut_elsewhere_have_the_confidence_of_what_was_decided(self, months):
        cut = [
            f.with_columns(prediction=pl.when(pl.col("p_yes") > 0.8).then(pl.lit("yes")).otherwise(pl.lit("no")))
            for f in months
        ]
        drawn = plot.confidence(*cut, scores={"yes": "p_yes"}, prediction="prediction")
        p = cut[1]["p_yes"].to_numpy()
        assert f"{np.where(p > 0.8, p, 1 - p).mean():.3g}" in drawn.reading
        assert drawn.edges[0] < 0.4


class TestConfusion:
    @staticmethod
    def panels(chart) -> list[list[list[str]]]:
        spec = chart.to_dict()
        out = []
        for panel in spec["hconcat"]:
            cells = panel["data"]["values"]
            columns = list(dict.fromkeys(cell["column"] for cell in cells))
            rows = list(dict.fromkeys(cell["row"] for cell in cells))
            text = {(cell["row"], cell["column"]): cell["text"] for cell in cells}
            out.append([[text[r, c] for c in columns] for r in rows])
        return out

    def test_shares_within_label_as_scikit_learn_has_them(self, months):
        good, bad = months
        shown = self.panels(plot.confusion(good, bad, label="label", prediction="prediction"))
        wanted = [confusion_matrix(f["label"], f["prediction"], normalize="true") for f in months]
        assert shown[0] == [[f"{100 * v:.1f}" for v in row] for row in wanted[0]]
        assert shown[1] == [[f"{100 * v:.1f}" for v in row] for row in wanted[1]]
        change = 100 * (wanted[1] - wanted[0])
        assert shown[2] == [[f"{v:+.1f}".replace("-", "−") for v in row] for row in change]

    def test_roles_are_found_and_unlabelled_and_unpredicted_rows_are_said(self, months):
        good, bad = months
        row = pl.int_range(pl.len())
        bad = bad.with_columns(
            label=pl.when(row >= 1000).then("label"),
            prediction=pl.when((row < 1000) | (row >= 1300)).then("prediction"),
        )
        chart = plot.confusion(good, bad)
        assert "without a label are 25.0% of rows" in chart.to_dict()["description"]
        assert len(self.panels(chart)[1][0]) == 3, "rows without a prediction are a column"

    def test_of_many_classes_those_that_changed_are_drawn(self):
        label = [f"k{i:02}" for i in range(30)] * 20
        wrong = ["k05" if name == "k17" else name for name in label]
        good = pl.DataFrame({"label": label, "prediction": label})
        bad = pl.DataFrame({"label": label, "prediction": wrong})
        spec = plot.confusion(good, bad).to_dict()
        assert "100.0% of the rows labelled 'k17' are predicted 'k05', 0.0% before" in spec["description"]
        assert "8 of 30 classes" in " ".join(spec["title"]["text"])


@pytest.mark.usefixtures("evidence")
class TestOverTime:
    def test_a_mean_by_day_with_the_interval_of_its_rows(self, months):
        drawn = plot.over_time(*months, "income")
        assert isinstance(drawn, Series)
        by_day = (
            months[0]
            .group_by(pl.col("served_at").dt.date().alias("day"))
            .agg(pl.len(), pl.col("income").mean().alias("mean"), pl.col("income").std().alias("std"))
            .sort("day")
        )
        points = [p for p in drawn.points if p.window == "reference"]
        assert [p.at for p in points] == [str(day) for day in by_day["day"]]
        assert [p.value for p in points] == pytest.approx(by_day["mean"].to_list())
        half = 1.96 * by_day["std"] / by_day["len"].sqrt()
        assert [p.high - p.value for p in points] == pytest.approx(half.to_list())
        assert drawn.band == pytest.approx(np.quantile(by_day["mean"], [0.05, 0.95]))

    def test_weeks_add_up_days(self, months):
        drawn = plot.over_time(*months, "income", every="week")
        week = months[0].with_columns(week=pl.col("served_at").dt.truncate("1w").dt.date())
        by_week = (
            week.group_by("week")
            .agg(pl.len(), pl.col("income").mean().alias("mean"), pl.col("income").std())
            .sort("week")
        )
        points = [p for p in drawn.points if p.window == "reference"]
        assert [p.at for p in points] == [str(start) for start in by_week["week"]]
        assert [p.value for p in points] == pytest.approx(by_week["mean"].to_list())
        half = 1.96 * by_week["income"] / by_week["len"].sqrt()
        assert [p.high - p.value for p in points] == pytest.approx(half.to_list())
        assert drawn.band is None
        assert "too few" in drawn.reading

    def test_far_from_zero_the_spread_keeps_its_digits(self):
        rng = np.random.default_rng(3)
        day = [datetime(2026, 1, 1) + timedelta(hours=h) for h in range(24 * 20)]
        values = 1e9 + rng.normal(size=len(day))
        frame = pl.DataFrame({"at": day, "x": values})
        points = plot.over_time(frame, frame, "x", "at", every="month").points
        wanted = 1.96 * values.std(ddof=1) / np.sqrt(len(values))
        assert points[0].high - points[0].value == pytest.approx(wanted, rel=1e-4)

    def test_accuracy_by_day(self, months):
        drawn = plot.over_time(*months, "accuracy")
        right = months[1].with_columns(right=(pl.col("label") == pl.col("prediction")).cast(pl.Float64))
        by_day = (
            right.group_by(pl.col("served_at").dt.date().alias("day")).agg(pl.len(), pl.col("right").mean()).sort("day")
        )
        points = [p for p in drawn.points if p.window == "current"]
        assert [p.value for p in points] == pytest.approx(by_day["right"].to_list())
        p = right["right"].mean()
        assert points[3].value - points[3].low == pytest.approx(
            1.96 * np.sqrt(p * (1 - p) / by_day["len"][3]), rel=1e-6
        )
        assert drawn.share
        low = np.quantile([p.value for p in drawn.points if p.window == "reference"], 0.05)
        worse = sum(point.value < low for point in points)
        assert f"{worse} of 28 current days are worse than 95%" in drawn.reading

    def test_metrics_of_a_class_and_of_scores_and_losses(self, months):
        week = months[0].filter(pl.col("served_at") < datetime(2026, 3, 9))
        recall = plot.over_time(*months, "recall[yes]", every="week").points[0].value
        assert recall == pytest.approx((week.filter(pl.col("label") == "yes")["prediction"] == "yes").mean())
        macro = plot.over_time(*months, "macro_f1", every="week").points[0].value
        assert macro == pytest.approx(f1_score(week["label"], week["prediction"], average="macro"))
        own = week.select(pl.when(pl.col("label") == "yes").then("p_yes").otherwise(1 - pl.col("p_yes")))
        loss = plot.over_time(*months, "log_loss", every="week").points[0].value
        assert loss == pytest.approx(-np.log(own.to_series().to_numpy()).mean(), rel=1e-6)

    def test_a_regression(self):
        rng = np.random.default_rng(0)
        y = rng.normal(10, 2, 600)
        frame = pl.DataFrame(
            {
                "day": [str(date(2026, 1, 1) + timedelta(days=i // 30)) for i in range(600)],
                "fare": y,
                "fare_pred": y + 0.5,
            }
        )
        drawn = plot.over_time(frame, frame, "mae")
        assert [p.value for p in drawn.points] == pytest.approx([0.5] * 40)
        assert not drawn.share

    def test_long_logs_become_weeks_and_months(self):
        def log(days: int) -> pl.DataFrame:
            return pl.DataFrame(
                {"ts": [date(2015, 1, 5) + timedelta(days=i) for i in range(days)], "x": np.arange(days)}
            )

        assert plot.over_time(log(100), log(100), "x").title == "mean of x by day"
        assert plot.over_time(log(700), log(700), "x").title == "mean of x by week"
        assert plot.over_time(log(3650), log(3650), "x").title == "mean of x by month"

    def test_a_column_goes_before_a_metric_of_its_name(self, months):
        both = [frame.with_columns(accuracy=pl.lit(3.0)) for frame in months]
        assert {p.value for p in plot.over_time(*both, "accuracy").points} == {3.0}


def test_row_order_changes_nothing(months, evidence):
    shuffled = [frame.sample(fraction=1, shuffle=True, seed=1) for frame in months]
    looks = (
        lambda g, b: plot.categorical(g, b, "channel"),
        lambda g, b: plot.numeric(g, b, "income"),
        lambda g, b: plot.confidence(g, b),
        lambda g, b: plot.over_time(g, b, "income"),
        lambda g, b: plot.over_time(g, b, "accuracy"),
    )
    for look in looks:
        first, second = look(*months).model_dump(), look(*shuffled).model_dump()
        assert flat(first) == pytest.approx(flat(second))
        assert first["reading"] == second["reading"]


def flat(value) -> list[float]:
    """Every number in a nested value."""
    if isinstance(value, (dict, list, tuple)):
        return [number for item in (value.values() if isinstance(value, dict) else value) for number in flat(item)]
    return [float(value)] if isinstance(value, (int, float)) else []
