"""Is the fitted preprocessing the one that the model was trained with?

Compares the fitted state of every step of two snapshots: means and scales, categories and their order, imputed values,
vocabularies, column order, parameters, and the model itself.

**Why it matters.** A scaler fitted again on production rows hands the model numbers of the usual mean and spread with another
meaning. Its outputs look perfect, so monitors of inputs and of scaled values see nothing, while points are lost. The saved state
shows it digit by digit.

**Stays quiet** when every step holds what it held, up to the last bits of a float (relative 1e-9); nothing here is sampled, so
there are no false alarms by chance. Where the model behind a step was fitted again too, the two may fit each other, and the
finding is a note. Golden rows that are answered otherwise by the same model prove that the step matters.

**What to do.** Serve the preprocessing that the model was trained with, as one artefact; freeze it with `backslide.freeze`, which
refuses to be fitted.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy

import numpy as np

from backslide.case import Case
from backslide.contracts.finding import Finding, Step
from backslide.playbook import scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.playbook.integrity.differences import findings
from backslide.stack.fitted_steps import fitted_parts


class FittedPreprocessing(Check):
    code = "INT003"
    title = "Fitted preprocessing and model"
    step = Step.INTEGRITY
    quick = True
    needs = (Need.SNAPSHOTS,)

    def run(self, case: Case) -> Iterable[Finding]:
        """A finding per step that differs."""
        assert case.snapshots is not None
        known = all(snapshot.fitted for snapshot in case.snapshots)
        same = "every fitted step holds the same values" if known else "no fitted steps in both snapshots to compare"
        yield from findings(self.code, case, ("fitted", "artefact"), same)

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """The scaler is fitted again on rows of a better-off branch; the model is the same."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        quiet = scenarios.quiet(rng)
        rows = quiet.reference.select("income", "age").to_numpy()
        before = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, quiet.reference["label"].to_numpy())
        after = deepcopy(before)
        after[0].fit(rows[rows[:, 0] > np.median(rows[:, 0])])
        fitted = ({"fitted": fitted_parts(model, ["income", "age"])} for model in (before, after))
        return scenarios.stacks(quiet, "standardscaler", *fitted)
