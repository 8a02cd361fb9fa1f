"""What a check says: findings with severity, estimate and evidence, and the outcome that holds them."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from backslide.contracts import say
from backslide.contracts.evidence import Evidence
from backslide.contracts.rendering import Display
from backslide.contracts.values import Value

Scalar = str | int | float | bool | None


class Step(StrEnum):
    """The steps of the playbook in the order a person walks them."""

    VERIFY = "verify"
    SHADOW = "shadow"
    DRIFT = "drift"
    CONCEPT = "concept"
    INTEGRITY = "integrity"
    EXPLAIN = "explain"

    @property
    def question(self) -> str:
        """The question that the step answers."""
        return _QUESTIONS[self]


_QUESTIONS = {
    Step.VERIFY: "Is the feeling true?",
    Step.SHADOW: "Old or new model?",
    Step.DRIFT: "Did the inputs move?",
    Step.CONCEPT: "Did the relation change?",
    Step.INTEGRITY: "Did we break it ourselves?",
    Step.EXPLAIN: "Does the model lean on other features?",
}


class Severity(StrEnum):
    """How much a finding should worry, from ``ok`` to ``fail``."""

    OK = "ok"
    NOTE = "note"
    WARN = "warn"
    FAIL = "fail"

    @property
    def rank(self) -> int:
        """0 for ok up to 3 for fail."""
        return list(Severity).index(self)


class Status(StrEnum):
    """What became of a check."""

    RAN = "ran"
    NOT_APPLICABLE = "not_applicable"
    SKIPPED = "skipped"
    MUTED = "muted"
    FAILED = "failed"


class Estimate(Value):
    """A number with its 95 % interval. Fractions for classification (0.034 = 3.4 points), the metric's unit for regression."""

    estimate: float
    low: float | None = None
    high: float | None = None
    basis: Literal["all", "sample"] = "all"
    n: int | None = None
    """Rows of the sample where ``basis`` is ``sample``."""

    def __str__(self) -> str:
        """``+0.034 [+0.023, +0.045]``."""
        if self.low is None or self.high is None:
            return say.signed(self.estimate, 4)
        return f"{say.signed(self.estimate, 4)} [{say.signed(self.low, 4)}, {say.signed(self.high, 4)}]"

    def clear_of_zero(self) -> bool:
        """Whether the interval lies wholly on one side of zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


class Finding(Display):
    """One answer of a check about one subject (a column, a class, a score, the whole window)."""

    code: str
    subject: str
    severity: Severity
    summary: str
    """One sentence with the numbers in the subject's own units."""
    estimate: Estimate | None = None
    unit: str = ""
    p_value: float | None = None
    detectable: float | None = None
    """What a green light could miss: the smallest change flagged with 80 % power, in the unit of ``estimate``."""
    basis: str = ""
    """How exact figures from bins or a sample are: ``all rows, KS exact to 1/128`` or ``sample of 20 000 rows``."""
    since: str | None = None
    """ISO date or time from which on the change shows, where the rows have times."""
    numbers: dict[str, Scalar] = {}
    """Named figures behind the sentence, for programs."""
    evidence: tuple[Evidence, ...] = ()

    @property
    def key(self) -> str:
        """How causes refer to a finding: ``DRF001:income``."""
        return f"{self.code}:{self.subject}"

    def one_line(self) -> str:
        return f"Finding {self.code} {self.subject}, {self.severity}: {self.summary}"


class Outcome(Value):
    """What one check did: its status, why it did not run, and its findings."""

    code: str
    title: str
    step: Step
    status: Status
    severity: Severity = Severity.OK
    reason: str = ""
    """Why it did not run (``no labels``) or failed; empty otherwise."""
    findings: tuple[Finding, ...] = ()
