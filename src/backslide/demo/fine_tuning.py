"""The story of the fine-tuned model, from simulated letters to the two reports.

A legal desk sorts its letters by their text. The model is half a year old and people write of new things, so it is fitted again
on fresh labels and does better on held-out letters of the same sample. A week after it went live the reviewers feel that it is
less sure, and correct more by hand, while the dashboard shows more right answers than ever. The fresh labels held few court
filings, and the new model was held back harder than the old one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from backslide.contracts.config import Settings
from backslide.contracts.files import whole_file, write_whole
from backslide.demo.letters import KINDS, LetterPeriod, letters
from backslide.models.frame import to_pandas

if TYPE_CHECKING:
    from collections.abc import Callable

    from sklearn.pipeline import Pipeline

    from backslide.contracts.diagnosis import Diagnosis
    from backslide.contracts.shadow import Shadow

SEED = 4
PAST = LetterPeriod(date(2025, 9, 1), days=35)
FRESH = LetterPeriod(date(2026, 1, 12), days=21, new_words=0.55, filings=0.27)
REFERENCE = LetterPeriod(date(2026, 2, 2), days=28, new_words=0.55)
CURRENT = LetterPeriod(date(2026, 3, 2), days=14, new_words=0.55)

REFERENCE_FILE = "simulated_letters_reference.parquet"
CURRENT_FILE = "simulated_letters_current.parquet"
OLD_FILE = "simulated_letters_old.joblib"
NEW_FILE = "simulated_letters_new.joblib"
CONFIG_FILE = "backslide.toml"
STORY_FILE = "simulated_story.txt"
JSON_FILE = "diagnosis.json"
REPORT_FILE = "report.html"
SHADOW_FILE = "shadow.html"

STORY = """\
A simulated story: no letter, client or court in it is real.

A legal desk lets a model sort its letters by what they say. In February it was fitted again on fresh labels, did better than the
old one on letters kept back, and went live on the second of March. The dashboard shows more right answers than before. The
reviewers have a feeling all the same: the model is less sure of itself, and they correct more by hand, above all court filings.
backslide gets four weeks of the old model, two weeks of the new one, and both models."""


@dataclass(frozen=True)
class StoryResult:
    """What came out, and where it was written."""

    diagnosis: Diagnosis
    shadow: Shadow
    report: Path
    shadow_report: Path
    validation: tuple[float, float]
    """Accuracy of the old and the new model on fresh letters that were kept back."""


def run(out: Path, progress: Callable[[str], None] | None = None) -> StoryResult:
    """Play the whole story into a folder: logs, models, configuration, the diagnosis and the comparison of both models.

    Args:
        out: Folder for the files, made when missing; files of an earlier run are overwritten.
        progress: Called with a few words at each stage.
    """
    from backslide.jobs.diagnose import diagnose
    from backslide.jobs.shadow import shadow

    settings, validation = prepare(out, progress)
    diagnosis = diagnose(settings=settings, progress=progress)
    diagnosis.to_json(out / JSON_FILE)
    diagnosis.to_html(out / REPORT_FILE)
    compared = shadow(settings=settings, progress=progress)
    compared.to_html(out / SHADOW_FILE)
    return StoryResult(diagnosis, compared, out / REPORT_FILE, out / SHADOW_FILE, validation)


def prepare(out: Path, progress: Callable[[str], None] | None = None) -> tuple[Settings, tuple[float, float]]:
    """Write what the desk has at hand: two logs, two models, a configuration; and what validation said of the models."""
    import joblib

    tell = progress or (lambda _: None)
    out.mkdir(parents=True, exist_ok=True)
    tell("simulating letters and fitting the old and the new model")
    past, fresh = (letters(months, SEED).drop_nulls("kind") for months in (PAST, FRESH))
    kept_back = fresh.sample(fraction=0.25, seed=SEED)
    learned = fresh.join(kept_back, on="letter_id", how="anti")
    old, new = fit_model(past, strength=10.0), fit_model(learned, strength=0.22)
    for name, model in ((OLD_FILE, old), (NEW_FILE, new)):
        with whole_file(out / name) as part:
            joblib.dump(model, part)
    for name, model, version, months in (
        (REFERENCE_FILE, old, "letters-4", REFERENCE),
        (CURRENT_FILE, new, "letters-5", CURRENT),
    ):
        tell(f"simulating {months.days} days of served predictions")
        with whole_file(out / name) as part:
            serve(model, letters(months, SEED), version).write_parquet(part)
    write_whole(out / CONFIG_FILE, configuration())
    write_whole(out / STORY_FILE, STORY + "\n")
    validation = (accuracy(old, kept_back), accuracy(new, kept_back))
    return Settings.load(out / CONFIG_FILE), validation


def fit_model(rows: pl.DataFrame, *, strength: float) -> Pipeline:
    """Words weighed by how rare they are, and a logistic regression; ``strength`` is how far its weights may go."""
    from sklearn.compose import make_column_transformer
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    words = make_column_transformer((TfidfVectorizer(sublinear_tf=True, min_df=2), "text"))
    model = make_pipeline(words, LogisticRegression(C=strength, max_iter=300))
    return model.fit(to_pandas(rows.select("text")), rows["kind"].to_numpy())


def accuracy(model: Pipeline, rows: pl.DataFrame) -> float:
    """Share of right answers."""
    return float(np.mean(model.predict(to_pandas(rows.select("text"))) == rows["kind"].to_numpy()))


def serve(model: Pipeline, rows: pl.DataFrame, version: str) -> pl.DataFrame:
    """The letters as the prediction log holds them."""
    chance = model.predict_proba(to_pandas(rows.select("text")))
    known = [str(kind) for kind in model.classes_]
    answers = np.array(known, object)[chance.argmax(axis=1)]
    scores = {f"p_{kind}": chance[:, known.index(kind)] for kind in KINDS}
    return rows.select(
        "letter_id",
        "received_at",
        pl.lit(version).alias("model_version"),
        "text",
        pl.Series("predicted", answers, dtype=pl.String),
        *(pl.Series(name, values) for name, values in scores.items()),
        "kind",
    )


def configuration() -> str:
    """The configuration of the desk, as its owner would have written it."""
    scores = ", ".join(f'"{kind}" = "p_{kind}"' for kind in KINDS)
    return f"""\
# Simulated data of `backslide demo`: no letter, client or court in it is real.
[model]
name = "legal-desk letters (simulated)"
task = "multiclass"
label = "kind"                  # the reviewers' final word; empty until they have seen the letter
prediction = "predicted"
scores = {{ {scores} }}
timestamp = "received_at"
id = "letter_id"
version = "model_version"
metric = "accuracy"             # what the desk's dashboard shows
features = ["text"]

[windows]
reference = "{REFERENCE_FILE}"
current = "{CURRENT_FILE}"

[artifacts]
reference_model = "{OLD_FILE}"
current_model = "{NEW_FILE}"
trusted = true                  # a joblib file executes what it is given; these were written by the demo itself

[shadow]
mode = "replay"                 # both models on the letters of the current window
"""
