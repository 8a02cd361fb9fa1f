"""Did the features move that the model leans on?

Every feature as a point: how far it moved (standard deviations of the normal scores, or for categories the share of rows that
would have to change), and how much the model leans on it: the increase of the loss on reference rows when the saved model gets
the column shuffled; without a saved model, the share of the answers' variance that the feature explains alone.

**Why it matters.** A feature that the model ignores may drift as it likes. One it leans on need not drift far.

**Stays quiet** when no feature moved that carries at least a tenth of the importance; moved meaning, as for single features,
beyond its floor and beyond the noise of days at the false-discovery rate of the report (1 %), Bonferroni over the important
features. Error rate: at most 1 % of quiet reports.

**What to do.** Start with the points at the top right; the causes say what they cost.

References: Breiman (2001); Fisher, Rudin and Dominici (2019).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from backslide.case import Case
from backslide.contracts import say
from backslide.contracts.evidence import Scatter, ScatterPoint
from backslide.contracts.finding import Finding, Severity, Step
from backslide.playbook import scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.playbook.drift import change_of_column
from backslide.playbook.drift.tabular.feature_reliance import Leaning, leaning

SHOWN = 60


@dataclass(frozen=True)
class ImportanceFloors:
    importance: float = 0.1
    """Share of the importance of all features from which the model leans on one."""
    shift: float = 0.1
    """Standard deviations."""
    ks: float = 0.05
    tails: float = 0.02
    total_variation: float = 0.03


@dataclass(frozen=True)
class FeatureMove:
    """How far a feature moved, whether that passes its floor, and how sure it is."""

    distance: float
    over: bool
    p_value: float


class Importance(Check):
    code = "DRF008"
    effort = 7
    title = "Drift and importance"
    step = Step.DRIFT
    needs = (Need.FEATURES,)
    thresholds = ImportanceFloors()

    def run(self, case: Case) -> Iterable[Finding]:
        """One finding over all features."""
        leans = leaning(case)
        if leans is None or not leans.importance:
            return
        found = {column: move for column in leans.importance if (move := self._moved(case, column)) is not None}
        if not found:
            return
        important = [c for c in found if leans.share(c) >= self.thresholds.importance]
        over = [c for c in important if found[c].over]
        enough = min(side.window.rows for side in case.sides) >= change_of_column.MIN_ROWS
        asked = over or important or list(found)
        p_value = min(1.0, len(asked) * min(found[c].p_value for c in asked))
        alpha = case.settings.engine.false_discovery_rate / max(len(found), 1)
        clear = [c for c in over if found[c].p_value <= alpha]
        summary = _sentence(clear or over, important, leans)
        yield Finding(
            code=self.code,
            subject="drift and importance",
            severity=Severity.WARN if over and enough else Severity.OK,
            summary=summary,
            p_value=p_value,
            basis=f"moves over all rows; importance on {leans.rows} reference rows",
            numbers={f"importance of {c}": leans.importance[c] for c in leans.top(10)},
            evidence=(
                _scatter(found, leans, {c for c in found if found[c].over and found[c].p_value <= alpha}, summary),
            ),
        )

    def _moved(self, case: Case, column: str) -> FeatureMove | None:
        floors = self.thresholds
        pair = case.pairs[column]
        if pair.numeric:
            move = change_of_column.numeric(case, column)
            if move is None:
                return None
            p_value, passed = move.judge(floors.ks, floors.shift, floors.tails)
            return FeatureMove(abs(move.shift_adjusted), bool(passed), p_value)
        if pair.identifier:
            return None
        shares = change_of_column.feature_shares(case, column)
        if shares is None:
            return None
        variation = shares.total_variation_adjusted
        return FeatureMove(_as_shift(variation), variation >= floors.total_variation, shares.p_value)

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Incomes rise by half, and the model leans on income."""
        current = scenarios.next_month(rng)
        current = current.with_columns(current["income"] * 1.5)
        model = scenarios.TrueModel()
        return Scenario(scenarios.served(rng), current, dict(scenarios.ROLES), model, "drift and importance")


def _as_shift(variation: float) -> float:
    """The shift of a normal, in standard deviations, that moves as many rows: so that all features share one axis."""
    return float(2 * ndtri((1 + min(variation, 0.999)) / 2))


def _sentence(moved: list[str], important: list[str], leans: Leaning) -> str:
    if moved:
        ranked = sorted(moved, key=lambda c: -leans.importance[c])
        parts = [f"{c} ({say.percent(leans.share(c))} of the importance)" for c in ranked]
        return f"moved, and the model leans on it: {say.listed(parts)}"
    if not important:
        return "the model leans on no single feature"
    ranked = sorted(important, key=lambda c: -leans.importance[c])
    return f"none of the features that the model leans on moved ({say.listed(ranked)})"


def _scatter(found: dict[str, FeatureMove], leans: Leaning, flagged: set[str], reading: str) -> Scatter:
    shown = sorted(found, key=lambda c: (c not in flagged, -leans.importance[c], c))[:SHOWN]
    points = tuple(
        ScatterPoint(
            label=c,
            x=found[c].distance,
            y=leans.importance[c],
            flagged=c in flagged,
            note=f"{say.percent(leans.share(c))} of the importance",
        )
        for c in shown
    )
    return Scatter(
        title="How far features moved, and how much the model leans on them",
        reading=f"{reading}.",
        x="moved by, standard deviations",
        y=leans.words,
        points=points,
    )
