"""What the log says the model was given (``[model] inputs``), held against what the saved preprocessing makes of the raw rows.

Column by column, exactly: an affine map is a scaler fitted again, with the mean and the scale that it now holds (one for all
rows, or one for each day, hour, host or batch); a one-to-one table of values is an encoder in another order; the values of
another column are another order of columns; one value that stands for no category, in place of some, is categories lost.
The model behind it, asked with the logged inputs, must say what was served: then nothing else differs, and it is proven.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from backslide.causes.replay.preprocessing.replay import ALWAYS, Asker, InputChange
from backslide.causes.replay.preprocessing.scaling import BACK, refit_words
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns import names
from backslide.engine.columns.pair import to_numbers
from backslide.engine.roles.logged_inputs import input_columns
from backslide.models.frame import to_pandas
from backslide.models.last_step import LastStep, split_last
from backslide.models.refit import categories
from backslide.models.scalers import ColumnScaling, scaled_columns
from backslide.models.wrap import wrap
from backslide.stats.arrays import Floats, Ints, Mask

SAME = 1e-6
"""Of a column's spread: as far as a float may be off that was logged in single precision."""
MOST_GROUPS = 400
MIN_ROWS = 3
MOST_VALUES = 100


@dataclass(frozen=True)
class _InputDifference:
    """What happened to one input of the model."""

    how: str
    """``scaled``, ``encoded``, ``unknown``, ``taken`` (another column's values) or ``other``."""
    source: str
    """The logged raw column behind it."""
    words: str
    factor: float = 1.0
    offset: float = 0.0
    table: tuple[tuple[float, float], ...] = ()
    place: int | None = None


def compare_logged_inputs(asker: Asker) -> InputChange | None:
    """How the logged inputs of the model differ from what its preprocessing gives, where that explains what was served."""
    logged = input_columns(asker.case.problem.roles, asker.side.sample.columns)
    if not logged:
        return None
    parts = split_last(asker.model.artefact, list(asker.model.features or ()))
    if parts is None:
        asker.case.notes.append(
            "[model] inputs are logged, but the saved model is no pipeline of steps, so what it must be given cannot be replayed"
        )
        return None
    order = _order(parts, logged)
    if order is None:
        asker.case.notes.append(
            f"[model] inputs name {len(logged)} columns, but the saved preprocessing gives {len(parts.names)} of other names; "
            f"expected such as {say.listed(parts.names, 3)}"
        )
        return None
    at = np.sort(np.concatenate([asker.search, asker.check]))
    rows = asker.rows(at)
    ours = parts.inputs(to_pandas(rows.select(list(parts.columns))))
    given = np.column_stack([to_numbers(rows[column]) for column in order])
    if not _served_with(asker, parts, given, at):
        return None
    told = {k: _compare(asker, parts, k, ours, given, rows) for k in range(ours.shape[1]) if _differs(ours, given, k)}
    if all(one.how == "other" for one in told.values()):
        return None  # other ways may say what it is
    altered = _describe(asker, parts, told)
    assert altered.model is not None
    said = asker.asking(altered.model).equal(asker.rows(asker.check), asker.check)
    return replace(altered, reproduces=bool(said.mean() >= ALWAYS))


def _order(parts: LastStep, logged: dict[str, str]) -> list[str] | None:
    """The logged column of every input of the last step: by name, by the name behind ``__``, or by place."""
    bare = [name.rsplit("__", 1)[-1] for name in parts.names]
    for wanted in (list(parts.names), bare):
        if all(name in logged for name in wanted) and len(set(wanted)) == len(wanted):
            return [logged[name] for name in wanted]
    return list(logged.values()) if len(logged) == len(parts.names) else None


def _served_with(asker: Asker, parts: LastStep, given: Floats, at: Ints) -> bool:
    """Whether the model at the end, given what was logged, says what was served: otherwise it is another model."""
    last = wrap(parts.behind(), name=asker.model.name, task=asker.case.settings.model.task)
    frame = asker.rows(at).drop(parts.behind().feature_names_in_.tolist(), strict=False)
    frame = frame.with_columns(
        pl.Series(name, given[:, k]) for k, name in enumerate(parts.behind().feature_names_in_.tolist())
    )
    return bool(asker.asking(last).equal(frame, at).mean() >= ALWAYS)


def _differs(ours: Floats, given: Floats, k: int) -> bool:
    return bool((~_near(ours[:, k], given[:, k])).mean() > 1 - ALWAYS)


