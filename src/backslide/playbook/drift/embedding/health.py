"""Are the embeddings whole?

For every column of vectors, over the sampled rows: how many numbers a vector holds; vectors that are missing, hold numbers that
are not finite, are all zeros or one number throughout; their length (norm), and whether all were of length 1; dimensions that
stand still now; and vectors that come more than once.

**Why it matters.** An encoder that fails rarely raises: it hands back zeros, a vector of another size, or one that was never
normalised, and every distance and every weight behind it is off.

**Stays quiet** when shares move by less than their floors, norms by less than 0.25 standard deviations or 2 %, or within noise
at the false-discovery rate of the report (1 %): of days and weekdays wherever rows have times, with copies counted as often as
copies came before. Error rate: at most 1 % of quiet columns. Another dimension in most rows, all vectors of length 1 that no
longer are, and dimensions that stand still are facts and have no noise.

**What to do.** Compare the version and settings of the encoder with those of training, and check shape, norm and finiteness
where vectors are written.

References: Rao and Scott (1981) for copies; van der Waerden (1952) for norms.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from backslide.case import Case
from backslide.contracts import say
from backslide.contracts.evidence import Evidence, Table
from backslide.contracts.finding import Estimate, Finding, Severity, Step
from backslide.engine.columns.vectors import usual_length
from backslide.playbook import scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.playbook.drift import change_of_column
from backslide.playbook.drift.embedding import embedding_columns
from backslide.playbook.drift.embedding.embedding_columns import VectorFacts
from backslide.playbook.drift.text import text_columns, vocabulary
from backslide.playbook.evidence import numeric_histograms
from backslide.playbook.findings import graded, share_finding
from backslide.stats.arrays import Floats
from backslide.stats.drift.univariate import ShareMove
from backslide.stats.two_sample import Z95

UNIT = 1e-3
"""How far the norm of a normalised vector may be from 1."""
ALL, HARDLY = 0.99, 0.5
"""Share of vectors of length 1 where all are, and under which they are no longer."""
ALIVE = 0.05
"""Share of reference vectors that must differ in a dimension before it is news that it stands still."""
STILL_ROWS = 200
LARGE_RATIO = 0.5
"""Change of the median norm, as a share of it, that no traffic makes."""
Both = tuple[Floats, Floats]


@dataclass(frozen=True)
class EmbeddingHealthFloors:
    dimension: float = 0.005
    """Share of vectors of another dimension: one of them is enough to fail a batch."""
    broken: float = 0.01
    """Change of the share of vectors that are missing, not finite, zero or constant."""
    norm: float = 0.25
    """Shift of the norms, in standard deviations."""
    norm_ratio: float = 0.02
    """The same as a share of the former norm: rounding is no news."""
    copies: float = 0.05
    """Change of the share of vectors that come more than once."""


class EmbeddingHealth(Check):
    code = "DRF014"
    title = "Health of embeddings"
    step = Step.DRIFT
    needs = (Need.EMBEDDING,)
    thresholds = EmbeddingHealthFloors()

    def run(self, case: Case) -> Iterable[Finding]:
        """Up to five findings per column: dimension, broken vectors, norm, dimensions that stand still, copies."""
        for column in embedding_columns.embedding_columns(case):
            own = (
                embedding_columns.facts(case, case.reference, column),
                embedding_columns.facts(case, case.current, column),
            )
            if not all(f.known.any() for f in own):
                yield self._gone(case, column, own)
                continue
            yield self._dimension(case, column, own)
            yield self._broken(case, column, own)
            yield from self._norms(case, column, own)
            yield from self._still(case, column, own)
            yield from self._copies(case, column, own)

    def _gone(self, case: Case, column: str, own: tuple[VectorFacts, VectorFacts]) -> Finding:
        rows = min(len(f.size) for f in own)
        summary = f"{column}: no vectors in the current window"
        table = Table(
            title=f"{column}: vectors",
            reading=f"{summary}.",
            columns=("window", "rows", "vectors"),
            rows=tuple(
                (side.window.name, len(f.size), int(f.known.sum())) for side, f in zip(case.sides, own, strict=True)
            ),
        )
        return Finding(
            code=self.code,
            subject=f"{column} vectors",
            summary=summary,
            evidence=(table,),
            basis=_basis(rows),
            severity=Severity.FAIL if rows >= change_of_column.MIN_ROWS else Severity.OK,
        )

    def _dimension(self, case: Case, column: str, own: tuple[VectorFacts, VectorFacts]) -> Finding:
        d = embedding_columns.dimension(case, column)
        other = [np.where(f.known, (f.size != d).astype(float), np.nan) for f in own]
        now = usual_length(own[1].size)
        move = change_of_column.share_of(case, (other[0], other[1]))
        words = f"of the vectors have other than {d} numbers"
        if now != d:
            words += f", most of them {now}"
        return self._share_finding(
            case,
            f"{column} dimension",
            f"{column}: {_ends(move)} {words}",
            move,
            (other[0], other[1]),
            self.thresholds.dimension,
            certain=now != d and float(move.after[-1]) >= HARDLY,
            shown=(_sizes(column, own),),
        )

    def _broken(self, case: Case, column: str, own: tuple[VectorFacts, VectorFacts]) -> Finding:
        broken = [(~f.known | ~f.finite | f.flat).astype(float) for f in own]
        move = change_of_column.share_of(case, (broken[0], broken[1]))
        parts = {
            "missing": [~f.known for f in own],
            "with numbers that are missing or infinite": [f.known & ~f.finite & (f.size > 0) for f in own],
            "all zeros": [f.finite & (f.norm == 0) for f in own],
            "one number throughout": [f.finite & f.flat & (f.norm > 0) for f in own],
            "empty": [f.size == 0 for f in own],
        }
        rows = tuple(
            (what, float(both[0].mean()), float(both[1].mean()))
            for what, both in parts.items()
            if any(p.any() for p in both)
        )
        most = max(rows, key=lambda row: abs(row[2] - row[1]), default=None)
        detail = f", most of them {most[0]}" if most is not None and most[2] > most[1] else ""
        summary = f"{column}: {_ends(move)} of the rows hold no usable vector{detail}"
        table = Table(
            title=f"{column}: vectors that say nothing",
            reading=f"{summary}.",
            columns=("vectors", "reference", "current"),
            rows=rows,
        )
        return self._share_finding(
            case,
            f"{column} vectors",
            summary,
            move,
            (broken[0], broken[1]),
            self.thresholds.broken,
            shown=(table,),
        )

    def _norms(self, case: Case, column: str, own: tuple[VectorFacts, VectorFacts]) -> Iterator[Finding]:
        values = [np.where(f.finite & (f.norm > 0), np.round(f.norm, 6), np.nan) for f in own]
        known = [v[np.isfinite(v)] for v in values]
        if not all(map(len, known)):
            return
        middle = [float(np.median(v)) for v in known]
        unit = [float((np.abs(v - 1) <= UNIT).mean()) for v in known]
        both = values[0], values[1]
        summary = f"{column}: median norm {say.number(middle[0])} → {say.number(middle[1])}"
        shown = numeric_histograms(both, title=f"Norms of {column}", reading=f"{summary}.", x="norm")
        if unit[0] >= ALL:
            off = [np.where(np.isfinite(v), (np.abs(v - 1) > UNIT).astype(float), np.nan) for v in values]
            words = f"{summary}; {say.percent(unit[0])} of the vectors were of length 1, {say.percent(unit[1])} are now"
            yield self._share_finding(
                case,
                f"{column} norm",
                words,
                change_of_column.share_of(case, (off[0], off[1])),
                (off[0], off[1]),
                self.thresholds.broken,
                certain=unit[1] <= HARDLY,
                shown=shown,
            )
            return
        if unit[1] >= ALL:
            summary += "; all vectors are of length 1 now"
        found = change_of_column.sampled(case, both)
        ratio, alpha = abs(middle[1] / middle[0] - 1), case.settings.engine.false_discovery_rate
        still = found is None  # all of one length before, whichever
        shift = 0.0 if found is None else found.move.shift_adjusted
        se = 0.0 if found is None else Z95 * found.move.shift_se
        severity = Severity.OK
        over = ratio >= self.thresholds.norm_ratio and (still or abs(shift) >= self.thresholds.norm)
        if min(map(len, known)) >= change_of_column.MIN_ROWS and over:
            severity = Severity.FAIL if ratio >= LARGE_RATIO else Severity.WARN
        worry = severity != Severity.OK
        yield Finding(
            code=self.code,
            subject=f"{column} norm",
            severity=severity,
            summary=summary,
            estimate=Estimate(estimate=shift, low=shift - se, high=shift + se, basis="sample", n=len(values[1])),
            unit="standard deviations",
            p_value=None if found is None else found.move.p_location,
            detectable=None if found is None else found.move.detectable(alpha, self.thresholds.norm),
            basis=_basis(min(map(len, values))),
            since=change_of_column.since(case, both) if worry else None,
            numbers={"reference_norm": middle[0], "current_norm": middle[1]},
            evidence=shown if worry else (),
        )

    def _still(self, case: Case, column: str, own: tuple[VectorFacts, VectorFacts]) -> Iterator[Finding]:
        held = embedding_columns.vectors(case, column)
        if held is None or min(map(len, held.x)) < STILL_ROWS:
            return
        still = np.flatnonzero((own[1].low == own[1].high) & (own[0].low < own[0].high))
        lively = [int(k) for k in still if _varied(held.x[0][:, k]) >= ALIVE]
        d = held.x[0].shape[1]
        summary = f"{column}: {len(lively)} of {d} dimensions varied and stand still now"
        table = Table(
            title=f"{column}: dimensions that stand still",
            reading=f"{summary}.",
            columns=("dimension", "now", "before, from", "to"),
            rows=tuple((k, float(own[1].low[k]), float(own[0].low[k]), float(own[0].high[k])) for k in lively[:12]),
        )
        yield Finding(
            code=self.code,
            subject=f"{column} dimensions",
            severity=Severity.FAIL if lively else Severity.OK,
            summary=summary,
            estimate=Estimate(estimate=len(lively) / d, basis="sample", n=len(own[1].size)),
            unit="points",
            detectable=1 / d,
            basis=_basis(len(own[1].size)),
            evidence=(table,) if lively else (),
        )

    def _copies(self, case: Case, column: str, own: tuple[VectorFacts, VectorFacts]) -> Iterator[Finding]:
        held = embedding_columns.vectors(case, column)
        if held is None:
            return
        most = min(map(len, held.rows))
        kept = [vocabulary.thinned(len(rows), most) for rows in held.rows]
        keys = [f.key[rows[at]] for f, rows, at in zip(own, held.rows, kept, strict=True)]
        groups = [np.unique(key, return_inverse=True)[1] for key in keys]
        whole = [np.full(len(rows), np.nan) for rows in held.rows]
        for full, at, group in zip(whole, kept, groups, strict=True):
            full[at] = (np.bincount(group)[group] > 1).astype(float)
        move = text_columns.clumped(held, (whole[0], whole[1]), groups[0])
        if move is None:
            return
        summary = f"{column}: {_ends(move)} of the vectors come more than once"
        values = held.aligned(case, (whole[0], whole[1]))
        table = _copied(column, groups, summary)
        yield self._share_finding(
            case, f"{column} copies", summary, move, values, self.thresholds.copies, shown=(table,)
        )

    def _share_finding(
        self,
        case: Case,
        subject: str,
        summary: str,
        move: ShareMove,
        marks: Both,
        floor: float,
        *,
        certain: bool = False,
        shown: tuple[Evidence, ...] = (),
    ) -> Finding:
        """``certain`` where it needs no test: most vectors have become another kind."""
        size, rows = abs(float(move.adjusted[-1])), min(map(len, marks))
        known = min(int(np.isfinite(m).sum()) for m in marks)
        return share_finding(
            self,
            case,
            subject,
            summary,
            move,
            severity=graded(np.inf if certain else size, floor, 5 * floor, known, change_of_column.MIN_ROWS),
            floor=floor,
            marks=marks,
            sample_rows=rows,
            basis=_basis(rows),
            numbers={"reference": float(move.before[-1]), "current": float(move.after[-1])},
            evidence=lambda: shown,
            **({"p_value": None} if certain else {}),
        )

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Vectors come unnormalised."""
        reference = scenarios.with_vectors(scenarios.served(rng), rng)
        current = scenarios.with_vectors(scenarios.next_month(rng), rng, unit=False)
        return Scenario(reference, current, dict(scenarios.ROLES), None, "vector norm")


