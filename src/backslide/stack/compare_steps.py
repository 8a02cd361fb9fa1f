"""The fitted steps before and after: what was refitted, what was reconfigured, and whether the model was fitted again too."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.contracts.integrity import Detail, StackDifference
from backslide.contracts.snapshot import Environment, FittedStep, FittedValue, Snapshot
from backslide.stack.compare_state import AttributeChange, moves
from backslide.stack.likelihood import difference

MOST_DETAILS = 60
CLEAR, SLIGHT = 0.05, 0.005
"""Shift of a scaler in units of its own former scale that is felt, and that hardly is."""
_SCALERS = ("QuantileTransformer", "PowerTransformer", "Normalizer")
_MEANS = ("mean_", "center_", "data_min_", "data_max_")
_ADMIN = frozenset(
    {"n_samples_seen_", "n_features_in_", "_n_features_out", "n_iter_", "_fit_dtype", "n_features_", "_tree_"}
)
"""Attributes that accompany a refit and mean nothing by themselves."""


def fitted_differences(a: Snapshot, b: Snapshot) -> list[StackDifference]:
    """Differences of kind ``scaler_refit``, ``preprocessing_change`` and ``model_change`` between the steps of two models."""
    if not a.fitted or not b.fitted:
        return []
    pairs = list(_pairs(a.fitted, b.fitted))
    models = [pair for pair in pairs if any(step is not None and step.role == "model" for step in pair)]
    again = any(x is None or y is None or x.digest != y.digest for x, y in models)
    library = _Libraries(a.environment, b.environment)
    results = []
    logged = a.fitted[0].columns or ()
    for before, after in pairs:
        change = _difference(before, after, again, library)
        if change is not None:
            results.append(change.model_copy(update={"features": as_logged(change.features, logged)}))
    return results


class _Libraries:
    """Which distributions are others."""

    def __init__(self, a: Environment, b: Environment) -> None:
        self._versions = a.distributions, b.distributions
        self._owners = a.modules | b.modules

    @property
    def changed(self) -> bool:
        """Whether any is."""
        return self._versions[0] != self._versions[1]

    def account_for(self, old: FittedValue | None, new: FittedValue | None) -> bool:
        """Whether both are the same function of a library of which there is another version: that is the library's change."""
        if old is None or new is None or not old.kind == new.kind == "code" or old.text != new.text:
            return False
        owner = self._owners.get(old.text.split(".")[0])
        return owner is not None and self._versions[0].get(owner) != self._versions[1].get(owner)


def as_logged(names: tuple[str, ...], logged: tuple[str, ...]) -> tuple[str, ...]:
    """Columns of the log behind columns of a step: ``num__income`` is income, ``cat__channel_web`` is channel."""
    if not logged:
        return names
    results = []
    for name in names:
        bare = name.rsplit("__", 1)[-1]
        begins = [column for column in logged if bare.startswith(f"{column}_")]
        results += [name] if name in logged else [bare] if bare in logged else sorted(begins, key=len)[-1:]
    return tuple(dict.fromkeys(results))


def _pairs(
    a: tuple[FittedStep, ...], b: tuple[FittedStep, ...]
) -> Iterator[tuple[FittedStep | None, FittedStep | None]]:
    """Steps of the same path; of those left over, the ones that are alone of their class, which were renamed."""
    old, new = {p.path: p for p in a}, {p.path: p for p in b}
    rest = [p for p in b if p.path not in old]
    for part in a:
        other = new.get(part.path)
        if other is None:
            same = [p for p in rest if p.kind == part.kind]
            other = same[0] if len(same) == 1 else None
            rest = [p for p in rest if p is not other]
        yield part, other
    yield from ((None, part) for part in rest)


def _difference(
    before: FittedStep | None, after: FittedStep | None, again: bool, library: _Libraries
) -> StackDifference | None:
    if before is None or after is None:
        return _added_or_removed(before, after, again)
    if before.kind != after.kind:
        return _step_difference(
            before,
            [],
            f"{_step(before)} is now a {_short(after)}",
            0.85,
            again,
            (Detail(name="class", before=before.kind, after=after.kind),),
        )
    if before.digest == after.digest and before.columns == after.columns:
        return None
    params = list(_changes(before.params, after.params, before, after, library))
    state = list(_changes(before.state, after.state, before, after, library))
    old, new = before.columns or (), after.columns or ()
    reordered = old != new and sorted(old) == sorted(new)
    real = [m for m in state if m.attribute not in _ADMIN]
    if not params and not real and not reordered:
        return None
    if before.role == "model":
        return _of_model(before, params, real)
    if (_short(before).endswith("Scaler") or _short(before) in _SCALERS) and real and not params and not reordered:
        return _of_scaler(before, real, state, again)
    return _of_step(before, after, params, real, reordered, again)


def _changes(
    a: Mapping[str, FittedValue],
    b: Mapping[str, FittedValue],
    before: FittedStep,
    after: FittedStep,
    library: _Libraries,
) -> Iterator[AttributeChange]:
    for name in dict.fromkeys((*a, *b)):
        old = (before.params if a is before.params else before.state).get(name)
        new = (after.params if b is after.params else after.state).get(name)
        if library.account_for(old, new):
            continue
        if (library.changed or name == "feature_names_in_") and (old is None or new is None):
            continue  # another version of a library has attributes of its own; a scaler may be given an array
        yield from moves(name, old, new, before, after)


def _added_or_removed(before: FittedStep | None, after: FittedStep | None, again: bool) -> StackDifference | None:
    part = before or after
    assert part is not None
    words = f"{_step(part)} is {'new' if before is None else 'gone'}"
    detail = Detail(
        name="step", before=None if before is None else before.kind, after=None if after is None else after.kind
    )
    return _step_difference(part, [], words, 0.85, again, (detail,))


