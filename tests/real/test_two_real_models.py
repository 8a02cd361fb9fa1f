"""Two models of real rows at hand: which of them leans on what, told apart from inputs that moved, through the command line."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

from backslide.contracts.cause import CauseKind, Confidence
from real import by_cli
from real.broken_stacks import stack
from scale import runs

pytestmark = pytest.mark.data
pytest.importorskip("shap")


@pytest.mark.rates
@pytest.mark.parametrize(
    ("name", "kind", "column"), [("taxi", "trees", "trip_distance"), ("census", "linear", "agep")][: runs(1, 2)]
)
def test_a_model_that_never_learnt_a_column_responds_differently_to_it(name, kind, column, tmp_path):
    s = stack(name, kind)
    rows = s.frame(s.reference)
    rows[column] = np.random.default_rng(0).permutation(rows[column].to_numpy())
    label = s.reference[s.roles["label"]]
    truth = label.to_numpy() if s.roles.get("task") == "regression" else label.cast(str).to_numpy()
    other = clone(s.model).fit(rows, truth)
    served = s.serve(s.current, other)
    report = by_cli.diagnose(tmp_path, s.reference, served, s.roles, model=s.model, current_model=other)
    d = report.diagnosis
    outcome = next(o for o in d.checks if o.code == "EXP001")
    finding = next(f for f in outcome.findings if f.subject == column)
    before = finding.numbers["reference"]
    assert finding.numbers["model responds differently"] < -0.5 * before
    assert abs(finding.numbers["inputs moved"]) < 0.1 * before
    assert f"Why {column} counts differently" in report.html
    assert (d.causes[0].kind, d.causes[0].confidence) == (CauseKind.MODEL_CHANGE, Confidence.PROVEN)
