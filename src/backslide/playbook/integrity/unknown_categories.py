"""Which categories does the encoder drop in silence?

The encoders inside the saved model are given the rows of both windows as the steps before hand them on. A value that an encoder
does not know and does not refuse reaches the model as nothing at all (``handle_unknown="ignore"``), as one number for all of them
(``use_encoded_value``) or as if it were rare (``infrequent_if_exist``). Its share of the rows is told for both windows.

**Why it matters.** Nothing fails and nothing is logged: the model answers as if the column were empty. A category that was
already unknown in the reference is a change in neither window, so no comparison of inputs sees it, and it costs the same ever
since.

**Stays quiet** when fewer than 1 % of the current rows hold such a value. It warns when their share grew by 1 point, beyond the
noise of days (rows where there are no times) at the false-discovery rate of the report: of columns in which nothing happened, at
most 1 % are flagged. A share that was there before is a note: nothing changed, and the model still never learnt it. Missing
values are counted elsewhere; encoders that refuse unknown values, and those behind steps that make other columns, are left alone.

**What to do.** Train again with the category, or map it to a known one; `backslide.freeze(..., unknown={column: category})` does
so while serving, and counts what comes.

References: Newcombe (1998); Benjamini and Hochberg (1995).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from backslide.case import Case, Side
from backslide.contracts import say
from backslide.contracts.finding import Finding, Severity, Step
from backslide.models.frame import to_pandas
from backslide.models.refit import EncoderUnknowns, find_unknown
from backslide.playbook import scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.playbook.drift import change_of_column
from backslide.playbook.findings import share_finding, two_bars

SHOWN = 5


@dataclass(frozen=True)
class UnknownCategoriesFloors:
    share: float = 0.01
    """Of the rows, as for categories that the reference never held."""


class UnknownCategories(Check):
    code = "INT004"
    title = "Categories unknown to the encoder"
    step = Step.INTEGRITY
    needs = (Need.MODEL, Need.FEATURES)
    thresholds = UnknownCategoriesFloors()

    def run(self, case: Case) -> Iterable[Finding]:
        """One finding per encoded column of which either window holds values that its encoder does not know."""
        before, now = (_of(case, side) for side in case.sides)
        columns = [c for c in before if c in now]
        alpha = case.settings.engine.false_discovery_rate / max(len(columns), 1)
        for column in columns:
            if before[column].rows.any() or now[column].rows.any():
                yield self._finding(case, before[column], now[column], alpha)

    def _finding(self, case: Case, ref: EncoderUnknowns, cur: EncoderUnknowns, alpha: float) -> Finding:
        marks = (ref.rows.astype(float), cur.rows.astype(float))
        move = change_of_column.share_of(case, marks)
        shares = [float(m.mean()) for m in marks]
        change, floor = float(move.adjusted[1]), self.thresholds.share
        severity = Severity.OK
        if min(map(len, marks)) >= change_of_column.MIN_ROWS and max(change, shares[1]) >= floor:
            severity = Severity.WARN if change >= floor else Severity.NOTE
        values = [repr(value) for value, _ in (cur.values or ref.values).most_common()]
        summary = (
            f"{say.percent(shares[1])} of {cur.column} holds categories that the encoder does not know, "
            f"{say.percent(shares[0])} before: {say.listed(values, SHOWN)}; they are {cur.instead} silently"
        )
        title = f"{cur.column}: unknown to the encoder"
        return share_finding(
            self,
            case,
            cur.column,
            summary,
            move,
            severity=severity,
            floor=floor,
            alpha=alpha,
            marks=marks if severity == Severity.WARN else None,
            sample_rows=len(cur.rows),
            basis=f"sampled rows; {change_of_column.noise(case)}",
            numbers={"share before": shares[0], "share now": shares[1], "becomes": cur.instead},
            evidence=lambda: (two_bars(title, say.sentence(summary), "unknown", shares[0], shares[1]),),
            **({"p_value": None} if severity == Severity.NOTE else {}),
        )

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """A tenth of the customers come through a channel that the encoder ignores."""
        from sklearn.compose import make_column_transformer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import OneHotEncoder, StandardScaler

        quiet = scenarios.quiet(rng)
        columns = ["income", "channel"]
        encoder = make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), ["channel"]), (StandardScaler(), ["income"])
        )
        model = make_pipeline(encoder, LogisticRegression()).fit(
            to_pandas(quiet.reference.select(columns)), quiet.reference["label"].to_numpy()
        )
        mask = pl.Series(rng.random(quiet.current.height) < 0.1)
        current = quiet.current.with_columns(
            pl.when(mask).then(pl.lit("kiosk")).otherwise(pl.col("channel")).alias("channel")
        )
        return Scenario(quiet.reference, current, dict(scenarios.ROLES), model, "channel")


def _of(case: Case, side: Side) -> dict[str, EncoderUnknowns]:
    """Column -> what its encoder does not know of the sampled rows; nothing where a step fails on them."""
    model = case.reference_model
    if model is None or model.takes != "frame" or model.features is None:
        return {}
    columns = list(model.features)
    if not set(columns) <= set(side.sample.columns) or not side.sample.height:
        return {}
    try:
        return {
            unknown.column: unknown for unknown in find_unknown(model.artefact, to_pandas(side.sample.select(columns)))
        }
    except Exception:  # steps of a user may do anything; that the model fails is told elsewhere
        return {}
