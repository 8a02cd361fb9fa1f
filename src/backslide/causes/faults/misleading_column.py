"""A column that misleads whoever reads it, while the outcome is as easy to foretell without it as it ever was.

Where values are broken, the outcomes and all other columns still go together as they did: a model that never read the column
loses nothing, one that reads it does. Where the world changed, the outcomes are others, and both lose. So outcomes are foretold
twice from labelled reference rows, with the column and without it, and both are held against the current labels on the same rows
(a difference in differences; Angrist and Pischke 2009, 5.2). With the column, only what is lost beyond what was expected counts,
as inputs also move to where outcomes always were uncertain.

**Named** where the column clearly told something of the outcome and tells little of it now; where foretelling with it lost
clearly more than without it; where without it at most a fifth of that is lost, two fifths by its limit; where outcomes are about
as frequent as they are foretold without it; where the other columns still tell what they told; and where it does not tell most of
what it told on the rows of some level of another column, as where a relation changed elsewhere. Columns that tell the time are
never accused, and values outside what the reference held, which natural drift brings as well, are not asked. What it costs is
that share of the change of the metric. A column that is distributed as before holds values of other rows, unless it leads further
astray than these would, as a relation does that turned; of any other it is not known what was done to it.

A relation to the outcome that ended in the world, evenly on all rows, looks the same. So it is suspected only, and both are said,
where the column is distributed as before; one that moved as well is supported. Of worlds in which relations, inputs, classes or
labels changed otherwise at most one in fifty accuses a column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.causes.columns.association import stands_still
from backslide.causes.faults.base import Fault, Hypothesis, Remedy, evidence_of
from backslide.causes.faults.unrelated_column import ValuesOfRowsBeside, parts_of_rows
from backslide.causes.pricing.counterfactual import PricingBench
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.playbook.clock import time_columns
from backslide.playbook.concept.decomposition import Populations
from backslide.stats.arrays import Floats, Ints, Mask
from backslide.stats.change.effect import Effect
from backslide.stats.drift.boosting import classify, regress
from backslide.stats.shift import doubly_robust

MOST_ASKED, SCREEN_Z = 6, 3.0
"""Columns that are left out, those that tell most of the outcome, and standard errors from which one tells any."""
TOLD_Z, ASTRAY_Z = 4.5, 5.0
"""Standard errors by which the column must have told something of the outcome, and by which more must be lost with it."""
LEFT = 0.6
"""Share of what it told that may be left, as where it is broken on a part of the rows."""
WITHOUT, WITHOUT_LIMIT, LIMIT = 0.2, 0.4, 0.95
"""Share of what is lost with the column that may be lost without it: by its estimate, and by its one-sided 95 % limit."""
OTHER_SHARES, OTHER_MEAN = 0.1, 0.35
"""Share of the outcomes that may be of another class than foretold without it; of numbers their mean miss, as a share of the
mean error. The world may move outcomes a little in the same weeks."""
WITNESS_Z, OTHERS_KEEP = 4.0, 0.75
"""Standard errors by which the other columns must have told something of the outcome, and the share of it that must be left."""
KEEPS, LEAST_KEPT, LEVEL_Z = 0.8, 0.5, 2.3
"""Share of what the column told on rows of a level of another one that it must tell there still, by its estimate and by its limit
(one-sided 1 %), for its relation to have changed elsewhere."""
LEVEL_SHARE, LEAST_IN_LEVEL = 0.1, 60
"""Share of the current rows, and rows of each window, of such a level."""
FURTHER = 1.5
"""Times what exchanging the values of the rows costs beyond which they are no values of other rows."""
KNOWN = 0.5
"""Share of what goes with the column that a known fault of it must explain to be what was done to it."""
HELD = 0.005, 0.995
"""Quantiles of the reference between which values are asked."""
LEAST_HELD, NEARLY_ALL = 0.6, 0.95
"""Share of the current rows that must lie there, and under which it is said that not all were asked."""
CLIP = 1e-3
LEAST_ROWS = 200


class NoRepair(Remedy):
    """Nothing tells what the values should be."""

    kind = CauseKind.UNRECOGNISED_FAULT
    injectable = False

    def repair(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """``frame`` as it is."""
        return frame

    def inject(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """``frame`` as it is."""
        return frame


@dataclass(frozen=True)
class _Foretold:
    """How far outcomes are from what some columns of the reference foretell."""

    losses: tuple[Floats, Floats]
    """Log loss, or error, of each labelled row of both windows (n_ref,), (n_cur,)."""
    expected: tuple[Floats, Floats]
    """The loss that the foretelling itself expects: it is large where outcomes always were uncertain."""
    misses: tuple[Floats, Floats]
    """Outcome less what is foretold: of each class (n, K), or of the number (n, 1)."""

    @property
    def surprise(self) -> tuple[Floats, Floats]:
        """Loss beyond what was expected: inputs that moved to where outcomes are uncertain are no surprise."""
        return self.losses[0] - self.expected[0], self.losses[1] - self.expected[1]


@dataclass(frozen=True)
class Misleading:
    """A column that leads astray, and by how much foretelling outcomes got worse with it, beyond what inputs that moved make
    expect, and without it."""

    column: str
    rise: Effect
    rise_without: Effect
    asked: float
    """Share of the current rows that were asked: on the others its values are such as the reference hardly held."""

    @property
    def share(self) -> float:
        """Share of the loss that is its."""
        return 1 - max(self.rise_without.value / self.rise.value, 0.0)

    def part_of(self, change: Effect) -> Effect:
        """The same share of a change, with the noise of both."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = self.rise_without.replicates / self.rise.replicates
        ratio = np.where(self.rise.replicates > 0, ratio, np.nan)
        centred = self.share - (ratio - float(np.nanmedian(ratio)))
        return Effect(
            self.share * change.value, np.where(np.isfinite(centred), centred, self.share) * change.replicates
        )


