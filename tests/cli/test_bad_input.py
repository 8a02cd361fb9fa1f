"""Bad input ends with exit code 2 and one line that says what was expected, what came and what to do next.

What is odd but no error is diagnosed, and said plainly.
"""

from __future__ import annotations

import json
import pickle
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression

RNG = np.random.default_rng(9)
N = 800
CONFIG = """\
[model]
label = "label"
prediction = "prediction"
scores = {{ default = "p_default", paid = "p_paid" }}
timestamp = "served_at"
{model}
[windows]
reference = "reference.parquet"
current = "current.parquet"
{rest}
"""


def rows(n: int = N, start: datetime = datetime(2026, 3, 1)) -> pl.DataFrame:
    income, age = RNG.normal(size=n), RNG.integers(18, 80, n)
    score = 1 / (1 + np.exp(2 * income))
    return pl.DataFrame(
        {
            "served_at": [start + timedelta(minutes=45 * i) for i in range(n)],
            "income": income,
            "age": age,
            "branch": RNG.choice(["north", "south"], n),
            "p_default": score,
            "p_paid": 1 - score,
            "prediction": np.where(score > 0.5, "default", "paid"),
            "label": np.where(RNG.random(n) < score, "default", "paid"),
        }
    )


@pytest.fixture
def case(backslide, tmp_path):
    """Write both windows and the configuration, then diagnose."""

    def run(change=lambda frame: frame, *, reference=None, current=None, model="", rest="", config=CONFIG, options=()):
        good = (reference or change)(rows())
        bad = (current or change)(rows(start=datetime(2026, 4, 1)))
        good.write_parquet(tmp_path / "reference.parquet")
        bad.write_parquet(tmp_path / "current.parquet")
        (tmp_path / "backslide.toml").write_text(config.format(model=model, rest=rest), encoding="utf-8")
        return backslide("diagnose", "-q", *options)

    return run


def test_missing_configuration(backslide):
    backslide("diagnose").fails("no configuration at backslide.toml", "backslide init")


def test_broken_toml(backslide, tmp_path):
    (tmp_path / "backslide.toml").write_text("[model\n", encoding="utf-8")
    backslide("diagnose").fails("not valid TOML")


@pytest.mark.parametrize(
    ("model", "rest", "words"),
    [
        ('lable = "label"', "", ["'lable'", "did you mean 'label'"]),
        ("threshold = 'high'", "", ["threshold", "'high'"]),
        ('task = "ranking"', "", ["task", "'ranking'"]),
        ('metric = "acuracy"', "", ["acuracy", "did you mean 'accuracy'"]),
        ('metric = "mae"', "", ["mae", "does not fit a binary task"]),
        ('positive = "deflaut"', "", ["deflaut", "did you mean 'default'"]),
        ("", "[widows]\n", ["'widows'", "did you mean 'windows'"]),
        ("", "[engine]\nsample_rows = 3\n", ["sample_rows", "200"]),
    ],
)
def test_settings(case, model, rest, words):
    case(model=model, rest=rest).fails(*words)


def test_missing_file(case):
    case(options=("--current", "curent.parquet")).fails("curent.parquet", "did you mean 'current.parquet'")


def test_windows_that_are_not_given(case):
    config = CONFIG.replace('current = "current.parquet"\n', "")
    case(config=config).fails("no current window", "--current")


def test_unreadable_file(case, tmp_path):
    (tmp_path / "broken.parquet").write_bytes(b"this is no parquet")
    case(options=("--current", "broken.parquet")).fails("broken.parquet")


def test_missing_column_with_suggestion(case):
    case(current=lambda frame: frame.rename({"p_paid": "p_payed"})).fails(
        "'p_paid'", "current", "did you mean 'p_payed'"
    )


def test_missing_label_column(case):
    case(lambda frame: frame.drop("label")).fails("'label'")


def test_missing_feature(case):
    case(model='features = ["income", "agee"]').fails("'agee'", "did you mean 'age'")


def test_labels_that_the_scores_do_not_cover(case):
    relabel = pl.when(pl.int_range(pl.len()) < 90).then(pl.lit("disputed")).otherwise("label").alias("label")
    case(lambda frame: frame.with_columns(relabel)).fails("'disputed'", "have no score")


