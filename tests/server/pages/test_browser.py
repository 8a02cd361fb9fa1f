"""The pages in a real browser: from a first start without data to an incident that somebody has acknowledged."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")
pytest.importorskip("playwright")
pytest.importorskip("axe_core_python")
import axe_core_python
import uvicorn
from filled_server import ALARMED, OPEN, started
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from backslide.contracts.config import Settings
from backslide.jobs.watch import settings_key, watch
from backslide.server.app import create_app
from backslide.server.runner import JobRunner

pytestmark = [pytest.mark.browser, pytest.mark.slow]
AXE = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
SERIOUS = """async () => (await axe.run(document, {resultTypes: ["violations"]})).violations
  .filter((v) => ["serious", "critical"].includes(v.impact))
  .flatMap((v) => v.nodes.slice(0, 4).map((n) => `${v.id}: ${n.html.slice(0, 140)} ${n.failureSummary}`))"""
PATIENCE = 60_000
"""Milliseconds: the machine may have other things to do."""
FAULT_DAY, DAYS, ROWS = 50, 62, 60
expect.set_options(timeout=PATIENCE)
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module", name="browser")
def _browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


class Listening:
    """An application that listens in a thread, and tokens for it."""

    def __init__(self, app) -> None:
        self.app = app
        config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, access_log=False)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        while not self.server.started:
            assert self.thread.is_alive(), "the server ended before it began"
            self.thread.join(0.05)
        self.address = f"http://127.0.0.1:{self.server.servers[0].sockets[0].getsockname()[1]}"

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(PATIENCE / 1000)


class Visit:
    """A browser's window that notes what it should not see: errors, other hosts."""

    def __init__(self, browser: Browser, address: str, **options) -> None:
        self.address = address
        self.context: BrowserContext = browser.new_context(base_url=address, **options)
        self.context.set_default_timeout(PATIENCE)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", lambda m: self.complaints.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._note)

    def _note(self, request) -> None:
        if not request.url.startswith((self.address, "data:")):
            self.complaints.append(f"asked for {request.url}")

    def log_in(self, secret: str) -> None:
        self.page.goto("/login")
        self.page.fill("#token", secret)
        self.page.keyboard.press("Enter")
        expect(self.page.get_by_role("button", name="Log out")).to_be_visible()

    def serious(self) -> list[str]:
        """What axe-core calls serious or critical. It is put there by the debugger, which the policy does not bind."""
        self.page.evaluate(AXE)
        return self.page.evaluate(SERIOUS)

    def overflows(self) -> bool:
        return self.page.evaluate("document.documentElement.scrollWidth > innerWidth")


def _records(now: datetime) -> tuple[list[dict], list[dict]]:
    """Predictions of a small model and their labels; from a day on income is sent a hundred times larger."""
    rng = np.random.default_rng(7)
    first = datetime(now.year, now.month, now.day, tzinfo=UTC) - timedelta(days=DAYS)
    predictions, labels = [], []
    for day in range(DAYS):
        income, age = np.exp(rng.normal(3, 0.5, ROWS)), rng.normal(40, 10, ROWS)
        truth = rng.random(ROWS) < 1 / (1 + np.exp(-_logit(income, age)))
        sent = income * (100 if day >= FAULT_DAY else 1)
        score = 1 / (1 + np.exp(-_logit(sent, age)))
        for i in range(ROWS):
            name, at = f"r-{day}-{i}", (first + timedelta(days=day, minutes=20 * i)).timestamp()
            chance = float(score[i])
            one = {"id": name, "features": {"income": float(sent[i]), "age": float(age[i])}, "at": at}
            answer = {"prediction": "paid" if chance >= 0.5 else "default", "scores": {"paid": chance}}
            predictions.append({**one, **answer, "version": "v2" if day >= FAULT_DAY else "v1"})
            labels.append({"id": name, "value": "paid" if truth[i] else "default", "at": at + 3600})
    return predictions, labels


