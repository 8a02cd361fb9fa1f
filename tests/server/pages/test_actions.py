"""What people do with incidents and models: a form, a page that shows it, an entry in the audit log."""

from __future__ import annotations

import pytest
from filled_server import ALARMED, OPEN, Person, words

INCIDENT = f"/models/{ALARMED}/incidents/{OPEN}"


def test_acknowledge_assign_note_and_reopen(fresh):
    person = Person(fresh)
    text = words(person.post(f"{INCIDENT}/acknowledge"))
    assert "You have acknowledged it." in text
    assert "acknowledged" in text
    assert "Owner operate" in text
    assert "Owner Mara &lt;3" in words(person.post(f"{INCIDENT}/owner", owner="Mara <3"))
    assert "Mara &lt;3" in words(person.get("/?owner=Mara+%3C3"))
    assert "seen &amp; understood" in words(person.post(f"{INCIDENT}/notes", text="seen & understood"))
    assert "new" in words(person.post(f"{INCIDENT}/reopen"))
    actions = [entry["action"] for entry in fresh.context.accounts.audit()]
    assert {"acknowledge", "assign", "reopen"} <= set(actions)
    assert "empty" in person.post(f"{INCIDENT}/notes", status=422, text="   ")


def test_what_fixed_one_is_found_by_the_next_that_is_like_it(fresh):
    person = Person(fresh)
    shown = person.get(INCIDENT)
    assert "Incidents like it" in shown
    person.post(f"/models/{ALARMED}/incidents/1/mark", mark="fixed", note="rolled the reader back")
    text = words(person.get(INCIDENT))
    assert "What fixed it: “rolled the reader back”" in text
    assert "Fixed 1" in words(person.get("/"))


def test_a_false_alarm_counts_against_the_promise_and_asks_for_nobody(fresh):
    person = Person(fresh)
    assert "It counts against the promise of 0.1 false alarms a year" in words(person.get(INCIDENT))
    text = words(person.post(f"{INCIDENT}/mark", mark="false", note="month-end batch"))
    assert "Marked as a false alarm" in text
    assert "1 of 3 alarms marked false" in text
    assert "Nothing asks for anybody" in words(person.get("/"))
    assert "1 of 3 alarms marked false" in words(person.get(f"/models/{ALARMED}?tab=watching"))
    person.post(f"{INCIDENT}/mark", status=422, mark="sold", note="x")


def test_mutes_have_a_reason_and_an_end(fresh):
    person = Person(fresh)
    assert "muted: a migration" in words(person.post(f"{INCIDENT}/mute", reason="a migration", until="2099-01-31"))
    assert "Nothing asks for anybody" in words(person.get("/"))
    shown = words(person.get(f"/models/{ALARMED}?tab=watching"))
    assert "performance a migration until 31 January 2099" in shown
    assert "missing:*" in words(
        person.post(f"/models/{ALARMED}/mute", pattern="missing:*", reason="known", until="2099-01-31")
    )
    assert "missing:*" not in words(person.post(f"/models/{ALARMED}/unmute", pattern="missing:*"))
    assert "expected a day" in person.post(f"{INCIDENT}/mute", status=422, reason="x", until="soon")


def test_who_may_only_read_is_told_so_and_refused(fresh):
    reader = Person(fresh, "read")
    assert "read may not acknowledge" in words(reader.get(INCIDENT))
    assert "<button" not in reader.get(INCIDENT).partition("</header>")[2].partition("<footer")[0]
    reader.post(f"{INCIDENT}/acknowledge", status=403)
    stranger = Person(fresh)
    stranger.csrf = reader.csrf
    stranger.post(f"{INCIDENT}/acknowledge", status=403)


def _known(monkeypatch, context) -> None:
    """Let the model be one with a configuration."""
    monkeypatch.setattr(type(context.models), "names", lambda self: [ALARMED])
    monkeypatch.setattr(type(context.models), "settings", lambda self, name: context.settings)


def test_two_periods_and_one_button_put_a_job_and_its_page_follows_it(fresh, monkeypatch):
    _known(monkeypatch, fresh.context)
    person = Person(fresh)
    form = {"reference_from": "2026-01-05", "reference_to": "2026-02-15", "current_from": "2026-03-01"}
    text = person.post(f"/models/{ALARMED}/diagnose", **form, current_to="2026-03-20")
    assert "Why 2026-03-01 to 2026-03-20 is worse than 2026-01-05 to 2026-02-15" in words(text)
    assert "waiting for its turn" in words(text)
    assert 'data-hx-trigger="every 1s"' in text
    (job,) = fresh.context.jobs.jobs()
    state = fresh.client.get(f"/jobs/{job.job}/state")
    assert "HX-Refresh" not in state.headers
    assert fresh.context.jobs.take("me") is not None
    fresh.context.jobs.tell(job.job, "walking the playbook")
    assert "walking the playbook" in words(fresh.client.get(f"/jobs/{job.job}/state").text)
    from server_pages import diagnosis

    fresh.context.jobs.finish(job.job, result=diagnosis(ALARMED))
    assert fresh.client.get(f"/jobs/{job.job}/state").headers["HX-Refresh"] == "true"
    assert "feature_1 is 100 times larger" in words(person.get(f"/jobs/{job.job}"))
    assert f"/jobs/{job.job}" in person.get(f"/models/{ALARMED}")
    for wrong in ({"current_to": "2026-01-01"}, {"current_to": "x;y"}, {"current_to": ""}):
        person.post(f"/models/{ALARMED}/diagnose", status=422, **form, **wrong)


