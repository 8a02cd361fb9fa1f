"""Every way in which a model's return may be read, likeliest first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from backslide.engine.roles.outcomes import Outcomes
from backslide.engine.roles.problem import Problem, order_classes
from backslide.models.answer import Reply, label_texts
from backslide.models.reading import LINKS, Reading, as_numbers, lies_within
from backslide.stats.arrays import Floats

OF_ONE = ("prediction", "predictions", "predicted", "predict", "label", "y_pred", "decision", "class")
"""Usual names of a column of decisions; and for a regression of its numbers."""
_BEFORE = ("p_", "prob_", "proba_", "probability_", "score_", "score_of_", "p ", "prob ", "score ")


def readings(problem: Problem, reply: Reply, served: Outcomes) -> Iterator[Reading]:
    """Every way to read a return, likeliest first."""
    if reply.columns is not None:
        yield from _of_columns(problem, reply, served)
        return
    if reply.scores is not None or (reply.raw is not None and reply.raw.ndim == 2):
        yield from _of_matrix(problem, reply, served)
        return
    raw = reply.raw if reply.raw is not None else reply.labels
    if raw is None:
        return
    texts = {text for text in label_texts(raw) if text is not None}
    same = problem.spellings
    if {same.get(text, text) for text in texts} <= set(problem.classes):
        yield Reading(problem, labels=(), usual=True)
    for classes in _orders(problem, served):
        names = {str(code) for code in range(len(classes))} | ({"true", "false"} if len(classes) == 2 else set())
        if texts <= names:
            yield Reading(problem, labels=classes)
    if raw.dtype.kind in "iuf" and len(problem.classes) == 2 and not texts <= {"0", "1"}:
        positive = problem.positive
        for label in sorted(problem.classes, key=lambda one: one != positive):
            for link in _links(problem, as_numbers(reply, ()), ("logit",)):
                yield Reading(
                    problem, order=(label,), link=link, usual=label == positive and link == _usual_link(problem, reply)
                )


def _usual_link(problem: Problem, reply: Reply) -> str | None:
    """The scale that is promised: probabilities, or what ``scores_are`` says where they cannot be."""
    if lies_within(as_numbers(reply, ())):
        return "probability"
    return getattr(problem.roles, "scores_are", None)


def _links(problem: Problem, numbers: Floats, logits: tuple[str, ...]) -> list[str]:
    """Scales that numbers may have."""
    stated = getattr(problem.roles, "scores_are", None)
    more = list(logits) if stated == "logit" else [stated] if stated == "percent" else []
    if lies_within(numbers):
        return list(dict.fromkeys(["probability", *more]))
    known = numbers[np.isfinite(numbers)]
    percent = ["percent"] if known.min() >= -1e-6 and known.max() <= 100 + 1e-6 else []
    return list(
        dict.fromkeys([*(more or ["probability"]), *logits, *percent])
    )  # the log need not be on the model's scale


def _orders(problem: Problem, served: Outcomes) -> Iterator[tuple[str, ...]]:
    """Orders in which a training may have numbered the classes: of text, of value, of the configuration, and turned round."""
    classes = {problem.classes[int(code)] for code in np.unique(served.predictions.astype(np.int64)) if code >= 0}
    sets = [set(problem.classes), set(problem.roles.scores), classes]
    orders: dict[tuple[str, ...], None] = {}
    for labels in sets:
        if 2 <= len(labels) <= len(problem.classes) and labels <= set(problem.classes):
            orders |= dict.fromkeys((tuple(sorted(labels)), order_classes(labels)))
    orders[tuple(problem.roles.scores)] = None
    if len(problem.classes) == 2:
        orders[tuple(reversed(problem.classes))] = None
    yield from (order for order in orders if len(order) >= 2 and set(order) <= set(problem.classes))


def _of_matrix(problem: Problem, reply: Reply, served: Outcomes) -> Iterator[Reading]:
    numbers = as_numbers(reply, ())
    k = numbers.shape[1]
    orders = [order for order in _orders(problem, served) if len(order) == k]
    for link in _links(problem, numbers, ("softmax", "logit")):
        matched = _match_classes(problem, LINKS[link][0](numbers), served)
        for order in dict.fromkeys((*orders, *((matched,) if matched else ()))):
            numbered = reply.scores is not None  # of a booster, which counts as its labels were sorted
            yield Reading(
                problem, order=order, link=link, usual=numbered and order == orders[0] and lies_within(numbers)
            )


def _match_classes(problem: Problem, scores: Floats, served: Outcomes) -> tuple[str, ...] | None:
    """The classes of the columns that come nearest to the logged answers, every class once; None where there are too few."""
    if scores.shape[1] > len(problem.classes):
        return None
    if served.scores is not None:
        logged = served.scores
    else:
        logged = np.eye(len(problem.classes))[np.maximum(served.predictions.astype(np.int64), 0)]
    known = np.isfinite(scores).all(axis=1) & np.isfinite(logged).all(axis=1)
    if not known.any():
        return None
    off = np.abs(scores[known][:, :, None] - logged[known][:, None, :]).mean(axis=0)
    return tuple(problem.classes[int(c)] for c in linear_sum_assignment(off)[1])


def _of_columns(problem: Problem, reply: Reply, served: Outcomes) -> Iterator[Reading]:
    """Columns named by label, by the logged score column, or like ``p_paid``; decisions beside them."""
    assert reply.columns is not None
    named = {column: label for column in reply.columns if (label := _class_of(column, problem)) is not None}
    decided = next(
        (name for name in (problem.roles.prediction, *OF_ONE) if name in reply.columns and name not in named), None
    )
    numeric = {c: label for c, label in named.items() if reply.columns[c].dtype.kind in "biuf"}
    enough = len(set(numeric.values())) == len(numeric) and (len(numeric) > 1 or len(problem.classes) == 2)
    labels: tuple[str, ...] | None = () if decided is not None else None
    if not named and decided is None:
        yield from _of_nameless(problem, reply, served)
    elif numeric and enough:
        for link in _links(
            problem, as_numbers(reply, tuple(numeric)), ("logit", "softmax") if len(numeric) > 1 else ("logit",)
        ):
            yield Reading(
                problem, labels, tuple(numeric.values()), tuple(numeric), decided, link, usual=link == "probability"
            )
    elif decided is not None:
        yield Reading(problem, (), (), (), decided, usual=True)


def _of_nameless(problem: Problem, reply: Reply, served: Outcomes) -> Iterator[Reading]:
    """Columns of names that mean nothing, such as 0 and 1: a vector or an array all the same."""
    assert reply.columns is not None
    names = tuple(reply.columns)
    if len(names) == 1:
        values = reply.columns[names[0]]
        for reading in readings(problem, Reply(raw=values), served):
            as_label = reading.labels is not None
            yield replace(reading, decisions=names[0] if as_label else None, columns=() if as_label else names)
    elif all(values.dtype.kind in "biuf" for values in reply.columns.values()):
        for reading in _of_matrix(problem, Reply(raw=as_numbers(reply, names)), served):
            yield replace(reading, columns=names)


def _class_of(column: str, problem: Problem) -> str | None:
    """The class that a column is named after."""
    logged = {name: label for label, name in problem.roles.scores.items()}
    lowered = column.lower()
    bare = next((column[len(start) :] for start in _BEFORE if lowered.startswith(start)), column)
    for text in (column, logged.get(column), bare):
        if text is not None and (label := problem.spellings.get(text, text)) in problem.classes:
            return label
    return None
