"""Marked rows held against the other rows of the same weeks: the control that drift cannot move.

Where the world went on between the windows, marked rows differ from the reference as all rows do, and what was done to them
alone hides in it. The rows beside them saw the same weeks. So a mark is told by how far its rows lie from the others now, where
in the reference the two lay together; and what was done is read with the others in place of the reference.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from backslide.case import Case
from backslide.causes.faults.markers import Codes, Marker, MarkerLevels, levels_of_columns, marker_of, selects_its_rows
from backslide.causes.faults.subset_rules import (
    BINS,
    MAX_SHARE,
    MIN_DISTANCE,
    MIN_ROWS,
    MIN_SHARE,
    MOST,
    NOISE,
    QUIET,
    Claim,
    distances_of,
    table_of,
)
from backslide.engine.columns.cache import once
from backslide.engine.columns.pair import MISSING, Pair
from backslide.stats.arrays import Floats, Mask
from backslide.stats.shift.doubly_robust import bins_of

ALIKE, MOSTLY = 0.1, 0.7
"""Distance of a level from the others in the reference up to which they were alike, and share of the features that must be so."""
MOST_SEEDS = 8
"""Levels, the most frequent ones, from which the others are asked whether they lie apart."""
SINCE = 0.35
"""Distance of later rows from earlier ones of the window, which the season moves as well."""
AT_ONCE = 0.6
"""Share of it that the days next to the first one must show: seasons come by degrees."""
NEXT_DAYS = 4
BEYOND_USUAL = 2.0
"""Times as far as any two parts of the reference lie from each other."""


def find_contrasts(case: Case) -> list[tuple[Marker, ...]]:
    """Markers, the one that tells most first, with the columns in which their rows lie apart from the others; of levels also the
    others as a marker of their own, as either part may be the broken one."""
    best: dict[str, Claim] = {}
    codes = {name: _coded_now(pair) for name, pair in case.pairs.items() if not pair.identifier}
    for levels in levels_of_columns(case):
        for name, claim in _claims(case, levels, codes):
            if claim.score > (best[name].score if name in best else 0.0):
                best[name] = claim
    grouped: dict[tuple[str, tuple[int, ...]], list[str]] = {}
    for name, claim in best.items():
        grouped.setdefault(claim.key, []).append(name)
    groups = sorted(grouped.values(), key=lambda columns: -max(best[name].score for name in columns))[:MOST]
    made = [_markers(best[group[0]], tuple(group)) for group in groups]
    return [sides for sides in made if all(selects_its_rows(case, marker) for marker in sides)]


def _markers(claim: Claim, columns: tuple[str, ...]) -> tuple[Marker, ...]:
    first = marker_of(claim.levels, claim.chosen, columns)
    others = tuple(i for i in range(len(claim.levels.texts)) if i not in claim.chosen)
    return (first,) if claim.levels.ordered else (first, marker_of(claim.levels, others, columns))


_CodedNow = tuple[Codes, Codes, int, bool]


def _claims(case: Case, levels: MarkerLevels, codes: dict[str, _CodedNow]) -> Iterator[tuple[str, Claim]]:
    if levels.unit == "hour" or levels.column in case.pairs:
        return  # other hours hold other values, and features have ties with each other that the world, or another fault, changes
    if not levels.ordered and not _is_control(levels, codes):
        return
    for name, (ref, cur, cells, ordered) in codes.items():
        now = table_of(levels.current, cur, len(levels.texts), cells)
        if levels.ordered:
            days = case.reference.blocks
            found = None if days is None else _since(now, _table_by_day(days, ref, cells), ordered)
        else:
            was = table_of(levels.reference, ref, len(levels.texts), cells)
            found = _apart(was, now, ordered)
        if found is not None:
            yield name, Claim(found[0], levels, found[1])


def _is_control(levels: MarkerLevels, codes: dict[str, _CodedNow]) -> bool:
    """Whether rows of all levels were alike in most features before. What is made of the features, as an answer, or goes with
    them, as a region may, marks other rows when they change, and is no control."""
    alike = 0
    for ref, _, cells, ordered in codes.values():
        was = table_of(levels.reference, ref, len(levels.texts), cells)
        enough = was.sum(1) >= MIN_ROWS
        apart, noise = distances_of(was.sum(0) - was, was, ordered)
        alike += bool((apart <= ALIKE + 2 * noise)[enough].all())
    return alike >= MOSTLY * len(codes)


@once
def _coded_now(pair: Pair) -> _CodedNow:
    """Bins or levels of a column in both samples, fine where the current values are; whether they have an order."""
    if pair.numeric:
        ref, cur = pair.numbers
        few = pair.discrete or len(np.unique(cur[np.isfinite(cur)])) <= BINS
        now, before, cells = bins_of(cur, ref, few, BINS)
        return before, now, cells, True
    counts = pair.levels[1]
    kept = sorted(counts, key=lambda level: (-counts[level], level))[:BINS]
    place = {level: code for code, level in enumerate(kept)} | {MISSING: len(kept)}
    ref_codes, cur_codes = pair.codes_in(place, len(kept) + 1)
    return ref_codes, cur_codes, len(kept) + 2, False


def _table_by_day(days: Codes, cells_of: Codes, cells: int) -> Floats:
    found, index = np.unique(days, return_inverse=True)
    return table_of(index, cells_of, len(found), cells)


def _apart(was: Floats, now: Floats, ordered: bool) -> tuple[float, tuple[int, ...]] | None:
    """Score and levels whose rows lie apart from the others now and lay with them before; None without such."""
    rows = now.sum(1)
    enough = (rows >= MIN_ROWS) & (was.sum(1) >= MIN_ROWS)
    best: tuple[float, tuple[int, ...]] | None = None
    for seed in np.flatnonzero(enough)[np.argsort(-rows[enough], kind="stable")][:MOST_SEEDS]:
        apart, noise = distances_of(np.broadcast_to(now[seed], now.shape), now, ordered)
        far = enough & (apart >= 0.5 * apart[enough].max()) & (apart > NOISE * noise)
        if not far.any():
            continue
        # Each part lies apart from the other: broken is the one that lies farther from where it was.
        sides = far, ~far
        moved = [float(distances_of(was[s].sum(0)[None], now[s].sum(0)[None], ordered)[0][0]) for s in sides]
        inside = far if moved[0] >= moved[1] else ~far
        score = _apart_by(was, now, inside, ordered)
        if score is not None and (best is None or score > best[0]):
            best = score, tuple(int(i) for i in np.flatnonzero(inside & (rows > 0)))
    return best


def _apart_by(was: Floats, now: Floats, inside: Mask, ordered: bool) -> float | None:
    """How much farther some levels lie from the others than they did; None where that is too little, or was much before."""
    rows, outside = now.sum(1), ~inside
    share = float(rows[inside].sum() / max(rows.sum(), 1.0))
    if not MIN_SHARE <= share <= MAX_SHARE or min(was[outside].sum(), now[outside].sum()) < MIN_ROWS:
        return None
    tables = [np.stack([table[side].sum(0) for table in (was, now)]) for side in (outside, inside)]
    (before, gap), (noise_before, noise_now) = distances_of(tables[0], tables[1], ordered)
    if gap - 2 * noise_now < MIN_DISTANCE or before > QUIET * gap + 2 * noise_before:
        return None
    return float(gap - before)


def _since(now: Floats, was: Floats, ordered: bool) -> tuple[float, tuple[int, ...]] | None:
    """Score and days from the one on that lie apart from those before, at once and farther than the reference ever did."""
    gap, noise, day = _split(now, ordered)
    if day is None or gap - 2 * noise < SINCE:
        return None
    usual, usual_noise, _ = _split(was, ordered)
    near = (slice(max(day - NEXT_DAYS, 0), day), slice(day, day + NEXT_DAYS))
    before, after = (now[part].sum(0)[None] for part in near)
    step, noise_of_step = (float(v[0]) for v in distances_of(before, after, ordered))
    if gap < BEYOND_USUAL * (usual - 2 * usual_noise) or step + 2 * noise_of_step < AT_ONCE * gap:
        return None
    return gap - usual, tuple(range(day, len(now)))


def _split(by_day: Floats, ordered: bool) -> tuple[float, float, int | None]:
    """The largest distance of later days from earlier ones, its standard error, and the first later day."""
    upto = np.cumsum(by_day, axis=0)[:-1]
    after = by_day.sum(0) - upto
    usable = (upto.sum(1) >= MIN_ROWS) & (after.sum(1) >= MIN_ROWS)
    if not usable.any():
        return 0.0, 0.0, None
    apart, noise = distances_of(upto, after, ordered)
    at = int(np.argmax(np.where(usable, apart, -1.0)))
    return float(apart[at]), float(noise[at]), at + 1
