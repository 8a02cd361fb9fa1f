"""Pages of the samples, each rendered once for all tests of a process: a drawing takes a while."""

from __future__ import annotations

from functools import cache

import sample_diagnosis as samples

from backslide.contracts.diagnosis import Diagnosis
from backslide.report.render.html import render_html


@cache
def page(name: str) -> str:
    """The page of a sample as stored and read again."""
    return render_html(Diagnosis.from_json(samples.ALL[name]().to_json()))


@cache
def wide(features: int) -> str:
    """A tenth of the features moved."""
    return render_html(samples.wide(features))


@cache
def everything(features: int) -> str:
    """Every feature flagged."""
    return render_html(samples.everything(features))
