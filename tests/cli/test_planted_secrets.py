"""Sixty planted secrets, each in an address, a setting or the environment: no command shows one or keeps one.

Looked through is everything that leaves: both streams, and every file that a command wrote, the state among them.
"""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from backslide.contracts.errors import SourceError
from backslide.contracts.secrets import scrub, scrub_answer
from backslide.monitor.courier import Courier

WORDS = ("hunter2-planted", "p%40ss-planted", "Pl4nt3dT0k3nPl4nt3d", "planted_Sigg%2Bnature%3D")
DATABASES = (
    "postgresql://u:{}@127.0.0.1:1/d#t",
    "postgresql://127.0.0.1:1/d?user=u&password={}#t",
    "postgresql://127.0.0.1:1/d?sslmode=disable&sslpassword={}#t",
    "mysql://u:{}@h/d#t",
    "snowflake://u:{}@account/db#t",
    "firebird://u:{}@h/d#t",
    "sqlite:///nowhere.db?token={}#t",
)
STORES = (
    "s3://key:{}@bucket/x.xyz",
    "https://u:{}@127.0.0.1:1/x.zip",
    "file:///nowhere/x.parquet?sig={}",
    "file:///nowhere/x.csv?sv=1&sp=r&sig={}",
    "file:///nowhere/x.csv?X-Amz-Security-Token={}",
    "delta://nowhere?AccountKey={}",
)
RECEIVERS = (
    "slack://{0}/{0}/{0}",
    "tgram://{}/12345",
    "discord://4174216298/{}",
    "mailtos://u:{}@mail.example.org",
    "json://u:{}@127.0.0.1:1/path",
    "https://hooks.slack.com/services/T0000/B0000/{}",
    "nonsense://{}",
)
KINDS = (*DATABASES, *STORES)
SOURCES = [template.format(word) for word in WORDS for template in KINDS]
ALERTS = [template.format(word) for word in WORDS[2:] for template in RECEIVERS]
CONFIG = """\
[model]
label = "label"
prediction = "prediction"
timestamp = "at"
[windows]
reference = {reference}
current = {reference}
[store]
{store}
[alerts]
{alerts}
[engine]
sample_rows = 200
bootstrap = 50
"""
JOBS = (["diagnose"], ["shadow"], ["gate"], ["retrain"], ["selftest"], ["watch"], ["watch", "--replay"])


def test_there_are_sixty():
    assert len(SOURCES) + len(ALERTS) >= 60


def planted(text: str) -> list[str]:
    """The secrets in an address, as they stand there and decoded."""
    return [form for word in WORDS if word in text for form in (word, word.replace("%40", "@").replace("%2B", "+"))]


def looked_through(folder, result) -> str:
    """Everything that left, but for what we wrote ourselves."""
    files = [f for f in folder.rglob("*") if f.is_file() and f.name not in ("backslide.toml", "log.db", "rows.csv")]
    return "\n".join([result.out, result.err, *(f.read_bytes().decode("utf-8", "replace") for f in files)])


@pytest.fixture
def configured(tmp_path):
    def write(reference="rows.csv", alerts="", store=""):
        text = CONFIG.format(reference=json.dumps(reference), alerts=alerts, store=store)
        (tmp_path / "backslide.toml").write_text(text, encoding="utf-8")
        return tmp_path

    return write


def keeps(backslide, folder, source, commands) -> None:
    """None of the commands shows the secret or leaves it in a file."""
    for command in commands:
        result = backslide(*command)
        assert result.code in (0, 2), result
        assert not [word for word in planted(source) if word in looked_through(folder, result)], (command, result)


@pytest.mark.parametrize("source", SOURCES)
def test_sources(backslide, configured, source):
    """Every secret in every address, read as a window and written on the command line."""
    keeps(backslide, configured(source), source, [["diagnose", "-q"], ["init", source]])


@pytest.mark.sample(3)
@pytest.mark.parametrize("source", [SOURCES[(k % len(WORDS)) * len(KINDS) + k] for k in range(len(KINDS))])
def test_every_command(backslide, configured, source):
    """Every kind of address once, with one secret after the other."""
    commands = [[*job, "-q"] if job[0] != "watch" else job for job in JOBS]
    commands += [["init", source], ["log", "ingest", source, "--format", "json-lines", "--model", "m"]]
    commands += [
        ["snapshot", "--model", "m:f", "--data", source, "--untrusted"],
        ["report", source],
        ["diagnose", source],
    ]
    commands += [["integrity", source, source], ["versions", source], ["log", "stats", "--store", source]]
    keeps(backslide, configured(source), source, commands)


