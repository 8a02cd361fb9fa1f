"""A wrapped model answers as before, and what it answered is in the log."""

from __future__ import annotations

import copy
import pickle
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import is_classifier
from sklearn.linear_model import LinearRegression, LogisticRegression

import backslide as bs
from backslide.log.reading import open_log
from backslide.log.rollup import rollup

pytest.importorskip("deltalake")
RNG = np.random.default_rng(1)
X = pd.DataFrame({"a": RNG.normal(size=50), "b": RNG.normal(size=50)})
Y = np.where(X["a"] > 0, 1, 0)
MODEL = LogisticRegression().fit(X, Y)


def kept(store: Path) -> pl.DataFrame:
    rollup(store)
    return open_log(store).predictions().collect()


def test_answers_are_the_models_and_recorded(tmp_path: Path):
    with bs.Recorder("m", store=tmp_path) as recorder:
        served = recorder.wrap(MODEL, version="v2")
        assert np.array_equal(served.predict(X), MODEL.predict(X))
        ids = served.ids
        recorder.label(ids[3], int(Y[3]))
        assert np.array_equal(served.predict_proba(X[:2]), MODEL.predict_proba(X[:2]))
        assert served.score(X, Y) == MODEL.score(X, Y)
        assert list(served.classes_) == [0, 1]
        assert is_classifier(served)
        assert recorder.stats()["recorded"] == 52
        assert recorder.stats()["failed"] == 0
    rows = kept(tmp_path)
    assert rows.height == 52
    row = rows.filter(pl.col("id") == ids[3]).to_dicts()[0]
    assert (row["a"], row["prediction"], row["label"], row["version"]) == (
        X["a"][3],
        float(MODEL.predict(X)[3]),
        float(Y[3]),
        "v2",
    )
    scored = rows.filter(pl.col("p_1").is_not_null())
    assert sorted(scored["p_1"]) == sorted(MODEL.predict_proba(X[:2])[:, 1])


@pytest.mark.parametrize(
    "rows",
    [X.to_numpy(), X.to_numpy().tolist(), csr_matrix(X.to_numpy()), pl.DataFrame(X.to_dict("list")), X],
    ids=["array", "lists", "sparse", "polars", "pandas"],
)
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")  # rows without names are asked on purpose
def test_rows_of_every_kind(rows: object, tmp_path: Path):
    with bs.Recorder("m", store=tmp_path) as recorder:
        served = recorder.wrap(MODEL, methods=("predict",))
        served.predict(rows)
        served.predict_proba(rows)
        assert recorder.stats()["recorded"] == 50
    assert sorted(kept(tmp_path)["b"]) == sorted(X["b"])


class Odd:
    classes_ = ("one",)

    def predict(self, texts, loudly=False):
        if not texts:
            raise ValueError("nothing to say")
        return [text.upper() if loudly else text for text in texts]

    def predict_proba(self, texts):
        return [[0.5, 0.5] for _ in texts]


def test_what_goes_wrong_in_recording_harms_no_answer(tmp_path: Path):
    recorder = bs.Recorder("m", store=tmp_path)
    served = recorder.wrap(Odd())
    assert served.predict(["a", "b"], loudly=True, ids=["i", "j"]) == ["A", "B"]
    assert served.ids == ["i", "j"]
    assert served.predict_proba(["a"]) == [[0.5, 0.5]]
    assert served.ids == []
    assert recorder.stats()["failed"] == 1
    with pytest.raises(ValueError, match="nothing to say"):
        served.predict([])
    with pytest.raises(AttributeError, match="no attribute 'transform'"):
        _ = served.transform
    (tmp_path / "spool" / "m").rename(tmp_path / "gone")
    recorder.close()
    (tmp_path / "spool" / "m").write_text("in the way")
    assert served.predict(["c"]) == ["c"]
    assert served.ids == [None]


def test_ids_are_those_of_the_own_thread(tmp_path: Path):
    served = bs.Recorder("m", store=tmp_path).wrap(LinearRegression().fit(X, Y))
    wrong = []

    def ask(k: int) -> None:
        for i in range(50):
            served.predict(X[:1], ids=[f"{k}-{i}"])
            if served.ids != [f"{k}-{i}"]:
                wrong.append((k, i))

    threads = [threading.Thread(target=ask, args=(k,)) for k in range(4)]
    [one.start() for one in threads]
    [one.join() for one in threads]
    assert not wrong


def test_copies_are_not_endless(tmp_path: Path):
    served = bs.Recorder("m", store=tmp_path).wrap(MODEL)
    with pytest.raises(TypeError):
        pickle.dumps(served)
    with pytest.raises(TypeError):
        copy.deepcopy(served)
    assert "LogisticRegression" in repr(served)
