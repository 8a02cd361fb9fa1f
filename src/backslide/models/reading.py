"""What a model's return means, where it does not say so itself.

A function, a booster without labels, or an object that knows no ``classes_`` returns numbers; which class they are scores of is
told by the roles, and where those leave several ways, by the logged answers: the reading that gives what was logged on the
reference rows is the right one, for no other does so by chance. Where none does (another model is asked), the reading that agrees
best is taken if it is clearly the best; else the return is refused, in one line. Whatever was concluded is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from backslide.contracts import say
from backslide.contracts.errors import ModelError
from backslide.engine.outcomes import Outcomes, codes_of, decide
from backslide.engine.problem import Problem, order_classes
from backslide.models.model import Model
from backslide.models.reply import Reply, ReplyError, label_texts, number_array
from backslide.stats.metrics import Floats

if TYPE_CHECKING:
    import polars as pl

ROWS = 400
"""Reference rows that a return is read on."""
SAME = 1e-4
"""How near a score is to the logged one where it is the same."""
MATCHED = 0.95
"""Share of the rows on which the right reading gives what was logged; columns in another order must not hide it."""
CLEAR = 5.0
"""Standard errors by which one reading must agree better than the next, where none gives what was logged."""
_OF_ONE = ("prediction", "predictions", "predicted", "predict", "label", "y_pred", "decision", "class")
"""Usual names of a column of decisions; and for a regression of its numbers."""
_BEFORE = ("p_", "prob_", "proba_", "probability_", "score_", "score_of_", "p ", "prob ", "score ")


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(x, -700, 700))))


def _softmax(x: Floats) -> Floats:
    raised = np.exp(x - x.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


LINKS: dict[str, tuple[Callable[[Floats], Floats], str]] = {
    "probability": (lambda x: x, ""),
    "percent": (lambda x: x / 100.0, "in percent"),
    "logit": (_sigmoid, "as log odds"),
    "softmax": (_softmax, "as unnormalised log scores"),
}


@dataclass(frozen=True)
class Reading:
    """One way to read a return."""

    problem: Problem
    labels: tuple[str, ...] | None = None
    """Codes 0, 1, ... stand for these labels; empty where the return holds label texts."""
    order: tuple[str, ...] = ()
    """Class of every column of scores; of a vector, the one class that it scores."""
    columns: tuple[str, ...] = ()
    """Names of those columns, where it came in named ones."""
    decisions: str | None = None
    """Name of a column that holds decisions, or the numbers of a regression."""
    link: str = "probability"
    usual: bool = False
    """What the documentation promises where nothing else decides."""

    def __call__(self, reply: Reply) -> Reply:
        """The reply as labels, numbers or scores in the order of the problem's classes.

        Raises:
            ReplyError: it is of another shape than the one that was read first.
        """
        if not self.problem.classification:
            assert reply.columns is not None
            assert self.decisions is not None
            return Reply(numbers=number_array(reply.columns[self.decisions]))
        said = None
        if self.labels is not None:
            held = reply.columns[self.decisions] if reply.columns is not None and self.decisions else reply.raw
            texts = label_texts(reply.labels if held is None else held)
            names = {str(code): label for code, label in enumerate(self.labels)}
            names |= {"false": self.labels[0], "true": self.labels[1]} if len(self.labels) == 2 else {}
            said = np.array([names.get(t, t) if t is not None else None for t in texts], dtype=object)
        scores = self._scores(reply) if self.order else None
        if said is None:
            assert scores is not None
            codes = decide(scores, self.problem)
            said = np.array([*self.problem.classes, None], dtype=object)[codes]
        return Reply(labels=said, scores=scores, classes=self.problem.classes)

    def _scores(self, reply: Reply) -> Floats:
        """(n, K) in the order of the problem's classes; a class that is not scored gets 0, or what is left of two."""
        given = _numbers(reply, self.columns)
        if given.shape[1] != len(self.order):
            raise ReplyError(f"it returned {given.shape[1]} scores per row, {len(self.order)} before")
        given = LINKS[self.link][0](given)
        classes, same = self.problem.classes, self.problem.spellings
        places = [classes.index(same.get(label, label)) for label in self.order]
        scores = np.zeros((len(given), len(classes)))
        scores[:, places] = given
        if len(places) == 1 and len(classes) == 2:
            scores[:, 1 - places[0]] = 1.0 - given[:, 0]
        return scores


