"""One command inside a GitHub job: summary of the job, outputs, and one comment that is kept up to date.

``python -m backslide.cli.action`` is what ``action.yml`` runs. It reads the inputs from COMMAND, ARGUMENTS, COMMENT and TOKEN,
and what GitHub sets: GITHUB_STEP_SUMMARY, GITHUB_OUTPUT, GITHUB_EVENT_PATH, GITHUB_REPOSITORY, GITHUB_API_URL. The comment alone
goes over the network, to the server that runs the job.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from urllib import request
from urllib.error import URLError

from backslide.cli import main as run_command

COMMANDS = ("gate", "shadow", "diagnose", "integrity")
MOST_SUMMARY = 900_000
"""Characters of a job summary; GitHub takes 1 MiB."""
MOST_COMMENT = 60_000
"""Characters of a comment; GitHub takes 65,536."""
TIMEOUT = 20.0
"""Seconds for one answer of the server."""
PAGE = 100
MOST_PAGES = 20


def main(environment: Mapping[str, str] = os.environ) -> int:
    """Run the command that the inputs name; its exit code."""
    command, arguments = environment.get("COMMAND", "diagnose"), shlex.split(environment.get("ARGUMENTS", ""))
    if command not in COMMANDS:
        print(f"::error::command: expected one of {', '.join(COMMANDS)}; got {command!r}")
        return 2
    folder = Path(mkdtemp(prefix="backslide-", dir=environment.get("RUNNER_TEMP") or None))
    files = {
        form: folder / f"{command}.{suffix}" for form, suffix in (("json", "json"), ("md", "md"), ("junit", "xml"))
    }
    options = [word for form, path in files.items() for word in (f"--{form}", str(path))]
    code = run_command([command, *arguments, *options, "--quiet"])
    _append(environment.get("GITHUB_OUTPUT"), "".join(f"{k}={v}\n" for k, v in {"exit-code": code, **files}.items()))
    if not files["md"].exists():
        return code  # it could not run, and has said why
    text = files["md"].read_text(encoding="utf-8")
    _append(environment.get("GITHUB_STEP_SUMMARY"), text[:MOST_SUMMARY] + "\n")
    if environment.get("COMMENT", "true") == "true":
        which = hashlib.sha256(shlex.join([command, *arguments]).encode()).hexdigest()[:12]
        _keep_comment(environment, f"<!-- backslide {command} {which} -->", first_screen(text))
    return code


def first_screen(markdown: str) -> str:
    """A report down to its first section: what happened, how sure, why, what to do."""
    lines = markdown.splitlines()
    end = next((n for n, line in enumerate(lines) if line.startswith(("### ", "<details>"))), len(lines))
    return "\n".join(lines[:end])[:MOST_COMMENT].rstrip() + "\n"


def _append(path: str | None, text: str) -> None:
    if path:
        with open(path, "a", encoding="utf-8") as file:
            file.write(text)


def _keep_comment(environment: Mapping[str, str], marker: str, text: str) -> None:
    """Write the comment of this pull request, or change the one that carries the marker; no comment is no failure."""
    event = environment.get("GITHUB_EVENT_PATH", "")
    if not event or not Path(event).exists():
        return
    number = (json.loads(Path(event).read_text(encoding="utf-8")).get("pull_request") or {}).get("number")
    if number is None:
        return
    repository = environment.get("GITHUB_REPOSITORY", "")
    root = f"{environment.get('GITHUB_API_URL', 'https://api.github.com')}/repos/{repository}/issues"
    body = {"body": f"{marker}\n{text}"}
    try:
        mine = _own_comment(environment, f"{root}/{number}/comments", marker)
        if mine is None:
            _ask(environment, "POST", f"{root}/{number}/comments", body)
        else:
            _ask(environment, "PATCH", f"{root}/comments/{mine}", body)
    except (URLError, OSError, ValueError) as error:
        print(
            f"::warning::the comment could not be written ({type(error).__name__}: {error}); the summary of the job has it"
        )


def _own_comment(environment: Mapping[str, str], address: str, marker: str) -> int | None:
    for page in range(1, MOST_PAGES + 1):
        comments = _ask(environment, "GET", f"{address}?per_page={PAGE}&page={page}")
        for comment in comments:
            if str(comment.get("body", "")).startswith(marker):
                return int(comment["id"])
        if len(comments) < PAGE:
            break
    return None


def _ask(environment: Mapping[str, str], method: str, address: str, body: dict[str, str] | None = None) -> Any:
    headers = {
        "Accept": "application/vnd.github+json",
        "Content-Type": "application/json",
        "User-Agent": "backslide",
        "X-GitHub-Api-Version": "2022-11-28",
    }
    if environment.get("TOKEN"):
        headers["Authorization"] = f"Bearer {environment['TOKEN']}"
    data = None if body is None else json.dumps(body).encode()
    asked = request.Request(address, data=data, headers=headers, method=method)
    with request.urlopen(asked, timeout=TIMEOUT) as answer:
        return json.loads(answer.read() or b"null")


if __name__ == "__main__":
    sys.exit(main())
