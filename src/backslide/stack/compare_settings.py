"""Environment variables and configuration files before and after, key by key, without showing what must stay hidden."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.contracts.integrity import Detail, StackDifference
from backslide.contracts.snapshot import ConfigFile, MaskedSetting, Snapshot
from backslide.stack.likelihood import difference

_OF_THE_MODEL = re.compile(
    r"thresh|cut.?off|model|feature|scal|normali|encod|imput|vocab|preproc|transform|fill|default|clip|weight|version|bucket|bin",
    re.I,
)
_OF_LOCALE = re.compile(r"^(TZ|LANG|LC_\w+)$|timezone|locale", re.I)
_OF_SPEED = re.compile(
    r"threads|workers|^OMP_|^MKL_|^OPENBLAS|^KMP_|batch.?size|timeout|log.?level|debug|port$|host$", re.I
)
PATHS = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH")
_HIDDEN = "(hidden)"


def settings_differences(a: Snapshot, b: Snapshot, notes: list[str]) -> list[StackDifference]:
    """Differences of kind ``config_change``: a variable each, and a file each with its changed keys."""
    if a.salt != b.salt:
        notes.append(
            "variables and files were not compared: the snapshots were taken with different salts; set BACKSLIDE_SALT to the "
            "same value for both"
        )
        return []
    return [*_variables(a.variables, b.variables), *_files(a, b, notes)]


def weight(name: str, secret: bool) -> tuple[float, str]:
    """How likely a changed setting hurts, by its name, and why."""
    if secret:
        return 0.1, "a credential or address, which decides where from, seldom what"
    if _OF_LOCALE.search(name):
        return 0.45, "it decides how dates and numbers are read"
    if _OF_SPEED.search(name):
        return 0.12, "it decides how fast, seldom what"
    if name in PATHS:
        return (0.1 if name == "PATH" else 0.35), "it decides which program or library is found first"
    if _OF_THE_MODEL.search(name):
        return 0.6, "by its name it has to do with the model or its inputs"
    return 0.32, "what it does is not known"


def _variables(a: Mapping[str, MaskedSetting], b: Mapping[str, MaskedSetting]) -> Iterator[StackDifference]:
    for name, old, new in _changes(a, b):
        score, reason = weight(name, _secret(old, new))
        before, after = _shown_value(old), _shown_value(new)
        meaning = f"environment variable {name} {_words(before, after)}."
        kind = CauseKind.CONFIG_CHANGE
        yield difference(kind, "variables", name, meaning, score, reason, before=before, after=after)


def _files(a: Snapshot, b: Snapshot, notes: list[str]) -> Iterator[StackDifference]:
    old, new = ({f.path: f for f in s.files} for s in (a, b))
    for path in dict.fromkeys((*old, *new)):
        if path not in old or path not in new:
            notes.append(f"{path} is in one of the snapshots only and was not compared")
            continue
        if old[path].digest != new[path].digest:
            yield _file(old[path], new[path])


def _file(old: ConfigFile, new: ConfigFile) -> StackDifference:
    keys = list(_changes(old.keys, new.keys)) if old.keys or new.keys else []
    details = tuple(Detail(name=k, before=_shown_value(x), after=_shown_value(y)) for k, x, y in keys)
    score, reason = max(
        (weight(k, _secret(x, y)) for k, x, y in keys), default=(0.4, "its content is not known key by key")
    )
    if old.digest is None or new.digest is None:
        words, score, reason = ("is there now" if old.digest is None else "is gone"), 0.5, "a file came or went"
    elif keys:
        words = f"changed: {say.listed([f'{d.name} {_words(d.before, d.after)}' for d in details], 4)}"
    elif old.keys and new.keys:
        words, score, reason = "was rewritten with the same keys and values", 0.02, "no key differs"
    else:
        words = "has different content"
    return difference(
        CauseKind.CONFIG_CHANGE,
        "files",
        old.path,
        f"{old.path} {words}.",
        score,
        reason,
        before=details[0].before if details else None,
        after=details[0].after if details else None,
        details=details,
    )


def _changes(
    a: Mapping[str, MaskedSetting], b: Mapping[str, MaskedSetting]
) -> Iterator[tuple[str, MaskedSetting | None, MaskedSetting | None]]:
    for name in sorted(set(a) | set(b)):
        old, new = a.get(name), b.get(name)
        # What looked secret on one side only was cut to fewer digits there: they are compared as far as they go.
        digits = min(len(m.digest) for m in (old, new) if m is not None)
        if old is None or new is None or old.digest[:digits] != new.digest[:digits]:
            yield name, old, new


def _secret(*settings: MaskedSetting | None) -> bool:
    return any(s.secret for s in settings if s is not None)


def _shown_value(setting: MaskedSetting | None) -> str | None:
    if setting is None:
        return None
    return setting.value if setting.value is not None else _HIDDEN


def _words(before: str | None, after: str | None) -> str:
    if before is None:
        return "was set" + (f" to {after}" if after != _HIDDEN else "")
    if after is None:
        return "was removed" + (f" (it was {before})" if before != _HIDDEN else "")
    return "changed" if before == after == _HIDDEN else f"changed, {before} → {after}"
