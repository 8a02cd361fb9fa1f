"""Do two checkouts give the same answers? Record them with each, then compare: for changes that must change nothing.

    PYTHONPATH=/older/src python benchmarks/same_answers.py record --out before
    python benchmarks/same_answers.py record --out after
    python benchmarks/same_answers.py compare before after --allow differences.toml

Recorded are whole diagnoses of every simulated scenario (of each check, of each fault signature, and of the worlds that the
tests share), the other commands on one small world each, and, where BACKSLIDE_DATA is set, 60 cases of benchmarks/faults. A case
that is in the folder already is not done again. Compared are keys and values; sentences, times, durations and versions are left
out, and a text may write its numbers in another way. The list of differences that are meant is TOML: ``[[allow]]`` with ``path``
and ``reason``, with ``case`` where one case is meant, and ``within`` where numbers may differ by so much and not more.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import math
import os
import re
import sys
import tempfile
import time
import tomllib
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import chdir, redirect_stdout
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

for _name, _value in {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}.items():
    os.environ.setdefault(_name, _value)  # read when the libraries are loaded

Answer = Callable[[], dict[str, Any]]
PARTS = ("simulated", "real")
SEED = 4
REAL_CASES = 60
REAL_ROWS = (5_000, 1_000)
RELATIVE = 1e-9
_WORDING = """summary reading note notes reason reasons title description warnings sentence said told why why_not remarks meaning
remedy advice detail hint text error x y x_title y_title row_title column_title what question"""
SENTENCES = frozenset(_WORDING.split())
"""Keys whose values are written for people: whether something is said is compared, not how."""
PASSING = frozenset(
    (
        "created",
        "created_at",
        "taken",
        "taken_at",
        "generated_at",
        "seconds",
        "duration",
        "version",
        "versions",
        "libraries",
    )
)
"""Keys whose values differ from run to run, or from release to release."""
REGISTRIES = {
    "checks": ("backslide.playbook.registry:all_checks",),
    "signatures": ("backslide.causes.faults.registry:all_signatures", "backslide.causes.registry:all_signatures"),
}
"""Where the lists of checks and signatures stand, today and in older checkouts."""
WORLDS = ("model_change", "threshold_change", "label_shift", "covariate_shift", "concept_drift")


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    recorder = commands.add_parser("record", help="write one JSON file a case")
    recorder.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    recorder.add_argument("--only", choices=PARTS)
    recorder.add_argument("--match", metavar="PATTERN", help="only cases whose name matches, such as '*drift*'")
    recorder.add_argument("--part", default="1/1", metavar="I/N", help="one of N equal shares of the cases")
    recorder.add_argument("--list", action="store_true", help="print the names of the cases and do none")
    comparer = commands.add_parser("compare", help="print what differs; exits with 1 on what is not allowed")
    comparer.add_argument("before", type=Path)
    comparer.add_argument("after", type=Path)
    comparer.add_argument("--allow", type=Path, metavar="FILE", help="TOML of differences that are meant")
    args = parser.parse_args()
    return record(args) if args.command == "record" else compare(args.before, args.after, args.allow)


# Record


def record(args: argparse.Namespace) -> int:
    """Answer every case that is asked for and not there yet."""
    share, shares = map(int, args.part.split("/"))
    names = [(name, answer) for name, answer in cases(args.only) if fnmatch.fnmatch(name, args.match or "*")]
    wanted = [case for number, case in enumerate(names) if number % shares == share - 1]
    if args.list:
        print("\n".join(name for name, _ in wanted))
        return 0
    for name, answer in wanted:
        path = args.out / f"{name}.json"
        if path.exists():
            continue
        begun = time.monotonic()
        text = json.dumps(answered(answer), indent=1, sort_keys=True, ensure_ascii=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        unfinished.write_text(text + "\n", encoding="utf-8")
        unfinished.rename(path)
        print(f"{time.monotonic() - begun:6.1f} s  {name}", file=sys.stderr, flush=True)
    return 0


def answered(answer: Answer) -> dict[str, Any]:
    """What came out, an exception included."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # older commits may warn
        try:
            return answer()
        except Exception as error:
            return {"exception": type(error).__name__, "error": str(error)}


