"""A comparison as an assertion, for the tests of a model's own repository."""

from __future__ import annotations

from typing import Any

from backslide.contracts.shadow import Shadow, ShadowVerdict
from backslide.jobs.shadow import shadow


def assert_not_worse(current: Any = None, reference: Any = None, *, strict: bool = False, **options: Any) -> Shadow:
    """Fail unless the new model is at least as good as the old one, overall and for every class and segment.

    ``current`` are the rows on which both are compared; ``options`` are those of ``backslide.shadow``, such as ``roles``,
    ``old_model`` and ``new_model``. A comparison that the rows do not decide passes unless ``strict``.

    Returns:
        The comparison, where it passes.

    Raises:
        AssertionError: the new model is worse somewhere, or, if ``strict``, it may be; the message is the first screen.
        BackslideError: bad input, in one line.
    """
    comparison = shadow(current, reference, **options)
    undecided = strict and comparison.verdict is ShadowVerdict.INCONCLUSIVE
    if comparison.verdict.held or undecided:
        raise AssertionError(f"{comparison.summary}\n\n{comparison.to_text()}")
    return comparison
