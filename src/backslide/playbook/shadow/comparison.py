"""Old or new model: who is right on the same rows?

Where two models answer the same rows (the saved one and what was served, or `current_model`; or the columns of `[shadow]`), their
answers are compared row by row: the headline metric, F1 of every class, the headline in every user segment, and the decisions
that flip.

**Why it matters.** A new model is judged by its average before it is deployed and by its victims afterwards. On the same rows
what both models share cancels, so a tenth of the rows shows as much as two windows would.

**Stays quiet** when the difference is within noise at one-sided 0.5 %, or under `min_effect`; classes and segments at one-sided
0.125 % each over all of them together (Holm), beyond `min_effect`. So at most about 1 % of comparisons of equally good models
speak. Days are the unit where there are days, moderated towards a usual day effect where there are few. It does not run where
both models are the same.

**What to do.** If the old model is better, roll back. If the new one is better but loses a class or segment (`masked`), look
there before it answers there. `backslide shadow` tells the whole comparison.

**References.** McNemar (1947); Fagerland, Lydersen and Laake (2013), mid-p; DeLong, DeLong and Clarke-Pearson (1988), areas;
Obuchowski (1997), clusters; Smyth (2004), moderated variances; Holm (1979).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from backslide.case import Case
from backslide.contracts import say
from backslide.contracts import shadow as contract
from backslide.contracts.evidence import RankedRow, Ranking
from backslide.contracts.finding import Finding, Severity, Step
from backslide.playbook import scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.playbook.shadow.agreement import flipped, flips
from backslide.playbook.shadow.arms import Arms, arm_of, served_by
from backslide.playbook.shadow.differences import by_class, by_segment, difference, to_contract
from backslide.playbook.shadow.replay import Replay, replay
from backslide.stats.change.metric_change import VERDICT_ALPHA


class PairedComparison(Check):
    code = "SHD002"
    title = "Old and new model on the same rows"
    step = Step.SHADOW
    family = False
    needs = (Need.PREDICTIONS,)

    def run(self, case: Case) -> Iterable[Finding]:
        """The headline, classes and segments where labels allow, and the flips."""
        arms = arms_of(case)
        if arms is None:
            yield self._quiet("only one model answers these rows: there is nothing to compare", "models")
            return
        apart = flipped(arms)
        if not apart.any() and case.problem.classification:
            rows = int((arms.old.answered() & arms.new.answered()).sum())
            yield self._quiet(f"both models decide all {rows} rows alike")
            return
        result = difference(case, arms, case.metric)
        headline = to_contract(case, case.metric, result)
        if result is not None:
            floor = case.floor(case.metric)
            finding = self._finding(case, headline, "difference", f"{say.metric(case.metric.name)}: ")
            yield finding.model_copy(update={"detectable": result.detectable(floor, VERDICT_ALPHA)})
        parts = [*by_class(case, arms, headline), *by_segment(case, arms, headline, search=False)]
        compared = [part for part in parts if part.comparison is not None]
        chart = _ranked(compared)
        for index, part in enumerate(compared):
            assert part.comparison is not None
            finding = self._finding(
                case, part.comparison, part.name, f"{part.name}: {say.metric(part.comparison.metric)} "
            )
            masked = "; masked: the new model does not lose overall" if part.masked else ""
            yield finding.model_copy(
                update={
                    "summary": finding.summary + masked,
                    "evidence": chart if index == 0 else (),
                    "numbers": finding.numbers | {"masked": part.masked, "flips": part.flips},
                }
            )
        flip_counts = flips(arms, case.problem)
        if flip_counts is not None:
            yield self._flips(flip_counts)

    def _quiet(self, summary: str, subject: str = "flips") -> Finding:
        return Finding(code=self.code, subject=subject, severity=Severity.OK, summary=summary, numbers={"flips": 0.0})

    def _finding(self, case: Case, one: contract.MetricComparison, subject: str, start: str) -> Finding:
        change = one.difference
        assert change is not None
        harm = -change.estimate if one.higher_is_better else change.estimate
        size = say.change(change.estimate, share=one.share)
        old, new = (say.level(value or 0.0, share=one.share, digits=3) for value in (one.old, one.new))
        summary = (
            f"{start}{old} with the old model, {new} with the new one on the "
            f"same rows, {size} {'worse' if harm > 0 else 'better'}"
        )
        return Finding(
            code=self.code,
            subject=subject,
            severity=Severity.FAIL if one.winner == "old" else Severity.OK,
            summary=summary,
            estimate=change,
            unit="points" if one.share else "",
            p_value=one.p_value,
            basis="all rows" if case.current.complete else f"sample of {case.current.sample.height} rows",
            numbers={"old": one.old, "new": one.new, "winner": one.winner, "test": one.test},
        )

    def _flips(self, flip_counts: contract.Flips) -> Finding:
        top = f", most often from {flip_counts.flows[0].old} to {flip_counts.flows[0].new}" if flip_counts.flows else ""
        right = (
            f"; of {flip_counts.labelled} with labels the new model is right on {flip_counts.new_right}, "
            f"the old one on {flip_counts.old_right}"
            if flip_counts.labelled
            else ""
        )
        return Finding(
            code=self.code,
            subject="flips",
            severity=Severity.OK,
            estimate=flip_counts.share,
            unit="share",
            summary=f"{say.percent(flip_counts.share.estimate)} of the decisions flip between the models{top}{right}",
            numbers={
                "flips": flip_counts.share.estimate,
                "new_right": flip_counts.new_right,
                "old_right": flip_counts.old_right,
            },
        )

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Another model that has the score upside down for one row in three answers in the current window."""
        current = scenarios.rescored(scenarios.next_month(rng))
        turned = rng.random(current.height) < 1 / 3
        score = current["p_yes"].to_numpy()
        score = np.where(turned, 1 - score, score)
        current = current.with_columns(p_yes=score, prediction=np.asarray(np.where(score >= 0.5, "yes", "no"), object))
        return Scenario(
            scenarios.rescored(scenarios.served(rng)),
            current,
            dict(scenarios.ROLES),
            scenarios.TrueModel(),
            "difference",
        )


