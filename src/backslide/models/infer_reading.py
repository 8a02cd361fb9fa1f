"""What a model's return means, where it does not say so itself.

A function, a booster without labels, or an object that knows no ``classes_`` returns numbers; which class they are scores of is
told by the roles, and where those leave several ways, by the logged answers: the reading that gives what was logged on the
reference rows is the right one, for no other does so by chance. Where none does (another model is asked), the reading that agrees
best is taken if it is clearly the best; else the return is refused, in one line. Whatever was concluded is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from backslide.contracts import say
from backslide.contracts.errors import ModelError
from backslide.engine.roles.outcomes import Outcomes, codes_of
from backslide.engine.roles.problem import Problem, order_classes
from backslide.models.answer import Reply, ReplyError
from backslide.models.model import Model
from backslide.models.possible_readings import OF_ONE, readings
from backslide.models.reading import Reading, describe, in_words, lies_within, list_names
from backslide.stats.arrays import Floats

if TYPE_CHECKING:
    import polars as pl

ROWS = 400
"""Reference rows that a return is read on."""
SAME = 1e-4
"""How near a score is to the logged one where it is the same."""
MATCHED = 0.95
"""Share of the rows on which the right reading gives what was logged; columns in another order must not hide it."""
OTHERS = 3
"""Other readings that are tried with other orders of columns."""
CLEAR = 5.0
"""Standard errors by which one reading must agree better than the next, where none gives what was logged."""


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
        and not _are_numbers(model.classes or (), problem)
    )


def _meets(classes: Sequence[str], problem: Problem) -> bool:
    return any(problem.spellings.get(label, label) in problem.classes for label in classes)


def _are_numbers(classes: Sequence[str], problem: Problem) -> bool:
    """Whether they are 0, 1, ... for classes of other names."""
    named = {problem.spellings.get(label, label) for label in classes}
    return tuple(classes) == tuple(str(i) for i in range(len(classes))) and not named <= set(problem.classes)


def _says_itself(reply: Reply, problem: Problem, model: Model) -> bool:
    """Whether labels and scores are of the problem's classes, and scores from 0 to 1."""
    if reply.columns is not None or reply.unread is not None or reply.numbers is not None:
        return False
    if reply.labels is not None and reply.scores is None:
        texts = {text for text in reply.labels if text is not None}
        return _meets(tuple(texts), problem) and not _are_numbers(order_classes(texts), problem)
    classes = reply.classes or model.classes or ()
    scores = np.asarray(reply.scores if reply.scores is not None else [], dtype=np.float64)
    return _meets(classes, problem) and not _are_numbers(classes, problem) and lies_within(scores)


def _of_numbers(model: Model, problem: Problem, reply: Reply) -> Reading | None:
    """For a regression: the one column, or the one that is called a prediction."""
    if reply.columns is None:
        return None
    usual = [problem.roles.prediction, problem.roles.label, *OF_ONE]
    names = list(reply.columns)
    result = names if len(names) == 1 else [name for name in usual if name in names]
    if not result:
        raise ModelError(f"{model.name} returns the columns {', '.join(names)}; expected one called 'prediction'")
    return Reading(problem, decisions=result[0])


def _choose(model: Model, problem: Problem, reply: Reply, served: Outcomes) -> None:
    """Keep the reading that fits what was logged, and say so.

    Raises:
        ModelError: there is none, or several are left.
    """
    candidates = list(readings(problem, reply, served))
    if not candidates:
        raise ModelError(
            f"{model.name} {describe(reply)}, which cannot be read for the classes {list_names(problem.classes)}: "
            "return labels, the probability of the positive class, or a frame with a column per class"
        )
    fits = [_fit(candidate, reply, served, problem) for candidate in candidates]
    same = np.array([fit[0] for fit in fits])
    near = np.array([fit[1].mean() for fit in fits])
    best = int(np.lexsort((near, np.round(same, 3)))[-1])
    matched = same[best] >= MATCHED
    logged = f"gives what was logged on {say.percent(float(same[best]))} of {len(served.predictions)} reference rows"
    how = f"that {logged}" if matched else "that agrees best with what was logged"
    outside = any(c.link != "probability" for c in candidates)
    if not matched:
        usual = [k for k, candidate in enumerate(candidates) if candidate.usual]
        if model.features is None and reply.classes is not None and usual:
            # With its columns in another order it agrees with nothing that was logged: its numbers follow its labels.
            best, how = usual[0], "as labels are numbered in their order"
            others = sorted((k for k in range(len(candidates)) if k != best), key=lambda k: -near[k])[:OTHERS]
            model.otherwise = tuple(
                (candidates[k], _conclusion(candidates[k], reply, "that gives what was logged")) for k in others
            )
        else:
            best = _by_agreement(model, reply, candidates, [fit[1] for fit in fits], outside)
    model.reading = candidates[best]
    model.classes = None if candidates[best].order == () else problem.classes
    if len(candidates) > 1 and in_words(candidates[best]):
        model.read_as = _conclusion(candidates[best], reply, how)


def _conclusion(reading: Reading, reply: Reply, how: str) -> str:
    return f"it {describe(reply)}, read as {in_words(reading)}: {how}"


def _by_agreement(model: Model, reply: Reply, candidates: list[Reading], near: list[Floats], outside: bool) -> int:
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
        f"{model.name} {describe(reply)} without class labels, and the logged answers do not tell which is which: give it an "
        "attribute `classes` (the labels in the order of its scores), or return a frame with a column per class"
    )


def _no_scale(model: Model, reply: Reply) -> str:
    return (
        f"{model.name} {describe(reply)} outside 0 to 1, which gives none of the logged scores in any known scale; "
        'return probabilities, or set [model] scores_are = "logit" or "percent"'
    )


def _fit(reading: Reading, reply: Reply, served: Outcomes, problem: Problem) -> tuple[float, Floats]:
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
