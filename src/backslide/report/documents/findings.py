"""Steps, checks and findings as plain values ready to print: worst first, what is in order as rows of a table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from backslide.contracts import say
from backslide.contracts.escape import cleaned
from backslide.contracts.evidence import Table
from backslide.contracts.finding import Finding, Outcome, Severity, Status, Step
from backslide.report.documents import labels

if TYPE_CHECKING:
    from backslide.contracts.evidence import Evidence
    from backslide.contracts.finding import Scalar


MOST_LONE_CHARTS = 12
"""Charts drawn under a finding by itself."""


_MICRO = {name: say.metric(name) for name in ("micro_f1", "micro_precision", "micro_recall")}


@dataclass(frozen=True, slots=True)
class FindingView:
    """One finding with what can be drawn of it."""

    anchor: str
    code: str
    subject: str
    severity: str
    summary: str
    detail: str
    """The sentence without the subject that it starts with, for where the subject stands beside it."""
    before: str
    after: str
    """The quantity in both windows where the finding names it; else empty."""
    estimate: str
    missed: str
    """The smallest change that would have been flagged: what a green light could have missed; empty where unknown."""
    exactness: str
    since: str
    figures: tuple[tuple[str, str], ...]
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class CheckView:
    """A check that ran: what it found, worst first, and apart from it what is in order."""

    code: str
    title: str
    severity: str
    open: tuple[FindingView, ...]
    ok: tuple[FindingView, ...]
    common: str
    """Exactness statement that all findings in order share."""


@dataclass(frozen=True, slots=True)
class StepView:
    """A step of the playbook with its checks, worst first."""

    name: str
    question: str
    state: str
    """Worst severity of its checks, or ``not checked``."""
    tally: str
    checks: tuple[CheckView, ...]


def step_view(step: Step, outcomes: tuple[Outcome, ...], unused: dict[str, str], *, at_fault: bool = False) -> StepView:
    """A step with its checks; ``unused`` maps keys of findings to the ids that are still free, and is used up.

    A step is ``at_fault`` where a cause answers its question, whatever its checks saw.
    """
    mine = [outcome for outcome in outcomes if outcome.step is step]
    ran = [outcome for outcome in mine if outcome.status is Status.RAN]
    severities = [*(outcome.severity for outcome in ran), *([Severity.FAIL] if at_fault else [])]
    worst = max(severities, key=lambda severity: severity.rank, default=None)
    ordered = sorted(ran, key=lambda outcome: -outcome.severity.rank)
    return StepView(
        name=step.value,
        question=step.question,
        state="not checked" if worst is None else labels.SEVERITY[worst],
        tally=_tally(ran, len(mine) - len(ran)) + ("; a cause is named" if at_fault else ""),
        checks=tuple(_check(outcome, unused) for outcome in ordered),
    )


def _tally(ran: list[Outcome], not_run: int) -> str:
    if not ran and not not_run:
        return "no check of this step in this run"
    first = len(ran) or not_run
    checks = f"{first} check{'' if first == 1 else 's'}"
    if not ran:
        return f"{checks} did not run"
    return f"{checks} ran" + (f", {not_run} did not" if not_run else "")


def _without_copies(findings: tuple[Finding, ...]) -> list[Finding]:
    """Without the micro averages where accuracy is there: of classes that exclude each other they are the same number."""
    if not any(finding.subject == "accuracy" for finding in findings):
        return list(findings)
    return [
        finding.model_copy(update={"evidence": tuple(map(_without_micro_rows, finding.evidence))})
        for finding in findings
        if finding.subject not in _MICRO
    ]


def _without_micro_rows(evidence: Evidence) -> Evidence:
    if not isinstance(evidence, Table):
        return evidence
    lines = tuple(row for row in evidence.rows if row[0] not in _MICRO.values())
    return evidence if len(lines) == len(evidence.rows) else evidence.model_copy(update={"rows": lines})


def _check(outcome: Outcome, unused: dict[str, str]) -> CheckView:
    results = sorted(_without_copies(outcome.findings), key=lambda finding: -finding.severity.rank)
    views = [(finding.severity, finding_view(finding, unused)) for finding in results]
    ok = tuple(view for severity, view in views if severity is Severity.OK)
    exactness = {view.exactness for view in ok}
    return CheckView(
        code=outcome.code,
        title=outcome.title,
        severity=labels.SEVERITY[outcome.severity],
        open=tuple(view for severity, view in views if severity is not Severity.OK),
        ok=ok,
        common=exactness.pop() if len(exactness) == 1 else "",
    )


def finding_view(finding: Finding, unused: dict[str, str]) -> FindingView:
    """One finding, written out."""
    lines = [] if finding.estimate is None else [say.free_estimate(finding.estimate, finding.unit)]
    if finding.p_value is not None:
        lines.append(say.p_value(finding.p_value))
    before, after = _pair(finding)
    return FindingView(
        anchor=unused.pop(finding.key, ""),  # an id stands once on a page, whatever a check repeats
        code=finding.code,
        subject=finding.subject,
        severity=labels.SEVERITY[finding.severity],
        summary=finding.summary,
        detail=_detail(finding),
        before=before,
        after=after,
        estimate=", ".join(lines),
        missed="" if finding.detectable is None else say.free_size(finding.detectable, finding.unit),
        exactness=finding.basis,
        since="" if finding.since is None else say.moment(finding.since),
        figures=tuple((name.replace("_", " "), scalar(value)) for name, value in finding.numbers.items()),
        evidence=finding.evidence,
    )


def _detail(finding: Finding) -> str:
    for start in (f"{finding.subject}: ", f"{finding.subject} "):
        if finding.subject and finding.summary.startswith(start):
            return finding.summary[len(start) :]
    return finding.summary


def _pair(finding: Finding) -> tuple[str, str]:
    """The figures called ``reference`` and ``current``, as levels in the finding's unit."""
    numbers = finding.numbers
    before, after = (_level(numbers.get(name), finding.unit) for name in ("reference", "current"))
    return (before, after) if before and after else ("", "")


def _level(value: Scalar, unit: str) -> str:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return ""
    if unit in say.POINTS or unit in say.SHARES:
        return say.percent(value, 1)
    return say.number(value, 4)


def scalar(value: Scalar) -> str:
    """Any single value as a person would write it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return say.count(value)
    return say.number(value, 4) if isinstance(value, float) else value


def lone_finding(finding: Finding) -> FindingView:
    """A finding by itself, with the first of its charts; strings of foreign origin are made safe to show first."""
    view = finding_view(cleaned(finding), {})
    return replace(view, evidence=view.evidence[:MOST_LONE_CHARTS])
