"""One table written in many ways: each is read as what it is, or read so with a note, or refused in one line."""

import gzip
import os
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from inspect import signature
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backslide.contracts.config import Settings
from backslide.contracts.errors import BackslideError, ConfigError, SourceError, TimestampError
from backslide.contracts.roles import Roles
from backslide.engine.columns import names
from backslide.engine.roles.infer import infer_roles
from backslide.engine.times.time_format import other_time_format
from backslide.engine.times.timestamps import time_expression
from backslide.engine.window import open_windows

ROWS = 240
ROLES = {"label": "label", "prediction": "prediction", "scores": {"paid": "score"}, "timestamp": "at"}
RANGES = {"reference": "2026-03-01..2026-03-30", "current": "2026-04-01..2026-04-30"}


def period(seed, start, rows=ROWS):
    """Thirty days of a lender's log, in order of time, to the second."""
    r = np.random.default_rng(seed)
    seconds = np.sort(r.choice(30 * 86_400, rows, replace=False))
    paid = r.random(rows) < 0.6
    return pl.DataFrame(
        {
            "at": [start + timedelta(seconds=int(s)) for s in seconds],
            "income": np.round(np.exp(r.normal(8, 0.8, rows)), 2),
            "age": r.integers(18, 80, rows),
            "plan": r.choice(["basic", "plus", "für alle"], rows),
            "score": np.round(np.where(paid, 0.9, 0.2) - r.random(rows) / 10, 4),
            "prediction": np.where(paid, "paid", "default"),
            "label": np.where(r.random(rows) < 0.8, np.where(paid, "paid", "default"), "default"),
        }
    )


MARCH, APRIL = period(1, datetime(2026, 3, 1)), period(2, datetime(2026, 4, 1))
TRUTH = (MARCH, APRIL)


def opened(reference, current, base=None, **sections):
    model = ROLES | sections.pop("model", {})
    return open_windows(reference, current, Settings.from_dict({"model": model, **sections}, base=base))


def rows_of(window):
    """What a window holds, whatever the order of its rows."""
    frame = window.frame.select(names.TIME, "income", "age", "plan", names.LABEL, names.PREDICTION, names.score("paid"))
    return frame.with_columns(pl.col("income", "age").cast(pl.Float64)).collect().sort(names.TIME, "income")


@cache
def known(truth=TRUTH):
    both = opened(*truth)
    return rows_of(both.reference), rows_of(both.current)


def same(found, truth=TRUTH):
    """That both windows hold the rows of the truth, every value at its time."""
    expected = known() if truth is TRUTH else known.__wrapped__(truth)
    for window, table in zip((found.reference, found.current), expected, strict=True):
        got = rows_of(window)
        assert got.height == table.height
        assert got.drop("income").equals(table.drop("income"))
        assert np.allclose(got["income"].fill_null(-1), table["income"].fill_null(-1), atol=1e-9)


def said(found, *words):
    notes = " | ".join(found.notes)
    assert all(word in notes for word in words), notes


def stamped(write):
    """Both months with their times written otherwise, from Python datetimes."""
    return tuple(f.with_columns(pl.Series("at", [write(t) for t in f["at"]])) for f in TRUTH)


def text(pattern):
    return lambda t: t.strftime(pattern)


def epoch(scale, kind=int):
    return lambda t: kind(t.replace(tzinfo=UTC).timestamp() * scale)


def turns(*writings):
    """The first writing until 10 March, and the others in turn after it."""
    return lambda t: writings[0](t) if t < datetime(2026, 3, 10) else writings[1 + t.day % (len(writings) - 1)](t)


