"""What the checks of texts say about data with a known change, how often they speak where there is none, and what they quote."""

from __future__ import annotations

from functools import cache

import numpy as np
import polars as pl
import pytest
from scipy import stats
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import worlds
from backslide.contracts.evidence import Ranking, Table
from backslide.contracts.finding import Finding, Severity
from backslide.engine.columns import text_stats
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario
from backslide.playbook.drift.text import text_columns
from backslide.playbook.registry import all_checks
from backslide.stats.text.near_duplicates import clumps, signatures
from scale import runs

CODES = ("DRF009", "DRF010", "DRF011", "DRF012")
CHECKS = {check.code: check for check in all_checks()}
LOUD = Severity.WARN.rank
ALPHA = 0.01
QUIET_RUNS = runs(8, 16)


def said(
    code: str, reference: pl.DataFrame, current: pl.DataFrame, artefact: object = None, **roles
) -> dict[str, Finding]:
    """Findings of one check by subject, before false discoveries are controlled."""
    own = {role: c for role, c in scenarios.ROLES.items() if role != "timestamp" or c in reference.columns}
    case = worlds.case_of(Scenario(reference, current, own | roles, artefact))
    check = CHECKS[code]
    return {f.subject: f for f in check(check.thresholds).run(case)}


def loud(found: dict[str, Finding]) -> set[str]:
    """Subjects that stand after their own p-value is asked for."""
    return {s for s, f in found.items() if f.severity.rank >= LOUD and (f.p_value is None or f.p_value < ALPHA)}


def months(seed: int, rows: int = 900, days: bool = True, **notes) -> tuple[pl.DataFrame, pl.DataFrame]:
    rng = np.random.default_rng(seed)
    frames = [make(rng, rows=rows) for make in (scenarios.served, scenarios.next_month)]
    frames = [scenarios.with_notes(frame, rng, **notes) for frame in frames]
    if not days:
        frames = [frame.drop("served_at") for frame in frames]
    return frames[0], frames[1]


