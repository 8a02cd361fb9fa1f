"""The preprocessing of the pipeline that answers now, before the model of the saved one.

Where both pipelines are at hand and their last steps are of one kind, the saved last step behind the other preprocessing either
says what was served, and then nothing but the preprocessing changed, or it does not. That holds for linear models of nothing but
scaled numbers too, where the answers alone cannot tell a refitted scaler from a model fitted again.
"""

from __future__ import annotations

from copy import copy
from typing import Any

from backslide.causes.replay.preprocessing.refit_on_window import describe_refit
from backslide.causes.replay.preprocessing.replay import ALWAYS, Asker, InputChange, as_logged
from backslide.contracts.cause import CauseKind
from backslide.models.scalers import scaled_columns
from backslide.models.wrap import wrap

OTHER_STEPS = "current_model holds another preprocessing before the same model"
BACK = "load the preprocessing that the model was trained with"
OTHER_ROWS = "other rows, as current_model holds it"


def find_given_preprocessing(asker: Asker) -> InputChange | None:
    """The preprocessing of ``current_model``, where with it the saved model gives what was served."""
    successor = asker.case.current_model
    if successor is None:
        return None
    mixed = _mixed(successor.artefact, asker.model.artefact)
    if mixed is None:
        return None
    model = wrap(mixed, name=asker.model.name, task=asker.case.settings.model.task)
    if asker.asking(model).equal(asker.rows(asker.check), asker.check).mean() < ALWAYS:
        return None
    found = describe_refit(asker.model.artefact, model, OTHER_ROWS)
    columns = list(model.features or ())
    scalers = [{c: one.scaler for c, one in scaled_columns(a, columns).items()} for a in (asker.model.artefact, mixed)]
    if found is None or not found.features or scalers[0] != scalers[1]:
        features = () if found is None else found.features
        return InputChange(CauseKind.PREPROCESSING_CHANGE, features, as_logged, OTHER_STEPS, BACK, model)
    return found


def _mixed(preprocessing: Any, last: Any) -> Any:
    """The pipeline of the one up to its last step, and the last step of the other; None where either is no pipeline, or the last
    steps are not of one class."""
    before, behind = (getattr(artefact, "steps", None) for artefact in (preprocessing, last))
    if not (isinstance(before, list) and isinstance(behind, list) and min(len(before), len(behind)) > 1):
        return None
    if type(before[-1][1]) is not type(behind[-1][1]):
        return None
    mixed = copy(preprocessing)
    mixed.steps = [*before[:-1], behind[-1]]
    return mixed
