"""A page as one self-contained HTML file, and its first screen as a fragment for notebooks.

The file is complete without its script, which only filters. The policy of the file names the script by its hash, so nothing
else can run, whatever strings the data hold, and nothing can be fetched.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import sys
from collections import Counter
from contextlib import suppress
from functools import cache
from importlib.resources import files
from importlib.util import cache_from_source
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

import jinja2
from jinja2 import BytecodeCache, Environment, PackageLoader
from markupsafe import Markup

from backslide.contracts import say
from backslide.report.charts import palette
from backslide.report.charts.figures import Figure, figure, is_table, timeline_figure, waterfall_figure
from backslide.report.charts.timeline import sparkline_svg
from backslide.report.documents.page import Card, Cards, CheckBlock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jinja2.bccache import Bucket

    from backslide.contracts.evidence import Evidence
    from backslide.report.documents.findings import CheckView, FindingView
    from backslide.report.documents.page import Block, Page

MOST_CHARTS = 60
"""Charts of checks drawn on a page, those of the causes and the most serious findings first: each costs some 9 kB."""
MOST_FINDINGS = 600
"""Findings written out per check and severity group; they can be searched, and a row costs little."""
MOST_FIGURES = 60
"""Findings per check whose figures are listed, folded, beside the sentence: most of the page's elements otherwise."""


def page_html(page: Page) -> str:
    """The whole page as one HTML file that needs no network, and no script to be read."""
    script, policy = _script() if page.contents else (Markup(""), "")
    return _environment().get_template("page.html.j2").render(_drawn(page), script=script, policy=policy)


def page_body(page: Page) -> str:
    """What stands between a header and a footer of somebody else's page, which brings ``page_style`` and ``page_script``."""
    return _environment().get_template("body.html.j2").render(_drawn(page))


def page_style() -> str:
    """The style sheet, for elements inside one of the class ``backslide``."""
    return f"{_template('style.css')}\n{palette.rules()}"


def page_script() -> str:
    """The script that filters."""
    return _template("filter.js")


def _drawn(page: Page) -> dict[str, Any]:
    """What the template of a whole page needs: the page, and the figures that are drawn of it."""
    checks = _checks(page)
    evidence = [e for finding in _findings(checks) for e in finding.evidence]
    wanted = _to_draw(page, checks)
    figures = {id(e): figure(e) for e in evidence if is_table(e) or id(e) in wanted}

    def of(shown: tuple[Evidence, ...]) -> list[Figure]:
        return [figures[id(e)] for e in shown if id(e) in figures]

    return {"v": page, "figures": of, "charts_left_out": sum(id(e) not in figures for e in evidence)}


def page_fragment(page: Page) -> str:
    """Headline, first cause, decision and the sections in brief, for a notebook cell. Carries its own styles and no ids."""
    return _environment().get_template("fragment.html.j2").render(v=page, figures=_all)


def block_fragment(block: Block) -> str:
    """One block by itself, for a notebook cell."""
    return _environment().get_template("block.html.j2").render(block=block, figures=_all)


def _all(shown: tuple[Evidence, ...]) -> list[Figure]:
    return [figure(e) for e in shown]


def _checks(page: Page) -> list[CheckView]:
    return [block.check for section in page.sections for block in section.blocks if isinstance(block, CheckBlock)]


def _cards(page: Page) -> list[Card]:
    blocks = [block for section in page.sections for block in section.blocks]
    return [*page.why, *(card for block in blocks if isinstance(block, Cards) for card in block.cards)]


def _findings(checks: list[CheckView]) -> Iterator[FindingView]:
    for check in checks:
        yield from check.open[:MOST_FINDINGS]
        yield from check.ok[:MOST_FINDINGS]


def _to_draw(page: Page, checks: list[CheckView]) -> set[int]:
    """Ids of the evidence to draw: what the causes rest on, then by severity, then in the order of the page."""
    cited = {link.anchor for card in _cards(page) for link in card.links if link.anchor}
    order = {"fail": 1, "warn": 2, "note": 3, "ok": 4}
    ranked = sorted(_findings(checks), key=lambda finding: 0 if finding.anchor in cited else order[finding.severity])
    charts = [id(e) for finding in ranked for e in finding.evidence if not is_table(e)]
    return set(charts[:MOST_CHARTS])