def understand(model: Model, problem: Problem, rows: pl.DataFrame, served: Outcomes) -> None:
    """Find out once what a model's returns mean, from what it says to reference ``rows`` (n) that were ``served`` so.

    Raises:
        ModelError: several readings remain, or there is none.
    """
    if model.understood:
        return
    model.understood = True
    rows = (
        rows.select(model.features or problem.features)
        if set(model.features or ()) <= set(rows.columns)
        else rows.clear()
    )
    if _plain(model, problem) or not rows.height:
        return
    known = served.predictions if served.predictions.dtype.kind == "f" else served.predictions.astype(np.int64)
    at = np.flatnonzero(np.isfinite(known) & (known != -1))
    at = (
        at[np.linspace(0, len(at) - 1, min(ROWS, len(at))).astype(int)]
        if len(at)
        else np.arange(min(ROWS, rows.height))
    )
    replies = model.returned(rows[at])
    if not replies:
        return  # it fails; that is said elsewhere
    places, reply = max(replies, key=lambda one: len(one[0]))
    if not problem.classification:
        model.reading = _of_numbers(model, problem, reply)
    elif not _says_itself(reply, problem, model):
        _choose(model, problem, reply, served.take(at[places]))


def _plain(model: Model, problem: Problem) -> bool:
    """Whether its own classes are those of the problem, so that nothing has to be asked."""
    if not problem.classification:
        return hasattr(model.artefact, "n_features_in_")
    return (
        hasattr(model.artefact, "classes_")
        and _meets(model.classes or (), problem)
        and not _only_numbered(model.classes or (), problem)
    )


def _meets(classes: Sequence[str], problem: Problem) -> bool:
    return any(problem.spellings.get(label, label) in problem.classes for label in classes)


def _only_numbered(classes: Sequence[str], problem: Problem) -> bool:
    """Whether they are 0, 1, ... for classes of other names."""
    named = {problem.spellings.get(label, label) for label in classes}
    return tuple(classes) == tuple(str(i) for i in range(len(classes))) and not named <= set(problem.classes)


def _says_itself(reply: Reply, problem: Problem, model: Model) -> bool:
    """Whether labels and scores are of the problem's classes, and scores from 0 to 1."""
    if reply.columns is not None or reply.unread is not None or reply.numbers is not None:
        return False
    if reply.labels is not None and reply.scores is None:
        texts = {text for text in reply.labels if text is not None}
        return _meets(tuple(texts), problem) and not _only_numbered(order_classes(texts), problem)
    classes = reply.classes or model.classes or ()
    return _meets(classes, problem) and not _only_numbered(classes, problem) and _within(_scores_of(reply))


def _scores_of(reply: Reply) -> Floats:
    return np.asarray(reply.scores if reply.scores is not None else [], dtype=np.float64)


def _within(scores: Floats) -> bool:
    known = scores[np.isfinite(scores)]
    return bool(not known.size or (known.min() >= -1e-6 and known.max() <= 1 + 1e-6))


def _numbers(reply: Reply, columns: tuple[str, ...]) -> Floats:
    """Scores (n, k) as they came."""
    if columns:
        assert reply.columns is not None
        return np.column_stack([np.asarray(reply.columns[c], dtype=np.float64) for c in columns])
    given = reply.scores if reply.scores is not None else reply.raw if reply.raw is not None else reply.numbers
    array = np.asarray(given, dtype=np.float64)
    return array[:, None] if array.ndim == 1 else array


def _of_numbers(model: Model, problem: Problem, reply: Reply) -> Reading | None:
    """For a regression: the one column, or the one that is called a prediction."""
    if reply.columns is None:
        return None
    usual = [problem.roles.prediction, problem.roles.label, *_OF_ONE]
    names = list(reply.columns)
    found = names if len(names) == 1 else [name for name in usual if name in names]
    if not found:
        raise ModelError(f"{model.name} returns the columns {', '.join(names)}; expected one called 'prediction'")
    return Reading(problem, decisions=found[0])


