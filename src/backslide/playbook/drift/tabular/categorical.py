"""Did the categories move, did new ones appear, did old ones vanish?

Shares of every category in both windows, over all rows: chi-squared with Cramer's V, total variation and Jensen-Shannon
distance, the categories that moved most in percentage points, the share of rows whose category the reference never held
against the rate expected from the reference itself, the categories that vanished, and the number of categories. Booleans
count as two categories. Of more than 200 categories the 50 most frequent are told apart, beside the 10 most frequent new ones.

**Why it matters.** Encoders silently drop or mis-map what they have not seen; a renamed code is an unknown one.

**Stays quiet** when the shares moved by less than 3 points in sum (total variation) and unseen categories make up less than
1 % of the rows beyond what the reference leads to expect. And when the change is within noise at the false-discovery rate of
the report (1 %), noise being that of days and weekdays wherever rows have times. Error rate: of columns in which nothing
happened, at most 1 % are flagged, at any number of rows. Columns that are mostly unique (ids, free text) are left alone.

**What to do.** For unseen categories: look at the cause named, map or retrain. For moved shares: ask what changed in the
traffic.

References: Cramer (1946); Good (1953); Rao and Scott (1981); Lin (1991); Benjamini and Hochberg (1995).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from backslide.case import Case
from backslide.contracts import say
from backslide.contracts.evidence import Bars, Series
from backslide.contracts.finding import Finding, Severity, Step
from backslide.engine.columns.kinds import ColumnKind
from backslide.engine.profile.profile import ColumnProfile, Profile
from backslide.playbook import evidence, scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.playbook.drift import change_of_column
from backslide.playbook.drift.change_of_column import LevelCounts
from backslide.playbook.drift.stored_days import Quantity, share_by_day
from backslide.playbook.findings import graded, share_finding
from backslide.stats.drift.univariate import ShareMove
from backslide.stats.two_sample import jensen_shannon, unseen_rate


@dataclass(frozen=True)
class CategoricalDriftFloors:
    total_variation: float = 0.03
    """Share of rows that would have to change category."""
    large_total_variation: float = 0.15
    unseen: float = 0.01
    """Share of rows in categories that the reference never held, beyond the rate at which it meets new ones itself."""


@dataclass(frozen=True)
class Unseen:
    """Rows of the current window whose level the reference never held."""

    levels: tuple[str, ...]
    share: float
    expected: float
    p_value: float

    @property
    def excess(self) -> float:
        """Beyond what was to be expected."""
        return self.share - self.expected


class CategoricalDrift(Check):
    code = "DRF002"
    title = "Categorical features"
    step = Step.DRIFT
    needs = (Need.CATEGORICAL,)
    thresholds = CategoricalDriftFloors()

    def run(self, case: Case) -> Iterable[Finding]:
        """One finding per categorical or boolean feature with values in both windows."""
        columns = case.features_of(ColumnKind.CATEGORICAL, ColumnKind.BOOLEAN)
        alpha = case.settings.engine.false_discovery_rate / max(len(columns), 1)
        drawn = 0
        for column in columns:
            ref, cur = (side.profile.columns[column] for side in case.sides)
            if (
                not (ref.levels or ref.rest_rows)
                or not (cur.levels or cur.rest_rows)
                or _is_identifier(case, column, ref)
            ):
                continue
            finding = self._finding(case, column, alpha, draw=drawn < change_of_column.DRAWN_SERIES)
            drawn += finding.severity != Severity.OK
            yield finding

    def _finding(self, case: Case, column: str, alpha: float, *, draw: bool) -> Finding:
        ref, cur = (side.profile.columns[column] for side in case.sides)
        levels = change_of_column.feature_levels(case, column)
        move = change_of_column.feature_shares(case, column)
        assert move is not None
        unseen, vanished, floors = _unseen(ref, cur, move), _vanished(ref, cur), self.thresholds
        moved, met = move.total_variation_adjusted >= floors.total_variation, unseen.excess >= floors.unseen
        # Each question has half of the error rate; where neither passes its floor, the shares speak.
        asked = [p for p, over in ((move.p_value, moved), (unseen.p_value, met)) if over] or [move.p_value]
        rows = min(levels.reference.sum(), levels.current.sum())
        size = move.total_variation_adjusted if moved or met else -1.0
        most = int(np.argmax(np.abs(move.adjusted)[: len(levels.names)] if levels.names else [0]))
        summary = _sentence(column, levels, move, most, unseen, vanished)
        marks = _marks(case, column, levels, most, unseen)
        return share_finding(
            self,
            case,
            column,
            summary,
            move,
            severity=graded(size, 0.0, floors.large_total_variation, rows, change_of_column.MIN_ROWS),
            floor=floors.total_variation,
            alpha=alpha,
            marks=marks,
            place=most,
            p_value=min(1.0, 2 * min(asked)),
            basis=_basis(case, ref),
            numbers={
                "cramers_v": move.cramers_v,
                "chi_squared": move.chi_squared,
                "jensen_shannon": jensen_shannon(levels.reference, levels.current),
                "total_variation": move.total_variation,
                "total_variation_without_weekdays": move.total_variation_adjusted,
                "most_moved": levels.names[most] if levels.names else "",
                "unseen_share": unseen.share,
                "unseen_expected": unseen.expected,
                "unseen": ", ".join(unseen.levels[:5]),
                "vanished_share": float(sum(vanished.values())),
                "vanished": ", ".join(sorted(vanished, key=lambda n: -vanished[n])[:5]),
                "reference_distinct": ref.distinct_levels,
                "current_distinct": cur.distinct_levels,
            },
            evidence=lambda: (
                _bars(column, ref, cur, summary),
                *(_series(case, marks, column, levels.names[most]) if draw and levels.names else ()),
            ),
        )

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """A channel is renamed."""
        current = scenarios.next_month(rng)
        current = current.with_columns(current["channel"].replace("phone", "telephone"))
        return scenarios.against(rng, current, "channel")


def _unseen(ref: ColumnProfile, cur: ColumnProfile, move: ShareMove) -> Unseen:
    """Where the reference kept only its most frequent levels, an unknown one may be a rare one: not called unseen."""
    if ref.rest_rows or not ref.levels:
        return Unseen((), 0.0, 0.0, 1.0)
    n_ref, n_cur = float(sum(ref.levels.values())), float(sum(cur.levels.values())) + cur.rest_rows
    fresh = sorted((n for n in cur.levels if n not in ref.levels), key=lambda n: (-cur.levels[n], n))
    share = sum(cur.levels[n] for n in fresh) / n_cur
    expected = unseen_rate(list(ref.levels.values()))
    worth = min(move.effective[1], n_cur)
    least = max(expected, 1 / min(n_ref, move.effective[0]))
    p_value = float(stats.binom.sf(np.floor(share * worth) - 1, np.floor(worth), min(least, 1.0))) if fresh else 1.0
    return Unseen(tuple(fresh), share, expected, p_value)


def _vanished(ref: ColumnProfile, cur: ColumnProfile) -> dict[str, float]:
    total = sum(ref.levels.values()) + ref.rest_rows
    return {n: ref.levels[n] / total for n in ref.levels if n not in cur.levels} if not cur.rest_rows else {}


def _basis(case: Case, ref: ColumnProfile) -> str:
    kept = f"all rows, {len(ref.levels)} most frequent categories" if ref.rest_rows else "all rows"
    return f"{kept}; {change_of_column.noise(case)}"


def _is_identifier(case: Case, column: str, ref: ColumnProfile) -> bool:
    """Whether values are mostly unique: ids and free text separate any two windows and say nothing."""
    if not case.stored:
        return case.pairs[column].identifier
    known = sum(ref.levels.values()) + ref.rest_rows
    return case.kind(column) == ColumnKind.CATEGORICAL and ref.distinct_levels > 0.5 * max(known, 1)


def _marks(case: Case, column: str, levels: LevelCounts, most: int, unseen: Unseen) -> tuple[Quantity, Quantity]:
    """1 for sampled rows of the level that moved most (or of any unseen one, if more), 0 for others, NaN for missing."""
    wanted = {most}
    if unseen.excess > abs(
        levels.current[most] / levels.current.sum() - levels.reference[most] / levels.reference.sum()
    ):
        wanted = {i for i, name in enumerate(levels.names) if name in set(unseen.levels)}
    names = [name for i, name in enumerate(levels.names) if i in wanted]

    def hits(profile: Profile) -> tuple[int, int]:
        own = profile.columns[column]
        return sum(own.levels.get(name, 0) for name in names), sum(own.levels.values()) + own.rest_rows

    marks: list[Quantity] = []
    for side in case.sides:
        stored = share_by_day(side, hits)
        if stored is None:
            codes = change_of_column.codes_of(side.sample[column], levels.names)
            marks.append(np.where(codes < 0, np.nan, np.isin(codes, list(wanted)).astype(float)))
        else:
            marks.append(stored)
    return marks[0], marks[1]


def _series(case: Case, marks: tuple[Quantity, Quantity], column: str, name: str) -> tuple[Series, ...]:
    title = f"share of {name if len(name) <= 40 else name[:37] + '...'!r} in {column}"
    return change_of_column.series(case, marks, title=title, y="share of rows", share=True)


def _bars(column: str, ref: ColumnProfile, cur: ColumnProfile, reading: str) -> Bars:
    counts = [{k: float(v) for k, v in side.levels.items()} for side in (ref, cur)]
    return evidence.bars(counts[0], counts[1], title=column, reading=f"{reading}.", x=column)


def _sentence(
    column: str, levels: LevelCounts, move: ShareMove, most: int, unseen: Unseen, vanished: dict[str, float]
) -> str:
    text = f"{column}: "
    if levels.names:
        before, after = say.percent(float(move.before[most])), say.percent(float(move.after[most]))
        text += f"{levels.names[most]!r} {before} → {after}"
    else:
        text += "only rare categories"
    if unseen.levels:
        text += (
            f"; never seen before: {say.listed([repr(n) for n in unseen.levels])} ({say.percent(unseen.share)} of rows"
        )
        text += f", {say.percent(unseen.expected)} expected)" if unseen.expected >= 0.001 else ")"
    if vanished and sum(vanished.values()) >= 0.005:
        gone = sorted(vanished, key=lambda n: -vanished[n])
        text += f"; gone: {say.listed([repr(n) for n in gone])} ({say.percent(sum(vanished.values()))} before)"
    return text