TIMES = {
    "iso": text("%Y-%m-%dT%H:%M:%S"),
    "iso with a space": text("%Y-%m-%d %H:%M:%S"),
    "iso in UTC": text("%Y-%m-%dT%H:%M:%SZ"),
    "iso with an offset": text("%Y-%m-%dT%H:%M:%S+00:00"),
    "iso with a short offset": text("%Y-%m-%d %H:%M:%S+00"),
    "iso with an offset without colon": text("%Y-%m-%dT%H:%M:%S+0000"),
    "iso with fractions": text("%Y-%m-%dT%H:%M:%S.%f"),
    "iso with a comma": text("%Y-%m-%d %H:%M:%S,000"),
    "basic": text("%Y%m%dT%H%M%SZ"),
    "digits": text("%Y%m%d%H%M%S"),
    "the year first with slashes": text("%Y/%m/%d %H:%M:%S"),
    "UTC in letters": text("%Y-%m-%d %H:%M:%S UTC"),
    "of Java": text("%Y-%m-%dT%H:%M:%SZ[UTC]"),
    "in two zones": lambda t: (t + timedelta(hours=t.day % 2)).strftime(f"%Y-%m-%dT%H:%M:%S+0{t.day % 2}:00"),
    "German": text("%d.%m.%Y %H:%M:%S"),
    "of the United States": text("%m/%d/%Y %H:%M:%S"),
    "of the United States with AM and PM": text("%m/%d/%Y %I:%M:%S %p"),
    "of the United States without zeros": lambda t: f"{t.month}/{t.day}/{t:%Y %H:%M:%S}",
    "British": text("%d/%m/%Y %H:%M:%S"),
    "the day first with hyphens": text("%d-%m-%Y %H:%M:%S"),
    "of mails": text("%a, %d %b %Y %H:%M:%S +0000"),
    "months in letters": text("%d-%b-%Y %H:%M:%S"),
    "months as words": text("%B %d, %Y %I:%M:%S %p"),
    "two digits of the year": text("%d.%m.%y %H:%M:%S"),
    "seconds": epoch(1),
    "milliseconds": epoch(1_000),
    "microseconds": epoch(1_000_000),
    "nanoseconds": epoch(1_000_000_000),
    "seconds as floats": epoch(1, float),
    "seconds as text": lambda t: str(epoch(1)(t)),
    "milliseconds as text": lambda t: str(epoch(1_000)(t)),
    "a number of digits": lambda t: int(t.strftime("%Y%m%d%H%M%S")),
    "spaces around": lambda t: f"  {t:%Y-%m-%d %H:%M:%S} ",
    "seconds, then milliseconds": turns(epoch(1), epoch(1_000)),
    "Z, then offsets": turns(text("%Y-%m-%dT%H:%M:%SZ"), text("%Y-%m-%dT%H:%M:%S+00:00")),
    "naive, then with an offset": turns(text("%Y-%m-%d %H:%M:%S"), text("%Y-%m-%dT%H:%M:%S+00:00")),
    "all in turn": turns(
        text("%Y-%m-%dT%H:%M:%S"), text("%d.%m.%Y %H:%M:%S"), lambda t: str(epoch(1)(t)), text("%Y%m%dT%H%M%SZ")
    ),
}


@pytest.mark.sample(12)
@pytest.mark.parametrize("name", TIMES)
def test_times_in_any_writing(name):
    same(opened(*stamped(TIMES[name])))


@pytest.mark.parametrize(
    "name", ["of the United States", "naive, then with an offset", "seconds, then milliseconds", "German"]
)
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_time_range_cuts_every_writing_alike_and_counts_the_rows(name, suffix, tmp_path):
    table = pl.concat(stamped(TIMES[name]))
    getattr(table, f"write_{suffix}")(tmp_path / f"log.{suffix}")
    found = opened(*RANGES.values(), base=tmp_path, data={"source": f"log.{suffix}"})
    march = MARCH.filter(pl.col("at") < datetime(2026, 3, 31))
    same(found, (march, APRIL))
    outside = MARCH.height - march.height
    said(found, f"480 rows read from log.{suffix}: {march.height} in the reference window", f"{outside} outside")


def test_what_was_decided_of_times_is_said():
    said(opened(*stamped(TIMES["of the United States"])), "read month first, as %m/%d/%Y %H:%M:%S")
    said(opened(*stamped(TIMES["naive, then with an offset"])), "written in 2 ways", "stand beside ones with a zone")
    said(opened(*stamped(TIMES["seconds, then milliseconds"])), "different units (s, ms)")


def test_one_window_decides_the_order_for_the_other():
    early = MARCH.filter(pl.col("at").dt.day() <= 12)
    cut = tuple(f.with_columns(pl.col("at").dt.strftime("%m/%d/%Y %H:%M:%S")) for f in (early, APRIL))
    same(opened(*cut), (early, APRIL))


def test_days_and_months_that_cannot_be_told_apart_are_asked_for():
    early = [f.filter(pl.col("at").dt.day() <= 12) for f in TRUTH]
    both = [f.with_columns(pl.col("at").dt.strftime("%m/%d/%Y %H:%M:%S")) for f in early]
    with pytest.raises(TimestampError, match=r'is not clear .* set \[model\] timestamp_format = "%m/%d/%Y'):
        opened(*both)
    for how in ("%m/%d/%Y %H:%M:%S", "mdy"):
        same(opened(*both, model={"timestamp_format": how}), early)
    swapped = opened(*both, model={"timestamp_format": "dmy"})
    assert rows_of(swapped.reference)[names.TIME][0].day == 3


