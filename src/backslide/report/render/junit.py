"""An answer as JUnit XML, which every CI server shows: one test case a requirement, a part, a cause or a difference."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from backslide.contracts import say
from backslide.contracts.cause import Cause
from backslide.contracts.diagnosis import Diagnosis, Verdict
from backslide.contracts.gate import Gate
from backslide.contracts.integrity import Integrity
from backslide.contracts.shadow import Shadow, ShadowVerdict
from backslide.contracts.values import Value

_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML 1.0 document may hold."""


@dataclass(frozen=True)
class ReportedCase:
    """One test case: passed without a message, failed or skipped with one."""

    name: str
    failure: str | None = None
    """First line: what a list of failures shows; the rest below it."""
    skipped: str | None = None
    """Why it could not be judged."""


def junit(answer: Value) -> str:
    """A JUnit document of one suite.

    Raises:
        TypeError: for an answer that holds nothing to pass or to fail.
    """
    for kind, (name, cases) in _CASES.items():
        if isinstance(answer, kind):
            return _document(f"backslide {name}", list(cases(answer)))
    raise TypeError(f"{type(answer).__name__} has no form as JUnit XML")


def _document(suite: str, cases: list[ReportedCase]) -> str:
    counts = {
        "tests": str(len(cases)),
        "failures": str(sum(case.failure is not None for case in cases)),
        "errors": "0",
        "skipped": str(sum(case.skipped is not None for case in cases)),
    }
    root = ElementTree.Element("testsuites", counts)
    element = ElementTree.SubElement(root, "testsuite", {"name": suite, **counts})
    for case in cases:
        test = ElementTree.SubElement(element, "testcase", {"classname": suite, "name": _plain(case.name)})
        if case.failure is not None:
            first = case.failure.splitlines()[0] if case.failure else ""
            ElementTree.SubElement(test, "failure", {"message": _plain(first)}).text = _plain(case.failure)
        elif case.skipped is not None:
            ElementTree.SubElement(test, "skipped", {"message": _plain(case.skipped)})
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _plain(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)


def _of_diagnosis(answer: Diagnosis) -> Iterator[ReportedCase]:
    """The verdict, every part that got worse, and every cause."""
    if answer.verdict is Verdict.INCONCLUSIVE:
        yield ReportedCase("verdict", skipped=answer.summary)
    else:
        yield ReportedCase("verdict", answer.to_text() if answer.verdict.bad else None)
    for part in answer.parts:
        share = part.kind != "cost" and answer.inputs.task != "regression"
        size = say.change(part.change.estimate, share=share)
        yield ReportedCase(f"{part.kind} {part.name}", f"{say.metric(part.metric)} moved by {size}")
    if answer.verdict.bad:
        yield from (ReportedCase(_cause_name(cause), f"{cause.summary}\n{cause.next_step}") for cause in answer.causes)


def _cause_name(cause: Cause) -> str:
    return f"cause {cause.rank}: {cause.kind.words} {say.listed(cause.features)}".strip()


def _of_gate(answer: Gate) -> Iterator[ReportedCase]:
    """Every requirement."""
    for line in answer.lines:
        name = " ".join(dict.fromkeys((line.kind, line.name, line.metric)))
        if line.passed is None:
            yield ReportedCase(name, skipped=line.note or "could not be judged")
        else:
            yield ReportedCase(name, None if line.passed else f"not met: {line.rule}\n{line.note}".strip())


def _of_shadow(answer: Shadow) -> Iterator[ReportedCase]:
    """The verdict, and every class and segment."""
    if answer.verdict is ShadowVerdict.INCONCLUSIVE:
        yield ReportedCase("verdict", skipped=answer.summary)
    else:
        yield ReportedCase("verdict", answer.to_text() if answer.verdict.held else None)
    for part in (*answer.classes, *answer.segments):
        name = f"{part.kind} {part.name}"
        if part.comparison is None:
            yield ReportedCase(name, skipped="too few labelled rows")
        else:
            yield ReportedCase(name, "the new model loses here, although not overall" if part.masked else None)


def _of_integrity(answer: Integrity) -> Iterator[ReportedCase]:
    """Every difference that could hurt fails; the others pass, so that they are listed."""
    yield ReportedCase("snapshots compared")
    for difference in answer.differences:
        text = f"{difference.meaning}\n{difference.reason}"
        hurts = difference.risk != "unlikely"
        yield ReportedCase(f"{difference.kind.words} {difference.subject}", text if hurts else None)


_CASES: dict[type[Value], tuple[str, Callable[[Any], Iterator[ReportedCase]]]] = {
    Diagnosis: ("diagnose", _of_diagnosis),
    Gate: ("gate", _of_gate),
    Shadow: ("shadow", _of_shadow),
    Integrity: ("integrity", _of_integrity),
}
