"""A real notebook, run in a real kernel: what a person sees who puts a diagnosis or a chart on the last line of a cell."""

from __future__ import annotations

import pytest

nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")

SETUP = """
import warnings
warnings.simplefilter("error")
import numpy as np
import polars as pl
import backslide as bs
from backslide import plot
from backslide.playbook import scenarios

rng = np.random.default_rng(5)
good = scenarios.rescored(scenarios.served(rng, 1500))
bad = scenarios.next_month(rng, rows=1500).with_columns(pl.col("income") * 12)
bad = scenarios.rescored(bad)
roles = bs.Roles(**scenarios.ROLES, features=("income", "age", "channel", "premium"))
diagnosis = bs.diagnose(good, bad, roles=roles, reference_model=scenarios.TrueModel())
"""
SHOWN = {
    "diagnosis": "Unit change",
    "diagnosis.causes[0]": "Unit change: income",
    "next(f for o in diagnosis.checks for f in o.findings if f.subject == 'income' and f.evidence)": "income",
    "plot.numeric(good, bad, 'income')": "<svg",
    "plot.categorical(good, bad, 'channel')": "<svg",
    "plot.confidence(good, bad)": "<svg",
    "plot.confusion(good, bad)": "<svg",
    "plot.over_time(good, bad, 'accuracy')": "<svg",
}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory):
    """Source of each cell -> its outputs, all run one after the other in one kernel."""
    folder = tmp_path_factory.mktemp("notebook")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR"):
            patch.setenv(name, str(folder / name.lower()))
        cells = [nbformat.v4.new_code_cell(source) for source in (SETUP, *SHOWN)]
        notebook = nbformat.v4.new_notebook(cells=cells)
        client = nbclient.NotebookClient(
            notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
        )
        client.execute()
    nbformat.validate(notebook)
    return {cell.source: cell.outputs for cell in notebook.cells}


@pytest.mark.slow
def test_nothing_fails_and_nothing_is_warned_of(outputs):
    assert outputs[SETUP] == [], "neither output nor warnings of a diagnosis"
    assert {out.output_type for shown in outputs.values() for out in shown} == {"execute_result"}


@pytest.mark.slow
@pytest.mark.parametrize("source", SHOWN)
def test_everything_shows_itself(outputs, source):
    (shown,) = outputs[source]
    page = shown.data["image/svg+xml" if source.startswith("plot.") else "text/html"]
    assert SHOWN[source] in page
    assert "http" not in page.replace("http://www.w3.org/", "")
    plain = shown.data["text/plain"]
    assert "\n" not in plain
    assert len(plain) < 500
    if not source.startswith("plot."):
        assert "<svg" in page or "causes[0]" in source
        assert "<script" not in page
