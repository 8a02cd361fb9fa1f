"""The rules of this house that no common linter has: names, arrows, sizes, and one writer of numbers.

    python tools/house.py             what breaks a rule, as path:line: rule: what to do; exit code 1 if anything does
    python tools/house.py --shrink    take entries that are mended off the list of known exceptions
    python tools/house.py --count     files, code lines, median and longest file

``house_known.toml`` lists what broke a rule when the rule came. It only shrinks.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import statistics
import sys
import tokenize
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KNOWN = Path(__file__).with_name("house_known.toml")
PACKAGE = "backslide"
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60

NUMBER_WRITERS = ("contracts/say.py", "causes/columns/formats.py")
"""What writes numbers for people, asked by everybody so that a share looks alike everywhere; and what writes them into rows as a
source wrote them."""
NUMBER_FORMAT = re.compile(r"[,_]|\.\d|\.\{\}|[eEfF%]$")
"""Format specifications that decide how a number looks; plain ``:g`` repeats it as it was given, widths only align."""

SILENCE = re.compile(r"# (?:noqa\b|type: ignore\b|fmt: (?:skip|off)\b)(?::? ?[A-Z]+\d+,?)*(?:\[[\w, -]*\])?[\s#-]*(.*)")
"""A comment for ruff, mypy or the formatter, and what stands behind it."""

SHARED_CLASS_NAMES = {"Floors": "the thresholds of one check, declared beside it in every file that has some"}

# A participle says what was done, and not what the thing is: `Judged` may be a verdict, a window or a row, `_told` any text.
# Each has a noun of the field that says it. What ends in -ed is a participle unless it stands below.
PARTICIPLES = {
    "asked": "question, query",
    "built": "model, page",
    "chosen": "choice, options",
    "cut": "threshold, slice",
    "drawn": "sample, chart",
    "followed": "stream",
    "found": "result, match",
    "given": "input, settings",
    "held": "contents, values",
    "judged": "verdict, judgement",
    "kept": "cache, store",
    "known": "labels, facts",
    "left": "rest, residual",
    "lost": "loss",
    "made": "product, artefact",
    "moved": "change, shift",
    "read": "reading, parse",
    "said": "sentence, text",
    "seen": "observation, values",
    "sent": "message",
    "shown": "view",
    "taken": "sample, snapshot",
    "told": "sentence, report",
    "tried": "trial, attempt",
    "wanted": "request, columns",
    "watched": "report",
    "written": "text, file",
}
NOUNS_IN_ED = {"need", "seed", "feed", "speed", "embed"}


@dataclass(frozen=True)
class Offence:
    """One place that breaks a rule."""

    path: str
    line: int
    rule: str
    subject: str
    """What an exception is listed under: it survives changes elsewhere in the file."""
    advice: str

    @property
    def key(self) -> str:
        """The entry in the list of known exceptions."""
        return f"{self.path}::{self.subject}" if self.subject else self.path


@dataclass(frozen=True)
class Module:
    """A source file, parsed."""

    path: str
    """Within the package."""
    text: str
    tree: ast.Module


def modules(source: Path) -> list[Module]:
    """Every module under the folder of the package."""
    files = sorted(source.rglob("*.py"))
    texts = [(p.relative_to(source).as_posix(), p.read_text(encoding="utf-8")) for p in files]
    return [Module(path, text, ast.parse(text)) for path, text in texts]


def offences(every: list[Module]) -> list[Offence]:
    """What breaks a rule, in order of the files."""
    found = [*class_names(every)]
    for module in every:
        found += [*unfinished(module), *silences(module), *participles(module), *arrows(module), *sizes(module)]
        found += numbers(module)
    return sorted(found, key=lambda o: (o.path, o.line))


def class_names(every: list[Module]) -> Iterator[Offence]:
    """One class name has one meaning in the whole tree."""
    places: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for module in every:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef):
                places[node.name].append((module.path, node.lineno))
    for name, where in places.items():
        if len(where) > 1 and name not in SHARED_CLASS_NAMES:
            for path, line in where:
                others = ", ".join(f"{p}:{n}" for p, n in where if (p, n) != (path, line))
                yield Offence(
                    path, line, "class-name", name, f"{name} is also {others}; say in the name what it is here"
                )


def unfinished(module: Module) -> Iterator[Offence]:
    """What tools/scaffold.py left to be filled in."""
    for number, line in enumerate(module.text.splitlines(), 1):
        if "TODO" in line:
            yield Offence(module.path, number, "unfinished", "", "replace the example by what the line asks for")


def silences(module: Module) -> Iterator[Offence]:
    """A tool that is silenced has its reason behind it, or in a comment above it."""
    above = ""
    for number, line in enumerate(module.text.splitlines(), 1):
        directive = SILENCE.search(line)
        if directive and not directive[1] and not above.startswith("#"):
            yield Offence(module.path, number, "silence", "", "say why behind it, or in a comment above it")
        above = line.strip()


def participles(module: Module) -> Iterator[Offence]:
    """Modules and classes are nouns of the field."""
    named = [(Path(module.path).stem, 1)]
    named += [(node.name, node.lineno) for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef)]
    for name, line in named:
        words = re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name)
        last = words[-1].lower() if words else ""
        if last in PARTICIPLES or (last.endswith("ed") and last not in NOUNS_IN_ED):
            instead = PARTICIPLES.get(last, "a noun of the field")
            yield Offence(
                module.path, line, "participle", name, f"{name} is a participle; a noun says what it is: {instead}"
            )


def arrows(module: Module) -> Iterator[Offence]:
    """What everybody shares knows nobody, in the bodies of functions either."""
    if not module.path.startswith("contracts/"):
        return
    for node in ast.walk(module.tree):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if any(name.startswith(f"{PACKAGE}.report") for name in names):
            advice = "contracts import no report; the report registers what renders them"
            yield Offence(module.path, node.lineno, "contracts-import-report", "", advice)


def functions(module: Module) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Every function with its qualified name."""

    def below(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield f"{prefix}{child.name}", child
                yield from below(child, f"{prefix}{child.name}.")
            else:
                yield from below(child, f"{prefix}{child.name}." if isinstance(child, ast.ClassDef) else prefix)

    return below(module.tree, "")


def sizes(module: Module) -> Iterator[Offence]:
    """Files and functions that fit into a head; complexity is ruff's (C901)."""
    lines = len(module.text.splitlines())
    if lines > MAX_FILE_LINES:
        advice = f"{lines} lines, of at most {MAX_FILE_LINES}; split it where two things are told"
        yield Offence(module.path, 1, "long-file", "", advice)
    for name, node in functions(module):
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        if length > MAX_FUNCTION_LINES:
            advice = f"{name} has {length} lines, of at most {MAX_FUNCTION_LINES}; name its steps"
            yield Offence(module.path, node.lineno, "long-function", name, advice)


def numbers(module: Module) -> Iterator[Offence]:
    """Numbers for people have one writer."""
    if module.path in NUMBER_WRITERS:
        return
    places = [(name, node) for name, node in functions(module)]
    for node in ast.walk(module.tree):
        if not formats_a_number(node):
            continue
        line = node.lineno
        inside = [name for name, f in places if f.lineno <= line <= (f.end_lineno or line)]
        advice = f"write numbers for people with {NUMBER_WRITERS[0]}"
        yield Offence(module.path, line, "number-format", inside[-1] if inside else "<module>", advice)


def formats_a_number(node: ast.AST) -> bool:
    """``f"{x:.1f}"``, ``f"{round(x)}"``, ``format(x, ",")``, ``str(round(x, 2))``."""
    if isinstance(node, ast.FormattedValue):
        return specification(node.format_spec) or called(node.value) == "round"
    if isinstance(node, ast.Call):
        inner = node.args[0] if node.args else None
        if called(node) == "format" and len(node.args) == 2:
            return specification(node.args[1])
        return called(node) == "str" and called(inner) == "round"
    return False


def specification(node: ast.expr | None) -> bool:
    """Whether a format specification decides how a number looks."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    text = "".join(str(p.value) if isinstance(p, ast.Constant) else "{}" for p in parts if p is not None)
    return NUMBER_FORMAT.search(text) is not None


def called(node: ast.AST | None) -> str:
    """Name of the function that is called, if it is a plain name."""
    return node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""


def code_lines(text: str) -> int:
    """Lines with code: no docstrings, comments, blanks."""
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        for child in getattr(node, "body", []) if not isinstance(node, (ast.Lambda, ast.IfExp)) else []:
            if (
                isinstance(child, ast.Expr)
                and isinstance(child.value, ast.Constant)
                and isinstance(child.value.value, str)
            ):
                docstrings.update(range(child.lineno, (child.end_lineno or child.lineno) + 1))
    silent = {
        getattr(tokenize, name) for name in ("COMMENT", "NL", "NEWLINE", "INDENT", "DEDENT", "ENDMARKER", "ENCODING")
    }
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in silent:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - docstrings)


def known() -> dict[str, list[str]]:
    """Listed exceptions by rule."""
    return tomllib.loads(KNOWN.read_text(encoding="utf-8")) if KNOWN.exists() else {}


def write_known(entries: dict[str, list[str]]) -> None:
    """The list, in the order of rules and paths."""
    lines = [
        "# What broke a rule of tools/house.py when the rule came. Only ever shorter: mend it, then run house.py --shrink."
    ]
    for rule in sorted(entries):
        if entries[rule]:
            lines += ["", f"{rule} = [", *(f'  "{key}",' for key in sorted(set(entries[rule]))), "]"]
    KNOWN.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, default=ROOT / "src" / PACKAGE, help="folder of the package")
    parser.add_argument("--shrink", action="store_true", help="take mended entries off the list")
    parser.add_argument("--count", action="store_true", help="print sizes instead")
    args = parser.parse_args(arguments)
    every = modules(args.source)
    if args.count:
        lengths = {m.path: len(m.text.splitlines()) for m in every}
        longest = max(lengths, key=lambda path: lengths[path])
        print(f"files {len(every)}")
        print(f"code lines {sum(code_lines(m.text) for m in every)}")
        print(f"median {statistics.median(lengths.values()):g}")
        print(f"longest {lengths[longest]} {longest}")
        return 0
    found, listed = offences(every), known()
    new = [o for o in found if o.key not in listed.get(o.rule, [])]
    for o in new:
        print(f"{args.source / o.path}:{o.line}: {o.rule}: {o.advice}")
    there = {(o.rule, o.key) for o in found}
    mended = [(rule, key) for rule, keys in listed.items() for key in keys if (rule, key) not in there]
    if mended and args.shrink:
        write_known({rule: [key for key in keys if (rule, key) in there] for rule, keys in listed.items()})
        print(f"took {len(mended)} mended entries off {KNOWN.name}", file=sys.stderr)
    elif mended:
        print(
            f"{len(mended)} entries of {KNOWN.name} are mended; tools/house.py --shrink takes them off", file=sys.stderr
        )
    return 1 if new else 0


if __name__ == "__main__":
    sys.exit(main())
