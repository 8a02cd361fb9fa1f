"""Worlds that move by themselves: a hot week, prices, counts that agree, another mix of customers. None breaks a column."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
from sklearn.tree import DecisionTreeRegressor

import backslide as bs
from backslide.causes.columns.monotone_transforms import find_affine
from backslide.causes.faults.signatures.copied_column import _agreeing
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.kinds import ColumnKind
from backslide.engine.columns.pair import Pair

ROWS = 3000
COUNTRIES = np.array(["DE", "FR", "GB", "IT", "ES", "PL", "NL", "SE", "DK", "NO", "FI", "AT"])


def drawn(rng: np.random.Generator, z: np.ndarray) -> np.ndarray:
    """Answers that are "yes" with the log odds z (n,)."""
    return np.where(rng.random(len(z)) < 1 / (1 + np.exp(-z)), "yes", "no")


def counts(seed: int, late: bool) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    calls, mails, x = rng.poisson(10, ROWS), rng.poisson(10 if late else 25, ROWS), rng.normal(size=ROWS)
    return pl.DataFrame({"calls": calls, "mails": mails, "x": x, "label": drawn(rng, (mails - 15) / 5 + x)})


def trips(seed: int, late: bool) -> pl.DataFrame:
    rng, effects = np.random.default_rng(seed), np.random.default_rng(5).normal(size=(2, 12)) * 1.5
    start, end = rng.integers(0, 12, ROWS), rng.integers(0, 12, ROWS)
    end = np.where(rng.random(ROWS) < (0.25 if late else 0), start, end)
    label = drawn(rng, effects[0][start] + effects[1][end])
    return pl.DataFrame({"origin": COUNTRIES[start], "destination": COUNTRIES[end], "label": label})


def flags(seed: int, late: bool) -> pl.DataFrame:
    rng, fixed = np.random.default_rng(seed), np.random.default_rng(7)
    shares, weights = fixed.uniform(0.05, 0.95, (2, 30)), fixed.normal(size=30)
    business = rng.random(ROWS) < (0.9 if late else 0.1)
    values = (rng.random((ROWS, 30)) < np.where(business[:, None], shares[1], shares[0])).astype(int)
    label = drawn(rng, (values - shares.mean(axis=0)) @ weights * 0.8 - 1.2 * business)
    return pl.DataFrame(values, schema=[f"f{i}" for i in range(30)]).with_columns(label=pl.Series(label))


def spending(seed: int, late: bool) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    income, other = rng.lognormal(3, 0.5, ROWS), rng.normal(size=ROWS)
    spend = 0.3 * income * np.exp(rng.normal(0, 0.12, ROWS)) * (1.6 if late else 1)
    label = drawn(rng, other + 1.3 * (spend - 6) / 3)
    return pl.DataFrame({"income": income, "spend": spend, "other": other, "label": label})


def diagnosed(world, model, labelled: bool) -> bs.Diagnosis:
    features = [c for c in world(0, False).columns if c != "label"]
    training = pl.concat([world(9, False), world(8, world is counts)])
    model = model.fit(training[features].to_pandas(), training["label"].to_numpy())

    def served(seed: int, late: bool) -> pl.DataFrame:
        frame = world(seed, late)
        scores, answers = (ask(frame[features].to_pandas()) for ask in (model.predict_proba, model.predict))
        return frame.with_columns(p_yes=pl.Series(scores[:, 1]), prediction=pl.Series(answers))

    reference, current = served(1, False), served(2, True)
    if not labelled:
        current = current.with_columns(label=pl.lit(None, dtype=pl.String))
    roles = bs.Roles(label="label", prediction="prediction", scores={"yes": "p_yes"})
    return bs.diagnose(reference=reference, current=current, roles=roles, reference_model=model, quick=True)


WORLDS = {
    "counts that agree by chance": (counts, LogisticRegression(max_iter=500), True, "calls"),
    "counts before labels come": (counts, LogisticRegression(max_iter=500), False, "calls"),
    "more trips within a country": (trips, make_pipeline(OneHotEncoder(), LogisticRegression()), True, None),
    "another mix of customers": (flags, LogisticRegression(max_iter=500), False, None),
    "people spend more": (spending, HistGradientBoostingClassifier(max_iter=60, random_state=0), False, "income"),
}


@pytest.mark.sample(2)
@pytest.mark.parametrize("name", WORLDS)
def test_a_world_that_moves_breaks_no_column(name):
    world, model, labelled, column = WORLDS[name]
    d = diagnosed(world, model, labelled)
    faults = [c for c in d.causes if c.kind.family == "data fault"]
    assert not [c for c in faults if column is None or column in c.features], d.causes


def test_columns_that_come_to_agree_on_some_rows_are_no_copies():
    pairs = []
    for world, names, kind in (
        (counts, ("calls", "mails"), "NUMERIC"),
        (trips, ("origin", "destination"), "CATEGORICAL"),
    ):
        before, later = world(1, False), world(2, True)
        pairs.append([Pair(name, ColumnKind[kind], before[name], later[name]) for name in names])
    assert [_agreeing(*pair) for pair in pairs] == [None, None]
    copied = [Pair("a", ColumnKind.NUMERIC, *(pl.Series(np.random.default_rng(k).normal(size=2000)) for k in (1, 2)))]
    now = np.where(np.arange(2000) < 600, copied[0].current.to_numpy(), np.random.default_rng(4).normal(size=2000))
    copied.append(Pair("b", ColumnKind.NUMERIC, pl.Series(np.random.default_rng(3).normal(size=2000)), pl.Series(now)))
    rows = _agreeing(*copied)
    assert rows is not None
    assert rows.sum() == 600


@pytest.mark.parametrize(
    ("before", "later"),
    [((10, 8), (26, 1.4)), ((100, 12), (128, 2.2)), ((0, 1), (3, 0.1))],
    ids=["a hot week", "a price that rose", "the end of a range"],
)
def test_a_short_window_at_one_end_is_on_no_other_scale(before, later):
    rng = np.random.default_rng(3)
    values = [pl.Series(rng.normal(*where, 3000)) for where in (before, later)]
    assert find_affine(Pair("temp", ColumnKind.NUMERIC, *values)) is None


def test_numbers_that_go_on_are_on_no_other_scale():
    rng = np.random.default_rng(4)
    values = [pl.Series(rng.uniform(*where, 3000)) for where in ((0, 3000), (3000, 3500))]
    assert find_affine(Pair("odometer", ColumnKind.NUMERIC, *values)) is None


@pytest.mark.slow
def test_a_tree_that_gets_a_constant_does_not_answer_for_other_rows():
    def houses(seed: int) -> pl.DataFrame:
        rng = np.random.default_rng(seed)
        income, age, x = rng.lognormal(3, 0.6, ROWS), rng.normal(40, 10, ROWS), rng.normal(size=ROWS)
        label = income * 2 + age + 5 * x + rng.normal(0, 5, ROWS)
        return pl.DataFrame({"income": income, "age": age, "x": x, "label": label})

    training, features = pl.concat([houses(7), houses(8), houses(9)]), ["income", "age", "x"]
    model = DecisionTreeRegressor(max_leaf_nodes=400, random_state=0)
    model.fit(training[features].to_pandas(), training["label"].to_numpy())
    frames = []
    for seed, broken in ((1, False), (2, True)):
        frame = houses(seed)
        given = frame.with_columns(x=pl.lit(0.0)) if broken else frame
        frames.append(frame.with_columns(prediction=pl.Series(model.predict(given[features].to_pandas()))))
    roles = bs.Roles(label="label", prediction="prediction")
    d = bs.diagnose(reference=frames[0], current=frames[1], roles=roles, reference_model=model, quick=True)
    assert CauseKind.OUTPUT_CHANGE not in {c.kind for c in d.causes}


@pytest.mark.slow
def test_a_pipeline_that_cannot_be_sent_is_asked_here(monkeypatch):
    monkeypatch.setenv("BACKSLIDE_WORKERS", "2")
    model = make_pipeline(FunctionTransformer(lambda frame: frame * 2), LogisticRegression(max_iter=500))
    frame = counts(1, False)
    features = ["calls", "mails", "x"]
    model.fit(frame[features].to_pandas(), frame["label"].to_numpy())
    served = frame.with_columns(
        p_yes=pl.Series(model.predict_proba(frame[features].to_pandas())[:, 1]),
        prediction=pl.Series(model.predict(frame[features].to_pandas())),
    )
    roles = bs.Roles(label="label", prediction="prediction", scores={"yes": "p_yes"})
    d = bs.diagnose(reference=served[:1500], current=served[1500:], roles=roles, reference_model=model)
    assert d.verdict.value in ("no_degradation", "inconclusive")
