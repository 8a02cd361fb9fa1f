"""No saved model, and the answers to the same inputs are others now: told by how well the inputs tell the answers.

A model is a rule: whatever the world sends it, what it answers follows its inputs. So three rules are learned on halves of the
rows and held against the other halves: on the reference, on the current window, and on both together. As long as one model
answers, the rule of both misses hardly more than that of the current window alone, or than the reference's own does
(`AS_EVER`: inputs that became narrow leave it less room). **Another rule answers** where it misses clearly more (`OTHER_RULE`);
**answers do not follow their rows** where the current window's own rule tells far less of them than the reference's did of its
answers (`LESS_TOLD`).

On 86 periods in which only the world moved, of 11 real and simulated tables, the first was at most .007 beside the .1 that it
takes, and the second never reached its limits.

**What it is called.** Answers that are a function of what the stand-in answers were altered behind the model (`output_change`),
as are those of the row some places away, one answer in place of many, and answers that belong to no row; anything else is
another model (`model_change`). The price is what was served against the stand-in's answers, and is never more than supported.

A model that reads what is not logged, as the season, looks like another one where that moved: what rests on a stand-in's answers
is only suspected; answers that are still there, in another place, are supported.

**Not seen**: changes on so few rows that the rules hardly feel them, and models whose answers the logged columns do not tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import vstack

from backslide.case import Case, Outcomes, decide
from backslide.causes.pricing.surrogate import MIN_FIDELITY, Surrogate, fit_best_form, learnable_targets
from backslide.causes.pricing.text_design import fit_word_form, make_text_design
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.design_matrix import make_design
from backslide.stats.arrays import Floats, Ints, Mask
from backslide.stats.drift.boosting import regress

LEAST_ROWS = 300
"""Answered rows of each window under which no rule is learned."""
MOST_ROWS = 4_000
"""Rows of each window, at random, that are enough for it."""
LEAST_TOLD, LEAST_TOLD_BY_WORDS = 0.75, 0.4
"""Share of the reference answers' variance that its rule must tell of other rows (R^2); less of texts, of which few hundred
teach a rule little."""
OTHER_RULE = 0.1
"""Share of the squared misses of the rule of both windows that the current window's own rule must do without, and"""
OTHER_RULE_IN_PART = 0.05
"""where its misses are `NOISIER` besides, as when only some rows are answered otherwise."""
NOISIER = 2.0
AS_EVER = 1.1
"""Times the misses of the reference's own rule within which the rule of both misses current rows as ever: it then has merely less
room for a window whose inputs are narrow."""
LESS_TOLD = 0.2
"""Fall of R^2 from the reference's own rule to the current window's own from which answers do not follow their rows."""
ALTERED = 1.25
"""Times the misses of the current window's own rule within which a function of the stand-in's answers tells what was served."""
ALTERED_ROOM = 0.005
"""Variance share by which it may miss besides."""
ONE_ANSWER, USUAL_TIMES = 0.1, 5.0
"""Share of the rows with one and the same answer, and times its largest share in the reference."""
GIVEN_BEFORE = 0.002
"""Share of the reference rows that may have had it: more, and it is one of the model's own."""
ROWS_AWAY = 10
"""Places in the log up to which another row's answer is looked for."""
OF_ANOTHER_ROW = 0.5
"""Correlation with the stand-in's answer to that row, beyond the one with its own row."""
OF_ANOTHER_CLASS = 0.3
"""Correlation of a class's scores with what is expected of another class, beyond the one with what is expected of its own."""
MOST_CLASSES = 50
ODD = 0.99
"""Quantile of the stand-in's misses on reference rows that it was not fitted to, beyond which a row is answered otherwise."""


@dataclass(frozen=True)
class InputDependence:
    """How well the logged inputs tell the answers, by rules held against rows that they were not learned on."""

    reference: float
    """R^2 of the reference's answers by its own rule."""
    current: float
    """R^2 of the current answers by the current window's own rule."""
    other_rule: float
    """Share of the squared misses of the rule of both windows, on current rows, that the own rule does without."""
    least_other_rule: float
    """The same in that of the two halves where it is less."""
    noise: float
    """Squared misses of the current window's own rule over those of the reference's."""
    target: int = 0
    """Place of the answers that it is about."""

    @property
    def changed(self) -> bool:
        """Whether another rule answers."""
        whole = self.other_rule >= OTHER_RULE and self.least_other_rule >= OTHER_RULE / 2
        part = self.other_rule >= OTHER_RULE_IN_PART and self.least_other_rule > 0 and self.noise >= NOISIER
        as_ever = self.noise / max(1 - self.other_rule, 1e-9) < AS_EVER
        return (whole or part) and not as_ever

    @property
    def lost(self) -> bool:
        """Whether the answers no longer follow their rows."""
        return self.reference - self.current >= LESS_TOLD and self.noise >= NOISIER


