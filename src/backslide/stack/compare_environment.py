"""Libraries, interpreter and machine before and after, by the distance of their versions and by what the model imports."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.version import InvalidVersion, Version

from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.contracts.integrity import Detail, StackDifference
from backslide.contracts.snapshot import Environment, Snapshot
from backslide.stack.likelihood import difference

_IMPORTED = {"major": 0.75, "minor": 0.5, "patch": 0.2, "other": 0.3}
_NEEDED = {"major": 0.45, "minor": 0.3, "patch": 0.1, "other": 0.2}
_OTHER = 0.05
"""Of a library that the model does not import."""


def environment_differences(a: Snapshot, b: Snapshot) -> list[StackDifference]:
    """Differences of kind ``library_change``; libraries that the model does not import are told together."""
    before, after = a.environment, b.environment
    return [*_machine(before, after), *_libraries(before, after)]


def distance(before: str, after: str) -> str:
    """``major``, ``minor``, ``patch``, or ``other`` where the versions do not say (PEP 440)."""
    try:
        old, new = Version(before), Version(after)
    except InvalidVersion:
        return "other"
    if (old.epoch, old.major) != (new.epoch, new.major):
        return "major"
    if old.minor != new.minor:
        return "minor"
    return "patch"


def _libraries(a: Environment, b: Environment) -> Iterator[StackDifference]:
    names = sorted(set(a.distributions) | set(b.distributions))
    changed = [n for n in names if a.distributions.get(n) != b.distributions.get(n)]
    imported, needed = {*a.imported, *b.imported}, {*a.needed, *b.needed}
    for name in changed:
        if name in imported or name in needed:
            yield _library(name, a.distributions.get(name), b.distributions.get(name), name in imported)
    rest = [n for n in changed if n not in imported and n not in needed]
    if rest:
        changes = [f"{n} {_arrow(a.distributions.get(n), b.distributions.get(n))}" for n in rest]
        known, subject = bool(imported), rest[0] if len(rest) == 1 else f"{len(rest)} libraries"
        yield difference(
            CauseKind.LIBRARY_CHANGE,
            "environment",
            subject,
            f"{say.listed(changes, 5)}.",
            _OTHER if known else 0.35,
            "the model does not import them" if known else "which libraries the model imports is not known",
            details=tuple(
                Detail(name=n, before=a.distributions.get(n), after=b.distributions.get(n)) for n in rest[:100]
            ),
        )


def _library(name: str, before: str | None, after: str | None, imported: bool) -> StackDifference:
    far = distance(before, after) if before is not None and after is not None else "major"
    down = before is not None and after is not None and far != "other" and Version(after) < Version(before)
    step = "comes or goes" if before is None or after is None else f"{far} version{' back' if down else ''}"
    use = "the model is made of it" if imported else "a library that the model is made of requires it"
    return difference(
        CauseKind.LIBRARY_CHANGE,
        "environment",
        name,
        f"{name} {_arrow(before, after)}: {step}, and {use}.",
        (_IMPORTED if imported else _NEEDED)[far],
        f"{use}; {step}",
        before=before,
        after=after,
        details=(Detail(name=name, before=before, after=after),),
    )


def _machine(a: Environment, b: Environment) -> Iterator[StackDifference]:
    far = distance(a.python, b.python)
    sums = "the last digits of floating-point sums may differ"
    score = {"major": 0.6, "minor": 0.35}.get(far, 0.1)
    for subject, before, after, likelihood, words, reason in (
        ("python", a.python, b.python, score, "Python", f"{far} version of the interpreter"),
        ("implementation", a.implementation, b.implementation, 0.4, "Python implementation", sums),
        ("machine", a.machine, b.machine, 0.35, "processor architecture", sums),
        ("platform", a.platform, b.platform, 0.3, "operating system", sums),
    ):
        if before != after:
            yield difference(
                CauseKind.LIBRARY_CHANGE,
                "environment",
                subject,
                f"{words} {before} → {after}.",
                likelihood,
                reason,
                before=before,
                after=after,
            )


def _arrow(before: str | None, after: str | None) -> str:
    if before is None:
        return f"{after} installed"
    return f"{before} → {after}" if after is not None else f"{before} removed"