def test_other_time_columns_follow_the_order_of_the_timestamp_where_every_row_fits_both():
    frame = pl.DataFrame({"came": ["03/01/2026", "03/02/2026"]}).lazy()
    for how, month in (("%m/%d/%Y", 3), ("mdy", 3), ("dmy", 1)):
        told = time_expression(frame, "came", pl.String(), other_time_format(Roles(timestamp_format=how)))
        assert frame.select(told).collect().item(0, 0).month == month


def test_a_first_configuration_says_why_a_time_column_is_not_taken():
    early = MARCH.filter(pl.col("at").dt.day() <= 12).with_columns(pl.col("at").dt.strftime("%m/%d/%Y %H:%M:%S"))
    roles, notes = infer_roles(early.lazy())
    assert roles.timestamp is None
    assert any("set [model] timestamp_format" in note for note in notes)


def test_dates_in_a_text_file_are_not_taken_as_day_first_for_want_of_a_better(tmp_path):
    early = [f.filter(pl.col("at").dt.day() <= 12) for f in TRUTH]
    for k, frame in enumerate(early):
        frame.with_columns(pl.col("at").dt.strftime("%m/%d/%Y")).write_csv(tmp_path / f"{k}.csv")
    with pytest.raises(TimestampError, match="is not clear"):
        opened("0.csv", "1.csv", base=tmp_path)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("yesterday", r"24 of 240 values of the current window cannot be read as times, such as 'yesterday'"),
        ("31/31/2026 10:00:00", "'31/31/2026 10:00:00'"),
        ("2026-02-31T10:00:00", "'2026-02-31T10:00:00'"),
        ("12345", "'12345'"),
    ],
)
def test_times_that_cannot_be_read_are_refused_with_a_value(bad, words):
    texts = [t.isoformat() if k % 10 else bad for k, t in enumerate(APRIL["at"])]
    with pytest.raises(TimestampError, match=words) as error:
        opened(MARCH, APRIL.with_columns(pl.Series("at", texts)))
    assert "\n" not in str(error.value)


def test_day_first_beside_month_first_is_refused_with_both_values():
    frame = MARCH.with_columns(
        pl.Series("at", [t.strftime("%d/%m/%Y" if t.day % 2 else "%m/%d/%Y") for t in MARCH["at"]])
    )
    with pytest.raises(TimestampError, match=r"'03/1\d/2026' is not day/month and '1\d/03/2026' is not month/day"):
        opened(frame, frame)


def test_unreadable_times_are_counted_before_a_range_cuts_them(tmp_path):
    table = pl.concat([MARCH, APRIL])
    texts = [t.isoformat() if k % 3 else "soon" for k, t in enumerate(table["at"])]
    table.with_columns(pl.Series("at", texts)).write_parquet(tmp_path / "log.parquet")
    with pytest.raises(TimestampError, match=r"160 of 480 values of \[data\] source .* 'soon'"):
        opened(*RANGES.values(), base=tmp_path, data={"source": "log.parquet"})


def test_a_few_unreadable_and_missing_times_are_said(tmp_path):
    table = pl.concat([pl.concat([MARCH, APRIL])] * 5)
    texts = [t.isoformat() for t in table["at"]]
    texts[700], texts[900], texts[901] = "soon", "NULL", None
    table.with_columns(pl.Series("at", texts)).write_parquet(tmp_path / "log.parquet")
    found = opened(*RANGES.values(), base=tmp_path, data={"source": "log.parquet"})
    said(
        found,
        "1 of 2,400 rows of [data] source hold no readable time in 'at', such as 'soon'",
        "3 of them without a time",
    )


def test_placeholders_of_1970_and_of_the_far_future_are_no_times():
    for wrong, words in (
        (datetime(1970, 1, 1), "a time of 1970 or before"),
        (datetime(2199, 12, 31), "far in the future"),
    ):
        times = [wrong if k % 40 == 0 else t for k, t in enumerate(APRIL["at"])]
        found = opened(MARCH, APRIL.with_columns(pl.Series("at", times)))
        said(
            found,
            f"6 rows of the current window {'hold' if wrong.year < 2000 else 'lie'} {words}",
            "6 of 240 current rows have no readable time",
        )
        assert (
            rows_of(found.current)[names.TIME].drop_nulls().is_between(datetime(2026, 4, 1), datetime(2026, 5, 1)).all()
        )
    zeros = [0 if k % 40 == 0 else epoch(1)(t) for k, t in enumerate(APRIL["at"])]
    found = opened(*stamped(epoch(1))[:1], APRIL.with_columns(pl.Series("at", zeros)))
    said(found, "6 rows of the current window hold a time of 1970")


