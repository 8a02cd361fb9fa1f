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
from backslide.contracts.evidence import Evidence, Ranked, RankedRow, Table
from backslide.contracts.finding import Estimate, Finding, Severity, Step
from backslide.playbook import scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.playbook.drift import change_of_column
from backslide.playbook.drift.embedding import embedding_columns
from backslide.playbook.drift.embedding.embedding_columns import Ints, Vectors
from backslide.playbook.drift.embedding.map import described
from backslide.stats.change.day_noise import DayCounts
from backslide.stats.drift.univariate import ShareMove, share_move
from backslide.stats.metrics.metric import Floats
from backslide.stats.text.embeddings import Clusters, clusters_of
from backslide.stats.two_sample import holm

EXAMPLES = 2
FAR_EXAMPLES = 4


@dataclass(frozen=True)
class Floors:
    share: float = 0.03
    """Change of the share of rows in a cluster."""
    large_share: float = 0.15
    far: float = 0.02
    """Change of the share of rows far from every cluster: hardly any were."""


@dataclass(frozen=True)
class _Moved:
    place: int
    move: ShareMove
    p_value: float
    far: bool

    @property
    def before(self) -> float:
        return float(self.move.before[-1])

    @property
    def after(self) -> float:
        return float(self.move.after[-1])

    @property
    def change(self) -> float:
        """Without the effect of other weekdays."""
        return float(self.move.adjusted[-1])


@dataclass(frozen=True)
class _Placed:
    """Rows of both windows by cluster; of the reference only those that the clusters were not learned on."""

    held: Vectors
    clusters: Clusters
    at: tuple[Ints, Ints]
    """Positions of the rows counted among the vectors."""
    codes: tuple[Ints, Ints]
    apart: tuple[Floats, Floats]


class EmbeddingClusters(Check):
    code = "DRF015"
    title = "Clusters of embeddings"
    step = Step.DRIFT
    needs = (Need.EMBEDDING,)
    thresholds = Floors()

    def run(self, case: Case) -> Iterable[Finding]:
        """One finding per column of embeddings."""
        for held in embedding_columns.every_vector(case):
            placed = _place(held)
            if placed is not None:
                yield self._finding(case, placed)

    def _finding(self, case: Case, placed: _Placed) -> Finding:
        held, floors = placed.held, self.thresholds
        moved = _moves(placed)
        over = [m for m in moved if abs(m.change) >= (floors.far if m.far else floors.share)]
        top = min(over or moved, key=lambda m: (m.p_value, -abs(m.change), m.place))
        severity = Severity.OK
        if over:
            severity = Severity.FAIL if max(abs(m.change) for m in over) >= floors.large_share else Severity.WARN
        shown = severity != Severity.OK
        named = {m.place: _name(case, placed, m) for m in moved} if shown else {}
        said = [m for m in sorted(over, key=lambda m: -abs(m.change)) if m.p_value < 0.05][:3] or [top]
        summary = f"{held.name}: " + "; ".join(_told(m, named.get(m.place, "")) for m in said)
        low, high = change_of_column.newcombe_by_days(top.move)
        rows = (len(placed.at[0]), len(placed.at[1]))
        whole = [np.full(len(x), np.nan) for x in held.x]
        for full, at, codes in zip(whole, placed.at, placed.codes, strict=True):
            full[at] = (codes == top.place).astype(float)
        values = held.aligned(case, (whole[0], whole[1]))
        return Finding(
            code=self.code,
            subject=held.name,
            severity=severity,
            summary=summary,
            estimate=Estimate(estimate=top.after - top.before, low=low, high=high, basis="sample", n=min(rows)),
            unit="points",
            p_value=top.p_value,
            detectable=top.move.detectable(case.settings.engine.false_discovery_rate / len(moved), floors.share),
            basis=embedding_columns.basis(case, rows),
            since=change_of_column.since(case, values) if shown else None,
            numbers={"clusters": len(moved) - 1, "far_reference": moved[-1].before, "far_current": moved[-1].after},
            evidence=(_changes(moved, named, summary), _examples(case, placed, moved)) if shown else (),
        )

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """A group comes up that was not there."""
        reference = scenarios.with_vectors(scenarios.served(rng), rng)
        current = scenarios.with_vectors(scenarios.next_month(rng), rng, fresh=0.15)
        return Scenario(reference, current, dict(scenarios.ROLES), None, "vector")


