"""The story of a silent drop, from the first simulated document to the report.

A legal desk sorts its mail with a model. One Monday the text reader is updated and from then on reports its confidence
from 0 to 1 where it used to report percent. Nothing crashes. To the model every document now looks like a scan that
can hardly be read, so it trusts every clue a little less, and it has learned that bad scans are seldom court filings.
In the same weeks more mail comes by e-mail, which is easier to read and hides part of the damage in the total.
The detector is told none of this: it gets the two windows, the saved model and an ordinary configuration.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from backslide.contracts.config import Settings
from backslide.contracts.files import whole_file, write_whole
from backslide.demo.desk import serve, train
from backslide.demo.simulate import CLASSES, FEATURES, SimulatedPeriod, documents

if TYPE_CHECKING:
    from collections.abc import Callable

    from backslide.contracts.diagnosis import Diagnosis

SEED = 6
TRAINING = SimulatedPeriod(date(2025, 9, 29), days=112)
REFERENCE = SimulatedPeriod(date(2026, 2, 2), days=42)
CURRENT = SimulatedPeriod(date(2026, 3, 16), days=21, email_growth=2.5, ocr_as_fraction=True)

REFERENCE_FILE = "simulated_reference.parquet"
CURRENT_FILE = "simulated_current.parquet"
MODEL_FILE = "simulated_model.joblib"
CONFIG_FILE = "backslide.toml"
STORY_FILE = "simulated_story.txt"
JSON_FILE = "diagnosis.json"
REPORT_FILE = "report.html"

STORY = """\
A simulated story: no document, client or court in it is real.

A legal desk lets a model sort its incoming mail into complaints, contracts, court filings, invoices and the rest.
For three weeks the reviewers have had a feeling: the model is less sure of itself, and court filings, the papers with
deadlines, turn up in other piles. The dashboard shows an accuracy close to what it always was. Nothing has crashed.
backslide gets six good weeks, the three doubtful ones and the saved model, and nothing else."""
"""What the people at the desk know before the diagnosis; the cause is left to be found."""


def run(out: Path, progress: Callable[[str], None] | None = None) -> tuple[Diagnosis, Path]:
    """Play the whole story into a folder: logs, model, configuration, diagnosis and report.

    Args:
        out: Folder for the files, made when missing; files of an earlier run are overwritten.
        progress: Called with a few words at each stage.

    Returns:
        The diagnosis, and the path of its HTML report.
    """
    from backslide.jobs.diagnose import diagnose

    settings = prepare(out, progress)
    diagnosis = diagnose(settings=settings, progress=progress)
    diagnosis.to_json(out / JSON_FILE)
    diagnosis.to_html(out / REPORT_FILE)
    return diagnosis, out / REPORT_FILE


def prepare(out: Path, progress: Callable[[str], None] | None = None) -> Settings:
    """Write everything that a real desk would have at hand before it asks why: two logs, a model, a configuration."""
    import joblib

    tell = progress or (lambda _: None)
    out.mkdir(parents=True, exist_ok=True)
    tell("simulating earlier months and training the desk's model")
    model = train(documents(TRAINING, SEED))
    with whole_file(out / MODEL_FILE) as part:
        joblib.dump(model, part)
    for name, period in ((REFERENCE_FILE, REFERENCE), (CURRENT_FILE, CURRENT)):
        tell(f"simulating {period.days} days of served predictions")
        served, last = serve(model, documents(period, SEED)), "category"
        first = (
            "document_id",
            "received_at",
            "model_version",
        )  # who and when first, then inputs and answer, last the truth
        with whole_file(out / name) as part:
            served.select(*first, pl.exclude(*first, last), last).write_parquet(part)
    write_whole(out / STORY_FILE, STORY + "\n")
    write_whole(out / CONFIG_FILE, configuration())
    return Settings.load(out / CONFIG_FILE)


def configuration() -> str:
    """The backslide.toml of the desk, as its owner would have written it."""
    scores = ", ".join(f'"{name}" = "p_{name}"' for name in CLASSES)
    features = "\n".join(f'    "{name}",' for name in FEATURES)
    return f"""\
# Simulated data of `backslide demo`: no document, client or court in it is real.
[model]
name = "legal-desk triage (simulated)"
task = "multiclass"
label = "category"              # the reviewers' final word; empty until they have seen the document
prediction = "predicted"
scores = {{ {scores} }}
timestamp = "received_at"
id = "document_id"
version = "model_version"
metric = "accuracy"             # what the desk's dashboard shows
features = [
{features}
]

[windows]
reference = "{REFERENCE_FILE}"
current = "{CURRENT_FILE}"

[artifacts]
reference_model = "{MODEL_FILE}"
trusted = true                  # a joblib file executes what it is given; this one was written by the demo itself
"""