def test_a_table_of_1970_keeps_its_times():
    old = [f.with_columns(pl.col("at") - timedelta(days=20_513)) for f in TRUTH]
    same(opened(*old), old)


def test_local_times_are_noticed_where_summer_time_begins_and_ends():
    local = period(3, datetime(2026, 3, 1), 60_000)
    berlin = local.with_columns(
        pl.col("at").dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Berlin").dt.replace_time_zone(None)
    )
    found = opened(berlin, APRIL)
    said(found, "no row of an hour that summer time skips (2026-03-29 02:00)", "set [model] timestamp_zone")
    right = opened(berlin, APRIL, model={"timestamp_zone": "Europe/Berlin"})
    assert rows_of(right.reference)[names.TIME].equals(rows_of(opened(local, APRIL).reference)[names.TIME])
    assert not [note for note in opened(local, APRIL).notes if "summer time" in note]
    with pytest.raises(ConfigError, match="is not a time zone"):
        opened(MARCH, APRIL, model={"timestamp_zone": "Middle/Earth"})


@pytest.mark.parametrize(
    "zones",
    [
        (ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")),
        (UTC, ZoneInfo("Asia/Tokyo")),
        (timezone(timedelta(hours=1)), ZoneInfo("UTC")),
    ],
)
def test_datetimes_of_several_zones_in_one_pandas_column(zones):
    def placed(frame):
        made = frame.to_pandas()
        at = [t.replace(tzinfo=UTC).astimezone(zones[k % 2]) for k, t in enumerate(frame["at"])]
        return made.assign(at=pd.Series(at, dtype=object))

    same(opened(placed(MARCH), placed(APRIL)))


def test_a_window_in_utc_beside_a_naive_one():
    found = opened(MARCH, APRIL.with_columns(pl.col("at").dt.replace_time_zone("UTC")))
    same(found)
    said(found, "without a zone (240 of the reference window) stand beside ones with a zone; they were read as UTC")


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_files_with_and_without_a_zone_meet_in_utc(suffix, tmp_path):
    for frame, folder in ((MARCH, "r"), (APRIL, "c")):
        (tmp_path / folder).mkdir()
        half = frame.height // 2
        getattr(frame[:half], f"write_{suffix}")(tmp_path / folder / f"1.{suffix}")
        zoned = frame[half:].with_columns(pl.col("at").dt.replace_time_zone("UTC"))
        getattr(zoned, f"write_{suffix}")(tmp_path / folder / f"2.{suffix}")
    found = opened(f"r/*.{suffix}", f"c/*.{suffix}", base=tmp_path)
    same(found)
    said(found, f"1.{suffix}: times in 'at' name no zone, but those in other files do; they were read as UTC")


def test_settings_of_the_timestamp():
    same(opened(*stamped(text("%d|%m|%Y %H-%M-%S")), model={"timestamp_format": "%d|%m|%Y %H-%M-%S"}))
    same(opened(*stamped(text("%Y-%m-%d %H:%M:%S.%f")), model={"timestamp_format": "%Y-%m-%d %H:%M:%S.%f"}))
    same(opened(*stamped(epoch(1_000)), model={"timestamp_format": "epoch_ms"}))
    with pytest.raises(TimestampError, match=r'written as .* = "epoch_s" says'):
        opened(*stamped(epoch(1_000)), model={"timestamp_format": "epoch_s"})
    with pytest.raises(ConfigError, match="did you mean 'epoch_ms'"):
        opened(*stamped(epoch(1_000)), model={"timestamp_format": "epoch_msec"})
    with pytest.raises(ConfigError, match="not a pattern of a whole date"):
        opened(*stamped(TIMES["iso"]), model={"timestamp_format": "%H:%M"})


def written(folder, write):
    """Both months as files; ``write(frame, path)``."""
    for frame, name in zip(TRUTH, ("r.csv", "c.csv"), strict=True):
        write(frame, folder / name)
    return "r.csv", "c.csv"


def by_pandas(**options):
    return lambda frame, path: frame.to_pandas().to_csv(path, index=False, **options)


def encoded(encoding, **options):
    return lambda frame, path: path.write_bytes(frame.write_csv(**options).encode(encoding))


def declared(frame, path):
    path.write_text("sep=;\n" + frame.write_csv(separator=";"))


DIALECTS = {
    "semicolons": (by_pandas(sep=";"), "separated by semicolons"),
    "pipes": (by_pandas(sep="|"), "separated by pipes"),
    "tabs": (by_pandas(sep="\t"), "separated by tabs"),
    "decimal commas": (by_pandas(sep=";", decimal=","), "decimal commas"),
    "tabs and decimal commas": (by_pandas(sep="\t", decimal=","), "decimal commas"),
    "quoted decimal commas": (by_pandas(decimal=",", quoting=1), "read as numbers"),
    "a byte order mark": (encoded("utf-8-sig"), ""),
    "Latin-1": (encoded("latin-1"), "it is not UTF-8 and was read as cp1252 ('für')"),
    "UTF-16": (encoded("utf-16"), "read as utf-16"),
    "UTF-16 with tabs": (encoded("utf-16", separator="\t"), "read as utf-16"),
    "Windows lines": (by_pandas(lineterminator="\r\n"), ""),
    "all quoted": (by_pandas(quoting=1), ""),
    "declared by a spreadsheet": (declared, "separated by semicolons"),
    "carriage returns alone": (by_pandas(lineterminator="\r"), "its lines end in carriage returns alone"),
}


@pytest.mark.parametrize("name", DIALECTS)
def test_text_files_in_any_dialect(name, tmp_path):
    write, note = DIALECTS[name]
    found = opened(*written(tmp_path, write), base=tmp_path)
    same(found)
    said(found, note)


@pytest.mark.parametrize("suffix", ["csv.gz", "csv.zst", "tsv"])
def test_packed_text_files_with_semicolons(suffix, tmp_path):
    if suffix == "csv.zst" and "compression" not in signature(pl.LazyFrame.sink_csv).parameters:
        pytest.skip("this Polars writes no packed text files")
    for frame, name in zip(TRUTH, "rc", strict=True):
        content, path = frame.write_csv(separator=";").encode(), tmp_path / f"{name}.{suffix}"
        if suffix == "csv.zst":
            frame.lazy().sink_csv(path, separator=";", compression="zstd")
        else:
            path.write_bytes(gzip.compress(content) if suffix == "csv.gz" else content)
    same(opened(f"r.{suffix}", f"c.{suffix}", base=tmp_path))


def test_points_part_thousands_where_decimals_have_commas(tmp_path):
    """976 and 1.083 are whole numbers there, and no decimals."""
    whole = [frame.with_columns(pl.col("income").round(0).cast(pl.Int64)) for frame in TRUTH]
    for frame, name in zip(whole, ("r.csv", "c.csv"), strict=True):
        grouped = [f"{value:,}".replace(",", ".") for value in frame["income"]]
        frame.with_columns(pl.Series("income", grouped)).to_pandas().to_csv(
            tmp_path / name, sep=";", decimal=",", index=False
        )
    found = opened("r.csv", "c.csv", base=tmp_path)
    for window, frame in zip((found.reference, found.current), whole, strict=True):
        assert window.frame.select("income").collect()["income"].to_list() == frame["income"].to_list()
    said(found, "r.csv: income: points part thousands ('", "its numbers have decimal commas")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            gzip.compress(MARCH.write_csv().encode()),
            "is not a text file but compressed by gzip; give it the ending .gz",
        ),
        (b"PK\x03\x04" + bytes(40), "is not a text file but a ZIP archive or a workbook; unpack it"),
        (b"PAR1" + bytes(40), "is not a text file but a Parquet file; give it the ending .parquet"),
        (b"# written by a job\n" + MARCH.write_csv().encode(), "remove lines before the header"),
    ],
)
def test_what_is_no_table_of_text_is_refused_with_what_to_do(content, words, tmp_path):
    (tmp_path / "r.csv").write_bytes(content)
    with pytest.raises(SourceError) as refused:
        opened("r.csv", "r.csv", base=tmp_path)
    assert words in str(refused.value)