def _place(held: Vectors) -> _Placed | None:
    """Clusters of every other reference row; the rows between tell how far is near, and are counted."""
    every = np.arange(len(held.x[0]))
    learned, counted = every[::2], every[1::2]
    found = clusters_of(held.x[0][learned], held.x[0][counted])
    if found is None:
        return None
    at = counted, np.arange(len(held.x[1]))
    placed = [found.places(x[own]) for x, own in zip(held.x, at, strict=True)]
    return _Placed(held, found, at, (placed[0][0], placed[1][0]), (placed[0][1], placed[1][1]))


def _moves(placed: _Placed) -> list[_Moved]:
    """Every cluster against all others, and the far rows last, with p-values corrected over them."""
    k, made = len(placed.clusters.centres), []
    days = [None if d is None else d[at] for d, at in zip(placed.held.days, placed.at, strict=True)]
    for place in range(k + 1):
        counted = [
            DayCounts.of((codes == place).astype(np.int64), 2, own)
            for codes, own in zip(placed.codes, days, strict=True)
        ]
        totals = [c.counts.sum(axis=0) for c in counted]
        move = share_move(totals[0], totals[1], (counted[0], counted[1]))
        assert move is not None
        made.append(move)
    corrected = holm([m.p_value for m in made])
    return [_Moved(i, move, float(p), i == k) for i, (move, p) in enumerate(zip(made, corrected, strict=True))]


def _nearest(placed: _Placed, place: int, side: int, most: int) -> Ints:
    """Positions among the vectors of the rows of a cluster that lie nearest to its middle; of the far rows, spread out."""
    own = np.flatnonzero(placed.codes[side] == place)
    if place == len(placed.clusters.centres):
        order = own[np.argsort(placed.apart[side][own], kind="stable")]
        order = (
            order[np.unique(np.linspace(0, len(order) - 1, min(most, len(order))).astype(np.int64))]
            if len(order)
            else own
        )
    else:
        order = own[np.argsort(placed.apart[side][own], kind="stable")][:most]
    return np.asarray(placed.at[side][order])


def _name(case: Case, placed: _Placed, moved: _Moved) -> str:
    """What the row nearest to the middle says, from the window in which the cluster is the larger."""
    side = int(moved.after >= moved.before)
    at = _nearest(placed, moved.place, side, 1)
    return _short(described(case, placed.held, side, at)[0]) if len(at) else "no row"


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57].rstrip() + "…"


def _told(moved: _Moved, name: str) -> str:
    shares = f"{say.percent(moved.before)} → {say.percent(moved.after)} of the rows"
    if moved.far:
        return f"{shares} lie far from every cluster of the reference"
    verb = "grew" if moved.after > moved.before else "shrank"
    like = f" of rows like “{name}”" if name else f" {moved.place + 1}"
    return f"the cluster{like} {verb} ({shares})"


def _changes(moved: list[_Moved], named: dict[int, str], reading: str) -> Evidence:
    rows = []
    for m in sorted(moved, key=lambda m: -(m.after - m.before)):
        low, high = change_of_column.newcombe_by_days(m.move)
        label = "far from every cluster" if m.far else f"{m.place + 1}: {named[m.place]}"
        note = f"{say.percent(m.before)} → {say.percent(m.after)}"
        rows.append(RankedRow(label=label, value=m.after - m.before, low=low, high=high, note=note))
    return Ranked(
        title="Change of each cluster's share",
        reading=f"{reading}.",
        x="change of the share of rows",
        rows=tuple(rows),
        share=True,
    )


def _examples(case: Case, placed: _Placed, moved: list[_Moved]) -> Evidence:
    """The real rows nearest to the middle of each cluster, and some of those far from all."""
    rows = []
    for m in sorted(moved, key=lambda m: (not m.far, -abs(m.after - m.before))):
        side = 1 if m.far else int(m.after >= m.before)
        at = _nearest(placed, m.place, side, FAR_EXAMPLES if m.far else EXAMPLES)
        place = "far from every cluster" if m.far else f"cluster {m.place + 1}"
        for text in described(case, placed.held, side, at) if len(at) else ():
            rows.append((place, say.percent(m.before), say.percent(m.after), ("reference", "current")[side], text))
    return Table(
        title="Rows nearest to each cluster",
        reading="Real rows nearest to the middle of each cluster, from the window in which it is the larger.",
        columns=("place", "reference", "current", "row from", "row"),
        rows=tuple(rows),
    )
