"""Which two classes predictions hesitate between: counted by hand, at its error rate, with many classes."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from scipy.stats import binom

import worlds
from backslide.contracts.finding import Finding, Severity
from backslide.playbook.base import Scenario
from backslide.playbook.scenarios import MAIL, START, mail
from backslide.playbook.verify.crowding import ClassPairs
from scale import runs

ROLES = {
    "label": "label",
    "prediction": "prediction",
    "timestamp": "at",
    "scores": {kind: f"p_{kind}" for kind in MAIL},
}
NEXT = START + timedelta(days=28)


def found(rng: np.random.Generator, rows: int = 3000, **now: float) -> list[Finding]:
    case = worlds.case_of(Scenario(mail(rng, START, rows=rows), mail(rng, NEXT, rows=rows, **now), ROLES))
    return list(ClassPairs().run(case))


def test_the_pair_is_named_with_its_shares():
    rng = np.random.default_rng(2)
    reference, current = mail(rng, START), mail(rng, NEXT, blurred=0.8)
    (first, *_) = ClassPairs().run(worlds.case_of(Scenario(reference, current, ROLES)))
    assert first.severity is Severity.WARN
    assert first.numbers["pair"] == "contract or lease"
    for frame, share in ((reference, first.numbers["reference"]), (current, first.numbers["current"])):
        scores = np.sort(frame.select(f"p_{kind}" for kind in MAIL).to_numpy(), axis=1)
        top = np.argsort(-frame.select(f"p_{kind}" for kind in MAIL).to_numpy(), axis=1)[:, :2]
        pair = {MAIL.index("contract"), MAIL.index("lease")}
        hits = [set(t) == pair and s[-1] - s[-2] < 0.1 for t, s in zip(top.tolist(), scores, strict=True)]
        assert share == pytest.approx(np.mean(hits))
    assert first.evidence[0].rows[0].label == "contract or lease"


def test_two_classes_have_no_pairs():
    reference, current = (
        f.drop("p_invoice", "p_lease") for f in (mail(np.random.default_rng(1), s) for s in (START, NEXT))
    )
    keep = [f.filter(f["label"].is_in(MAIL[:2]) & f["prediction"].is_in(MAIL[:2])) for f in (reference, current)]
    roles = ROLES | {"scores": {kind: f"p_{kind}" for kind in MAIL[:2]}}
    assert list(ClassPairs().run(worlds.case_of(Scenario(*keep, roles)))) == []


@pytest.mark.slow
@pytest.mark.rates
def test_quiet_reports_show_a_pair_at_most_once_in_two_hundred():
    reports = runs(80, 200)
    shown = sum(
        found(np.random.default_rng(3000 + seed), rows=1500)[0].severity is not Severity.OK for seed in range(reports)
    )
    assert shown <= binom.ppf(0.999, reports, 0.005)
