"""Do other libraries or settings serve than before?

Compares the interpreter, the machine, every installed distribution, environment variables and configuration files of two
snapshots. Settings are compared by salted digest; values are shown only where their names were allowed.

**Why it matters.** An upgrade of a library that the model is made of, a threshold in a configuration file or another locale
changes answers without any file of the model being touched, and no monitor of inputs sees it.

**Stays quiet** when nothing differs: nothing here is sampled, so two snapshots of one stack never disagree (no false alarms by
chance). Libraries that the model does not import are listed as `ok`; the distance of versions decides about the others, and
where both snapshots hold the same golden rows, equal answers settle that a library is harmless and other answers by the same
artefact prove that it is not.

**What to do.** Pin the library to the version that the model was trained with, or restore the value; take a snapshot with every
deploy, and compare before traffic moves.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from backslide.case import Case
from backslide.contracts.finding import Finding, Step
from backslide.contracts.snapshot import Environment
from backslide.playbook import scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.playbook.integrity.differences import findings


class StackEnvironment(Check):
    code = "INT001"
    title = "Libraries and settings"
    step = Step.INTEGRITY
    quick = True
    needs = (Need.SNAPSHOTS,)

    def run(self, case: Case) -> Iterable[Finding]:
        """A finding per library, variable and file that differs."""
        same = "libraries, variables and files are the same in both snapshots"
        yield from findings(self.code, case, ("environment", "variables", "files"), same)

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """scikit-learn is a major version further."""
        environments = [
            Environment(
                **scenarios.ENVIRONMENT,
                distributions={"scikit-learn": version, "numpy": "2.1.0"},
                imported=("scikit-learn",),
                needed=("numpy",),
            )
            for version in ("1.5.2", "2.0.0")
        ]
        return scenarios.stacks(scenarios.quiet(rng), "scikit-learn", *({"environment": one} for one in environments))
