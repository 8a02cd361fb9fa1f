"""Labels that would decide: asked for, written, filled in, read back."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import backslide as bs
from backslide.case import Case
from backslide.contracts.config import Settings
from backslide.contracts.errors import BackslideError
from backslide.engine.window import open_windows
from backslide.jobs.label_request import consult
from backslide.jobs.verdict import judge
from backslide.playbook import scenarios
from backslide.stats.change.label_plan import GROWTH
from commands import backslide

ROLES = bs.Roles(
    label="label",
    prediction="prediction",
    scores={"yes": "p_yes"},
    timestamp="served_at",
    id="id",
    features=("income", "age", "channel", "premium"),
)


def months(flip, rows=3000):
    """Two months of which the second waits for its labels, which are given apart."""
    rng = np.random.default_rng(11)
    reference = scenarios.served(rng, rows).with_columns(id=pl.Series([f"a{i}" for i in range(rows)]))
    current = scenarios.next_month(rng, rows=rows, flip=flip).with_columns(id=pl.Series([f"b{i}" for i in range(rows)]))
    labels = current.select("id", truth="label")
    return reference, current.with_columns(label=pl.lit(None, dtype=pl.String)), labels


def consulted(reference, current, file, roles=ROLES, **model):
    """Verdict, request and notes without looking for causes, which takes most of the time of a diagnosis."""
    settings = Settings.from_dict({"model": {k: v for k, v in roles.model_dump().items() if v is not None} | model})
    case = Case(open_windows(reference, current, settings), settings)
    judgement, request = consult(case, judge(case), file)
    return judgement, request, case.notes


def fill_in(file, labels, share=1.0):
    """Answer what the file asks for."""
    table = pl.read_csv(file, infer_schema=False)
    some = pl.int_range(pl.len()) < share * pl.len()
    answered = table.join(labels, on="id", how="left").with_columns(label=pl.when(some).then("truth")).drop("truth")
    answered.write_csv(file)


@pytest.mark.parametrize(("flip", "verdict"), [(0.3, "degraded"), (0.0, "no_material_change")])
def test_what_is_asked_for_decides(flip, verdict, tmp_path):
    reference, current, labels = months(flip, 12_000 if flip == 0 else 3000)
    file = tmp_path / "labels.csv"
    seen: list[int] = []
    for _ in range(9):
        judgement, request, _ = consulted(reference, current, file, min_effect=0.03)
        if request is None:
            break
        assert judgement.verdict == "inconclusive"
        assert request.file == str(file)
        table = pl.read_csv(file, infer_schema=False)
        assert table.columns[:4] == ["id", "label", "inclusion", "of_rows"]
        assert table.height == request.rows > max(seen, default=0)
        assert table["label"].count() == max(seen, default=0), "answers stay"
        assert not seen or table.height > 0.8 * GROWTH * seen[-1]
        seen.append(table.height)
        fill_in(file, labels)
    assert judgement.verdict == verdict
    assert judgement.change is not None
    assert "the verdict rests on" in judgement.caveats[0]
    assert seen[0] < 400


def test_the_request_stands_in_json_and_page_without_a_file():
    reference, current, _ = months(0.2)
    found = bs.diagnose(reference, current, roles=ROLES, quick=True)
    request = found.label_request
    assert request is not None
    assert request.file is None
    assert request.of_rows == 3000
    assert request.interval_then.low < request.interval_then.estimate < request.interval_then.high
    assert "What to label" in found.to_text()
    assert "backslide diagnose --ask" in found.to_html()
    assert bs.Diagnosis.from_json(found.to_json()).label_request == request


def test_nothing_is_asked_for_where_labels_are_there_or_decide_nothing(tmp_path):
    reference, current, labels = months(0.2)
    known = current.drop("label").join(labels.rename({"truth": "label"}), on="id")
    for cur, words in ((known, "the labels that are there decide"), (current[:80], "fewer than 100 current rows")):
        _, request, notes = consulted(reference, cur, tmp_path / "none.csv")
        assert request is None
        assert any(f"--ask asks for no labels: {words}" in note for note in notes)
    assert not (tmp_path / "none.csv").exists()


def test_a_part_of_the_answers_is_enough_and_few_ask_again(tmp_path):
    reference, current, labels = months(0.3)
    file = tmp_path / "labels.csv"
    first = consulted(reference, current, file)[1]
    assert first is not None
    fill_in(file, labels, 0.1)
    assert consulted(reference, current, file)[1] == first
    fill_in(file, labels, 0.8)
    change = consulted(reference, current, file)[0].change
    assert change is not None
    assert change.estimate == pytest.approx(-0.2, abs=0.15)


def test_wrong_files_are_one_line(tmp_path):
    reference, current, labels = months(0.2)
    file = tmp_path / "labels.csv"
    consulted(reference, current, file)
    fill_in(file, labels)
    table = pl.read_csv(file, infer_schema=False)
    for changed, words in (
        (table.with_columns(label=pl.lit("perhaps")), "the label 'perhaps' is not one of"),
        (table.with_columns(id=pl.lit("x") + pl.col("id")), "are not in the current rows, such as 'xb"),
        (table.drop("inclusion"), "no column 'inclusion'"),
        (table.drop("id"), "'id' is missing"),
    ):
        changed.write_csv(file)
        with pytest.raises(BackslideError) as error:
            consulted(reference, current, file)
        assert words in str(error.value)
        assert "\n" not in str(error.value)
    with pytest.raises(BackslideError, match="needs \\[model\\] id"):
        consulted(reference, current, tmp_path / "n.csv", ROLES.model_copy(update={"id": None}))
    with pytest.raises(BackslideError, match="cannot write"):
        consulted(reference, current, tmp_path / "no" / "n.csv")


def test_the_command_asks_and_the_log_takes_the_same_file(tmp_path):
    reference, current, labels = months(0.3)
    reference.write_parquet(tmp_path / "a.parquet")
    current.write_parquet(tmp_path / "b.parquet")
    (tmp_path / "backslide.toml").write_text(
        '[model]\nlabel = "label"\nprediction = "prediction"\nscores = { yes = "p_yes" }\nid = "id"\ntimestamp = "served_at"\n'
        '[windows]\nreference = "a.parquet"\ncurrent = "b.parquet"\n'
    )
    asked = backslide(tmp_path, "diagnose", "--quick", "--ask", "labels.csv", "-q")
    assert asked.code == 0
    assert "fill in the column label" in asked.out
    fill_in(tmp_path / "labels.csv", labels)
    decided = backslide(tmp_path, "diagnose", "--quick", "--ask", "labels.csv", "-q")
    assert decided.code == 1
    assert "the verdict rests on" in decided.out
    recorder = bs.Recorder("loans", store=str(tmp_path / "log"))
    for i in pl.read_csv(tmp_path / "labels.csv")["id"]:
        recorder.record(features={"age": 30.0}, prediction="yes", id=i)
    recorder.close()
    backslide(tmp_path, "log", "rollup", "--store", "log")
    taken = backslide(tmp_path, "log", "label", "--store", "log", "labels.csv")
    assert taken.code == 0, taken.err
    assert "labels added" in taken.out
