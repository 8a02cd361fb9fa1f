"""Did the embeddings move?

For every column of vectors of one dimension (lists or arrays of numbers), and every text column with a function under
`[model] embed`, on a bounded sample: can a classifier tell the windows apart by their vectors (principal axes, norm and what
the axes leave; regularised, cross-fitted over stretches of days), and how far apart are the clouds of vectors (maximum mean
discrepancy, judged by exchanging whole days between the windows)?

**Why it matters.** A model on embeddings sees nothing else. Another mix of topics, a new version of the encoder and a step of
normalisation that was lost all look alike in the metric, and none of them shows in any single number of the vector.

**Stays quiet** when the AUC stays under 0.55 or its interval holds 0.5, and when the distance is under 0.4 % of the spread or
what exchanging days (rows, where there are no times) brings about; with fewer than five days in a window both are shown and
not judged. Error rate: at most 1 % of quiet columns, at the false-discovery rate of the report.

**What to do.** Look at the map: a whole cloud that moved points to the encoder (see the causes), a new corner of it to new
topics (see the clusters). Score the model on rows of that corner.

References: Lopez-Paz and Oquab (2017); Gretton, Borgwardt, Rasch, Schoelkopf and Smola (2012); Rabanser, Guennemann and
Lipton (2019).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from backslide.case import Case
from backslide.contracts import say
from backslide.contracts.finding import Estimate, Finding, Severity, Step
from backslide.playbook import scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.playbook.drift import change_of_column
from backslide.playbook.drift.embedding import embedding_columns
from backslide.playbook.drift.embedding.embedding_columns import Vectors
from backslide.playbook.drift.embedding.map import density_map
from backslide.stats.drift.domain_classifier import Separation, separation
from backslide.stats.drift.mmd import Distance, kernel_distance
from backslide.stats.metrics.metric import Floats
from backslide.stats.text.embeddings import axes_of, norms

MIN_DAYS = 5
AXES = 24
MOST_CLASSIFIED = 3_000


@dataclass(frozen=True)
class Floors:
    auc: float = 0.55
    """Telling windows apart in eleven of twenty pairs of rows."""
    large_auc: float = 0.75
    distance: float = 0.004
    """Of the spread of all vectors: what an AUC of 0.55 along one of ten equal axes comes to."""
    large_distance: float = 0.05


class EmbeddingDrift(Check):
    code = "DRF013"
    title = "Embeddings"
    step = Step.DRIFT
    needs = (Need.EMBEDDING,)
    thresholds = Floors()

    def run(self, case: Case) -> Iterable[Finding]:
        """One finding per column of embeddings."""
        for held in embedding_columns.every_vector(case):
            yield self._finding(case, held)

    def _finding(self, case: Case, held: Vectors) -> Finding:
        floors, rows = self.thresholds, (len(held.x[0]), len(held.x[1]))
        views = _views(held)
        auc = _separated(case, held, views)
        apart = kernel_distance(held.x[0], held.x[1], held.days, case.rng(f"distance of {held.name}"))
        days = [len(np.unique(d)) for d in held.days if d is not None]
        judged = not days or min(days) >= MIN_DAYS
        told = auc.auc >= floors.auc and auc.low > 0.5
        far = apart.size >= floors.distance
        p = _p_value(auc, apart, told, far)
        severity = Severity.OK
        if judged and (told or far):
            large = (told and auc.auc >= floors.large_auc) or (far and apart.size >= floors.large_distance)
            severity = Severity.FAIL if large else Severity.WARN
        summary = (
            f"{held.name}: a classifier tells the windows apart by their vectors with AUC {say.number(auc.auc, 3)} (0.5 is not "
            f"at all); the clouds lie {say.percent(apart.size)} of their spread apart beyond chance"
        )
        if not judged:
            summary += f"; fewer than {MIN_DAYS} days in a window, so days themselves may do that"
        shown = severity != Severity.OK
        first = held.aligned(case, (views[0][:, 0], views[1][:, 0]))
        return Finding(
            code=self.code,
            subject=held.name,
            severity=severity,
            summary=summary,
            estimate=Estimate(estimate=auc.auc, low=auc.low, high=auc.high, basis="sample", n=min(rows)),
            unit="AUC",
            p_value=p if judged else None,
            detectable=max(floors.auc, 0.5 + (3.1 + 0.84) * auc.se) if judged else None,
            basis=embedding_columns.basis(case, rows),
            since=change_of_column.since(case, first) if shown else None,
            numbers={"distance": apart.size, "distance_p": apart.p_value, "dimensions": held.x[0].shape[1]},
            evidence=density_map(held),
        )

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """The meaning of the rows moves along one of eight axes."""
        reference = scenarios.with_vectors(scenarios.served(rng), rng)
        current = scenarios.with_vectors(scenarios.next_month(rng), rng, shift=0.8)
        return Scenario(reference, current, dict(scenarios.ROLES), None, "vector")


def _views(held: Vectors) -> tuple[Floats, Floats]:
    """What the classifier is given of (n, d): coordinates on the widest axes of both windows, norm, and what they leave."""
    axes = axes_of(np.vstack(held.x), AXES)
    views = []
    for x in held.x:
        at = axes.coordinates(x)
        size = norms(x)
        left = np.maximum(norms(np.asarray(x - axes.centre, np.float32)) ** 2 - (at**2).sum(axis=1), 0.0)
        views.append(np.column_stack([at, np.round(np.log(np.maximum(size, 1e-30)), 5), np.sqrt(left)]))
    return views[0], views[1]


def _separated(case: Case, held: Vectors, views: tuple[Floats, Floats]) -> Separation:
    chosen, days = [], []
    for view, own in zip(views, held.days, strict=True):
        at = np.unique(np.linspace(0, len(view) - 1, min(len(view), MOST_CLASSIFIED)).round().astype(np.int64))
        chosen.append(view[at])
        days.append(None if own is None else own[at])
    nominal = np.zeros(views[0].shape[1], bool)
    return separation(chosen[0], chosen[1], nominal, (days[0], days[1]), case.rng(f"vectors of {held.name}"))


def _p_value(auc: Separation, apart: Distance, told: bool, far: bool) -> float:
    """Over the questions whose floor is passed, or both where neither is; each has half of the error rate."""
    asked = [p for p, over in ((auc.p_value, told), (apart.p_value, far)) if over or not (told or far)]
    return min(1.0, 2 * min(asked))
