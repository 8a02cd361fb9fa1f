"""Did clusters of embeddings grow, shrink or come up?

For every column of vectors of one dimension, and every text column with a function under `[model] embed`: k-means (at most
sixteen clusters, learned on every other row of the reference), the share of the other reference rows and of the current rows
in each cluster, and the share far from every cluster, farther than all but 0.5 % of the reference. Each cluster is shown with
the real rows nearest to its middle: their text or id, else some of their other columns.

**Why it matters.** Embeddings have no names for what they hold; the rows nearest to a cluster have. A cluster that grew is
another mix of what was always there. What lies far from every cluster is input on which nobody has measured the model.

**Stays quiet** when no cluster's share of the rows changes by 3 points, nor that of the far rows by 2, and when the changes are
within noise: of days and weekdays wherever rows have times, corrected over all clusters of a column (Holm) and at the
false-discovery rate of the report. Error rate: at most 1 % of quiet columns are flagged.

**What to do.** Read the rows shown. Label some of the cluster that grew, or of the far rows, and score the model on them alone.

References: MacQueen (1967); Sculley (2010); Holm (1979).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from backslide.case import Case
from backslide.contracts import say
from backslide.contracts.evidence import Evidence, Table
from backslide.contracts.finding import Finding, Step
from backslide.playbook import scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.playbook.drift import change_of_column
from backslide.playbook.drift.embedding import embedding_columns
from backslide.playbook.drift.embedding.embedding_columns import Vectors
from backslide.playbook.drift.embedding.map import described
from backslide.playbook.drift.group_shares import GroupShift, group_chart, group_finding, group_shifts
from backslide.stats.arrays import Floats, Ints
from backslide.stats.text.embeddings import Clusters, clusters_of

EXAMPLES = 2
FAR_EXAMPLES = 4


@dataclass(frozen=True)
class EmbeddingClustersFloors:
    share: float = 0.03
    """Change of the share of rows in a cluster."""
    large_share: float = 0.15
    far: float = 0.02
    """Change of the share of rows far from every cluster: hardly any were."""


@dataclass(frozen=True)
class _ClusterAssignment:
    """Rows of both windows by cluster; of the reference only those that the clusters were not learned on."""

    vectors: Vectors
    clusters: Clusters
    at: tuple[Ints, Ints]
    """Positions of the rows counted among the vectors."""
    codes: tuple[Ints, Ints]
    distance: tuple[Floats, Floats]

    @property
    def far(self) -> int:
        """Code of the rows near no cluster."""
        return len(self.clusters.centres)

    def marks(self, case: Case, group: int) -> tuple[Floats, Floats]:
        """1 for sampled rows of a cluster, 0 for those of others, NaN for rows that are not counted."""
        rows = [own[at] for own, at in zip(self.vectors.rows, self.at, strict=True)]
        return change_of_column.scattered(case, rows, [(codes == group).astype(float) for codes in self.codes])


class EmbeddingClusters(Check):
    code = "DRF015"
    title = "Clusters of embeddings"
    step = Step.DRIFT
    needs = (Need.EMBEDDING,)
    thresholds = EmbeddingClustersFloors()

    def run(self, case: Case) -> Iterable[Finding]:
        """One finding per column of embeddings."""
        for vectors in embedding_columns.every_vector(case):
            assigned = _assign(vectors)
            if assigned is not None:
                yield self._finding(case, assigned)

    def _finding(self, case: Case, assigned: _ClusterAssignment) -> Finding:
        floors, rows = self.thresholds, (len(assigned.at[0]), len(assigned.at[1]))
        days = [None if d is None else d[at] for d, at in zip(assigned.vectors.days, assigned.at, strict=True)]
        shifts = group_shifts(assigned.codes, days, assigned.far + 1)

        def label(s: GroupShift) -> str:
            return "far from every cluster" if s.group == assigned.far else f"{s.group + 1}: {_name(case, assigned, s)}"

        return group_finding(
            self,
            case,
            assigned.vectors.name,
            shifts,
            floor_of=lambda s: floors.far if s.group == assigned.far else floors.share,
            floor=floors.share,
            large=floors.large_share,
            words=lambda s, loud: _sentence(assigned, s, _name(case, assigned, s) if loud else ""),
            marks=lambda s: assigned.marks(case, s.group),
            evidence=lambda summary: (
                group_chart(
                    "Change of each cluster's share", f"{summary}.", "change of the share of rows", shifts, label
                ),
                _examples(case, assigned, shifts),
            ),
            numbers=lambda _: {
                "clusters": assigned.far,
                "far_reference": shifts[-1].reference,
                "far_current": shifts[-1].current,
            },
            sample_rows=min(rows),
            basis=change_of_column.basis(case, rows, "vectors"),
        )

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """A group comes up that was not there."""
        reference = scenarios.with_vectors(scenarios.served(rng), rng)
        current = scenarios.with_vectors(scenarios.next_month(rng), rng, fresh=0.15)
        return Scenario(reference, current, dict(scenarios.ROLES), None, "vector")


def _assign(vectors: Vectors) -> _ClusterAssignment | None:
    """Clusters of every other reference row; the rows between tell how far is near, and are counted."""
    every = np.arange(len(vectors.x[0]))
    learned, counted = every[::2], every[1::2]
    clusters = clusters_of(vectors.x[0][learned], vectors.x[0][counted])
    if clusters is None:
        return None
    at = counted, np.arange(len(vectors.x[1]))
    (codes, distance), (codes_now, distance_now) = (
        clusters.places(x[own]) for x, own in zip(vectors.x, at, strict=True)
    )
    return _ClusterAssignment(vectors, clusters, at, (codes, codes_now), (distance, distance_now))


def _nearest(assigned: _ClusterAssignment, group: int, side: int, most: int) -> Ints:
    """Positions among the vectors of the rows of a cluster that lie nearest to its middle; of the far rows, spread out."""
    rows = np.flatnonzero(assigned.codes[side] == group)
    order = rows[np.argsort(assigned.distance[side][rows], kind="stable")]
    if group == assigned.far and len(order):
        order = order[np.unique(np.linspace(0, len(order) - 1, min(most, len(order))).astype(np.int64))]
    return np.asarray(assigned.at[side][order[:most]])


def _name(case: Case, assigned: _ClusterAssignment, shift: GroupShift) -> str:
    """What the row nearest to the middle says, from the window in which the cluster is the larger."""
    side = int(shift.raised >= 0)
    at = _nearest(assigned, shift.group, side, 1)
    text = described(case, assigned.vectors, side, at)[0] if len(at) else "no row"
    return text if len(text) <= 60 else text[:57].rstrip() + "…"


def _sentence(assigned: _ClusterAssignment, shift: GroupShift, name: str) -> str:
    if shift.group == assigned.far:
        return f"{shift.arrow} of the rows lie far from every cluster of the reference"
    like = f" of rows like “{name}”" if name else f" {shift.group + 1}"
    return f"the cluster{like} {'grew' if shift.raised > 0 else 'shrank'} ({shift.arrow} of the rows)"


def _examples(case: Case, assigned: _ClusterAssignment, shifts: list[GroupShift]) -> Evidence:
    """The real rows nearest to the middle of each cluster, and some of those far from all."""
    rows = []
    for s in sorted(shifts, key=lambda s: (s.group != assigned.far, -abs(s.raised))):
        far = s.group == assigned.far
        side = 1 if far else int(s.raised >= 0)
        at = _nearest(assigned, s.group, side, FAR_EXAMPLES if far else EXAMPLES)
        place = "far from every cluster" if far else f"cluster {s.group + 1}"
        for text in described(case, assigned.vectors, side, at) if len(at) else ():
            rows.append((place, say.percent(s.reference), say.percent(s.current), ("reference", "current")[side], text))
    return Table(
        title="Rows nearest to each cluster",
        reading="Real rows nearest to the middle of each cluster, from the window in which it is the larger.",
        columns=("place", "reference", "current", "row from", "row"),
        rows=tuple(rows),
    )
