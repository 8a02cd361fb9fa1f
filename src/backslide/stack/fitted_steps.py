"""The fitted model step by step: class, parameters and what fitting left in each.

Pipelines, column transformers, unions and meta-estimators are followed to their leaves; names of columns flow along, so that
the third number of a mean can be called by its column. What is no estimator (a booster, a function with a model in its
closure) is taken apart by ``canonical``.
"""

from __future__ import annotations

import hashlib
import inspect
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from backslide.contracts.snapshot import FittedStep, FittedValue, Role
from backslide.models.wrap import attribute
from backslide.stack.canonical import Canon, class_name, prune

Names = tuple[str, ...] | None

_WITHOUT_EFFECT = frozenset(
    {"n_jobs", "verbose", "memory", "cache_size", "verbose_feature_names_out", "copy", "copy_X"}
)
"""Parameters that change how long it takes or what is printed, never an answer."""
_VOLATILE = frozenset(
    {
        "_sklearn_version",
        "_stop_words_id",
        "_sklearn_output_config",
        "_repr_html_",
        "_doc_link_module",
        "_metadata_request",
        "_estimator_type",
        "__sklearn_version__",
        "n_iter_no_change_time_",
    }
)
"""Attributes that differ between two loads of one file."""
_ANSWERING = ("Classifier", "Regressor", "ZipMap", "weights")
"""Nodes of ONNX that answer; others transform."""
_PREPARING = ("Tokenizer", "TokenizerFast", "Normalization", "Discretization", "CategoryEncoding", "Lookup")
"""Layers of deep models that prepare what the others are given."""
MOST_CHILDREN = 8
"""Members of an ensemble that are told one by one; of more, the whole is one part."""
MOST_OF_MODEL, MOST_OF_STEP = 1500, 20_000
"""Numbers and texts kept per attribute of a model and of a step before it: trees are told by their digest."""
MOST_NAMES = 2000
"""Columns whose names are kept."""


def fitted_parts(model: Any, columns: Sequence[str] | None = None) -> tuple[FittedStep, ...]:
    """Every step of a model, containers first, in the order in which the rows pass through.

    Args:
        model: an estimator, any other object, or a function.
        columns: names of the input columns, for models that do not know them.
    """
    return _walk(model, columns)[0]


def steps_of(model: Any, columns: Sequence[str] | None = None) -> dict[str, Any]:
    """The objects behind :func:`fitted_parts`, by their path."""
    return _walk(model, columns)[1]


def _walk(model: Any, columns: Sequence[str] | None) -> tuple[tuple[FittedStep, ...], dict[str, Any]]:
    walk, known = _StepWalk(), attribute(model, "feature_names_in_")
    names = known if known is not None and len(known) else columns
    with warnings.catch_warnings(action="ignore"):  # attributes warn of their own renaming
        return tuple(walk.parts(model, "", None if names is None else tuple(map(str, names)))), walk.objects


def is_model(estimator: Any) -> bool:
    """Whether it answers rather than transforms."""
    return callable(getattr(estimator, "predict", None)) or callable(getattr(estimator, "predict_proba", None))


class _StepWalk:
    """One walk over a model; ``seen`` keeps shared objects from being told twice."""

    def __init__(self) -> None:
        self.seen: set[int] = set()
        self.objects: dict[str, Any] = {}

    def parts(self, model: Any, path: str, names: Names) -> Iterator[FittedStep]:
        if id(model) in self.seen:
            return
        self.seen.add(id(model))
        self.objects[path] = model
        steps = attribute(model, "steps")
        transformers = attribute(model, "transformers_") or attribute(model, "transformers")
        union = attribute(model, "transformer_list")
        if isinstance(steps, list):
            yield _part(model, path, "container", names, {"steps"})
            for name, step in steps:
                if _is_step(step):
                    yield from self.parts(step, _under(path, name), names)
                    names = _names_out(step, names)
        elif isinstance(transformers, list):
            yield from self._columns(model, transformers, path, names)
        elif isinstance(union, list):
            yield _part(model, path, "container", names, {"transformer_list"})
            for name, step, *_ in union:
                if _is_step(step):
                    yield from self.parts(step, _under(path, name), names)
        elif inspect.isroutine(model):
            # A function, and the fitted things that it reaches: in its closure, and in the module that it stands in.
            code = Canon().value(model)
            state = {"source": code}
            yield FittedStep(
                path=path, kind=code.text, role="container", columns=names, state=state, digest=code.digest
            )
            for name, value in _reachable(model):
                yield from self.parts(value, _under(path, name), names)
        elif callable(attribute(model, "graph_steps")):
            yield from self._graph(model, path, names)
        else:
            yield from self._leaf_or_wrapper(model, path, names)

    def _columns(self, model: Any, transformers: list[Any], path: str, names: Names) -> Iterator[FittedStep]:
        chosen = {str(name): _names_of(columns, names) for name, _, columns in transformers}
        lists = {"transformers", "transformers_", "_columns", "_transformer_to_input_indices", "output_indices_"}
        whole = _part(model, path, "container", names, lists)
        order = Canon().value({name: list(columns or ()) for name, columns in chosen.items()})
        digest = hashlib.sha256((whole.digest + order.digest).encode()).hexdigest()[:16]
        yield whole.model_copy(update={"state": {**whole.state, "columns": order}, "digest": digest})
        for name, step, _ in transformers:
            if _is_step(step):
                yield from self.parts(step, _under(path, name), chosen[str(name)])

    def _leaf_or_wrapper(self, model: Any, path: str, names: Names) -> Iterator[FittedStep]:
        children = list(_children(model))
        role: Role = "model" if is_model(model) or not hasattr(model, "transform") else "transformer"
        if not children or len(children) > MOST_CHILDREN:
            yield _part(model, path, role, names, set())
            return
        yield _part(
            model, path, "container" if role == "model" else role, names, {name.split("/")[0] for name, _ in children}
        )
        for name, child in children:
            yield from self.parts(child, _under(path, name), names)

    def _graph(self, model: Any, path: str, names: Names) -> Iterator[FittedStep]:
        """The nodes of an ONNX graph that hold numbers or labels, or the layers of a deep model."""
        canon, library = Canon(), model.library
        for name, kind, values in model.graph_steps():
            state = {key: canon.value(value, name=key) for key, value in values.items()}
            text = "\n".join([kind, *(f"{key}={state[key].digest}" for key in sorted(state))])
            answers = kind.endswith(_ANSWERING) if library == "onnx" else not kind.endswith(_PREPARING)
            role: Role = "model" if answers else "transformer"
            most = MOST_OF_MODEL if role == "model" else MOST_OF_STEP
            yield FittedStep(
                path=_under(path, name),
                kind=f"{library}.{kind}",
                role=role,
                columns=names,
                state={key: prune(item, most) for key, item in state.items()},
                digest=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16],
            )


