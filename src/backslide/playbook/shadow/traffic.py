"""Which two models, on which rows: two logged answers, stored models run again, or two versions side by side."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.contracts import say
from backslide.contracts.config import Settings, ShadowColumns, ShadowSettings
from backslide.contracts.errors import ConfigError, LabelError, ModelError
from backslide.contracts.shadow import Mode
from backslide.engine.columns import names
from backslide.engine.roles.derive import label_expression
from backslide.engine.roles.outcomes import Outcomes
from backslide.engine.roles.problem import order_classes
from backslide.engine.roles.score_direction import check_direction
from backslide.engine.window import WindowPair, open_windows
from backslide.models.model import Model
from backslide.playbook.shadow.arms import Arm, Arms, arm_of, served_by
from backslide.playbook.shadow.replay import ASK_AS_SERVED, MOSTLY, in_order, replay_rows
from backslide.playbook.verify.score_direction import check_scores

LOGGED_ROWS = 500_000
"""Rows compared where no model has to be called."""
SHARED_IDS = 0.5
"""Share of the smaller version's ids that the other must have answered too for the log to be a shadow log."""
USUALLY = 0.5


@dataclass(frozen=True)
class Traffic:
    """Two models and the rows to compare them on."""

    mode: Mode
    case: Case
    old: str
    new: str
    arms: Arms
    before: tuple[Outcomes | None, Outcomes | None]
    """What the old and the new model say to the reference sample, where that is known."""
    has_reference: bool
    notes: tuple[str, ...]


def open_traffic(reference: Any, current: Any, settings: Settings, old: Model | None, new: Model | None) -> Traffic:
    """Open the windows and find the two models.

    Without a reference the current rows alone are compared, and what needs the reference is left out.

    Raises:
        ConfigError: there are no two models to compare.
        BackslideError: as ``engine.window.open_windows``.
    """
    has_reference = reference is not None
    mode = settings.shadow.mode
    if mode is None and settings.shadow.columns():
        mode = "log"
    saved = settings
    if mode != "replay":
        rows = max(settings.engine.sample_rows, LOGGED_ROWS)
        settings = settings.model_copy(update={"engine": settings.engine.model_copy(update={"sample_rows": rows})})
    opened = open_windows(reference if has_reference else current, current, settings)
    if settings.shadow.columns():
        opened = _with_their_classes(opened, settings.shadow)
    versions = opened.current.versions if settings.model.version is not None else ()
    if mode is None:
        mode = "replay" if old is not None and (new is not None or len(versions) < 2) else None
        if mode == "replay":
            settings = saved
    case = Case(opened, settings, old, new)
    check_scores(case)
    if settings.shadow.columns() and mode == "log":
        return _open_logged(case, has_reference)
    if mode == "replay" or (mode is None and len(versions) < 2):
        return _open_replay(case, has_reference)
    return _versions(case, opened, has_reference, mode)


def _with_their_classes(opened: WindowPair, wanted: ShadowSettings) -> WindowPair:
    """The problem with every class that the other model predicts: a decision that is no label is wrong, not missing.

    Raises:
        LabelError: there are scores, which cover other classes.
    """
    problem, frame = opened.problem, opened.current.raw
    schema = dict(frame.collect_schema())
    named = [side.prediction for side in (wanted.old, wanted.new) if side is not None and side.prediction in schema]
    if not problem.classification:
        return opened
    labels: set[str] = set()
    for column in named:
        assert column is not None
        text = label_expression(column, schema[column]).replace(problem.spellings)
        labels |= set(frame.select(text.alias("x").drop_nulls().unique()).collect(engine="streaming")["x"].to_list())
    new = sorted(labels - set(problem.classes))
    if not new or (problem.has_scores and len(problem.classes) < 2):
        return opened  # of one class alone nothing is compared
    if problem.has_scores:
        raise LabelError(
            f"the other model predicts {new[0]!r}, which has no score: [model] scores covers {', '.join(problem.classes)}"
        )
    classes = order_classes(set(problem.classes) | labels)
    task = problem.task if len(classes) <= 2 else "multiclass"
    return replace(opened, problem=replace(problem, classes=classes, task=task))


