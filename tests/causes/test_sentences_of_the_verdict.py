"""The first sentence, branch by branch, as a stranger reads it."""

from __future__ import annotations

import pytest

from backslide.causes.reporting import sentences
from backslide.contracts import say
from backslide.contracts.cause import Cause, CauseKind, Confidence, Repair
from backslide.contracts.diagnosis import Action, DegradedPart, MetricChange, Verdict, WindowCounts, too_few
from backslide.contracts.finding import Estimate
from backslide.stats.metrics.metric import METRICS

NO_LABELS = "no labels in the current window, so the change of accuracy is not known"
ROWS = (
    "the smallest change that matters (1.0 points) would need about 12 times the labelled rows (36 000 per window) to be told "
    "from noise"
)
FEW = too_few(WindowCounts(reference=3000, current=57))


def moved(name: str, before: float | None, after: float | None) -> MetricChange:
    known = before is not None and after is not None
    change = Estimate(estimate=after - before, low=after - before - 0.01, high=after - before + 0.01) if known else None
    return MetricChange(
        name=name, higher_is_better=METRICS[name].higher_is_better, reference=before, current=after, change=change
    )


def cause(kind: CauseKind = CauseKind.UNIT_CHANGE) -> Cause:
    return Cause(
        rank=1,
        kind=kind,
        features=("income",),
        points=Estimate(estimate=-0.034, low=-0.04, high=-0.02),
        confidence=Confidence.PROVEN,
        summary="income is 12 times as large; it costs 3.4 points of accuracy (2 to 4).",
        share_of_rows=1.0,
        next_step=kind.remedy,
    )


def part(kind: str, name: str, metric: str, before: float, after: float) -> DegradedPart:
    change = Estimate(estimate=after - before, low=after - before - 0.02, high=after - before + 0.02)
    return DegradedPart(kind=kind, name=name, metric=metric, reference=before, current=after, change=change)


ONE = cause().summary
FELL = moved("accuracy", 0.842, 0.808)
HELD = moved("accuracy", 0.842, 0.838)
BRANCHES = {
    "degraded, one cause": (
        (Verdict.DEGRADED, FELL, (), (cause(),), ""),
        {},
        f"The model got worse: accuracy fell by 3.4 points (84.2% → 80.8%). {ONE}",
    ),
    "degraded, several causes": (
        (Verdict.DEGRADED, moved("mae", 2.41, 3.64), (), (cause(), cause(), cause()), ""),
        {},
        f"The model got worse: mean absolute error rose by 1.23 (2.41 → 3.64). {ONE} 2 more causes below.",
    ),
    "degraded, no cause": (
        (Verdict.DEGRADED, FELL, (), (), ""),
        {},
        "The model got worse: accuracy fell by 3.4 points (84.2% → 80.8%). No cause stood up to verification, and "
        "nothing is suspected.",
    ),
    "degraded, too few rows for causes": (
        (Verdict.DEGRADED, FELL, (), (), ""),
        {"too_few": FEW},
        "The model got worse: accuracy fell by 3.4 points (84.2% → 80.8%). No cause was looked for: that takes 200 rows in each "
        "window, and the current window has 57.",
    ),
    "only the paired rows show it": (
        (Verdict.DEGRADED, moved("macro_f1", 0.8420, 0.8382), (), (cause(),), ""),
        {"paired_only": True},
        f"The model is worse off because of a fault. {ONE} Macro F1 fell by 0.4 points (84.2% → 83.8%) overall, which alone "
        "could be noise; the same rows with the fault undone do better.",
    ),
    "a fault while the metric rose": (
        (Verdict.DEGRADED, moved("accuracy", 0.842, 0.846), (), (cause(),), ""),
        {"paired_only": True},
        f"The model is worse off because of a fault. {ONE} Accuracy rose by 0.4 points (84.2% → 84.6%) overall, which alone "
        "could be noise; the same rows with the fault undone do better.",
    ),
    "a replay without labels": (
        (Verdict.DEGRADED, moved("accuracy", 0.842, None), (), (cause(),), NO_LABELS),
        {"paired_only": True},
        f"The model is worse off because of a fault. {ONE}",
    ),
    "a class": (
        (Verdict.DEGRADED_IN_PART, HELD, (part("class", "no", "f1", 0.71, 0.65),), (cause(),), ""),
        {},
        "The model got worse in part: for the class 'no', F1 fell by 6.0 points (71.0% → 65.0%). Accuracy as a whole "
        f"holds. {ONE}",
    ),
    "a class, and the whole fell too": (
        (Verdict.DEGRADED_IN_PART, FELL, (part("class", "no", "f1", 0.71, 0.65),), (cause(),), ""),
        {},
        "The model got worse in part: for the class 'no', F1 fell by 6.0 points (71.0% → 65.0%). Accuracy fell by 3.4 points "
        f"(84.2% → 80.8%) as a whole, not surely by as much as matters. {ONE}",
    ),
    "a segment and more": (
        (Verdict.DEGRADED_IN_PART, HELD, (part("segment", "channel = 'web'", "accuracy", 0.9, 0.8),) * 3, (), ""),
        {},
        "The model got worse in part: for rows with channel = 'web', accuracy fell by 10.0 points (90.0% → 80.0%), and 2 more. "
        "Accuracy as a whole holds. No cause stood up to verification, and nothing is suspected.",
    ),
    "the cost": (
        (Verdict.DEGRADED_IN_PART, HELD, (part("cost", "expected cost", "expected_cost", 1.25, 1.5),), (), ""),
        {},
        "The model got worse in part: what errors cost rose by 0.25 (1.25 → 1.5). Accuracy as a whole holds. No cause stood up "
        "to verification, and nothing is suspected.",
    ),
    "improved": (
        (Verdict.IMPROVED, moved("log_loss", 0.41, 0.35), (), (), ""),
        {},
        "The model got better: log loss fell by 0.06 (0.41 → 0.35).",
    ),
    "improved with a fault": (
        (Verdict.IMPROVED, moved("accuracy", 0.8, 0.85), (), (cause(),), ""),
        {},
        f"The model got better: accuracy rose by 5.0 points (80.0% → 85.0%). Something still holds it back. {ONE}",
    ),
    "no change": (
        (Verdict.NO_MATERIAL_CHANGE, moved("balanced_accuracy", 0.842, 0.840), (), (), ""),
        {},
        "No material change: balanced accuracy fell by 0.2 points (84.2% → 84.0%), within noise or too small to matter.",
    ),
    "no change at all": (
        (Verdict.NO_MATERIAL_CHANGE, moved("accuracy", 0.842, 0.842), (), (), ""),
        {},
        "No material change: accuracy is 84.2% in both windows, within noise or too small to matter.",
    ),
    "undecided": (
        (Verdict.INCONCLUSIVE, FELL, (), (), ROWS),
        {},
        f"Inconclusive: accuracy fell by 3.4 points (84.2% → 80.8%), which could be noise. {say.sentence(ROWS)}",
    ),
    "undecided and unmoved": (
        (Verdict.INCONCLUSIVE, moved("accuracy", 0.842, 0.842), (), (), ROWS),
        {},
        "Inconclusive: accuracy is 84.2% in both windows, and a change that matters could hide in the noise. "
        f"{say.sentence(ROWS)}",
    ),
    "no labels": (
        (Verdict.INCONCLUSIVE, moved("accuracy", 0.842, None), (), (), NO_LABELS),
        {},
        f"Inconclusive: {NO_LABELS}.",
    ),
    "no labels and a suspect": (
        (Verdict.INCONCLUSIVE, moved("accuracy", None, None), (), (cause(),), NO_LABELS),
        {},
        f"Inconclusive: {NO_LABELS}. Suspected: {ONE} Labels would settle it.",
    ),
}


