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
from backslide.contracts.finding import Finding, Severity, Step
from backslide.playbook import scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.playbook.drift import change_of_column
from backslide.playbook.drift.embedding import embedding_columns
from backslide.playbook.drift.embedding.embedding_columns import Vectors
from backslide.playbook.drift.embedding.map import density_map
from backslide.playbook.findings import enough_days, separation_finding, separation_severity
from backslide.stats.arrays import Floats
from backslide.stats.drift.domain_classifier import Separation, separation
from backslide.stats.drift.mmd import Distance, kernel_distance
from backslide.stats.text.embeddings import axes_of, norms

AXES = 24
MOST_CLASSIFIED = 3_000


@dataclass(frozen=True)
class EmbeddingDriftFloors:
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
    thresholds = EmbeddingDriftFloors()

    def run(self, case: Case) -> Iterable[Finding]:
        """One finding per column of embeddings."""
        for held in embedding_columns.every_vector(case):
            yield self._finding(case, held)

    def _finding(self, case: Case, vectors: Vectors) -> Finding:
        floors, rows = self.thresholds, (len(vectors.x[0]), len(vectors.x[1]))
        views = _views(vectors)
        auc = _separated(case, vectors, views)
        distance = kernel_distance(vectors.x[0], vectors.x[1], vectors.days, case.rng(f"distance of {vectors.name}"))
        judged = enough_days(vectors.days)
        apart, far = auc.auc >= floors.auc and auc.low > 0.5, distance.size >= floors.distance
        severity = separation_severity(auc, floors.auc, floors.large_auc, judged=judged)
        if judged and far and severity != Severity.FAIL:
            severity = Severity.FAIL if distance.size >= floors.large_distance else Severity.WARN
        first = vectors.aligned(case, (views[0][:, 0], views[1][:, 0]))
        return separation_finding(
            self,
            vectors.name,
            f"{vectors.name}: a classifier tells the windows apart by their vectors with AUC {say.number(auc.auc, 3)} (0.5 is "
            f"not at all); the clouds lie {say.percent(distance.size)} of their spread apart beyond chance",
            auc,
            severity=severity,
            floor=floors.auc,
            judged=judged,
            rows=min(rows),
            p_value=_p_value(auc, distance, apart, far),
            basis=change_of_column.basis(case, rows, "vectors"),
            since=change_of_column.since(case, first) if severity != Severity.OK else None,
            numbers={"distance": distance.size, "distance_p": distance.p_value, "dimensions": vectors.x[0].shape[1]},
            evidence=density_map(vectors),
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
