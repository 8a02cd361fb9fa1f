"""The forms in which a time may be written as text, told from the shape of a value: its digits as 0, the rest as it stands.

A form is a ``strptime`` pattern with an expression that picks the texts it is meant for, so that several forms in one column are
each read by their own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import polars as pl

from backslide.contracts.errors import ConfigError, did_you_mean

DAY_FIRST, MONTH_FIRST, YEAR_FIRST = "dmy", "mdy", "ymd"
EPOCHS = {
    "s": (10**8, 42 * 10**8),
    "ms": (10**11, 42 * 10**11),
    "us": (10**14, 42 * 10**14),
    "ns": (10**17, 42 * 10**17),
}
"""Unit -> from and up to which number it is meant: 1973 to 2103."""
_MICROSECONDS = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}
_DIGITS = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
"""Digits alone that are a date or time and no count of seconds."""
NAMES = ("iso", DAY_FIRST, MONTH_FIRST, *(f"epoch_{unit}" for unit in EPOCHS))
"""What ``[model] timestamp_format`` takes beside patterns."""
_MONTHS = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_DAYS = "(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*"
_SHAPE = re.compile(
    rf"""(?P<weekday>{_DAYS},?\ +)?
    (?:(?P<year>0000)(?P<y>[-/.])00?(?P=y)00?
      |(?P<basic>0{{8}})(?=t)
      |00?(?P<d>[-/.])00?(?P=d)(?P<short>00(?:00)?)
      |00?(?P<n>[-/.\ ])(?P<month>{_MONTHS})(?P=n)0000
      |(?P<first>{_MONTHS})\ 00?(?P<comma>,?)\ 0000)
    (?:(?P<sep>t|,?\ +)
      (?:00?:00(?P<seconds>:00(?P<fraction>[.,]0{{1,9}})?)?|(?P<packed>000000))
      (?P<gap>\ ?)(?:(?P<half>[ap]m))?(?:(?P<space>\ ?)(?P<zone>z|utc|gmt|[-+]00(?::?00)?))?)?""",
    re.VERBOSE | re.IGNORECASE,
)
_YEARS = ("%Y", "%y", "%F", "%D", "%s", "%+", "%c", "%x", "%G")
"""Signs of patterns that hold the year."""
_ZONE_PATTERN = r"(?:[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)"


@dataclass(frozen=True)
class Form:
    """One way of writing a time."""

    pattern: str
    """For ``strptime``; empty for digits that count from 1970."""
    regex: str
    """Of the texts that are written so."""
    zoned: bool = False
    """Whether the text says its offset from UTC."""
    utc: bool = False
    """Whether it says UTC in letters."""
    between: str = ""
    """What parts day, month and year where their order is in doubt."""
    unit: str = ""
    """Of digits that count from 1970."""

    def ordered(self, order: str) -> Form:
        """The same with day, month and year in this order."""
        if not self.between:
            return self
        year = "%y" if "%y" in self.pattern else "%Y"
        parts = {DAY_FIRST: ("%d", "%m", year), MONTH_FIRST: ("%m", "%d", year), YEAR_FIRST: (year, "%m", "%d")}
        old, new = (self.between.join(parts[which]) for which in (DAY_FIRST, order))
        return replace(self, pattern=self.pattern.replace(old, new, 1))

    def read(self, text: pl.Expr, zone: str | None) -> pl.Expr:
        """``text`` as naive UTC ``Datetime("us")``; null where it is no time in this form."""
        if self.unit:
            return epoch(text.cast(pl.Float64, strict=False), (self.unit,))
        timed = "%H" in self.pattern or "%I" in self.pattern
        if not timed:
            return local(text.str.to_date(self.pattern, strict=False).cast(pl.Datetime("us")), zone)
        moment = text.str.to_datetime(self.pattern, strict=False, time_unit="us")
        if self.zoned:
            return moment.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return moment if self.utc else local(moment, zone)


def local(moment: pl.Expr, zone: str | None) -> pl.Expr:
    """Naive times of a zone (UTC for None) as naive UTC; hours that summer time skips are null, doubled ones the earlier."""
    if zone is None:
        return moment
    placed = moment.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return placed.dt.convert_time_zone("UTC").dt.replace_time_zone(None)


def epoch(number: pl.Expr, units: tuple[str, ...] = tuple(EPOCHS)) -> pl.Expr:
    """Numbers since 1970, each by its magnitude, as naive UTC; null where the magnitude is that of no time."""
    moment: Any = pl.when(number.abs() <= 1).then(0.0)
    for unit in units:
        low, high = EPOCHS[unit]
        moment = moment.when((number >= low) & (number < high)).then(number.cast(pl.Float64) * _MICROSECONDS[unit])
    whole: pl.Expr = moment.round().cast(pl.Int64, strict=False)
    return whole.cast(pl.Datetime("us"))


def shape(text: pl.Expr) -> pl.Expr:
    """Texts with every digit as 0."""
    return text.str.replace_all("[0-9]", "0")


def form_of(shape: str) -> Form | None:
    """The form that values of a shape are written in; None where they are no times."""
    if re.fullmatch(r"0+(\.0+)?", shape):
        return _digits(shape)
    match = _SHAPE.fullmatch(re.sub(r"\[[A-Za-z_/]+\]$", "", shape))
    if match is None:
        return None
    date, date_regex, between = _date(match)
    time = _time(match)
    if time is None:
        return None
    weekday = match["weekday"] or ""
    after = weekday.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
    pattern = (f"%A{after}" if weekday else "") + date + time[0]
    regex = "^" + (rf"[A-Za-z]+{re.escape(after)}" if weekday else "") + date_regex + time[1] + "$"
    word = (match["zone"] or "").lower()
    return Form(pattern, regex, word[:1] in ("z", "+", "-") and bool(word), word in ("utc", "gmt"), between)


def _digits(shape: str) -> Form | None:
    whole = len(shape.partition(".")[0])
    unit = {10: "s", 13: "ms", 16: "us", 19: "ns"}.get(whole)
    if unit is not None:
        return Form("", rf"^[0-9]{{{whole}}}(?:\.[0-9]+)?$", unit=unit)
    if re.fullmatch("0|0\\.0+", shape):
        return Form("", r"^0(?:\.0+)?$", unit="s")
    pattern = _DIGITS.get(whole) if "." not in shape else None
    return Form(pattern, f"^[0-9]{{{whole}}}$") if pattern else None


def _date(match: re.Match[str]) -> tuple[str, str, str]:
    """Pattern, regex and the separator of an order in doubt."""
    one, four = "[0-9]{1,2}", "[0-9]{4}"
    if match["year"]:
        by = match["y"]
        return f"%Y{by}%m{by}%d", re.escape(by).join((four, one, one)), ""
    if match["basic"]:
        return "%Y%m%d", "[0-9]{8}", ""
    if match["d"]:
        by, long = match["d"], len(match["short"]) == 4
        year = four if long else "[0-9]{2}"
        return by.join(("%d", "%m", "%Y" if long else "%y")), re.escape(by).join((one, one, year)), by
    if match["month"]:
        by = match["n"]
        return by.join(("%d", "%B", "%Y")), re.escape(by).join((one, "[A-Za-z]+", four)), ""
    comma = match["comma"]
    return f"%B %d{comma} %Y", f"[A-Za-z]+ {one}{comma} {four}", ""


def _time(match: re.Match[str]) -> tuple[str, str] | None:
    """Pattern and regex of what follows the date; None where no pattern reads it."""
    if not match["sep"]:
        return "", ""
    fraction = match["fraction"] or ""
    if fraction.startswith(",") and len(fraction) - 1 not in (3, 6, 9):
        return None
    hour = "%I" if match["half"] else "%H"
    if match["packed"]:
        pattern, regex = f"{hour}%M%S", "[0-9]{6}"
    else:
        pattern, regex = f"{hour}:%M", "[0-9]{1,2}:[0-9]{2}"
        if match["seconds"]:
            comma = fraction.startswith(",")
            pattern += ":%S" + (f",%{len(fraction) - 1}f" if comma else "%.f")
            regex += f":[0-9]{{2}}{f',[0-9]{{{len(fraction) - 1}}}' if comma else r'(?:[.][0-9]+)?'}"
    pattern, regex = match["sep"] + pattern + match["gap"], re.escape(match["sep"]) + regex + re.escape(match["gap"])
    if match["half"]:
        pattern, regex = pattern + "%p", regex + "[AaPp][Mm]"
    word = match["zone"] or ""
    if not word:
        return pattern, regex
    literal = word if word.lower() in ("utc", "gmt") else ""
    space = match["space"] or ""
    return pattern + space + (literal or "%#z"), regex + space + (literal or _ZONE_PATTERN)


def named(written: str) -> tuple[Form | None, str | None, tuple[str, ...]]:
    """What ``[model] timestamp_format`` says: one pattern, an order of day and month, or the units of epochs.

    Raises:
        ConfigError: neither a name that is known nor a pattern.
    """
    name = written.strip().lower()
    if "%" in written:
        pattern = reduce(lambda text, pair: text.replace(*pair), ((".%f", "%.f"), (",%f", ",%6f")), written)
        zoned = any(sign in pattern for sign in ("%z", "%:z", "%#z"))
        try:
            pl.Series(["2026"]).str.to_datetime(pattern.replace("%z", "%#z"), strict=False)
            whole = any(sign in pattern for sign in _YEARS)
        except pl.exceptions.PolarsError:
            whole = False
        if not whole:
            raise ConfigError(
                f"[model] timestamp_format: {written!r} is not a pattern of a whole date; include day, month and year"
            )
        return Form(pattern.replace("%z", "%#z"), "", zoned), None, ()
    if name in (DAY_FIRST, MONTH_FIRST):
        return None, name, ()
    if name.startswith("epoch_") and name[6:] in EPOCHS:
        return None, None, (name[6:],)
    if name == "iso":
        return None, "iso", ()
    raise ConfigError(
        f"[model] timestamp_format: expected a pattern such as '%d/%m/%Y %H:%M:%S' or one of {', '.join(NAMES)}, got "
        f"{written!r}{did_you_mean(name, NAMES)}"
    )
