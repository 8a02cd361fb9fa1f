"""Code before and after: uncommitted changes, and every commit between the two, with the lines that bear on the model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.contracts.integrity import BlamedLine, Commit, Detail, StackDifference
from backslide.contracts.snapshot import Repository, Snapshot
from backslide.stack import relevance
from backslide.stack.git import git
from backslide.stack.history import RawCommit, blame_lines, commits_between, source_at
from backslide.stack.likelihood import difference
from backslide.stack.masking import scrub

MOST_LISTED = 50
LINES_LISTED = 6
_FIT = (".fit(", ".fit_transform(", ".partial_fit(", "Scaler")


def code_differences(
    a: Snapshot,
    b: Snapshot,
    folder: Path | None,
    paths: Sequence[str],
    differences: Sequence[StackDifference],
    notes: list[str],
) -> list[StackDifference]:
    """Differences of kind ``code_change``; commits one by one where the checkout is at hand.

    Raises:
        InputError: a checkout was named and does not hold the commits.
    """
    if a.repository is None or b.repository is None:
        if folder is not None:
            notes.append("the commits between the snapshots are not known: one of them was taken outside of a checkout")
        return []
    dirty = _dirty(a.repository, b.repository)
    if a.repository.commit == b.repository.commit:
        return dirty
    if folder is None:
        notes.append("name the checkout (--repository) to see which commits lie between the snapshots")
        return [*dirty, _commit_change(a.repository, b.repository)]
    top = Path(git(folder, "rev-parse", "--show-toplevel").strip())
    between = commits_between(top, a.repository.commit, b.repository.commit, paths, notes)
    if not between and not dirty:
        where = f" touches {say.listed(tuple(paths), 3)}" if paths else ""
        notes.append(f"no commit between the snapshots{where}")
    refitted = any(d.kind == CauseKind.SCALER_REFIT for d in differences)
    scored = sorted(((_score(c, refitted), c) for c in between), key=lambda item: -item[0])[:MOST_LISTED]
    if len(between) > len(scored):
        notes.append(f"{len(between) - len(scored)} more commits, which bear less on the model, are not listed")
    blames: dict[str, dict[tuple[str, str], int]] = {}
    before, after = a.repository.commit, b.repository.commit
    return [*dirty, *(_difference(top, before, after, commit, score, blames) for score, commit in scored)]


def link_commits(differences: list[StackDifference], code: list[StackDifference]) -> list[StackDifference]:
    """Refitted or reconfigured steps beside the commit that most likely did it."""
    best = max((d for d in code if d.commit is not None and d.score >= 0.7), key=lambda d: d.score, default=None)
    if best is None or best.commit is None:
        return differences
    kinds = (CauseKind.SCALER_REFIT, CauseKind.PREPROCESSING_CHANGE)
    words = f"commit {best.commit.sha[:10]} ({best.commit.subject}) is the nearest to it"
    return [
        d.model_copy(
            update={
                "commit": best.commit,
                "at": best.at,
                "hours_before_onset": best.hours_before_onset,
                "reason": f"{d.reason}; {words}",
            }
        )
        if d.kind in kinds and d.where == "fitted"
        else d
        for d in differences
    ]


def _dirty(a: Repository, b: Repository) -> list[StackDifference]:
    changed = [name for name in dict.fromkeys((*a.dirty, *b.dirty)) if a.dirty.get(name) != b.dirty.get(name)]
    if not changed:
        return []
    now = [name for name in changed if name in b.dirty]
    return [
        difference(
            CauseKind.CODE_CHANGE,
            "repository",
            "uncommitted changes",
            f"{'The second' if now else 'The first'} stack ran with uncommitted files: {say.listed(now or changed, 5)}.",
            max(0.9 * relevance.of_file(name) for name in changed),
            "no review has seen uncommitted code",
            details=tuple(Detail(name=n, before=a.dirty.get(n), after=b.dirty.get(n)) for n in changed[:50]),
        )
    ]


def _commit_change(a: Repository, b: Repository) -> StackDifference:
    return difference(
        CauseKind.CODE_CHANGE,
        "repository",
        "commit",
        f"The code moved from commit {a.commit[:12]} to {b.commit[:12]}.",
        0.4,
        "what the commits between them change is not known",
        before=a.commit[:12],
        after=b.commit[:12],
        at=b.committed_at,
    )


def _score(commit: RawCommit, refitted: bool) -> float:
    """Of its most telling line; a little more for every further one, because a rewrite says more than a typo."""
    texts = {line.text.strip() for line in commit.lines if line.removed} & {
        line.text.strip() for line in commit.lines if not line.removed
    }
    scores = []
    for line in commit.lines:
        if line.text.strip() not in texts:
            factor = 1.1 if refitted and any(word in line.text for word in _FIT) else 1.0
            scores.append(min(relevance.of_line(line) * factor, 1.0))
    scores.sort(reverse=True)
    touched = {line.path for line in commit.lines}
    scores += [relevance.of_binary(path) for path in commit.files if path not in touched]
    if not scores:
        return 0.05
    return min(max(scores) + 0.02 * sum(score >= 0.5 for score in scores[1:6]), 0.97)


def _difference(
    top: Path, before: str, after: str, raw: RawCommit, score: float, blames: dict[str, dict[tuple[str, str], int]]
) -> StackDifference:
    lines = _lines(top, before, after, raw, blames)
    commit = Commit(
        sha=raw.sha,
        author=raw.author,
        authored_at=raw.authored_at,
        committed_at=raw.committed_at,
        subject=raw.subject,
        pull_request=raw.pull_request,
        files=tuple(raw.files[:50]),
        lines=lines,
        taken_back=raw.taken_back,
    )
    verb = "was taken back" if raw.taken_back else f"by {raw.author}, {raw.authored_at[:10]}"
    pull = f" ({raw.pull_request})" if raw.pull_request else ""
    where = f"; {lines[0].path}" + (f":{lines[0].line}" if lines[0].line else "") if lines else ""
    quoted = f" {'took away' if lines[0].removed else 'wrote'} `{lines[0].text.strip()[:120]}`" if lines else ""
    inside = f" in {lines[0].function}" if lines and lines[0].function else ""
    reason = (
        "its lines touch what prepares the model's inputs"
        if score >= 0.55
        else "nothing in it concerns the model's inputs"
    )
    return difference(
        CauseKind.CODE_CHANGE,
        "repository",
        raw.sha[:10],
        f"Commit {raw.sha[:10]}{pull} “{raw.subject}” {verb}{where}{inside}{quoted}.",
        score,
        reason,
        at=raw.committed_at,
        commit=commit,
    )


def _lines(
    top: Path, before: str, after: str, raw: RawCommit, blames: dict[str, dict[tuple[str, str], int]]
) -> tuple[BlamedLine, ...]:
    """The most telling lines of a commit, numbered as they stand in the second snapshot where they still do."""
    best = sorted(raw.lines, key=lambda line: -relevance.of_line(line))
    listed = [line for line in best if relevance.of_line(line) > 0][:LINES_LISTED]
    end = before if raw.taken_back else after
    lines = []
    for line in listed:
        if line.path not in blames and not raw.taken_back:
            blames[line.path] = blame_lines(top, before, after, line.path)
        number = None if line.removed else blames.get(line.path, {}).get((raw.sha, line.text))
        version, at = (end, number) if number is not None else (f"{raw.sha}^" if line.removed else raw.sha, line.number)
        function = relevance.function_at(source_at(top, version, line.path), at) if line.path.endswith(".py") else ""
        lines.append(
            BlamedLine(
                path=line.path, line=number, function=function, text=scrub(line.text)[:300], removed=line.removed
            )
        )
    return tuple(lines)
