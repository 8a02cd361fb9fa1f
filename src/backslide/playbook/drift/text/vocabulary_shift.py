"""Can the windows be told apart by what their texts say?

For every column of running text, on a sample: logistic regression on TF-IDF of words and pairs of words, regularised and
cross-fitted over stretches of days, with its AUC and the interval of it, over all texts and within each class; and the words
and phrases that come more or less often by more than chance.

**Why it matters.** Length, language and characters can all be as they were while the texts speak of something else. Which
words tell the windows apart says what, and within which class says whether it is more than another mix of classes.

**Stays quiet** when the AUC stays under 0.55 or its interval holds 0.5, with the day as unit where rows have times and at
least five days on either side; with fewer days the AUC is shown and not judged. Error rate: at most 1 % of quiet reports; 95
% of the intervals hold 0.5 when nothing happened. Words are named at a family-wise error rate of 1 % over all words of a
column.

**What to do.** Read the words. Boilerplate and codes point to a fault; names and events to the world: label texts that hold
them.

References: Monroe, Colaresi and Quinn (2008); DeLong, DeLong and Clarke-Pearson (1988); Obuchowski (1997); Rabanser,
Guennemann and Lipton (2019).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from backslide.case import Case
from backslide.contracts import say
from backslide.contracts.evidence import Evidence, RankedRow, Ranking, Table
from backslide.contracts.finding import Finding, Severity, Step
from backslide.engine.columns import names
from backslide.playbook import scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.playbook.drift import change_of_column
from backslide.playbook.drift.text import text_columns
from backslide.playbook.drift.text.text_columns import Passages
from backslide.playbook.findings import enough_days, separation_finding, separation_severity
from backslide.stats.arrays import Mask
from backslide.stats.drift.domain_classifier import Separation
from backslide.stats.text.tfidf import Bag, Term, telling_terms, text_separation
from backslide.stats.two_sample import Z95

MIN_CLASS = 60
"""Texts of a class in either window from which it is looked at alone."""
MOST_CLASSES = 8


@dataclass(frozen=True)
class TextDomainFloors:
    auc: float = 0.55
    """Telling windows apart in eleven of twenty pairs of texts."""
    large_auc: float = 0.75


class TextDomain(Check):
    code = "DRF010"
    title = "Words of texts"
    step = Step.DRIFT
    needs = (Need.TEXT,)
    thresholds = TextDomainFloors()

    def run(self, case: Case) -> Iterable[Finding]:
        """One finding per column of text."""
        for column in text_columns.text_columns(case):
            held = text_columns.passages(case, column)
            bag = None if held is None else text_columns.bag(case, held)
            if held is not None and bag is not None:
                yield self._finding(case, held, bag)

    def _finding(self, case: Case, passages: Passages, bag: Bag) -> Finding:
        floors, rows = self.thresholds, (len(passages.texts[0]), len(passages.texts[1]))
        result = text_separation(bag, passages.days, case.rng(f"words of {passages.column}"))
        auc, judged = result.overall, enough_days(passages.days)
        severity = separation_severity(auc, floors.auc, floors.large_auc, judged=judged)
        loud = severity != Severity.OK
        terms = telling_terms(bag) if loud else []
        more, less = [t for t in terms if t.z > 0], [t for t in terms if t.z < 0]
        summary = (
            f"{passages.column}: a classifier of words tells the windows apart with AUC {say.number(auc.auc, 3)} "
            "(0.5 is not at all)"
        )
        for verb, side in (("more", more), ("less", less)):
            words = say.listed([repr(text_columns.quoted(t.term, 40)) for t in side], 4)
            summary += f"; {verb} {words}" if side else ""
        values = passages.aligned(case, (1 - result.places[0], result.places[1]))
        return separation_finding(
            self,
            passages.column,
            summary,
            auc,
            severity=severity,
            floor=floors.auc,
            judged=judged,
            rows=min(rows),
            basis=change_of_column.basis(case, rows, "texts"),
            since=change_of_column.since(case, values) if loud else None,
            numbers={
                "terms": len(bag.terms),
                "more": ", ".join(t.term for t in more)[:200],
                "less": ", ".join(t.term for t in less)[:200],
            },
            evidence=(*_words(terms, summary), *_by_class(case, passages, bag, result.within)) if loud else (),
        )

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Notes about accidents come in the place of those about travel."""
        reference = scenarios.with_notes(scenarios.served(rng), rng)
        now = {"loan": 1.0, "claim": 2.5, "health": 1.0, "phone": 1.0}
        current = scenarios.with_notes(scenarios.next_month(rng), rng, topics=now)
        return Scenario(reference, current, dict(scenarios.ROLES), None, "note")


def _words(terms: list[Term], reading: str) -> tuple[Evidence, ...]:
    if not terms:
        return ()
    rows = tuple(
        RankedRow(
            label=text_columns.quoted(t.term, 40),
            value=t.log_odds,
            low=t.log_odds - Z95 * abs(t.log_odds / t.z),
            high=t.log_odds + Z95 * abs(t.log_odds / t.z),
            note=f"{say.percent(t.before)} → {say.percent(t.after)} of the texts",
        )
        for t in sorted(terms, key=lambda t: -t.log_odds)
    )
    return (
        Ranking(
            title="Words that tell the windows apart",
            reading=f"{reading}.",
            x="log odds, current over reference",
            rows=rows,
        ),
    )


def _by_class(case: Case, held: Passages, bag: Bag, within: object) -> tuple[Evidence, ...]:
    """The same classifier and the words within each class, as labelled where labels are known, else as predicted."""
    if not case.problem.classification or not callable(within):
        return ()
    by = names.LABEL if case.has_labels else names.PREDICTION
    if any(by not in side.sample.columns for side in case.sides):
        return ()
    labels = [np.array(own, object) for own in held.column_of(case, by)]
    found: list[tuple[str, Separation, list[Term], int, int]] = []
    for label in case.problem.classes:
        rows: list[Mask] = [own == label for own in labels]
        if min(int(r.sum()) for r in rows) < MIN_CLASS:
            continue
        pair = rows[0], rows[1]
        found.append(
            (label, within(pair, held.days), telling_terms(bag, pair, 4), int(rows[0].sum()), int(rows[1].sum()))
        )
    if not found:
        return ()
    found.sort(key=lambda one: (-one[1].auc, one[0]))
    kind = "labelled" if by == names.LABEL else "predicted"
    first = found[0]
    low, high = (say.number(v, 3) for v in (first[1].low, first[1].high))
    reading = (
        f"Within texts {kind} {text_columns.quoted(first[0], 40)!r} the windows are told apart with AUC "
        f"{say.number(first[1].auc, 3)} ({low} to {high}), within each of {len(found)} classes with at least "
        f"{say.number(found[-1][1].auc, 3)}."
    )
    rows_shown = tuple(
        (
            label,
            before,
            after,
            round(own.auc, 3),
            " to ".join(say.fixed(end, 3) for end in (own.low, own.high)),
            ", ".join(f"{'+' if t.z > 0 else '−'}{text_columns.quoted(t.term, 30)}" for t in terms)
            or "none beyond chance",
        )
        for label, own, terms, before, after in found[:MOST_CLASSES]
    )
    columns = (f"class ({kind})", "reference texts", "current texts", "AUC", "95% interval", "words")
    return (Table(title="Within each class", reading=reading, columns=columns, rows=rows_shown),)