def arms_of(case: Case) -> Arms | None:
    """Two models on the current sample, where the case knows two; None where it does not, or they are one and the same."""
    wanted = case.settings.shadow
    if wanted.columns():
        sides = [arm_of(case.current, served_by(case, case.current, columns)) for columns in (wanted.old, wanted.new)]
        return Arms(sides[0], sides[1], True)
    if case.reference_model is None or not case.inputs_known:
        return None
    done: Replay = replay(case)
    if not done.faithful:
        return None  # it is not what served the reference: what it says now proves nothing about a change
    old = arm_of(case.current, done.current.answered.outcomes)
    if case.current_model is not None and done.successor is not None:
        return Arms(old, arm_of(case.current, done.successor.answered.outcomes), True)
    return Arms(old, arm_of(case.current, case.current.outcomes), True) if done.swapped else None


def _ranked(parts: list[contract.PartComparison]) -> tuple[Ranking, ...]:
    shown = [(p.name, p.comparison) for p in parts if p.comparison is not None and p.comparison.difference is not None][
        :40
    ]
    if not shown:
        return ()
    lost = [name for name, one in shown if one.winner == "old"]
    reading = (
        f"The new model loses {say.listed(lost)}."
        if lost
        else "The new model loses nowhere beyond noise and what matters."
    )
    return (
        Ranking(
            title="New less old model by class and segment",
            reading=reading,
            x="new − old",
            share=all(o.share for _, o in shown),
            rows=tuple(
                RankedRow.of(name, one.difference, say.metric(one.metric.split("[")[0]))
                for name, one in shown
                if one.difference is not None
            ),
        ),
    )
