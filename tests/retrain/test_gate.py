"""The gate: which challenger may take over, and what it says of the one that may not."""

from __future__ import annotations

import json

import jsonschema
import numpy as np
import polars as pl
import pytest
from scipy import stats

import worlds
from backslide.contracts.config import Settings
from backslide.contracts.errors import ConfigError, InputError
from backslide.contracts.gate import Gate, GateVerdict
from backslide.jobs import gate as job

MODEL = {
    "label": "label",
    "prediction": "prediction",
    "scores": {"yes": "p_yes"},
    "timestamp": "served_at",
    "segments": ["channel"],
}


def gate_of(rows, *, model=None, gate=None, old="old", new="new"):
    """The gate between two logged answers, columns ``old`` and ``new`` (with ``p_old``, ``p_new`` where there are scores)."""
    chosen = MODEL if model is None else model
    sides = {}
    for side, name in (("old", old), ("new", new)):
        scores = dict.fromkeys(chosen.get("scores", {}), f"p_{name}")
        sides[side] = {"prediction": name} | ({"scores": scores} if scores else {})
    settings = Settings.from_dict({"model": chosen, "shadow": sides, "gate": gate or {}})
    settings = settings.model_copy(update={"windows": settings.windows.model_copy(update={"current": rows})})
    return job.gate(settings=settings)


def both(log, old, new):
    """The log with the answers of two logs beside it."""
    return log.with_columns(old=old["prediction"], p_old=old["p_yes"], new=new["prediction"], p_new=new["p_yes"])


@pytest.fixture(scope="module")
def month():
    return worlds.two_months(np.random.default_rng(0), 2500)[1]


@pytest.fixture(scope="module")
def better(month):
    """A challenger that is right where the champion mistrusts income."""
    return both(month, worlds.with_model(month, worlds.Flatter()), month)


def test_a_better_challenger_is_promoted(better):
    found = gate_of(better)
    assert found.verdict is GateVerdict.PROMOTE
    assert not found.verdict.held
    assert {line.kind for line in found.lines} == {"headline", "class", "segment", "calibration", "answers"}
    assert all(line.passed for line in found.lines)
    assert "better" in found.summary


def test_a_worse_challenger_is_rolled_back(better):
    found = gate_of(better, old="new", new="old")
    assert found.verdict is GateVerdict.ROLL_BACK
    assert found.lines[0].passed is False
    assert "new answer" in found.reason


def test_an_equal_challenger_is_held_unless_non_inferior_will_do(month):
    same = both(month, month, month)
    held = gate_of(same)
    assert held.verdict is GateVerdict.HOLD
    assert 'headline = "non_inferior"' in held.reason
    assert gate_of(same, gate={"headline": "non_inferior"}).verdict is GateVerdict.PROMOTE


def three_classes(rng, rows=6000):
    """A rare class C; the new model is better on A and B, and worse on C."""
    label = rng.choice(["A", "B", "C"], rows, p=[0.55, 0.4, 0.05])
    other = {"A": "B", "B": "A", "C": "A"}
    wrong = np.array([other[one] for one in label])
    old = np.where(rng.random(rows) < 0.8, label, wrong)
    right = np.where(label == "C", 0.5, 0.9)
    new = np.where(rng.random(rows) < right, label, wrong)
    day = [f"2026-03-{1 + k * 28 // rows:02d}" for k in range(rows)]
    region = rng.choice(["north", "south"], rows)
    return pl.DataFrame({"label": label, "old": old, "new": new, "at": day, "region": region}).with_columns(
        prediction=pl.col("old"), at=pl.col("at").str.to_datetime()
    )


PLAIN = {"label": "label", "prediction": "prediction", "timestamp": "at", "metric": "accuracy", "features": ["region"]}


def test_better_overall_and_worse_on_a_minority_class_is_held_and_names_it():
    found = gate_of(three_classes(np.random.default_rng(1)), model=PLAIN)
    assert found.lines[0].passed
    assert found.verdict is GateVerdict.HOLD
    assert [line.name for line in found.failed] == ["C"]
    assert "of F1 of 'C'" in found.summary
    assert "better" in found.summary


