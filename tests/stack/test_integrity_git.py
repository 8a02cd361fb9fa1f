"""Commits between two snapshots of a real repository: the one that refits the scaler first, with its blamed line."""

from __future__ import annotations

import os
import subprocess
from copy import deepcopy

import pytest
from stacks import scaler_of

import backslide
from backslide.contracts.errors import InputError

SERVING = """import joblib


def load(path):
    return joblib.load(path)


def prepare(model, frame):
    frame = frame.copy()
    return frame


def answer(model, frame):
    return model.predict(prepare(model, frame))
"""
REFIT = "    model['columns'].named_transformers_['numbers']['scale'].fit(frame[['income', 'age']])\n"


class Checkout:
    """A repository with dated commits."""

    def __init__(self, folder):
        self.folder = folder
        self.hour = 0
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "Ann Other")
        self.git("config", "user.email", "ann@example.org")

    def git(self, *arguments):
        at = f"2026-04-{1 + self.hour // 24:02d}T{self.hour % 24:02d}:00:00+00:00"
        environment = {**os.environ, "GIT_AUTHOR_DATE": at, "GIT_COMMITTER_DATE": at}
        done = subprocess.run(
            ["git", *arguments], cwd=self.folder, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, message, **files):
        self.hour += 6
        for name, text in files.items():
            path = self.folder / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD")


def ten_commits(folder, refit=True):
    """Ten commits after the first, the sixth of which fits the scaler on live rows."""
    checkout = Checkout(folder)
    checkout.commit("Start", app__serve_dot_py=SERVING, README_dot_md="Loans\n", requirements_dot_txt="pandas==2.2\n")
    serving = SERVING
    for index in range(1, 11):
        if index == 6 and refit:
            serving = serving.replace("    return frame\n", REFIT + "    return frame\n")
            sha = checkout.commit("Keep inputs centred (#41)", app__serve_dot_py=serving)
        elif index % 3 == 0:
            checkout.commit(
                f"Log more {index}", app__serve_dot_py=(serving := serving + f"\n\ndef log_{index}(x):\n    print(x)\n")
            )
        elif index % 3 == 1:
            checkout.commit(f"Say more {index}", README_dot_md=f"Loans {index}: scaler.fit(rows) is refused\n")
        else:
            checkout.commit(
                f"Test {index}", **{f"tests__test_{index}_dot_py": "def test():\n    StandardScaler().fit([[1]])\n"}
            )
    return checkout, sha if refit else None


