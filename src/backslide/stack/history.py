"""The commits between two states of a checkout, with the lines that each wrote and took away."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from backslide.contracts.errors import InputError
from backslide.stack.git import git
from backslide.stack.masking import scrub

MOST_COMMITS = 400
MOST_LINES = 4000
"""Changed lines of one commit that are looked at."""
_FIELDS = "%H%x1f%P%x1f%an%x1f%aI%x1f%cI%x1f%s%x1f%b%x1e"
_HUNK = re.compile(r"^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")
_PULL = re.compile(r"(?:pull request |\(|\bPR |see merge request \S*)([#!]\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class ChangedLine:
    """A line that a commit wrote, numbered as in its own version, or took away, numbered as before it."""

    path: str
    number: int
    text: str
    removed: bool


@dataclass
class RawCommit:
    """A commit as git tells it."""

    sha: str
    parents: tuple[str, ...]
    author: str
    authored_at: str
    committed_at: str
    subject: str
    pull_request: str | None
    files: list[str] = field(default_factory=list)
    lines: list[ChangedLine] = field(default_factory=list)
    taken_back: bool = False


def commits_between(top: Path, before: str, after: str, paths: Sequence[str], notes: list[str]) -> list[RawCommit]:
    """Commits that are in ``after`` and not in ``before``, newest first; then those that were taken back.

    Raises:
        InputError: one of the two is not in the checkout.
    """
    for sha in (before, after):
        try:
            git(top, "cat-file", "-e", f"{sha}^{{commit}}")
        except InputError:
            raise InputError(
                f"commit {sha[:12]} is not in the checkout {top}; fetch the whole history, or name the right "
                "[artifacts] repository"
            ) from None
    commits = _log(top, f"{before}..{after}", "--", *paths)
    back = _log(top, f"{after}..{before}", "--", *paths)
    for commit in back:
        commit.taken_back = True
    if len(commits) + len(back) > MOST_COMMITS:
        notes.append(
            f"{len(commits) + len(back)} commits lie between the snapshots; the {MOST_COMMITS} newest were looked at"
        )
    merged = _pull_requests(top, f"{before}..{after}")
    chosen = [c for c in [*commits, *back] if len(c.parents) < 2][:MOST_COMMITS]
    for commit in chosen:
        commit.pull_request = commit.pull_request or merged.get(commit.sha)
        _with_changes(top, commit, paths)
    return chosen


def _log(top: Path, *options: str) -> list[RawCommit]:
    results = []
    for entry in git(top, "log", "--no-show-signature", f"--format={_FIELDS}", *options).split("\x1e"):
        if entry.strip():
            sha, parents, author, authored, committed, subject, body = entry.strip("\n").split("\x1f", 6)
            pull = pull_of(f"{subject}\n{body}")
            results.append(RawCommit(sha, tuple(parents.split()), author, authored, committed, scrub(subject), pull))
    return results


def pull_of(message: str) -> str | None:
    """The number of the pull or merge request that a message names: ``#12``, ``!7``."""
    match = _PULL.search(message)
    return match[1] if match else None


def _pull_requests(top: Path, span: str) -> dict[str, str]:
    """Commit -> pull request of the merge that brought it in."""
    pulls: dict[str, str] = {}
    for merge in _log(top, "--merges", "-n", "200", span):
        if merge.pull_request is not None and len(merge.parents) == 2:
            for sha in git(top, "rev-list", "-n", "500", "..".join(merge.parents)).split():
                pulls.setdefault(sha, merge.pull_request)
    return pulls


def _with_changes(top: Path, commit: RawCommit, paths: Sequence[str]) -> None:
    options = ["--format=", "--unified=0", "--no-ext-diff", "--no-textconv", "--find-renames", "--no-color"]
    shown = git(top, "show", *options, commit.sha, "--", *paths)
    path, old, new, count = "", 0, 0, 0
    for text in shown.splitlines():
        if text.startswith("diff --git "):
            path = text.rsplit(" b/", 1)[-1]
            commit.files.append(path)
        elif match := _HUNK.match(text):
            old, new = int(match[1]), int(match[2])
        elif text.startswith("+") and not text.startswith("+++ "):
            commit.lines.append(ChangedLine(path, new, text[1:], False))
            new, count = new + 1, count + 1
        elif text.startswith("-") and not text.startswith("--- "):
            commit.lines.append(ChangedLine(path, old, text[1:], True))
            old, count = old + 1, count + 1
        if count >= MOST_LINES:
            return


def blame_lines(top: Path, before: str, after: str, path: str) -> dict[tuple[str, str], int]:
    """(commit, text) -> line number in ``after`` for the lines of a file that commits since ``before`` wrote (git blame)."""
    try:
        listed = git(top, "blame", "--porcelain", f"{before}..{after}", "--", path)
    except InputError:
        return {}  # gone by now
    blame: dict[tuple[str, str], int] = {}
    sha, number, old = "", 0, False
    boundary: set[str] = set()
    for line in listed.splitlines():
        head = re.match(r"^([0-9a-f]{40}) \d+ (\d+)", line)
        if head:
            sha, number, old = head[1], int(head[2]), head[1] in boundary
        elif line == "boundary":
            boundary.add(sha)
            old = True
        elif line.startswith("\t") and not old:
            blame.setdefault((sha, line[1:]), number)
    return blame


def source_at(top: Path, commit: str, path: str) -> str:
    """A file as it was in a commit; empty where it was not there."""
    try:
        return git(top, "show", "--no-textconv", f"{commit}:{path}")
    except InputError:
        return ""
