"""What backslide says of a pair, with its defaults.

For rates of alarms and flags the checks and the verdict suffice; the causes are left out, and so is the concept step, which
fits models and flags no column. The whole diagnosis, with the model that served the rows, is asked where data faults could be
named.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import backslide
from backslide.case import Case
from backslide.contracts.config import Settings
from backslide.contracts.diagnosis import Diagnosis, Verdict
from backslide.contracts.finding import Outcome, Severity, Step
from backslide.engine.window import open_windows
from backslide.jobs.verdict import judge
from backslide.playbook.registry import all_checks
from backslide.playbook.runner import run_checks
from quiet.pairs import Windows


def fingerprint() -> str:
    """Version and a hash of the source: changes whenever the answers may."""
    root = Path(backslide.__file__).parent
    digest = hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        if "report" not in file.relative_to(root).parts[:1]:
            digest.update(file.read_bytes())
    return f"{backslide.__version__}+{digest.hexdigest()[:8]}"


def rates(windows: Windows) -> dict[str, Any]:
    """Verdict and flagged columns, without causes."""
    muted = {check.code: {"mute": True} for check in all_checks() if check.step == Step.CONCEPT}
    settings = Settings.from_dict({"model": windows.roles, "checks": muted})
    case = Case(open_windows(windows.reference, windows.current, settings), settings)
    outcomes = run_checks(case)
    return _answer(judge(case).verdict, outcomes, windows)


def whole(windows: Windows) -> dict[str, Any]:
    """The same from the whole diagnosis, with every data fault it names, whether it costs something or not."""
    settings = Settings.from_dict({"model": windows.roles})
    diagnosis: Diagnosis = backslide.diagnose(
        windows.reference, windows.current, settings=settings, reference_model=windows.model
    )
    named = (*diagnosis.causes, *diagnosis.harmless)
    faults = [f"{c.kind} {','.join(c.features)}" for c in named if c.kind.family == "data fault"]
    return _answer(diagnosis.verdict, diagnosis.checks, windows) | {"faults": faults}


def _answer(verdict: Verdict, outcomes: tuple[Outcome, ...], windows: Windows) -> dict[str, Any]:
    loud = {
        finding.subject
        for outcome in outcomes
        if outcome.step == Step.DRIFT
        for finding in outcome.findings
        if finding.severity.rank >= Severity.WARN.rank
    }
    features = set(windows.roles["features"])
    failed = [outcome.code for outcome in outcomes if outcome.status == "failed"]
    return {
        "verdict": verdict.value,
        "flagged": sorted(loud & features),
        "elsewhere": sorted(loud - features),
        "alarms": {"performance": verdict == Verdict.DEGRADED},
    } | ({"failed": failed} if failed else {})