def cases(only: str | None) -> Iterator[tuple[str, Answer]]:
    """Name and answer of every case."""
    if only != "real":
        yield from simulated()
        yield from commands()
    if only != "simulated" and os.environ.get("BACKSLIDE_DATA"):
        yield from real()


def found(places: tuple[str, ...]) -> Any:
    """The first of ``module:name`` that there is."""
    for place in places:
        module, _, name = place.partition(":")
        try:
            return getattr(import_module(module), name)
        except ModuleNotFoundError as error:
            if not str(error.name).startswith("backslide"):
                raise
    raise SystemExit(f"expected one of {', '.join(places)} in this checkout; found none")


def worlds() -> Any:
    """``tests/worlds.py`` of the checkout whose sources are imported."""
    import backslide

    folder = str(Path(backslide.__file__).parents[2] / "tests")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return import_module("worlds")


def simulated() -> Iterator[tuple[str, Answer]]:
    """Scenarios of checks and signatures, and the worlds of the tests."""
    import numpy as np

    made: dict[str, Callable[[], Any]] = {}

    def add(name: str, make: Callable[[Any], Any]) -> None:
        made[f"simulated/{name}"] = lambda: make(np.random.default_rng(SEED))

    for check in found(REGISTRIES["checks"])():
        add(f"check-{check.code}", check.scenario)
    for signature in found(REGISTRIES["signatures"])():
        number = sum(name.startswith(f"simulated/signature-{signature.kind.value}-") for name in made) + 1
        add(f"signature-{signature.kind.value}-{number}", signature.scenario)
    shared = worlds()
    add("world-quiet", found(("backslide.playbook.scenarios:quiet",)))
    add("world-drop", found(("backslide.playbook.scenarios:drop_in_accuracy",)))
    for name in WORLDS:
        add(f"world-{name}", getattr(shared, name))
        add(f"world-{name}-unlabelled", lambda rng, name=name: shared.unlabelled(getattr(shared, name)(rng)))
    add("world-regression", lambda rng: shared.regression(rng).scenario)
    add(
        "world-regression-unit",
        lambda rng: shared.regression(rng, lambda f: f.assign(size=f["size"] * 10.764)).scenario,
    )
    for name, make in made.items():
        yield name, lambda make=make: diagnosed(make())


def diagnosed(scenario: Any) -> dict[str, Any]:
    """The diagnosis of a scenario, its snapshots read from files."""
    import backslide

    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        sections: dict[str, Any] = {"model": scenario.model}
        if scenario.snapshots is not None:
            names = ("reference_snapshot", "current_snapshot")
            for name, snapshot in zip(names, scenario.snapshots, strict=True):
                snapshot.to_json(f"{name}.json")
            sections["artifacts"] = {name: f"{name}.json" for name in names}
        made = backslide.diagnose(
            scenario.reference,
            scenario.current,
            settings=backslide.Settings.from_dict(sections),
            reference_model=scenario.artefact,
        )
    return made.to_dict()


def real() -> Iterator[tuple[str, Answer]]:
    """Cases of benchmarks/faults: always the same, a fair sample of all cells."""
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    from faults.cells import every_case
    from faults.play import diagnosed as diagnosed_case
    from faults.sets import SETS
    from faults.stage import stage

    def answer(case: Any) -> dict[str, Any]:
        try:
            return diagnosed_case(stage(case)).to_dict()
        except LookupError as why:
            return {"not_possible": str(why)}

    for case in every_case(list(SETS), rows=REAL_ROWS, seeds=(0,))[:REAL_CASES]:
        yield f"real/{case.id.replace('/', '-')}", lambda case=case: answer(case)


# The other commands, each on one small world


MODEL = """
[model]
name = "loans"
label = "label"
prediction = "prediction"
scores = { yes = "p_yes" }
timestamp = "served_at"
features = ["income", "age", "channel", "premium"]
metric = "accuracy"
[windows]
reference = "reference.parquet"
current = "current.parquet"
[artifacts]
reference_model = "first.joblib"
trusted = true
"""
SHADOW = '[shadow]\nnew = { prediction = "other", scores = { yes = "p_other" } }\n'
SECOND = 'current_model = "second.joblib"\n'
WATCH = '[data]\nsource = "log.parquet"\n[watch]\ndiagnose = false\n'
RETRAIN = (
    '[retrain]\nfolds = 3\nwindows = ["recent"]\ndiagnose = false\nfeatures = false\ncurve = false\npolicies = false\n'
)