def with_days_and_clumps(frame: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """What traffic is like: every day has its own mix of topics, its own length, and a template sent by somebody in bursts."""
    parts = []
    for _, day in sorted(frame.group_by(pl.col("served_at").dt.date()), key=lambda one: one[0]):
        mix = dict(zip(scenarios.TOPICS, rng.dirichlet(np.full(len(scenarios.TOPICS), 40.0)), strict=True))
        longest = int(rng.integers(38, 48))
        own = scenarios.with_notes(day, rng, topics=mix, length=(12, longest))
        burst = min(int(rng.geometric(0.4)), own.height)
        template = "order {} was not sent to the address of the customer and has to be paid back at once please"
        sent = [template.format(int(n)) for n in rng.integers(1_000_000, size=burst)]
        notes = [*sent, *own["note"][burst:].to_list()]
        parts.append(own.with_columns(pl.Series("note", notes)))
    return pl.concat(parts)


@cache
def quiet(seed: int) -> dict[str, set[str]]:
    rng = np.random.default_rng(5_000 + seed)
    frames = [with_days_and_clumps(make(rng, rows=1_400), rng) for make in (scenarios.served, scenarios.next_month)]
    return {code: loud(said(code, *frames)) for code in CODES}


@pytest.mark.slow
@pytest.mark.rates
@pytest.mark.parametrize("code", CODES)
def test_quiet_traffic_with_days_and_clumps_is_left_alone(code):
    """At most 1 % a column: of 16 quiet pairs two or more speak once in a hundred such tests."""
    spoke = [s for s in range(QUIET_RUNS) if quiet(s)[code]]
    assert len(spoke) <= stats.binom.isf(0.01, QUIET_RUNS, ALPHA), [quiet(s)[code] for s in spoke]


@pytest.mark.parametrize("seed", range(8))
def test_the_interval_of_the_auc_holds_one_half_where_nothing_happened(seed):
    found = said("DRF010", *months(seed, rows=500, days=bool(seed % 2)))["note"].estimate
    wide = (found.high - found.low) / 2
    assert found.low - wide < 0.5 < found.high + wide
    assert wide < 0.15


def test_each_aspect_of_shape_is_told_by_itself():
    reference, current = months(1, rows=1_500)
    notes = pl.col("note")
    half = pl.Series(np.random.default_rng(2).random(current.height) < 0.4)
    german = (
        "der Hund und die Katze sind nicht mit dem Auto in das Haus gekommen, sondern zu Fuß und das ist auch gut. "
    )
    changes = {
        "note length": notes + " " + notes,
        "note empty texts": pl.when(half).then(pl.lit("")).otherwise(notes),
        "note characters": notes.str.to_uppercase(),
        "note marks of damage": pl.when(half).then(notes + " caf\u00c3\u00a9 &amp; more").otherwise(notes),
        "note language": pl.when(half).then(german + notes.str.slice(0, 20)).otherwise(notes),
        "note common beginnings or endings": pl.when(half)
        .then("For the addressee only: read. " + notes)
        .otherwise(notes),
        "note texts that come twice": pl.when(half)
        .then(pl.lit("please call me back about the claim"))
        .otherwise(notes),
        "note unknown words": pl.when(half).then(notes.str.replace_all("the", "ze")).otherwise(notes),
    }
    for subject, change in changes.items():
        found = said("DRF009", reference, current.with_columns(change.alias("note")))
        assert subject in loud(found), (subject, loud(found))
        assert found[subject].evidence
        assert found[subject].detectable is not None


def test_unknown_words_are_those_of_the_models_own_vectoriser():
    reference, current = months(3)
    model = make_pipeline(TfidfVectorizer(vocabulary=["loan", "claim", "the"]), LogisticRegression())
    model.fit(reference["note"].to_list(), reference["label"].to_list())
    found = said("DRF009", reference, current, model, features=["note"])["note unknown words"]
    assert "the model's vectoriser" in found.summary


def test_words_and_classes_that_moved_are_named():
    reference, current = months(4, rows=1_500)
    told = (current["prediction"] == "yes") & pl.Series(np.random.default_rng(1).random(current.height) < 0.6)
    note = pl.when(told).then(pl.col("note") + " tariff refund" * 2).otherwise(pl.col("note")).alias("note")
    current = current.with_columns(note, label=pl.lit(None, pl.String))
    found = said("DRF010", reference, current)["note"]
    words, classes = found.evidence
    assert isinstance(words, Ranking)
    assert any("tariff" in row.label for row in words.rows)
    assert isinstance(classes, Table)
    by_class = {row[0]: row[3] for row in classes.rows}
    assert by_class["yes"] > by_class["no"] + 0.1
    assert by_class["no"] < 0.6


def test_a_new_topic_is_shown_by_its_words_and_a_real_text():
    scenario = CHECKS["DRF011"].scenario(np.random.default_rng(2))
    found = said("DRF011", scenario.reference, scenario.current)["note"]
    assert "is new" in found.summary
    own = set(scenarios.TOPICS["health"].split())
    ranked, examples = found.evidence
    assert set(ranked.rows[0].label.split(", ")) <= own
    shown = examples.rows[0][4].rstrip("…").lower()
    assert any(text.lower().startswith(shown) for text in scenario.current["note"])
    true = np.mean([bool(own & set(t.lower().rstrip(".").split())) for t in scenario.current["note"]])
    assert found.estimate.low - 0.02 < true < found.estimate.high + 0.02


def test_old_texts_that_come_again_are_told():
    reference, current = months(5)
    again = pl.Series(np.random.default_rng(1).random(current.height) < 0.3)
    current = current.with_columns(
        pl.when(again).then(reference["note"] + " again").otherwise(pl.col("note")).alias("note")
    )
    assert loud(said("DRF012", reference, current)) == {"note old texts"}


@pytest.mark.parametrize(("changed", "alike"), [(0, True), (2, True), (30, False)])
def test_near_copies_are_texts_that_share_most_of_their_runs(changed, alike):
    rng = np.random.default_rng(6)
    words = [f"w{n}" for n in rng.integers(5_000, size=60)]
    other = list(words)
    for at in rng.choice(60, changed, replace=False):
        other[at] = "changed"
    group = clumps(signatures(pl.Series([" ".join(words), "nothing of the kind", " ".join(other), None, ""])))
    assert (group[0] == group[2]) == alike
    assert len(set(group.tolist())) == (4 if alike else 5)


def test_languages_and_scripts():
    texts = pl.Series(
        [
            "Привет, это не то что мы",
            "Der Hund und die Katze sind nicht im Haus",
            "",
            None,
            "漢字 とうきょう ひらがな",
            "12 34",
            "the cat is not in the house",
            "le chat n'est pas dans la maison et nous sommes",
            "שלום עולם",
            "مرحبا بالعالم",
            "foo bar",
        ]
    )
    told = text_stats.languages(texts, text_stats.counts(texts)["script"]).to_list()
    assert told == [
        "Russian",
        "German",
        text_stats.NO_LETTERS,
        None,
        "Kana",
        text_stats.NO_LETTERS,
        "English",
        "French",
        "Hebrew",
        "Arabic",
        text_stats.OTHER_LANGUAGE,
    ]


def test_shares_of_characters_are_those_of_unicode():
    found = text_stats.counts(pl.Series(["Aé1, ", "", None])).select(text_stats.CLASSES)
    assert found.row(0) == pytest.approx((0.4, 0.2, 0.2, 0.2, 0.2))
    assert all(np.isnan(v) for v in found.row(1))
    assert all(np.isnan(v) for v in found.row(2))


def test_what_is_quoted_is_one_visible_line():
    text = "one\ntwo\x00\u202ethree <script>" + "x" * 500
    assert text_columns.quoted(text).startswith("one two\\u0000\\u202ethree <script>xxx")
    assert len(text_columns.quoted(text)) < 200
