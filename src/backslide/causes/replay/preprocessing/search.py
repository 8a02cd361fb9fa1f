"""Another preprocessing stands before the model: what must it have been given to say what was served?

Where the saved model reproduces the reference and not the current window, the logged inputs are altered and put to it again:

- `scaler_refit`: the scalers inside the pipeline fitted again on the current window, on each day, hour, batch, or value of a
  column that is no feature, whatever the model; or, where the answers move smoothly with the inputs, the scale of one column or
  of all scaled ones, computed from the answers;
- `preprocessing_change`: two columns in each other's place, or all of them in the order of the alphabet or of the log; the
  categories of one or of several columns read as others, by an encoder rebuilt in another order or one that knows some of them
  no more; all that learns from inputs fitted again; a number multiplied before it reaches the model; a text vectoriser fitted
  again, with another setting, or taken from the artefact that answers now; a text cut off or normalised before it.

Where the log also holds what the model was given (`[model] inputs`), it is compared column by column with what the saved
preprocessing gives, and told exactly: the mean and the scale that a scaler now holds, the categories that an encoder exchanges.

**Proof, not statistics**: half of the rows find the alteration, and the scores must agree to 1e-6 on 99 % of the other half.
Rows whose score is next to 0 or 1 prove nothing and are left out. Equal old and new artefacts are never looked at.

**What cannot be told apart**: a linear model of nothing but scaled numbers with every scale changed is the same function as one
fitted again; it stays `model_change`, unless a refit on the current window explains it, or `current_model` is given, whose
preprocessing is put before the saved model. Where only classes were logged, no
alteration is looked for.

**The price** is that of the replay: what was served against the saved model on the rows as logged. Before labels come, the
reference is put to the model altered in the same way.
"""

from __future__ import annotations

from collections.abc import Callable

from backslide.case import Case
from backslide.causes.replay.preprocessing.category_codes import find_recoding
from backslide.causes.replay.preprocessing.column_order import find_column_order
from backslide.causes.replay.preprocessing.encoder_order import find_encoder_orders
from backslide.causes.replay.preprocessing.given_pipeline import find_given_preprocessing
from backslide.causes.replay.preprocessing.logged_inputs import compare_logged_inputs
from backslide.causes.replay.preprocessing.refit_on_window import find_refit
from backslide.causes.replay.preprocessing.replay import Asker, InputChange
from backslide.causes.replay.preprocessing.scaling import find_rescaling
from backslide.causes.replay.preprocessing.vectorizer import find_vectorizer_change
from backslide.contracts.containment import noted
from backslide.playbook.shadow.replay import ReplayResult

WAYS = (
    compare_logged_inputs,
    find_refit,
    find_column_order,
    find_rescaling,
    find_recoding,
    find_encoder_orders,
    find_vectorizer_change,
    find_given_preprocessing,
)
"""What was logged of the model's own inputs first; then what has nothing to be estimated, then what has."""


def find_input_change(case: Case, done: ReplayResult) -> InputChange | None:
    """The one alteration of the logged current inputs under which the saved model gives what was served, None where none does.

    ``done`` is its replay on the logged inputs. That equal answers come about by chance is out of the question: scores agree to
    1e-6 on 99 % of rows that took no part in the search.
    """
    model = case.reference_model
    if model is None or (case.current.outcomes.predictions.dtype.kind != "f" and case.current.outcomes.scores is None):
        return None
    asker = Asker(case, model, case.current, done)
    if not asker.enough:
        return None
    for way in WAYS:
        found = _try(way, asker)
        if found is not None:
            return found
    return None


def _try(way: Callable[[Asker], InputChange | None], asker: Asker) -> InputChange | None:
    """A pipeline built in an odd way is noted, never the end of the run."""
    with noted(f"what the saved model was given ({way.__name__})", asker.case.notes):
        return way(asker)
    return None
