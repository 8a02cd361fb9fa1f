"""Write the generated pages of docs/: one per check, one per kind of cause, and the JSON Schemas of the formats.

    python tools/build_docs.py            write them
    python tools/build_docs.py --check    write nothing; exit 1 and name every page that is stale, missing or left over

The documentation of a check or a signature is the docstring of its module; this tool only adds the declared facts.
"""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import json
import re
import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from backslide.causes.faults.registry import all_signatures
from backslide.contracts.cause import CauseKind
from backslide.contracts.diagnosis import Diagnosis
from backslide.contracts.finding import Step
from backslide.contracts.gate import Gate
from backslide.contracts.integrity import Integrity
from backslide.contracts.retrain import Retrain
from backslide.contracts.segments import SegmentReport
from backslide.contracts.shadow import Shadow
from backslide.contracts.snapshot import Snapshot
from backslide.contracts.watch import WatchReport
from backslide.playbook.registry import all_checks

DOCS = Path(__file__).resolve().parent.parent / "docs"
GENERATED = ("llms.txt", "checks/*.md", "causes/*.md", "*.schema.json")
FORMATS = {
    "diagnosis": Diagnosis,
    "shadow": Shadow,
    "snapshot": Snapshot,
    "integrity": Integrity,
    "gate": Gate,
    "retrain": Retrain,
    "watch": WatchReport,
    "segments": SegmentReport,
}
"""Formats that other programs read -> what they hold."""
NOTE = "<!-- Written by tools/build_docs.py from the source; edit the docstring there. -->\n\n"

FOUND_IN = {
    CauseKind.MODEL_CHANGE: "backslide.causes.replay.model_or_threshold",
    CauseKind.OUTPUT_CHANGE: "backslide.causes.replay.output_change",
    CauseKind.THRESHOLD_CHANGE: "backslide.causes.replay.model_or_threshold",
    CauseKind.SCALER_REFIT: "backslide.causes.replay.preprocessing.search",
    CauseKind.PREPROCESSING_CHANGE: "backslide.causes.replay.preprocessing.search",
    CauseKind.LIBRARY_CHANGE: "backslide.causes.replay.snapshot_diff",
    CauseKind.CODE_CHANGE: "backslide.causes.replay.snapshot_diff",
    CauseKind.CONFIG_CHANGE: "backslide.causes.replay.snapshot_diff",
    CauseKind.DUPLICATED_ROWS: "backslide.causes.traffic.duplicated_rows",
    CauseKind.LOST_ROWS: "backslide.causes.traffic.lost_rows",
    CauseKind.UNRECOGNISED_FAULT: "backslide.causes.faults.misfits",
    CauseKind.LABEL_SHIFT: "backslide.causes.shift.shifts",
    CauseKind.COVARIATE_SHIFT: "backslide.causes.shift.shifts",
    CauseKind.CONCEPT_DRIFT: "backslide.causes.shift.shifts",
}
"""Kinds that no signature recognises -> the module whose docstring says how they are found."""


def pages() -> dict[str, str]:
    """Every generated file: path below docs/ -> content."""
    return {
        **_check_pages(),
        **_cause_pages(),
        **{
            f"{name}.schema.json": json.dumps(kind.json_schema(), indent=2, ensure_ascii=False) + "\n"
            for name, kind in FORMATS.items()
        },
        "llms.txt": _llms_txt(),
    }


def _llms_txt() -> str:
    """The front page for language models (llmstxt.org): what it is, and the pages with what they are for."""
    front = (Path(__file__).resolve().parents[1] / "docs" / "index.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\[.+) \| (.+) \|$", front, re.MULTILINE)
    listed = "\n".join(f"- {links}: {words}" for links, words in rows)
    what = front.split("\n\n")[1]
    return (
        f"# backslide\n\n> {what}\n\nCauses are proven, verified or supported; suspects are none of these. Exit codes: 0 no "
        f"material degradation, 1 degraded, 2 could not run.\n\n## Pages\n\n{listed}\n"
    )


def _check_pages() -> dict[str, str]:
    checks = all_checks()
    written = {f"checks/{check.code}.md": NOTE + _check_page(check) for check in checks}
    lines = ["# Checks\n\nIn the order of the playbook. `backslide checks` lists the same in the terminal.\n"]
    for step in Step:
        rows = [[f"[{c.code}]({c.code}.md)", c.title, _needs(c)] for c in checks if c.step is step]
        if rows:
            lines.append(f"## {step.value}: {step.question}\n\n{_table(['code', 'title', 'requires'], rows)}")
    return {**written, "checks/index.md": NOTE + "\n".join(lines)}