def _step_difference(
    part: FittedStep,
    changes: list[AttributeChange],
    words: str,
    score: float,
    again: bool,
    details: tuple[Detail, ...] = (),
    *,
    kind: CauseKind | None = None,
    reason: str = "",
) -> StackDifference:
    """A difference of a step before the model, or of the model where the part is one."""
    model = part.role == "model"
    kind = kind or (CauseKind.MODEL_CHANGE if model else CauseKind.PREPROCESSING_CHANGE)
    if model:
        why = reason or "another model answers"
    elif again:
        score, why = score * 0.5, "the model behind it was fitted again as well, so the two may still fit each other"
    else:
        why = "the model behind it is the same and was fitted on what this step gave before"
    why = f"{reason}; {why}" if reason and not model else why
    shown = details or tuple(m.detail for m in changes[:MOST_DETAILS])
    return difference(
        kind,
        "fitted",
        part.path or part.kind,
        f"{words}.",
        score,
        why,
        features=_features(part, changes),
        before=shown[0].before if shown else None,
        after=shown[0].after if shown else None,
        details=shown,
    )


def _features(part: FittedStep, changes: list[AttributeChange]) -> tuple[str, ...]:
    known = set(part.columns or ())
    return tuple(dict.fromkeys(m.column for m in changes if m.column is not None and m.column in known))


def _of_scaler(
    part: FittedStep, changes: list[AttributeChange], state: list[AttributeChange], again: bool
) -> StackDifference:
    ordered = sorted(changes, key=lambda m: -_size(part, m))
    size = _size(part, ordered[0])
    # A mean says more to people than a variance; it comes first unless it hardly moved.
    ordered.sort(key=lambda m: m.attribute not in _MEANS or _size(part, m) < size / 4)
    columns = _features(part, ordered)
    n = len(columns) or len({m.column for m in ordered})
    words = f"{_short(part)} of {n} column{'' if n == 1 else 's'} was refitted: {_arrow(ordered[0])}"
    second = next(
        (m for m in ordered[1:] if m.column != ordered[0].column and m.attribute == ordered[0].attribute), None
    )
    words += f", {_arrow(second)}" if second is not None else ""
    rows = next((m for m in state if m.attribute == "n_samples_seen_"), None)
    words += f"; it was fitted on {rows.after} rows instead of {rows.before}" if rows is not None else ""
    score = 0.95 if size >= CLEAR else 0.5 if size >= SLIGHT else 0.15
    reason = f"the furthest column moved by {say.number(size, 2)} of its former scale"
    return _step_difference(part, ordered, words, score, again, kind=CauseKind.SCALER_REFIT, reason=reason)


def _size(part: FittedStep, change: AttributeChange) -> float:
    """A change in units of the column's former scale; of a scale itself, its relative change."""
    if change.old is None or change.new is None:
        return 1.0
    if change.attribute in ("scale_", "var_", "data_range_", "max_abs_"):
        return abs(change.new - change.old) / max(abs(change.old), 1e-300) / (2 if change.attribute == "var_" else 1)
    scale = next((part.state[n] for n in ("data_range_", "scale_", "max_abs_") if n in part.state), None)
    names = part.columns or ()
    unit = math.nan
    if scale is not None and change.column in names and len(scale.numbers) == len(names):
        width = scale.numbers[names.index(change.column)]
        unit = width if isinstance(width, float) else math.nan
    unit = unit if unit == unit and unit > 0 else max(abs(change.old), 1e-300)
    return abs(change.new - change.old) / unit


def _of_step(
    before: FittedStep,
    after: FittedStep,
    params: list[AttributeChange],
    state: list[AttributeChange],
    reordered: bool,
    again: bool,
) -> StackDifference:
    changes = [*params, *state]
    if reordered and before.columns is not None and after.columns is not None:
        order = AttributeChange("feature_names_in_", None, say.listed(before.columns, 6), say.listed(after.columns, 6))
        words = f"{_step(before)} receives its columns in another order: {order.before} → {order.after}"
        changes = [order, *(m for m in changes if m.attribute != "feature_names_in_")]
        change = _step_difference(before, changes, words, 0.9, again)
        at = zip(before.columns, after.columns, strict=True)
        return change.model_copy(update={"features": tuple(x for x, y in at if x != y)})
    if params:
        words = f"parameter {_arrow(params[0])} of {_step(before)} changed"
    else:
        words = f"{_step(before)} was fitted again: {_arrow(state[0])}"
    words += f", and {len(changes) - 1} more" if len(changes) > 1 else ""
    score = 0.6 if not params and {m.attribute for m in state} <= {"statistics_"} else 0.9
    return _step_difference(before, changes, words, score, again)


def _of_model(part: FittedStep, params: list[AttributeChange], state: list[AttributeChange]) -> StackDifference:
    changes = [*params, *state]
    first = changes[0]
    if params:
        words = f"parameter {_arrow(params[0])} of the model {_short(part)} changed"
    else:
        words = f"the model {_short(part)} was fitted again: {_arrow(first)}"
    words += f", and {len(changes) - 1} more" if len(changes) > 1 else ""
    return _step_difference(part, changes, words, 0.65, False)


def _arrow(change: AttributeChange) -> str:
    return f"{change.named} {change.before} → {change.after}"


def _short(part: FittedStep) -> str:
    return part.kind.split(".")[-1]


def _step(part: FittedStep) -> str:
    return f"{_short(part)} ({part.path})" if part.path else _short(part)
