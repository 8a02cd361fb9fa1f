"""Categories appeared that the reference never held, and no old ones vanished for them.

**Recognised** when unseen categories make up at least 1 % of the rows, more than the reference's own share of categories seen
only once lets expect (Good and Turing), by five standard errors, and one of them alone makes up half a percent.

**Repair** draws the categories from the other columns; the price comes from the **injection**: the unseen category put on the
same share of reference rows.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.causes.columns import edit
from backslide.causes.faults.base import Hypothesis
from backslide.causes.faults.value_loss import LostValues
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.kinds import ColumnKind
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario

MIN_SHARE = 0.01
MIN_SINGLE = 0.005
MIN_Z = 5.0


class UnseenCategory(LostValues):
    kind = CauseKind.UNSEEN_CATEGORY
    title = "Unseen categories"

    def recognise(self, case: Case) -> Iterable[Hypothesis]:
        """One hypothesis per text column with unseen categories."""
        for column, pair in case.pairs.items():
            if pair.kind != ColumnKind.CATEGORICAL or pair.identifier or pair.numeric:
                continue
            g, b = pair.levels
            n_g, n_b = sum(g.values()), sum(b.values())
            unseen = {level: count for level, count in b.items() if level not in g}
            if min(n_g, n_b) < edit.MIN_ROWS or not unseen:
                continue
            share = sum(unseen.values()) / n_b
            natural = sum(1 for count in g.values() if count == 1) / n_g
            z = (share - natural) / float(np.sqrt(max(share * (1 - share), 1e-9) / n_b + max(natural, 1 / n_g) / n_g))
            most = max(unseen, key=lambda level: unseen[level])
            if share < MIN_SHARE or z < MIN_Z or unseen[most] / n_b < MIN_SINGLE:
                continue
            shown = [repr(level) for level in sorted(unseen, key=lambda level: -unseen[level])]
            yield Hypothesis(
                signature=self,
                features=(column,),
                seen=f"{say.percent(share)} of {column} holds values never seen before: {say.listed(shown)}",
                undo=f"fill {column} from the other columns where it is unseen",
                evidence=(f"DRF002:{column}",),
                exact=True,
                reversible=False,
                rows=np.isin(pair.texts[1].astype(str), list(unseen)),
                params={"value": most, "rate": share},
            )

    def lose(self, frame: pl.DataFrame, column: str, rows: edit.Mask, hypothesis: Hypothesis) -> pl.DataFrame:
        """Put the most frequent unseen category."""
        return edit.constant(frame, column, hypothesis.params["value"], rows)

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Most rows come through a channel never seen."""
        current = scenarios.next_month(rng)
        moved = pl.Series(rng.random(current.height) < 0.7)
        current = current.with_columns(
            pl.when(moved).then(pl.lit("kiosk")).otherwise(pl.col("channel")).alias("channel")
        )
        reference = scenarios.rescored(scenarios.served(rng))
        return Scenario(reference, scenarios.rescored(current), dict(scenarios.ROLES), scenarios.TrueModel(), "channel")
