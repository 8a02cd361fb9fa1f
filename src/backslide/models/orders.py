"""The order of columns under which a model gives what was logged, found by asking it.

A model that was fitted without column names takes its inputs by place. Orders that people use come first: as given, by alphabet,
turned round, numbers before texts. Of a few columns every order is tried. Of more, columns are matched to places by their weight:
how much each moves what was logged, and how much each place moves what the model answers; and what comes nearest is improved step
by step, by exchanging two columns or moving one, for as long as the answers come nearer to what was logged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations, permutations, product

import numpy as np
from scipy.optimize import linear_sum_assignment

from backslide.stats.arrays import Floats

Order = tuple[int, ...]
"""Place of the model -> place of the column that it is given."""
Pair = tuple[int, int]
Look = Callable[[Sequence[Order]], tuple[Floats, Floats]]
"""Orders (m,) -> share of rows on which each gives what was logged (m,), and how far off it is on average (m,)."""

Guide = Callable[[Order], Order]
"""An order to a likelier one, from what the model says under it."""

ALWAYS = 0.99
GUESSES = 8
EVERY = 6
"""Columns of which every order is tried."""
STARTS = 3
NEARER = 0.98
"""Share of the former distance that a step must come down to."""
MOST_COLUMNS = 60


def usual_orders(names: Sequence[str], numeric: Sequence[bool]) -> list[Order]:
    """Orders that a list of columns is usually brought into; the one that is given comes first."""
    orders = list(range(len(names)))
    sorted_ones = [
        orders,
        sorted(orders, key=lambda i: names[i]),
        sorted(orders, key=lambda i: (names[i].lower(), names[i])),
        sorted(orders, key=lambda i: not numeric[i]),
        sorted(orders, key=lambda i: numeric[i]),
        sorted(orders, key=lambda i: (not numeric[i], names[i])),
        sorted(orders, key=lambda i: (numeric[i], names[i])),
    ]
    every = [tuple(order) for one in sorted_ones for order in (one, one[::-1])]
    turned = [tuple(orders[k:] + orders[:k]) for k in (1, len(orders) - 1) if len(orders) > 2]
    return list(dict.fromkeys([*every, *turned]))


def find_order(
    starts: Sequence[Order],
    look: Look,
    *,
    most: int,
    exhaustive: bool = True,
    nearer: float = NEARER,
    guide: Guide | None = None,
) -> Order | None:
    """The order under which the model gives what was logged; None where none is found.

    Args:
        starts: orders to begin with, at least one.
        look: asks the model.
        most: orders that may be looked at in all.
        exhaustive: whether every order of a few columns is tried.
        nearer: share of the former distance that a step must come down to.
        guide: one order to a likelier one; see :func:`by_weight`.
    """
    n = len(starts[0])
    if not 2 <= n <= MOST_COLUMNS:
        return None
    share, off = look(starts)
    if share.max() >= ALWAYS:
        return starts[int(share.argmax())]
    if guide is not None:
        guesses = _guesses(starts[int(off.argmin())], guide)
        if guesses:
            shares, offs = look(guesses)
            if shares.max() >= ALWAYS:
                return guesses[int(shares.argmax())]
            starts, off = [*starts, *guesses], np.concatenate([off, offs])
    remaining = most - len(starts)
    if exhaustive and n <= EVERY:
        orders = list(permutations(range(n)))[:remaining]
        share = look(orders)[0] if orders else np.zeros(0)
        return orders[int(share.argmax())] if len(share) and share.max() >= ALWAYS else None
    for start in np.argsort(off, kind="stable")[:STARTS]:
        order, distance = starts[int(start)], float(off[start])
        while remaining > 0:
            better, order, remaining, came = _step(order, distance, look, remaining)
            if better:
                return order
            if not came < nearer * distance:
                break
            distance = came
    return None


def _guesses(start: Order, guide: Guide) -> list[Order]:
    """Ever likelier orders, each from what the model says under the one before."""
    guesses: list[Order] = []
    order = start
    for _ in range(GUESSES):
        order = guide(order)
        if order in guesses or order == start:
            break
        guesses.append(order)
    return guesses


def by_weight(columns: Floats, order: Order, answered: Floats, wanted: Floats) -> Order:
    """Columns matched to places by how much they weigh.

    ``columns`` (n, k) as logged; what the model ``answered`` (n, m) when it was given them in ``order``, and what was ``wanted``
    (n, m), both on a scale that is linear for linear models. A place and a column go together whose slopes are alike.
    """
    known = np.isfinite(columns).all(axis=1) & np.isfinite(answered).all(axis=1) & np.isfinite(wanted).all(axis=1)
    if known.sum() <= columns.shape[1] + 1:
        return order
    values = columns[known]
    spread = values.std(axis=0)
    own = _slopes(values[:, list(order)], answered[known])
    theirs = _slopes(values, wanted[known])
    cost = np.abs(own[:, None, :] - theirs[None, :, :]).sum(axis=2) * spread[None, :]
    return tuple(int(c) for c in linear_sum_assignment(cost)[1])


def _slopes(inputs: Floats, answers: Floats) -> Floats:
    """Slopes (k, m) of a least-squares fit."""
    design = np.column_stack([np.ones(len(inputs)), inputs])
    return np.asarray(np.linalg.lstsq(design, answers, rcond=None)[0][1:])


def _step(order: Order, distance: float, look: Look, remaining: int) -> tuple[bool, Order, int, float]:
    """One round: every exchange of two; the best that do not touch each other together; where none helps, every move.

    Returns whether it is the order looked for, the nearest order found, what is left to spend, and its distance.
    """
    best, came = order, distance

    def ask(orders: Sequence[Order]) -> tuple[bool, Floats]:
        """Whether the order looked for is among them, and how far off each is; the nearest is kept."""
        nonlocal best, came, remaining
        orders = orders[: max(remaining, 0)]
        if not orders:
            return False, np.zeros(0)
        share, offs = look(orders)
        remaining -= len(orders)
        better = bool(share.max() >= ALWAYS)
        if better or offs.min() < came:
            at = int(share.argmax() if better else offs.argmin())
            best, came = orders[at], 0.0 if better else float(offs[at])
        return better, offs

    pairs = list(combinations(range(len(order)), 2))
    better, offs = ask([_exchange(order, [pair]) for pair in pairs])
    if not better:
        apart = _apart(pairs[: len(offs)], offs, distance)
        better, _ = ask([_exchange(order, apart[:many]) for many in range(2, len(apart) + 1)])
    if not better and came >= distance:
        better, _ = ask(_moves(order))
    return better, best, remaining, came


def _apart(pairs: Sequence[Pair], offs: Floats, distance: float) -> list[Pair]:
    """Exchanges that each come nearer and touch no column twice, best first."""
    taken: set[int] = set()
    results = []
    for k in np.argsort(offs, kind="stable"):
        pair = pairs[int(k)]
        if offs[k] < distance and not taken & set(pair):
            taken |= set(pair)
            results.append(pair)
    return results


def _exchange(order: Order, pairs: Sequence[Pair]) -> Order:
    changed = list(order)
    for a, b in pairs:
        changed[a], changed[b] = changed[b], changed[a]
    return tuple(changed)


def _moves(order: Order) -> list[Order]:
    """Every move of one column further than to its neighbour's place."""
    results = []
    for a, b in product(range(len(order)), repeat=2):
        if abs(a - b) > 1:
            changed = list(order)
            changed.insert(b, changed.pop(a))
            results.append(tuple(changed))
    return results
