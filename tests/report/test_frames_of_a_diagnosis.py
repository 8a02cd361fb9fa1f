"""The causes and the findings of a diagnosis as data frames."""

from __future__ import annotations

import pytest
import sample_diagnosis as samples

from backslide.contracts.errors import InputError
from backslide.plot.frames import CAUSES, FINDINGS


def test_causes_are_rows_the_harmless_last():
    frame = samples.binary().to_frame()
    assert frame.schema == CAUSES
    assert frame["kind"].to_list() == ["unit_change", "category_recode", "label_shift", "rounded_values"]
    assert frame["harmless"].to_list() == [False, False, False, True]
    assert frame.row(0, named=True)["points"] == -0.024
    assert frame.row(0, named=True)["points_back"] == 0.025
    assert frame.row(2, named=True)["points_back"] is None


@pytest.mark.parametrize("name", samples.ALL)
def test_findings_are_rows(name):
    diagnosis = samples.ALL[name]()
    frame = diagnosis.to_frame("findings")
    assert frame.schema == FINDINGS
    assert frame.height == sum(len(outcome.findings) for outcome in diagnosis.checks)
    assert diagnosis.to_frame().height == len(diagnosis.causes) + len(diagnosis.harmless)


def test_other_rows_are_refused_in_one_line():
    with pytest.raises(InputError, match="'causes' and 'findings'"):
        samples.binary().to_frame("warnings")