@dataclass(frozen=True)
class OtherAnswers:
    """Current rows answered otherwise than in the reference, and what the stand-in answers to them."""

    kind: CauseKind
    undone: Outcomes
    seen: str
    undo: str
    rows: Mask
    """Current rows concerned (n_cur,)."""
    kept: bool = False
    """Whether the very answers are still there, in other places, so that no stand-in's answers are needed."""


def find_other_answers(case: Case) -> OtherAnswers | None:
    """What was done to the answers, where the inputs no longer tell them as they did; None where they do or never did."""
    if case.problem.classification and not case.problem.has_scores:
        return None
    asked = (measure_dependence(case, target) for target in _targets(case))
    told = next((one for one in asked if one is not None and (one.changed or one.lost)), None)
    if told is None:
        return None
    found = fit_best_form(case)
    return None if found is None else _named(case, found[0], told, faithful=found[1] >= MIN_FIDELITY)


def measure_dependence(case: Case, target: int | None = None) -> InputDependence | None:
    """How well inputs tell answers before and now; None where too few rows are answered or the reference's are hardly told.

    ``target``: place of the class whose answers are asked about; those that vary most without one.
    """
    target = next(iter(_targets(case)), 0) if target is None else target
    y = [_answers_of(case, side.outcomes, target) for side in case.sides]
    matrices, fit, least = _rules(case)
    rows = [_some(case, one) for one in y if one is not None]
    if len(rows) < len(y) or not matrices or min(map(len, rows)) < LEAST_ROWS:
        return None
    (x0, y0), (x1, y1) = ((x[at], one[at]) for x, one, at in zip(matrices, y, rows, strict=True) if one is not None)
    own0, own1, both = (np.empty(len(v)) for v in (y0, y1, y1))
    half0, half1 = (case.rng(f"halves {w}").permutation(len(v)) % 2 == 0 for w, v in (("0", y0), ("1", y1)))
    if np.ptp(y0) == 0 or np.ptp(y1) == 0:
        return None
    for side in (True, False):
        a, b = half0 == side, half1 == side
        own0[~a] = fit(x0[a], y0[a], x0[~a])
        if side and 1 - _misses(y0[~a], own0[~a]) / float(y0.var()) < least / 2:
            return None
        own1[~b] = fit(x1[b], y1[b], x1[~b])
        both[~b] = fit(_stacked(x0[a], x1[b]), np.concatenate([y0[a], y1[b]]), x1[~b])
    gains = [1 - _misses(y1[at], own1[at]) / max(_misses(y1[at], both[at]), 1e-12) for at in (half1, ~half1)]
    noise0, noise1 = _misses(y0, own0), _misses(y1, own1)
    told = InputDependence(
        1 - noise0 / float(y0.var()),
        1 - noise1 / float(y1.var()),
        1 - noise1 / max(_misses(y1, both), 1e-12),
        min(gains),
        noise1 / max(noise0, 1e-12),
        target,
    )
    return told if told.reference >= least else None


Rule = Callable[[Any, Floats, Any], Floats]
"""Rows and answers to learn from, other rows -> answers to those."""


def _rules(case: Case) -> tuple[tuple[Any, ...], Rule, float]:
    """Both samples as matrices, how a rule is learned on them, and how much it must tell; of running text by weighted words."""
    if any(pair.free_text for pair in case.pairs.values()):
        words = make_text_design(case, directions=False)
        if words is not None:
            matrices = tuple(words.matrix(side.sample) for side in case.sides)
            return matrices, lambda x, y, at: fit_word_form(x, y[:, None]).predict(at), LEAST_TOLD_BY_WORDS
    design = make_design(case.pairs.values())
    if not design.columns:
        return (), lambda x, y, at: y, LEAST_TOLD

    def fit(x: Floats, y: Floats, at: Floats) -> Floats:
        return np.asarray(regress(x, y, design.categorical, rounds=60, leaves=31, l2=0.0).predict(at), float)

    return design.windows(case.pairs), fit, LEAST_TOLD


def _stacked(one: Any, other: Any) -> Any:
    return np.vstack([one, other]) if isinstance(one, np.ndarray) else vstack([one, other], format="csr")


