"""Simpson's question for any grouping of the rows: does the moved mix hide what happened inside the groups?"""

from __future__ import annotations

from collections.abc import Mapping

from backslide.case import Case
from backslide.contracts import say
from backslide.contracts.finding import Finding, Severity
from backslide.playbook.findings import interval_of
from backslide.stats.change.metric_change import VERDICT_ALPHA
from backslide.stats.change.units import detectable
from backslide.stats.drift.mix_effect import MixSplit
from backslide.stats.metrics.metric import Metric
from backslide.stats.two_sample import holm


def mix_findings(case: Case, code: str, metric: Metric, splits: Mapping[str, MixSplit], groups: str) -> list[Finding]:
    """One finding per grouping, corrected over all of them (Holm); ``groups`` names what rows move between.

    A warning only where the inside got worse beyond what is material, the mix against it, and the overall number did not.
    """
    known = {name: one for name, one in splits.items() if one.within.se > 0}
    p_values = [one.within.p_worse if metric.higher_is_better else 1 - one.within.p_worse for one in known.values()]
    adjusted = holm(p_values)
    return [
        _finding(case, code, metric, (name, groups), one, float(p), len(known))
        for (name, one), p in zip(known.items(), adjusted, strict=True)
    ]


def _finding(
    case: Case, code: str, metric: Metric, words: tuple[str, str], one: MixSplit, p_value: float, tested: int
) -> Finding:
    floor, (name, groups) = case.floor(metric), words
    hidden = (
        p_value < VERDICT_ALPHA
        and metric.harm(one.within.estimate) >= floor
        and metric.harm(one.total) < floor
        and metric.harm(one.mix.estimate) < 0
    )
    unit = " points" if metric.share else ""
    total, mix, within = (
        say.signed(round(100 * v, 1) + 0.0) if metric.share else say.signed(v)
        for v in (one.total, one.mix.estimate, one.within.estimate)
    )
    summary = (
        f"{name}: {say.metric(metric.name)} {total}{unit}, of that {mix} because rows moved between {groups} and {within} "
        "inside them"
    )
    return Finding(
        code=code,
        subject=f"mix of {name}",
        severity=Severity.WARN if hidden else Severity.OK,
        summary=summary + (f"; the changed mix hides that {groups} got worse inside" if hidden else ""),
        estimate=interval_of(one.within),
        unit="points" if metric.share else "",
        p_value=p_value,
        detectable=detectable(one.within, floor, VERDICT_ALPHA / tested),
        basis="all labelled rows",
        numbers={
            "metric": metric.name,
            "total": one.total,
            "mix": one.mix.estimate,
            "mix_low": one.mix.low,
            "mix_high": one.mix.high,
            "within": one.within.estimate,
            "hidden": hidden,
        },
    )
