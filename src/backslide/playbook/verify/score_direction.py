"""Whether score columns stand for their own classes: refused in the reference, warned of where labels alone speak against all.

A change between the windows is a cause of its own; see ``causes/output_changes``.
"""

from __future__ import annotations

from backslide.case import Case
from backslide.engine.roles.score_direction import check_direction, direction


def check_scores(case: Case) -> None:
    """Refuse scores of the reference that contradict their own classes.

    Raises:
        LabelError: one line that names the columns and the probable fix.
    """
    problem = case.problem
    if not problem.has_scores:
        return
    logged = problem.roles.prediction is not None
    served = case.reference.outcomes
    check_direction(served, problem, problem.roles.scores, logged=logged, whose=" of the reference")
    if logged and case.has_labels:
        verdict = direction(served, problem, logged=False)
        if verdict is not None and verdict.wrong:
            case.warnings.append(
                f"the reference's predictions and scores agree with each other and speak against its labels ({verdict.fact}): "
                "check whether the label column means the other class"
            )
