"""One class in two spellings is one class; classes that do not meet are never compared in silence."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import backslide as bs
from backslide.contracts.config import Settings
from backslide.contracts.errors import LabelError
from backslide.engine.columns import names
from backslide.engine.window import WindowPair, open_windows

SPELLINGS = {
    "bool": lambda truth: pl.Series(truth),
    "int": lambda truth: pl.Series(truth.astype(int)),
    "float": lambda truth: pl.Series(truth.astype(float)),
    "True": lambda truth: pl.Series(np.where(truth, "True", "False").tolist()),
    "true": lambda truth: pl.Series(np.where(truth, "true", "false").tolist()),
    "1.0": lambda truth: pl.Series(np.where(truth, "1.0", "0.0").tolist()),
    "yes": lambda truth: pl.Series(np.where(truth, "yes", "no").tolist()),
    "Yes": lambda truth: pl.Series(np.where(truth, "Yes", "No").tolist()),
}
RNG = np.random.default_rng(0)
X = RNG.normal(size=400)
LABEL = RNG.random(400) < 1 / (1 + np.exp(-3 * X))


def window(label: str, prediction: str) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "x": X,
            "label": SPELLINGS[label](LABEL),
            "prediction": SPELLINGS[prediction](X > 0),
            "p": 1 / (1 + np.exp(-X)),
        }
    )


def opened(reference: pl.DataFrame, current: pl.DataFrame, **model: object) -> WindowPair:
    settings = Settings.from_dict({"model": {"label": "label", "prediction": "prediction", **model}})
    return open_windows(reference, current, settings)


def right(found: WindowPair) -> list[float]:
    share = (pl.col(names.LABEL) == pl.col(names.PREDICTION)).mean()
    return [side.frame.select(share).collect().item() for side in (found.reference, found.current)]


@pytest.mark.parametrize(
    "written",
    [
        ("bool", "bool", "int", "int"),
        ("True", "True", "bool", "bool"),
        ("1.0", "1.0", "int", "int"),
        ("bool", "int", "bool", "int"),
        ("float", "True", "true", "1.0"),
    ],
    ids="-".join,
)
@pytest.mark.parametrize("scores", [{}, {"1": "p"}, {"true": "p"}], ids=str)
def test_two_spellings_of_truth_are_one_class_and_said(written, scores):
    found = opened(window(*written[:2]), window(*written[2:]), scores=scores)
    assert len(found.problem.classes) == 2
    assert right(found) == [np.mean(LABEL == (X > 0))] * 2
    assert any("read as one" in note for note in found.notes)
    assert found.problem.positive is not None
    assert found.problem.positive.lower() in ("1", "true")
    assert found.current.label_counts == found.reference.label_counts


@pytest.mark.parametrize("written", ["bool", "int", "float", "True", "1.0", "yes"])
def test_one_spelling_needs_no_note(written):
    found = opened(window(written, written), window(written, written))
    assert not any("read as one" in note for note in found.notes)
    assert not found.warnings


def test_whole_numbers_of_text_columns_are_the_numbers():
    grade = RNG.integers(1, 5, 400)
    sides = [pl.DataFrame({"x": X, "label": g, "prediction": g}) for g in (grade, [f"{v}.0" for v in grade])]
    assert opened(*sides).problem.classes == ("1", "2", "3", "4")
    other = pl.DataFrame({"x": X, "label": [f"{v}.5" for v in grade], "prediction": [str(v) for v in grade]})
    assert "1.5" in opened(sides[0].with_columns(label=pl.lit("1.5")), other).problem.classes


@pytest.mark.parametrize(
    ("reference", "current", "words"),
    [
        (("yes", "yes"), ("Yes", "Yes"), ["share no label", "'No' and 'Yes'", "'no' and 'yes'"]),
        (("bool", "bool"), ("yes", "yes"), ["share no label"]),
        (("yes", "int"), ("yes", "int"), ["no prediction is one of the labels", "'0' and '1'"]),
    ],
    ids=str,
)
def test_unlike_words_are_never_guessed_to_be_one(reference, current, words):
    with pytest.raises(LabelError) as caught:
        opened(window(*reference), window(*current))
    assert "\n" not in str(caught.value)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_predictions_that_lost_their_labels_in_one_window_are_the_first_warning():
    diagnosis = bs.diagnose(
        window("yes", "yes"), window("yes", "Yes"), roles=bs.Roles(label="label", prediction="prediction")
    )
    assert diagnosis.verdict == "degraded"
    assert diagnosis.warnings[0].startswith("no prediction of the current window is one of its labels")
    assert "differ only in capitals" in diagnosis.warnings[1]


def test_one_class_in_each_window_is_a_warning():
    sides = [window("yes", "yes").filter(pl.col("label") == label) for label in ("yes", "no")]
    assert "share no label" in opened(*sides).warnings[0]


def test_two_scores_of_one_class_are_refused():
    with pytest.raises(LabelError, match="name one class twice"):
        opened(window("bool", "bool"), window("int", "int"), scores={"1": "p", "true": "x"})


def test_costs_are_read_by_the_same_classes():
    found = opened(window("bool", "bool"), window("int", "int"), costs={"1": 5.0, "0": {"1": 2.0}})
    assert found.problem.costs is not None
    assert found.problem.costs.matrix is not None
    assert found.problem.costs.matrix[:, :2].tolist() == [[0.0, 2.0], [5.0, 0.0]]


class Model:
    """Answers True and False whatever the log writes."""

    classes_ = np.array([False, True])
    feature_names_in_ = np.array(["x"])

    def predict(self, frame):
        return frame["x"].to_numpy() > 0

    def predict_proba(self, frame):
        share = 1 / (1 + np.exp(-frame["x"].to_numpy()))
        return np.column_stack([1 - share, share])


@pytest.mark.parametrize("scores", [{}, {"1": "p"}], ids=str)
def test_a_model_may_answer_in_another_spelling(scores):
    roles = bs.Roles(label="label", prediction="prediction", scores=scores)
    diagnosis = bs.diagnose(window("int", "int"), window("int", "int"), roles=roles, reference_model=Model())
    replay = next(o for o in diagnosis.checks if o.code == "SHD001")
    assert replay.status == "ran"
    assert all(f.severity.rank <= 1 for f in replay.findings), [f.summary for f in replay.findings]
    assert not diagnosis.causes
