"""Runs the checks, each contained: one that fails is an outcome, never the end of the run."""

from __future__ import annotations

import dataclasses
import sys
from collections import deque
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from scipy import stats

from backslide.case import Case, Progress
from backslide.contracts.containment import let_through
from backslide.contracts.countdown import Countdown
from backslide.contracts.errors import ConfigError, did_you_mean, lacks_rows
from backslide.contracts.finding import Finding, Outcome, Severity, Status
from backslide.playbook.base import Check
from backslide.playbook.registry import all_checks
from backslide.playbook.workers.parcel import pack
from backslide.playbook.workers.pool import WORKERS, worth_it

LEFT_OUT = "left out of a quick diagnosis; run it without --quick"


def run_checks(case: Case, progress: Progress | None = None, *, quick: bool = False) -> tuple[Outcome, ...]:
    """Outcomes of every check, in the order of the playbook, with false discoveries controlled over the whole report.

    With ``quick``, checks that only describe are listed as skipped.
    """
    return CheckRun(case, progress, quick=quick).finish()


@dataclasses.dataclass(frozen=True)
class CheckAnswer:
    """What came of one check, and what it noted on the case."""

    outcome: Outcome
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


class CheckRun:
    """The checks of a case. Where there are workers, they begin at the end while this process does other things.

    Raises:
        ConfigError: a check, or a threshold of one, that there is not.
    """

    def __init__(self, case: Case, progress: Progress | None = None, *, quick: bool = False) -> None:
        self.case, self.progress, self.checks = case, progress, all_checks()
        _refuse_unknown(case.settings.checks, self.checks)
        for check in self.checks:
            _thresholds(check, _section(check, case)[0])
        self.asked = [check for check in self.checks if check.quick or not quick]
        self.answers: dict[str, CheckAnswer | Exception] = {}
        self.countdown = Countdown(len(self.asked))
        parcel = pack(case) if WORKERS.idle and worth_it(case) else None
        self.workers = [] if parcel is None else WORKERS.take()
        self.here = deque(check.code for check in self.asked if not self.workers or not _travels(check))
        self.anywhere = deque(in_turn([check for check in self.asked if check.code not in self.here]))
        if parcel is None or not self.workers:
            self._work()
            return
        for worker in self.workers:
            worker.hand(parcel, self.anywhere, self.answers)

    def finish(self) -> tuple[Outcome, ...]:
        """Outcomes of every check, in the order of the playbook; whatever no worker has begun is done here."""
        self._work()
        for worker in self.workers:
            worker.wait()
        self._work()  # what a worker that died left
        for check in self.asked:
            answer = self.answers[check.code]
            if isinstance(answer, Exception):
                raise answer
            for known, some in ((self.case.notes, answer.notes), (self.case.warnings, answer.warnings)):
                known += [sentence for sentence in some if sentence not in known]
        outcomes = tuple(self._outcome(check) for check in self.checks)
        family = {check.code for check in self.checks if check.family}
        return control_false_discoveries(outcomes, family, self.case.settings.engine.false_discovery_rate)

    def _work(self) -> None:
        by_code = {check.code: check for check in self.asked}
        while (code := _first(self.here) or _first(self.anywhere)) is not None:
            check = by_code[code]
            if self.progress:
                self.progress(f"{check.step}: {check.title} (check {self.countdown.words(len(self.answers))})")
            self.answers[code] = run_check(check, self.case)

    def _outcome(self, check: type[Check]) -> Outcome:
        answer = self.answers.get(check.code)
        if isinstance(answer, CheckAnswer):
            return answer.outcome
        return Outcome(code=check.code, title=check.title, step=check.step, status=Status.SKIPPED, reason=LEFT_OUT)


def in_turn(checks: Sequence[type[Check]]) -> list[str]:
    """Codes of checks that several processes share: this one takes the first and a worker the last, so that both begin with what
    takes long. Of equal efforts the order is that of the playbook."""
    return [check.code for check in sorted(checks, key=lambda check: check.effort)]


def _first(codes: deque[str]) -> str | None:
    """The first code, taken out; a worker may have taken the last one meanwhile."""
    try:
        return codes.popleft()
    except IndexError:
        return None


