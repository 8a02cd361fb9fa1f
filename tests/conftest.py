"""Which suites run where, and fixtures that all tests share.

* ``data`` tests need the real data sets: environment variable BACKSLIDE_DATA.
* ``browser`` tests need a Chromium, ``postgres`` tests the programs of a PostgreSQL server.
* ``rates`` tests repeat null rates and powers: a few times here, all the way in ``make test-rates`` (tests/scale.py).
* ``slow`` tests run where the data sets are at hand and in continuous integration.
* ``sample(n)``: n of a test's parameters run everywhere, spread evenly; the others are ``slow``.

With BACKSLIDE_CI set, a test of these suites that skips although it should run is a failure.
"""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Generator, Iterable
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings

from servers import find_postgres
from servers import postgres as postgres
from servers import postgres_server as postgres_server

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line does; read when OpenMP is loaded
os.environ.setdefault("BACKSLIDE_DEBUG", "raise")  # failures that are contained for users end a test
os.environ.setdefault("BACKSLIDE_WORKERS", "1")  # whether one more pays depends on the machine
if "PYTEST_XDIST_WORKER" in os.environ:  # one worker per core already
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("POLARS_MAX_THREADS", "1")

settings.register_profile("shared", deadline=None)  # a machine that others use makes any step slow now and then
settings.load_profile("shared")

IN_CI = bool(os.environ.get("BACKSLIDE_CI"))
DATA = os.environ.get("BACKSLIDE_DATA")


def find_chromium() -> str | None:
    """The first Chromium on the path."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if (found := shutil.which(name))), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with the reason, what cannot run here."""
    have_data = bool(DATA) and Path(str(DATA)).is_dir()
    for parameters in _sampled(items):
        size = parameters[0].get_closest_marker("sample").args[0]
        everywhere = {len(parameters) * k // size for k in range(size)}
        for k, item in enumerate(parameters):
            if k not in everywhere:
                item.add_marker("slow")
    reasons = {
        "data": None if have_data else "set BACKSLIDE_DATA to the folder of the real data sets",
        "browser": None if find_chromium() else "no Chromium on the path",
        "spark": None
        if shutil.which("java") and find_spec("pyspark")
        else "needs PySpark (make install-spark) and Java",
        "postgres": None if find_postgres() else "no PostgreSQL server on this machine",
        "slow": None if have_data or IN_CI else "slow: runs with BACKSLIDE_DATA or BACKSLIDE_CI set",
    }
    for item in items:
        for marker, reason in reasons.items():
            if reason is not None and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))
    # Long files begin first, so that no worker is left alone with one at the end.
    long = {item.path for item in items if item.get_closest_marker("slow") or item.get_closest_marker("data")}
    items.sort(key=lambda item: item.path not in long)


def _sampled(items: list[pytest.Item]) -> Iterable[list[pytest.Item]]:
    """The parameters of each test marked ``sample`` that are not slow anyway."""
    tests: dict[str, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("sample") and not item.get_closest_marker("slow"):
            tests.setdefault(item.nodeid.partition("[")[0], []).append(item)
    return tests.values()


def pytest_collection_finish() -> None:
    """Take modules and tests, which live to the end, out of what is searched for garbage: a fifth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)  # what is left is mostly arrays and frames, which no cycle holds: another twelfth


def _must_run(item: pytest.Item) -> bool:
    """Whether a skip of this test would hide something in continuous integration."""
    if item.get_closest_marker("data"):
        return bool(DATA)  # where there are no data sets, there is nothing to run on
    # A parameter that a sample leaves out elsewhere may skip itself here for a reason of its own.
    suites = ("browser", "postgres") if item.get_closest_marker("sample") else ("browser", "postgres", "slow")
    return any(item.get_closest_marker(suite) for suite in suites)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In continuous integration, turn a skip of a suite that should run into a failure."""
    report = yield
    if IN_CI and report.skipped and not hasattr(report, "wasxfail") and _must_run(item):
        report.outcome = "failed"
        report.longrepr = f"skipped where it must run (BACKSLIDE_CI is set): {report.longrepr}"
    return report


@pytest.fixture(autouse=True)
def forget_secrets() -> Generator[None, None, None]:
    """Secrets that a test configures are hidden in its own messages, and not in those of the tests after it."""
    from backslide.contracts import secrets  # not before the environment above is set

    known = secrets._known
    before = set(known)
    yield
    known.intersection_update(before)


@pytest.fixture
def contained(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a user sees of a failure: contained and said, not raised."""
    monkeypatch.delenv("BACKSLIDE_DEBUG", raising=False)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real data sets."""
    assert DATA, "tests that use real_data are marked with pytest.mark.data"
    return Path(DATA)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium."""
    found = find_chromium()
    assert found, "tests that use chromium are marked with pytest.mark.browser"
    return found
