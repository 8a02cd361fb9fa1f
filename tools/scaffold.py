"""Write the file of a new check or fault signature, and its test, ready to be filled in.

    python tools/scaffold.py check --step drift --name stale_values
    python tools/scaffold.py signature --name jumped_values --kind unit_change

What is written runs and passes the shared tests with an example; replace it where TODO stands (``make lint`` asks for that).
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEMPLATES = Path(__file__).with_name("templates")
PREFIXES = {
    "verify": "VER",
    "shadow": "SHD",
    "drift": "DRF",
    "concept": "CON",
    "integrity": "INT",
    "explain": "EXP",
}
"""Steps of the playbook -> what their codes begin with."""
NEXT = {
    "check": "tests/playbook/test_battery.py tests/docs",
    "signature": "tests/causes/test_signature_battery.py tests/docs",
}
"""The shared tests of what was written."""
FOLDERS = {"drift": "drift/tabular"}
"""Steps whose checks stand in folders of their own -> the one for a new check."""


def main(arguments: list[str] | None = None) -> int:
    """Write both files and say which; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout to write into")
    what = parser.add_subparsers(dest="what", required=True)
    check = what.add_parser("check")
    check.add_argument("--step", required=True, choices=sorted(PREFIXES))
    check.add_argument("--name", required=True, help="of the module: a noun of the field, such as stale_values")
    signature = what.add_parser("signature")
    signature.add_argument("--name", required=True, help="of the module: the fault, such as jumped_values")
    signature.add_argument("--kind", help="the kind of cause that it is named as; default: the name")
    args = parser.parse_args(arguments)
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", args.name):
        parser.error(f"--name: expected words such as stale_values, got {args.name!r}")
    try:
        written = (
            new_check(args.root, args.step, args.name)
            if args.what == "check"
            else new_signature(args.root, args.name, args.kind or args.name)
        )
    except (FileExistsError, LookupError) as error:
        parser.error(str(error))
    for path in written:
        print(path.relative_to(args.root))
    battery, own = NEXT[args.what], written[-1].relative_to(args.root)
    print(
        f"replace the example where TODO stands, in the test too; then: make docs lint; make test TESTS='{own} {battery}'; "
        f"and with what is slow, quiet windows among it: BACKSLIDE_CI=1 make test TESTS='{battery}'",
        file=sys.stderr,
    )
    return 0


def new_check(root: Path, step: str, name: str) -> list[Path]:
    """The module of a check with the next free code of its step, and its test."""
    values = naming(name) | {
        "code": next_code(root, step),
        "step": step.upper(),
        "folder": FOLDERS.get(step, step).replace("/", "."),
    }
    return write(
        values,
        ("check.py.txt", root / f"src/backslide/playbook/{FOLDERS.get(step, step)}/{name}.py"),
        ("test_check.py.txt", root / f"tests/playbook/test_{name}.py"),
    )


def new_signature(root: Path, name: str, kind: str) -> list[Path]:
    """The module of a signature and its test.

    Raises:
        LookupError: a kind that the published format does not have.
    """
    text = (
        (root / "src/backslide/contracts/cause.py")
        .read_text("utf-8")
        .partition("class CauseKind")[2]
        .partition("\nclass ")[0]
    )
    kinds = re.findall(r'^    ([A-Z_]+) = "([a-z_]+)"', text, re.M)
    values = {value for _, value in kinds}
    if kind not in values:
        raise LookupError(
            f"--kind: {kind!r} is no kind of cause; take one of {', '.join(sorted(values))}, or first write the new one "
            "with meaning and remedy into src/backslide/contracts/cause.py, in order of precedence"
        )
    return write(
        naming(name) | {"kind": kind.upper()},
        ("signature.py.txt", root / f"src/backslide/causes/faults/signatures/{name}.py"),
        ("test_signature.py.txt", root / f"tests/causes/test_{name}.py"),
    )


def naming(name: str) -> dict[str, str]:
    """Names of module, class and title."""
    words = name.split("_")
    return {"name": name, "class": "".join(map(str.capitalize, words)), "title": " ".join(words).capitalize()}


def next_code(root: Path, step: str) -> str:
    """The first code after those of the step: codes are published, so that a gap is a check that was taken away."""
    prefix = PREFIXES[step]
    sources = (p.read_text("utf-8") for p in (root / "src/backslide/playbook").rglob("*.py"))
    numbers = [int(n) for text in sources for n in re.findall(rf'^    code = "{prefix}(\d{{3}})"', text, re.M)]
    return f"{prefix}{max(numbers, default=0) + 1:03d}"


def write(values: dict[str, str], *files: tuple[str, Path]) -> list[Path]:
    """Fill in the templates.

    Raises:
        FileExistsError: one of the files is there already; none is written then.
    """
    there = [path for _, path in files if path.exists()]
    if there:
        raise FileExistsError(f"--name: {there[0]} is there already; choose another name")
    for template, path in files:
        text = (TEMPLATES / template).read_text("utf-8")
        for key, value in values.items():
            text = text.replace(f"<{key}>", value)
        path.write_text(text, encoding="utf-8")
    return [path for _, path in files]


if __name__ == "__main__":
    sys.exit(main())