def test_empty_window(case):
    case(current=lambda frame: frame.clear()).fails("current", "empty")


def test_time_range_without_rows(case):
    config = CONFIG.replace('"current.parquet"', '"2031-01-01..2031-01-31"')
    case(config=config, rest='[data]\nsource = "reference.parquet"\n').fails("current", "empty")


def test_disjoint_columns(case):
    other = {"income": "salary", "age": "years", "branch": "office"}
    case(current=lambda frame: frame.rename(other)).fails("share no feature", "'income'", "'salary'")


def test_unparsable_timestamps(case):
    case(lambda frame: frame.with_columns(served_at=pl.lit("some day"))).fails("served_at", "some day")


def test_task_mismatch(case):
    case(model='task = "regression"').fails("regression", "label")


def test_neither_predictions_nor_scores(case):
    config = CONFIG.replace('prediction = "prediction"\n', "").replace(
        'scores = {{ default = "p_default", paid = "p_paid" }}\n', ""
    )
    case(config=config).fails("neither predictions nor scores")


ARTEFACT = '[artifacts]\nreference_model = "model.pkl"\n'


def test_missing_model(case):
    case(rest=ARTEFACT).fails("no model at model.pkl")


def test_refused_pickle(case, tmp_path):
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(LogisticRegression()))
    case(rest=ARTEFACT).fails("loading it executes code", "trusted = true")


def test_unreadable_model(case, tmp_path):
    (tmp_path / "model.pkl").write_bytes(b"garbage")
    case(rest=ARTEFACT + "trusted = true\n").fails("model.pkl cannot be read")


def test_a_model_of_other_columns(case, tmp_path):
    frame = rows().select("income", "age").to_pandas().rename(columns={"income": "incomes"})
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(LogisticRegression().fit(frame, rows()["label"].to_numpy())))
    case(rest=ARTEFACT + "trusted = true\n").fails("'incomes'", "did you mean 'income'")


def test_output_is_refused_before_the_work(case):
    case(options=("--html", "nowhere/report.html")).fails("there is no folder nowhere")


def diagnosed(ran) -> dict:
    assert ran.code in (0, 1), ran.err
    assert ran.err == ""
    return json.loads(ran.out)


TO_JSON = ("--json", "-")


def test_all_outputs_at_once(case, tmp_path):
    ran = case(options=("--json", "d.json", "--html", "d.html", "--md", "d.md"))
    assert ran.code in (0, 1)
    assert json.loads((tmp_path / "d.json").read_text(encoding="utf-8"))["format"] == "backslide.diagnosis/1"
    assert (tmp_path / "d.html").stat().st_size > 1000
    assert (tmp_path / "d.md").stat().st_size > 100
    assert ran.out, "the report is printed too"


@pytest.mark.slow
def test_predictions_all_of_one_class_are_said_plainly(case):
    one = {"prediction": pl.lit("paid"), "p_default": pl.lit(0.1), "p_paid": pl.lit(0.9)}
    found = diagnosed(case(lambda frame: frame.with_columns(**one), options=TO_JSON))
    words = " ".join([found["summary"], *found["warnings"], *found["inputs"]["notes"]])
    assert "one class" in words


@pytest.mark.slow
def test_constant_columns_are_no_error(case):
    found = diagnosed(case(lambda frame: frame.with_columns(age=pl.lit(40), branch=pl.lit("north")), options=TO_JSON))
    assert not [check for check in found["checks"] if check["status"] == "failed"]


def test_thirty_rows_are_inconclusive_and_say_how_many_would_do(case):
    found = diagnosed(case(lambda frame: frame.head(30), options=TO_JSON))
    assert found["verdict"] in ("inconclusive", "no_material_change")
    assert found["causes"] == []
    assert found["detectable"]["note"]


def test_no_labels_at_all(case):
    found = diagnosed(case(lambda frame: frame.with_columns(label=pl.lit(None, dtype=pl.String)), options=TO_JSON))
    assert found["verdict"] == "inconclusive"
    assert found["metric"]["change"] is None
    reasons = [check["reason"] for check in found["checks"] if check["status"] == "not_applicable"]
    assert any("no labels" in reason for reason in reasons)
