"""Which cases there are, and in which order: seeded, so that whatever a time budget allows is a fair sample of all cells."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from faults.catalogue import DATA_FAULTS, KINDS, OWN_CHANGES, applies
from faults.pipelines import MODELS
from faults.sets import SETS, DataSet

QUIET = "quiet"
TWO = "two_faults"
ROWS = (20_000, 5_000, 1_000)
SEEDS = (0, 1, 2)
ENOUGH = 0.45
"""Share of the wanted rows that a set must hold for the size to be asked of it; else the next smaller stands for it."""
DRAWS = ("label_shift", "covariate_shift")
WEIGHTS = {"all": 2, QUIET: 4, TWO: 4}
"""Turns of a stratum within one round: the full faults are judged hardest, and rates near nothing need many pairs."""


@dataclass(frozen=True)
class Case:
    """One cell and seed; everything else about it follows by chance from its name."""

    kind: str
    data: str
    model: str
    condition: str
    """``all``, ``marked`` or ``unmarked`` rows; ``unlabelled``: all rows, no labels in the current window."""
    background: str
    """``still``, ``drift`` (harmless), or ``natural`` (consecutive periods; quiet pairs only)."""
    rows: int
    seed: int

    @property
    def id(self) -> str:
        """``unit_change/bank_marketing/boosting/all/still/5000/0``."""
        return "/".join(
            str(v) for v in (self.kind, self.data, self.model, self.condition, self.background, self.rows, self.seed)
        )

    @classmethod
    def of(cls, name: str) -> Case:
        """The case of an id."""
        parts = name.split("/")
        if len(parts) != 7:
            raise SystemExit(f"expected kind/set/model/condition/background/rows/seed, found {name!r}")
        kind, data, model, condition, background, rows, seed = parts
        case = cls(kind, data, model, condition, background, int(rows), int(seed))
        if data not in SETS or model not in MODELS or kind not in (*KINDS, QUIET, TWO):
            raise SystemExit(f"expected a known kind, set and model, found {name!r}")
        return case

    def rng(self, purpose: str) -> np.random.Generator:
        """Chance of its own for each purpose."""
        return np.random.default_rng(zlib.crc32(f"{self.id}:{purpose}".encode()))


def every_case(
    sets: Sequence[str],
    *,
    kinds: Sequence[str] | None = None,
    rows: Sequence[int] = ROWS,
    seeds: Sequence[int] = SEEDS,
    conditions: Sequence[str] | None = None,
) -> list[Case]:
    """All cells of these sets that can be done."""
    found = [
        Case(kind, name, model, condition, background, size, seed)
        for name in sets
        for model in MODELS
        for kind in (*KINDS, TWO, QUIET)
        if kinds is None or kind in kinds
        for condition, background in circumstances(kind)
        if (conditions is None or condition in conditions) and possible(kind, SETS[name], model)
        for size in sizes(SETS[name], rows)
        for seed in seeds
    ]
    return in_fair_order(found)


def possible(kind: str, data: DataSet, model: str) -> bool:
    """Whether the set has anything for the kind to hit."""
    if kind == TWO:
        return sum(applies(k, data, model) for k in DATA_FAULTS) > 1
    return kind == QUIET or applies(kind, data, model)


def circumstances(kind: str) -> list[tuple[str, str]]:
    """Condition and background."""
    if kind == QUIET:
        return [("all", "still"), ("all", "drift"), ("all", "natural")]
    if kind == TWO:
        return [("all", "still"), ("all", "drift")]
    if kind in DRAWS:
        return [("all", "still")]  # the rows themselves are the fault
    conditions = ["all"]
    if kind in DATA_FAULTS or kind in OWN_CHANGES:
        conditions += ["marked", "unmarked", "unlabelled"]
    if kind == "frozen_feature":
        conditions.remove("unmarked")  # which is then a default
    return [(condition, background) for condition in conditions for background in ("still", "drift")]


def sizes(data: DataSet, wanted: Iterable[int]) -> list[int]:
    """Sizes of a window that the set can fill, at least the smallest."""
    wanted = sorted(wanted, reverse=True)
    there = (data.rows().height - data.train_rows) / 2
    return [r for r in wanted if there >= ENOUGH * r] or wanted[-1:]


def in_fair_order(cases: list[Case]) -> list[Case]:
    """Shuffled within each kind and condition, then in turns: every prefix holds all of them."""
    strata: dict[tuple[str, str], list[Case]] = {}
    for case in cases:
        strata.setdefault((case.kind, case.condition), []).append(case)
    for stratum in strata.values():
        stratum.sort(key=lambda c: _shuffled(c.id))
    return list(_in_turns(strata))


def _in_turns(strata: dict[tuple[str, str], list[Case]]) -> Iterator[Case]:
    left = {name: iter(cases) for name, cases in strata.items()}
    turn = 0
    while left:
        turn += 1  # another order each round, so that half a round is fair as well
        for name in sorted(left, key=lambda n: _shuffled(f"{n}{turn}")):
            for _ in range(WEIGHTS.get(name[0], WEIGHTS.get(name[1], 1))):
                case = next(left[name], None)
                if case is None:
                    del left[name]
                    break
                yield case


def _shuffled(text: str) -> bytes:
    """A sort key that has nothing to do with the text, and is the same everywhere."""
    return hashlib.blake2b(text.encode(), digest_size=8).digest()
