"""How a text file is written: encoding, separator, decimal sign. Told from its first lines, unless the configuration says.

What is not the usual (UTF-8, commas, decimal points) is said.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from backslide.contracts.config import DataSettings
from backslide.contracts.errors import SourceError

LOOK = 1 << 16
"""Bytes of a file that are looked at to tell its separator and decimal sign."""
LINES = 200
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "pipes"}
ALIKE = 0.9
"""Share of the lines that must have as many fields as the first one."""
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_COMMA = re.compile(r"[+-]?\d+,\d+")
_GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+")
_POINT = re.compile(r"[+-]?\d+\.\d+")
_POINT_GROUPED = re.compile(r"[+-]?\d{1,3}(\.\d{3})+")
_DECLARED = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)
"""First line of what a spreadsheet writes."""
_OTHERS = {
    b"\x1f\x8b": ("compressed by gzip", "give it the ending .gz"),
    b"PK\x03\x04": ("a ZIP archive or a workbook", "unpack it, or write it as text"),
    b"PAR1": ("a Parquet file", "give it the ending .parquet"),
    b"\x28\xb5\x2f\xfd": ("compressed by Zstandard", "give it the ending .zst"),
    b"ARROW1": ("an Arrow file", "give it the ending .arrow"),
    b"BZh": ("compressed by bzip2", "unpack it"),
}
"""First bytes of files that are no text, what they are, and what to do."""


@dataclass(frozen=True)
class Dialect:
    """How one file is written."""

    separator: str = ","
    decimal_comma: bool = False
    skip: int = 0
    """Lines before the header."""
    decoded: bytes | None = field(default=None, repr=False)
    """The whole file as UTF-8, where it is not in that itself."""
    head: tuple[tuple[str, ...], ...] = field(default=(), repr=False)
    """The first lines as fields, the header first; empty where the file was not looked at."""
    notes: tuple[str, ...] = ()
    """What is not the usual; to be put behind the file's name."""

    def values(self, column: str) -> list[str]:
        """What the first lines hold in a column, without blanks."""
        if not self.head or column not in self.head[0]:
            return []
        place = self.head[0].index(column)
        return [row[place] for row in self.head[1:] if len(row) > place and row[place].strip()]


def dialect_of(name: str, separator: str, settings: DataSettings) -> Dialect:
    """How a file is written.

    Args:
        name: path or URI; only local files are looked at.
        separator: what the extension says.
        settings: what the configuration says, which goes first.

    Raises:
        SourceError: its encoding is not known, or it is not written in the one that was named.
    """
    usual = settings.separator or separator
    if not Path(name).exists():
        return Dialect(usual, settings.decimal == ",")
    _check_text(name)
    encoding, decoded = _decoded(name, settings.encoding)
    text = _first_lines(name, decoded)
    returns = "\r" in text and "\n" not in text
    if returns:  # as one line, all rows were its columns
        decoded = (_bytes(name) if decoded is None else decoded).replace(b"\r", b"\n")
        text = _first_lines(name, decoded)
    skip, match = 0, None
    declared = _DECLARED.match(text)
    if declared is not None:
        skip, match, text = 1, declared[1], text[declared.end() :]
    rows = list(io.StringIO(text, newline=None))[: LINES + 1]  # texts may hold other signs that part lines
    chosen = settings.separator or match or _separator(rows, separator)
    head = _fields(rows, chosen)
    comma = settings.decimal == "," if settings.decimal is not None else chosen != "," and _decimal_comma(head)
    notes = (
        []
        if encoding in ("utf-8", settings.encoding)
        else [f"it is not UTF-8 and was read as {encoding}{_shown(decoded)}"]
    )
    if returns:
        notes.append("its lines end in carriage returns alone")
    if chosen not in (separator, settings.separator):
        notes.append(f"its fields are separated by {SEPARATORS.get(chosen, repr(chosen))}")
    if comma and settings.decimal is None:
        notes.append("its numbers have decimal commas")
    return Dialect(chosen, comma, skip, decoded, tuple(tuple(row) for row in head), tuple(notes))


def _check_text(name: str) -> None:
    """Refuse what is no text file, whatever its name says."""
    with _open(name) as file:
        start = file.read(8)
    description = next((kind for magic, kind in _OTHERS.items() if start.startswith(magic)), None)
    if description is not None and not name.lower().endswith(".zst"):
        raise SourceError(f"{Path(name).name!r} is not a text file but {description[0]}; {description[1]}")


