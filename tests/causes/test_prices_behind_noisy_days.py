"""What labels of the reference, values, or their places prove though days differ by more than it costs."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import worlds
from backslide.causes.faults.base import Fault
from backslide.causes.faults.signatures.swapped_columns import SwappedColumns
from backslide.causes.faults.signatures.unit_change import of_values
from backslide.causes.pricing import materiality, proof
from backslide.causes.pricing.materiality import Scale
from backslide.causes.suspicion import is_doubtful
from backslide.contracts.cause import Cause, CauseKind, Confidence, Injection
from backslide.contracts.diagnosis import Diagnosis, Verdict
from backslide.contracts.finding import Estimate
from backslide.engine.columns.kinds import ColumnKind
from backslide.engine.columns.pair import Pair
from backslide.jobs.verdict import judge
from backslide.playbook.base import Scenario
from backslide.stats.change.effect import Effect
from backslide.stats.metrics.metric import METRICS
from scale import most, runs

ACCURACY = METRICS["accuracy"]
ROLES = {"label": "label", "prediction": "prediction", "scores": {"yes": "p_yes"}, "timestamp": "at"}
ROLES |= {"features": ["x", "z"]}


def days(seed: int, first: int, harder: float, rows: int = 6000) -> pl.DataFrame:
    """Four weeks in which some days are worse than others; ``harder``: odds of rows near the boundary of x."""
    rng = np.random.default_rng(seed)
    drawn = rng.normal(size=8 * rows)
    weight = harder * (np.abs(drawn) < 0.5)
    x = drawn[np.argsort(-(weight + rng.gumbel(size=len(drawn))))[:rows]]
    rng.shuffle(x)
    day = np.sort(rng.integers(0, 28, rows))
    chance = 1 / (1 + np.exp(-2.5 * x))
    label = rng.random(rows) < chance
    label ^= rng.random(rows) < rng.uniform(0.0, 0.45, 28)[day]
    at = [datetime(2026, 3, 1) + timedelta(days=first + int(d), seconds=s) for s, d in enumerate(day)]
    return pl.DataFrame(
        {
            "at": at,
            "x": x,
            "z": rng.normal(size=rows),
            "label": np.where(label, "yes", "no"),
            "prediction": np.where(chance >= 0.5, "yes", "no"),
            "p_yes": chance,
        }
    )


def told(seed: int, harder: float) -> Diagnosis:
    scenario = Scenario(days(seed, 0, 0.0), days(seed + 500, 28, harder), ROLES, None, "")
    return worlds.causes_of(scenario)


def test_inputs_that_moved_are_priced_by_the_labels_of_the_reference():
    scenario = Scenario(days(2, 0, 0.0), days(502, 28, 1.6), ROLES, None, "")
    assert judge(worlds.case_of(scenario)).verdict is Verdict.INCONCLUSIVE
    diagnosis = worlds.causes_of(scenario)
    assert diagnosis.verdict is Verdict.DEGRADED
    first = diagnosis.causes[0]
    assert (first.kind, first.features) == (CauseKind.COVARIATE_SHIFT, ("x",))
    assert first.points.low > -0.15
    assert first.points.high < -0.02


def test_the_mix_of_one_column_is_priced_though_the_year_went_on_in_another():
    def with_season(rows: pl.DataFrame, later: float) -> pl.DataFrame:
        rng = np.random.default_rng(3)
        return rows.with_columns(
            n=pl.Series(rng.normal(size=rows.height)), season=pl.Series(rng.uniform(later, later + 1, rows.height))
        )

    windows = with_season(days(2, 0, 0.0, 1500), 0.0), with_season(days(502, 28, 1.4, 1500), 0.6)
    diagnosis = worlds.causes_of(Scenario(*windows, ROLES | {"features": ["x", "z", "n", "season"]}, None, ""))
    assert diagnosis.verdict is Verdict.DEGRADED
    assert [(c.kind, c.features) for c in diagnosis.causes] == [(CauseKind.COVARIATE_SHIFT, ("x",))]
    before, now = (np.abs(w["x"].to_numpy()) for w in windows)
    right = (windows[0]["label"] == windows[0]["prediction"]).to_numpy()
    cells = np.quantile(before, np.linspace(0, 1, 21)[1:-1])
    cell, share = np.searchsorted(cells, before), np.bincount(np.searchsorted(cells, now), minlength=20) / len(now)
    truth = sum(share[k] * right[cell == k].mean() for k in range(20)) - right.mean()
    assert diagnosis.causes[0].points.estimate == pytest.approx(truth, abs=0.01)


@pytest.mark.rates
def test_days_on_which_a_column_differs_by_chance_are_no_mix_that_moved():
    """Stated: one-sided 0.125 % over all columns; here rows are worse where x is low, and x differs from day to day."""

    def window(seed: int, first: int, rows: int = 1000) -> pl.DataFrame:
        rng = np.random.default_rng(seed)
        day = np.sort(rng.integers(0, 20, rows))
        x = rng.normal(0, 1, 20)[day] + rng.normal(size=rows)
        right = rng.random(rows) < np.where(x < 0, 0.65, 0.9)
        at = [datetime(2026, 3, 1) + timedelta(days=first + int(d), seconds=s) for s, d in enumerate(day)]
        label = np.where(rng.random(rows) < 0.5, "yes", "no")
        said = np.where(right, label, np.where(label == "yes", "no", "yes"))
        return pl.DataFrame({"at": at, "x": x, "z": rng.normal(size=rows), "label": label, "prediction": said})

    roles = {"label": "label", "prediction": "prediction", "timestamp": "at", "features": ["x", "z"]}
    trials, named = runs(12, 200), []
    for seed in range(trials):
        causes = worlds.causes_of(Scenario(window(seed, 0), window(seed + 10_000, 20), roles, None, "")).causes
        named += [seed for cause in causes if cause.kind.family == "the world"]
    assert len(named) <= most(trials, 0.005), named


@pytest.mark.rates
def test_days_that_differ_are_no_inputs_that_moved():
    """Its price must be four standard errors and a point, so that noise brings it in less than one of ten thousand diagnoses."""
    named = [c.kind for seed in range(runs(6, 60)) for c in told(20 + seed, 0.0).causes]
    assert CauseKind.COVARIATE_SHIFT not in named


def cases(seed: int, rows: int, odds: float, by: str) -> pl.DataFrame:
    """Rows of two classes of which x tells; drawn by class, or by x."""
    rng = np.random.default_rng(seed)
    label = rng.random(6 * rows) < 0.3
    x = label + rng.normal(0, 0.7, 6 * rows)
    kept = np.argsort(-(odds * (label if by == "label" else x) + rng.gumbel(size=6 * rows)))[:rows]
    label, x = label[kept], x[kept]
    # A column beside it that drifts by itself, as the weather does.
    z = rng.normal(0.6 * (odds > 0), 1, rows)
    chance = 1 / (1 + np.exp(-(2.0 * (x - 0.75))))
    frame = pl.DataFrame({"x": x, "z": z, "label": np.where(label, "yes", "no")})
    return frame.with_columns(
        pl.Series("p_yes", chance), pl.Series("prediction", np.where(chance >= 0.5, "yes", "no"))
    ).sample(fraction=1.0, shuffle=True, seed=seed)


@pytest.mark.parametrize(
    ("by", "odds", "kind"), [("label", 1.6, CauseKind.LABEL_SHIFT), ("x", 1.2, CauseKind.COVARIATE_SHIFT)]
)
def test_a_column_that_moved_with_the_classes_alone_leaves_them_their_name(by, odds, kind):
    roles = {key: value for key, value in ROLES.items() if key != "timestamp"}
    scenario = Scenario(cases(1, 5000, 0.0, by), cases(2, 5000, odds, by), roles, None, "")
    assert worlds.causes_of(scenario).causes[0].kind is kind


def effect(value: float, error: float) -> Effect:
    return Effect(value, value + error * np.random.default_rng(1).standard_normal(400))


def fault(kind: CauseKind, *, reversible: bool, rows: float = 1.0, **more: Any) -> Fault:
    hit = np.arange(100) < 100 * rows
    hypothesis: Any = SimpleNamespace(
        kind=kind, exact=True, reversible=reversible, features=("a",), near=False, rows=hit, log_only=False
    )
    return Fault((hypothesis,), **more)


def test_guesses_that_serve_worse_than_what_is_left_of_a_value_are_no_excuse():
    """Texts cut off: taking their ends from other texts does worse than none, and says nothing of what the cut cost."""
    undone = {"repair_effect": effect(-0.06, 0.015), "repair_loss": effect(0.4, 0.06)}
    cut = fault(CauseKind.TEXT_CHANGE, reversible=False, injection_effect=effect(-0.04, 0.025), **undone)
    assert cut.points is cut.injection_effect
    fell = Scale(ACCURACY, effect(-0.08, 0.02), 0.01)
    assert materiality.matters(cut, fell)
    assert not materiality.matters(fault(CauseKind.UNIT_CHANGE, reversible=True, **undone), fell)


def test_a_certain_fault_that_nothing_prices_is_suspected_unless_growth_brings_it():
    scale = Scale(ACCURACY, effect(-0.03, 0.03), 0.01)
    assert is_doubtful(fault(CauseKind.TEXT_CHANGE, reversible=True), scale)
    assert not is_doubtful(fault(CauseKind.TEXT_CHANGE, reversible=True, rows=0.03), scale)
    assert not is_doubtful(fault(CauseKind.UNSEEN_CATEGORY, reversible=True), scale)


@pytest.mark.parametrize(
    ("kind", "share", "change", "verdict"),
    [
        (CauseKind.STALE_VALUES, 1.0, (0.004, -0.05, 0.05), Verdict.DEGRADED),
        (CauseKind.STALE_VALUES, 1.0, (0.03, -0.02, 0.08), Verdict.INCONCLUSIVE),  # it did not fall by as much
        (CauseKind.STALE_VALUES, 1.0, (0.005, -0.035, 0.045), Verdict.DEGRADED),  # within the noise of both
        (CauseKind.MISSING_VALUES, 1.0, (0.004, -0.05, 0.05), Verdict.DEGRADED),
        (CauseKind.MISSING_VALUES, 0.6, (0.004, -0.05, 0.05), Verdict.INCONCLUSIVE),  # growth may bring these
    ],
)
def test_what_values_show_is_priced_by_injection_though_the_world_made_up_for_it(kind, share, change, verdict):
    price = Estimate(estimate=-0.037, low=-0.053, high=-0.021)
    cause = Cause(
        rank=1,
        kind=kind,
        features=("a",),
        unit="points",
        points=price,
        confidence=Confidence.SUPPORTED,
        injection=Injection(points=price),
        share_of_rows=share,
        summary="a holds old values",
        next_step="Restore a.",
    )
    estimate, low, high = change
    seen: Any = SimpleNamespace(estimate=estimate, low=low, high=high)
    certain = frozenset({(kind, frozenset({"a"}))})
    scale, known = Scale(ACCURACY, None, 0.01), {"labels": True, "needs_proof": False, "artefact": True}
    assert proof.verdict_with((cause,), Verdict.INCONCLUSIVE, seen, scale, certain=certain, **known) is verdict


def test_a_certain_fault_that_costs_nothing_seldom_makes_a_verdict():
    """Injection says .03, as in another population; the change of nothing is known as well as that."""
    rng, called = np.random.default_rng(0), 0
    certain = frozenset({(CauseKind.STALE_VALUES, frozenset({"a"}))})
    for done, seen in zip(rng.normal(-0.03, 0.008, 400), rng.normal(0.0, 0.008, 400), strict=True):
        price = Estimate(estimate=done, low=done - 1.96 * 0.008, high=done + 1.96 * 0.008)
        cause = Cause(
            rank=1,
            kind=CauseKind.STALE_VALUES,
            features=("a",),
            unit="points",
            points=price,
            confidence=Confidence.SUPPORTED,
            injection=Injection(points=price),
            share_of_rows=1.0,
            summary="a holds old values",
            next_step="Restore a.",
        )
        change: Any = SimpleNamespace(estimate=seen, low=seen - 1.96 * 0.008, high=seen + 1.96 * 0.008)
        scale, known = Scale(ACCURACY, None, 0.01), {"labels": True, "needs_proof": False, "artefact": True}
        verdict = proof.verdict_with((cause,), Verdict.INCONCLUSIVE, change, scale, certain=certain, **known)
        called += verdict is Verdict.DEGRADED
    assert called <= 0.3 * 400


def test_a_specific_fault_gives_a_column_its_name_where_undoing_it_pays_as_much():
    scale = Scale(ACCURACY, effect(-0.05, 0.01), 0.01)
    suspect = fault(CauseKind.UNRECOGNISED_FAULT, reversible=True, repair_effect=effect(0.04, 0.005))
    recoded, half = (
        fault(CauseKind.CATEGORY_RECODE, reversible=True, repair_effect=effect(value, 0.005)) for value in (0.04, 0.02)
    )
    assert materiality.as_specific(suspect, [half, recoded], scale) is recoded
    assert materiality.as_specific(suspect, [half], scale) is None


def exchanged(one: tuple[Any, Any], other: tuple[Any, Any]) -> list[tuple[str, ...]]:
    """Names of columns that are said to be exchanged, of values before and now of two columns."""
    frames = [pl.DataFrame({"a": one[k], "b": other[k], "label": ["yes", "no"] * (len(one[k]) // 2)}) for k in (0, 1)]
    frames = [frame.with_columns(prediction=pl.col("label")) for frame in frames]
    roles = {"label": "label", "prediction": "prediction", "features": ["a", "b"]}
    case = worlds.case_of(Scenario(frames[0], frames[1], roles, None, ""))
    return [h.features for h in SwappedColumns().recognise(case) if h.exact]


def test_columns_of_other_categories_are_exchanged_whatever_their_shares_do():
    rng = np.random.default_rng(3)
    species, sexes = np.array([f"s{k}" for k in range(12)]), np.array(["F", "M"])
    before = rng.choice(species, 2000, p=np.arange(1, 13) / 78), rng.choice(sexes, 2000, p=[0.9, 0.1])
    now = rng.choice(species, 2000, p=np.arange(12, 0, -1) / 78), rng.choice(sexes, 2000, p=[0.4, 0.6])
    assert exchanged((before[0], now[1]), (before[1], now[0])) == [("a", "b")]
    assert exchanged((before[0], now[0]), (before[1], now[1])) == []


def test_a_column_that_lost_its_one_value_to_another_was_exchanged_with_it():
    """Days since the last contact, -1 where there was none, and ages: the share of -1 drifts by itself."""
    rng = np.random.default_rng(4)

    def contacts(none: float) -> np.ndarray:
        return np.where(rng.random(2000) < none, -1.0, rng.integers(1, 400, 2000).astype(float))

    ages = [rng.normal(40, 10, 2000).round(1) for _ in range(2)]
    pdays = contacts(0.95), contacts(0.6)
    assert exchanged((ages[0], pdays[1]), (pdays[0], ages[1])) == [("a", "b")]
    default = np.where(rng.random(2000) < 0.6, -1.0, ages[1])
    assert exchanged((ages[0], default), (pdays[0], pdays[1])) == []


def test_values_of_another_size_are_another_unit_though_the_season_moved_them_too():
    rng = np.random.default_rng(5)
    before, season = rng.uniform(45, 55, 3000), rng.choice([52.0, 66.0, 71.0], 3000) * rng.uniform(0.98, 1.02, 3000)

    def conversion(now: np.ndarray) -> Any:
        return of_values(Pair("price", ColumnKind.NUMERIC, pl.Series(before), pl.Series(now)))

    assert conversion(7 * season).factor == pytest.approx(7 * np.median(season) / np.median(before), rel=0.05)
    assert conversion(season / 9).factor == pytest.approx(np.median(season) / 9 / np.median(before), rel=0.05)
    assert conversion(season) is None
    # One constant after another is no unit.
    assert of_values(Pair("k", ColumnKind.NUMERIC, pl.Series([2.0] * 3000), pl.Series([9.0] * 3000))) is None
    assert conversion(np.full(3000, 999.0)) is None


def reviews(seed: int, rows: int = 1500) -> pl.DataFrame:
    """Texts whose words tell whether somebody was content, and a number that tells a little."""
    rng = np.random.default_rng(seed)
    good, bad, other = ([f"{kind}{k}" for k in range(40)] for kind in ("fine", "poor", "word"))
    content = rng.random(rows) < 0.5
    texts = [
        " ".join([*rng.choice(good if yes else bad, 3), *rng.choice(other, 12), str(rng.integers(10_000))])
        for yes in content ^ (rng.random(rows) < 0.1)
    ]
    size = rng.normal(0.8 * content, 1, rows)
    return pl.DataFrame({"review": texts, "size": size, "label": np.where(content, "yes", "no")})


@pytest.mark.parametrize("seed", [1, 2])
def test_texts_of_other_rows_are_told_by_the_outcome_that_they_tell_no_more(seed):
    columns = ColumnTransformer(
        [("text", TfidfVectorizer(), "review"), ("numbers", "passthrough", ["size"])], verbose_feature_names_out=False
    )
    training = reviews(9).to_pandas()
    model = make_pipeline(columns, LogisticRegression(C=10)).fit(training[["review", "size"]], training["label"])

    def served(frame: pl.DataFrame) -> pl.DataFrame:
        rows = frame.select("review", "size").to_pandas()
        chance = model.predict_proba(rows)[:, 1]
        return frame.with_columns(pl.Series("p_yes", chance), pl.Series("prediction", model.predict(rows)))

    sound = reviews(seed + 20)
    joined = sound.with_columns(sound["review"].shuffle(seed))
    roles = {"label": "label", "prediction": "prediction", "scores": {"yes": "p_yes"}, "features": ["review", "size"]}
    first, *rest = worlds.causes_of(Scenario(served(reviews(seed)), served(joined), roles, model, "")).causes
    assert (first.kind, first.features, rest) == (CauseKind.BROKEN_JOIN, ("review",), [])
    assert worlds.causes_of(Scenario(served(reviews(seed)), served(sound), roles, model, "")).causes == ()


def readings(seed: int, moved: float) -> pl.DataFrame:
    """Columns of one range, two of which go together, in a season that moves all of them."""
    rng = np.random.default_rng(seed)
    heat = rng.normal(moved, 1, 3000)
    values = {
        "heat": heat,
        "felt": heat + rng.normal(0, 0.2, 3000),
        "damp": rng.normal(-moved / 2, 1, 3000) - 0.5 * heat,
        "wind": rng.normal(moved / 3, 1, 3000),
    }
    columns = {name: 1 / (1 + np.exp(-column)) for name, column in values.items()}
    return pl.DataFrame(columns).with_columns(
        label=pl.Series(rng.choice(["yes", "no"], 3000)), prediction=pl.lit("yes")
    )


def test_columns_of_one_range_are_exchanged_where_they_go_with_the_others_as_the_other_did():
    roles = {"label": "label", "prediction": "prediction", "features": ["heat", "felt", "damp", "wind"]}
    sound = readings(2, 0.8)
    crossed = sound.with_columns(felt=pl.col("wind"), wind=pl.col("felt"))

    def found(current: pl.DataFrame) -> list[str]:
        case = worlds.case_of(Scenario(readings(1, 0.0), current, roles, None, ""))
        return [h.seen for h in SwappedColumns().recognise(case) if h.exact]

    assert found(crossed) == ["felt and wind were exchanged: each goes with the other columns as the other one did"]
    assert found(sound) == []


def test_columns_whose_partners_were_exchanged_were_not():
    """As t goes with a and u with b, exchanging t and u looks like exchanging a and b, which did not happen."""

    def rows(seed: int) -> pl.DataFrame:
        rng = np.random.default_rng(seed)
        a, b = rng.normal(size=(2, 3000))
        t, u = 0.8 * a + 0.6 * rng.normal(size=3000), 100 + 0.8 * b + 0.6 * rng.normal(size=3000)
        return pl.DataFrame({"a": a, "b": b, "t": t, "u": u, "label": rng.choice(["yes", "no"], 3000)}).with_columns(
            prediction=pl.col("label")
        )

    crossed = rows(2).with_columns(t=pl.col("u"), u=pl.col("t"))
    roles = {"label": "label", "prediction": "prediction", "features": ["a", "b", "t", "u"]}
    case = worlds.case_of(Scenario(rows(1), crossed, roles, None, ""))
    assert [set(h.features) for h in SwappedColumns().recognise(case)] == [{"t", "u"}]


def test_a_wind_that_turned_exchanged_nothing_for_certain_without_labels():
    def rows(seed: int, turned: bool) -> pl.DataFrame:
        rng = np.random.default_rng(seed)
        u, v = rng.normal(size=(2, 3000))
        waves, power = (0.6 * (v if turned else u) + 0.8 * rng.normal(size=3000) for _ in range(2))
        said = np.where(u > 0, "yes", "no")
        label = pl.Series([None] * 3000 if turned else said, dtype=pl.String)
        frame = pl.DataFrame({"u": u, "v": v, "waves": waves, "power": power, "prediction": said})
        return frame.with_columns(label=label)

    roles = {"label": "label", "prediction": "prediction", "features": ["u", "v", "waves", "power"]}
    case = worlds.case_of(Scenario(rows(1, False), rows(2, True), roles, None, ""))
    assert not [h for h in SwappedColumns().recognise(case) if h.exact]
