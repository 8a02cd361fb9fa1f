"""What the labels cover: every class, rows of every decision, and as many rows as before.

A metric over labels of one class alone, or over rows that one decision was made for, is not the metric of the model: whoever
confirms fraud only, or reviews only what was flagged, measures recall or precision and calls it accuracy. Such labels decide
nothing. Classes that are new or gone, and labels that stop coming, are said in the first lines.
"""

from __future__ import annotations

from collections.abc import Mapping

from backslide.case import Case, Side
from backslide.contracts import say
from backslide.contracts.finding import Outcome, Severity
from backslide.engine.columns import names

CHANCE = 1e-3
"""Chance, rows drawn at random, under which labels of one class alone, or for one decision alone, are no accident."""
ENOUGH = 30
"""Labels of each window from which it tells something that all of both are of one class."""
FEWER = 0.5
"""Of the reference's share of labelled rows under which labels went missing."""
LEAST = 100
"""Rows of a window, and labelled rows of the reference, from which shares of labelled rows are compared."""
SAID = 2
"""Classes that are new or gone which the summary tells; the others are counted there and told among the warnings."""
PLAIN = 0.05
"""Share of the labels of its window from which a class that the other lacks is said however few the days are."""
LABELS = "VER010"
"""The check of labels that are new or gone."""


def undecided(case: Case) -> str:
    """Why these labels cannot carry a verdict, as a sentence's beginning in lower case; empty where they can."""
    if not (case.problem.classification and case.has_labels):
        return ""
    return _one_class(case) or _one_decision(case)


def _one_class(case: Case) -> str:
    counts = [_label_rows(side.window.label_counts) for side in case.sides]
    for at, name in ((1, "current"), (0, "reference")):
        own, other = counts[at], counts[1 - at]
        if len(own) != 1:
            continue
        (label, rows), total = next(iter(own.items())), sum(other.values())
        if len(other) > 1 and (other.get(label, 0) / total) ** rows >= CHANCE:
            continue  # so few rows of so frequent a class are all of one class by chance
        if set(other) == set(own):
            if min(rows, total) < ENOUGH:
                continue
            return (
                f"every label of both windows is {label!r}: what happened to rows of the other classes is not known, so "
                f"{say.metric(case.metric.name)} over these rows is not that of the model; label rows of every class"
            )
        there = say.listed([repr(c) for c in other])
        return (
            f"every label of the {name} window is {label!r} ({say.count(rows)} rows), where the other "
            f"window has {there}: rows of other "
            f"classes have no label there, so {say.metric(case.metric.name)} over these rows is not that of the model; label "
            "rows of every class"
        )
    return ""


def _one_decision(case: Case) -> str:
    """Labels for the rows of one decision alone in the current window, and not in the reference."""
    decisions = [_decisions(side) for side in case.sides]
    labelled, every = decisions[1]
    if len(labelled) != 1 or len(every) < 2 or len(decisions[0][0]) < 2:
        return ""
    (label, rows), total = next(iter(labelled.items())), sum(every.values())
    if (every.get(label, 0) / total) ** rows >= CHANCE:
        return ""
    return (
        f"only rows predicted {label!r} are labelled in the current window ({say.count(rows)} of "
        f"{say.count(total)}), where the reference has "
        f"labels for every decision: {say.metric(case.metric.name)} over these rows is not that of the model; label rows of "
        "every decision"
    )


def _label_rows(counts: Mapping[str, int]) -> dict[str, int]:
    return {label: rows for label, rows in counts.items() if rows}


def _decisions(side: Side) -> tuple[dict[str, int], dict[str, int]]:
    """Labelled rows and all rows by predicted class."""
    labelled: dict[str, int] = {}
    every: dict[str, int] = {}
    if names.LABEL not in side.profile.plan.cells or names.PREDICTION not in side.profile.plan.cells:
        return labelled, every
    for key, count in side.profile.cells.items():
        label, prediction = key[-2:]
        if prediction is None:
            continue
        every[prediction] = every.get(prediction, 0) + count
        if label is not None:
            labelled[prediction] = labelled.get(prediction, 0) + count
    return labelled, every


def sentences(case: Case, outcomes: tuple[Outcome, ...]) -> tuple[str, ...]:
    """What the first lines say about the labels: classes that are new or gone, and labels that no longer come."""
    if not case.has_labels:
        return ()
    results = [f for o in outcomes if o.code == LABELS for f in o.findings if f.severity.rank >= Severity.WARN.rank]
    texts = [say.sentence(f.summary) for f in results[:SAID]]
    if len(results) > SAID:
        texts.append(f"{len(results) - SAID} more labels are new or gone.")
    return (*texts, *_plain(case, {f.subject for f in results}), *_fewer(case))


def _plain(case: Case, known: set[str]) -> tuple[str, ...]:
    """Sentences on classes of one window alone that hold so many rows that days with luck of their own are no excuse."""
    if not case.problem.classification:
        return ()
    counts = [_label_rows(side.window.label_counts) for side in case.sides]
    texts = []
    for at, words in ((1, "is new: {rows}, none in the reference"), (0, "is gone: none now, {rows} of the reference")):
        own, other = sum(counts[at].values()), sum(counts[1 - at].values())
        for label, rows in counts[at].items():
            share = rows / own
            if label in known or label in counts[1 - at] or share < PLAIN or (1 - share) ** other >= CHANCE:
                continue
            texts.append(f"Label {label!r} {words.format(rows=f'{say.count(rows)} rows, {say.percent(share)}')}.")
    return tuple(texts[:SAID])


def _fewer(case: Case) -> tuple[str, ...]:
    """A sentence where far fewer rows are labelled than in the reference."""
    before, after = (side.window for side in case.sides)
    if min(before.rows, after.rows) < LEAST or before.labelled < LEAST:
        return ()
    shares = [window.labelled / window.rows for window in (before, after)]
    if shares[1] >= FEWER * shares[0]:
        return ()
    last = _last_day(case.current)
    since = f", none after {last}" if last else ""
    return (
        f"Labels are missing or still to come: {say.percent(shares[1])} of the current rows have one{since}, "
        f"{say.percent(shares[0])} of the reference's do; the metric covers the labelled rows alone.",
    )


def _last_day(side: Side) -> str:
    """The last day with a label, where rows go on without one for days after it; empty elsewhere."""
    if side.profile.plan.cells[:1] != (names.DAY,) or len(side.profile.plan.cells) < 2:
        return ""
    days = sorted({str(key[0]) for key in side.profile.cells if key[0] is not None})
    known = sorted({str(key[0]) for key in side.profile.cells if key[0] is not None and key[1] is not None})
    return known[-1] if known and days.index(known[-1]) < len(days) - 2 else ""
