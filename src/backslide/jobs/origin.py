"""What moved in an incident: the world, the model, the labels or the data; or that it cannot be told.

The diagnosis says what the rows show. Two things it cannot know by itself. Whether another model answers shows in fixed rows
that the model is asked about again, or in a saved model that reproduces what was served; without either, a relation that changed
may as well be another model, and labels in each other's place as well be answers. And with two classes, or with numbers, a
changed relation looks like changed labelling: only from three classes on do rows that are labelled otherwise leave the other
classes, and what the model says, as they were.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from backslide.causes.replay.exchanged_by_labels import OR_LABELS
from backslide.contracts.cause import Cause, CauseKind, Confidence
from backslide.contracts.config import Settings
from backslide.contracts.diagnosis import Action, Diagnosis
from backslide.contracts.finding import Severity
from backslide.contracts.watch import Origin
from backslide.models.imports import is_spec
from backslide.monitor.canary import CanaryWatch

REPLAY = "SHD001"
"""The check that asks the saved model again."""
LEAST_CLASSES = 3
"""Classes from which on labels given otherwise can be told from a changed relation."""
ALIKE = "whether the world or the labels moved cannot be told by the rows: compare some of the labels with their source"
UNFIT = "whether those columns are broken or the world moved cannot be told: look at some of the rows that do not fit"
UNKNOWN_MODEL = (
    "whether the world or the model moved cannot be told: name the saved model under [artifacts] reference_model, or "
    "let [watch.canary] ask about fixed rows"
)


@dataclass(frozen=True)
class Witnesses:
    """What is known beside the rows."""

    saved_model: bool
    canary: CanaryWatch | None
    served: bool = False
    """Whether the canary rows are answered by what serves, behind its address, and not by a file."""

    @classmethod
    def of(cls, settings: Settings, saved_model: bool, canary: CanaryWatch | None) -> Witnesses:
        """What the settings of a watch give."""
        asked = settings.watch.canary.model if settings.watch.canary is not None else None
        return cls(saved_model, canary, asked is not None and is_spec(asked, settings.base))

    def know_the_model(self, since: int) -> bool:
        """Whether another model that answers since a period would have shown."""
        return self.saved_model or (self.canary is not None and self.canary.same_since(since))


def find_origin(diagnosis: Diagnosis, since: int, witnesses: Witnesses) -> tuple[Origin | None, str]:
    """What moved since a period, and where that cannot be told what would tell it; None where nothing got worse."""
    if not diagnosis.verdict.bad:
        return None, ""
    if not _reproduces(diagnosis):
        witnesses = replace(witnesses, saved_model=False)
    cause = diagnosis.causes[0] if diagnosis.causes else None
    if cause is None or cause.confidence == Confidence.SUSPECTED:
        if not witnesses.know_the_model(since):
            return "unsure", UNKNOWN_MODEL
        # Classes in each other's place, while what serves answers fixed rows as before: it was the labels.
        either = cause is not None and cause.kind == CauseKind.OUTPUT_CHANGE and OR_LABELS in cause.summary
        return ("labels" if either and witnesses.served and not witnesses.saved_model else "unsure"), ""
    if cause.kind == CauseKind.UNRECOGNISED_FAULT:
        return "unsure", UNFIT
    if cause.kind.family == "data fault":
        return "data", ""
    if cause.kind.family == "our own change":
        return "model", ""
    return _of_the_world(diagnosis, cause, since, witnesses)


def _reproduces(diagnosis: Diagnosis) -> bool:
    """Whether the saved model, where it was asked about the reference, gave what was served: another one proves nothing."""
    replayed = (f for one in diagnosis.checks if one.code == REPLAY for f in one.findings if f.subject == "reference")
    return all(finding.severity == Severity.OK for finding in replayed)


def _of_the_world(diagnosis: Diagnosis, cause: Cause, since: int, witnesses: Witnesses) -> tuple[Origin, str]:
    if cause.kind != CauseKind.CONCEPT_DRIFT:
        return "world", ""
    if not witnesses.know_the_model(since):
        return "unsure", UNKNOWN_MODEL
    if diagnosis.decision.action == Action.RELABEL:
        return "labels", ""
    return ("world", "") if len(diagnosis.inputs.classes) >= LEAST_CLASSES else ("unsure", ALIKE)
