"""The order of columns under which a model gives what was logged, found by asking it.

A model that was fitted without column names takes its inputs by place. Orders that people use come first: as given, by alphabet,
turned round, numbers before texts. Of a few columns every order is tried; of more, the one that comes nearest is improved step
by step, by exchanging two columns or moving one, for as long as the answers come nearer to what was logged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations, permutations, product

import numpy as np
from numpy.typing import NDArray

Order = tuple[int, ...]
"""Place of the model -> place of the column that it is given."""
Pair = tuple[int, int]
Look = Callable[[Sequence[Order]], tuple[NDArray[np.float64], NDArray[np.float64]]]
"""Orders (m,) -> share of rows on which each gives what was logged (m,), and how far off it is on average (m,)."""

ALWAYS = 0.99
EVERY = 6
"""Columns of which every order is tried."""
STARTS = 3
NEARER = 0.98
"""Share of the former distance that a step must come down to."""
MOST_COLUMNS = 60


def hinted(names: Sequence[str], numeric: Sequence[bool]) -> list[Order]:
    """Orders that a list of columns is usually brought into; the one that is given comes first."""
    given = list(range(len(names)))
    sorted_ones = [
        given,
        sorted(given, key=lambda i: names[i]),
        sorted(given, key=lambda i: (names[i].lower(), names[i])),
        sorted(given, key=lambda i: not numeric[i]),
        sorted(given, key=lambda i: numeric[i]),
        sorted(given, key=lambda i: (not numeric[i], names[i])),
        sorted(given, key=lambda i: (numeric[i], names[i])),
    ]
    every = [tuple(order) for one in sorted_ones for order in (one, one[::-1])]
    turned = [tuple(given[k:] + given[:k]) for k in (1, len(given) - 1) if len(given) > 2]
    return list(dict.fromkeys([*every, *turned]))


def find_order(
    starts: Sequence[Order], look: Look, *, most: int, exhaustive: bool = True, nearer: float = NEARER
) -> Order | None:
    """The order under which the model gives what was logged; None where none is found.

    Args:
        starts: orders to begin with, at least one.
        look: asks the model.
        most: orders that may be looked at in all.
        exhaustive: whether every order of a few columns is tried.
        nearer: share of the former distance that a step must come down to.
    """
    n = len(starts[0])
    if not 2 <= n <= MOST_COLUMNS:
        return None
    share, off = look(starts)
    if share.max() >= ALWAYS:
        return starts[int(share.argmax())]
    left = most - len(starts)
    if exhaustive and n <= EVERY:
        return _first(list(permutations(range(n)))[:left], look)
    for start in np.argsort(off, kind="stable")[:STARTS]:
        order, distance = starts[int(start)], float(off[start])
        while left > 0:
            found, order, left, came = _step(order, distance, look, left)
            if found:
                return order
            if not came < nearer * distance:
                break
            distance = came
    return None


def _step(order: Order, distance: float, look: Look, left: int) -> tuple[bool, Order, int, float]:
    """One round: every exchange of two; the best that do not touch each other together; where none helps, every move.

    Returns whether it is the order looked for, the nearest order found, what is left to spend, and its distance.
    """
    best, came = order, distance
    for steps in (list(combinations(range(len(order)), 2)), None):
        if steps is None and came < distance:
            break
        orders = [_exchanged(order, [pair]) for pair in steps] if steps is not None else _moved(order)
        orders = orders[: max(left, 0)]
        if not orders:
            break
        share, offs = look(orders)
        left -= len(orders)
        if share.max() >= ALWAYS:
            return True, orders[int(share.argmax())], left, 0.0
        if offs.min() < came:
            best, came = orders[int(offs.argmin())], float(offs.min())
        if steps is None:
            break
        apart = _apart(steps[: len(orders)], offs, distance)
        together = [_exchanged(order, apart[:many]) for many in range(2, len(apart) + 1)][: max(left, 0)]
        if together:
            share, offs = look(together)
            left -= len(together)
            if share.max() >= ALWAYS:
                return True, together[int(share.argmax())], left, 0.0
            if offs.min() < came:
                best, came = together[int(offs.argmin())], float(offs.min())
    return False, best, left, came


def _apart(pairs: Sequence[Pair], offs: NDArray[np.float64], distance: float) -> list[Pair]:
    """Exchanges that each come nearer and touch no column twice, best first."""
    taken: set[int] = set()
    found = []
    for k in np.argsort(offs, kind="stable"):
        pair = pairs[int(k)]
        if offs[k] < distance and not taken & set(pair):
            taken |= set(pair)
            found.append(pair)
    return found


def _first(orders: Sequence[Order], look: Look) -> Order | None:
    share, _ = look(orders)
    return orders[int(share.argmax())] if len(orders) and share.max() >= ALWAYS else None


def _exchanged(order: Order, pairs: Sequence[Pair]) -> Order:
    changed = list(order)
    for a, b in pairs:
        changed[a], changed[b] = changed[b], changed[a]
    return tuple(changed)


def _moved(order: Order) -> list[Order]:
    """Every move of one column further than to its neighbour's place."""
    found = []
    for a, b in product(range(len(order)), repeat=2):
        if abs(a - b) > 1:
            changed = list(order)
            changed.insert(b, changed.pop(a))
            found.append(tuple(changed))
    return found