def test_the_margin_of_a_class_is_the_users():
    rows = three_classes(np.random.default_rng(1))
    assert gate_of(rows, model=PLAIN, gate={"class_margin": 0.6}).verdict is GateVerdict.PROMOTE


def test_worse_in_a_user_segment_is_held_and_names_it(month):
    """Always right but for one channel."""
    turned = pl.when(pl.col("label") == "yes").then(pl.lit("no")).otherwise(pl.lit("yes"))
    at = pl.col("channel") == "partner"
    rows = month.with_columns(old=pl.col("prediction"), new=pl.when(at).then(turned).otherwise(pl.col("label")))
    found = gate_of(rows, model={k: v for k, v in MODEL.items() if k != "scores"})
    assert found.verdict is GateVerdict.HOLD
    assert "channel = 'partner'" in [line.name for line in found.failed]
    assert "partner" in found.summary


def test_scores_that_got_too_sure_are_held(month):
    p = month["p_yes"].to_numpy()
    sure = 1 / (1 + np.exp(-5 * np.log(p / (1 - p))))
    rows = both(month, month, month).with_columns(p_new=pl.Series(sure))
    found = gate_of(rows, gate={"headline": "non_inferior"})
    assert [line.kind for line in found.failed] == ["calibration"]
    assert found.verdict is GateVerdict.HOLD


def test_safety_must_be_shown_where_that_is_asked_for(month):
    """Classes of few rows cannot show it."""
    few = both(month, month, month)[:400]
    lax = gate_of(few, gate={"headline": "non_inferior", "margin": 0.05})
    some = few.with_columns(new=pl.Series(np.where(np.arange(400) % 9 == 0, "yes", few["new"])))
    policy = {"headline": "non_inferior", "margin": 0.5, "parts": "safety_shown", "class_margin": 0.001}
    strict = gate_of(some, gate=policy)
    assert lax.verdict is GateVerdict.PROMOTE
    assert {line.kind for line in strict.failed} >= {"class"}


def test_a_challenger_that_fails_on_rows_is_held(better):
    """On the rows that it answers it is better; nobody would serve it."""
    third = pl.int_range(pl.len()) % 3 == 0
    found = gate_of(better.with_columns(p_new=pl.when(third).then(float("nan")).otherwise(pl.col("p_new"))))
    assert found.lines[0].passed
    assert found.verdict is GateVerdict.HOLD
    assert [line.kind for line in found.failed] == ["answers"]
    assert "answers only 66.6% of the rows" in found.summary


def test_few_labels_are_no_promotion(better):
    none = better.with_columns(label=pl.when(pl.int_range(pl.len()) < 20).then(pl.col("label")))
    found = gate_of(none)
    assert found.verdict is GateVerdict.HOLD
    assert "20 labelled rows" in found.summary
    assert [line.passed for line in found.lines if line.kind == "class"] == [None, None]


def test_without_a_label_column_it_says_what_to_do(month):
    with pytest.raises(ConfigError, match="label"):
        gate_of(both(month, month, month), model={k: v for k, v in MODEL.items() if k != "label"})


def test_regression_has_no_classes():
    rng = np.random.default_rng(3)
    y = rng.normal(100, 20, 3000)
    rows = pl.DataFrame(
        {"y": y, "old": y + rng.normal(0, 6, 3000), "new": y + rng.normal(0, 4, 3000), "x": y}
    ).with_columns(prediction=pl.col("old"))
    found = gate_of(rows, model={"label": "y", "prediction": "prediction", "task": "regression", "features": ["x"]})
    assert found.verdict is GateVerdict.PROMOTE
    assert [line.kind for line in found.lines] == ["headline", "answers"]
    assert not found.lines[0].share
    assert found.lines[0].difference.estimate == pytest.approx(
        np.abs(y - rows["new"]).mean() - np.abs(y - rows["old"]).mean()
    )