@pytest.fixture
def story(tmp_path, trained):
    """Checkout, the commit at fault, and the snapshots before and after."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    checkout, sha = ten_commits(folder)
    head = checkout.git("rev-parse", "HEAD")
    checkout.git("checkout", "-q", checkout.git("rev-list", "--max-parents=0", "HEAD"))
    before = backslide.snapshot(trained.pipeline, trained.rows, base=folder)
    checkout.git("checkout", "-q", "main")
    after = backslide.snapshot(trained.pipeline, trained.rows, base=folder)
    assert after.repository.commit == head
    return checkout, sha, before, after


def test_the_commit_that_refits_the_scaler_comes_first_with_its_line(story):
    checkout, sha, before, after = story
    found = backslide.integrity(before, after, repository=checkout.folder)
    code = [d for d in found.differences if d.kind == "code_change"]
    assert len(code) == 10
    first = found.differences[0]
    assert first.commit.sha == sha
    assert first.risk == "likely"
    assert all(d.risk != "likely" for d in code[1:])
    line = first.commit.lines[0]
    assert (line.path, line.function, line.text.strip(), line.removed) == (
        "app/serve.py",
        "prepare",
        REFIT.strip(),
        False,
    )
    blamed = checkout.git("blame", "-s", "-L", f"{line.line},{line.line}", "app/serve.py")
    assert blamed.startswith(sha[:8])
    assert first.commit.pull_request == "#41"
    assert first.commit.author == "Ann Other"
    assert first.commit.files == ("app/serve.py",)
    assert first.at == first.commit.committed_at


def test_nothing_alarming_where_no_commit_touches_the_inputs(tmp_path, trained):
    folder = tmp_path / "checkout"
    folder.mkdir()
    checkout, _ = ten_commits(folder, refit=False)
    head = backslide.snapshot(trained.pipeline, base=folder)
    start = head.repository.model_copy(update={"commit": checkout.git("rev-list", "--max-parents=0", "HEAD")})
    found = backslide.integrity(head.model_copy(update={"repository": start}), head, repository=folder)
    assert not [d for d in found.differences if d.risk == "likely"]


def test_nearness_to_the_onset_counts(story):
    checkout, sha, before, after = story
    near = backslide.integrity(before, after, repository=checkout.folder, onset="2026-04-02T20:00:00Z")
    ranks = {d.commit.sha: d for d in near.differences}
    assert near.differences[0].commit.sha == sha
    assert 0 < ranks[sha].hours_before_onset < 48
    assert "before it began" in ranks[sha].reason
    late = backslide.integrity(before, after, repository=checkout.folder, onset="2026-03-01")
    again = {d.commit.sha: d for d in late.differences}
    assert again[sha].score < 0.5 * ranks[sha].score
    assert "after it began" in again[sha].reason


def test_paths_narrow_the_commits(story):
    checkout, sha, before, after = story
    found = backslide.integrity(before, after, repository=checkout.folder, paths=["app"])
    code = [d for d in found.differences if d.kind == "code_change"]
    assert {f for d in code for f in d.commit.files} == {"app/serve.py"}
    assert code[0].commit.sha == sha


def test_a_refitted_artefact_is_told_beside_the_commit(story, trained):
    checkout, sha, before, _ = story
    other = deepcopy(trained.pipeline)
    scaler_of(other).fit(trained.rows[["income", "age"]].fillna(0).to_numpy() * [2, 1])
    after = backslide.snapshot(other, trained.rows, base=checkout.folder)
    found = backslide.integrity(before, after, repository=checkout.folder)
    assert [d.kind for d in found.differences[:2]] == ["scaler_refit", "code_change"]
    assert found.differences[0].commit.sha == found.differences[1].commit.sha == sha
    assert sha[:10] in found.differences[0].reason


def test_going_back_tells_what_was_taken_back(story):
    checkout, sha, before, after = story
    found = backslide.integrity(after, before, repository=checkout.folder)
    first = found.differences[0]
    assert first.commit.sha == sha
    assert first.commit.taken_back
    assert "taken back" in first.meaning


def test_a_merge_lends_its_pull_request_to_its_commits(story, trained):
    checkout, _, _, before = story
    checkout.git("checkout", "-q", "-b", "side")
    sha = checkout.commit("Fill gaps", app__features_dot_py="def fill(f):\n    return f.fillna(0)\n")
    checkout.git("checkout", "-q", "main")
    checkout.git("merge", "-q", "--no-ff", "side", "-m", "Merge pull request #77 from ann/side")
    after = backslide.snapshot(trained.pipeline, base=checkout.folder)
    found = backslide.integrity(before, after, repository=checkout.folder)
    assert [(d.commit.sha, d.commit.pull_request) for d in found.differences if d.commit] == [(sha, "#77")]


def test_uncommitted_code_is_told(story, trained):
    checkout, _, _, before = story
    (checkout.folder / "app" / "serve.py").write_text(SERVING + "\nX = 1\n")
    (checkout.folder / "app" / "new.py").write_text("Y = 2\n")
    (checkout.folder / "v1.snapshot.json").write_text("{}")
    after = backslide.snapshot(trained.pipeline, base=checkout.folder)
    found = backslide.integrity(before, after, repository=checkout.folder)
    assert [d.subject for d in found.differences] == ["uncommitted changes"]
    assert "app/serve.py" in found.differences[0].meaning
    assert "app/new.py" in found.differences[0].meaning
    assert "snapshot.json" not in found.differences[0].meaning


def test_without_the_checkout_the_move_is_told_and_a_foreign_one_is_an_error(story, tmp_path):
    _, _, before, after = story
    found = backslide.integrity(before, after)
    assert [d.subject for d in found.differences] == ["commit"]
    other = tmp_path / "other"
    other.mkdir()
    Checkout(other).commit("Start", a="1")
    with pytest.raises(InputError, match="is not in the checkout") as raised:
        backslide.integrity(before, after, repository=other)
    assert "\n" not in str(raised.value)


def test_hooks_and_helpers_of_a_repository_are_not_run(tmp_path, trained):
    folder = tmp_path / "hostile"
    folder.mkdir()
    checkout = Checkout(folder)
    checkout.commit("Start", a_dot_py="x = 1\n")
    mark = tmp_path / "ran"
    checkout.git("config", "core.fsmonitor", f"touch {mark}; false")
    checkout.git("config", "diff.external", f"touch {mark}")
    (folder / "a.py").write_text("x = 2\n")
    taken = backslide.snapshot(trained.pipeline, base=folder)
    backslide.integrity(taken, taken, repository=folder)
    assert list(taken.repository.dirty) == ["a.py"]
    assert not mark.exists()
