"""Real incidents whose segment experts marked: does the search for segments name it, first and exactly?

python benchmarks/segments.py --data FOLDER

``live_video_incidents`` holds counts of plays and stalls by minute and combination of attributes. The reference is every minute
of an incident but its own. Incidents of alternate days make two halves; the constants of the search were chosen on the first.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

import backslide as bs
from measure import machine, table

SOURCE = "live_video_incidents"
COUNTS = ("stalled", "plays", "time")
NUMBERS = ("first, exactly", "within the first three", "seconds, mean", "seconds, longest", "segments beside it")


@dataclass(frozen=True)
class Trial:
    """One incident."""

    half: int
    first: bool
    """Whether the first segment is one that was marked."""
    three: bool
    """Whether all that were marked are within the first three."""
    seconds: float
    others: int
    """Segments that explain a part besides the first."""


def text(value: object) -> str:
    """A value as the answer writes it: the marks hold numbers where the table holds texts."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def trial(rows: pl.DataFrame, at: int, marks: Sequence[dict[str, object]], half: int) -> Trial:
    """Search one incident, reading its rows included."""
    before = rows.filter(pl.col("time") != at)["time"]
    begun = time.perf_counter()
    found = bs.segments(
        rows,
        numerator="stalled",
        denominator="plays",
        time="time",
        good=f"{before.min()}..{before.max()}",
        bad=f"{at}..{at}",
    )
    seconds = time.perf_counter() - begun
    named = [one.where for one in found.segments]
    wanted = [{attribute: text(value) for attribute, value in mark.items()} for mark in marks]
    first = bool(named) and named[0] in wanted
    return Trial(half, first, all(w in named[:3] for w in wanted), seconds, max(len(found.explanation) - 1, 0))


def trials(folder: Path) -> list[Trial]:
    """Every incident, in order of its name."""
    incidents = {
        str(name[0]): part.drop("incident")
        for name, part in pl.read_parquet(folder / f"{SOURCE}.parquet").group_by("incident")
    }
    marks = pl.read_parquet(folder / f"{SOURCE}_causes.parquet").sort("incident")
    days = sorted({day(at) for at in marks["at"]})
    trial(incidents[marks["incident"][0]], marks["at"][0], [], 0)  # what is loaded once is not timed
    done = []
    for name, at, cause in marks.select("incident", "at", "cause").iter_rows():
        mark = json.loads(cause)
        done.append(trial(incidents[name], at, mark if isinstance(mark, list) else [mark], days.index(day(at)) % 2))
    return done


def day(at: int) -> str:
    """The day of the year, so that incidents of one evening stay in one half."""
    return datetime.fromtimestamp(at, UTC).strftime("%m%d")


def line(name: str, chosen: Sequence[Trial]) -> tuple[str, ...]:
    """One line of the table."""
    seconds = [one.seconds for one in chosen]
    return (
        name,
        str(len(chosen)),
        f"{np.mean([one.first for one in chosen]):.1%}",
        f"{np.mean([one.three for one in chosen]):.1%}",
        f"{np.mean(seconds):.3f}",
        f"{max(seconds):.3f}",
        str(sum(one.others for one in chosen)),
    )


def main() -> None:
    """Run every incident and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the real data sets")
    done = trials(parser.parse_args().data)
    lines = [line(f"{half} half", [one for one in done if one.half == i]) for i, half in enumerate(("first", "second"))]
    print(machine())
    print(table(("", "incidents", *NUMBERS), [*lines, line("both", done)]))


if __name__ == "__main__":
    main()
