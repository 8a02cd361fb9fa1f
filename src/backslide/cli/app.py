"""The list of commands and their options. What they do is imported when they run, so that --help is quick."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backslide.cli.incidents import incidents
from backslide.cli.log import log
from backslide.cli.mcp import mcp
from backslide.cli.options import (
    Config,
    HtmlFile,
    JsonFile,
    JunitFile,
    MarkdownFile,
    OpenlineageFile,
    PayloadFormat,
    PrintJson,
    Quiet,
    Trusted,
    option,
)
from backslide.cli.output import Files
from backslide.cli.serve import serve
from backslide.cli.snapshot import snapshot
from backslide.cli.streams import Commands
from backslide.cli.versions import versions
from backslide.cli.watch import watch

app = Commands(
    name="backslide",
    help="Finds out why a deployed model quietly got worse, and proves it.",
    epilog="Exit codes: 0 no material degradation; 1 degraded, held, refused or an open alarm; 2 could not run; "
    "130 interrupted; 143 terminated.",
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _absolute(path: Path | None) -> str | None:
    """A path typed at the prompt, which is relative to the working folder, as the configuration would name it."""
    return None if path is None else str(path.resolve())


def _version(asked: bool) -> None:
    if asked:
        from backslide import __version__

        print(f"backslide {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Finds out why a deployed model quietly got worse, and proves it."""


@app.command()
def demo(
    out: Annotated[Path, option("--out", "DIR", "Folder for logs, model and report.")] = Path("demo"),
    story: Annotated[
        str, option("--story", "NAME", "letters (a fine-tuned model) or reader (a fault upstream).")
    ] = "letters",
    no_open: Annotated[bool, typer.Option("--no-open", help="Do not open the report in a browser.")] = False,
    json: PrintJson = False,
    quiet: Quiet = False,
) -> int:
    """Play the story of a silent drop on simulated documents."""
    from backslide.cli.demo import run

    return run(out, story=story, show_report=not no_open, as_json=json, quiet=quiet)


@app.command()
def init(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="Logged predictions: a file, glob, folder or URI.")],
    out: Annotated[Path, option("--out", "FILE", "Where to write the configuration.")] = Path("backslide.toml"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    format: PayloadFormat = None,
    json: PrintJson = False,
) -> int:
    """Guess the role of every column and write a backslide.toml."""
    from backslide.cli.init import run

    return run(table, out, force=force, as_json=json, payload_format=format)


@app.command()
def diagnose(
    config: Config = Path("backslide.toml"),
    json: JsonFile = None,
    html: HtmlFile = None,
    md: MarkdownFile = None,
    junit: JunitFile = None,
    openlineage: OpenlineageFile = None,
    reference: Annotated[
        str | None, option("--reference", "SRC", "Reference window; default: the configured one.")
    ] = None,
    current: Annotated[str | None, option("--current", "SRC", "Current window; default: the configured one.")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Find verdict and causes only; list the descriptive checks as skipped.")
    ] = False,
    ask: Annotated[
        str | None,
        option("--ask", "CSV", "Write the rows whose labels would decide; read them back once they are labelled."),
    ] = None,
    quiet: Quiet = False,
) -> int:
    """Find out whether the model got worse, and why.

    Exits with 1 if it did, with 2 if this could not be determined.
    """
    from backslide.cli.jobs import run

    windows = {"reference": reference, "current": current}
    files = Files(json, html, md, junit, openlineage)
    return run("diagnose", config, files, quiet=quiet, paths=tuple(windows), quick=quick, ask=ask, **windows)


@app.command()
def shadow(
    config: Config = Path("backslide.toml"),
    json: JsonFile = None,
    html: HtmlFile = None,
    md: MarkdownFile = None,
    junit: JunitFile = None,
    quiet: Quiet = False,
) -> int:
    """Compare the old and the new model on the same traffic.

    Exits with 1 if the old one is better, overall or for some part, with 2 if this could not be determined.
    """
    from backslide.cli.jobs import run

    return run("shadow", config, Files(json, html, md, junit), quiet=quiet)


@app.command()
def gate(
    config: Config = Path("backslide.toml"),
    json: JsonFile = None,
    html: HtmlFile = None,
    md: MarkdownFile = None,
    junit: JunitFile = None,
    quiet: Quiet = False,
) -> int:
    """Decide whether the new model may replace the old one.

    Compares both on the labelled current rows. Exits with 1 unless it may, with 2 if this could not be determined.
    """
    from backslide.cli.jobs import run

    return run("gate", config, Files(json, html, md, junit), quiet=quiet)


@app.command()
def retrain(
    config: Config = Path("backslide.toml"),
    json: JsonFile = None,
    html: HtmlFile = None,
    md: MarkdownFile = None,
    diagnosis: Annotated[
        Path | None, option("--diagnosis", "FILE", "A stored diagnosis; default: diagnose first.")
    ] = None,
    repaired: Annotated[
        bool, typer.Option("--repaired", help="Continue with repaired rows where a repair fixes the cause.")
    ] = False,
    registry: Annotated[
        Path | None, option("--registry", "DIR", "Folder of versions in which to save a promoted candidate.")
    ] = None,
    quiet: Quiet = False,
) -> int:
    """Retrain on later rows and test whether that is worth it.

    Exits with 1 if no candidate is, or if the data need a repair instead, with 2 if this could not be determined.
    """
    from backslide.cli.jobs import run

    return run(
        "retrain",
        config,
        Files(json, html, md),
        quiet=quiet,
        diagnosis=_absolute(diagnosis),
        repaired=repaired or None,
        registry=_absolute(registry),
    )


