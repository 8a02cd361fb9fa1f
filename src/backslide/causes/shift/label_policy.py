"""Rows of one class labelled as another: a label policy that changed, seen where the model says what it always said.

Among the rows predicted A and labelled A or B, and equally sure of A against B, the share labelled B is what it was, unless
somebody labels otherwise; other class shares move its odds by their ratio, which the predictions tell without the labels (Lipton
et al. 2018, "Detecting and Correcting for Label Shift with Black Box Predictors"). What exceeds that expectation was moved from A
to B. An error of the model shows as other predictions, or as rows at the boundary, and not here.

Stated error: a pair of classes is named in at most 0.5 % of quiet pairs of windows (Holm over the pairs, days as units where
there are enough), and only where at least a tenth of A moved.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from backslide.case import Case, Outcomes
from backslide.causes.pricing.counterfactual import PricingBench
from backslide.playbook.concept.decomposition import Populations
from backslide.stats.arrays import Floats
from backslide.stats.change.effect import Effect
from backslide.stats.shift.doubly_robust import class_ratios

Codes = NDArray[np.int64]

ALPHA = 0.005
CANDIDATES = 30
"""Pairs that are looked at closely, by how far they stand out without day noise."""
SCREEN_Z = 3.0
MIN_MOVED = 10
"""Rows that must have moved."""
LEAST = 0.1
"""Share of a class that must have moved: less is as well an error of the reviewers."""
SURE_BINS = 4
"""Bins of how sure the model was of A against B."""
BIN_ROWS = 40
ALONE = 0.6
"""Share of all rows that moved between classes that one pair, both ways, must hold: labels that scatter are no policy."""
APART = 0.25
"""Squared distance between the mean inputs of two predictions, in standard deviations, from which on they are told apart."""
STILL = 0.5
"""How far the predictions may have moved between the two classes, as a share of how far the labels did."""


@dataclass(frozen=True)
class LabelMove:
    """Rows that are labelled ``after`` and would have been labelled ``before``."""

    before: int
    after: int
    share: float
    """Of the rows predicted and formerly labelled ``before``."""
    rows: float
    """Moved among the rows predicted ``before``."""
    z: float
    shares: Floats
    """Share that moved, then in each replicate (1 + B,)."""
    counts: Floats
    """Rows that moved among those predicted ``before``, likewise."""


@dataclass(frozen=True)
class LabelPolicy:
    """One pair of classes, the price of it, and the moves (one, or both ways)."""

    moves: tuple[LabelMove, ...]
    effect: Effect


def find_label_policy(bench: PricingBench, p: Populations) -> LabelPolicy | None:
    """The pair of classes between which labels moved, priced in the target metric; None where none stands out, or with fewer
    than three classes, where every concept drift is one between the two."""
    case = bench.case
    k = len(case.problem.classes)
    if not case.problem.classification or k < 3:
        return None
    windows = tuple(_LabelledRows.of(o.labels, o.predictions, o.scores) for o in (p.good, p.bad))
    draws = (bench.draw(case.reference), bench.draw(case.current))
    found = class_ratios(windows[0].labels, windows[0].predictions, windows[1].predictions, k, draws)
    ratio = np.vstack(found)
    tested, pairs = _screen(windows[0], windows[1], ratio[0], k)
    made = [_move(bench, windows, ratio, *pair) for pair in pairs]
    looked = [m for m in made if m is not None and m.z > SCREEN_Z]
    # Where the predictions moved instead, the model errs otherwise; that hides no policy beside it.
    sound = [m for m in looked if _labels_moved(windows, m) or _changed_places(case, m, looked)]
    pairs_moved = {frozenset((m.before, m.after)) for m in sound}
    moved = [m for m in looked if frozenset((m.before, m.after)) in pairs_moved]
    if not sound:
        return None
    first = max(sound, key=lambda m: m.rows)
    both = [m for m in moved if {m.before, m.after} == {first.before, first.after}]
    sure = [m for m in both if stats.norm.sf(m.z) * tested < ALPHA and m.share >= LEAST and m.rows >= MIN_MOVED]
    if first not in sure or sum(m.rows for m in both) < ALONE * sum(m.rows for m in moved):
        return None
    return LabelPolicy(tuple(sure), _price(bench, p, windows, sure))


@dataclass(frozen=True)
class _LabelledRows:
    labels: Codes
    predictions: Codes
    scores: Floats | None

    @staticmethod
    def of(labels: NDArray[np.generic], predictions: NDArray[np.generic], scores: Floats | None) -> _LabelledRows:
        return _LabelledRows(labels.astype(np.int64), predictions.astype(np.int64), scores)

    def cells(self, k: int) -> Floats:
        """Rows by prediction and label (K, K)."""
        known = (self.predictions >= 0) & (self.labels >= 0)
        flat = np.bincount(self.predictions[known] * k + self.labels[known], minlength=k * k)
        return flat.reshape(k, k).astype(float)

    def sure(self, a: int, b: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_], Floats]:
        """Rows predicted A and labelled A or B, those of them labelled B, and how sure the model was of A against B."""
        mine = (self.predictions == a) & ((self.labels == a) | (self.labels == b))
        if self.scores is None:
            return mine, self.labels == b, np.zeros(len(mine))
        own = np.clip(self.scores[:, [a, b]], 1e-9, 1.0)
        return mine, self.labels == b, np.asarray(np.log(own[:, 0] / own[:, 1]))


def _screen(good: _LabelledRows, bad: _LabelledRows, ratio: Floats, k: int) -> tuple[int, list[tuple[int, int]]]:
    """How many pairs could have moved, and those that stand out when every row counts for itself."""
    ref, cur = good.cells(k), bad.cells(k)
    own_ref, own_cur = np.diag(ref)[:, None], np.diag(cur)[:, None]
    odds = (ref + 0.5) / (own_ref + 0.5) * (ratio[None, :] / np.maximum(ratio[:, None], 1e-9))
    chance = odds / (1 + odds)
    both = own_cur + cur
    excess = cur - both * chance
    spread = np.sqrt(np.maximum(both * chance * (1 - chance) * (1 + both / np.maximum(own_ref + ref, 1.0)), 0.25))
    z = np.where((own_ref > 0) & (cur >= MIN_MOVED), excess / spread, 0.0)
    np.fill_diagonal(z, 0.0)
    tested = max(int(((ref + cur > 0) & ~np.eye(k, dtype=bool)).sum()), 1)
    order = np.argsort(-z, axis=None)[:CANDIDATES]
    return tested, [(int(i // k), int(i % k)) for i in order if z.flat[i] > SCREEN_Z]


def _move(bench: PricingBench, windows: tuple[_LabelledRows, ...], ratio: Floats, a: int, b: int) -> LabelMove | None:
    """How much of A moved to B: beyond what equally sure rows of the reference, at the new class shares, lead to expect.

    ``ratio`` (1 + B, K): the new class shares over the old, and their replicates.
    """
    sides = [window.sure(a, b) for window in windows]
    pooled = np.concatenate([sure[mine] for mine, _, sure in sides])
    bins = int(np.clip(min(mine.sum() for mine, _, _ in sides) // BIN_ROWS, 1, SURE_BINS))
    edges = np.unique(np.quantile(pooled, np.linspace(0, 1, bins + 1)[1:-1])) if bins > 1 else np.empty(0)
    counted = []
    for (mine, other, sure), side in zip(sides, bench.case.sides, strict=True):
        at = np.searchsorted(edges, sure, side="right")
        columns = [mine & (at == place) & (other == kind) for place in range(len(edges) + 1) for kind in (False, True)]
        hits = np.column_stack(columns).astype(float)
        counted.append(np.vstack([hits.sum(0), bench.draw(side).sums(hits)]).reshape(-1, len(edges) + 1, 2))
    towards = ratio[:, b] / ratio[:, a]
    odds = (counted[0][..., 1] + 0.5) / (counted[0][..., 0] + 0.5) * towards[:, None]
    expected = counted[1].sum(-1) * odds / (1 + odds)
    moved = (counted[1][..., 1] - expected).sum(1)
    stay = counted[1][..., 0].sum(1)
    share = moved / np.maximum(stay + moved, 1.0)
    if not moved[0] > 0:
        return None
    noise = float(np.std(moved[1:], ddof=1))
    return LabelMove(a, b, float(share[0]), float(moved[0]), float(moved[0]) / max(noise, 1e-9), share, moved)


def _labels_moved(windows: tuple[_LabelledRows, ...], move: LabelMove) -> bool:
    """Whether B gained and A lost among the labels, and not, the other way round, among the predictions."""
    gained = []
    for which in ("labels", "predictions"):
        share = [
            [float((getattr(window, which) == code).mean()) for code in (move.before, move.after)] for window in windows
        ]
        gained.append((share[1][1] - share[0][1] - share[1][0] + share[0][0]) / 2)
    return gained[0] > 0 and abs(gained[1]) <= STILL * gained[0]


def _changed_places(case: Case, move: LabelMove, looked: list[LabelMove]) -> bool:
    """Whether two classes changed places among the labels, which leaves their shares alone, while rows of either prediction look
    as they did: had the answers changed places, the inputs of each would look like those of the other."""
    back = next((m for m in looked if (m.before, m.after) == (move.after, move.before)), None)
    if back is None or min(move.share, back.share) < LEAST:
        return False
    approach = _approach(case, move.before, move.after)
    return approach is not None and approach <= STILL * min(move.share, back.share)


def _approach(case: Case, a: int, b: int) -> float | None:
    """How far the mean inputs of two predictions came towards each other, as a share of their distance in the reference; what
    moves both alike does not count. None where numbers do not tell the two apart."""
    profiles = []
    columns = [pair for pair in case.pairs.values() if pair.numeric and not pair.identifier and len(pair.finite[0])]
    scales = [(float(np.mean(pair.finite[0])), float(np.std(pair.finite[0]))) for pair in columns]
    for place, side in enumerate(case.sides):
        said = side.outcomes.predictions
        if min((said == code).sum() for code in (a, b)) < BIN_ROWS:
            return None
        rows = [
            np.nan_to_num((pair.numbers[place] - mean) / spread, posinf=0.0, neginf=0.0)
            for pair, (mean, spread) in zip(columns, scales, strict=True)
            if spread > 0
        ]
        if not rows:
            return None
        profiles.append([np.array([values[said == code].mean() for values in rows]) for code in (a, b)])
    (ref_a, ref_b), (cur_a, cur_b) = profiles
    across = ref_b - ref_a
    distance = float(across @ across)
    return float((cur_a - ref_a - cur_b + ref_b) @ across / (2 * distance)) if distance >= APART else None


def _price(bench: PricingBench, p: Populations, windows: tuple[_LabelledRows, ...], moves: list[LabelMove]) -> Effect:
    """The metric of the current rows as labelled, less what it would be with the moved rows labelled as before.

    The share of A that moved is taken to be the same whatever was predicted, so that rows predicted B that now count as right
    are counted too.
    """
    k, target, draw = len(bench.case.problem.classes), bench.target, bench.draw(bench.case.current)
    good, bad = windows
    sums = np.vstack([p.s_b.sum(0), draw.sums(p.s_b)])
    before = sums.copy()
    for move in moves:
        labels = np.where(bad.labels == move.after, move.before, bad.labels)
        difference = Outcomes(labels, p.bad.predictions, p.bad.scores).statistics(target, k) - p.s_b
        for said in np.unique(bad.predictions[bad.labels == move.after]):
            mine = (bad.predictions == said) & (bad.labels == move.after)
            counts = np.column_stack([mine, bad.predictions == said]).astype(float)
            n_mine, n_said = np.vstack([counts.sum(0), draw.sums(counts)]).T
            moved = move.counts
            if said != move.before:
                same = good.predictions == said
                moved = move.shares * n_said * float((good.labels[same] == move.before).mean() if same.any() else 0.0)
            of_mine = np.vstack([difference[mine].sum(0), draw.sums(difference * mine[:, None])])
            before += of_mine * (np.clip(moved, 0.0, n_mine) / np.maximum(n_mine, 1.0))[:, None]
    served, was = target.value(sums), target.value(before)
    return Effect(float(served[0] - was[0]), np.asarray(served[1:] - was[1:]))