def _some(case: Case, answers: Floats) -> Ints:
    known = np.flatnonzero(np.isfinite(answers))
    if len(known) <= MOST_ROWS:
        return known
    return np.sort(case.rng("rows of the rules").choice(known, MOST_ROWS, replace=False))


def _misses(answers: Floats, told: Floats) -> float:
    return float(np.mean((answers - told) ** 2))


def _every_answer(case: Case, outcomes: Outcomes) -> Floats | None:
    """Log odds by class, or numbers (n, targets): those of very different sizes by the inverse hyperbolic sine, so that a few
    do not stand for all."""
    every = learnable_targets(outcomes.scores, outcomes.predictions, case.problem)
    if every is None or case.problem.classification:
        return every
    before = case.reference.outcomes.predictions.astype(float)
    centre = float(np.nanmedian(before))
    scale = float(np.nanmedian(np.abs(before - centre))) or 1.0
    return np.asarray(np.arcsinh((every - centre) / scale))


def _targets(case: Case) -> list[int]:
    """Places of the answers that are asked about: those that vary most, and those whose level moved most."""
    before, now = (_every_answer(case, side.outcomes) for side in case.sides)
    if before is None or now is None:
        return []
    before, now = (v[np.isfinite(v).all(axis=1)] for v in (before, now))
    if min(len(before), len(now)) < LEAST_ROWS:
        return []
    moved = np.abs(now.mean(axis=0) - before.mean(axis=0)) / np.maximum(before.std(axis=0), 1e-9)
    return list(dict.fromkeys([int(before.var(axis=0).argmax()), int(moved.argmax())]))


def _answers_of(case: Case, outcomes: Outcomes, target: int) -> Floats | None:
    answers = _every_answer(case, outcomes)
    return None if answers is None else answers[:, target]


def _named(case: Case, stand_in: Surrogate, told: InputDependence, *, faithful: bool) -> OtherAnswers | None:
    """By the most specific name that the answers themselves give; None where only a faithful stand-in could tell the price."""
    given = case.answered(stand_in, case.current.sample).outcomes
    served, expected = (_answers_of(case, o, told.target) for o in (case.current.outcomes, given))
    assert served is not None
    assert expected is not None
    known = np.isfinite(served) & np.isfinite(expected)
    if told.lost:
        seen = (
            f"the logged inputs tell {_share(told.current)} of the answers' variance, {_share(told.reference)} before"
        )
    else:
        seen = "the same inputs no longer get the same answers"
    for way in _ways(case, given, served, expected, known, told):
        if faithful or way.undone is not None:
            undone = given if way.undone is None else way.undone
            kept = way.undone is not None
            return OtherAnswers(CauseKind.OUTPUT_CHANGE, undone, f"{seen}: {way.why}", way.undo, way.rows, kept)
    if not faithful:
        return None
    rows = _odd_rows(case, stand_in, told.target, served, expected, known)
    return OtherAnswers(
        CauseKind.MODEL_CHANGE,
        given,
        f"{seen}: another model answers, or it reads what is not logged",
        "let the former model answer",
        rows,
    )


def _share(r_squared: float) -> str:
    return say.percent(max(r_squared, 0.0), 0)


@dataclass(frozen=True)
class _Alteration:
    """What was done to answers behind the model, in words, how to undo it, on which rows, and the very answers without it, where
    they are still there."""

    why: str
    undo: str
    rows: Mask
    undone: Outcomes | None = None


def _ways(
    case: Case, given: Outcomes, served: Floats, expected: Floats, known: Mask, told: InputDependence
) -> Iterator[_Alteration]:
    exchanged = _exchanged(case, given)
    if exchanged is not None:
        yield exchanged
    one = _one_answer(case, told.target, served, known)
    if one is not None:
        share = say.percent(float(one.mean()))
        yield _Alteration(
            f"one answer stands in for others on {share} of the rows", "find out why rows get that answer", one
        )
    shift = _shift(served, expected, known)
    if shift is not None:
        place = f"{say.counted(abs(shift), 'place')} {'before' if shift > 0 else 'after'} it"
        back = _rolled(case.current.outcomes, -shift)
        why = f"rows are served with the answer of the row {place}"
        yield _Alteration(why, "write each answer back to its own row", known, back)
    not_theirs = _Alteration(
        "rows are served with answers that are not theirs", "write each answer back to its own row", known
    )
    if told.lost and not told.changed:
        yield not_theirs
    if _is_function(case, given, served, known, told):
        yield _Alteration(
            "what was served is a function of what a stand-in for the model answers, so it was altered behind the model",
            "serve the answers as the model gives them",
            known,
        )
    elif told.lost:
        yield not_theirs


