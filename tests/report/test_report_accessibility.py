"""axe-core finds nothing serious on the page: desktop and phone, light and dark, everything unfolded."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sample_pages
from browser_probe import framed, in_the_dark, opened

axe_core_python = pytest.importorskip("axe_core_python")
pytestmark = pytest.mark.browser

AXE = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
RUN = """
<script>
addEventListener("load", async () => {
  document.querySelectorAll("details").forEach((fold) => { fold.open = true; });
  const found = await axe.run(document, {resultTypes: ["violations"]});
  const serious = found.violations.filter((v) => ["serious", "critical"].includes(v.impact));
  document.title = JSON.stringify({
    rules: found.passes.length, width: innerWidth,
    serious: serious.flatMap((v) => v.nodes.slice(0, 5).map((n) => [v.id, n.html.slice(0, 160), n.failureSummary])),
  });
});
</script>
"""
PROBE = f"<script>{AXE}</script>{RUN}"
BUDGET = "--virtual-time-budget=60000"


def serious(html, tmp_path, *, phone):
    """What axe-core calls serious or critical."""
    if phone:
        html = re.sub(r"script-src '[^']*'", "script-src 'unsafe-inline'", html)
        seen, _ = opened(framed(html + PROBE, 390), "", tmp_path, BUDGET)
        assert seen["width"] == 390
    else:
        seen, _ = opened(html, PROBE, tmp_path, BUDGET, "--window-size=1280,2000")
    assert seen["rules"] > 15
    return seen["serious"]


CASES = [
    ("all_kinds", False, False),
    ("all_kinds", False, True),
    ("all_kinds", True, False),
    ("all_kinds", True, True),
    ("in_part", True, True),
    ("no_labels", False, False),
]


@pytest.mark.sample(2)
@pytest.mark.parametrize(("name", "dark", "phone"), CASES)
def test_nothing_serious(tmp_path, name, dark, phone):
    html = sample_pages.page(name)
    assert serious(in_the_dark(html) if dark else html, tmp_path, phone=phone) == []


def test_the_probe_sees_what_is_wrong(tmp_path):
    html = re.sub(r"--soft: #[0-9a-f]{6}", "--soft: #c8c8c8", sample_pages.page("no_labels"))
    assert "color-contrast" in {rule for rule, *_ in serious(html, tmp_path, phone=False)}
