"""The folder of versions: whole or not there, current until replaced, checked when loaded."""

from __future__ import annotations

import json
import os
import signal
import sys

import logs
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import backslide as bs
from backslide.contracts.errors import InputError, MissingExtraError, ModelError, UntrustedError
from backslide.models.frame import to_pandas
from backslide.models.load import load_model
from backslide.retraining import registry
from backslide.retraining.registry import current_version, load_version, publish, roll_back, versions_of


def model(seed: int) -> LogisticRegression:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(50, 2))
    return LogisticRegression().fit(x, (x[:, 0] > 0).astype(int))


FILES = {"report.json": "{}", "report.html": "<p>report</p>"}


def published(folder, seed=0):
    return publish(folder, model(seed), FILES, {"rows": 50})


def test_versions_follow_each_other_and_roll_back(tmp_path):
    assert current_version(tmp_path) is None
    assert versions_of(tmp_path) == ()
    names = [published(tmp_path, seed).name for seed in range(3)]
    assert [name[:4] for name in names] == ["0001", "0002", "0003"]
    assert versions_of(tmp_path) == tuple(names)
    assert current_version(tmp_path) == names[2]
    assert roll_back(tmp_path) == names[1]
    assert roll_back(tmp_path) == names[0]
    assert current_version(tmp_path) == names[0]
    with pytest.raises(InputError, match="no version before"):
        roll_back(tmp_path)
    assert roll_back(tmp_path, names[2]) == names[2]
    assert roll_back(tmp_path) == names[0]
    with pytest.raises(InputError, match="no version 'nope'"):
        roll_back(tmp_path, "nope")


def test_what_was_written_is_what_is_loaded(tmp_path):
    published(tmp_path, 4)
    found = load_version(tmp_path)
    x = np.random.default_rng(0).normal(size=(20, 2))
    assert (found.model.artefact.predict(x) == model(4).predict(x)).all()
    assert found.manifest["lineage"] == {"rows": 50}
    assert set(found.manifest["sha256"]) == {"model.skops", *FILES}


@pytest.mark.parametrize("file", ["model.skops", "report.json"])
def test_a_file_that_was_changed_is_refused(tmp_path, file):
    path = published(tmp_path) / file
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(InputError, match="is not what was written"):
        load_version(tmp_path)


def test_a_file_that_is_gone_is_refused(tmp_path):
    (published(tmp_path) / "report.html").unlink()
    with pytest.raises(InputError, match="found nothing"):
        load_version(tmp_path)


class Odd:
    """Nothing that skops can write."""

    def __init__(self):
        self.answer = lambda frame: np.ones(len(frame))

    def predict(self, frame):
        return self.answer(frame)


def test_joblib_only_where_files_are_trusted(tmp_path, monkeypatch):
    from skops import io

    def refuses(artefact):
        raise TypeError("no way to write this")

    monkeypatch.setattr(io, "dumps", refuses)
    with pytest.raises(ModelError, match=r"no way to write this.*trusted = true"):
        publish(tmp_path, model(0), FILES, {})
    assert versions_of(tmp_path) == ()
    assert not list((tmp_path / "versions").iterdir())
    path = publish(tmp_path, model(0), FILES, {}, trusted=True)
    assert (path / "model.joblib").exists()
    with pytest.raises(UntrustedError):
        load_version(tmp_path)
    assert load_version(tmp_path, trusted=True).model is not None


def test_what_can_be_written_in_no_way_is_one_line(tmp_path):
    with pytest.raises(ModelError, match="neither as skops nor with joblib"):
        publish(tmp_path, Odd(), FILES, {}, trusted=True)
    assert not list((tmp_path / "versions").iterdir())


STEPS = ("fsync", "rename", "replace")