def _near(one: Floats, other: Floats) -> Mask:
    """Where two columns hold the same (n,)."""
    finite = np.isfinite(one)
    spread = float(one[finite].std()) if finite.any() else 1.0
    same = np.abs(one - other) <= SAME * max(spread, float(np.abs(one[finite]).max(initial=0.0)) * SAME, 1e-12) + 1e-12
    return np.asarray(same | (np.isnan(one) & np.isnan(other)))


def _compare(
    asker: Asker, parts: LastStep, k: int, ours: Floats, given: Floats, rows: pl.DataFrame
) -> _InputDifference:
    own, got = ours[:, k], given[:, k]
    source = parts.source(k)
    for other in range(ours.shape[1]):
        if other != k and len(np.unique(ours[:, other])) > 1 and _near(ours[:, other], got).mean() >= ALWAYS:
            words = f"what is given as {source} is {parts.source(other)}"
            return _InputDifference("taken", source, words, place=other)
    table = _table(own, got)
    if table is not None and _siblings(parts, k) and set(np.unique(ours[:, k])) <= {0.0, 1.0}:
        return _indicated(asker, parts, k, ours, given, table)
    encoded = categories(asker.model.artefact, list(asker.model.features or ()))
    if table is not None and len(table) <= MOST_VALUES and source in encoded:
        lost = _lost(table, len(encoded[source]))
        if lost:
            levels = _categories(asker, source, [a for a, _ in lost])
            return _InputDifference("unknown", source, _unknown(asker, source, levels), table=table)
        shown = _readings(asker, source, table)
        return _InputDifference("encoded", source, f"categories of {source} read as others{shown}", table=table)
    fit = _affine(own, got)
    if fit is not None:
        return _InputDifference("scaled", source, "", factor=fit[0], offset=fit[1])
    for where, groups in _groups(asker, rows):
        fits = [
            _affine(own[groups == g], got[groups == g]) for g in np.unique(groups) if (groups == g).sum() >= MIN_ROWS
        ]
        if fits and all(f is not None for f in fits):
            first = fits[0]
            assert first is not None
            return _InputDifference("scaled", source, where, factor=first[0], offset=first[1])
    return _InputDifference("other", source, f"{source} is prepared otherwise")


def _siblings(parts: LastStep, k: int) -> bool:
    """Whether the input is one of several indicators of one raw column."""
    return sum(parts.source(i) == parts.source(k) for i in range(len(parts.names))) > 1


def _indicated(
    asker: Asker, parts: LastStep, k: int, ours: Floats, given: Floats, table: tuple[tuple[float, float], ...]
) -> _InputDifference:
    """An indicator that is given otherwise: its category taken for unknown, or read as another one or as this one."""
    source = parts.source(k)
    level = parts.names[k].rsplit("__", 1)[-1].removeprefix(f"{source}_")
    own = [i for i in range(len(parts.names)) if parts.source(i) == source]
    gone = (ours[:, k] == 1) & (given[:, k] == 0)
    if gone.any() and given[np.ix_(gone, own)].sum() == 0:
        return _InputDifference("unknown", source, _unknown(asker, source, [level]), table=table)
    words = f"categories of {source} read as others"
    if gone.any():
        read = parts.names[own[int(given[np.ix_(gone, own)].sum(0).argmax())]].rsplit("__", 1)[-1]
        words += f": {level!r} as {read.removeprefix(f'{source}_')!r}"
    return _InputDifference("encoded", source, words, table=table)


def _unknown(asker: Asker, source: str, levels: list[Any]) -> str:
    texts = [str(level) for level in levels]
    unknown = asker.side.sample[source].cast(pl.String).is_in(texts).fill_null(False)
    share = int(unknown.sum()) / max(len(unknown), 1)
    return (
        f"{say.listed([repr(v) for v in levels])} of {source} taken for unknown ({say.percent(share, 1)} of the rows)"
    )


def _table(own: Floats, got: Floats) -> tuple[tuple[float, float], ...] | None:
    """Value -> value, where every value of the one goes with one of the other on nearly all rows."""
    values, index = np.unique(own, return_inverse=True)
    if not 1 <= len(values) <= MOST_VALUES:
        return None
    found, right = [], 0
    for k, value in enumerate(values):
        targets, counts = np.unique(got[index == k], return_counts=True)
        found.append((float(value), float(targets[counts.argmax()])))
        right += int(counts.max())
    return tuple(found) if right >= ALWAYS * len(own) else None


def _lost(table: tuple[tuple[float, float], ...], levels: int) -> list[tuple[float, float]]:
    """Entries that go to one value which the saved encoder gives to no category."""
    moved = [(a, b) for a, b in table if a != b]
    known = {float(code) for code in range(levels)} | {a for a, _ in table}
    targets = {b for _, b in moved}
    return moved if len(targets) == 1 and not targets & known else []


