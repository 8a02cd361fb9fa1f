"""Markdown tables from records; nothing here runs a diagnosis."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import Any

from faults.records import Record

Held = tuple[Record, dict[str, Any]]
"""A record with one of its faults."""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def percent(hits: int, of: int) -> str:
    """``92 % (46/50)``; a dash of none."""
    return "–" if not of else f"{100 * hits / of:.0f} % ({hits}/{of})"


def share(items: Sequence[Any], holds: Callable[[Any], bool]) -> str:
    """Percentage of the items for which it holds."""
    return percent(sum(map(holds, items)), len(items))


def middle(values: Iterable[float | None], *, as_percent: bool = False, digits: int = 1) -> str:
    """Median of what is known."""
    known = [v for v in values if v is not None]
    if not known:
        return "–"
    return f"{100 * median(known):.0f} %" if as_percent else f"{median(known):.{digits}f}"


def named(held: Held) -> bool:
    """Right kind and subject at rank 1."""
    return held[1]["rank"] == 1


def anywhere(held: Held) -> bool:
    """Right kind and subject among the causes."""
    return held[1]["rank"] is not None


def aside(held: Held) -> bool:
    """Right kind and subject, but listed as harmless."""
    return bool(held[1]["under_harmless"]) and not anywhere(held)


def accused(held: Held) -> bool:
    """A data fault among the causes that was not done."""
    return bool(held[0]["false_causes"])


def blamed(rule: str) -> Callable[[Held], bool]:
    """Whether the rule of thumb points to a column of the fault."""
    return lambda held: held[0]["blamed"].get(rule) in held[1]["columns"]


HEAD = (
    "",
    "n",
    "named",
    "named anywhere",
    "only under harmless",
    "false accusations",
    "error of points",
    "covered",
    "seconds",
    "PSI",
    "PSI x importance",
)


def line(name: str, held: Sequence[Held]) -> list[str]:
    """One line under :data:`HEAD`."""
    with_columns = [h for h in held if h[1]["columns"]]
    return [
        name,
        str(len(held)),
        share(held, named),
        share(held, anywhere),
        share(held, aside),
        share(held, accused),
        middle((f.get("error") for _, f in held), as_percent=True),
        share([h for h in held if "covered" in h[1]], lambda h: h[1]["covered"]),
        middle(r["seconds"] for r, _ in held),
        share(with_columns, blamed("psi")),
        share(with_columns, blamed("psi_importance")),
    ]


def grouped(held: Sequence[Held], by: Callable[[Held], str], order: Sequence[str] = ()) -> str:
    """A line for each group, in the given order, and one for all."""
    groups: dict[str, list[Held]] = {}
    for h in held:
        groups.setdefault(by(h), []).append(h)
    names = [n for n in order if n in groups] + sorted(n for n in groups if n not in order)
    return table(HEAD, [*(line(n, groups[n]) for n in names), line("all", held)])


def whose_rows(held: Sequence[Held]) -> str:
    """For faults that are among the causes: whether the marker of the rows is named, and how far off their share is."""
    groups = {by: [h for h in held if h[0]["marked_by"] == by] for by in sorted({str(h[0]["marked_by"]) for h in held})}
    return table(
        ("rows told by", "n", "marker named", "difference of shares"),
        (
            (
                by,
                str(len(hs)),
                share(hs, lambda h: bool(h[1].get("marker_named"))),
                middle((abs(f["share"] - r["share_hit"]) for r, f in hs if "share" in f), digits=2),
            )
            for by, hs in groups.items()
        ),
    )


def failing(held: Sequence[Held], most: int) -> str:
    """What was done, how much it cost, and what was said instead; the dearest first."""
    worst = sorted(held, key=lambda h: -h[1]["harm"] / h[0]["bar"])[:most]
    return table(
        ("case", "done", "harm / bar", "verdict", "said"),
        (
            (
                f"`{r['id']}`",
                f"{f['kind']}({', '.join(f['columns'])}): {f['variant']}".replace("|", "/"),
                f"{f['harm']:.3g} / {r['bar']:.2g}",
                r["verdict"],
                said(r),
            )
            for r, f in worst
        ),
    )


def said(record: Record) -> str:
    """Causes, then what stands under harmless."""

    def words(causes: list[dict[str, Any]]) -> str:
        return ", ".join(f"{c['kind']}({'+'.join(c['features'][:3])})" for c in causes)

    harmless = f"; harmless: {words(record['harmless'])}" if record["harmless"] else ""
    return (words(record["causes"]) or "no cause") + harmless
