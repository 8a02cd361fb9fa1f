"""The drop taken apart, ready to draw."""

from __future__ import annotations

from backslide.contracts import say
from backslide.contracts.cause import Cause
from backslide.contracts.evidence import Waterfall, WaterfallStep
from backslide.contracts.finding import Estimate
from backslide.jobs.verdict import Judgement


def waterfall(judgement: Judgement, causes: tuple[Cause, ...], unexplained: Estimate | None) -> Waterfall | None:
    """From the reference value of the target metric through each cause to the current one; None without a change."""
    change = judgement.target_change
    if change is None or unexplained is None:
        return None
    steps = [WaterfallStep(label="reference", value=change.reference, role="level")]
    for cause in causes:
        if cause.points is not None:
            subject = say.listed(cause.features or cause.classes, 3)
            label = f"{cause.kind.words}{f': {subject}' if subject else ''}"
            p = cause.points
            steps.append(WaterfallStep(label=label, value=p.estimate, low=p.low, high=p.high, role="cause"))
    steps.append(
        WaterfallStep(
            label="unexplained",
            value=unexplained.estimate,
            low=unexplained.low,
            high=unexplained.high,
            role="unexplained",
        )
    )
    steps.append(WaterfallStep(label="current", value=change.current, role="level"))
    share = judgement.target.share
    factor = 100 if share else 1
    parts = [f"{s.label} {say.signed(s.value * factor)}" for s in steps if s.role != "level"]
    unit = " points" if share else ""
    return Waterfall(
        title=f"Where the change of {say.metric(judgement.target.name)} comes from",
        reading=f"{say.levels(change.reference, change.current, share=share)}: {', '.join(parts)}{unit}.",
        y=say.metric(judgement.target.name),
        steps=tuple(steps),
        share=share,
    )