def test_settings_of_text_files(tmp_path):
    files = written(tmp_path, by_pandas(sep="~", decimal=",", encoding="cp1252"))
    same(opened(*files, base=tmp_path, data={"separator": "~", "decimal": ",", "encoding": "cp1252"}))
    with pytest.raises(SourceError, match="'klingon' is not an encoding"):
        opened(*files, base=tmp_path, data={"encoding": "klingon"})
    with pytest.raises(SourceError, match=r"'r.csv' is not written in \[data\] encoding = 'ascii'"):
        opened(*files, base=tmp_path, data={"encoding": "ascii"})


def holed(frame):
    return frame.with_columns(pl.when(pl.int_range(pl.len()) % 40 > 0).then("income").alias("income"))


@pytest.mark.parametrize(
    "token",
    [
        *("NA", "null", "-", " "),
        *(pytest.param(t, marks=pytest.mark.slow) for t in ("N/A", "NULL", "None", "nan", "?", "\\N", "#N/A", "<NA>")),
    ],
)
def test_missing_values_among_numbers_however_they_are_written(token, tmp_path):
    holes = tuple(holed(frame) for frame in TRUTH)
    for frame, name in zip(holes, ("r.csv", "c.csv"), strict=True):
        frame.write_csv(tmp_path / name, null_value=token)
    found = opened("r.csv", "c.csv", base=tmp_path)
    frames = [f.with_columns(pl.col("income").cast(pl.String).fill_null(token)) for f in holes]
    if token != "nan":  # which is a float like any other to a reader of files, and missing as well
        same(found, holes)
    same(opened(*frames), holes)
    if token.strip() and token != "nan":
        said(found, repr(token), "read as missing")
        said(opened(*frames), repr(token), "read as missing")


