"""Equal drawings are compiled once: the compiler is slow and always gives the same answer."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import vl_convert


@pytest.fixture(scope="session", autouse=True)
def remembered_drawings() -> Iterator[None]:
    """Remember what the chart compiler made of each specification."""
    compile_chart, known = vl_convert.vegalite_to_svg, {}

    def remembering(spec):
        key = json.dumps(spec)
        if key not in known:
            known[key] = compile_chart(spec)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vl_convert, "vegalite_to_svg", remembering)
        yield