app.command()(versions)


app.command()(snapshot)


@app.command()
def integrity(
    first: Annotated[
        str, typer.Argument(metavar="A", help="Snapshot from when the model was good: a file or an MLflow model.")
    ],
    second: Annotated[
        str, typer.Argument(metavar="B", help="Snapshot from when it got worse, or of another environment.")
    ],
    onset: Annotated[str | None, option("--onset", "TIME", "When the drop began (ISO).")] = None,
    repository: Annotated[
        str | None, option("--repository", "DIR", "Git checkout: lists the commits in between.")
    ] = None,
    path: Annotated[
        list[str] | None, option("--path", "PATH", "List only commits that touch this path; may be repeated.")
    ] = None,
    model: Annotated[
        str | None, option("--model", "MODEL", "The model of B, to answer the golden rows of A again here.")
    ] = None,
    trusted: Trusted = True,
    json: JsonFile = None,
    md: MarkdownFile = None,
    junit: JunitFile = None,
    quiet: Quiet = False,
) -> int:
    """Compare two snapshots and rank the differences by risk.

    Exits with 1 if a difference could hurt, with 2 if this could not be determined.
    """
    from backslide.cli.jobs import integrity as run

    return run(
        first,
        second,
        Files(json, md=md, junit=junit),
        quiet=quiet,
        onset=onset,
        repository=repository,
        paths=path or [],
        model=model,
        trusted=trusted,
    )


@app.command()
def segments(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="Counts: a file, glob, folder or URI.")],
    numerator: Annotated[str, option("--numerator", "COL", "Column of counts or sums, such as errors.")],
    denominator: Annotated[str, option("--denominator", "COL", "Column of counts or sums, such as predictions.")],
    time: Annotated[str, option("--time", "COL", "Column of times, or of seconds since 1970.")],
    good: Annotated[str, option("--good", "A..B", "Period to compare with; both ends are included.")],
    bad: Annotated[str, option("--bad", "A..B", "Period whose change is to be explained.")],
    attribute: Annotated[
        list[str] | None, option("--attribute", "COL", "Search only this column; may be repeated.")
    ] = None,
    json: JsonFile = None,
    html: HtmlFile = None,
    md: MarkdownFile = None,
    quiet: Quiet = False,
) -> int:
    """Find the segment that explains a change of a ratio.

    Reads a table of counts. Exits with 2 if this could not be determined.
    """
    from backslide.cli.jobs import segments as run

    return run(
        table,
        Files(json, html, md),
        quiet=quiet,
        numerator=numerator,
        denominator=denominator,
        time=time,
        good=good,
        bad=bad,
        attributes=attribute,
    )


@app.command()
def selftest(
    config: Config = Path("backslide.toml"),
    columns: Annotated[
        int, typer.Option("--columns", min=1, help="Number of features to break, the most important first.")
    ] = 3,
    rows: Annotated[int, typer.Option("--rows", min=1000, help="Rows in each half of the reference.")] = 10_000,
    minutes: Annotated[float, typer.Option("--minutes", help="Stop after this many minutes.")] = 10.0,
    faults: Annotated[list[str] | None, option("--faults", "KIND", "Try only this kind; may be repeated.")] = None,
    json: JsonFile = None,
    quiet: Quiet = False,
) -> int:
    """Break your reference data in known ways; see what is caught."""
    from backslide.cli.jobs import run

    return run(
        "selftest", config, Files(json), quiet=quiet, columns=columns, rows=rows, minutes=minutes, faults=faults or ()
    )


@app.command()
def report(
    diagnosis: Annotated[
        str,
        typer.Argument(
            metavar="DIAGNOSIS",
            help="A file that a command wrote with --json; - for stdin.",
        ),
    ],
    html: HtmlFile = None,
    md: MarkdownFile = None,
    json: PrintJson = False,
    charts: Annotated[
        Path | None, option("--charts", "DIR", "Write every chart to a file, with an index page.")
    ] = None,
    image: Annotated[str | None, option("--format", "svg|png", "Format of the charts; default: svg.")] = None,
) -> int:
    """Render a stored answer, without the data or the model."""
    from backslide.cli.report import run

    return run(diagnosis, Files(json="-" if json else None, html=html, md=md), charts=charts, image=image)


@app.command()
def checks(json: PrintJson = False) -> int:
    """List the checks and the faults that are recognised."""
    from backslide.cli.checks import run

    return run(as_json=json)


app.command()(watch)
app.command()(mcp)
for group, name in ((incidents, "incidents"), (log, "log"), (serve, "serve")):
    app.add_typer(group, name=name, context_settings={"help_option_names": ["-h", "--help"]})
