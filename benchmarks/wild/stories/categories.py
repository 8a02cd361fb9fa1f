"""Codes: another version of the list, other spelling, merged or new levels."""

from __future__ import annotations

import polars as pl

from wild.incident import Incident, Rng, Setting, has_code, pick, replaced, story


def _levels(setting: Setting, column: str) -> list[str]:
    return sorted(setting.rows[column].drop_nulls().unique().to_list())


@story("category_recode", needs=has_code)
def code_list_of_another_version(setting: Setting, rng: Rng) -> Incident | None:
    """Some levels were renumbered between two versions of the list; the others kept their code."""
    column = pick(rng, setting.codes(distinct=3))
    if column is None:
        return None
    levels = _levels(setting, column)
    some = [str(v) for v in rng.choice(levels, size=max(len(levels) * 2 // 3, 2), replace=False)]
    mapping = dict(zip(some, [*some[1:], some[0]], strict=True))
    return Incident(
        f"{len(some)} of {len(levels)} codes renumbered", (column,), replaced(column, pl.col(column).replace(mapping))
    )


@story("category_recode", needs=has_code)
def case_and_blank_variants(setting: Setting, rng: Rng) -> Incident | None:
    """Upper case, or padded with blanks to a fixed width as old databases do."""
    column = pick(rng, setting.codes())
    if column is None:
        return None
    width = max(len(v) for v in _levels(setting, column)) + 2
    upper = bool(rng.random() < 0.5) and any(v.upper() != v for v in _levels(setting, column))
    made = pl.col(column).str.to_uppercase() if upper else pl.col(column).str.pad_end(width)
    return Incident("in upper case" if upper else f"padded to {width}", (column,), replaced(column, made))


@story("category_recode", needs=has_code)
def unicode_variants(setting: Setting, rng: Rng) -> Incident | None:
    """Full-width letters and digits, or a no-break space behind: equal to the eye."""
    column = pick(rng, setting.codes())
    if column is None:
        return None
    wide = bool(rng.random() < 0.5)

    def respelled(value: str) -> str:
        return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in value) if wide else value + "\u00a0"

    mapping = {v: respelled(v) for v in _levels(setting, column)}
    words = "full-width characters" if wide else "a no-break space behind"
    return Incident(words, (column,), replaced(column, pl.col(column).replace(mapping)))


@story("category_recode", "default_value", needs=has_code)
def levels_merged(setting: Setting, rng: Rng) -> Incident | None:
    """The source now distinguishes less: several levels come under the name of one."""
    column = pick(rng, setting.codes(distinct=3))
    if column is None:
        return None
    levels = _levels(setting, column)
    some = [str(v) for v in rng.choice(levels, size=max(len(levels) * 2 // 3, 2), replace=False)]
    return Incident(
        f"{', '.join(some[1:])} as {some[0]}"[:90],
        (column,),
        replaced(column, pl.col(column).replace(dict.fromkeys(some[1:], some[0]))),
    )


@story("unseen_category", "category_recode", needs=has_code)
def new_codes_of_a_partner(setting: Setting, rng: Rng) -> Incident | None:
    """A partner sends codes of its own for the common levels."""
    column = pick(rng, setting.codes())
    if column is None:
        return None
    common = setting.rows[column].value_counts(sort=True)[column].drop_nulls().to_list()[: int(rng.integers(1, 3))]
    mapping = {v: f"P-{i + 71}" for i, v in enumerate(common)}
    return Incident(
        f"{', '.join(map(str, common))} as {', '.join(mapping.values())}",
        (column,),
        replaced(column, pl.col(column).replace(mapping)),
    )


@story("category_recode", "schema_change", needs=has_code)
def codes_through_a_number(setting: Setting, rng: Rng) -> Incident | None:
    """Codes that went through a float come back as ``3.0``; names come with the prefix of their table."""
    column = pick(rng, setting.codes())
    if column is None:
        return None
    digits = all(v.isdigit() for v in _levels(setting, column))
    made = pl.concat_str([pl.col(column), pl.lit(".0")]) if digits else pl.concat_str([pl.lit("ref."), pl.col(column)])
    return Incident("'.0' behind" if digits else "prefix 'ref.'", (column,), replaced(column, made))