def _choose(model: Model, problem: Problem, reply: Reply, served: Outcomes) -> None:
    """Keep the reading that fits what was logged, and say so.

    Raises:
        ModelError: there is none, or several are left.
    """
    candidates = list(_candidates(problem, reply, served))
    if not candidates:
        raise ModelError(f"{model.name} {_described(reply)}, which cannot be read for the classes {_listed(problem.classes)}: "
                         "return labels, the probability of the positive class, or a frame with a column per class")  # fmt: skip
    fits = [_fit(candidate, reply, served, problem) for candidate in candidates]
    same = np.array([fit[0] for fit in fits])
    near = np.array([fit[1].mean() for fit in fits])
    best = int(np.lexsort((near, np.round(same, 3)))[-1])
    matched = same[best] >= MATCHED
    outside = any(c.link != "probability" for c in candidates)
    if not matched:
        best = _by_agreement(model, reply, candidates, [fit[1] for fit in fits], outside)
    model.reading = candidates[best]
    model.classes = None if candidates[best].order == () else problem.classes
    if (words := _words(candidates[best], reply)) and len(candidates) > 1:
        how = (
            f"that gives what was logged on {say.percent(float(same[best]))} of {len(served.predictions)} reference rows"
            if matched
            else "that agrees best with what was logged"
        )
        model.notes = (*model.notes, f"it {_described(reply)}, read as {words}: {how}")


def _by_agreement(
    model: Model, reply: Reply, candidates: list[Reading], near: list[NDArray[np.float64]], outside: bool
) -> int:  # fmt: skip
    """The reading that is clearly nearest to what was logged, though it is not the same; else the documented one."""
    order = np.argsort([-one.mean() for one in near], kind="stable")
    first = int(order[0])
    if len(candidates) == 1:
        if outside and candidates[0].link == "probability":
            raise ModelError(_no_scale(model, reply))
        return first
    ahead = near[first] - near[int(order[1])]
    clear = len(ahead) > 1 and ahead.mean() > CLEAR * max(float(ahead.std()), 1e-12) / np.sqrt(len(ahead))
    if clear and (not outside or candidates[first].link != "probability"):
        return first
    usual = [k for k, candidate in enumerate(candidates) if candidate.usual]
    if usual:
        return usual[0]
    if outside:
        raise ModelError(_no_scale(model, reply))
    raise ModelError(
        f"{model.name} {_described(reply)} without class labels, and the logged answers do not tell which is which: give it an "
        "attribute `classes` (the labels in the order of its scores), or return a frame with a column per class"
    )


def _no_scale(model: Model, reply: Reply) -> str:
    return (
        f"{model.name} {_described(reply)} outside 0 to 1, which gives none of the logged scores in any known scale; "
        'return probabilities, or set [model] scores_are = "logit" or "percent"'
    )


def _candidates(problem: Problem, reply: Reply, served: Outcomes) -> Iterator[Reading]:
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
            for link in _links(problem, _numbers(reply, ()), ("logit",)):
                yield Reading(
                    problem, order=(label,), link=link, usual=label == positive and link == _usual_link(problem, reply)
                )


def _usual_link(problem: Problem, reply: Reply) -> str | None:
    """The scale that is promised: probabilities, or what ``scores_are`` says where they cannot be."""
    if _within(_numbers(reply, ())):
        return "probability"
    return getattr(problem.roles, "scores_are", None)


def _links(problem: Problem, numbers: Floats, logits: tuple[str, ...]) -> list[str]:
    """Scales that numbers may have."""
    stated = getattr(problem.roles, "scores_are", None)
    more = list(logits) if stated == "logit" else [stated] if stated == "percent" else []
    if _within(numbers):
        return list(dict.fromkeys(["probability", *more]))
    known = numbers[np.isfinite(numbers)]
    percent = ["percent"] if known.min() >= -1e-6 and known.max() <= 100 + 1e-6 else []
    return more or ["probability", *logits, *percent]


def _orders(problem: Problem, served: Outcomes) -> Iterator[tuple[str, ...]]:
    """Orders in which a training may have numbered the classes: of text, of value, of the configuration, and turned round."""
    said = {problem.classes[int(code)] for code in np.unique(served.predictions.astype(np.int64)) if code >= 0}
    sets = [set(problem.classes), set(problem.roles.scores), said]
    found: dict[tuple[str, ...], None] = {}
    for labels in sets:
        if 2 <= len(labels) <= len(problem.classes) and labels <= set(problem.classes):
            found |= dict.fromkeys((tuple(sorted(labels)), order_classes(labels)))
    found[tuple(problem.roles.scores)] = None
    if len(problem.classes) == 2:
        found[tuple(reversed(problem.classes))] = None
    yield from (order for order in found if len(order) >= 2 and set(order) <= set(problem.classes))


