"""A column that holds the values of earlier rows, which no other column tells: the labels do, and the model that was saved."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.contracts.cause import CauseKind
from backslide.contracts.diagnosis import Diagnosis, Verdict
from backslide.playbook.base import Scenario
from backslide.stats.arrays import Floats
from scale import most, runs

ROWS, DAYS, SHOPS = 4000, 28, 80
ROLES = {"label": "left", "prediction": "said", "scores": {"yes": "p_yes"}, "timestamp": "at"}
ROLES |= {"features": ["queue", "price"]}
Change = Callable[[pl.DataFrame], pl.DataFrame]


class Shoppers:
    """Leaves the queue where it is long and the price is high."""

    def predict_proba(self, frame: pl.DataFrame) -> Floats:
        odds = 1.6 * np.asarray(frame["queue"], float) + 0.8 * np.asarray(frame["price"], float)
        chance = 1 / (1 + np.exp(-odds))
        return np.column_stack([1 - chance, chance])


def weeks(seed: int, first: int, world: str = "", follows: float = 0.6) -> pl.DataFrame:
    """Four weeks of visits: the queue of a shop follows the one of its last visit, and goes with no other column."""
    rng = np.random.default_rng(seed)
    shop = rng.integers(0, SHOPS, ROWS)
    queue = rng.normal(size=ROWS)
    last: dict[int, float] = {}
    for row, one in enumerate(shop):
        before = last.get(int(one), float(rng.normal()))
        queue[row] = last[int(one)] = follows * before + np.sqrt(1 - follows**2) * queue[row]
    price = rng.normal(size=ROWS)
    day = np.sort(rng.integers(0, DAYS, ROWS))
    weight = {"relation ended": 0.0, "relation turned": -1.6, "relation weaker": 0.6, "easier": 3.0}.get(world, 1.6)
    if world == "moved":
        queue = queue * 1.3 + 0.6
    odds = weight * queue + 0.8 * price + rng.normal(0, 0.3, DAYS)[day]
    if world == "turned in one shop of four":
        odds = np.where(shop % 4 == 0, odds - 3.2 * queue, odds)
    left = rng.random(ROWS) < 1 / (1 + np.exp(-odds))
    if world == "labels":
        left ^= rng.random(ROWS) < 0.2
    at = [datetime(2026, 3, 1) + timedelta(days=first + int(d), seconds=s) for s, d in enumerate(day)]
    return pl.DataFrame(
        {"at": at, "shop": shop + 1000, "host": rng.choice(["a", "b", "c"], ROWS), "queue": queue, "price": price}
    ).with_columns(pl.Series("left", np.where(left, "yes", "no")))


def served(frame: pl.DataFrame) -> pl.DataFrame:
    chance = Shoppers().predict_proba(frame)[:, 1]
    return frame.with_columns(p_yes=pl.Series(chance), said=pl.Series(np.where(chance >= 0.5, "yes", "no")))


def found(change: Change, seed: int = 1, world: str = "", follows: float = 0.6, *, artefact: bool = True) -> Diagnosis:
    reference, current = weeks(seed, 0, follows=follows), change(weeks(seed + 500, DAYS, world, follows))
    return worlds.causes_of(Scenario(served(reference), served(current), ROLES, Shoppers() if artefact else None))


def late(of: str, where: pl.Expr | None = None, column: str = "queue") -> Change:
    """The column of the row before with the same value of ``of``."""
    value = pl.col(column).shift(1).over(of).fill_null(pl.col(column))
    return lambda f: f.with_columns(
        (value if where is None else pl.when(where).then(value).otherwise(column)).alias(column)
    )


@pytest.mark.parametrize("artefact", [True, False])
def test_the_value_of_the_last_visit_to_the_same_shop_which_is_no_feature(artefact: bool) -> None:
    diagnosis = found(late("shop"), artefact=artefact)
    cause = diagnosis.causes[0]
    assert (cause.kind, cause.features, cause.segment) == (CauseKind.STALE_VALUES, ("queue",), None)
    assert "those of the last row with the same shop" in cause.summary
    sound, broken = served(weeks(501, DAYS)), served(late("shop")(weeks(501, DAYS)))
    lost = worlds.accuracy(broken.rename({"left": "label", "said": "prediction"})) - worlds.accuracy(
        sound.rename({"left": "label", "said": "prediction"})
    )
    assert cause.points is not None
    assert cause.points.low is not None
    assert cause.points.high is not None
    assert cause.points.low - 0.01 <= lost <= cause.points.high + 0.01


def test_from_a_day_on_and_on_one_host_alone() -> None:
    cause = found(late("shop", pl.col("at") >= datetime(2026, 4, 10))).causes[0]
    assert (cause.kind, cause.features) == (CauseKind.STALE_VALUES, ("queue",))
    assert cause.segment == "at >= DATE '2026-04-10'"
    cause = found(late("shop", pl.col("host") == "b")).causes[0]
    assert (cause.kind, cause.features, cause.segment) == (CauseKind.STALE_VALUES, ("queue",), "host = 'b'")


def test_rows_in_no_order_hold_values_of_other_rows() -> None:
    """Nothing follows anything, so nothing is stale."""
    slipped: Change = lambda f: f.with_columns(pl.col("queue").shift(3).backward_fill())  # noqa: E731
    cause = found(slipped, follows=0.0).causes[0]
    assert (cause.kind, cause.features) == (CauseKind.BROKEN_JOIN, ("queue",))
    assert "3 rows late" in cause.summary or "3 places before" in cause.summary


def test_two_columns_of_one_late_table_are_one_cause() -> None:
    """The third, which the model leans on too, is in its own rows."""
    both: Change = lambda f: late("shop", column="price")(late("shop")(f))  # noqa: E731
    frames = [weeks(3, 0), both(weeks(503, DAYS))]
    rng = np.random.default_rng(3)
    frames = [frame.with_columns(stock=pl.Series(rng.normal(size=frame.height))) for frame in frames]
    truth = [frames[0], weeks(503, DAYS).with_columns(frames[1]["stock"])]

    class Stocked(Shoppers):
        def predict_proba(self, frame: pl.DataFrame) -> Floats:
            plain = super().predict_proba(frame)[:, 1]
            odds = np.log(plain / (1 - plain)) + 1.2 * np.asarray(frame["stock"], float)
            chance = 1 / (1 + np.exp(-odds))
            return np.column_stack([1 - chance, chance])

    made = []
    for frame, true in zip(frames, truth, strict=True):
        left = np.where(rng.random(ROWS) < Stocked().predict_proba(true)[:, 1], "yes", "no")
        chance = Stocked().predict_proba(frame)[:, 1]
        said = np.where(chance >= 0.5, "yes", "no")
        made.append(frame.with_columns(left=pl.Series(left), p_yes=pl.Series(chance), said=pl.Series(said)))
    roles = ROLES | {"features": ["queue", "price", "stock"]}
    cause = worlds.causes_of(Scenario(made[0], made[1], roles, Stocked())).causes[0]
    assert (cause.kind, set(cause.features)) == (CauseKind.STALE_VALUES, {"queue", "price"})


def test_labels_of_the_next_visit_are_no_late_columns() -> None:
    """Every column of a shop gains by the same, so nothing says that they are late."""
    diagnosis = found(lambda f: f.with_columns(pl.col("left").shift(-1).over("shop").fill_null(pl.col("left"))))
    assert not any(c.kind == CauseKind.STALE_VALUES for c in diagnosis.causes)


def test_rows_that_are_logged_in_no_order_are_looked_up_by_their_times() -> None:
    reference, current = served(weeks(1, 0)), served(late("shop")(weeks(501, DAYS)))
    mixed = [frame.sample(fraction=1.0, shuffle=True, seed=3) for frame in (reference, current)]
    cause = worlds.causes_of(Scenario(mixed[0], mixed[1], ROLES, Shoppers())).causes[0]
    assert (cause.kind, cause.features) == (CauseKind.STALE_VALUES, ("queue",))


def test_beside_another_unit_a_column_is_late_all_the_same() -> None:
    diagnosis = found(lambda f: late("shop")(f).with_columns(price=pl.col("price") * 100))
    assert {(c.kind, c.features) for c in diagnosis.causes} >= {
        (CauseKind.STALE_VALUES, ("queue",)),
        (CauseKind.UNIT_CHANGE, ("price",)),
    }


def hours(seed: int, first: int, earlier: int) -> pl.DataFrame:
    """Four months of hours with a daily cycle; outcomes follow the cycle of some hours ``earlier``."""
    rng, n = np.random.default_rng(seed), 24 * 120
    at = np.arange(n) % 24
    own = np.zeros(n)
    for i in range(1, n):
        own[i] = 0.9 * own[i - 1] + np.sqrt(1 - 0.81) * rng.normal()

    def cycle(shift: int) -> Floats:
        return 1.5 * np.sin(2 * np.pi * (at + shift - 9) / 24) + 0.7 * np.sin(4 * np.pi * (at + shift - 9) / 24)

    price = rng.normal(size=n)
    odds = 1.6 * (cycle(earlier) + 0.5 * own) + 0.8 * price
    left = np.where(rng.random(n) < 1 / (1 + np.exp(-odds)), "yes", "no")
    time = [datetime(2026, 1, 1) + timedelta(hours=first + i) for i in range(n)]
    return pl.DataFrame({"at": time, "queue": cycle(0) + 0.5 * own, "price": price, "left": left})


def test_a_relation_that_turned_in_a_column_that_goes_to_and_fro_is_no_join() -> None:
    frames = []
    for seed, first, weight in ((50, 0, 1.6), (550, DAYS, -1.6)):
        frame, rng = weeks(seed, first), np.random.default_rng(seed)
        drawn, queue = rng.normal(size=ROWS), np.zeros(ROWS)
        for i in range(1, ROWS):
            queue[i] = -0.9 * queue[i - 1] + np.sqrt(1 - 0.81) * drawn[i]
        skewed = np.exp(0.8 * queue) - 1.2
        odds = weight * skewed + 0.8 * frame["price"].to_numpy()
        left = np.where(rng.random(ROWS) < 1 / (1 + np.exp(-odds)), "yes", "no")
        frames.append(served(frame.with_columns(queue=pl.Series(skewed), left=pl.Series(left))))
    causes = worlds.causes_of(Scenario(frames[0], frames[1], ROLES, Shoppers())).causes
    assert not any(c.kind in (CauseKind.BROKEN_JOIN, CauseKind.STALE_VALUES) for c in causes)


@pytest.mark.parametrize("earlier", [1, 3])
def test_outcomes_that_come_some_hours_earlier_make_no_column_late(earlier: int) -> None:
    for seed in range(30, 30 + runs(2, 12)):
        frames = served(hours(seed, 0, 0)), served(hours(seed + 500, 24 * 120, earlier))
        diagnosis = worlds.causes_of(Scenario(*frames, ROLES, Shoppers()))
        assert not any(c.kind == CauseKind.STALE_VALUES for c in diagnosis.causes)


def test_a_column_that_is_some_hours_late_is_told_in_spite_of_its_cycle() -> None:
    frames = (
        served(hours(40, 0, 0)),
        served(hours(540, 24 * 120, 0).with_columns(pl.col("queue").shift(3).backward_fill())),
    )
    cause = worlds.causes_of(Scenario(*frames, ROLES, Shoppers())).causes[0]
    assert (cause.kind, cause.features) == (CauseKind.STALE_VALUES, ("queue",))


def test_a_world_that_became_easier_hides_no_late_column() -> None:
    """The queue says more of the outcome than it did, so that accuracy hardly falls; it would have risen."""
    diagnosis = found(late("shop"), 4, "easier")
    assert any(c.kind == CauseKind.STALE_VALUES for c in (*diagnosis.causes, *diagnosis.harmless))


WORLDS = ["", "relation ended", "relation turned", "relation weaker", "moved", "turned in one shop of four", "labels"]


@pytest.mark.parametrize("world", WORLDS)
def test_no_column_is_late_because_the_world_changed(world: str) -> None:
    """At most 2 % where nothing is late, whatever else the world does."""
    seeds = range(20, 20 + runs(3, 24))
    accused = 0
    for seed in seeds:
        diagnosis = found(lambda f: f, seed, world)
        named = [c for c in (*diagnosis.causes, *diagnosis.harmless) if c.kind == CauseKind.STALE_VALUES]
        accused += bool(named)
        assert world or diagnosis.verdict != Verdict.DEGRADED
    assert accused <= most(len(seeds), 0.02)
