"""Every kind that the bench can do, and the sets on which it can be done."""

from __future__ import annotations

from faults import own_faults, text_faults, value_faults, world_faults
from faults.fault import Drawer
from faults.sets import DataSet

DATA_FAULTS: dict[str, Drawer] = {
    "unit_change": value_faults.unit_change,
    "sign_flip": value_faults.sign_flip,
    "missing_values": value_faults.missing_values,
    "default_value": value_faults.default_value,
    "frozen_feature": value_faults.frozen_feature,
    "clipped_range": value_faults.clipped_range,
    "rounded_values": value_faults.rounded_values,
    "added_noise": value_faults.added_noise,
    "broken_join": value_faults.broken_join,
    "swapped_columns": value_faults.swapped_columns,
    "category_recode": value_faults.category_recode,
    "unseen_category": value_faults.unseen_category,
    "text_change": text_faults.text_change,
    "schema_change": text_faults.schema_change,
}
OWN_CHANGES: dict[str, Drawer] = {
    "scaler_refit": own_faults.scaler_refit,
    "preprocessing_change": own_faults.preprocessing_change,
    "model_change": own_faults.model_change,
    "threshold_change": own_faults.threshold_change,
}
THE_WORLD: dict[str, Drawer] = {
    "label_shift": world_faults.label_shift,
    "covariate_shift": world_faults.covariate_shift,
    "concept_drift": world_faults.concept_drift,
}
KINDS = DATA_FAULTS | OWN_CHANGES | THE_WORLD
"""Changes of library, code and configuration are seen in snapshots, answers altered after the model in the answers alone:
they leave the rows as they are, and are not done here."""


def applies(kind: str, data: DataSet, model: str) -> bool:
    """Whether the set has anything for the kind to hit."""
    numbers, codes, texts = len(data.numbers()), len(data.codes()), len(data.texts)
    asks = {
        "text_change": texts > 0,
        "scaler_refit": model == "linear" and numbers > 0,
        "threshold_change": data.task == "binary",
        "label_shift": not data.regression,
        "unseen_category": codes > 0,
        "swapped_columns": numbers > 1 or codes > 1,
        "preprocessing_change": codes > 0 or numbers > 1,
        "model_change": True,
        "concept_drift": True,
        "covariate_shift": numbers + codes > 0,
        "broken_join": numbers + codes > 2,
        "missing_values": numbers + codes > 0,
        "category_recode": codes > 0 or numbers > 3,
        "default_value": numbers + codes > 0,
        "frozen_feature": numbers + codes > 0,
    }
    return asks.get(kind, numbers > 0)