def _of_matrix(problem: Problem, reply: Reply, served: Outcomes) -> Iterator[Reading]:
    numbers = _numbers(reply, ())
    k = numbers.shape[1]
    orders = [order for order in _orders(problem, served) if len(order) == k]
    for link in _links(problem, numbers, ("softmax", "logit")):
        matched = _assigned(problem, LINKS[link][0](numbers), served)
        for order in dict.fromkeys((*orders, *((matched,) if matched else ()))):
            numbered = reply.scores is not None  # of a booster, which counts as its labels were sorted
            yield Reading(problem, order=order, link=link, usual=numbered and order == orders[0] and _within(numbers))


def _assigned(problem: Problem, scores: Floats, served: Outcomes) -> tuple[str, ...] | None:
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
        (name for name in (problem.roles.prediction, *_OF_ONE) if name in reply.columns and name not in named), None
    )
    numeric = {c: label for c, label in named.items() if reply.columns[c].dtype.kind in "biuf"}
    enough = len(set(numeric.values())) == len(numeric) and (len(numeric) > 1 or len(problem.classes) == 2)
    labels: tuple[str, ...] | None = () if decided is not None else None
    if not named and decided is None:
        yield from _of_unnamed(problem, reply, served)
    elif numeric and enough:
        for link in _links(
            problem, _numbers(reply, tuple(numeric)), ("logit", "softmax") if len(numeric) > 1 else ("logit",)
        ):
            yield Reading(
                problem, labels, tuple(numeric.values()), tuple(numeric), decided, link, usual=link == "probability"
            )
    elif decided is not None:
        yield Reading(problem, (), (), (), decided, usual=True)


def _of_unnamed(problem: Problem, reply: Reply, served: Outcomes) -> Iterator[Reading]:
    """Columns of names that mean nothing, such as 0 and 1: a vector or an array all the same."""
    assert reply.columns is not None
    names = tuple(reply.columns)
    if len(names) == 1:
        values = reply.columns[names[0]]
        for reading in _candidates(problem, Reply(raw=values), served):
            as_label = reading.labels is not None
            yield replace(reading, decisions=names[0] if as_label else None, columns=() if as_label else names)
    elif all(values.dtype.kind in "biuf" for values in reply.columns.values()):
        for reading in _of_matrix(problem, Reply(raw=_numbers(reply, names)), served):
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


def _fit(reading: Reading, reply: Reply, served: Outcomes, problem: Problem) -> tuple[float, NDArray[np.float64]]:
    """Share of the rows on which a reading gives what was logged, and how near it comes on each (n,), 1 for the same."""
    try:
        read = reading(reply)
    except (ReplyError, ValueError):
        return -1.0, np.full(len(served.predictions), -1.0)
    if served.scores is not None and read.scores is not None:
        off = np.abs(read.scores - served.scores).max(axis=1)
        off = np.where(np.isfinite(off), off, 1.0)
        return float((off <= SAME).mean()), 1.0 - np.minimum(off, 1.0)
    assert read.labels is not None
    agree = codes_of(read.labels, problem.classes, problem.spellings) == served.predictions.astype(np.int64)
    return float(agree.mean()), agree.astype(np.float64)


def _described(reply: Reply) -> str:
    if reply.columns is not None:
        return f"returns the columns {_listed(list(reply.columns))}"
    if reply.scores is not None and reply.classes is not None:
        return f"scores the classes {_listed(reply.classes)}"
    if reply.scores is not None or (reply.raw is not None and reply.raw.ndim == 2):
        return f"returns {_numbers(reply, ()).shape[1]} scores per row"
    raw = reply.raw if reply.raw is not None else reply.labels
    texts = {text for text in label_texts(raw) if text is not None}
    few = len(texts) <= 10 and (
        raw is None or raw.dtype.kind not in "f" or all(text.lstrip("-").isdigit() for text in texts)
    )
    return f"returns the labels {_listed(sorted(texts))}" if few else "returns one number per row"


def _listed(names: Sequence[Any]) -> str:
    return say.listed([repr(name) for name in names], 6)


def _words(reading: Reading, reply: Reply) -> str:
    """What a reading says, in words; empty where it says nothing that was not there."""
    how = LINKS[reading.link][1]
    if reading.columns and reading.usual:
        return ""
    if reading.order:
        scored = (
            f"the score of {reading.order[0]!r}"
            if len(reading.order) == 1
            else f"scores of {_listed(reading.order)} in this order"
        )
        return f"{scored} {how}".strip()
    return f"numbers of {_listed(reading.labels)} in this order" if reading.labels else ""