def _logit(income, age):
    return 3.0 * (np.log(income) - 3) + (age - 40) / 10


CONFIGURATION = """
[model]
name = "loans"
label = "label"
prediction = "prediction"
scores = {{ paid = "p_paid" }}
timestamp = "at"
id = "id"
version = "version"
features = ["income", "age"]
[data]
source = "log/tables/loans"
[windows]
reference = "{first}..{last}"
[watch]
diagnose = false
estimate = false
faults = false
[engine]
sample_rows = 1500
"""


@pytest.fixture(name="empty")
def _empty(tmp_path: Path) -> Iterator[tuple[Listening, Path]]:
    settings = Settings.from_dict({"server": {"min_free_disk": 0, "models": ["*.toml"]}}, base=tmp_path)
    listening = Listening(create_app(settings))
    yield listening, tmp_path
    listening.stop()
    listening.app.state.context.database.close()


def test_from_a_first_start_to_an_acknowledged_incident(browser, empty):
    import httpx

    listening, folder = empty
    context = listening.app.state.context
    _, ingest = context.accounts.create_token("service", ("ingest",), "tests")
    _, operate = context.accounts.create_token("Mara", ("operate",), "tests")
    visit = Visit(browser, listening.address, viewport={"width": 1280, "height": 900})
    page = visit.page
    page.goto("/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Nothing is watched yet")
    assert "curl -X POST" in page.locator("pre").nth(1).inner_text()
    assert visit.serious() == []

    now = datetime.now(UTC)
    predictions, labels = _records(now)
    with httpx.Client(base_url=listening.address, headers={"Authorization": f"Bearer {ingest}"}, timeout=60) as client:
        for kind, records in (("predictions", predictions), ("labels", labels)):
            for place in range(0, len(records), 2000):
                answer = client.post(f"/api/v1/models/loans/{kind}", json=records[place : place + 2000])
                assert answer.status_code == 201, answer.text
        at = (now - timedelta(days=DAYS - FAULT_DAY)).isoformat()
        assert client.post("/api/v1/models/loans/events", json={"text": "deploy v2", "at": at}).status_code == 201
    context.store.close()
    context.store.roll_up()
    page.goto("/models")
    expect(page.locator("tbody th")).to_contain_text("not watched yet")

    day = (now - timedelta(days=DAYS)).date()
    text = CONFIGURATION.format(first=day, last=day + timedelta(days=41))
    (folder / "loans.toml").write_text(text, encoding="utf-8")
    settings = Settings.load(folder / "loans.toml")
    watch(settings, book=context.database.book("loans", settings_key(settings)), deliver=False)

    visit.log_in(operate)
    page.goto("/models/loans")
    expect(page.locator("[data-axis][data-drawn]")).to_be_visible()
    assert page.locator(".panels canvas").count() >= 3
    assert visit.serious() == []
    _choose_two_periods(page)
    runner = threading.Thread(target=_work, args=(context,))
    page.get_by_role("button", name="Diagnose").click()
    expect(page.get_by_role("status").filter(has_text="waiting for its turn")).to_be_visible()
    runner.start()
    expect(page.locator(".report h1")).to_be_visible(timeout=10 * PATIENCE)  # the page follows by itself
    runner.join()
    expect(page.locator(".report .why .card-title")).to_contain_text("income")
    assert visit.serious() == []

    page.keyboard.press("g")
    page.keyboard.press("i")
    expect(page.get_by_role("heading", level=1)).to_contain_text("asks for somebody: loans")
    page.locator(".incident h3 a").first.click()
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.locator(".said-good")).to_have_text("You have acknowledged it.")
    expect(page.locator(".title .state")).to_have_text("acknowledged")
    assert visit.complaints == []
    visit.context.close()


