"""Pages of the samples, each rendered once for all tests of a process: a drawing takes a while."""

from __future__ import annotations

from functools import cache

import sample_diagnosis as samples

from backslide.contracts.diagnosis import Diagnosis


@cache
def page(name: str) -> str:
    """The page of a sample as stored and read again."""
    return Diagnosis.from_json(samples.ALL[name]().to_json()).to_html()


@cache
def wide(features: int) -> str:
    """A tenth of the features moved."""
    return samples.wide(features).to_html()


@cache
def everything(features: int) -> str:
    """Every feature flagged."""
    return samples.everything(features).to_html()
