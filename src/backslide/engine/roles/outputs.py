"""Which columns are the label, the prediction and the scores: names propose, values decide, and doubt is said.

Every column that may be the label is weighed by its name, by whether it speaks of the same thing as a prediction or score, and by
how well it agrees with them. What does not weigh enough, or hardly more than another, is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from backslide.contracts import say
from backslide.contracts.labels import AFFIRMATIVE
from backslide.engine.columns.kinds import ColumnKind
from backslide.engine.roles import names as usual
from backslide.engine.roles import outcome_columns as outcomes
from backslide.engine.roles import vocabulary as words
from backslide.engine.roles.table_sample import PLAIN, TableLook, best, listed

ENOUGH = 1.5
"""Weight from which a column is taken as the label or prediction."""
CLOSE = 0.15
"""Difference in agreement by which two columns cannot be told apart."""
CERTAIN, POSSIBLE, HINT = 3.0, 2.0, 1.0
SAME_SUBJECT = 2.0
AGREES = 1.2
"""Beside the agreement itself, where it is ``outcomes.ALIKE`` at least."""
RANKS = 0.4
"""The same for a score, which inputs too may go along with."""
CONTRADICTED = -1.5
UNRELATED = 0.05
FOLLOWS = 0.98
TWINS = 0.6
"""Agreement from which two columns may be a truth and its prediction though neither is named so; numbers, and yes and no."""
APART = 0.998
"""Separation from which decisions follow a number."""


@dataclass(frozen=True)
class Outputs:
    """What a model said, and what was true."""

    label: str | None = None
    prediction: str | None = None
    scores: dict[str, str] | None = None
    positive: str | None = None


def outputs_of(table: TableLook) -> Outputs:
    """Roles of the columns that are no inputs, which are marked as taken; doubts are left in ``table.open``."""
    predictions = _predictions(table)
    label, prediction = _pair(table, predictions)
    if prediction is not None and _holds_scores(table, label, prediction):
        table.notes.append(f"{prediction!r} holds fractions from 0 to 1 beside a label of two classes: a score")
        table.taken.discard(prediction)
        scores, positive = _lone_score(table, prediction, label)
        return Outputs(label, None if scores else table.take(prediction), scores, positive)
    scores, positive = _scores(table, label, prediction)
    if prediction is None and not scores:
        _ask_for_twins(table, label)
    return Outputs(label, prediction, scores, positive)


def _ask_for_twins(table: TableLook, label: str | None) -> None:
    """Where nothing is named as a prediction, columns that agree like one with its truth are no features unasked."""
    for one, other in outcomes.twins(table.few, ([label] if label else []) + table.free(*PLAIN), label):
        alike = outcomes.agreement(table.compared, one, other) or 0
        classes = len(outcomes.classes_of(table.few, [one]))
        if alike >= (outcomes.ALIKE if classes and (label or classes > 2) else TWINS):
            pair = (
                f"{one!r} and {other!r} agree like a label and its prediction ({say.percent(alike, 0)} beyond chance)"
            )
            table.ask("prediction", f"{pair}; name what they are", {one, other} - {label})
            return
    fractions = [c for c in table.free(ColumnKind.NUMERIC) if outcomes.is_fraction(table.few[c])]
    two = [c for c in table.free(*PLAIN) if len(outcomes.classes_of(table.few, [c])) == 2] if fractions else []
    for column, truth in product(fractions, [label] if label else two):
        if outcomes.are_chances(table.compared, column, truth):
            what = f"{column!r} is as high as {truth!r} is frequent, as a score of it would be"
            table.ask("scores", f"{what}; name what they are", {column, truth} - {label})
            return


def _predictions(table: TableLook) -> list[str]:
    """Columns that are named as predictions, the most usual name first; where none is, one that is a score cut in two."""
    free = [column for column in table.free(*PLAIN) if usual.rank(column, words.LABEL) is None]

    def rank(column: str) -> int | None:
        usually = usual.rank(column, words.PREDICTION)
        if usually is not None:
            return usually
        name = usual.read(column)
        return 100 - 50 * name.surely if name.prediction and not name.score and not name.confidence else None

    named = best(free, rank)
    if named:
        return named
    largest = [column for column in free if _is_largest_score(table, column)]
    if largest:
        return largest
    scores = [c for c in free if _is_named_score(table, c)]
    cut = [
        c for c in free if c not in scores for s in scores if (outcomes.separation(table.compared, s, c) or 0) >= APART
    ]
    return [column for column in dict.fromkeys(cut) if column not in table.shares or _is_whole(table, column)]


def _is_named_score(table: TableLook, column: str) -> bool:
    """Whether a column of fractions is named as a score; a p before a word counts where another column speaks of the same."""
    name = usual.read(column)
    if column not in table.shares or not (name.score or name.chance):
        return False
    others = (usual.read(other).stem for other in table.free(*PLAIN) if other != column)
    return name.score or any(usual.same_subject(name.stem, stem) for stem in others)


def _is_largest_score(table: TableLook, column: str) -> bool:
    """Whether a column names the class whose score is the largest, in all rows but ties."""
    classes = outcomes.classes_of(table.look, [column])
    if len(classes) < 2 or (column in table.shares and not _is_whole(table, column)):
        return False
    shares = [c for c in table.free(ColumnKind.NUMERIC) if c != column and c in table.shares]
    scores = outcomes.score_group(table.few, shares, classes)
    return len(scores) == len(classes) and outcomes.follows(table.few, column, scores) >= FOLLOWS


def _is_whole(table: TableLook, column: str) -> bool:
    return not outcomes.is_fraction(table.look[column])


def _pair(table: TableLook, predictions: list[str]) -> tuple[str | None, str | None]:
    """Label and prediction, weighed together."""
    judges = predictions or best(
        [c for c in table.free(ColumnKind.NUMERIC) if _is_named_score(table, c)],
        lambda column: 50 if (usually := usual.rank(column, words.SCORE)) is None else usually,
    )
    candidates = [c for c in table.free(*PLAIN) if c not in judges and not usual.read(c).output]
    weighed = {judge: _weights(table, judge, candidates, scored=not predictions) for judge in judges[:4]}
    of_name = {column: weight for column in candidates if (weight := _by_name(column)) >= POSSIBLE}
    if not weighed:
        label = max(of_name, key=lambda c: of_name[c]) if of_name else None
        return _take_label(table, label, None, of_name), None
    judge = max(weighed, key=lambda j: max(weighed[j].values(), default=0.0))
    weights = weighed[judge]
    label = _heaviest(table, judge, weights)
    if not predictions:
        return _take_label(table, label, judge, weights), None
    prediction = _prediction(table, judge, label)
    unused = [c for c in predictions if c != prediction and c not in table.aside]
    if unused:
        table.notes.append(f"{listed(unused)} left out of the features: named like a model output")
        table.aside.update(unused)
    return _take_label(table, label, judge, weights), table.take(prediction)


def _heaviest(table: TableLook, judge: str, weights: dict[str, float]) -> str | None:
    """The label, unless another column might as well be it."""
    ranked = [c for c in sorted(weights, key=lambda c: -weights[c]) if weights[c] >= ENOUGH]
    if not ranked:
        return None
    first, *others = ranked
    if not others or _by_name(first) >= POSSIBLE or weights[first] - weights[others[0]] >= CLOSE:
        return first
    both = f"{first!r} and {others[0]!r} agree with {judge!r} alike; name the one that is the true outcome"
    table.ask("label", both, (first, others[0]))
    return None


def _prediction(table: TableLook, judge: str, label: str | None) -> str | None:
    """The prediction, unless only its name speaks for it and inputs are called so too."""
    if label is not None or usual.rank(judge, words.PREDICTION) is not None or usual.read(judge).surely:
        return judge
    others = (column for column in table.free(ColumnKind.NUMERIC) if column != judge)
    if any((outcomes.separation(table.compared, column, judge) or 0) >= APART for column in others):
        return judge
    table.ask(
        "prediction",
        f"{judge!r} may be what the model decided, or an input that was forecast; no label agrees",
        (judge,),
    )
    return None


def _by_name(column: str) -> float:
    if usual.rank(column, words.LABEL) is not None:
        return CERTAIN
    if usual.rank(column, words.POSSIBLE_LABEL) is not None:
        return POSSIBLE
    name = usual.read(column)
    return HINT if name.truth or name.outcome else 0.0


def _weights(table: TableLook, judge: str, candidates: list[str], *, scored: bool) -> dict[str, float]:
    """What speaks for each column as the truth behind a prediction (or, ``scored``, behind a score)."""
    subject, weights = usual.read(judge).stem, {}
    for column in candidates:
        name = usual.read(column)
        weight = _by_name(column)
        if name.history and weight < CERTAIN and not usual.read(judge).history:
            continue
        alike = (outcomes.separation if scored else outcomes.agreement)(table.compared, judge, column)
        if usual.same_subject(subject, name.stem) and (not scored or alike is not None):
            weight += SAME_SUBJECT
        if alike is not None and alike >= outcomes.ALIKE:
            weight += alike + (RANKS if scored else AGREES)
        elif alike is not None and alike < UNRELATED:
            weight += CONTRADICTED
        weights[column] = weight
    return weights


def _take_label(table: TableLook, label: str | None, judge: str | None, weights: dict[str, float]) -> str | None:
    """Mark the label as taken, and say what else might have been."""
    if label is not None and _by_name(label) < POSSIBLE:
        table.notes.append(
            f"label: {label!r} was taken because it agrees with {judge!r} or is named after it; check it"
        )
    others = [c for c, weight in weights.items() if c != label and weight >= ENOUGH and _by_name(c) >= POSSIBLE]
    if label is not None and others:
        table.notes.append(f"label: {label!r} was chosen; {listed(others)} was the next choice")
        table.aside.update(others)
    return table.take(label)


def _holds_scores(table: TableLook, label: str | None, prediction: str) -> bool:
    return (
        label is not None
        and outcomes.is_fraction(table.look[prediction])
        and len(outcomes.classes_of(table.look, [label])) == 2
    )


def _scores(table: TableLook, label: str | None, prediction: str | None) -> tuple[dict[str, str], str | None]:
    """Scores by class label, and the positive class where a lone score decides it."""
    classes = outcomes.classes_of(table.look, [label, prediction])
    shares = [column for column in table.free(ColumnKind.NUMERIC) if column in table.shares]
    scores = outcomes.score_group(table.look, shares, classes)
    if len(scores) > 1 or (scores and len(classes) != 2):
        absent = [name for name in classes if name not in scores]
        if absent and len(classes) > 2:
            table.ask("scores", f"no column was recognised for the classes {listed(absent)}", scores.values())
            return {}, None
        table.taken.update(scores.values())
        return scores, None
    judge = label or prediction
    if scores:
        return _named_score(table, *next(iter(scores.items())), judge)
    ranked = sorted(
        ((weight, column) for column in shares if (weight := _score_weight(table, column, label, prediction)) > 0),
        key=lambda pair: -pair[0],
    )
    if not ranked:
        return {}, None
    column = ranked[0][1]
    if judge is None:
        table.ask("scores", f"{column!r} looks like a score; name its class", (column,))
        return {}, None
    if ranked[0][0] < ENOUGH:
        table.ask(
            "scores",
            f"{column!r} looks like a score by its values, not by its name; it may be a score or an input",
            (column,),
        )
        return {}, None
    return _lone_score(table, column, judge)


def _named_score(table: TableLook, named: str, column: str, judge: str | None) -> tuple[dict[str, str], str | None]:
    """A lone score that names its class, unless its values speak of the other."""
    scores, positive = _lone_score(table, column, judge)
    if scores and named not in scores:
        table.taken.discard(column)
        table.ask(
            "scores",
            f"{column!r} is named after {named!r}, but is higher where {judge!r} is not; name its class",
            (column,),
        )
        return {}, None
    return scores, positive


def _score_weight(table: TableLook, column: str, label: str | None, prediction: str | None) -> float:
    """What speaks for a column of fractions as the score of one of two classes."""
    name, weight = usual.read(column), 0.0
    related = any(usual.same_subject(name.stem, usual.read(c).stem) for c in (label, prediction) if c is not None)
    if usual.rank(column, words.SCORE) is not None:
        weight = POSSIBLE
    elif name.score or name.confidence or (name.chance and related):
        weight = HINT + HINT * related
    if prediction is not None:
        return weight + POSSIBLE * ((outcomes.separation(table.compared, column, prediction) or 0) >= APART)
    if label is None:
        return weight
    apart = outcomes.separation(table.compared, column, label)
    if not weight:
        return HINT * outcomes.are_chances(table.compared, column, label)
    return weight + HINT * (apart is not None and apart >= UNRELATED)


def _lone_score(table: TableLook, column: str, judge: str | None) -> tuple[dict[str, str], str | None]:
    """The class that a score belongs to, of the two that ``judge`` holds."""
    classes = outcomes.classes_of(table.look, [judge])
    if judge is None or len(classes) != 2:
        table.ask(
            "scores", f"{column!r} looks like the score of whichever class was predicted; give one per class", (column,)
        )
        return {}, None
    positive = outcomes.scored_class(table.look, column, judge, classes)
    if positive is None:
        table.ask("scores", f"{column!r} looks like a score, but its class is not clear; name it", (column,))
        return {}, None
    table.take(column)
    if [name for name in classes if name.lower() in AFFIRMATIVE] == [positive]:
        return {positive: column}, None
    table.notes.append(f"score: {column!r} is higher where {judge!r} is {positive!r}, so it is taken as its score")
    return {positive: column}, positive