def killed_at(folder, step: int, *, after: bool) -> bool:
    """Publish in a process that is killed at a step of the file system; returns whether it was."""
    child = os.fork()
    if child == 0:
        seen = 0

        def dying(call):
            def wrapped(*arguments, **options):
                nonlocal seen
                seen += 1
                if seen == step and not after:
                    os.kill(os.getpid(), signal.SIGKILL)
                found = call(*arguments, **options)
                if seen == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                return found

            return wrapped

        for name in STEPS:
            setattr(registry.os, name, dying(getattr(os, name)))
        try:
            published(folder, 1)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


@pytest.mark.sample(1)
@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_moment_the_former_version_stays_current(tmp_path, after):
    first = published(tmp_path).name
    killed = new = 0
    for step in range(1, 60):
        if not killed_at(tmp_path, step, after=after):
            break
        killed += 1
        now = current_version(tmp_path)
        new += now != first
        assert now in versions_of(tmp_path)
        for name in versions_of(tmp_path):
            assert load_version(tmp_path, name).model is not None
        roll_back(tmp_path, first)
    assert killed >= 8
    assert new <= 3, "only after the pointer was replaced"
    assert published(tmp_path, 2).name == current_version(tmp_path)


def test_an_error_while_writing_leaves_nothing_behind(tmp_path, monkeypatch):
    first = published(tmp_path).name
    monkeypatch.setattr(registry, "_rename", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        published(tmp_path, 1)
    assert current_version(tmp_path) == first
    assert [p.name for p in (tmp_path / "versions").iterdir()] == [first]


def test_retraining_writes_model_and_preprocessing_together(tmp_path):
    log = logs.log(1, turn=1.0)
    found = log.retrain(registry=tmp_path, policy={"windows": ["recent"]})
    assert found.version is not None
    loaded = load_version(tmp_path)
    assert str(loaded.path) == found.version
    assert loaded.differences == ()
    rows = log.current[-300:]
    answers = loaded.model.artefact.predict(to_pandas(rows.select(logs.FEATURES)))
    assert (answers == rows["label"].to_numpy()).mean() > (rows["prediction"] == rows["label"]).mean() + 0.1
    lineage = loaded.manifest["lineage"]
    assert lineage["rows"] == round(0.25 * (log.reference.height + log.current.height)) or lineage["rows"] > 1000
    assert lineage["windows"]["current"]["rows"] == log.current.height
    assert len(lineage["sha256"]) == 64
    assert {"model.skops", "snapshot.json", "report.json", "report.html", "gate.json"} <= set(loaded.manifest["sha256"])
    assert json.loads((loaded.path / "snapshot.json").read_text(encoding="utf-8"))["profile"]


def test_another_environment_is_told(tmp_path):
    log = logs.log(1, turn=1.0)
    log.retrain(registry=tmp_path, policy={"windows": ["recent"]})
    path = tmp_path / "versions" / current_version(tmp_path)
    taken = json.loads((path / "snapshot.json").read_text(encoding="utf-8"))
    taken["environment"]["distributions"]["scikit-learn"] = "1.2.0"
    (path / "snapshot.json").write_text(json.dumps(taken), encoding="utf-8")
    manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    manifest["sha256"]["snapshot.json"] = registry.content_digest(path / "snapshot.json")[0]
    (path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    told = load_version(tmp_path).differences
    assert any("scikit-learn" in text for text in told), told


def test_mlflow_that_is_missing_is_said_before_the_work(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    monkeypatch.setitem(sys.modules, "mlflow.sklearn", None)
    said: list[str] = []
    for trusted, error in ((False, UntrustedError), (True, MissingExtraError)):
        with pytest.raises(error, match="mlflow"):
            bs.retrain(
                "not/read",
                "either",
                trusted=trusted,
                progress=said.append,
                settings=bs.Settings.from_dict({"model": {"label": "y"}, "retrain": {"mlflow": "loans"}}),
            )
    assert said == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # MLflow warns of its dependencies
def test_mlflow_where_it_is_configured(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    log = logs.log(1, turn=1.0)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.chdir(tmp_path)  # where its artefacts go by default
    try:
        with pytest.raises(UntrustedError, match="mlflow"):
            log.retrain(policy={"windows": ["recent"], "mlflow": "loans"})
        found = log.retrain(trusted=True, policy={"windows": ["recent"], "mlflow": "loans"})
        assert found.registered == "models:/loans/1"
        loaded = load_model(found.registered, trusted=True)
        rows = to_pandas(log.current[-50:].select(logs.FEATURES))
        assert set(loaded.artefact.predict(rows)) <= {"yes", "no"}
    finally:
        mlflow.set_tracking_uri(before)


def damaged(path, change):
    manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    change(manifest)
    (path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def outside(name):
    def change(manifest):
        manifest["sha256"][name] = "0" * 64
        manifest["model"] = name

    return change


ATTACKS = {
    "a model outside": outside("../../model.joblib"),
    "an absolute model": outside("/etc/passwd"),
    "a model that no digest covers": lambda manifest: manifest.update(model="other.joblib"),
    "a file above": lambda manifest: manifest["sha256"].update({"..": "0" * 64}),
    "digests that are none": lambda manifest: manifest["sha256"].update({"report.json": None}),
    "no digests": lambda manifest: manifest.pop("sha256"),
    "another format": lambda manifest: manifest.update(format="backslide.version/9"),
}


@pytest.mark.parametrize("kind", ATTACKS)
def test_a_manifest_names_files_of_its_own_folder_under_their_digest(tmp_path, kind):
    path = published(tmp_path)
    (tmp_path / "model.joblib").write_bytes(b"somebody else's")
    damaged(path, ATTACKS[kind])
    with pytest.raises(InputError, match=path.name):
        load_version(tmp_path, trusted=True)


def test_a_link_out_of_the_folder_is_no_file_of_it(tmp_path):
    path = published(tmp_path)
    (tmp_path / "elsewhere.skops").write_bytes((path / "model.skops").read_bytes())
    (path / "model.skops").unlink()
    (path / "model.skops").symlink_to(tmp_path / "elsewhere.skops")
    with pytest.raises(InputError, match="not a file of this version"):
        load_version(tmp_path)


def test_a_junk_manifest_is_named_and_nothing_is_rolled_back_to_it(tmp_path, capsys, contained):
    from backslide.cli import main

    first, second = published(tmp_path, 1), published(tmp_path, 2)
    (first / "manifest.json").write_text("[1", encoding="utf-8")
    assert main(["versions", str(tmp_path)]) == 0
    assert f"{first.name}  damaged" in capsys.readouterr().out
    assert main(["versions", str(tmp_path), "--roll-back"]) == 2
    assert f"{first.name}/manifest.json cannot be read as a manifest" in capsys.readouterr().err
    assert current_version(tmp_path) == second.name
    (tmp_path / "current.json").write_text('{"version": 3}', encoding="utf-8")
    assert main(["versions", str(tmp_path)]) == 2
    assert "current.json cannot be read" in capsys.readouterr().err
    assert main(["versions", str(tmp_path), "--to", second.name]) == 0
    assert current_version(tmp_path) == second.name


def test_publishers_at_once_are_all_in_the_history(tmp_path):
    children = []
    for seed in range(8):
        child = os.fork()
        if child == 0:
            try:
                for round_ in range(3):
                    publish(tmp_path, model(10 * seed + round_), FILES, {"rows": 50})
            finally:
                os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    pointer = json.loads((tmp_path / "current.json").read_text(encoding="utf-8"))
    assert sorted([*pointer["history"], pointer["version"]]) == list(versions_of(tmp_path))
    assert len(versions_of(tmp_path)) == 24


def test_what_was_left_behind_is_swept(tmp_path):
    published(tmp_path)
    stale = [tmp_path / "versions" / ".incoming-dead", tmp_path / ".current.json-dead"]
    stale[0].mkdir()
    stale[1].write_text("{", encoding="utf-8")
    for path in stale:
        os.utime(path, (1, 1))
    published(tmp_path, 1)
    assert not any(path.exists() for path in stale)
