"""A comparison as an assertion, for the tests of a model's own repository."""

from __future__ import annotations

from typing import Any

from backslide.contracts.roles import Roles
from backslide.contracts.shadow import Shadow, ShadowVerdict
from backslide.jobs.shadow import shadow


def assert_not_worse(
    old: Any = None, new: Any = None, data: Any = None, reference: Any = None, *, strict: bool = False, **options: Any
) -> Shadow:
    """Fail unless the new model is at least as good as the old one, overall and for every class and segment.

    Args:
        old: a model (an object, a file, ``models:/loans@champion``), or the columns of its logged answers
            (``{"prediction": ..., "scores": {...}}`` or roles); None is what was served, the columns of ``roles``.
        new: the same of the new model.
        data: the labelled rows on which both are compared: a table or a path.
        reference: an earlier window, for the comparison of old and new data.
        strict: whether a comparison that the rows do not decide fails, too.
        options: those of ``backslide.shadow``, such as ``roles``, ``metric``, ``trusted`` or ``settings``.

    Returns:
        The comparison, where it passes.

    Raises:
        AssertionError: the new model is worse somewhere, or, if ``strict``, it may be; the message is the first screen.
        BackslideError: bad input, in one line.
    """
    comparison = compare(old, new, data, reference, **options)
    check(comparison, strict=strict)
    return comparison


def compare(old: Any, new: Any, data: Any, reference: Any = None, **options: Any) -> Shadow:
    """Both on the rows; a mapping or roles name columns, anything else is a model."""
    for side, subject in (("old", old), ("new", new)):
        if subject is not None:
            options[side if isinstance(subject, (dict, Roles)) else f"{side}_model"] = subject
    return shadow(data, reference, **options)


def check(comparison: Shadow, *, strict: bool) -> None:
    """Raise where the new model is worse, or, if ``strict``, where the rows do not decide.

    Raises:
        AssertionError: with the first screen.
    """
    undecided = strict and comparison.verdict is ShadowVerdict.INCONCLUSIVE
    if comparison.verdict.held or undecided:
        raise AssertionError(f"{comparison.summary}\n\n{comparison.to_text()}")
