"""What every command that reads rows takes of small files that hold much: a packed text, and a Parquet file.

The text is packed to a hundredth of its size; the Parquet file holds very many rows in a few megabytes, by its encoding.
Each command is a process of its own. Its memory is what it and its processes hold for themselves, looked at twenty times
a second, as the bound of memory counts it; files that are mapped into memory do not count. What the bound does not end is
ended here, so that the machine survives whatever happens.

    python benchmarks/large_files.py FOLDER                          both files at full size, every command
    python benchmarks/large_files.py FOLDER --gigabytes 0.1 --rows 5_000_000 --only diagnose watch
    python benchmarks/large_files.py FOLDER --table --into docs/reliability.md    what was measured so far, into the page
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import joblib
import numpy as np
import polars as pl

FORMS = {"text": "csv.gz", "parquet": "parquet"}
CONFIG = """\
[model]
name = "loans"
label = "label"
prediction = "prediction"
scores = {{ paid = "p_paid" }}
timestamp = "served_at"
id = "id"
features = ["income", "age"]
segments = ["branch"]
{windows}
[artifacts]
reference_model = "model.joblib"
trusted = true
[shadow]
mode = "log"
old = {{ prediction = "prediction", scores = {{ paid = "p_paid" }} }}
new = {{ prediction = "better", scores = {{ paid = "b_paid" }} }}
"""
TWO = '[windows]\nreference = "reference.{0}"\ncurrent = "current.{0}"'
ONE = '[data]\nsource = "*.{0}"\n[windows]\nreference = "2026-03-01..2026-03-25"'
RANGE = ("--good", "2026-03-01..2026-04-10", "--bad", "2026-04-11..2026-04-25")
COMMANDS: dict[str, tuple[str, ...]] = {
    "init": ("init", "current.{0}", "--out", "{0}-new.toml"),
    "diagnose": ("diagnose", "{0}.toml", "-q", "--json", "{0}.json", "--html", "{0}.html"),
    "diagnose --quick": ("diagnose", "{0}.toml", "-q", "--quick"),
    "report": ("report", "{0}.json", "--html", "{0}-again.html"),
    "shadow": ("shadow", "{0}.toml", "-q"),
    "gate": ("gate", "{0}.toml", "-q"),
    "watch": ("watch", "{0}-watch.toml", "-q", "--as-of", "2026-04-26"),
    "selftest": ("selftest", "{0}.toml", "-q", "--minutes", "0.5"),
    "retrain": ("retrain", "{0}.toml", "-q"),
    "snapshot": ("snapshot", "--model", "model.joblib", "--data", "current.{0}", "--rows", "1000", "--out", "{0}.snap"),
    "segments": (
        *(
            "segments",
            "current.{0}",
            "--numerator",
            "errors",
            "--denominator",
            "requests",
            "--time",
            "served_at",
            *RANGE,
        ),
        *("-q", "--attribute", "branch", "--attribute", "age"),
    ),
    "log profile": ("log", "profile", "{0}.toml", "-q", "--window", "current", "--out", "{0}-profiles"),
    "log ingest": ("log", "ingest", "current.{0}", "--model", "loans", "--store", "{0}-log"),
    "log label": ("log", "label", "current.{0}", "--model", "loans", "--store", "small-log"),
}
"""By name; ``{0}`` stands for the form of the file."""
HEAD = "| command | file | exit | peak MB | processor s |\n| --- | --- | --- | --- | --- |"
MARKS = ("<!-- large -->", "<!-- /large -->")
LINES = 300
"""Different lines of the text, repeated to its size."""
GROUP = 1_000_000
"""Rows of the Parquet file, repeated likewise."""


def main() -> None:
    """Make what is missing, run what was not, and print the table."""
    chosen = _options()
    folder: Path = chosen.folder
    folder.mkdir(parents=True, exist_ok=True)
    results = folder / "results.jsonl"
    known = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    if not chosen.table:
        _build(folder, chosen.gigabytes, chosen.rows)
        for name in chosen.only or COMMANDS:
            for form in chosen.forms or FORMS:
                if any((run["command"], run["file"]) == (name, form) for run in known) and not chosen.again:
                    continue
                run = _measure(folder, name, form, chosen.limit, chosen.granted, chosen.seconds)
                known.append(run)
                with results.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(run) + "\n")
                print(_line(run), flush=True)
    latest = {(run["command"], run["file"]): run for run in known}
    lines = [_line(latest[name, form]) for name in COMMANDS for form in FORMS if (name, form) in latest]
    table = "\n".join([HEAD, *lines])
    print(table)
    if chosen.into is not None:
        before, _, rest = chosen.into.read_text(encoding="utf-8").partition(MARKS[0])
        after = rest.partition(MARKS[1])[2]
        chosen.into.write_text(f"{before}{MARKS[0]}\n{table}\n{MARKS[1]}{after}", encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gigabytes", type=float, default=2.0, help="of the text, unpacked")
    parser.add_argument(
        "--rows", type=lambda text: int(text.replace("_", "")), default=100_000_000, help="of the Parquet file"
    )
    parser.add_argument("--only", nargs="+", choices=COMMANDS, help="these commands")
    parser.add_argument("--forms", nargs="+", choices=FORMS, help="of these files")
    parser.add_argument("--granted", type=float, default=4.0, help="gigabytes that a command may take")
    parser.add_argument("--limit", type=float, default=6.0, help="gigabytes at which it is killed from here")
    parser.add_argument(
        "--seconds", type=float, default=1800.0, help="of processor time, after which a command is ended"
    )
    parser.add_argument("--again", action="store_true", help="measure what was measured already")
    parser.add_argument("--table", action="store_true", help="measure nothing")
    parser.add_argument("--into", type=Path, help="write the table between its marks in this page")
    return parser.parse_args()


def _build(folder: Path, gigabytes: float, rows: int) -> None:
    for window, month, share in (("reference", 3, 0.1), ("current", 4, 1.0)):
        text = folder / f"{window}.csv.gz"
        if not text.exists():
            content = _rows(LINES, month).write_csv(include_header=False).encode()
            with gzip.open(text, "wb", 6) as file:
                file.write((",".join(_rows(1, month).columns) + "\n").encode())
                for _ in range(max(1, int(gigabytes * 1e9 * share / len(content)))):
                    file.write(content)
        table = folder / f"{window}.parquet"
        if not table.exists():
            _write_groups(table, month, max(1, int(rows * share / GROUP)))
    if not (folder / "model.joblib").exists():
        _fit(folder)
    for form, ending in FORMS.items():
        for name, windows in ((f"{form}.toml", TWO), (f"{form}-watch.toml", ONE)):
            (folder / name).write_text(CONFIG.format(windows=windows.format(ending)), encoding="utf-8")


def _fit(folder: Path) -> None:
    from sklearn.linear_model import LogisticRegression

    import backslide as bs

    rows = _rows(LINES, 3)
    joblib.dump(
        LogisticRegression().fit(rows.select("income", "age").to_pandas(), rows["label"]), folder / "model.joblib"
    )
    with bs.Recorder("loans", store=folder / "small-log") as recorder:
        recorder.record({"income": 1.0}, "paid", id="r0")
    subprocess.run(
        [sys.executable, "-m", "backslide", "log", "rollup", "--store", str(folder / "small-log")], check=True
    )


def _write_groups(path: Path, month: int, groups: int) -> None:
    import pyarrow.parquet as pq

    table = _rows(GROUP, month).to_arrow()
    with pq.ParquetWriter(path, table.schema, compression="zstd", compression_level=9) as writer:
        for _ in range(groups):
            writer.write_table(table, row_group_size=GROUP)


def _rows(number: int, month: int) -> pl.DataFrame:
    """A month of a lender, sorted by day; each value stands many times in a row, where there are many."""
    k = np.arange(number) * LINES // max(number, LINES)
    income = (k * 7919 % 1000) / 100 - 5 + (month - 3)
    age = 20 + k % 50
    score = np.round(1 / (1 + np.exp(-income - (age - 45) / 20)), 3)
    paid = (k * 7907 % 1000) / 1000 < score
    words = np.array(["default", "paid"])
    day = (k // 12).astype("timedelta64[D]")
    return pl.DataFrame(
        {
            "id": [f"r{v}" for v in k] if number <= LINES else pl.Series(np.char.add("r", k.astype(str))),
            "served_at": np.datetime64(f"2026-{month:02}-01T10:00:00", "us") + day,
            "income": income,
            "age": age,
            "branch": np.array(["south", "north"])[(k % 3 > 0).astype(int)],
            "p_paid": score,
            "prediction": words[(score >= 0.5).astype(int)],
            "b_paid": np.round(0.9 * score + 0.1 * (k * 7907 % 1000 < 500), 3),
            "better": words[(0.9 * score + 0.1 * (k * 7907 % 1000 < 500) >= 0.5).astype(int)],
            "errors": (k % 7 == 0).astype(int) + (day > np.timedelta64(12, "D")) * (k % 3 > 0),
            "requests": np.full(number, 10),
            "label": words[paid.astype(int)],
        }
    )


def _measure(folder: Path, name: str, form: str, limit: float, granted: float, seconds: float) -> dict[str, object]:
    """Run one command to its end."""
    arguments = [
        part.format(form if ".toml" in part or part.startswith("{0}") else FORMS[form]) for part in COMMANDS[name]
    ]
    environment = {**os.environ, "BACKSLIDE_MAX_MEMORY": str(granted)}
    (folder / "backslide.db").unlink(missing_ok=True)  # a look begins anew

    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + 30))

    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "backslide", *arguments],
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            preexec_fn=bound,
        )
        peak = 0
        while process.poll() is None:
            peak = max(peak, _held(process.pid))
            if peak > limit * 1e9:
                process.kill()
            time.sleep(0.05)
        errors.seek(0)
        line = errors.read().decode(errors="replace").strip()
    done = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = done.ru_utime + done.ru_stime - usage.ru_utime - usage.ru_stime
    return {
        "command": name,
        "file": form,
        "exit": process.returncode,
        "peak_mb": round(peak / 1e6),
        "seconds": round(spent, 1),
        "line": line[:500] if process.returncode not in (0, 1) else "",
        "granted": granted,
        "size": _size(folder, form),
    }


def _size(folder: Path, form: str) -> str:
    if form == "parquet":
        rows = pl.scan_parquet(folder / "current.parquet").select(pl.len()).collect().item()
        return f"Parquet, {rows / 1e6:,.0f} million rows"
    end = (folder / "current.csv.gz").read_bytes()[-4:]  # bytes unpacked, modulo 2^32
    return f"CSV, {int.from_bytes(end, 'little') / 1e9:,.1f} GB"


def _held(process: int) -> int:
    """Bytes that a process and those that it started hold for themselves."""
    try:
        _, resident, shared, *_ = Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()
        tasks = list(Path(f"/proc/{process}/task").glob("*/children"))
        children = [int(child) for task in tasks for child in task.read_text(encoding="ascii").split()]
    except (OSError, ValueError):  # it has just ended
        return 0
    return (int(resident) - int(shared)) * resource.getpagesize() + sum(map(_held, children))


def _line(run: dict[str, object]) -> str:
    line = str(run["line"]).replace("|", "\\|")
    code = f"{run['exit']}: {line}" if line else run["exit"]
    return f"| `{run['command']}` | {run['size']} | {code} | {run['peak_mb']:,} | {run['seconds']:,.0f} |"


if __name__ == "__main__":
    main()