def _categories(asker: Asker, source: str, codes: list[float]) -> list[Any]:
    levels = categories(asker.model.artefact, list(asker.model.features or ()))[source]
    return [levels[int(c)] if c == int(c) and 0 <= c < len(levels) else c for c in codes]


def _readings(asker: Asker, source: str, table: tuple[tuple[float, float], ...]) -> str:
    moved = [(a, b) for a, b in table if a != b]
    before = _categories(asker, source, [a for a, _ in moved])
    after = _categories(asker, source, [b for _, b in moved])
    return ": " + say.listed([f"{a!r} as {b!r}" for a, b in zip(before, after, strict=True)], 3) if moved else ""


def _affine(own: Floats, got: Floats) -> tuple[float, float] | None:
    """Factor and offset with which one column is the other on nearly all rows."""
    known = np.isfinite(own) & np.isfinite(got)
    x, y = own[known], got[known]
    if len(x) < MIN_ROWS or not x.std() > 0:
        return None
    low, high = int(x.argmin()), int(x.argmax())
    for a, b in ((low, high), (int(np.argsort(x)[len(x) // 4]), int(np.argsort(x)[3 * len(x) // 4]))):
        if x[a] == x[b]:
            continue
        factor = (y[b] - y[a]) / (x[b] - x[a])
        offset = y[a] - factor * x[a]
        if factor > 0 and _near(y, factor * x + offset).mean() >= ALWAYS:
            return float(factor), float(offset)
    return None


def _groups(asker: Asker, rows: pl.DataFrame) -> Iterator[tuple[str, Ints]]:
    """Days, hours, and values of columns that are no features: what a scaler may have been fitted on one by one."""
    keys: list[tuple[str, pl.Expr]] = []
    if names.DAY in rows.columns:
        keys += [("each day", pl.col(names.DAY).to_physical()), ("each hour", pl.col(names.TIME).dt.truncate("1h"))]
    roles = asker.case.problem.roles
    special = {*roles.columns().values(), *asker.case.problem.features, *input_columns(roles, rows.columns).values()}
    keys += [
        (f"the rows of each {c}", pl.col(c)) for c in asker.side.window.kinds if c in rows.columns and c not in special
    ]
    for where, key in keys:
        codes = rows.select(key.cast(pl.String).fill_null("").rank("dense").cast(pl.Int64).alias("key"))[
            "key"
        ].to_numpy()
        if 2 <= len(np.unique(codes)) <= min(MOST_GROUPS, len(codes) // MIN_ROWS):
            yield where, codes


def _describe(asker: Asker, parts: LastStep, told: dict[int, _InputDifference]) -> InputChange:
    known = scaled_columns(asker.model.artefact, list(asker.model.features or ()))
    scaled = {t.source: t for t in told.values() if t.how == "scaled" and t.source in known}
    rest = [t for t in told.values() if t.source not in scaled]
    features = tuple(
        dict.fromkeys([*sorted(scaled, key=lambda c: -abs(np.log(scaled[c].factor))), *(t.source for t in rest)])
    )
    said = [t.words for t in rest if t.how != "other"] or [t.words for t in rest]
    if scaled:
        one = next(iter(features))
        before, map_ = known[one], scaled[one]
        after = _refit(before, map_)
        where = f", on {map_.words} (told of the first of them)" if map_.words else ""
        said.insert(0, refit_words(one, before, after, len(scaled)) + where)
        kind, undo = CauseKind.SCALER_REFIT, BACK
    else:
        kind, undo = (
            CauseKind.PREPROCESSING_CHANGE,
            "load the fitted preprocessing of training, with its encoders and its order",
        )
    words = f"{say.listed(list(dict.fromkeys(said)), 3)}, in the logged inputs of the model"
    changed = {k: (lambda ours, k=k, t=t: _as_given(ours, k, t)) for k, t in told.items() if t.how != "other"}
    model = wrap(parts.altered(changed), name=asker.model.name, task=asker.case.settings.model.task)
    return InputChange(kind, features, lambda frame: frame, words, undo, model)


def _refit(before: ColumnScaling, map_: _InputDifference) -> ColumnScaling:
    """G = a (x - c) / s + b, so the scale is now s / a and the centre c - b s / a."""
    spread = before.spread / map_.factor
    return replace(before, spread=spread, centre=before.centre - map_.offset * spread)


def _as_given(ours: Floats, k: int, told: _InputDifference) -> Floats:
    own = ours[:, k]
    if told.how == "scaled":
        return np.asarray(told.factor * own + told.offset)
    if told.how == "taken" and told.place is not None:
        return ours[:, told.place]
    found = own.copy()
    for a, b in told.table:
        found[own == a] = b
    return found