def _ends(move: ShareMove) -> str:
    return f"{say.percent(float(move.before[-1]))} → {say.percent(float(move.after[-1]))}"


def _basis(rows: int) -> str:
    return f"sample of {rows} rows a window"


def _varied(values: np.ndarray) -> float:
    """Share of the values that are not the most frequent one."""
    return 1 - float(np.unique(values, return_counts=True)[1].max()) / len(values)


def _sizes(column: str, own: tuple[VectorFacts, VectorFacts]) -> Table:
    every = np.concatenate([f.size[f.known] for f in own])
    kinds, counts = np.unique(every, return_counts=True)
    shown = sorted(int(k) for k in kinds[np.argsort(-counts, kind="stable")[:8]])
    rows = tuple((size, *(int((f.size == size).sum()) for f in own)) for size in shown)
    return Table(
        title=f"{column}: numbers in a vector",
        reading="Sampled rows by how many numbers their vector holds.",
        columns=("numbers", "reference", "current"),
        rows=rows,
    )


def _copied(column: str, groups: list[np.ndarray], reading: str) -> Table:
    size = [np.bincount(group) for group in groups]
    rows = tuple(
        (what, *(fact(s) for s in size))
        for what, fact in (
            ("vectors", lambda s: int(s.sum())),
            ("distinct vectors", len),
            ("most copies of one", lambda s: int(s.max())),
        )
    )
    return Table(title=f"{column}: copies", reading=f"{reading}.", columns=("", "reference", "current"), rows=rows)
