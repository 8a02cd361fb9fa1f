"""The simulated history of ``backslide serve --demo``: two incidents for the same reason, one of them open."""

from __future__ import annotations

from datetime import datetime

import pytest
from filled_server import page, words
from running_server import RunningServer

pytest.importorskip("fastapi")
from fastapi.testclient import TestClient

from backslide.contracts.config import Settings
from backslide.server.app import create_app
from backslide.server.pages.demo import DESK, NEWCOMER, NORTH, SimulatedHistory, demo_token, prepare_demo


def test_days_are_moved_by_whole_weeks_so_that_the_last_is_today():
    for day in range(1, 15):
        history = SimulatedHistory(datetime(2027, 3, day, 15, 30))
        assert history.shift.days % 7 == 0
        assert history.day(history.days - 1) == history.now.date()
        assert 99 <= history.days <= 105


def test_the_command_says_how_to_log_in(tmp_path, monkeypatch, capsys):
    from backslide.cli import serve
    from backslide.server.pages import demo

    config = tmp_path / "backslide.toml"
    config.write_text(demo.SERVER, encoding="utf-8")
    monkeypatch.setattr(demo, "prepare_demo", lambda folder, progress: config)
    assert serve._prepared_demo() == config
    output = capsys.readouterr()
    assert "simulated" in output.err
    secrets = output.out.split()
    assert len(secrets) == 1
    app = create_app(Settings.load(config))
    assert app.state.context.accounts.find(secrets[0]) is not None
    app.state.context.database.close()


@pytest.mark.slow
def test_the_demo_has_an_open_incident_and_one_that_was_like_it(tmp_path):
    config = prepare_demo(tmp_path / "demo")
    assert prepare_demo(tmp_path / "demo") == config, "what is there is used again"
    settings = Settings.load(config)
    app = create_app(settings)
    context = app.state.context
    with TestClient(app, base_url="http://127.0.0.1") as client:
        server = RunningServer(client, context, {})
        text = words(page(server, "/"))
        assert f"One incident asks for somebody: {DESK}" in text
        assert "rolled back to 6.4" in text
        assert "ocr_confidence is 100 times smaller" in text
        listed = words(page(server, "/models"))
        assert listed.index(DESK) < listed.index(NORTH) < listed.index(NEWCOMER)
        assert "triage-4.2" in words(page(server, f"/models/{DESK}/versions"))
        assert "ocr_confidence" in words(page(server, f"/models/{DESK}/incidents/2?tab=rows&part=rows"))
        assert "deploy reader 7.1" in words(page(server, f"/models/{DESK}"))
        begun = context.accounts.log_in(demo_token(config), 1)
        assert begun is not None
    context.database.close()