def _open_logged(case: Case, has_reference: bool) -> Traffic:
    wanted = case.settings.shadow
    sides = [wanted.old, wanted.new]
    if wanted.old is not None and wanted.new is not None and wanted.old == wanted.new:
        raise ConfigError("[shadow] old and new name the same columns; name those of two models")
    arms = [arm_of(case.current, served_by(case, case.current, columns)) for columns in sides]
    for arm, columns, name in zip(arms, sides, ("old", "new"), strict=True):
        if columns is not None and columns.scores:
            logged = columns.prediction is not None
            check_direction(
                arm.outcomes,
                case.problem,
                columns.scores,
                logged=logged,
                whose=f" of the {name} model",
                setting=f"[shadow.{name}]",
            )
    before: tuple[Outcomes | None, ...] = (None, None)
    if has_reference:
        present = set(case.reference.sample.columns)
        before = tuple(
            served_by(case, case.reference, c) if c is None or c.columns() <= present else None for c in sides
        )
    named = [_columns_named(case, columns) for columns in sides]
    return Traffic(
        "log", case, named[0], named[1], Arms(arms[0], arms[1], True), (before[0], before[1]), has_reference, ()
    )


def _columns_named(case: Case, columns: ShadowColumns | None) -> str:
    roles = case.problem.roles
    prediction, scores = (roles.prediction, roles.scores) if columns is None else (columns.prediction, columns.scores)
    return prediction or ", ".join(scores.values())


def _open_replay(case: Case, has_reference: bool) -> Traffic:
    old, new = case.reference_model, case.current_model
    if old is None:
        raise ConfigError(
            "nothing to compare: expected [shadow] columns, two versions under [model] version in the current window, or "
            "[artifacts] reference_model; found none of them"
        )
    if not case.pairs and not case.problem.features:
        raise ConfigError(
            "a stored model answers feature columns, and the log has none; name them under [model] features"
        )
    notes: list[str] = []
    past = in_order(case, old, case.reference) if has_reference else None
    answers = replay_rows(case, old, case.current) if has_reference else in_order(case, old, case.current)
    _must_answer(old, answers.answered.failed, answers.answered.error)
    _say_failures(old, answers.answered.failed, answers.answered.error, notes)
    served, named = case.current.outcomes, "what was served"
    before_new: Outcomes | None = None
    if new is not None:
        _say_order(case, old, new, notes)
        answered = case.answered(new, case.current.sample)
        _must_answer(new, answered.failed, answered.error)
        _say_failures(new, answered.failed, answered.error, notes)
        served, named = answered.outcomes, new.name
        before_new = case.answered(new, case.reference.sample).outcomes if has_reference else None
    elif answers.agrees:
        notes.append(f"{old.name} is the model that served the current rows: there is no other to compare it with")
    before_old = None
    if past is not None:
        before_old = past.answered.outcomes
        if past.unasked:
            _say_failures(old, past.answered.failed, past.answered.error, notes, "reference rows")
        elif not past.agrees:
            notes.append(
                f"{old.name} reproduces only {say.percent(past.share, 1)} of the reference predictions: it "
                "is not what served them, or "
                "was given other inputs, so its answers here may differ from what it would have served"
            )
    notes += [remark for model in (old, new) if model is not None for remark in model.remarks]
    arms = Arms(arm_of(case.current, answers.answered.outcomes), arm_of(case.current, served), True)
    return Traffic("replay", case, old.name, named, arms, (before_old, before_new), has_reference, tuple(notes))


def _must_answer(model: Model, failed: np.ndarray[Any, np.dtype[np.bool_]], error: str | None) -> None:
    """Refuse a model that fails on most rows: on the few that it answers, nothing fair can be said about it.

    Raises:
        ModelError: with what it raised, and what to do.
    """
    if failed.mean() > MOSTLY:
        answers = int((~failed).sum())
        rows = f"only {answers} of {len(failed)}" if answers else "none of the"
        raise ModelError(f"{model.name} answers {rows} current rows: {error}; {ASK_AS_SERVED}")


def _say_failures(
    model: Model, failed: np.ndarray[Any, np.dtype[np.bool_]], error: str | None, notes: list[str], rows: str = "rows"
) -> None:
    if failed.any():
        notes.append(f"{model.name} fails on {int(failed.sum())} {rows}, which are left out: {error}")


def _say_order(case: Case, old: Model, new: Model, notes: list[str]) -> None:
    """A new model that takes its columns by place is given them as the old one is: nothing that was served tells its order."""
    if new.features is not None or not hasattr(new.artefact, "n_features_in_"):
        return
    known = old.features is not None and set(old.features) == set(case.problem.features)
    new.features = old.features if known else None
    notes.append(
        f"{new.name} was fitted without column names and is given the columns in the order of "
        f"{old.name if known else 'the log'}"
    )


