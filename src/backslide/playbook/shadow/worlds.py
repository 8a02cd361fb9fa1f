"""Did the model change, or the world? Old and new model by old and new data."""

from __future__ import annotations

import numpy as np

from backslide.case import Case
from backslide.contracts import say
from backslide.contracts import shadow as contract
from backslide.contracts.finding import Estimate
from backslide.engine.roles.outcomes import Outcomes
from backslide.playbook.shadow.arms import Arms
from backslide.stats.change.metric_change import Units, compare
from backslide.stats.change.units import Days, row_units


def two_by_two(
    case: Case, arms: Arms, before: tuple[Outcomes | None, Outcomes | None], headline: contract.MetricComparison
) -> contract.Worlds | None:
    """The headline in the four cells; None unless the old model is known on labelled rows of both windows."""
    if case.metric.whole is not None or before[0] is None or headline.difference is None:
        return None
    days = case.reference.blocks
    past = [None if b is None else _units(case, b, days) for b in before]
    now = [_units(case, arm.outcomes, arm.days) for arm in (arms.old, arms.new)]
    if past[0] is None or now[0] is None:
        return None
    cells = [None if u is None else _value(case, u) for u in (*past, *now)]
    if cells[0] is None or cells[2] is None:
        return None
    change = compare(past[0], now[0], case.metric)
    if not np.isfinite((change.estimate, change.se)).all():
        return None
    data = Estimate(estimate=change.estimate, low=change.low, high=change.high)
    return contract.Worlds(
        old_model_old_data=cells[0],
        new_model_old_data=cells[1],
        old_model_new_data=cells[2],
        new_model_new_data=cells[3],
        model=headline.difference,
        data=data,
        reading=_reading(case, headline.difference, data),
    )


def _units(case: Case, outcomes: Outcomes, days: Days) -> Units | None:
    known = outcomes.known()
    if known.sum() < 2:
        return None
    rows = outcomes.take(known).statistics(case.metric, len(case.problem.classes))
    return row_units(rows, None if days is None else days[known])


def _value(case: Case, units: Units) -> float | None:
    value = float(case.metric.value(units.total))
    return value if np.isfinite(value) else None


def _reading(case: Case, model: Estimate, data: Estimate) -> str:
    def said(estimate: Estimate) -> str:
        size = say.change(estimate.estimate, share=case.metric.share)
        word = "worse" if case.metric.harm(estimate.estimate) > 0 else "better"
        return f"{size} {word}" if estimate.clear_of_zero() else f"no clear difference ({size} {word})"

    return f"On the new data the new model is {said(model)}; for the old model the new data are {said(data)}."