def _overview(check: CheckView) -> tuple[Evidence, ...]:
    """What findings in order show of the whole, such as a table of metrics: it stands open."""
    return tuple(e for e in _quiet(check) if e.kind in _whole(check))


def _distributions(check: CheckView) -> tuple[Evidence, ...]:
    """Charts of single columns that are in order: they are folded away with them."""
    return tuple(e for e in _quiet(check) if e.kind not in _whole(check))


def _whole(check: CheckView) -> set[str]:
    """Kinds of evidence that the check draws once; what it draws again and again belongs to single columns."""
    counts: Counter[str] = Counter(e.kind for e in _quiet(check))
    return {kind for kind, times in counts.items() if times == 1} - {"histograms", "bars"}


def _quiet(check: CheckView) -> list[Evidence]:
    return [e for finding in check.ok[:MOST_FINDINGS] for e in finding.evidence]


_BEFORE_UNIT = re.compile(r"(?<=\d) (?=(?:points?\b|UTC\b))")


def _unbroken(value: object) -> object:
    """Keep a number and its unit on one line."""
    return _BEFORE_UNIT.sub("\u00a0", value) if type(value) is str else value


@cache
def _script() -> tuple[Markup, str]:
    """The script of the page, and its hash as a content security policy names it."""
    text = _template("filter.js")
    digest = hashlib.sha256(text.encode()).digest()
    return Markup(text), f"script-src 'sha256-{base64.b64encode(digest).decode()}'; "


def _template(name: str) -> str:
    return files("backslide.report").joinpath("templates", name).read_text(encoding="utf-8")


def _says(reading: str, summary: str) -> bool:
    """Whether a chart's sentence only repeats the sentence beside it."""
    return reading.rstrip(". ").casefold() in summary.rstrip(". ").casefold()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("backslide.report"),
        bytecode_cache=compiled_templates(Path(__file__).parents[1] / "templates", Path(__file__)),
        autoescape=True,
        finalize=_unbroken,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = page_style()
    environment.globals |= {
        "style": Markup(style),
        # Notebooks bring style sheets of their own: the class three times over is more specific than any of their rules.
        "fragment_style": Markup(style.replace(".backslide", ".backslide" * 3)),
        "most": MOST_FINDINGS,
        "most_figures": MOST_FIGURES,
        "overview": _overview,
        "distributions": _distributions,
        "figure": figure,
        "waterfall": waterfall_figure,
        "timeline": timeline_figure,
        "sparkline": sparkline_svg,
    }
    environment.filters["count"] = say.count
    environment.tests["said_in"] = _says
    return environment


# Compiled templates kept beside their sources, as Python keeps its modules: compiling them takes half of what a page takes.


class CompiledTemplates(BytecodeCache):
    """A folder ``__pycache__`` that is used where it can be: without it, templates are compiled by each process."""

    def __init__(self, templates: Path, environment: Path) -> None:
        """``templates`` is their folder, ``environment`` the module that sets them up, whose settings are compiled in."""
        self.folder = Path(cache_from_source(str(templates / "template.py"))).parent
        self._environment = environment.read_bytes() + jinja2.__version__.encode()

    def load_bytecode(self, bucket: Bucket) -> None:
        """Read what was compiled of the same source, settings, and versions of Python and Jinja."""
        with suppress(OSError), self._file(bucket).open("rb") as file:
            bucket.load_bytecode(file)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Write it, whole or not at all."""
        if sys.dont_write_bytecode:
            return
        with suppress(OSError):
            self.folder.mkdir(exist_ok=True)
            with NamedTemporaryFile("wb", dir=self.folder, delete=False) as file:
                bucket.write_bytecode(file)
            os.chmod(file.name, 0o644)
            os.replace(file.name, self._file(bucket))

    def _file(self, bucket: Bucket) -> Path:
        digest = hashlib.sha256(self._environment + bucket.key.encode()).hexdigest()[:16]
        return self.folder / f"{digest}.{sys.implementation.cache_tag}.jinja"


def compiled_templates(templates: Path, environment: Path) -> CompiledTemplates | None:
    """The cache; None where the package is no folder of files."""
    with suppress(OSError, NotImplementedError):
        return CompiledTemplates(templates, environment)
    return None