def commands() -> Iterator[tuple[str, Answer]]:
    """Other commands through the command line, which stands where it stood."""
    told = {
        "shadow": (MODEL + SHADOW, ["shadow", "backslide.toml"]),
        "shadow-artefacts": (MODEL + SECOND, ["shadow", "backslide.toml"]),
        "gate": (MODEL + SECOND, ["gate", "backslide.toml"]),
        "gate-served": (MODEL, ["gate", "backslide.toml"]),
        "integrity": (MODEL, ["integrity", "first.json", "second.json"]),
        "retrain": (MODEL + RETRAIN, ["retrain", "backslide.toml"]),
        "watch": (
            MODEL.replace('"reference.parquet"', '"2026-03-02..2026-04-05"').replace(
                'current = "current.parquet"\n', ""
            )
            + WATCH,
            ["watch", "backslide.toml", "--replay", "--as-of", "2026-04-27"],
        ),
        "selftest": (MODEL, ["selftest", "backslide.toml", "--columns", "1", "--rows", "1000", "--minutes", "600"]),
    }
    for name, (config, arguments) in told.items():
        yield f"commands/{name}", lambda config=config, arguments=arguments: commanded(config, arguments)


def commanded(config: str, arguments: list[str]) -> dict[str, Any]:
    """Exit code and JSON of a command in a folder of its own."""
    from backslide.cli import main as run

    with tempfile.TemporaryDirectory() as folder, chdir(folder), redirect_stdout(StringIO()):
        Path("backslide.toml").write_text(config, encoding="utf-8")
        tables()
        if arguments[0] == "integrity":
            for name in ("first", "second"):
                data = ["--data", "reference.parquet", "--env", "NONE_*"]
                run(["snapshot", "--model", f"{name}.joblib", "--out", f"{name}.json", "--quiet", *data])
        code = run([*arguments, "--quiet", "--json", "answer.json"])
        answer = Path("answer.json")
        return {"code": code, "answer": json.loads(answer.read_text(encoding="utf-8")) if answer.exists() else None}


def tables() -> None:
    """Two windows served by a fitted model, another model's answers beside the second, and both artefacts."""
    import joblib
    import numpy as np
    import polars as pl
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    shared = worlds()
    inputs = ["income", "age", "channel", "premium"]
    frames = [
        f.with_columns(pl.col("premium").cast(pl.Int8)) for f in shared.two_months(np.random.default_rng(SEED), 3000)
    ]
    models = {}
    for name, strength in (("first", 1.0), ("second", 0.002)):
        columns = make_column_transformer(
            (StandardScaler(), ["income", "age", "premium"]), (OneHotEncoder(), ["channel"])
        )
        rows = frames[0].head(1500)
        model = make_pipeline(columns, LogisticRegression(C=strength, max_iter=500))
        models[name] = model.fit(rows.select(inputs).to_pandas(), rows["label"].to_numpy())
        joblib.dump(models[name], f"{name}.joblib")
    for name, frame in zip(("reference", "current"), frames, strict=True):
        served = frame
        for model, prediction, score in (("first", "prediction", "p_yes"), ("second", "other", "p_other")):
            chance = models[model].predict_proba(frame.select(inputs).to_pandas())[:, 1]
            answers = np.where(chance >= 0.5, "yes", "no")
            served = served.with_columns(pl.Series(prediction, answers), pl.Series(score, chance))
        served.write_parquet(f"{name}.parquet")
    pl.concat([pl.read_parquet(f"{name}.parquet") for name in ("reference", "current")]).write_parquet("log.parquet")


# Compare


