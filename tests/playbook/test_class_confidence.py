"""Confidence by class: the classes over which the model hesitates, and no other, and quiet where nothing moved."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.contracts.finding import Severity
from backslide.playbook.base import Scenario
from backslide.playbook.scenarios import START, mail, mail_roles
from backslide.playbook.verify.class_confidence import ClassConfidence

LATER = START + timedelta(days=28)


def told(reference: pl.DataFrame, current: pl.DataFrame) -> dict[str, Severity]:
    case = worlds.case_of(Scenario(reference, current, mail_roles()))
    found = ClassConfidence(ClassConfidence.thresholds).run(case)
    return {str(f.numbers["class"]): f.severity for f in found}


def test_the_classes_over_which_it_hesitates_are_named_and_no_other():
    rng = np.random.default_rng(1)
    named = [told(mail(rng, START), mail(rng, LATER, blurred=0.6)) for _ in range(5)]
    for one in named:
        assert {label for label, severity in one.items() if severity is Severity.WARN} == {"contract", "lease"}


def test_growing_surer_is_a_note():
    rng = np.random.default_rng(2)
    said = told(mail(rng, START, blurred=0.6), mail(rng, LATER))
    assert set(said.values()) == {Severity.NOTE}


@pytest.mark.slow
def test_quiet_pairs_stay_quiet():
    rng = np.random.default_rng(3)
    said = sum(
        set(told(mail(rng, START, rows=1200), mail(rng, LATER, rows=1200)).values()) != {Severity.OK} for _ in range(80)
    )
    assert said <= 2, f"{said} of 80; 0.5 % are stated, and more than 2 have a chance of 0.8 %"
