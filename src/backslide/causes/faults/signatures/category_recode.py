"""Categories were renamed or permuted.

**Recognised**, for text columns and for numbers that are codes (few distinct whole values):

- *written differently*: unseen values equal known ones but for case, spaces, punctuation or the width of their letters;
- *renamed*: unseen values appeared and as many known ones vanished, and each new one can be matched to an old one that had
  its share and kept company with the same values of the other columns (assignment by the Hungarian method); of numbers at
  least three, frequent enough for their company to be known, and nearly all that is new or gone;
- *permuted*: the same values, but each now has the share and the company that another had.

**Natural drift looks alike** where the other columns say nothing about the values; then the recoding is named only when
undoing it brings points back.

**Repair** maps the values back; **injection** recodes the reference.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl
from scipy.optimize import linear_sum_assignment

from backslide.case import Case
from backslide.causes.columns import edit
from backslide.causes.columns.category_profiles import CategoryProfiles, profiles_of
from backslide.causes.columns.format_changes import find_format_change, find_partial_format_change
from backslide.causes.faults.base import Hypothesis, scenario_with
from backslide.causes.faults.column_signature import ColumnSignature
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.pair import Pair, to_words
from backslide.playbook.base import Scenario

_DIGITS = re.compile(r"[+-]?\d+(\.\d*)?", re.ASCII)
MIN_UNSEEN = 0.01
MAX_LEVELS = 200
MATCHED = 0.3
"""How far the share of a new value may be from that of the old one, relative, beyond noise."""
CLEAR = 0.9
"""Share of the moved rows whose value must be matched for a permutation, and for numbers that were renamed."""
MANY = 4
"""Values of a column of numbers that must have changed places for a permutation to be told without a price."""
ORDERED = 8
"""Numbers from which on it is asked how far each of them was moved."""
MIN_CODES = 3
"""Values of a column of numbers that must have been renamed for it to be told without a price."""
MIN_MOVED = 0.05
"""Share of rows whose value must have changed for a permutation."""
MOST = 0.98
"""Share of rows with their new name that counts as all of them."""


class CategoryRecode(ColumnSignature):
    kind = CauseKind.CATEGORY_RECODE
    title = "Renamed or permuted categories"
    reversible = True

    def recognise_column(self, case: Case, pair: Pair) -> Iterable[Hypothesis]:
        """At most one hypothesis."""
        if not pair.discrete or pair.identifier or min(map(len, pair.levels)) < 2:
            return
        if find_format_change(pair) is not None or find_partial_format_change(pair) is not None:
            return
        found = (
            (None if pair.numeric else _find_respelling(case, pair))
            or _find_renaming(case, pair)
            or _find_permutation(case, pair)
        )
        if found is None:
            return
        mapping, exact, how = found
        if pair.numeric and _one_formula(mapping):
            return  # another unit, sign or offset of a number, not other names of codes
        shown = [f"{_show(old)} is now {_show(new)}" for new, old in list(mapping.items())[:3]]
        yield self.hypothesis(
            pair,
            f"the values of {pair.name} were {how}: {say.listed(shown)}",
            f"map {len(mapping)} {'value' if len(mapping) == 1 else 'values'} of {pair.name} back",
            np.isin(to_words(pair.texts[1]), to_words(mapping)),
            exact=exact,
            back=mapping,
            forth={old: new for new, old in mapping.items()},
            share=_share(pair.levels[1], mapping),
        )

    def repair(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Map back."""
        return _map_levels(frame, hypothesis.features[0], hypothesis.params["back"], case.pairs[hypothesis.features[0]])

    def inject(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Map forth, on as many rows as come in the new way."""
        (feature,), share = hypothesis.features, hypothesis.params["share"]
        forth = _map_levels(frame, feature, hypothesis.params["forth"], case.pairs[feature])
        if share > MOST:
            return forth
        hit = pl.Series(case.rng("recoded " + feature).random(frame.height) < share)
        old, new = frame[feature].cast(forth[feature].dtype), forth[feature]
        return frame.with_columns(pl.select(pl.when(hit).then(new).otherwise(old)).to_series().alias(feature))

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """The channels come as codes."""
        codes = {"web": "C1", "phone": "C2", "branch": "C3", "partner": "C4"}
        return scenario_with(lambda frame: frame.with_columns(frame["channel"].replace(codes)), rng, "channel")


def _share(levels: dict[str, int], mapping: dict[str, str]) -> float:
    """Share of the rows of renamed values that come with their new name; those that traded places all do."""
    old = set(mapping.values()) - set(mapping)
    came = sum(levels.get(new, 0) for new in mapping)
    return came / max(came + sum(levels.get(name, 0) for name in old), 1)


def _show(level: str) -> str:
    return repr(level) if len(level) <= 30 else repr(level[:27] + "...")


def _map_levels(frame: pl.DataFrame, column: str, mapping: dict[str, str], pair: Pair) -> pl.DataFrame:
    texts = edit.texts_of(frame, column)
    rows = np.isin(to_words(texts), to_words(mapping))
    values: list[Any] = [mapping.get(str(text)) for text in texts]
    if pair.numeric:
        return edit.write(frame, column, [None if v is None else float(v) for v in values], rows)
    if pair.reference.dtype == pl.Boolean and set(mapping.values()) <= {"true", "false"}:
        values = [None if v is None else v == "true" for v in values]
        frame = frame.with_columns(
            pl.col(column).cast(pl.String).replace_strict({"true": True, "false": False}, default=None)
        )
    return edit.write(frame, column, values, rows)


def _one_formula(mapping: dict[str, str]) -> bool:
    """Whether the new numbers of three or more values are one increasing or affine function of the old ones."""
    if len(mapping) < 3:
        return False
    old, new = (np.array([float(v) for v in side]) for side in (mapping.values(), mapping))
    order = np.argsort(old)
    old, new = old[order], new[order]
    straight = np.allclose(np.polyval(np.polyfit(old, new, 1), old), new, rtol=1e-6, atol=1e-9 * np.abs(new).max())
    return bool(straight or (np.diff(new) > 0).all())


def _mass(shares: dict[str, float], levels: Iterable[str]) -> float:
    return sum(shares[level] for level in levels)


def _shares(levels: dict[str, int]) -> dict[str, float]:
    total = max(sum(levels.values()), 1)
    return {level: count / total for level, count in levels.items()}


Found = tuple[dict[str, str], bool, str]


def _find_respelling(case: Case, pair: Pair) -> Found | None:
    ref, cur = (_shares(levels) for levels in pair.levels)
    known: dict[str, list[str]] = {}
    for level in ref:
        known.setdefault(_plain(level), []).append(level)
    unseen = [level for level in cur if level not in ref]
    mapping = {u: known[_plain(u)][0] for u in unseen if len(known.get(_plain(u), [])) == 1}
    if len(set(mapping.values())) < len(mapping) or _mass(cur, mapping) < MIN_UNSEEN:
        return None
    return mapping | _the_others(case, pair, mapping), True, "written differently"


def _the_others(case: Case, pair: Pair, mapping: dict[str, str]) -> dict[str, str]:
    """Where some values are plainly respelled, the other unseen ones are the ones that vanished: by share and company."""
    ref, cur = (_shares(levels) for levels in pair.levels)
    new = [u for u in cur if u not in ref and u not in mapping]
    gone = [k for k in ref if k not in cur and k not in mapping.values() and pair.levels[0][k] >= 5]
    if not new or not gone or max(len(new), len(gone)) > MAX_LEVELS:
        return {}
    return {u: old for u, old in _assign(profiles_of(case, pair), gone, new).items() if _near(ref[old], cur[u], pair)}


def _plain(level: str) -> str:
    level = unicodedata.normalize("NFKC", level)  # letters of full width are the same letters
    if _DIGITS.fullmatch(level.strip()):
        return repr(float(level))  # 1, 01 and 1.0 are one code
    text = re.sub(r"[\W_]+", "", level).casefold()
    return {"t": "true", "f": "false", "y": "yes", "n": "no"}.get(text, text) or level


def _find_renaming(case: Case, pair: Pair) -> Found | None:
    ref, cur = (_shares(levels) for levels in pair.levels)
    new = sorted((k for k in cur if k not in ref), key=lambda k: -cur[k])[:MAX_LEVELS]
    gone = sorted((k for k in ref if k not in cur and pair.levels[0][k] >= 5), key=lambda k: -ref[k])[:MAX_LEVELS]
    mass_new, mass_gone = _mass(cur, new), _mass(ref, gone)
    if not new or not gone or mass_new < MIN_UNSEEN or not _near(mass_gone, mass_new, pair):
        return None
    if pair.numeric and len(gone) < 2:
        return None  # one number in place of another is a default or a bound, not a renamed code
    met = profiles_of(case, pair)
    matched = {u: old for u, old in _assign(met, gone, new).items() if _near(ref[old], cur[u], pair)}
    if _mass(cur, matched) < 0.7 * mass_new or not met.agrees(matched):
        return None
    # A number that is new where another is gone is what counts and months do; codes are told by several, and by their company.
    clear = _mass(ref, matched.values()) >= CLEAR * mass_gone and _mass(cur, matched) >= CLEAR * mass_new
    exact = not pair.numeric or (len(matched) >= MIN_CODES and met.known(matched) and clear)
    return matched, exact, "renamed"


def _near(before: float, after: float, pair: Pair) -> bool:
    n = min(len(pair.reference), len(pair.current))
    noise = 4 * float(np.sqrt(max(before, after, 1 / n) * 2 / n))
    return abs(before - after) <= MATCHED * max(before, after) + noise


def _find_permutation(case: Case, pair: Pair) -> Found | None:
    ref, cur = (_shares(levels) for levels in pair.levels)
    levels = sorted(set(ref) & set(cur), key=lambda k: -ref[k])[:MAX_LEVELS]
    if len(levels) < 2 or min(_mass(ref, levels), _mass(cur, levels)) < 0.9:
        return None
    met = profiles_of(case, pair)
    moved = {u: old for u, old in _assign(met, levels, levels).items() if u != old}
    if not moved or _mass(cur, moved) < MIN_MOVED:
        return None
    # Rare values have no profile to be told by; they are left as they are when the rest is clear.
    mapping = {u: old for u, old in moved.items() if _near(ref[old], cur[u], pair)}
    if _mass(cur, mapping) < CLEAR * _mass(cur, moved):
        return None
    if len(mapping) < 3 and set(mapping) != set(mapping.values()):
        return None  # one value in another's place, which keeps its own: people moved from one to the other
    same = {k: k for k in mapping}
    before, after = met.cost(same), met.cost(mapping)
    if after > 0.5 * before or met.strangeness(same) < 8:
        return None
    # Two values that trade places may as well be a habit that turned: undoing it has to bring points back.
    clear = met.informative(same) and met.agrees(mapping) and after < 0.25 * before
    exact = len(levels) > 2 and clear
    if pair.numeric and _moved_a_little(mapping, levels):
        return None
    if pair.numeric:  # numbers change company when the world does; a shuffle of many of them is no such change
        exact = exact and len(mapping) >= MANY and after < 0.15 * before
    return mapping, exact, "permuted"


def _moved_a_little(mapping: dict[str, str], levels: list[str]) -> bool:
    """Whether numbers stand in for near ones, as counts and ages do when the world moves; codes that were shuffled stand
    anywhere, on average a third of the levels away."""
    place = {level: i for i, level in enumerate(sorted(levels, key=float))}
    apart = [abs(place[new] - place[old]) for new, old in mapping.items()]
    return len(levels) >= ORDERED and float(np.mean(apart)) < len(levels) / 6


def _assign(met: CategoryProfiles, old: list[str], new: list[str]) -> dict[str, str]:
    """New value -> old value at the least total cost."""
    cost = met.costs(old, new)
    rows, cols = linear_sum_assignment(cost)
    return {new[c]: old[r] for r, c in zip(rows, cols, strict=True)}