@pytest.mark.parametrize(("given", "options", "expected"), BRANCHES.values(), ids=BRANCHES)
def test_what_is_read_first(given, options, expected):
    verdict, metric, parts, causes, reason = given
    said = sentences.verdict_sentence(verdict, metric, METRICS[metric.name], parts, causes, reason, **options)
    assert said == expected
    assert said.endswith(".")
    assert ".." not in said
    assert "_" not in said


def test_a_column_keeps_its_name_and_a_sentence_its_capital():
    ours = cause(CauseKind.MODEL_CHANGE).model_copy(
        update={"features": (), "summary": "the saved model does not answer."}
    )
    said = sentences.verdict_sentence(Verdict.DEGRADED, FELL, METRICS["accuracy"], (), (ours,), "")
    assert said.endswith(" The saved model does not answer.")
    said = sentences.verdict_sentence(Verdict.DEGRADED, FELL, METRICS["accuracy"], (), (cause(),), "")
    assert " income is 12 times" in said


def test_every_verdict_has_a_branch():
    assert {given[0] for given, _, _ in BRANCHES.values()} == set(Verdict)


def test_small_changes_of_level_are_told_apart():
    metric = moved("mae", 0.842011, 0.842039)
    said = sentences.verdict_sentence(Verdict.INCONCLUSIVE, metric, METRICS["mae"], (), (), "")
    assert said == "Inconclusive: mean absolute error rose by 2.80e−5 (0.84201 → 0.84204), which could be noise."


@pytest.mark.parametrize("name", METRICS)
def test_no_metric_is_called_by_its_key(name):
    assert "_" not in say.metric(name)
    assert say.metric(f"{name}[never_paid]").endswith(" of 'never_paid'")


def test_a_users_own_metric_keeps_its_name():
    assert say.metric("my_module:my_metric") == "my_module:my_metric"


def test_what_to_do_where_no_cause_was_looked_for():
    decision = sentences.decide(Verdict.DEGRADED, (), (), "", METRICS["accuracy"], too_few=FEW)
    assert decision.action is Action.INVESTIGATE
    assert decision.reason == (
        "the drop is real; no cause was looked for: that takes 200 rows in each window, and the current window has 57; give "
        "more rows"
    )


@pytest.mark.parametrize(
    ("description", "step", "reason"),
    [
        (
            "give the answers back",
            "Give the answers back (score).",
            "Give the answers back, which brings 3.4 points back.",
        ),
        ("divide by 12", "Fix the unit.", "Divide by 12, which brings 3.4 points back. Fix the unit."),
    ],
)
def test_what_to_do_is_said_once(description, step, reason):
    repair = Repair(description=description, points_back=Estimate(estimate=0.034, low=0.02, high=0.04))
    found = cause().model_copy(update={"repair": repair, "next_step": step})
    assert sentences.decide(Verdict.DEGRADED, (found,), (), "", METRICS["accuracy"]).reason == reason