def _choose_two_periods(page: Page) -> None:
    """Drag over the chart twice; the fields and the address hold what was chosen."""
    for which, (start, end) in (("reference", (0.05, 0.5)), ("current", (0.84, 0.99))):
        page.locator(f".brushes label:has(input[value={which}])").click()
        box = page.locator(".u-over").first.bounding_box()
        assert box is not None
        height = box["y"] + box["height"] / 2
        page.mouse.move(box["x"] + start * box["width"], height)
        page.mouse.down()
        page.mouse.move(box["x"] + (start + end) / 2 * box["width"], height, steps=4)
        page.mouse.move(box["x"] + end * box["width"], height, steps=4)
        page.mouse.up()
    chosen = page.evaluate("Object.fromEntries(new FormData(document.getElementById('periods')))")
    assert chosen["reference_from"] < chosen["reference_to"] < chosen["current_from"] <= chosen["current_to"]
    for name in ("reference_from", "current_to"):
        assert f"{name}={chosen[name]}" in page.url


def _work(context) -> None:
    assert JobRunner(context, "tests").work_once()


@pytest.fixture(scope="module", name="watched")
def _watched(tmp_path_factory) -> Iterator[tuple[Listening, str]]:
    for server in started(tmp_path_factory.mktemp("browsed")):
        listening = Listening(create_app(server.context.settings, database=server.context.database))
        yield listening, server.secrets["operate"]
        listening.stop()


def test_every_page_fits_a_phone_in_the_dark_and_has_nothing_serious(browser, watched):
    listening, secret = watched
    incident = f"/models/{ALARMED}/incidents/{OPEN}"
    phone = Visit(browser, listening.address, viewport=PHONE, color_scheme="dark", has_touch=True)
    desk = Visit(browser, listening.address, viewport={"width": 1280, "height": 900})
    phone.log_in(secret)
    urls = ("/", "/models", f"/models/{ALARMED}", f"/models/{ALARMED}?tab=inputs", f"/models/{ALARMED}?tab=watching")
    for visit in (phone, desk):
        for url in (*urls, incident, f"{incident}?tab=report", f"{incident}?tab=labels", "/login"):
            visit.page.goto(url)
            if visit.page.locator("[data-axis]").count():
                visit.page.locator("[data-axis]").scroll_into_view_if_needed()  # it is drawn when it is seen
                expect(visit.page.locator("[data-axis][data-drawn]")).to_be_attached()
            assert not visit.overflows(), url
            if visit is phone or url in ("/", incident):
                assert visit.serious() == [], url
        assert visit.complaints == []
    small = phone.page.evaluate(
        "[...document.querySelectorAll('.app button, .app select')].filter(e => e.getBoundingClientRect().height < 24).length"
    )
    assert small == 0
    phone.context.close()
    desk.context.close()


def test_by_keyboard_alone_and_back_through_the_addresses(browser, watched):
    listening, secret = watched
    visit = Visit(browser, listening.address, viewport={"width": 1280, "height": 900})
    page = visit.page
    visit.log_in(secret)
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the content")
    page.keyboard.press("Enter")
    page.keyboard.press("/")
    page.keyboard.type("feature_1")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("q=feature_1"))
    page.locator(".incident h3 a").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/incidents/"))
    page.get_by_text("Owner", exact=True).locator("visible=true").last.press("Enter")
    page.get_by_label("Who takes care").fill("Ada")
    page.keyboard.press("Enter")
    expect(page.locator(".facts")).to_contain_text("Ada")
    page.goto(f"/models/{ALARMED}")
    expect(page.locator("[data-axis][data-drawn]")).to_be_visible()
    page.locator("details.numbers > summary").press("Enter")
    expect(page.locator(".numbers-table tbody tr").first).to_be_visible()
    page.get_by_label("Times in").select_option("Asia/Tokyo")
    page.wait_for_url(re.compile("tz=Asia%2FTokyo"))
    page.get_by_role("link", name="Models").first.click()
    assert "tz=Asia%2FTokyo" in page.url
    page.go_back()
    expect(page.get_by_role("heading", level=2).first).to_have_text("Over time")
    assert visit.complaints == []
    visit.context.close()