def test_a_job_can_be_stopped_and_what_failed_says_why(fresh):
    person = Person(fresh)
    job = fresh.context.jobs.put("diagnose", ALARMED, {}, "me")
    assert "It was stopped" in words(person.post(f"/jobs/{job.job}/cancel"))
    job = fresh.context.jobs.put("diagnose", ALARMED, {}, "me")
    fresh.context.jobs.take("me")
    fresh.context.jobs.finish(job.job, error="the log is <empty>")
    assert "It did not work: the log is &lt;empty&gt;" in words(person.get(f"/jobs/{job.job}"))


def test_a_look_and_comparisons_are_started_from_the_page(fresh, monkeypatch):
    _known(monkeypatch, fresh.context)
    person = Person(fresh)
    assert "Compare two models" in person.get(f"/models/{ALARMED}?tab=models")
    rows = {"current_from": "2026-03-01", "current_to": "2026-03-09"}
    assert "May the candidate take over?" in words(person.post(f"/models/{ALARMED}/jobs", kind="gate", **rows))
    assert fresh.context.jobs.jobs(ALARMED)[0].request == {"current": "2026-03-01..2026-03-09", "quick": False}
    person.post(
        f"/models/{ALARMED}/jobs", status=422, kind="retrain", current_from="2026-03-09", current_to="2026-03-01"
    )
    assert "A look at model-001" in words(person.post(f"/models/{ALARMED}/jobs", kind="watch"))
    fresh.context.jobs.take("me")
    job = fresh.context.jobs.take("me")
    fresh.context.jobs.finish(job.job, result={"status": "quiet", "summary": "Quiet: 9 streams."})
    assert "Quiet: 9 streams." in words(person.get(f"/jobs/{job.job}"))
    assert "A look at" not in person.get(f"/models/{ALARMED}"), "looks of the schedule would fill the list"
    person.post(f"/models/{ALARMED}/jobs", status=422, kind="rollup")


def test_a_browser_gets_a_page_where_a_program_gets_a_problem(fresh):
    person = Person(fresh)
    accept = {"Accept": "text/html,*/*", **person.headers}
    answer = fresh.client.get("/models/nobody<b>", headers=accept)
    assert answer.status_code == 404
    assert "There is no such model" in words(answer.text)
    assert fresh.client.get("/nowhere", headers=accept).text.startswith("<!doctype html>")
    answer = fresh.client.get("/models/nobody")
    assert answer.headers["content-type"] == "application/problem+json"
    assert fresh.client.get("/api/v1/models/nobody/streams", headers=accept).json()["status"] == 404


def test_rows_to_label_go_out_and_come_back(fresh, monkeypatch):
    person = Person(fresh)
    folder = fresh.context.store.label_requests
    assert "no rows were drawn" in fresh.client.get(f"{INCIDENT}/labels.csv").text
    folder.mkdir(parents=True)
    (folder / f"{ALARMED}-{OPEN}.csv").write_text("id,inclusion,of_rows,label\na,0.5,10,\nb,0.5,10,\n")
    assert "Download 2 rows as CSV" in words(person.get(f"{INCIDENT}?tab=labels"))
    assert fresh.client.get(f"{INCIDENT}/labels.csv").text.startswith("id,inclusion")
    back = b"id,inclusion,of_rows,label\na,0.5,10,paid\nb,0.5,10,default\n"
    text = words(person.post(f"{INCIDENT}/answers", files={"answers": ("x.csv", back)}))
    assert "The rows are being drawn" in text
    (job,) = fresh.context.jobs.jobs()
    assert job.request["ask"] == f"{ALARMED}-{OPEN}.csv"
    for wrong in (b"x,y\n1,2\n", b"\xff\xfe\x00"):
        text = person.post(f"{INCIDENT}/answers", status=422, files={"answers": ("x.csv", wrong)})
        assert "cannot be read" in text
        assert str(folder) not in text
    assert (folder / f"{ALARMED}-{OPEN}.csv").read_bytes() == back


@pytest.mark.postgres
def test_the_same_on_postgresql(tmp_path, postgres_server):
    from filled_server import started

    for server in started(tmp_path, f"postgresql://{postgres_server.address}"):
        person = Person(server)
        for url in ("/", f"/models/{ALARMED}", INCIDENT, "/models"):
            person.get(url)
        assert "1 of 3 alarms marked false" in words(person.post(f"{INCIDENT}/mark", mark="false", note="month end"))
        assert server.client.get(f"/models/{ALARMED}/axis.json").json()["panels"]


def test_where_nothing_can_be_written_no_rows_are_asked_for(fresh):
    folder = fresh.context.store.label_requests
    folder.parent.mkdir(parents=True)
    folder.write_text("a file in its place")
    assert "cannot write the rows" in words(Person(fresh).post(f"{INCIDENT}/ask", status=507))
    assert fresh.context.jobs.jobs() == []