def _versions(case: Case, opened: WindowPair, has_reference: bool, mode: Mode | None) -> Traffic:
    old, new, notes = _which(case, opened, has_reference)
    sample = case.current.sample
    masks = [(sample[names.VERSION] == version).fill_null(False).to_numpy() for version in (old, new)]
    whole = arm_of(case.current, case.current.outcomes)
    arms = [whole.take(mask) for mask in masks]
    before = _served_before(case, old, new) if has_reference else (None, None)
    both = None if mode == "ab" else _joined(case, arms[0], arms[1])
    if both is not None:
        return Traffic("log", case, old, new, both, before, has_reference, (*notes, "rows joined by id"))
    if mode == "log":
        raise ConfigError(
            '[shadow] mode = "log" needs both answers to the same rows: name the other model\'s columns under [shadow.old] or '
            "[shadow.new], or set [model] id where both versions log the same ids"
        )
    return Traffic("ab", case, old, new, Arms(arms[0], arms[1], False), before, has_reference, notes)


def _which(case: Case, opened: WindowPair, has_reference: bool) -> tuple[str, str, tuple[str, ...]]:
    """Old and new version, and how they were told apart."""
    wanted, there = case.settings.shadow, opened.current.versions
    if case.problem.roles.version is None or len(there) < 2:
        shown = ", ".join(map(repr, there)) or "none"
        raise ConfigError(f"expected two model versions in the current window, found {shown}; set [model] version")
    for version in (wanted.old_version, wanted.new_version):
        if version is not None and version not in there:
            raise ConfigError(f"no rows of version {version!r} in the current window; there is {', '.join(there)}")
    first = _first_rows(case)
    rest = [
        v
        for v in sorted(there, key=lambda v: (first.get(v, ""), v))
        if v not in (wanted.old_version, wanted.new_version)
    ]
    old, new, notes = wanted.old_version, wanted.new_version, []
    if old is None:
        known = opened.reference.versions if has_reference else ()
        old = next((v for v in rest if v in known), rest[0])
        notes.append(f"version {old!r} is taken as the old one; set [shadow] old_version if it is not")
    if new is None:
        rest = [v for v in rest if v != old]
        if len(rest) > 1:
            raise ConfigError(f"more than two versions ({', '.join(there)}): set [shadow] old_version and new_version")
        new = rest[0]
    if old == new:
        raise ConfigError(f"[shadow] old and new are both version {old!r}; name two versions")
    return old, new, tuple(notes)


def _first_rows(case: Case) -> dict[str, str]:
    sample = case.current.sample
    if names.TIME not in sample.columns:
        return {}
    table = sample.group_by(names.VERSION).agg(pl.col(names.TIME).min())
    return {str(version): str(at) for version, at in table.iter_rows() if version is not None}


def _served_before(case: Case, old: str, new: str) -> tuple[Outcomes | None, Outcomes | None]:
    """The reference as one of the versions served it; its model where more than half of the rows are that version's."""
    versions = case.reference.sample[names.VERSION]
    served = (float((versions == v).fill_null(False).to_numpy().mean()) > USUALLY for v in (old, new))
    by_old, by_new = (case.reference.outcomes if mine else None for mine in served)
    return by_old, by_new


def _joined(case: Case, old: Arm, new: Arm) -> Arms | None:
    """Both answers side by side where both versions logged the same ids; None where they did not."""
    column = case.problem.roles.id
    if column is None:
        return None
    tables = [
        pl.DataFrame({"id": arm.frame[column].cast(pl.String), "row": np.arange(arm.rows)})
        .drop_nulls()
        .unique("id", keep="last", maintain_order=True)
        for arm in (old, new)
    ]
    pairs = tables[0].join(tables[1], on="id", suffix="_new", maintain_order="right")
    if pairs.height < SHARED_IDS * min(t.height for t in tables) or not pairs.height:
        return None
    one, other = (arm.take_rows(pairs[c].to_numpy()) for arm, c in ((old, "row"), (new, "row_new")))
    labels = [arm.outcomes.labels for arm in (one, other)]
    missing = ~np.isfinite(labels[1]) if labels[1].dtype.kind == "f" else labels[1].astype(np.int64) < 0
    merged = np.where(missing, labels[0], labels[1])
    return Arms(one.labelled(merged), other.labelled(merged), True)