def _decoded(name: str, named: str | None) -> tuple[str, bytes | None]:
    """The encoding, and the file as UTF-8 where it is another one."""
    if name.lower().endswith(".zst"):
        return "utf-8", None  # Polars alone can unpack it, and reads UTF-8 only
    if named is not None:
        try:
            if codecs.lookup(named).name == "utf-8":
                return named, None
            return named, _bytes(name).decode(named).encode()
        except LookupError:
            raise SourceError(
                f"[data] encoding: {named!r} is not an encoding; expected one such as 'utf-8', 'cp1252' or 'utf-16'"
            ) from None
        except UnicodeError:
            raise SourceError(
                f"{Path(name).name!r} is not written in [data] encoding = {named!r}; name another one"
            ) from None
    with _open(name) as file:
        start = file.read(4)
    encoding = next((encoding for bom, encoding in _BOMS if start.startswith(bom)), None)
    if encoding is None and len(start) >= 4 and b"\0" in start:
        encoding = "utf-16-le" if start[1:2] == b"\0" else "utf-16-be"
    if encoding not in (None, "utf-8"):
        try:
            return str(encoding), _bytes(name).decode(str(encoding)).lstrip("\ufeff").encode()
        except UnicodeError:
            raise SourceError(f"{Path(name).name!r} begins like {encoding} but is not; set [data] encoding") from None
    if _is_utf8(name):
        return "utf-8", None
    return "cp1252", _bytes(name).decode("cp1252", errors="replace").encode()


def _open(name: str) -> io.BufferedIOBase:
    return gzip.open(name) if name.lower().endswith(".gz") else open(name, "rb")


def unpacked_size(name: str) -> int:
    """Bytes of a local file once it is unpacked, as its last bytes say where gzip packed it (modulo 4 GB, of the last part)."""
    size = Path(name).stat().st_size
    if not name.lower().endswith(".gz") or size < 18:  # header and trailer of gzip
        return size
    with open(name, "rb") as file:
        file.seek(-4, io.SEEK_END)
        return max(size, int.from_bytes(file.read(4), "little"))


def _bytes(name: str) -> bytes:
    with _open(name) as file:
        return file.read()


def _is_utf8(name: str) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with _open(name) as file:
        try:
            while chunk := file.read(1 << 22):
                if not chunk.isascii() or decoder.getstate()[0]:
                    decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _first_lines(name: str, decoded: bytes | None) -> str:
    if decoded is not None:
        return _whole_lines(decoded[:LOOK], len(decoded) > LOOK)
    if name.lower().endswith(".zst"):
        lines = pl.read_csv(
            name, has_header=False, separator="\x01", quote_char=None, infer_schema=False, n_rows=LINES, glob=False
        )
        return "\n".join(lines.to_series().fill_null("").to_list()) if lines.width else ""
    with _open(name) as file:
        start = file.read(LOOK + 1)
    return _whole_lines(start[:LOOK].removeprefix(codecs.BOM_UTF8), len(start) > LOOK)


def _whole_lines(start: bytes, more: bool) -> str:
    """Without a last line that is cut off."""
    return (start.rpartition(b"\n")[0] or start if more else start).decode(errors="replace")


def _separator(rows: list[str], usual: str) -> str:
    """The sign that parts every line into as many fields as the header; the usual one where it does."""
    best, most = usual, 1
    for sign in (usual, *(s for s in SEPARATORS if s != usual)):
        fields = [len(row) for row in _fields(rows, sign) if row]
        if not fields or fields[0] < 2 or fields.count(fields[0]) < ALIKE * len(fields):
            continue
        if sign == usual:
            return usual
        if fields[0] > most:
            best, most = sign, fields[0]
    return best


def _fields(rows: list[str], separator: str) -> list[list[str]]:
    try:
        return list(csv.reader(rows, delimiter=separator))
    except csv.Error:
        return []


def _decimal_comma(head: list[list[str]]) -> bool:
    """Whether numbers are written 12,5: some are, and none is 12.5; 1,234 and 1.234 alone may be either."""
    values = [value.strip() for row in head[1:] for value in row]
    commas = [value for value in values if _COMMA.fullmatch(value)]
    points = sum(_POINT.fullmatch(value) is not None and not _POINT_GROUPED.fullmatch(value) for value in values)
    return points == 0 and any(not _GROUPED.fullmatch(value) or value.lstrip("+-").startswith("0") for value in commas)


def _shown(decoded: bytes | None) -> str:
    """A word that the encoding decides."""
    if decoded is None:
        return ""
    words = re.findall(r"[^\s,;|\"]*[^\x00-\x7f][^\s,;|\"]*", decoded[:LOOK].decode(errors="replace"))
    return f" ({words[0][:30]!r}); set [data] encoding where that is wrong" if words else ""
