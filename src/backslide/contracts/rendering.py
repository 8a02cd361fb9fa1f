"""How a value shows itself: the one door from the contracts to the renderers, opened by name when it is first needed.

The renderers know the contracts; the contracts know only the names of the modules that draw them. Reading a stored answer
thus loads neither templates nor the chart compiler.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from backslide.contracts.escape import clean_text
from backslide.contracts.values import PublishedDocument, Value, write_text

if TYPE_CHECKING:
    from collections.abc import Callable

Form = Literal["text", "markdown", "html", "fragment"]
RENDERERS = "backslide.report.render.answer"
"""Module with a function ``render(value, form)`` for every value that shows itself."""

JUNIT = "backslide.report.render.junit"
"""Module with a function ``junit(value)``."""

OPENLINEAGE = "backslide.report.render.openlineage"
"""Module with a function ``openlineage(diagnosis)``."""

TRACKER = "backslide.retraining.mlflow_run"
"""Module with a function ``log_to_mlflow(diagnosis, run)``."""

FRAMES = "backslide.plot.frames"
"""Module with a function ``frame(diagnosis, rows)``; it needs the data stack, which the renderers do without."""


def rendered(value: Value, form: Form) -> str:
    """The value in one form: a terminal's text, Markdown, a whole HTML page, or a fragment of HTML for a notebook."""
    render: Callable[[Value, Form], str] = import_module(RENDERERS).render
    return render(value, form)


def as_openlineage(value: Value) -> str:
    """The value as an event of OpenLineage."""
    event: str = import_module(OPENLINEAGE).openlineage(value)
    return event


def tracked(value: Value, run: Any) -> str:
    """The id of the MLflow run that the value was logged to."""
    run_id: str = import_module(TRACKER).log_to_mlflow(value, run)
    return run_id


def framed(value: Value, rows: str) -> Any:
    """Rows of a value as a Polars DataFrame."""
    return import_module(FRAMES).frame(value, rows)


class Display(Value):
    """A value that a terminal shows on one line and a notebook as HTML."""

    def one_line(self) -> str:
        """What one line says of the value."""
        raise NotImplementedError

    def __repr__(self) -> str:
        """One line, with what could steer a terminal made visible: ``<Gate of loans, hold: ...>``."""
        return clean_text(f"<{self.one_line()}>")

    __str__ = __repr__

    def _repr_html_(self) -> str:
        return rendered(self, "fragment")


class PublishedAnswer(PublishedDocument, Display):
    """A whole answer: published as JSON, and rendered anywhere without the data."""

    def to_text(self) -> str:
        """The answer for a terminal or a mail."""
        return rendered(self, "text")

    def to_markdown(self, path: str | Path | None = None) -> str:
        """The answer for a pull request; also written to ``path`` when one is given."""
        return write_text(rendered(self, "markdown"), path)

    def to_html(self, path: str | Path | None = None) -> str:
        """The answer as one self-contained page; also written to ``path`` when one is given."""
        return write_text(rendered(self, "html"), path)

    def to_junit(self, path: str | Path | None = None) -> str:
        """A diagnosis, comparison, gate or integrity report as JUnit XML; also written to ``path`` when one is given.

        Raises:
            TypeError: for an answer that holds nothing to pass or to fail.
        """
        return write_text(import_module(JUNIT).junit(self), path)
