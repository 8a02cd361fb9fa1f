"""The plug-in of pytest (entry point ``pytest11``): the fixture ``assert_not_worse``. Nothing is imported until a test asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from backslide.contracts.shadow import Shadow

CONFIG = "backslide_config"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare where roles, metric, models and trust stand; a path is relative to the file that names it."""
    parser.addini(CONFIG, "backslide.toml whose settings the fixture assert_not_worse takes (default: none)")


@pytest.fixture
def assert_not_worse(
    pytestconfig: pytest.Config, record_property: Callable[[str, object], None]
) -> Callable[..., Shadow]:
    """``backslide.jobs.assertion.assert_not_worse`` with the settings of ``backslide_config``.

    Verdict and summary are properties of the test in ``--junit-xml``, whether it passes or fails.
    """

    def compare_models(
        old: Any = None,
        new: Any = None,
        data: Any = None,
        reference: Any = None,
        *,
        strict: bool = False,
        **options: Any,
    ) -> Shadow:
        from backslide.contracts.config import Settings
        from backslide.jobs.assertion import check, compare

        if name := str(pytestconfig.getini(CONFIG)):
            folder = pytestconfig.inipath.parent if pytestconfig.inipath is not None else pytestconfig.rootpath
            options.setdefault("settings", Settings.load(folder / name))
        comparison = compare(old, new, data, reference, **options)
        record_property("backslide.verdict", comparison.verdict.value)
        record_property("backslide.summary", comparison.summary)
        check(comparison, strict=strict)
        return comparison

    return compare_models