def _rolled(outcomes: Outcomes, places: int) -> Outcomes:
    scores = None if outcomes.scores is None else np.roll(outcomes.scores, places, axis=0)
    return Outcomes(outcomes.labels, np.roll(outcomes.predictions, places), scores)


def _exchanged(case: Case, given: Outcomes) -> _Alteration | None:
    """Scores of classes in each other's place: each goes with what is expected of another class, and hardly with its own."""
    served = case.current.outcomes
    if served.scores is None or given.scores is None or not 2 <= served.scores.shape[1] <= MOST_CLASSES:
        return None
    known = np.asarray(np.isfinite(served.scores).all(axis=1) & np.isfinite(given.scores).all(axis=1))
    a, b = served.scores[known], given.scores[known]
    k = a.shape[1]
    if len(a) < LEAST_ROWS or min(a.std(axis=0).min(), b.std(axis=0).min()) == 0:
        return None
    together = np.corrcoef(a.T, b.T)[:k, k:]  # of what was served by class with what is expected of each
    own, order = np.arange(k), linear_sum_assignment(-together)[1]
    moved = order != own
    if not moved.any() or (together[own, order] - together[own, own])[moved].min() < OF_ANOTHER_CLASS:
        return None
    classes = [case.problem.classes[i] for i in np.flatnonzero(moved)]
    scores = np.empty_like(served.scores)
    scores[:, order] = served.scores
    listed = say.listed([repr(c) for c in classes])
    return _Alteration(
        f"the scores of {listed} stand in each other's place",
        "give each score to its own class",
        known,
        Outcomes(served.labels, decide(scores, case.problem), scores),
    )


def _one_answer(case: Case, target: int, served: Floats, known: Mask) -> Mask | None:
    """Rows with one answer that no reference answer was nearly as frequent as; None where there is none."""
    before = _answers_of(case, case.reference.outcomes, target)
    assert before is not None
    values, counts = np.unique(served[known], return_counts=True)
    usual = np.unique(before[np.isfinite(before)], return_counts=True)[1].max() / max(len(before), 1)
    share = counts.max() / len(served)
    gave = float((before == values[counts.argmax()]).mean())
    at_end = values[counts.argmax()] in (values[0], values[-1])  # a limit: a function of the answers
    if at_end or gave > GIVEN_BEFORE or share < max(ONE_ANSWER, USUAL_TIMES * usual):
        return None
    return np.asarray(served == values[counts.argmax()])


def _shift(served: Floats, expected: Floats, known: Mask) -> int | None:
    """Places by which the answers stand away from their rows."""

    def agreement(places: int) -> float:
        moved, there = np.roll(expected, places), np.roll(known, places) & known
        if there.sum() < LEAST_ROWS or np.ptp(moved[there]) == 0 or np.ptp(served[there]) == 0:
            return 0.0
        return float(np.corrcoef(moved[there], served[there])[0, 1])

    best = max((k for k in range(-ROWS_AWAY, ROWS_AWAY + 1) if k), key=agreement)
    return best if agreement(best) - max(agreement(0), 0.0) >= OF_ANOTHER_ROW else None


def _is_function(case: Case, given: Outcomes, served: Floats, known: Mask, told: InputDependence) -> bool:
    """Whether what was served is told by the stand-in's answers as well as by the inputs."""
    every = _every_answer(case, given)
    assert every is not None
    x, y = every[known], served[known]
    half, out = case.rng("halves of the answers").random(len(y)) < 0.5, np.empty(len(y))
    for part in (half, ~half):
        out[~part] = regress(x[part], y[part], np.zeros(x.shape[1], bool), rounds=60, leaves=8, l2=1.0).predict(
            x[~part]
        )
    missed = _misses(y, out) / max(float(y.var()), 1e-12)
    return missed <= ALTERED * max(1 - told.current, 0.0) + ALTERED_ROOM


def _odd_rows(case: Case, stand_in: Surrogate, target: int, served: Floats, expected: Floats, known: Mask) -> Mask:
    """Rows that another model answers, as far as the stand-in tells: those that it misses by more than hardly any before."""
    before = _answers_of(case, case.reference.outcomes, target)
    told = _answers_of(case, case.answered(stand_in, case.reference.sample).outcomes, target)
    assert before is not None
    assert told is not None
    missed = np.abs(before - told)[stand_in.held_out & np.isfinite(before)]
    odd = np.asarray(known & (np.abs(served - expected) > np.quantile(missed, ODD)))
    return odd if odd.sum() >= LEAST_ROWS / 10 else known
