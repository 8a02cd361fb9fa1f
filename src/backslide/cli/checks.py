"""``backslide checks``: what is looked at, and what can be found."""

from __future__ import annotations

import inspect
import json
import sys
from typing import Any

from backslide.cli.output import say
from backslide.contracts.cause import CauseKind
from backslide.contracts.finding import Step


def run(*, as_json: bool) -> int:
    """Print the checks in the order of the playbook, then the kinds of causes."""
    listing = {"checks": _checks(), "causes": _causes()}
    say(json.dumps(listing, indent=2, ensure_ascii=False) if as_json else _text(listing))
    return 0


def _checks() -> list[dict[str, Any]]:
    from backslide.playbook.registry import all_checks

    return [
        {
            "code": check.code,
            "title": check.title,
            "step": check.step.value,
            "needs": [need.name.lower() for need in check.needs],
            "about": _documentation(check),
        }
        for check in all_checks()
    ]


def _causes() -> list[dict[str, Any]]:
    from backslide.causes.faults.registry import all_signatures

    with_signature = {signature.kind for signature in all_signatures()}
    return [
        {
            "kind": kind.value,
            "family": kind.family,
            "meaning": kind.meaning,
            "remedy": kind.remedy,
            "signature": kind in with_signature,
        }
        for kind in CauseKind
    ]


def _documentation(check: type) -> str:
    return inspect.cleandoc(sys.modules[check.__module__].__doc__ or "")


def _text(listing: dict[str, list[dict[str, Any]]]) -> str:
    lines: list[str] = []
    for step in Step:
        rows = [row for row in listing["checks"] if row["step"] == step.value]
        if rows:
            lines += [f"{step.value}: {step.question}"]
            lines += [f"  {row['code']:<8}{row['title']}{_needs(row['needs'])}" for row in rows]
            lines += [""]
    lines += ["causes: faults that are recognised, undone and done again to price them"]
    lines += [f"  {row['kind']:<18}{row['meaning']}" for row in listing["causes"] if row["signature"]]
    return "\n".join(lines)


def _needs(needs: list[str]) -> str:
    return f"  (needs {', '.join(needs)})" if needs else ""