def _travels(check: type[Check]) -> bool:
    """Whether a worker may do it: checks of other packages are run where they were registered."""
    return check.travels and check.__module__.startswith("backslide.")


def run_check(check: type[Check], case: Case) -> CheckAnswer:
    """One check, with what it noted."""
    notes, warnings = len(case.notes), len(case.warnings)
    outcome = _run(check, case)
    return CheckAnswer(outcome, tuple(case.notes[notes:]), tuple(case.warnings[warnings:]))


def _refuse_unknown(configured: dict[str, Any], checks: tuple[type[Check], ...]) -> None:
    codes = [check.code for check in checks]
    for code, section in configured.items():
        if code not in codes:
            raise ConfigError(f"[checks] {code!r} is not a check{did_you_mean(code, codes)}")
        if not isinstance(section, dict):
            raise ConfigError(f"[checks] {code}: expected a table such as [checks.{code}], found {section!r}")


def _run(check: type[Check], case: Case) -> Outcome:
    facts: dict[str, Any] = {"code": check.code, "title": check.title, "step": check.step}
    section, mute = _section(check, case)
    thresholds = _thresholds(check, section)
    if mute:
        return Outcome(
            **facts, status=Status.MUTED, reason=mute if isinstance(mute, str) else "muted in the configuration"
        )
    try:
        for need in check.needs:
            if not need.met(case):
                return Outcome(**facts, status=Status.NOT_APPLICABLE, reason=need.reason(case))
        findings = tuple(check(thresholds).run(case))
    except Exception as error:  # a check must never end the run
        if case.stored and lacks_rows(error):
            return Outcome(**facts, status=Status.NOT_APPLICABLE, reason=case.stored)
        if let_through(error):
            raise
        first = (str(error).splitlines() or [""])[0]
        return Outcome(**facts, status=Status.FAILED, reason=f"{type(error).__name__}: {first}"[:300])
    return _with_findings(Outcome(**facts, status=Status.RAN), findings)


def _section(check: type[Check], case: Case) -> tuple[dict[str, Any], Any]:
    """Thresholds of a check as configured, and whether it is muted."""
    section = dict(case.settings.checks.get(check.code, {}))
    return section, section.pop("mute", False)


def _thresholds(check: type[Check], section: dict[str, Any]) -> Any:
    known = {f.name for f in dataclasses.fields(check.thresholds)} if check.thresholds is not None else set()
    for key, value in section.items():
        if key not in known:
            raise ConfigError(f"[checks.{check.code}] unknown key {key!r}{did_you_mean(key, known | {'mute'})}")
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= sys.float_info.max:
            raise ConfigError(
                f"[checks.{check.code}] {key}: expected a number that is finite, found {str(value)[:40]!r}"
            )
    return dataclasses.replace(check.thresholds, **section) if section else check.thresholds


def _with_findings(outcome: Outcome, findings: tuple[Finding, ...]) -> Outcome:
    ranked = tuple(sorted(findings, key=lambda f: -f.severity.rank))
    worst = max((f.severity for f in findings), key=lambda s: s.rank, default=Severity.OK)
    return outcome.model_copy(update={"findings": ranked, "severity": worst})


def control_false_discoveries(
    outcomes: tuple[Outcome, ...], family: Collection[str], rate: float
) -> tuple[Outcome, ...]:
    """Findings of the checks in ``family`` whose adjusted p-value exceeds ``rate`` become ``ok``.

    One family per report, whatever the step (Benjamini and Hochberg 1995).
    """
    tested = [f for o in outcomes if o.code in family for f in o.findings if f.p_value is not None]
    if not tested:
        return outcomes
    adjusted = stats.false_discovery_control(np.clip([f.p_value for f in tested], 0.0, 1.0))
    quiet = {id(f) for f, p in zip(tested, adjusted, strict=True) if p > rate}
    return tuple(
        _with_findings(o, tuple(_hush(f) if id(f) in quiet else f for f in o.findings)) if o.findings else o
        for o in outcomes
    )


def _hush(finding: Finding) -> Finding:
    if finding.severity == Severity.OK:
        return finding
    return finding.model_copy(
        update={"severity": Severity.OK, "summary": f"within noise: {finding.summary}", "since": None}
    )