def find_misleading_column(bench: PricingBench, p: Populations) -> Misleading | None:
    """The column that misleads, of several the one without which least is lost; None where none does."""
    if min(len(p.s_g), len(p.s_b)) < LEAST_ROWS or not p.columns or p.classes > doubly_robust.MAX_CLASSES:
        return None
    asked = _telling(bench.case, p)
    if not asked:
        return None
    columns = np.array(p.columns)
    whole = _foretell(p, np.ones(len(columns), bool))
    found: list[Misleading] = []
    for name, exchanged in asked.items():
        one = _judged(bench, p, name, whole, _foretell(p, columns != name))
        # A relation that turned leads further astray than values of other rows do, which leave a column distributed as it was.
        still = stands_still(bench.case.pairs[name])
        if one is not None and not (still and one.rise.value > FURTHER * exchanged):
            found.append(one)
    # Columns that hang together lose their worth together: the one that moved is the one that broke.
    moved = [one for one in found if not stands_still(bench.case.pairs[one.column])]
    return min(moved or found, key=lambda one: one.rise_without.value, default=None)


def as_fault(bench: PricingBench, found: Misleading, change: Effect, known: Sequence[Fault]) -> Fault | None:
    """The fault, with its share of a ``change`` as its price: one of the ``known`` ones of the column that explains much of it;
    else values of other rows where the column is distributed as it was. None beside a certain fault that explains much of it."""
    column, harm = found.column, bench.target.harm
    points = found.part_of(change)
    for fault in known:
        much = fault.points is not None and harm(fault.points.value) >= KNOWN * harm(points.value)
        if column in fault.features and fault.exact and much:
            return None
        if fault.features == (column,) and not fault.exact and much:
            return fault if fault.reversible else replace(fault, share=points, share_of_loss=True)
    pair = bench.case.pairs[column]
    still = stands_still(pair)
    seen = (
        f"{column} misleads: predicted without it, the outcome is as predictable as it was; predicted with it, it is not "
        f"({say.percent(min(found.share, 1.0), 0)} of what was lost goes with it)"
    )
    if found.asked < NEARLY_ALL:
        seen += f"; told by the {say.percent(found.asked, 0)} of the rows whose values are such as the reference held"
    if still:
        seen += "; its values are distributed as before, so they are those of other rows, or its relation to the outcome ended"
    hypothesis = Hypothesis(
        signature=ValuesOfRowsBeside() if still else NoRepair(),
        features=(column,),
        seen=seen,
        undo="",
        evidence=(evidence_of(pair),),
        exact=False,
        reversible=False,
        rows=np.ones(bench.case.current.sample.height, bool),
    )
    return Fault((hypothesis,), share=points, share_of_loss=True)


