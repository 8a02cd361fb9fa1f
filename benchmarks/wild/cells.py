"""The stored draw: which cells there are, fixed before any diagnosis, and in which order they are run.

    python benchmarks/wild/cells.py --draw      write cells.json anew (needs BACKSLIDE_DATA); results of other cells are void
    python benchmarks/wild/cells.py             count what is there

A cell is ``story/set/model/seed/portion/at hand``; ``first+second`` are two stories at once, ``nothing`` is a natural period.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from faults.pipelines import MODELS
from wild.catalogue import HARMLESS, IN_THE_ROWS, INCIDENTS, NOTHING, SCORED_ONLY, of
from wild.incident import ALL, PARTIAL, Story
from wild.sets import PARTS, WILD, part_of_set
from wild.worlds import SEEDS

STORED = Path(__file__).with_name("cells.json")
CELLS_A_STORY = 10
PAIRS = 60
PERIODS = 12
"""Natural periods of each set and model: 192 in all."""
HARMLESS_CELLS = 14
BOTH, NO_LABELS, NO_ARTEFACT = "both", "no-labels", "no-artefact"
AT_HAND = (BOTH,) * 6 + (NO_LABELS,) * 2 + (NO_ARTEFACT,) * 2


@dataclass(frozen=True)
class Cell:
    """One case; everything else about it follows by chance from its name."""

    story: str
    data: str
    model: str
    seed: int
    portion: str
    """Rows hit: ``all``, ``40-marked`` and so on, ``since-middle``; of a natural period ``period-k``."""
    at_hand: str
    """``both`` labels and artefact, ``no-labels`` or ``no-artefact``."""

    @property
    def id(self) -> str:
        """``cents_for_euros/bank_marketing/linear/0/10-marked/both``."""
        return "/".join(map(str, (self.story, self.data, self.model, self.seed, self.portion, self.at_hand)))

    @classmethod
    def parse(cls, name: str) -> Cell:
        """The cell of an id."""
        parts = name.split("/")
        if len(parts) != 6 or parts[1] not in WILD or parts[2] not in MODELS:
            raise SystemExit(f"expected story/set/model/seed/portion/at-hand, found {name!r}")
        return cls(parts[0], parts[1], parts[2], int(parts[3]), parts[4], parts[5])

    @property
    def stories(self) -> tuple[str, ...]:
        """Names of what happens."""
        return () if self.story == NOTHING else tuple(self.story.split("+"))

    @property
    def part(self) -> str:
        """``held-out`` where the set or one of the stories is only scored."""
        hidden = part_of_set(self.data) == PARTS[1] or any(name in SCORED_ONLY for name in self.stories)
        return PARTS[hidden]

    def rng(self, purpose: str) -> np.random.Generator:
        """Chance of its own for each purpose."""
        return np.random.default_rng(zlib.crc32(f"wild:{self.id}:{purpose}".encode()))


def stored(path: Path = STORED) -> list[Cell]:
    """The cells in the order of the file, which is shuffled: every prefix is a fair sample.

    Raises:
        SystemExit: the file does not match its digest.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    if content["digest"] != digest(content["cells"]):
        raise SystemExit(f"the cells in {path.name} do not match their digest; restore the file or draw it anew")
    return [Cell.parse(name) for name in content["cells"]]


def digest(names: list[str]) -> str:
    """SHA-256 of the ids, one a line."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def draw() -> list[Cell]:
    """All cells: each story on sets in turn, portions and what is at hand spread over them; then pairs, periods, harmless."""
    cells = [cell for name in INCIDENTS for cell in _cells_of(of(name), CELLS_A_STORY)]
    cells += [cell for name in HARMLESS for cell in _cells_of(of(name), HARMLESS_CELLS)]
    cells += _pairs()
    cells += [
        Cell(NOTHING, data, model, SEEDS[k % len(SEEDS)], f"period-{k}", BOTH if k % 4 else NO_LABELS)
        for data in WILD
        for model in MODELS
        for k in range(PERIODS)
    ]
    return sorted(dict.fromkeys(cells), key=lambda c: hashlib.blake2b(c.id.encode(), digest_size=8).digest())


def _cells_of(story: Story, count: int) -> Iterator[Cell]:
    rng = np.random.default_rng(zlib.crc32(f"draw {story.name}".encode()))
    worlds = [(d, m) for d in WILD for m in MODELS if story.needs(WILD[d], m)]
    if not worlds:
        return
    partial = [p for p in PARTIAL if p in story.portions]
    whole = [ALL] * (4 if partial else 1) if ALL in story.portions else []
    seen: set[tuple[object, ...]] = set()
    for k, at_hand in enumerate(rng.permutation(np.array(AT_HAND * 2))[: 2 * count]):
        if k % len(worlds) == 0:
            rng.shuffle(worlds)
        data, model = worlds[k % len(worlds)]
        options = [*whole, *partial]
        cell = Cell(
            story.name,
            data,
            model,
            int(rng.integers(len(SEEDS))),
            options[k % len(options)],
            BOTH if story.labels and at_hand == NO_LABELS else str(at_hand),
        )
        if cell not in seen and len(seen) < count:
            seen.add(cell)
            yield cell


def _pairs() -> list[Cell]:
    rng = np.random.default_rng(zlib.crc32(b"draw pairs"))
    names = [n for n in INCIDENTS if of(n).family in IN_THE_ROWS and ALL in of(n).portions and not of(n).slow]
    cells: list[Cell] = []
    while len(cells) < PAIRS:
        first, second = (str(n) for n in rng.choice(names, size=2, replace=False))
        data, model = str(rng.choice(list(WILD))), str(rng.choice(MODELS))
        fits = all(of(n).needs(WILD[data], model) and not _moves_rows(n) for n in (first, second))
        portion = ALL if rng.random() < 0.6 else "40-unmarked"
        if fits and all(portion in of(n).portions for n in (first, second)):
            cells.append(Cell(f"{first}+{second}", data, model, int(rng.integers(len(SEEDS))), portion, BOTH))
    return cells


def _moves_rows(name: str) -> bool:
    return bool({"lost_rows", "duplicated_rows"} & set(of(name).kinds))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draw", action="store_true")
    if parser.parse_args().draw:
        names = [c.id for c in draw()]
        STORED.write_text(json.dumps({"digest": digest(names), "cells": names}, indent=0) + "\n", encoding="utf-8")
    cells = stored()
    for title, by in (
        ("part", lambda c: c.part),
        ("set", lambda c: c.data),
        ("portion", lambda c: c.portion.split("-")[0]),
    ):
        print(f"{title}: {dict(Counter(map(by, cells)))}")
    fewest = Counter(n for c in cells if len(c.stories) == 1 for n in c.stories)
    print(f"{len(cells)} cells; rarest story {min(fewest.items(), key=lambda kv: kv[1])}")


if __name__ == "__main__":
    main()
