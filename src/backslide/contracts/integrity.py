"""What differs between two snapshots, ranked by how likely it hurts, each with what it means."""

from __future__ import annotations

from typing import ClassVar, Literal

from backslide.contracts.cause import CauseKind
from backslide.contracts.rendering import PublishedAnswer
from backslide.contracts.values import Value

Risk = Literal["likely", "possible", "unlikely"]
Where = Literal["fitted", "artefact", "environment", "variables", "files", "repository"]


class Detail(Value):
    """One value before and after: the mean of a column, a category, a parameter, a key."""

    name: str
    before: str | None = None
    after: str | None = None


class BlamedLine(Value):
    """A line of source that a commit wrote, or took away (then without a number)."""

    path: str
    line: int | None
    function: str = ""
    text: str
    removed: bool = False


class Commit(Value):
    """A commit between the two snapshots."""

    sha: str
    author: str
    authored_at: str
    committed_at: str
    subject: str
    pull_request: str | None = None
    files: tuple[str, ...] = ()
    lines: tuple[BlamedLine, ...] = ()
    """Its lines that bear most on what the model is given, first the most."""
    taken_back: bool = False
    """It is in the first snapshot and not in the second."""


class StackDifference(Value):
    """One difference, and how likely it hurts."""

    rank: int
    kind: CauseKind
    where: Where
    subject: str
    """Step, library, variable, file or commit."""
    features: tuple[str, ...] = ()
    before: str | None = None
    after: str | None = None
    meaning: str
    risk: Risk
    score: float
    """0 to 1, by which the differences are ranked."""
    reason: str
    """Why that score."""
    proven: bool = False
    """The same rows were answered differently, and nothing else can be the reason."""
    at: str | None = None
    """When it was made, where that is known."""
    hours_before_onset: float | None = None
    details: tuple[Detail, ...] = ()
    commit: Commit | None = None


class GoldenReplay(Value):
    """The same rows, answered under both snapshots."""

    rows: int
    equal: int
    largest: float
    """Largest difference of a score, or of a prediction where there are no scores."""
    flips: int
    """Rows with another prediction."""
    inputs_equal: bool | None = None
    """Whether the last step was given the same numbers; None where they were not kept."""
    moved: tuple[str, ...] = ()
    """Inputs of the last step that differ, most first."""


class SnapshotIdentity(Value):
    """Which snapshot."""

    name: str
    taken_at: str
    commit: str | None = None
    artefact: str | None = None


class Integrity(PublishedAnswer):
    """Everything that differs between two snapshots."""

    noun: ClassVar[str] = "an integrity report"
    writer: ClassVar[str] = "backslide integrity --json"
    format: Literal["backslide.integrity/1"] = "backslide.integrity/1"
    a: SnapshotIdentity
    b: SnapshotIdentity
    summary: str
    onset: str | None = None
    differences: tuple[StackDifference, ...] = ()
    replay: GoldenReplay | None = None
    notes: tuple[str, ...] = ()
    """What could not be compared, and why."""

    @property
    def hurts(self) -> bool:
        """Whether something differs that could hurt; the command line then exits with 1."""
        return any(d.risk != "unlikely" for d in self.differences)

    def one_line(self) -> str:
        return f"Integrity of {self.a.name} and {self.b.name}, {len(self.differences)} differences: {self.summary}"