def compare(before: Path, after: Path, allow: Path | None) -> int:
    """Print every difference; 1 if one is not allowed or a case is on one side alone."""
    allowed = [] if allow is None else tomllib.loads(allow.read_text(encoding="utf-8")).get("allow", [])
    sides = [{str(p.relative_to(folder))[:-5]: p for p in folder.rglob("*.json")} for folder in (before, after)]
    both = sorted(sides[0].keys() & sides[1].keys())
    bad = permitted = 0
    for name in both:
        pair = [json.loads(side[name].read_text(encoding="utf-8")) for side in sides]
        for path, said, size in differences(*pair):
            if any(permits(entry, name, path, size) for entry in allowed):
                permitted += 1
                continue
            bad += 1
            print(f"{name}: {path}: {said}")
    alone = [len(side) - len(both) for side in sides]
    print(
        f"{len(both)} cases compared: {bad} differences, {permitted} allowed; only before: {alone[0]}, only after: {alone[1]}"
    )
    return 1 if bad or not both else 0


def permits(entry: dict[str, Any], name: str, path: str, size: float) -> bool:
    """Whether an entry of the list is about this difference, which is not larger than it allows."""
    if not entry.get("reason"):
        raise SystemExit(f"expected a reason for {entry.get('path')!r} in the list of differences; say why it is meant")
    return (
        matches(path, entry["path"]) and matches(name, entry.get("case", "*")) and size <= entry.get("within", math.inf)
    )


def matches(text: str, pattern: str) -> bool:
    """Whether the text matches; only ``*`` is special, for paths have brackets."""
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]"))


def differences(one: Any, other: Any, path: str = "") -> Iterator[tuple[str, str, float]]:
    """Path and words of everything that differs, and by how much: infinity where it is no number on both sides."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            if key in PASSING:
                continue
            below = f"{path}.{key}" if path else key
            if key not in one or key not in other:
                yield below, "only after" if key not in one else "only before", math.inf
            elif key in SENTENCES:
                yield from silence(one[key], other[key], below)
            else:
                yield from differences(one[key], other[key], below)
    elif isinstance(one, list) and isinstance(other, list):
        yield from in_lists(one, other, path)
    elif not equal(one, other):
        yield path, f"{shown(one)} -> {shown(other)}", abs(one - other) if numbers(one, other) else math.inf


def in_lists(one: list[Any], other: list[Any], path: str) -> Iterator[tuple[str, str, float]]:
    """Members with a code of their own are compared with each other, the rest by place."""
    keyed = [{m["code"]: m for m in of if isinstance(m, dict) and "code" in m} for of in (one, other)]
    if one and other and len(keyed[0]) == len(one) and len(keyed[1]) == len(other):
        yield from differences(*keyed, path)
        if [c for c in keyed[0] if c in keyed[1]] != [c for c in keyed[1] if c in keyed[0]]:
            yield path, "another order", math.inf
        return
    if len(one) != len(other):
        yield path, f"{len(one)} -> {len(other)} entries", math.inf
    for number, (a, b) in enumerate(zip(one, other, strict=False)):
        yield from differences(a, b, f"{path}[{number}]")


def silence(one: Any, other: Any, path: str) -> Iterator[tuple[str, str, float]]:
    """Sentences differ only where one side says nothing."""
    if bool(one) != bool(other):
        yield path, f"{shown(one)} -> {shown(other)}", math.inf


def equal(one: Any, other: Any) -> bool:
    """Numbers to a billionth of their size, texts but for how their numbers are written; everything else as it is."""
    if numbers(one, other):
        return math.isclose(one, other, rel_tol=RELATIVE, abs_tol=1e-12)
    if isinstance(one, str) and isinstance(other, str):
        return plain(one) == plain(other)
    return bool(one == other) and type(one) is type(other)


def plain(text: str) -> str:
    """A text without what the writer of numbers decides: the sign of minus, a blank before percent."""
    return re.sub(r"\s%", "%", re.sub(r"-(?=\d)", "\u2212", text))


def numbers(*values: Any) -> bool:
    """Whether all are numbers."""
    return all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)


def shown(value: Any) -> str:
    """A value in at most so many letters that a line stays a line."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 90 else f"{text[:80]}... ({len(text)} letters, {zlib.crc32(text.encode()):08x})"


if __name__ == "__main__":
    sys.exit(main())
