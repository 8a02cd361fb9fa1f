"""Does other code serve than before?

Compares the commits of two snapshots and, where `[artifacts] repository` names the checkout, walks through every commit between
them: files, authors' dates, pull requests, and the lines that bear on what the model is given, found again by `git blame`.
Files that were changed and not committed are told first.

**Why it matters.** Most silent drops are a change of one's own, a few lines in the code that prepares features, made by somebody
who did not know that a model depends on them.

**Stays quiet** when both snapshots come from one commit without uncommitted changes; nothing here is sampled, so there are no
false alarms by chance. Commits that touch tests and prose alone are `ok`. A commit is ranked by what its lines say, which is a
lead and no proof: the replay of logged rows decides.

**What to do.** Read the first commits listed, beside the onset; revert the one that changed what the model is given.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from backslide.case import Case
from backslide.contracts.finding import Finding, Step
from backslide.contracts.snapshot import Repository
from backslide.playbook import scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.playbook.integrity.differences import findings


class ServingCode(Check):
    code = "INT002"
    title = "Commits between the snapshots"
    step = Step.INTEGRITY
    quick = True
    needs = (Need.SNAPSHOTS,)

    def run(self, case: Case) -> Iterable[Finding]:
        """A finding per commit, the most telling first, and one for uncommitted changes."""
        yield from findings(
            self.code, case, ("repository",), "no commit lies between the snapshots, as far as they tell"
        )

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """The second stack runs from a file that no commit holds."""
        repositories = [
            Repository(commit="4" * 40, branch="main", dirty=dirty) for dirty in ({}, {"serving/features.py": "a1b2c3"})
        ]
        quiet = scenarios.quiet(rng)
        return scenarios.stacks(quiet, "uncommitted changes", *({"repository": one} for one in repositories))