def test_missing_values_that_the_configuration_names():
    holes = tuple(holed(frame) for frame in TRUTH)
    texts = [f.with_columns(pl.col("income").cast(pl.String).fill_null("unknown")) for f in holes]
    same(opened(*texts, data={"missing": ["unknown"]}), holes)
    found = opened(*texts)
    assert found.reference.kinds["income"] == "categorical"
    said(
        found,
        "columns that look like numbers stay text: income (97.5% are numbers, 'unknown' is none)",
        "[data] missing",
    )


def commas(value):
    return f"{value:,.2f}"


def swapped(value):
    return f"{value:,.2f}".translate(str.maketrans(",.", ".,"))


NUMBERS = {
    "plain": str,
    "spaces around": lambda v: f" {v} ",
    "commas between thousands": commas,
    "decimal commas": lambda v: str(v).replace(".", ","),
    "points between thousands": swapped,
    "spaces between thousands": lambda v: commas(v).replace(",", "\u202f"),
    "apostrophes": lambda v: commas(v).replace(",", "'"),
    "dollars": lambda v: f"${commas(v)}",
    "euros": lambda v: f"{swapped(v)} €",
    "a unit": lambda v: f"{v} kg",
    "dollars in letters": lambda v: f"USD {commas(v)}",
    "percent": lambda v: f"{v} %",
    "a plus": lambda v: f"+{v}",
    "exponents": lambda v: f"{v:.9e}",
}
LOSSES = {
    "a typographic minus": lambda v: f"{v}".replace("-", "\u2212"),
    "a minus behind": lambda v: f"{-v}-" if v < 0 else str(v),
    "parentheses": lambda v: f"({-v})" if v < 0 else str(v),
}


@pytest.mark.sample(9)
@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("as_pandas", [True, False])
def test_numbers_written_as_text_in_both_windows(name, as_pandas):
    frames = [f.with_columns(pl.Series("income", [NUMBERS[name](v) for v in f["income"]])) for f in TRUTH]
    if as_pandas:
        frames = [f.to_pandas().astype({"income": object, "score": str}) for f in frames]
    found = opened(*frames)
    same(found)
    said(found, "numbers written as text in both windows were read as numbers: income (")


@pytest.mark.parametrize("name", LOSSES)
def test_negative_numbers_written_as_text(name):
    profits = [(f["income"] - 3000).round(2) for f in TRUTH]
    texts = [pl.Series("income", [LOSSES[name](v) for v in profit]) for profit in profits]
    found = opened(*(f.with_columns(t) for f, t in zip(TRUTH, texts, strict=True)))
    assert found.reference.frame.select("income").collect()["income"].to_list() == profits[0].to_list()


@pytest.mark.parametrize("write", [lambda v: f"{v / 1000:.3f}k", lambda v: f"{round(v, -2):.0f}kg"])
def test_numbers_in_a_writing_that_is_not_read_are_named(write):
    texts = [pl.Series("income", [write(v) for v in f["income"]]) for f in TRUTH]
    found = opened(*(f.with_columns(t) for f, t in zip(TRUTH, texts, strict=True)))
    assert found.reference.kinds["income"] == "categorical"
    said(found, f"in a notation that is not supported stay text: income ('{texts[0][0]}'); write plain numbers")


def test_whole_numbers_written_as_text():
    frames = [f.with_columns(pl.col("age").cast(pl.String)) for f in TRUTH]
    same(opened(*frames))


def test_a_comma_that_may_be_either_is_said():
    for values, factor, sign in ((lambda v: f"{v // 100 * 100:,}", 1, "."), (lambda v: f"{v:,}", 1000, ",")):
        frames = [f.with_columns(pl.Series("income", [values(1000 + int(v)) for v in f["income"]])) for f in TRUTH]
        found = opened(*frames)
        value = float(found.reference.frame.select("income").collect().item(0, 0))
        assert value * factor == float(frames[0]["income"][0].replace(",", ""))
        said(found, f'where it does not, set [data] decimal = "{"," if sign == "." else "."}"')
        forced = opened(*frames, data={"decimal": "."})
        assert forced.reference.frame.select("income").collect().item(0, 0) == int(
            frames[0]["income"][0].replace(",", "")
        )