@pytest.mark.sample(2)
@pytest.mark.parametrize("source", SOURCES[:: len(WORDS)])
def test_sources_in_the_environment(backslide, configured, source, monkeypatch):
    monkeypatch.setenv("PLANTED_SOURCE", source)
    folder = configured("env:PLANTED_SOURCE", store='url = "env:PLANTED_SOURCE"')
    for command in JOBS:
        result = backslide(*command)
        assert not [word for word in planted(source) if word in looked_through(folder, result)], (command, result)


@pytest.mark.sample(3)
@pytest.mark.parametrize("receiver", ALERTS)
def test_receivers(backslide, configured, receiver, monkeypatch):
    pytest.importorskip("apprise")
    monkeypatch.setattr(Courier, "deliver", lambda *_: f"cannot be reached at {receiver}")
    monkeypatch.setenv("PLANTED_RECEIVER", receiver)
    quoted = json.dumps(receiver)
    for alerts in (
        f"urls = [{quoted}]",
        f"urls = {quoted}",
        f"urls = {{ slack = {quoted} }}",
        f"url = [{quoted}]",
        f"urls = [{quoted}, 3]",
        f"title = {quoted}",
        'urls = ["env:PLANTED_RECEIVER"]',
    ):
        folder = configured(alerts=alerts)
        for command in (["watch", "--test-alert"], ["diagnose", "-q"]):
            result = backslide(*command)
            assert result.code == 2, result
            assert not [word for word in planted(receiver) if word in looked_through(folder, result)], (alerts, result)


def test_the_state_and_the_answers_of_a_run_that_works(backslide, configured, tmp_path):
    pytest.importorskip("sqlalchemy")
    rng = np.random.default_rng(1)
    at = [datetime(2026, 3, 1) + timedelta(hours=k) for k in range(24 * 60)]
    frame = pl.DataFrame({"at": [f"{t:%Y-%m-%d %H:%M:%S}" for t in at], "x": rng.normal(size=len(at))})
    frame = frame.with_columns(prediction=pl.when(pl.col("x") > 0).then(pl.lit("yes")).otherwise(pl.lit("no")))
    frame = frame.with_columns(label=pl.col("prediction"))
    with sqlite3.connect(tmp_path / "log.db") as database:
        database.execute("create table t (at text, x real, prediction text, label text)")
        database.executemany("insert into t values (?, ?, ?, ?)", frame.rows())
    source = f"sqlite:///log.db?token={WORDS[2]}#t"
    folder = configured("2026-03-01..2026-04-10")
    text = (
        (folder / "backslide.toml")
        .read_text(encoding="utf-8")
        .replace('current = "2026-03-01..2026-04-10"', 'current = "2026-04-11..2026-04-29"')
    )
    (folder / "backslide.toml").write_text(f"{text}[data]\nsource = {json.dumps(source)}\n", encoding="utf-8")
    for command in (
        ["watch", "--as-of", "2026-05-01", "--json", "watch.json"],
        ["diagnose", "-q", "--json", "d.json", "--html", "d.html", "--md", "d.md"],
        ["report", "d.json", "--html", "again.html"],
    ):
        result = backslide(*command)
        assert result.code == 0, result
        assert WORDS[2] not in looked_through(folder, result)
    assert (folder / "backslide.db").is_file()


def test_errors_hold_no_secrets_wherever_they_are_raised():
    assert str(SourceError("cannot connect: password=hunter2 host=h")) == "cannot connect: password=*** host=h"
    assert "hunter2" not in str(SourceError("the URL https://u:hunter2@h/x?sig=hunter2 is wrong"))


@pytest.mark.parametrize(
    "harmless",
    [
        "expected a table of 3 columns; set trusted = true under [artifacts] if you made it",
        "token_count rose from 12 to 40 where customer_key = 5",
        "s3://bucket/folder/sort_key=5/part-0.parquet",
        "'https://example.org/a.csv' cannot be read",
        "sk_customer_identifier_dimension and risk_of_default_in_percent",
        "postgresql://user@host:5432/db#SELECT '@'",
        "abfss://container@account.dfs.core.windows.net/x.parquet",
    ],
)
def test_what_is_no_secret_stays(harmless):
    assert scrub(harmless) == harmless
    assert scrub_answer(harmless) == harmless
