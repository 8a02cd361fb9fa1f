"""Functions of the user's own that turn texts into vectors."""

from __future__ import annotations

import numpy as np
import pytest

from backslide.case import Case
from backslide.contracts.config import Settings
from backslide.contracts.errors import ConfigError
from backslide.contracts.finding import Status
from backslide.engine.window import open_windows
from backslide.playbook import scenarios
from backslide.playbook.drift.embedding.embedding_columns import check_functions
from backslide.playbook.runner import run_checks

MODULE = """
import numpy as np
def lengths(texts):
    return np.array([[len(t), t.count("e"), t.count(" ")] for t in texts], float)
def broken(texts):
    return np.zeros((len(texts) - 1, 3))
def failing(texts):
    raise RuntimeError("no weights here\\nsecond line")
"""


@pytest.fixture
def case(tmp_path):
    (tmp_path / "own_encoder.py").write_text(MODULE)
    rng = np.random.default_rng(0)
    frames = [scenarios.with_notes(make(rng, rows=800), rng) for make in (scenarios.served, scenarios.next_month)]

    def make(**embed: str) -> Case:
        settings = Settings.from_dict(
            {"model": dict(scenarios.ROLES) | {"embed": embed}, "artifacts": {"trusted": True}}, base=tmp_path
        )
        return Case(open_windows(*frames, settings), settings)

    return make


def outcome(case: Case):
    return next(o for o in run_checks(case) if o.code == "DRF013")


def test_a_function_makes_vectors_of_a_text_column(case):
    given = case(note="own_encoder:lengths")
    check_functions(given)
    (finding,) = outcome(given).findings
    assert finding.subject == "note (embedded)"
    assert finding.numbers["dimensions"] == 3


@pytest.mark.parametrize(
    ("embed", "said"),
    [
        ({"nota": "own_encoder:lengths"}, "no column 'nota'"),
        ({"income": "own_encoder:lengths"}, "expected texts in column 'income'"),
        ({"note": "own_encoder:lenghts"}, "has no 'lenghts'"),
        ({"note": "nothing"}, "expected 'module:function'"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(case, embed, said):
    with pytest.raises(ConfigError, match=said) as caught:
        check_functions(case(**embed))
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("contained")
@pytest.mark.parametrize(("name", "said"), [("broken", "got shape"), ("failing", "no weights here")])
def test_a_function_that_fails_costs_its_checks_only(case, name, said):
    failed = outcome(case(note=f"own_encoder:{name}"))
    assert failed.status == Status.FAILED
    assert said in failed.reason
    assert "\n" not in failed.reason