@pytest.mark.parametrize(
    "writings", [(commas, swapped), (lambda v: f"${v}", lambda v: f"€{v}"), (lambda v: f"{v} kg", lambda v: f"{v} g")]
)
def test_numbers_in_two_writings_stay_text_and_are_named(writings):
    texts = [pl.Series("income", [writings[k % 2](v) for k, v in enumerate(f["income"])]) for f in TRUTH]
    found = opened(*(f.with_columns(t) for f, t in zip(TRUTH, texts, strict=True)))
    assert found.reference.kinds["income"] == "categorical"
    said(found, "columns that look like numbers stay text: income (")


def test_codes_of_letters_and_digits_are_not_spoken_of():
    frames = [zips(frame, lambda v: f"{'ABC'[v % 3]}{v}") for frame in TRUTH]
    assert not [note for note in opened(*frames).notes if "zip" in note]


def zips(frame, write):
    r = np.random.default_rng(frame.height)
    return frame.with_columns(pl.Series("zip", [write(v) for v in r.integers(0, 90_000, frame.height)]))


def test_codes_stay_text():
    for write in (lambda v: f"{v:05d}", lambda v: str(v % 7), lambda v: f"{v % 30 / 10}"):
        frames = [zips(frame, write) for frame in TRUTH]
        found = opened(*frames)
        assert found.reference.kinds["zip"] == found.current.kinds["zip"] == "categorical"
        said(found, "look like codes stay text: zip")
    keys = [f.with_columns(pl.int_range(10_000, 10_000 + pl.len()).cast(pl.String).alias("key")) for f in TRUTH]
    assert opened(*keys).reference.kinds["key"] == "categorical"
    numbers = [zips(frame, lambda v: str(v % 500)) for frame in TRUTH]
    assert opened(*numbers).reference.kinds["zip"] == "numeric"
    assert opened(*numbers, data={"text": ["zip"]}).reference.kinds["zip"] == "categorical"


def test_codes_of_a_text_file_can_be_kept(tmp_path):
    for frame, name in zip(TRUTH, "rc", strict=True):
        zips(frame, lambda v: f"{v:05d}").write_csv(tmp_path / f"{name}.csv")
    found = opened("r.csv", "c.csv", base=tmp_path)
    said(found, "zip: codes such as '0", '[data] text = ["zip"]')
    kept = opened("r.csv", "c.csv", base=tmp_path, data={"text": ["zip"]})
    assert kept.reference.kinds["zip"] == "categorical"


@pytest.mark.parametrize(
    ("before", "after"), [(str, commas), (commas, swapped), (lambda v: f"${v}", str), (commas, str)]
)
def test_numbers_written_otherwise_in_one_window_are_left_for_the_diagnosis(before, after):
    frames = [
        f.with_columns(pl.Series("income", [w(v + 2000) for v in f["income"]]))
        for f, w in zip(TRUTH, (before, after), strict=True)
    ]
    found = opened(*frames)
    assert found.reference.kinds["income"] == found.current.kinds["income"] == "categorical"


def test_labels_that_stand_for_a_missing_one():
    late = APRIL.with_columns(
        pl.when(pl.int_range(pl.len()) % 4 > 0).then("label").otherwise(pl.lit("NA")).alias("label")
    )
    found = opened(MARCH, late)
    assert (found.current.labelled, set(found.current.label_counts)) == (180, {"paid", "default"})
    said(found, "labels of the current window that stand for a missing one count as not labelled: 'NA' (60 rows)")
    country = [f.with_columns(pl.col("label", "prediction").replace({"paid": "NA"})) for f in TRUTH]
    assert set(opened(*country, model={"scores": {"NA": "score"}}).reference.label_counts) == {"NA", "default"}


def daily(folder, frames, write):
    for frame, name in zip(frames, ("r", "c"), strict=True):
        (folder / name).mkdir()
        for k, day in enumerate(
            frame.with_columns(pl.col("at").dt.date().alias("d")).partition_by("d", include_key=False)
        ):
            write(day, folder / name / f"{k:02d}.csv", k)
    return "r/*.csv", "c/*.csv"


