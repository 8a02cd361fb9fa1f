"""The serving guard: a pipeline that can be asked and not fitted, held against its snapshot.

The classic mistake is a scaler fitted again on production rows: its outputs look perfect, so no monitor of inputs sees it, and
every answer is wrong. A frozen pipeline refuses, and says why.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

from backslide.contracts import say
from backslide.contracts.errors import FrozenError
from backslide.contracts.integrity import Integrity, StackDifference
from backslide.contracts.snapshot import Snapshot
from backslide.contracts.trust import trust_beside_the_name
from backslide.models.load import load_model
from backslide.stack.artefact import artefact
from backslide.stack.compare import integrity
from backslide.stack.environment import environment
from backslide.stack.fitted_steps import fitted_parts
from backslide.stack.golden import ask_again
from backslide.stack.guard_inputs import InputCounts, InputGuard, Rule
from backslide.stack.mlflow_snapshots import find_snapshot

REFUSED = ("fit", "fit_transform", "fit_predict", "partial_fit", "fit_resample")
ASKED = ("predict", "predict_proba", "predict_log_proba", "decision_function", "transform", "score_samples", "apply")
MOST_OBJECTS = 100_000


class FrozenPipeline:
    """A pipeline that answers like the one it was made from, and refuses to be fitted; so do its steps."""

    def __init__(self, model: Any, snapshot: Snapshot, gate: InputGuard, comparison: Integrity) -> None:
        self.model = model
        self.snapshot = snapshot
        self.integrity = comparison
        """What differed from the snapshot when it was frozen, and was let pass."""
        self._gate = gate
        self._refuse()
        asked = [name for name in ASKED if callable(getattr(model, name, None))]
        for name in asked:
            setattr(self, name, _guard(getattr(model, name), gate))
        if not asked and callable(model):
            self._call = _guard(model, gate)

    def __call__(self, rows: Any, *arguments: Any, **options: Any) -> Any:
        """Ask a model that is a function."""
        call = self.__dict__.get("_call")
        if call is None:
            raise TypeError("this pipeline is not a function; call predict or transform")
        return call(rows, *arguments, **options)

    def __getattr__(self, name: str) -> Any:
        if name in REFUSED:
            return partial(_refuse_call, name, type(self.__dict__.get("model")).__name__, "")
        if name.startswith("__") or "model" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.model, name)

    def __getitem__(self, key: Any) -> Any:
        return self.model[key]

    def __len__(self) -> int:
        return len(self.model)

    @property
    def seen(self) -> InputCounts:
        """Counts of what came in: rows, values beyond those of training, categories that training did not hold."""
        return self._gate.seen

    def verify(self) -> None:
        """Look at the fitted state again.

        Raises:
            FrozenError: something wrote into it since it was frozen.
        """
        digests = {part.path: part.digest for part in self.snapshot.fitted}
        for part in fitted_parts(self._bare(), self._gate.columns):
            if digests and digests.get(part.path) != part.digest:
                named = f"{part.kind} ({part.path or 'the whole'})"
                raise FrozenError(f"the fitted state of {named} changed since it was frozen; load the artefact again")

    def _bare(self) -> Any:
        """The model without the refusals, which are no fitted state."""
        for estimator in _estimators(self.model):
            for name in REFUSED:
                vars(estimator).pop(name, None)
        try:
            return deepcopy(self.model)
        finally:
            self._refuse()

    def _refuse(self) -> None:
        named = {id(step): name for name, step in getattr(self.model, "steps", None) or ()}
        for estimator in _estimators(self.model):
            for name in REFUSED:
                if callable(getattr(type(estimator), name, None)):
                    setattr(
                        estimator,
                        name,
                        partial(_refuse_call, name, type(estimator).__name__, named.get(id(estimator), "")),
                    )

    def __reduce__(self) -> Any:
        gate = self._gate
        return partial(freeze, ranges=gate.ranges, unknown=gate.unknown), (self._bare(), self.snapshot)

    def __repr__(self) -> str:
        return f"<Frozen {type(self.model).__name__} at snapshot {self.snapshot.name} of {self.snapshot.taken_at}>"


def freeze(
    pipeline: Any,
    snapshot: Snapshot | str | Path | None = None,
    *,
    libraries: Literal["warn", "raise", "ignore"] = "warn",
    ranges: Rule = "count",
    unknown: Rule | dict[str, Any] = "count",
    trusted: bool = False,
    base: str | Path | None = None,
) -> FrozenPipeline:
    """Make a pipeline ready to serve: it answers as before, and neither it nor its steps can be fitted any more.

    A copy is frozen; what happens to the original afterwards does not reach it. On every call names and order of the columns are
    checked (another order is put right); types, ranges and categories of as many columns, in turn, as 0.6 % of the model's own
    time pays for.

    Args:
        pipeline: the fitted object, a path, an MLflow URI or ``"module:function"``.
        snapshot: what it must be, from ``backslide.snapshot``; without it, it is only kept from being fitted.
        libraries: what to do where this environment differs from the snapshot's in what the model is made of.
        ranges: ``"raise"`` refuses values beyond those of training, ``"count"`` counts them in ``seen``.
        unknown: the same for categories that training did not hold, or column -> category that stands for them.
        trusted: whether a pickle-based file may be loaded.
        base: folder that relative paths start from.

    Raises:
        FrozenError: the pipeline is not the one of the snapshot.
        BackslideError: it cannot be loaded, or the snapshot cannot be read.
    """
    folder = Path(base) if base is not None else Path()
    with trust_beside_the_name():
        model = load_model(pipeline, trusted=trusted, base=folder)
    columns = model.features
    parts = fitted_parts(model.artefact, columns)
    reference = None if snapshot is None else find_snapshot(snapshot, folder)
    if reference is None:
        reference = Snapshot(name=model.name, taken_at="", environment=environment(parts), fitted=parts)
    path = folder / str(pipeline) if isinstance(pipeline, (str, Path)) else None
    saved = reference.artefact
    if path is not None and saved is not None:
        saved = artefact(saved.name, path, kind=saved.kind)
    golden = ask_again(model, reference.golden) if reference.golden is not None else None
    now = reference.model_copy(
        update={
            "environment": environment(parts),
            "fitted": parts if reference.fitted else (),
            "artefact": saved,
            "golden": golden,
        }
    )
    comparison = integrity(reference, now)
    _admit(comparison, libraries)
    try:
        copy = deepcopy(model.artefact)
    except Exception:  # sessions of other runtimes cannot be copied, nor fitted
        copy = model.artefact
    guard = InputGuard(reference, columns, ranges=ranges, unknown=unknown)
    return FrozenPipeline(copy, reference, guard, comparison)


def _admit(comparison: Integrity, libraries: str) -> None:
    hurting = [d for d in comparison.differences if d.risk != "unlikely"]
    ours = [
        d for d in comparison.differences if d.where in ("fitted", "artefact") and (d.where == "fitted" or d in hurting)
    ]
    if ours:
        raise FrozenError(
            f"the pipeline differs from snapshot {comparison.a.name!r}: {_meanings(ours)} Serve the artefact that the snapshot "
            "was taken of, or take a new snapshot"
        )
    other = [d for d in hurting if d.where == "environment"]
    if not other or libraries == "ignore":
        return
    text = f"this environment differs from snapshot {comparison.a.name!r}: {_meanings(other)}"
    if libraries == "raise":
        raise FrozenError(text)
    warnings.warn(text, UserWarning, stacklevel=3)


def _meanings(differences: list[StackDifference]) -> str:
    return say.listed([d.meaning.rstrip(".") for d in differences], 3) + "."


def _guard(method: Callable[..., Any], gate: InputGuard) -> Callable[..., Any]:
    enter, answered_in = gate.enter, gate.answered

    def asked(rows: Any, *arguments: Any, **options: Any) -> Any:
        rows = enter(rows)
        start = perf_counter()
        answer = method(rows, *arguments, **options)
        answered_in(perf_counter() - start)
        return answer

    asked.__doc__ = getattr(method, "__doc__", None)
    return asked


def _refuse_call(name: str, kind: str, step: str, *_: Any, **__: Any) -> Any:
    where = f" (step {step})" if step else ""
    raise FrozenError(
        f"{name} of {kind}{where} was refused: the pipeline is frozen. Fitted on production rows it would give the model other "
        "inputs than it was trained on; call transform or predict, or train a clone and serve that as a new version"
    )


def _estimators(model: Any) -> Iterator[Any]:
    """Every object inside that can be fitted, each once."""
    ids: set[int] = set()
    stack = [model]
    while stack and len(ids) < MOST_OBJECTS:
        value = stack.pop()
        if id(value) in ids or isinstance(value, (str, bytes, int, float, type)):
            continue
        ids.add(id(value))
        if isinstance(value, dict):
            stack.extend(value.values())
        elif isinstance(value, (list, tuple, set)):
            stack.extend(value)
        elif (
            hasattr(value, "__dict__")
            and not callable(getattr(value, "__code__", None))
            and not hasattr(value, "__path__")
        ):
            if hasattr(value, "fit") or hasattr(value, "partial_fit"):
                yield value
            if not hasattr(value, "__globals__"):
                stack.extend(vars(value).values())
