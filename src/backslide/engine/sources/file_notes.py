"""What must be said of how files were read, alike sentences about many files as one."""

from __future__ import annotations

from dataclasses import dataclass, field

from backslide.contracts import say


@dataclass
class FileNotes:
    """Sentences about files, gathered."""

    said: dict[str, list[str]] = field(default_factory=dict)
    """Sentence -> files."""
    counts: dict[str, int] = field(default_factory=dict)
    """Sentence -> values it counts, over all files."""

    def add(self, file: str, sentence: str, count: int = 0) -> None:
        """One sentence about one file; with a count it begins after it (``12 values of x ...``)."""
        self.said.setdefault(sentence, []).append(file)
        self.counts[sentence] = self.counts.get(sentence, 0) + count

    def sentences(self) -> list[str]:
        """Each sentence once, with the files it is about."""
        sentences = []
        for sentence, files in self.said.items():
            more = f" and {len(files) - 1} more" if len(files) > 1 else ""
            rows = f"{say.count(self.counts[sentence])} " if self.counts[sentence] else ""
            sentences.append(f"{files[0]}{more}: {rows}{sentence}")
        return sentences