@pytest.mark.slow
def test_days_without_a_value_and_headers_alone_keep_the_types(tmp_path):
    gone = tuple(f.with_columns(pl.when(pl.col("at").dt.day() != 5).then("income").alias("income")) for f in TRUTH)

    def write(frame, path, k):
        frame.write_csv(path)
        if k == 0:
            frame.head(0).write_csv(path.with_name("99.csv"))

    found = opened(*daily(tmp_path, gone, write), base=tmp_path)
    same(found, gone)
    assert found.reference.kinds["income"] == "numeric"


@pytest.mark.parametrize("token", ["NA", "-"])
def test_days_of_missing_values_alone_keep_the_types(token, tmp_path):
    gone = tuple(f.with_columns(pl.when(pl.col("at").dt.day() != 5).then("income").alias("income")) for f in TRUTH)
    found = opened(
        *daily(tmp_path, gone, lambda frame, path, k: frame.write_csv(path, null_value=token)), base=tmp_path
    )
    same(found, gone)
    texts = APRIL.with_columns(pl.lit(token).alias("income"))
    found = opened(MARCH, texts)
    assert found.current.kinds["income"] == "numeric"
    said(found, "the current window holds nothing but missing values written as text in income")
    assert found.current.frame.select("income").collect()["income"].null_count() == APRIL.height


def test_a_column_without_a_value_in_one_window_keeps_the_type_of_the_other(tmp_path):
    empty = APRIL.with_columns(pl.lit(None, dtype=pl.Float64).alias("income"))
    MARCH.write_csv(tmp_path / "r.csv")
    empty.write_csv(tmp_path / "c.csv")
    found = opened("r.csv", "c.csv", base=tmp_path)
    assert found.current.kinds["income"] == "numeric"


def test_files_whose_types_contradict_are_named_with_the_column(tmp_path):
    MARCH.write_parquet(tmp_path / "1.parquet")
    MARCH.with_columns(pl.col("income").cast(pl.Int64).cast(pl.Datetime("us"))).write_parquet(tmp_path / "2.parquet")
    with pytest.raises(SourceError, match=r"'income'.* is Float64 in 1.parquet and Datetime.* in 2.parquet"):
        opened("*.parquet", "1.parquet", base=tmp_path)


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
@pytest.mark.parametrize("how", ["{}", "{}.*"])
def test_tables_that_are_folders(suffix, how, tmp_path):
    for frame, name in zip(TRUTH, "rc", strict=True):
        folder = tmp_path / f"{name}.{suffix}"
        folder.mkdir()
        for k, half in enumerate((frame[:100], frame[100:])):
            getattr(half, f"write_{suffix}")(folder / f"part-0000{k}.{suffix}")
            (folder / f".part-0000{k}.{suffix}.crc").write_bytes(b"\x00")
        (folder / "_SUCCESS").touch()
    sources = [f"{n}.{suffix}" for n in "rc"] if how == "{}" else [how.format(n) for n in "rc"]
    same(opened(*sources, base=tmp_path))


def test_pipes_and_devices_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "log.csv")
    for source in (str(tmp_path / "log.csv"), str(tmp_path / "*.csv"), "/dev/null"):
        with pytest.raises(SourceError, match="got a pipe or device"):
            opened(source, APRIL)


PLAIN = st.sampled_from([n for n in TIMES if n not in ("two digits of the year",)])


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**16),
    times=PLAIN,
    number=st.sampled_from(list(NUMBERS)),
    separator=st.sampled_from([",", ";", "|", "\t"]),
    files=st.integers(1, 4),
    token=st.sampled_from(["", "NA", "NULL", "-", "?"]),
)
def test_any_order_split_and_writing_of_one_table_opens_alike_or_is_refused(
    seed, times, number, separator, files, token, tmp_path_factory
):
    folder = tmp_path_factory.mktemp("any")
    rng = np.random.default_rng(seed)
    truth = tuple(holed(frame) for frame in TRUTH)
    for frame, stamps, name in zip(truth, stamped(TIMES[times]), "rc", strict=True):
        texts = [token if v is None else NUMBERS[number](v) for v in frame["income"]]
        made = frame.with_columns(stamps["at"], pl.Series("income", texts))
        made = made[rng.permutation(frame.height)]
        for k, part in enumerate(np.array_split(np.arange(frame.height), files)):
            made[part].write_csv(folder / f"{name}{k}.csv", separator=separator)
    try:
        found = opened("r*.csv", "c*.csv", base=folder)
    except BackslideError as error:
        refused = str(error)
    else:
        refused = ""
    if refused:
        assert "\n" not in refused
        return
    if found.reference.kinds["income"] == "numeric":
        same(found, truth)
    else:
        said(found, "income")