def _part(model: Any, path: str, role: Role, names: Names, leave: set[str]) -> FittedStep:
    params = _params(model, leave)
    state = {}
    canon = Canon()
    for name, value in _fitted_attributes(model):
        if name not in leave and name not in params:
            state[name] = canon.value(value, name=name)
    parts_tell = bool(leave) and callable(getattr(model, "get_params", None))
    if not params and not state and not parts_tell:
        state["content"] = canon.value(model)
    kind = class_name(type(model))
    texts = [f"{n}={h.digest}" for n, h in sorted({**params, **state}.items()) if n not in _WITHOUT_EFFECT]
    digest = hashlib.sha256("\n".join([kind, *texts]).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    columns = names if names is not None and len(names) <= MOST_NAMES else None
    most = MOST_OF_MODEL if role == "model" else MOST_OF_STEP
    state = {name: prune(form, most) for name, form in state.items()}
    return FittedStep(path=path, kind=kind, role=role, columns=columns, params=params, state=state, digest=digest)


def _params(model: Any, leave: set[str]) -> dict[str, FittedValue]:
    """Parameters without the estimators among them, which are steps of their own."""
    if not callable(getattr(model, "get_params", None)):
        return {}
    try:
        params = model.get_params(deep=False)
    except Exception:
        return {}
    canon = Canon()
    return {
        str(name): canon.value(value, name=str(name))
        for name, value in params.items()
        if name not in leave and not _is_estimator(value) and name not in _WITHOUT_EFFECT
    }


def _fitted_attributes(model: Any) -> Iterator[tuple[str, Any]]:
    own = getattr(model, "__dict__", None)
    if not isinstance(own, dict) or not callable(getattr(model, "get_params", None)):
        return  # no estimator: told as a whole
    params = set(model.get_params(deep=False))
    for name, value in own.items():
        if name not in params and name not in _VOLATILE and name not in _WITHOUT_EFFECT:
            yield str(name), value


def _children(model: Any) -> Iterator[tuple[str, Any]]:
    """Fitted estimators inside a meta-estimator; the unfitted templates among its parameters say nothing more."""
    own = getattr(model, "__dict__", None)
    if not isinstance(own, dict):
        return
    fitted = {n: v for n, v in own.items() if n.endswith("_") and not n.endswith("__")}
    for name, value in fitted.items():
        if _is_estimator(value):
            yield name, value
        elif isinstance(value, (list, tuple)) and value and all(_is_estimator(v) for v in value):
            yield from ((f"{name}/{i}", v) for i, v in enumerate(value))
    if not any(_is_estimator(v) or isinstance(v, list) for v in fitted.values()):
        # Wrappers that fit what they are given: a frozen estimator, a calibrated member.
        yield from (
            (n, v) for n, v in own.items() if not n.endswith("_") and not n.startswith("_") and _is_estimator(v)
        )


def _reachable(function: Any) -> Iterator[tuple[str, Any]]:
    inner = inspect.unwrap(getattr(function, "__func__", function))
    bound = getattr(function, "__self__", None)
    if bound is not None and not inspect.ismodule(bound):
        yield "self", bound
    try:
        outside = inspect.getclosurevars(inner)
    except (TypeError, ValueError):
        return
    for name, value in {**outside.nonlocals, **outside.globals}.items():
        if not (inspect.ismodule(value) or isinstance(value, type) or inspect.isroutine(value)):
            yield name, value


def _is_estimator(value: Any) -> bool:
    return not isinstance(value, type) and callable(getattr(value, "get_params", None)) and hasattr(value, "fit")


def _is_step(value: Any) -> bool:
    return value is not None and not isinstance(value, str)


def _under(path: str, name: object) -> str:
    return f"{path}/{name}" if path else str(name)


def _names_out(step: Any, names: Names) -> Names:
    try:
        return tuple(str(name) for name in step.get_feature_names_out(None if names is None else list(names)))
    except Exception:
        return None


def _names_of(columns: Any, names: Names) -> Names:
    """Names of the columns that a column transformer hands to one of its parts."""
    try:
        if isinstance(columns, str):
            return (columns,)
        if isinstance(columns, int):
            columns = [columns]
        if isinstance(columns, slice):
            return None if names is None else tuple(names[columns])
        listed = list(columns)
        if listed and all(isinstance(c, bool) or type(c).__name__ == "bool" for c in listed):
            listed = [i for i, flag in enumerate(listed) if flag]
        if all(isinstance(c, str) for c in listed):
            return tuple(listed)
        return tuple(names[int(c)] if names is not None else f"x{int(c)}" for c in listed)
    except Exception:
        return None
