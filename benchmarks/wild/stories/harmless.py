"""Changes that cost nothing: no data fault may be named after them."""

from __future__ import annotations

import polars as pl

from faults.pipelines import PREDICTION
from wild.incident import ALL, Incident, Rng, Setting, anything, has_quantity, is_classification, story
from wild.stories.answers import _by

DIGITS = 3
LAST_BIT = 1e-9


@story(needs=has_quantity, portions=(ALL,))
def stored_as_float32(setting: Setting, rng: Rng) -> Incident | None:
    """Half the memory."""
    floats = [c for c in setting.data.numbers() if setting.rows[c].dtype == pl.Float64]
    if not floats:
        return None
    return Incident(
        "float32", inputs=lambda rows, _: rows.with_columns(pl.col(floats).cast(pl.Float32)), subject="kind"
    )


@story(needs=anything, portions=(ALL,), slow=True)
def trained_again_alike(setting: Setting, rng: Rng) -> Incident | None:
    """The same recipe on the same rows in another order and with another seed."""
    train = setting.world.train
    successor = setting.world.fit(train[rng.permutation(train.height)], seed=int(rng.integers(1000)))
    return Incident(
        "the same recipe, another seed", answers=_by(setting, successor), artefact=successor, subject="kind"
    )


@story(needs=anything, portions=(ALL,))
def newer_library(setting: Setting, rng: Rng) -> Incident | None:
    """Sums in another order: the last digits of the answers differ."""
    told = [c for c in setting.rows.columns if c.startswith("p_")] or [PREDICTION]

    def answers(served: pl.DataFrame, chance: Rng) -> pl.DataFrame:
        return served.with_columns(
            (pl.col(c) * (1 + pl.Series(chance.normal(0, LAST_BIT, served.height)))).clip(
                None if c == PREDICTION else 0, None if c == PREDICTION else 1
            )
            for c in told
        )

    return Incident("last digits", answers=answers, subject="kind")


@story(needs=is_classification, portions=(ALL,))
def rounded_scores(setting: Setting, rng: Rng) -> Incident | None:
    """Scores are logged with three digits."""
    told = [c for c in setting.rows.columns if c.startswith("p_")]
    return Incident(f"{DIGITS} digits", answers=lambda s, _: s.with_columns(pl.col(told).round(DIGITS)), subject="kind")
