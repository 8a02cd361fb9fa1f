"""``backslide mcp``: the questions of an assistant over standard input and output, by the Model Context Protocol."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from backslide.cli.options import Config
from backslide.cli.streams import public_output
from backslide.contracts.containment import Termination
from backslide.contracts.errors import BackslideError
from backslide.contracts.extras import needs
from backslide.contracts.secrets import scrub

INSTRUCTIONS = (
    "backslide finds out why a deployed model got worse. Causes are ranked and verified, with points of the metric; suspects "
    "are not proven, and must be called so. "
    "Begin with list_incidents; compare_periods diagnoses two periods anew and may take a minute."
)


_PATH = re.compile(r"(?<![\w:/.])(?:/[\w@.+-]+)+/([\w@.+-]+)")
"""A file of this machine, of which an assistant is told the name alone."""


def mcp(
    config: Config = Path("backslide.toml"),
    allow_writes: Annotated[
        bool, typer.Option("--allow-writes", help="Let the assistant mark incidents as false, fixed or known.")
    ] = False,
) -> int:
    """Let an assistant ask what happened and why, over MCP.

    The Model Context Protocol over stdin and stdout; it only reads, unless --allow-writes is given.
    """
    server = make_server(config, allow_writes=allow_writes)
    with public_output():
        server.run("stdio")
    return 0


def make_server(config: Path, *, allow_writes: bool = False) -> Any:
    """The server of a configuration.

    Raises:
        MissingExtraError: the package ``mcp`` is not installed.
        ConfigError: the configuration cannot be read.
    """
    from backslide.cli.assistant import Assistant

    assistant = Assistant(config)
    with needs("mcp", "backslide mcp"):
        from mcp.server import MCPServer
        from mcp.server.mcpserver.exceptions import ToolError
        from mcp.types import ToolAnnotations
    server = MCPServer("backslide", instructions=INSTRUCTIONS, log_level="ERROR")
    questions: list[Callable[..., dict[str, Any]]] = [
        assistant.list_incidents,
        assistant.get_diagnosis,
        assistant.compare_periods,
        assistant.compare_snapshots,
        assistant.rows_to_label,
    ]
    for question in questions:
        about = ToolAnnotations(read_only_hint=True, open_world_hint=False)
        server.tool(annotations=about, structured_output=False)(_as_tool(question, ToolError))
    if allow_writes:
        about = ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False)
        server.tool(annotations=about, structured_output=False)(_as_tool(assistant.mark_incident, ToolError))
    return server


def _as_tool(question: Callable[..., dict[str, Any]], failure: type[Exception]) -> Callable[..., str]:
    """The question as a tool: its answer is short JSON, its errors are one line."""
    from backslide.cli.assistant import shorten

    @wraps(question)
    def tool(*arguments: Any, **named: Any) -> str:
        try:
            return shorten(question(*arguments, **named))
        except BackslideError as error:
            raise failure(scrub(str(error))) from None
        except (KeyboardInterrupt, Termination):
            raise
        except BaseException as error:  # a panic of a library in Rust is no Exception, and must not end the server
            text = " ".join(str(getattr(error, "strerror", None) or error).split())
            text = _PATH.sub(r"\1", scrub(f"internal error, {type(error).__name__}: {text}"))
            raise failure(text) from None

    return tool