def _check_page(check: Any) -> str:
    facts = [["step", f"{check.step.value}: {check.step.question}"], ["requires", _needs(check)]]
    page = f"# {check.code}: {check.title}\n\n{_table(['', ''], facts)}\n{_module_text(check)}\n"
    if dataclasses.is_dataclass(check.thresholds):
        rows = [
            [f"`{field.name}`", f"`{getattr(check.thresholds, field.name)}`"]
            for field in dataclasses.fields(check.thresholds)
        ]
        page += f"\n## Thresholds\n\nSet under `[checks.{check.code}]`.\n\n{_table(['key', 'default'], rows)}"
    return page


def _needs(check: Any) -> str:
    return "; ".join(need.value for need in check.needs) or "-"


def _cause_pages() -> dict[str, str]:
    texts = _cause_texts()
    written = {
        f"causes/{kind.value}.md": f"{NOTE}# {kind.value}\n\n**{_sentence(kind.meaning)}** {kind.remedy}\n\n{text}\n"
        for kind, text in texts.items()
    }
    known = [[f"[{k.value}]({k.value}.md)", k.family, k.meaning, k.remedy] for k in CauseKind if k in texts]
    later = [[k.value, k.family, k.meaning] for k in CauseKind if k not in texts]
    index = (
        "# Causes\n\nIn order of precedence: where two kinds explain the same points, the earlier is named.\n\n"
        + _table(["kind", "family", "what it says", "what undoes it"], known)
    )
    if later:
        index += (
            "\n## Not recognised yet\n\nThese kinds have a name in the format. No code of this version names them.\n\n"
            + _table(["kind", "family", "what it says"], later)
        )
    return {**written, "causes/index.md": NOTE + index}


def _cause_texts() -> dict[CauseKind, str]:
    """Kind -> how it is recognised, for every kind that this version can name."""
    texts: dict[CauseKind, list[str]] = {}
    # The module that is named as its kind comes first.
    for signature in sorted(all_signatures(), key=lambda s: not s.__module__.endswith(f".{s.kind.value}")):
        texts.setdefault(signature.kind, []).append(_module_text(signature))
    for kind, module in FOUND_IN.items():
        texts.setdefault(kind, []).append(_docstring(import_module(module)))
    return {kind: "\n\n---\n\n".join(dict.fromkeys(parts)) for kind, parts in texts.items()}


def _module_text(declared: Any) -> str:
    module = inspect.getmodule(declared)
    if module is None:
        raise LookupError(f"{declared!r} has no module to take its documentation from")
    return _docstring(module)


def _docstring(module: Any) -> str:
    text = inspect.getdoc(module)
    if not text:
        raise LookupError(f"{module.__name__} has no docstring; it is the documentation page of what it defines")
    return text


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:].rstrip(".") + "."


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def stale(docs: Path, wanted: dict[str, str]) -> list[str]:
    """What differs between the folder and the pages that should be there, one line each."""
    there = {path.relative_to(docs).as_posix() for pattern in GENERATED for path in docs.glob(pattern)}
    missing = [f"missing: {name}" for name in wanted if name not in there]
    left_over = [f"left over: {name}" for name in sorted(there - set(wanted))]
    changed = [
        f"stale: {name}"
        for name, text in wanted.items()
        if name in there and not _same(name, (docs / name).read_text(encoding="utf-8"), text)
    ]
    return missing + left_over + changed


def _same(name: str, one: str, other: str) -> bool:
    """Whether two pages say the same; numbers of schemas by their value, for versions of pydantic write 0 and 0.0."""
    return one == other or (name.endswith(".json") and json.loads(one) == json.loads(other))


def write(docs: Path, wanted: dict[str, str]) -> None:
    """Make the folder hold exactly the pages wanted."""
    for line in stale(docs, {}):
        (docs / line.removeprefix("left over: ")).unlink()
    for name, text in wanted.items():
        (docs / name).parent.mkdir(parents=True, exist_ok=True)
        (docs / name).write_text(text, encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Write or check; the exit code."""
    parser = argparse.ArgumentParser(description="Write the generated pages of docs/.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a page is stale")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of the documentation")
    options = parser.parse_args(arguments)
    wanted = pages()
    if not options.check:
        write(options.docs, wanted)
        return 0
    problems = stale(options.docs, wanted)
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        print("the generated docs are not up to date; run `make docs`", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
