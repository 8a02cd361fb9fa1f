"""Every chart of a diagnosis as an image file, with an index of what each one shows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from backslide.contracts.escape import clean_text
from backslide.contracts.evidence import Table
from backslide.contracts.files import check_folder, whole_file, write_whole
from backslide.report.charts.standalone import standalone_spec

if TYPE_CHECKING:
    from backslide.contracts.diagnosis import Diagnosis
    from backslide.contracts.evidence import Evidence

Format = Literal["svg", "png"]
FORMATS: tuple[Format, ...] = ("svg", "png")
WIDE = 560
"""Width of a chart in pixels: room for names, and still beside text."""
PIXEL_RATIO = 2.0
"""Of PNG files: sharp on the screens of today and in slides."""
LONGEST_NAME = 60
INDEX_PAGE, INDEX_DATA = "index.html", "charts.json"


@dataclass(frozen=True, slots=True)
class ChartFile:
    """One chart: where it comes from, what it says, and its file; ``file`` is empty when it could not be drawn."""

    file: str
    code: str
    """Of the check; ``waterfall`` for the chart of the whole diagnosis."""
    subject: str
    kind: str
    title: str
    reading: str


def write_charts(diagnosis: Diagnosis, folder: Path, kind: Format = "svg") -> list[ChartFile]:
    """Write every chart into a folder, made if need be, with ``index.html`` and ``charts.json``; other files stay.

    Files are numbered in the order of the playbook: ``02-VER001-accuracy.svg``. Tables are no charts.

    Raises:
        ConfigError: when the folder cannot be one.
    """
    check_folder(folder, "charts")
    folder.mkdir(exist_ok=True)
    charts = list(_charts(diagnosis))
    digits = max(2, len(str(len(charts))))
    written = [
        _write_chart(folder, f"{number:0{digits}}-{_name(code, subject)}.{kind}", code, subject, evidence)
        for number, (code, subject, evidence) in enumerate(charts, start=1)
    ]
    data = {"model": diagnosis.model, "charts": [_fields(chart) for chart in written]}
    write_whole(folder / INDEX_DATA, json.dumps(data, indent=2, ensure_ascii=False) + "\n")
    write_whole(folder / INDEX_PAGE, _page(clean_text(diagnosis.model), written))
    return written


def _charts(diagnosis: Diagnosis) -> Iterator[tuple[str, str, Evidence]]:
    """Code, subject and evidence of every chart, in the order of the page's steps."""
    if diagnosis.waterfall is not None:
        yield "waterfall", diagnosis.metric.name, diagnosis.waterfall
    for outcome in diagnosis.checks:
        for finding in outcome.findings:
            for evidence in finding.evidence:
                if not isinstance(evidence, Table):
                    yield finding.code, finding.subject, evidence


def _write_chart(folder: Path, name: str, code: str, subject: str, evidence: Evidence) -> ChartFile:
    """A chart that cannot be drawn keeps its sentence in the index: it never costs the others."""
    try:
        _draw(folder / name, standalone_spec(evidence, width=WIDE))
    except ValueError:
        name = ""
    words = (clean_text(text) for text in (code, subject, evidence.kind, evidence.title, evidence.reading))
    return ChartFile(name, *words)


def _draw(path: Path, spec: dict[str, Any]) -> None:
    import vl_convert  # starts a JavaScript engine: only when something is drawn

    if path.suffix == ".svg":
        write_whole(path, vl_convert.vegalite_to_svg(spec))
        return
    with whole_file(path) as part:
        part.write_bytes(vl_convert.vegalite_to_png(spec, scale=PIXEL_RATIO))


def _name(code: str, subject: str) -> str:
    """Letters, digits and dashes only: a subject is a stranger's text, and goes to every kind of file system."""
    words = re.sub(r"[^A-Za-z0-9]+", "-", f"{code}-{subject}")
    return words[:LONGEST_NAME].strip("-") or "chart"


def _fields(chart: ChartFile) -> dict[str, str | None]:
    return {name: getattr(chart, name) or None for name in ChartFile.__slots__}


def _page(model: str, charts: list[ChartFile]) -> str:
    figures = "\n".join(_figure(chart) for chart in charts) or "<p>This diagnosis holds no charts.</p>"
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>Charts: {escape(model)}</title>\n'
        '<meta name="viewport" content="width=device-width">\n'
        "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:900px;margin:2em auto;padding:0 1em}"
        "figure{margin:0 0 2.5em}img{max-width:100%}figcaption{color:#4a5360}</style>\n"
        f"<h1>Charts: {escape(model)}</h1>\n{figures}\n</html>\n"
    )


def _figure(chart: ChartFile) -> str:
    source = f"<b>{escape(chart.code)}</b> {escape(chart.subject)}"
    words = f"<figcaption>{source}: {escape(chart.reading)}</figcaption>"
    if not chart.file:
        return f"<figure><p>{escape(chart.title)}: not drawn</p>{words}</figure>"
    return f'<figure><img src="{escape(chart.file)}" alt="{escape(chart.reading)}">{words}</figure>'
