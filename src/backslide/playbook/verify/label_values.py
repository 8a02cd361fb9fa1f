"""Are there labels that are new, or gone?

Class labels that occur in one window only: new values in the feedback (a class that reviewers opened, another spelling, a code of
a new system) and classes of which none came any more, with the days on which they were seen.

**Why it matters.** A model can never be right about a class it was not taught, and recall, precision and F1 of a class that is
gone are not estimable: both drop out of averages silently.

**Stays quiet** when a label so rare could be missing from one of the windows by chance: the chance that all its rows, and that
all days on which it came, fell into one window (whichever is larger), times the labels looked at (Holm), is over 0.5 %. So at
most about 0.5 % of quiet reports show one. A label of less than half of `min_effect` of its window's rows is a note.

**What to do.** Ask who labels: a new class needs labelled rows and a model that knows it; another spelling needs one line of
mapping. Of a class that is gone, look whether its rows are still predicted (then labels stopped), or came no more.

**References.** Holm (1979).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.special import gammaln

from backslide.case import Case, Side
from backslide.contracts import say
from backslide.contracts.evidence import Bars
from backslide.contracts.finding import Finding, Severity, Step
from backslide.engine.columns import names
from backslide.playbook import scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.stats.change.metric_change import VERDICT_ALPHA
from backslide.stats.two_sample import holm

SHOWN = 12
"""Labels that are told one by one; the rest is counted."""
WARN_SHARE = 0.5


@dataclass(frozen=True)
class _LabelDays:
    """Rows and days of each label in a window."""

    rows: dict[str, int]
    days: dict[str, set[str]]
    every_day: set[str]
    predicted: dict[str, int]

    @property
    def labelled(self) -> int:
        return sum(self.rows.values())

    @staticmethod
    def of(side: Side) -> _LabelDays:
        dated = side.profile.plan.cells[:1] == (names.DAY,)
        days = _LabelDays({}, {}, set(), {})
        for key, count in side.profile.cells.items():
            label, prediction = key[-2:]
            if prediction is not None:
                days.predicted[prediction] = days.predicted.get(prediction, 0) + count
            if label is None:
                continue
            days.rows[label] = days.rows.get(label, 0) + count
            if dated and key[0] is not None:
                days.days.setdefault(label, set()).add(key[0])
                days.every_day.add(key[0])
        return days


class LabelValues(Check):
    code = "VER010"
    title = "Labels that are new or gone"
    step = Step.VERIFY
    quick = True
    family = False
    needs = (Need.CLASSIFICATION, Need.LABELS)

    def run(self, case: Case) -> Iterable[Finding]:
        """A finding for each label that one window alone has beyond chance, most frequent first, or one that all is well."""
        days = [_LabelDays.of(side) for side in case.sides]
        alone = [(label, at) for at in (0, 1) for label in sorted(set(days[at].rows) - set(days[1 - at].rows))]
        adjusted = holm([_chance(label, days[at], days[1 - at]) for label, at in alone])
        sure = [(label, at, float(p)) for (label, at), p in zip(alone, adjusted, strict=True) if p < VERDICT_ALPHA]
        sure.sort(key=lambda one: -days[one[1]].rows[one[0]] / max(days[one[1]].labelled, 1))
        for place, (label, at, p) in enumerate(sure[:SHOWN]):
            finding = self._finding(case, label, at, p, days)
            yield finding if place else finding.model_copy(update={"evidence": (_shares(sure[:SHOWN], days),)})
        if len(sure) > SHOWN:
            rest = sum(days[at].rows[label] for label, at, _ in sure[SHOWN:])
            yield Finding(
                code=self.code,
                subject="other labels",
                severity=Severity.NOTE,
                basis="all labelled rows",
                summary=f"{len(sure) - SHOWN} more labels occur in one window only, {say.count(rest)} rows together",
                numbers={"labels": len(sure) - SHOWN, "rows": rest},
            )
        if not sure:
            known = len(set(days[0].rows) | set(days[1].rows))
            yield Finding(
                code=self.code,
                subject="labels",
                severity=Severity.OK,
                basis="all labelled rows",
                summary=f"of {known} labels none is new or gone beyond chance",
                numbers={"labels": known},
            )

    def _finding(self, case: Case, label: str, at: int, p_value: float, days: list[_LabelDays]) -> Finding:
        own, other = days[at], days[1 - at]
        share = own.rows[label] / max(own.labelled, 1)
        rows = f"{say.count(own.rows[label])} rows, {say.percent(share)}"
        if at == 1:
            began = min(own.days.get(label, {""}))
            since = f" since {began}" if began else ""
            never = "" if own.predicted.get(label) else "; it is never predicted"
            summary = f"label {label!r} is new{since}: {rows}, none in the reference{never}"
        else:
            still = other.predicted.get(label, 0)
            note = f"; {say.count(still)} rows are still predicted so" if still else ""
            began, summary = "", f"label {label!r} is gone: none now, {rows} of the reference{note}"
        return Finding(
            code=self.code,
            subject=label,
            summary=summary,
            p_value=p_value,
            basis="all labelled rows",
            severity=Severity.WARN if share >= WARN_SHARE * case.problem.min_effect else Severity.NOTE,
            since=began or None,
            numbers={
                "rows_reference": days[0].rows.get(label, 0),
                "rows_current": days[1].rows.get(label, 0),
                "share": share,
                "predicted_current": days[1].predicted.get(label, 0),
            },
        )

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Reviewers open a third class."""
        current = scenarios.next_month(rng)
        late = pl.Series(rng.random(current.height) < 0.1)
        current = current.with_columns(
            label=pl.when(late & (pl.col("label") == "yes")).then(pl.lit("maybe")).otherwise("label")
        )
        roles = {role: column for role, column in scenarios.ROLES.items() if role not in ("scores", "positive")}
        return Scenario(scenarios.served(rng), current, {**roles, "task": "multiclass"}, None, "maybe")


def _shares(alone: list[tuple[str, int, float]], days: list[_LabelDays]) -> Bars:
    """Shares of the labels that one window alone has."""
    shares = [[days[at].rows.get(label, 0) / max(days[at].labelled, 1) for label, _, _ in alone] for at in (0, 1)]
    first, at, _ = alone[0]
    return Bars(
        title="Labels of one window alone",
        reading=f"{first!r}, {say.percent(shares[at][0])} of the {('reference', 'current')[at]} labels, is most of it.",
        x="label",
        categories=tuple(label for label, _, _ in alone),
        reference=tuple(shares[0]),
        current=tuple(shares[1]),
    )


def _chance(label: str, own: _LabelDays, other: _LabelDays) -> float:
    """That all rows of a label, and all days on which it came, fell into its window, were rows and days drawn at random."""
    by_rows = _all_of_one(own.rows[label], own.labelled, other.labelled)
    by_days = _all_of_one(len(own.days.get(label, ())), len(own.every_day), len(other.every_day))
    return max(by_rows, by_days)


def _all_of_one(draws: int, here: int, there: int) -> float:
    """Chance that ``draws`` of ``here + there`` things are all of the first kind (hypergeometric); 0 where there are no such
    things at all (rows without days), which then say nothing."""
    if not here:
        return 0.0
    if not there:
        return 1.0
    ways = gammaln(here + 1) - gammaln(here - draws + 1) - gammaln(here + there + 1) + gammaln(here + there - draws + 1)
    return float(np.exp(ways))