def _telling(case: Case, p: Populations) -> dict[str, float]:
    """Columns that tell of the outcome, those that tell most first: by how much a model of one half of the reference rows loses
    more on the other half when their values are exchanged."""
    clocks, rng, y = time_columns(case), case.rng("columns left out"), p.good.labels.astype(float)
    order = rng.permutation(len(y))
    train, test = order[: len(y) // 2], order[len(y) // 2 :]
    x, categorical = _inputs(p)[0], p.categorical[: len(p.columns)]
    if len(np.unique(y[train])) < 2:
        return {}
    model = (classify if p.classes else regress)(x[train], y[train], categorical)

    def miss(rows: Floats) -> Floats:
        if not p.classes:
            return np.asarray(np.abs(model.predict(rows) - y[test]))
        chances = np.zeros((len(test), p.classes))
        chances[:, model.classes_.astype(int)] = model.predict_proba(rows)
        return _log_losses(chances, y[test].astype(np.int64))

    before, rises = miss(x[test]), dict[str, Floats]()
    for place, name in enumerate(p.columns):
        if name not in clocks and not case.pairs[name].free_text:
            other = x[test].copy()
            other[:, place] = rng.permutation(other[:, place])
            rises[name] = miss(other) - before
    telling = {name: float(rise.mean()) for name, rise in rises.items() if _z(rise) >= SCREEN_Z}
    return dict(sorted(telling.items(), key=lambda item: -item[1])[:MOST_ASKED])


def _inputs(p: Populations) -> tuple[Floats, Floats]:
    """The columns of both windows, without the scores beside them."""
    return p.x_g[:, : len(p.columns)], p.x_b[:, : len(p.columns)]


def _foretell(p: Populations, chosen: Mask) -> _Foretold:
    """Outcomes foretold by some of the columns (q,), out of fold in the reference."""
    (x_g, x_b), categorical = (x[:, chosen] for x in _inputs(p)), p.categorical[: len(p.columns)][chosen]
    rng = np.random.default_rng(0)  # the same folds whichever column is left out
    if not p.classes:
        y = [side.labels.astype(float)[:, None] for side in (p.good, p.bad)]
        told = doubly_robust.expected_losses(x_g, y[0], x_b, categorical, rng) if chosen.any() else [y[0].mean(0)] * 2
        before, now = (a - b for a, b in zip(y, told, strict=True))
        losses = np.abs(before), np.abs(now)
        if chosen.any():
            likely = doubly_robust.expected_losses(x_g, losses[0], x_b, categorical, rng)
        else:
            likely = losses
        return _Foretold((losses[0][:, 0], losses[1][:, 0]), (likely[0][:, 0], likely[1][:, 0]), (before, now))
    labels = [side.labels.astype(np.int64) for side in (p.good, p.bad)]
    one_hot = [np.eye(p.classes)[y] for y in labels]
    if chosen.any():
        chances = doubly_robust.class_probabilities(x_g, labels[0], x_b, p.classes, categorical, rng)
    else:
        chances = (np.tile(one_hot[0].mean(0), (len(labels[0]), 1)), np.tile(one_hot[0].mean(0), (len(labels[1]), 1)))
    before, now = (_log_losses(c, y) for c, y in zip(chances, labels, strict=True))
    usual = [-(c * np.log(np.clip(c, CLIP, 1.0))).sum(axis=1) for c in chances]
    return _Foretold((before, now), (usual[0], usual[1]), (one_hot[0] - chances[0], one_hot[1] - chances[1]))


def _log_losses(chances: Floats, labels: Ints) -> Floats:
    return np.asarray(-np.log(np.clip(chances[np.arange(len(labels)), labels], CLIP, 1.0)))


def _judged(
    bench: PricingBench, p: Populations, column: str, whole: _Foretold, without: _Foretold
) -> Misleading | None:
    """What leaving a column out shows; None where it does not explain the loss, or the outcomes are others."""
    held = _held(p, column)
    gains = [without.losses[side] - whole.losses[side] for side in (0, 1)]
    told, tells = (gain[rows] for gain, rows in zip(gains, held, strict=True))
    if held[1].mean() < LEAST_HELD or _z(told) < TOLD_Z or float(tells.mean()) > LEFT * float(told.mean()):
        return None
    found = Misleading(
        column, _rise(bench, whole.surprise, held), _rise(bench, without.losses, held), float(held[1].mean())
    )
    if found.rise.value <= 0 or (found.rise - found.rise_without).z < ASTRAY_Z:
        return None
    if found.rise_without.value > WITHOUT * found.rise.value:
        return None
    if float(np.quantile(found.rise_without.replicates - WITHOUT_LIMIT * found.rise.replicates, LIMIT)) > 0:
        return None
    if not _others_tell(p, without, held) or _tells_somewhere(bench, column, *gains):
        return None
    other = np.abs(without.misses[1][held[1]].mean(0) - without.misses[0][held[0]].mean(0)).max()
    error = 1.0 if p.classes else float(without.losses[0][held[0]].mean())
    return found if other <= (OTHER_SHARES if p.classes else OTHER_MEAN) * error else None


def _others_tell(p: Populations, without: _Foretold, held: tuple[Mask, Mask]) -> bool:
    """Whether the other columns still tell most of what they told of the outcome, beside how frequent each is: labels that are
    wrong, and relations that turned, take it from all."""
    told: list[Floats] = []
    for side, losses, rows in zip((p.good, p.bad), without.losses, held, strict=True):
        labels = side.labels[rows]
        if p.classes:
            shares = np.bincount(labels.astype(np.int64), minlength=p.classes) / len(labels)
            blind = -np.log(np.clip(shares, CLIP, 1.0))[labels.astype(np.int64)]
        else:
            blind = np.abs(labels.astype(float) - np.median(labels.astype(float)))
        told.append(blind - losses[rows])
    return _z(told[0]) >= WITNESS_Z and float(told[1].mean()) >= OTHERS_KEEP * float(told[0].mean())


def _tells_somewhere(bench: PricingBench, column: str, told: Floats, tells: Floats) -> bool:
    """Whether the column clearly tells on the rows of some level or quarter of another one most of what it told there: a relation
    that changed elsewhere. ``told``, ``tells``: of each labelled row of both windows (n_ref,), (n_cur,)."""
    before, now = (bench.rows(side) for side in bench.case.sides)
    for codes, current, levels in parts_of_rows(bench.case, column):
        for level in range(levels):
            usual, there = told[codes[before] == level], tells[current[now] == level]
            few = len(usual) < LEAST_IN_LEVEL or len(there) < max(LEAST_IN_LEVEL, LEVEL_SHARE * len(now))
            if few or _z(usual) < TOLD_Z:
                continue
            least = float(there.mean()) - LEVEL_Z * float(there.std()) / np.sqrt(len(there))
            if float(there.mean()) > KEEPS * float(usual.mean()) and least > LEAST_KEPT * float(usual.mean()):
                return True
    return False


def _held(p: Populations, column: str) -> tuple[Mask, Mask]:
    """Rows of both windows whose values of the column are such as the reference held, or missing (n_ref,), (n_cur,)."""
    place = p.columns.index(column)
    before, now = (x[:, place] for x in _inputs(p))
    low, high = np.nanquantile(before, HELD)
    return ~((before < low) | (before > high)), ~((now < low) | (now > high))


def _rise(bench: PricingBench, losses: tuple[Floats, Floats], held: tuple[Mask, Mask]) -> Effect:
    """How much more is lost on the rows of the current window than on those of the reference."""
    before, now = (_mean(bench, place, loss, rows) for place, (loss, rows) in enumerate(zip(losses, held, strict=True)))
    return now - before


def _mean(bench: PricingBench, place: int, values: Floats, rows: Mask) -> Effect:
    sums = bench.draw(bench.case.sides[place]).sums(np.column_stack([values * rows, rows.astype(float)]))
    return Effect(float(values[rows].mean()), sums[:, 0] / np.maximum(sums[:, 1], 1.0))


def _z(values: Floats) -> float:
    return float(values.mean() / max(values.std() / np.sqrt(len(values)), 1e-12))
