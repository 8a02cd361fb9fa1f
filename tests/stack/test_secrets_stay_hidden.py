"""Planted credentials are in no snapshot, report or log."""

from __future__ import annotations

import subprocess

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import backslide
from backslide.cli import main
from backslide.stack.masking import mask, scrub, secret_name, secret_value
from backslide.stack.repository import plain_address

PLANTED = {
    "DB_PASSWORD": "hunter2hunter2",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzzzzKEY",
    "STORE": "s3://minio:planted-pass-1@store.example.org/models",
    "GITHUB_PAT": "ghp_planted0123456789abcdefABCDEF012345",
    "HARMLESS_NAME": "eyJhbGciOiJIUzI1NiJ9.eyJwbGFudGVkIjoxfQ.c2lnbmF0dXJl",
}
IN_FILES = {
    "app.toml": '[db]\npassword = "toml-planted-9"\nurl = "postgres://u:toml-planted-8@h/d"\n[model]\nthreshold = 0.5\n',
    "app.yaml": "api_key: yaml-planted-7\nnested:\n  token: [yaml-planted-6]\n",
    "app.json": '{"credentials": {"user": "planted-user-5", "pass": "json-planted-4"}}',
    ".env": "SECRET=env-planted-3\nSLACK=xoxb-1234-planted-2\n",
    "password.txt": "bare-planted-1",
    "broken.json": '{"secret": "broken-planted-0"',
}
LINE = 'API_KEY = "line-planted-11"; scaler.fit(rows, token="ghp_line0123456789abcdefABCDEF012345")'
WORDS = (
    *PLANTED.values(),
    "planted-pass-1",
    "toml-planted",
    "yaml-planted",
    "planted-user-5",
    "json-planted",
    "env-planted",
    "xoxb-1234",
    "bare-planted",
    "broken-planted",
    "line-planted",
    "ghp_line",
    "remote-planted",
    "fitted-planted",
    "commit-planted",
)


@pytest.fixture
def stack(tmp_path, trained, monkeypatch):
    """A checkout, settings and a model, all with credentials in them, and the two snapshots."""
    for name, value in PLANTED.items():
        monkeypatch.setenv(name, value)
    for name, text in IN_FILES.items():
        (tmp_path / name).write_text(text)

    def git(*arguments):
        subprocess.run(
            ["git", "-c", "user.name=A", "-c", "user.email=a@b.c", *arguments],
            cwd=tmp_path,
            check=True,
            capture_output=True,
        )

    (tmp_path / "serve.py").write_text("def serve():\n    pass\n")
    git("init", "-q")
    git("remote", "add", "origin", "https://bot:remote-planted-12@git.example.org/loans.git?token=remote-planted-13")
    git("add", "serve.py")
    git("commit", "-qm", "Start")
    model = make_pipeline(FunctionTransformer(kw_args={"password": "fitted-planted-14"}), LogisticRegression())
    model.steps[0][1].kw_args = {"password": "fitted-planted-14"}
    model[1].fit([[0.0], [1.0]], [0, 1])
    model[0].func = None
    taken = []
    for round_ in range(2):
        taken.append(backslide.snapshot(model, base=tmp_path, files=list(IN_FILES), show=["*"], golden=0))
        (tmp_path / "serve.py").write_text(f"def serve():\n    {LINE}\n")
        git("commit", "-qam", "Scale https://u:commit-planted-15@h/x") if not round_ else None
        for name, text in IN_FILES.items():
            (tmp_path / name).write_text(text.replace("planted", "planted-other"))
        monkeypatch.setenv("DB_PASSWORD", "hunter2hunter2-other")
    return tmp_path, taken


def test_no_planted_secret_in_snapshot_or_report(stack):
    folder, taken = stack
    found = backslide.integrity(*taken, repository=folder)
    written = [t.to_json() for t in taken] + [
        found.to_json(),
        found.to_text(),
        found.to_markdown(),
        repr(found),
        repr(taken),
    ]
    for text in written:
        assert [word for word in WORDS if word in text] == []
    subjects = {d.subject for d in found.differences}
    assert {"DB_PASSWORD", "app.toml", "app.yaml", "app.json", ".env", "password.txt"} <= subjects, (
        "a change is seen all the same"
    )
    assert any("scaler.fit" in d.meaning for d in found.differences), "the line is shown, without what is secret in it"


def test_no_planted_secret_on_the_command_line(stack, capsys):
    folder, taken = stack
    for name, one in zip("ab", taken, strict=True):
        one.to_json(folder / f"{name}.json")
    (folder / "serving.py").write_text("def score(rows):\n    return rows.iloc[:, 0].to_numpy()\n")
    files = [f"--config={name}" for name in IN_FILES]
    codes = [
        main(["snapshot", "--model", "serving:score", "--show", "*", "--json", *files]),
        main(["integrity", "a.json", "b.json", "--repository", ".", "--md", "d.md", "--json", "d.json"]),
        main(["integrity", "a.json", "b.json", "--repository", "nowhere"]),
        main(["snapshot", "--model", "https://u:commit-planted-15@h/x.joblib"]),
    ]
    assert codes == [0, 1, 2, 2]
    printed = capsys.readouterr()
    written = [printed.out, printed.err, (folder / "d.md").read_text(), (folder / "d.json").read_text()]
    for text in written:
        assert [word for word in WORDS if word in text] == []


def test_allowed_values_are_shown_and_secrets_never():
    assert mask("MODEL_STAGE", "canary", "", ["model_*"]).value == "canary"
    assert mask("MODEL_STAGE", "canary", "", []).value is None
    assert mask("MODEL_TOKEN", "canary", "", ["*"]).value is None
    assert mask("MODEL_STAGE", "https://a:b@c/d", "", ["*"]).value is None
    assert len(mask("DB_PASSWORD", "x", "").digest) == 4
    one, two = (mask("A", "x", salt).digest for salt in ("", "pepper"))
    assert one != two


@pytest.mark.parametrize(
    "name", ["DB_PASSWORD", "api_key", "apiKey", "X-Auth", "client.secret", "DSN", "MLFLOW_TRACKING_URI", "token"]
)
def test_names_of_secrets(name):
    assert secret_name(name)


@pytest.mark.parametrize(
    "name", ["threshold", "decision.cutoff", "TZ", "tokenizer", "author", "MODEL_STAGE", "passes", "n_features"]
)
def test_names_of_no_secrets(name):
    assert not secret_name(name)


def test_ordinary_values_are_no_secrets():
    for value in (
        "0.5",
        "loans-default-classifier-version-two",
        "/srv/models/current/model.joblib",
        "2026-04-03T10:00:00Z",
        "web,phone",
    ):
        assert not secret_value(value)
    assert scrub("x = model.predict(frame[COLUMNS])") == "x = model.predict(frame[COLUMNS])"
    assert scrub("token = read_token(path)") == "token = read_token(path)"


@pytest.mark.parametrize(
    ("address", "plain"),
    [
        ("https://u:p@h.org/a.git?t=1", "https://h.org/a.git"),
        ("git@h.org:a/b.git", "h.org:a/b.git"),
        ("ssh://u:p@h.org:22/a", "ssh://h.org:22/a"),
        ("/srv/git/a", "/srv/git/a"),
    ],
)
def test_addresses_of_remotes_are_plain(address, plain):
    assert plain_address(address) == plain
