"""From a log to an incident and back: the schedule looks, the API tells, people answer, a job diagnoses."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import joblib
import pytest
from running_server import STORES, RunningServer, start, store_url
from sklearn.dummy import DummyClassifier

from backslide.contracts.errors import InputError, StoreError
from backslide.server import process, runner, worker
from backslide.server.jobs import file_digest
from backslide.server.process import StoppedError
from backslide.server.runner import JobRunner
from backslide.server.schedule import LEASE, Schedule
from backslide.store.queue import SCHEDULE
from backslide.store.records import utc_now
from backslide.store.tables import jobs
from streams_of_logs import watched_project

URL = "/api/v1/models/loans/incidents/1"


@pytest.fixture(name="watched", scope="module", params=STORES)
def _watched(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = watched_project(tmp_path_factory.mktemp("watched"))
    (folder / "backslide.toml").rename(folder / "loans.toml")
    (folder / "broken.toml").write_text("[modell]", encoding="utf-8")
    for server in start(folder, store_url(request), models=["*.toml"]):
        schedule = Schedule(server.context, "one")
        schedule.tick()
        schedule.tick()
        assert len(server.context.jobs.jobs("loans")) == 1, "a look that waits is not put again"
        assert JobRunner(server.context, "one").work_once()
        job = server.context.jobs.jobs("loans")[0]
        assert (job.status, job.error) == ("done", None)
        yield server


def read(server: RunningServer, url: str, **more):
    answer = server.client.get(url, **more)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_queries_tell_what_the_look_found(watched):
    listed = read(watched, "/api/v1/models")
    (head,) = listed["models"]
    assert (head["name"], head["status"], head["open_incidents"], head["configured"]) == ("loans", "alarm", 1, True)
    assert "modell" in next(iter(listed["errors"].values()))
    streams = read(watched, "/api/v1/models/loans/streams?name=perf*&since=2026-03-01&until=2026-03-02")["streams"]
    assert [one["name"] for one in streams] == ["performance"]
    assert [point["period"] for point in streams[0]["points"]] == ["2026-03-01", "2026-03-02"]
    assert read(watched, "/api/v1/models/loans/metrics")["promise"]["false_alarms_per_year"] == 0.1
    assert read(watched, "/api/v1/models/loans/events") == {"model": "loans", "events": []}
    assert watched.client.get("/api/v1/models/nobody/streams").status_code == 404


def test_people_answer_an_incident(watched):
    operate = watched.headers("operate")
    assert read(watched, URL)["state"] == "new"
    changed = watched.client.post(URL, json={"state": "acknowledged", "owner": "kim"}, headers=operate).json()
    assert (changed["state"], changed["owner"]) == ("acknowledged", "kim")
    hostile = '<img src=x onerror=alert(1)>"\u202e'
    changed = watched.client.post(URL, json={"state": "false alarm", "note": hostile}, headers=operate).json()
    assert changed["state"] == "false alarm"
    assert changed["notes"][0]["text"] == hostile
    assert changed["incident"]["mark"]["mark"] == "false"
    assert read(watched, "/api/v1/models/loans/metrics")["promise"]["marked_false"] == 1
    assert len(read(watched, "/api/v1/incidents?state=false+alarm&open=true")["incidents"]) == 1
    assert read(watched, "/api/v1/incidents?state=new")["incidents"] == []
    assert watched.client.post(URL, json={"state": "new"}, headers=operate).json()["state"] == "new"
    assert watched.client.post(URL, json={"state": "gone"}, headers=operate).status_code == 422
    entries = read(watched, "/api/v1/audit", headers=watched.headers("admin"))["entries"]
    assert {"change incident", "create token"} <= {one["action"] for one in entries}


def test_mutes_come_with_a_reason_and_go(watched):
    url, operate = "/api/v1/models/loans/mutes", watched.headers("operate")
    body = {"pattern": "missing:*", "reason": "new form", "until": "2026-04-01"}
    assert watched.client.post(url, json={"pattern": "x"}, headers=operate).status_code == 422
    assert watched.client.post(url, json=body, headers=operate).json()["mutes"] == [body]
    assert watched.client.delete(url + "?pattern=missing:*", headers=operate).json()["mutes"] == []
    assert watched.client.delete(url + "?pattern=missing:*", headers=operate).status_code == 404


@pytest.mark.slow
def test_a_job_diagnoses_two_periods(watched):
    wish = {"model": "loans", "reference": "2026-01-05..2026-02-15", "current": "2026-02-28..2026-03-07", "quick": True}
    operate = watched.headers("operate")
    job = watched.client.post("/api/v1/jobs", json=wish, headers=operate).json()
    assert (job["status"], job["author"]) == ("waiting", "operate")
    url = f"/api/v1/jobs/{job['job']}"
    assert watched.client.get(url + "/result").status_code == 409
    assert JobRunner(watched.context, "one").work_once()
    done = read(watched, url)
    assert (done["status"], done["error"]) == ("done", None)
    assert done["progress"]
    result = read(watched, url + "/result")
    assert (result["verdict"], result["causes"][0]["features"]) == ("degraded", ["income"])
    assert watched.client.delete(url, headers=operate).status_code == 409


@pytest.mark.parametrize(
    ("wish", "status", "words"),
    [
        ({"model": "nobody"}, 404, "no model 'nobody'"),
        ({"model": "loans", "current": "/etc/passwd"}, 422, "current: expected a period"),
        ({"model": "loans", "current": "2026-03-02..2026-03-01"}, 422, "ends after it starts"),
        ({"model": "loans"}, 422, "expected current, a period"),
        ({"model": "loans", "current": "2026-03-01..2026-03-02", "reference_model": "os:system"}, 403, "trusted"),
        ({"model": "loans", "current": "2026-03-01..2026-03-02", "reference_model": "loans.toml"}, 403, "trusted"),
        ({"model": "loans", "artifacts": {}}, 422, "extra inputs"),
        ({"model": "loans", "kind": "gate", "quick": True}, 422, "quick: a gate job takes current, reference;"),
        ({"model": "loans", "kind": "watch", "current": "2026-03-01..2026-03-02"}, 422, "takes nothing else"),
    ],
)
def test_what_no_job_may_do(watched, wish, status, words):
    answer = watched.client.post("/api/v1/jobs", json=wish, headers=watched.headers("operate"))
    assert (answer.status_code, words in answer.json()["detail"]) == (status, True), answer.text


def test_defaults_may_be_said_and_a_job_has_no_workers(watched):
    wish = {"kind": "shadow", "model": "loans", "current": "2026-02-28..2026-03-07", "quick": False, "reference": None}
    job = watched.client.post("/api/v1/jobs", json=wish, headers=watched.headers("operate")).json()
    order = JobRunner(watched.context, "one")._order(watched.context.jobs.take("one"))
    order["settings"].setdefault("engine", {})["workers"] = 5
    assert worker._settings(order).engine.workers == 1
    watched.context.jobs.finish(job["job"], error="over")


@pytest.mark.parametrize("kind", ["shadow", "gate", "retrain"])
def test_a_job_of_each_kind_reads_the_periods_that_were_asked_for(watched, monkeypatch, kind):
    def fake(*, settings, progress, reference, current):
        raise InputError(f"{settings.model.name}: {reference} against {current}")

    monkeypatch.setattr(import_module(f"backslide.jobs.{kind}"), kind, fake)
    wish = {"kind": kind, "model": "loans", "current": "2026-02-28..2026-03-07"}
    job = watched.client.post("/api/v1/jobs", json=wish, headers=watched.headers("operate")).json()
    order = JobRunner(watched.context, "one")._order(watched.context.jobs.take("one"))
    with pytest.raises(InputError, match=r"loans: None against 2026-02-28\.\.2026-03-07"):
        worker.KINDS[kind](order, print)
    watched.context.jobs.finish(job["job"], error="over")


def test_a_model_file_is_loaded_once_an_administrator_vouched_for_its_contents(watched):
    path = watched.context.settings.base / "model.joblib"
    joblib.dump({"no": "model"}, path)
    wish = {"model": "loans", "current": "2026-02-28..2026-03-07", "reference_model": "model.joblib"}
    operate, admin = watched.headers("operate"), watched.headers("admin")
    assert watched.client.post("/api/v1/artefacts", json={"path": "none"}, headers=admin).status_code == 422
    assert watched.client.post("/api/v1/artefacts", json={"path": "model.joblib"}, headers=admin).status_code == 201
    job = watched.client.post("/api/v1/jobs", json=wish, headers=operate).json()
    path.write_bytes(path.read_bytes() + b" ")  # between the question and the load
    assert JobRunner(watched.context, "one").work_once()
    assert "has changed since" in read(watched, f"/api/v1/jobs/{job['job']}")["error"]
    assert watched.client.post("/api/v1/jobs", json=wish, headers=operate).status_code == 403


def test_jobs_are_cancelled_bounded_and_taken_once(watched):
    context, operate = watched.context, watched.headers("operate")
    wish = {"model": "loans", "current": "2026-02-28..2026-03-07"}
    url = "/api/v1/jobs/" + watched.client.post("/api/v1/jobs", json=wish, headers=operate).json()["job"]
    assert watched.client.delete(url, headers=operate).json()["status"] == "cancelled"
    assert context.jobs.take("one") is None
    watched.client.post("/api/v1/jobs", json=wish, headers=operate)
    small = context.settings.server.model_copy(update={"job_memory": 0.01})
    usual, context.settings = context.settings, context.settings.model_copy(update={"server": small})
    assert JobRunner(context, "one").work_once()
    context.settings = usual
    assert "took more than 0.01 GB" in str(context.jobs.jobs("loans")[0].error)


def test_one_process_leads_and_another_takes_over(watched):
    first, second = Schedule(watched.context, "one"), Schedule(watched.context, "two")
    first.tick()
    second.tick()
    assert (first.leader, second.leader) == (True, False)
    first.stop()
    second.tick()
    assert second.leader
    assert second._leases.acquire(LEASE, "two", -1.0), "a lease that is over"
    first.tick()
    assert first.leader


def test_what_was_sent_can_be_diagnosed_without_a_configuration(watched):
    records = [
        {
            "id": f"r{i}",
            "features": {"income": i % 7, "age": i % 5},
            "prediction": "a",
            "scores": {"a": 0.7, "b": 0.3},
            "at": day,
        }
        for i, day in enumerate(["2026-03-01", "2026-04-01"] * 5)
    ]
    url = "/api/v1/models/fresh/predictions"
    assert watched.client.post(url, json=records, headers=watched.headers("ingest")).status_code == 201
    watched.context.store.roll_up()
    model = watched.context.models.settings("fresh").model
    assert (model.features, dict(model.scores)) == (("income", "age"), {"a": "p_a", "b": "p_b"})


def test_a_trusted_file_makes_nothing_else_trusted(watched, monkeypatch):
    context, seen = watched.context, []

    def fake(*, settings, reference_model, **_):
        seen.append((settings.artifacts.trusted, reference_model.classes))
        raise InputError("seen")

    monkeypatch.setattr(import_module("backslide.jobs.diagnose"), "diagnose", fake)
    path = context.settings.base / "constant.joblib"
    joblib.dump(DummyClassifier(strategy="constant", constant=1).fit([[0], [1]], [0, 1]), path)
    digest = file_digest(path)
    context.files.trust(digest, str(path), "tests")
    one = JobRunner(context, "one")
    job = context.jobs.put("diagnose", "loans", {"reference_model": str(path), "digest": digest}, "tests")
    with pytest.raises(InputError, match="seen"):
        worker._diagnose(one._order(job), print)
    assert seen == [(False, ("0", "1"))]
    context.files.distrust(digest)
    assert one.work_once()
    assert "no longer marked as trusted" in str(context.jobs.job(job.job).error)


def test_a_job_goes_on_while_the_store_is_away(watched, monkeypatch):
    context, away = watched.context, []

    def failing(usual):
        def call(*given, **more):
            if len(away) < 4:
                away.append(usual.__name__)
                raise StoreError("away")
            return usual(*given, **more)

        return call

    def answer(order, *, progress, **_):
        assert progress("one")
        assert progress("two")
        return {"format": "x"}, None

    job = context.jobs.put("gate", "loans", {}, "tests")
    monkeypatch.setattr(runner, "run_process", answer)
    monkeypatch.setattr(runner, "FINISH_SECONDS", (0.0,) * 3)
    for name in ("tell", "finish"):
        monkeypatch.setattr(context.jobs, name, failing(getattr(context.jobs, name)))
    assert JobRunner(context, "one").work_once()
    assert away == ["tell", "tell", "finish", "finish"]
    assert context.jobs.result(job.job) == {"format": "x"}


def test_what_people_ask_for_is_found_beside_many_looks(sqlite_server, monkeypatch):
    context = sqlite_server.context
    asked = context.jobs.put("diagnose", "a", {}, "me")
    with context.database.engine.begin() as connection:
        row = {"kind": "watch", "model": "a", "request": {}, "status": "waiting", "author": SCHEDULE}
        rows = [{**row, "job": f"{i:024x}", "created": utc_now()} for i in range(300)]
        connection.execute(jobs.insert(), rows)
    context.jobs.put("watch", "b", {}, SCHEDULE)
    assert [one["job"] for one in read(sqlite_server, "/api/v1/jobs?kind=diagnose")["jobs"]] == [asked.job]
    assert len(read(sqlite_server, "/api/v1/jobs")["jobs"]) == 200
    assert context.jobs.busy("watch") == {"a", "b"}
    assert (context.jobs.live()["waiting"], context.jobs.live(scheduled=False)["waiting"]) == (302, 1)
    monkeypatch.setattr(type(context.models), "names", lambda self: ["b", "c"])
    monkeypatch.setattr(type(context.models), "settings", lambda self, name: context.settings)
    operate = sqlite_server.headers("operate")
    for model, author in (("b", SCHEDULE), ("c", "operate")):
        wish = {"model": model, "kind": "watch"}
        looks = [sqlite_server.client.post("/api/v1/jobs", json=wish, headers=operate).json() for _ in range(2)]
        assert looks[0] == looks[1], "a look that is to come is not put twice"
        assert looks[0]["author"] == author


def test_a_job_leaves_no_files(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen = []

    def popen(*given, env, **more):
        folder = Path(env["TMPDIR"])
        (folder / "half").write_text("written", encoding="utf-8")
        seen.append(folder.parent)
        return usual(*given, env=env, **more)

    usual = process.subprocess.Popen
    monkeypatch.setattr(process.subprocess, "Popen", popen)
    with pytest.raises(StoppedError):
        process.run_process({"kind": "gate"}, seconds=60, gigabytes=4, progress=lambda _: False)
    assert (seen, list(tmp_path.iterdir())) == ([tmp_path], [])
