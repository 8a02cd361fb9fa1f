"""The interpreter, the machine, and every installed distribution; which of them the model is made of."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distributions
from typing import Any

from backslide.contracts.snapshot import Environment, FittedStep

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def environment(parts: Iterable[FittedStep] = (), modules: Iterable[str] = ()) -> Environment:
    """What is installed here, and of that what a model's steps come from (``modules``: more of them, by import name)."""
    distributions = installed_distributions()
    steps = list(parts)
    tops = {part.kind.split(".")[0] for part in steps} | {name.split(".")[0] for name in modules}
    called = {value.text.split(".")[0] for part in steps for value in part.params.values() if value.kind == "code"}
    owners = _owners(distributions, tops | called)
    imported = {owners[top] for top in tops if top in owners}
    needed = _requirements(distributions, imported) - imported
    imported |= {owners[top] for top in called if top in owners} - needed
    return Environment(
        python=platform.python_version(),
        implementation=platform.python_implementation(),
        platform=platform.system(),
        machine=platform.machine(),
        distributions={name: version for name, (version, _) in sorted(distributions.items())},
        imported=tuple(sorted(imported)),
        needed=tuple(sorted(needed)),
        modules={top: owners[top] for top in sorted(owners) if owners[top] in imported},
    )


def installed_distributions() -> dict[str, tuple[str, Distribution]]:
    """Normalised name -> version and metadata; the first on the search path wins, as it does on import."""
    result: dict[str, tuple[str, Distribution]] = {}
    for distribution in distributions():
        try:
            metadata = distribution.metadata
            name, version = normalise(metadata["Name"]), metadata["Version"]
        except Exception:  # a broken installation is none
            continue
        if name and version:
            result.setdefault(name, (str(version), distribution))
    return result


def normalise(name: Any) -> str:
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", str(name or "")).lower()


def _owners(distributions: dict[str, tuple[str, Distribution]], tops: set[str]) -> dict[str, str]:
    """Import name -> distribution, for the import names asked for."""
    wanted = {top for top in tops if top not in sys.stdlib_module_names and top != "__main__"}
    owners = {top: normalise(top) for top in wanted if normalise(top) in distributions}
    for name, (_, distribution) in distributions.items():
        rest = wanted - set(owners)
        if not rest:
            break
        for top in rest & set(_tops(distribution)):
            owners[top] = name
    return owners


def _tops(distribution: Distribution) -> Iterator[str]:
    """Import names of a distribution."""
    listed = distribution.read_text("top_level.txt")
    if listed:
        yield from listed.split()
        return
    record = distribution.read_text("RECORD") or ""
    for line in record.splitlines():
        first = line.split(",")[0]
        if first.endswith(".py") and ".." not in first:
            yield first.split("/")[0].removesuffix(".py")


def _requirements(distributions: dict[str, tuple[str, Distribution]], imported: Iterable[str]) -> set[str]:
    """Distributions that those require without an extra, one step far."""
    needed: set[str] = set()
    for name in imported:
        for requirement in distributions[name][1].requires or []:
            head, _, marker = requirement.partition(";")
            match = _NAME.match(head.strip())
            if match and "extra" not in marker and normalise(match.group()) in distributions:
                needed.add(normalise(match.group()))
    return needed
