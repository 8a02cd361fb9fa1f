"""Categories appeared that the reference never held, and no old ones vanished for them.

**Recognised** when unseen categories make up at least 1 % of the rows, more than the reference's own share of categories seen
only once lets expect (Good and Turing), by five standard errors, and one of them alone makes up half a percent. Where the later
half of the reference holds categories that the earlier one did not, new ones are its growth up to three times that share.

**Repair** draws the categories from the other columns; the price comes from the **injection**: the unseen category put on the
same share of reference rows.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.causes.columns import edit
from backslide.causes.faults.base import Hypothesis, scenario_with
from backslide.causes.faults.column_signature import LostValues
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.kinds import ColumnKind
from backslide.engine.columns.pair import Pair, to_words
from backslide.playbook.base import Scenario

MIN_SHARE = 0.01
MIN_SINGLE = 0.005
MIN_Z = 5.0
TIMES_AS_GROWN = 3.0
"""Times the share of new values in the later half of the reference up to which they are growth."""


class UnseenCategory(LostValues):
    kind = CauseKind.UNSEEN_CATEGORY
    title = "Unseen categories"

    def recognise_column(self, case: Case, pair: Pair) -> Iterable[Hypothesis]:
        """At most one hypothesis about a text column."""
        if pair.kind != ColumnKind.CATEGORICAL or pair.identifier:
            return
        ref, cur = pair.levels
        n_ref, n_cur = sum(ref.values()), sum(cur.values())
        unseen = {level: count for level, count in cur.items() if level not in ref}
        if min(n_ref, n_cur) < edit.MIN_ROWS or not unseen:
            return
        share = sum(unseen.values()) / n_cur
        # Good-Turing: the share of new values to be expected is that of the values met once.
        natural = max(sum(1 for count in ref.values() if count == 1) / n_ref, _grown(pair))
        error = np.sqrt(max(share * (1 - share), 1e-9) / n_cur + max(natural, 1 / n_ref) / n_ref)
        by_count = sorted(unseen, key=lambda level: -unseen[level])
        if (
            share < max(MIN_SHARE, TIMES_AS_GROWN * _grown(pair))
            or (share - natural) / error < MIN_Z
            or unseen[by_count[0]] / n_cur < MIN_SINGLE
        ):
            return
        shown = say.listed([repr(level) for level in by_count])
        yield self.hypothesis(
            pair,
            f"{say.percent(share)} of {pair.name} holds values never seen before: {shown}",
            f"fill {pair.name} from the other columns where it is unseen",
            np.isin(to_words(pair.texts[1]), to_words(unseen)),
            value=by_count[0],
            rate=share,
        )

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Most rows come through a channel never seen."""
        return scenario_with(
            lambda frame: frame.with_columns(
                channel=pl.when(pl.Series(rng.random(frame.height) < 0.7)).then(pl.lit("kiosk")).otherwise("channel")
            ),
            rng,
            "channel",
        )


def _grown(pair: Pair) -> float:
    """Share of the known rows of the reference's later half, in days, with values that its earlier half never held."""
    if pair.days is None or len(pair.days) != len(pair.reference):
        return 0.0
    known = ~pair.missing[0]
    days, (codes, _) = pair.days[known], pair.codes[1]
    late = days > np.median(days)
    codes = codes[known]
    if min(late.sum(), (~late).sum()) < edit.MIN_ROWS:
        return 0.0
    return float((~np.isin(codes[late], codes[~late])).mean())
