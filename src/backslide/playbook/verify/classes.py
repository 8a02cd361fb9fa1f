"""Does an improved overall number mask a class that fell?

Recall, precision and F1 of every class in both windows, each change with its interval, corrected over all classes (Holm).
A class that fell materially while the headline held or rose is **masked**, and said so. The change of accuracy is taken apart:
how much because labels come in another mix, how much inside the classes (Kitagawa); a mix that grew easier can hide that every
class got worse (Simpson). Says plainly when the model predicts one class only.

**Why it matters.** Overall accuracy can rise while the class that matters most fails.

**Stays quiet** when a class's change is within noise at one-sided 0.5 % over all classes together, or under `min_effect`; about
the mix, unless the classes got worse inside, clear of noise at one-sided 0.5 %, while accuracy held. So at most about 1 % of
quiet reports show either. A class absent from a window is "not estimable", never a zero.

**What to do.** Look at which errors took the class's rows (VER004), then at the causes named for that class.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from backslide.case import Case
from backslide.contracts import say
from backslide.contracts.evidence import Ranking
from backslide.contracts.finding import Finding, Severity, Step
from backslide.engine.profile.daily_sums import predicted_rows
from backslide.playbook import scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.playbook.findings import change_finding, ranked_changes, with_evidence
from backslide.playbook.verify.mix import mix_findings
from backslide.stats.change.metric_change import VERDICT_ALPHA, Change
from backslide.stats.change.units import projected
from backslide.stats.drift.mix_effect import MixSplit, split
from backslide.stats.metrics.metric import METRICS, class_metric
from backslide.stats.two_sample import holm

MIN_ROWS = 20
"""Labelled rows of a class per window below which its change is not judged."""

ONE_CLASS = 0.995
"""Share of predictions of one class from which a model hardly decides anything."""


@dataclass(frozen=True)
class _ClassChange:
    label: str
    recall: Change
    f1: Change
    precision: Change
    p_value: float


class Classes(Check):
    code = "VER003"
    title = "Performance by class"
    step = Step.VERIFY
    quick = True
    family = False
    needs = (Need.CLASSIFICATION, Need.LABELS, Need.PREDICTIONS)

    def run(self, case: Case) -> Iterable[Finding]:
        """One finding per class, and one where all predictions are one class."""
        yield from _single_class(case)
        changes = class_changes(case)
        masked_by = _headline_holds(case)
        findings = [_finding(case, change, masked_by, len(changes)) for change in changes]
        yield from with_evidence(findings, _ranked(changes)) if changes else ()
        yield from mix_findings(case, self.code, METRICS["accuracy"], _by_class(case), "classes")

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """The rows of "yes" are missed more often."""
        return scenarios.missed_positives(rng, "yes")


def class_changes(case: Case) -> list[_ClassChange]:
    """Changes of every class with enough rows in both windows, most harmed first; p-values are Holm-adjusted."""
    changes: list[_ClassChange] = []
    for index, label in enumerate(case.problem.classes):
        rows = [side.window.label_counts.get(label, 0) for side in case.sides]
        if min(rows) < MIN_ROWS:
            continue
        recall, f1, precision = (case.change(class_metric(w, index, label)) for w in ("recall", "f1", "precision"))
        # Precision is not known of a class that is never predicted, which is the worst that can happen to one.
        if all(np.isfinite((c.estimate, c.se)).all() for c in (f1, recall)):
            # A class is worse when its F1 is: recall alone falls whenever a model grows more careful.
            changes.append(_ClassChange(label, recall, f1, precision, f1.p_worse))
    adjusted = holm([c.p_value for c in changes])
    changes = [
        _ClassChange(c.label, c.recall, c.f1, c.precision, float(p)) for c, p in zip(changes, adjusted, strict=True)
    ]
    return sorted(changes, key=lambda c: c.f1.estimate)


def _by_class(case: Case) -> dict[str, MixSplit]:
    """The change of accuracy by mix of labels and by recall within them."""
    k = len(case.problem.classes)
    means = np.zeros((3 * k, 2 * k))  # from [labels, predictions, hits] to [label_1, hit_1, label_2, ...]
    means[np.arange(k), 2 * np.arange(k)] = means[2 * k + np.arange(k), 2 * np.arange(k) + 1] = 1.0
    sides = [projected(side.units(METRICS["accuracy"]), means) for side in case.sides]
    return {"labels": split(sides[0], sides[1])} if k > 1 and min(side.n for side in sides) >= MIN_ROWS else {}


def _headline_holds(case: Case) -> bool:
    """Whether nobody would see from the headline that something got worse."""
    change = case.change(case.metric)
    material = case.metric.harm(change.estimate) >= case.problem.min_effect and change.p_worse < VERDICT_ALPHA
    return not material and min(case.metric.harm(change.low), case.metric.harm(change.high)) <= 0


def _of_the_whole(case: Case) -> str:
    """What the headline did meanwhile."""
    change = case.change(case.metric)
    better = max(case.metric.harm(change.low), case.metric.harm(change.high)) < 0
    return "got better" if better else "held"


def _finding(case: Case, change: _ClassChange, headline_holds: bool, tested: int) -> Finding:
    floor, f1 = case.floor(METRICS["macro_f1"]), change.f1
    worse = change.p_value < VERDICT_ALPHA and -f1.estimate >= floor
    masked = worse and headline_holds
    precision = [
        say.level(value, share=True) if np.isfinite(value) else "none, it is never predicted"
        for value in (change.precision.reference, change.precision.current)
    ]
    summary = (
        f"{change.label}: F1 {'fell' if f1.estimate < 0 else 'rose'} by {say.change(f1.estimate, share=True)} "
        f"({say.levels(f1.reference, f1.current, share=True)}), "
        f"recall {say.levels(change.recall.reference, change.recall.current, share=True)}, "
        f"precision {precision[0]} → {precision[1]}"
    )
    finding = change_finding(
        Classes,
        change.label,
        summary + (f"; masked: {say.metric(case.metric.name)} {_of_the_whole(case)}" if masked else ""),
        f1,
        floor=floor,
        severity=Severity.FAIL if worse else Severity.OK,
        p_value=change.p_value,
        tested=tested,
        sided=1,
        basis="all labelled rows",
    )
    numbers = {
        "masked": masked,
        "f1_reference": f1.reference,
        "f1_current": f1.current,
        "recall_reference": change.recall.reference,
        "recall_current": change.recall.current,
        "rows_reference": case.reference.window.label_counts.get(change.label, 0),
        "rows_current": case.current.window.label_counts.get(change.label, 0),
    }
    return finding.model_copy(update={"numbers": numbers})


def _single_class(case: Case) -> Iterable[Finding]:
    for side, name in zip(case.sides, ("reference", "current"), strict=True):
        stored = side.stored is not None
        predicted = predicted_rows(side.profile) if stored else predicted_counts(case, side.outcomes.predictions)
        label = max(predicted, key=lambda k: predicted[k], default="")
        share = predicted.get(label, 0) / max(sum(predicted.values()), 1)
        if share >= ONE_CLASS and len(case.problem.classes) > 1:
            but = "" if share == 1 else f" but for {say.percent(1 - share)}"
            yield Finding(
                code=Classes.code,
                subject=f"{name} predictions",
                severity=Severity.WARN,
                summary=f"{name} predictions all one class{but}: {label!r}",
                numbers={"window": name, "label": label, "share": share},
            )


def predicted_counts(case: Case, predictions: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> dict[str, int]:
    """Predicted class -> rows of the sample."""
    codes = predictions.astype(np.int64)
    counts = np.bincount(codes[codes >= 0], minlength=len(case.problem.classes))
    return {label: int(n) for label, n in zip(case.problem.classes, counts, strict=True) if n}


def _ranked(changes: list[_ClassChange]) -> Ranking:
    label, f1 = changes[0].label, changes[0].f1
    reading = f"{label} changed the most for the worse: F1 {say.levels(f1.reference, f1.current, share=True)}."
    rows = [(c.label, c.f1, f"recall {say.signed(c.recall.estimate)}") for c in changes[:40]]
    return ranked_changes("Change of F1 by class", reading, "change of F1", rows)