def test_round_trip_schema_and_pages(better):
    found = gate_of(better)
    assert Gate.from_json(found.to_json()) == found
    jsonschema.validate(json.loads(found.to_json()), Gate.json_schema())
    with pytest.raises(InputError, match="gate/1"):
        Gate.from_dict({"format": "backslide.shadow/1"})
    assert "Promote" in found.to_text()
    assert "| requirement |" in found.to_markdown()
    page = found.to_html()
    assert "<script" not in page
    assert "Let the challenger answer" in page


CONFIG = """
[model]
label = "label"
prediction = "prediction"
scores = { yes = "p_yes" }
timestamp = "served_at"
features = ["income", "age", "channel", "premium"]
[windows]
current = "log.parquet"
[artifacts]
trusted = true
reference_model = "serving:old"
current_model = "serving:new"
[gate]
GATE
"""
SERVING = """
from backslide.playbook import scenarios
import numpy as np
class Flatter(scenarios.TrueModel):
    def predict_proba(self, frame):
        columns = {name: np.asarray(frame[name]) for name in ("income", "age", "channel")}
        columns["income"] = np.exp(8 + (np.log(np.asarray(columns["income"], float)) - 8) * 0.1)
        return super().predict_proba(columns)
def old(frame): return OLD().predict_proba(frame)
def new(frame): return NEW().predict_proba(frame)
old.classes = new.classes = ["no", "yes"]
"""


@pytest.mark.parametrize(
    ("old", "new", "gate", "code", "said"),
    [
        ("Flatter", "scenarios.TrueModel", "", 0, "Promote"),
        ("scenarios.TrueModel", "Flatter", "", 1, "Roll back"),
        ("Flatter", "scenarios.TrueModel", "max_latency_ms = 0.000001", 1, "latency"),
        ("Flatter", "scenarios.TrueModel", "max_latncy_ms = 1", 2, "did you mean 'max_latency_ms'"),
    ],
)
def test_the_command_compares_two_artefacts(backslide, month, tmp_path, old, new, gate, code, said):
    month.write_parquet(tmp_path / "log.parquet")
    (tmp_path / "backslide.toml").write_text(CONFIG.replace("GATE", gate), encoding="utf-8")
    (tmp_path / "serving.py").write_text(SERVING.replace("OLD", old).replace("NEW", new), encoding="utf-8")
    ran = backslide("gate", "backslide.toml", "-q", "--json", "gate.json")
    assert ran.code == code, ran.err
    if code == 2:
        assert said in ran.err
        return
    found = Gate.from_json((tmp_path / "gate.json").read_text(encoding="utf-8"))
    assert said in found.summary


def equal(rng, rows=700, days=14):
    """Two models that are equally good: each is right on its own 80 % of the rows, with days of their own."""
    label = np.where(rng.random(rows) < 0.4, "yes", "no")
    wrong = np.where(label == "yes", "no", "yes")
    day = np.sort(rng.integers(0, days, rows))
    answers = {}
    for name in ("old", "new"):
        good = 0.8 + rng.normal(0, 0.01, days)[day]
        answers[name] = np.where(rng.random(rows) < good, label, wrong)
    at = pl.Series(day).cast(pl.Int64) * 86_400_000_000
    return pl.DataFrame({"label": label, **answers, "at": at.cast(pl.Datetime("us")), "x": label}).with_columns(
        prediction=pl.col("old")
    )


@pytest.mark.slow
def test_an_equal_challenger_is_seldom_called_superior():
    """300 simulated logs: upper 95 % bound of the share that passes the headline's test at most 8 %, nominal 5 %."""
    model = {"label": "label", "prediction": "prediction", "timestamp": "at", "metric": "accuracy", "features": ["x"]}
    passed = 0
    for seed in range(300):
        found = gate_of(equal(np.random.default_rng(seed)), model=model, gate={"margin": 0.0})
        passed += found.lines[0].p_value < found.policy.level
    upper = stats.beta.ppf(0.95, passed + 1, 300 - passed)
    assert upper <= 0.08, f"{passed} of 300"
