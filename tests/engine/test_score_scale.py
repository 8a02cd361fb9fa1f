"""The unit of scores: what is right, what is refused in one line, and what is converted and handed on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from backslide.contracts.config import Settings
from backslide.contracts.errors import LabelError
from backslide.engine.columns import names
from backslide.engine.roles.score_scale import AlteredScores, as_probabilities, read_scores, with_threshold

ROWS = 600
Change = Callable[[pl.Expr], pl.Expr]


def scores(seed: int, columns: int = 1, rows: int = ROWS, base: float = 0.0) -> pl.DataFrame:
    """Probabilities of one class (``s0``), or of several that sum to 1."""
    rng = np.random.default_rng(seed)
    if columns == 1:
        return pl.DataFrame({"s0": 1 / (1 + np.exp(-base - 2 * rng.normal(size=rows)))})
    evidence = np.exp(2 * rng.normal(size=(rows, columns)))
    table = evidence / evidence.sum(axis=1, keepdims=True)
    return pl.DataFrame({f"s{k}": table[:, k] for k in range(columns)})


def changed(frame: pl.DataFrame, change: Change) -> pl.DataFrame:
    return frame.with_columns(change(pl.col(c)).alias(c) for c in frame.columns)


def read(
    reference: pl.DataFrame, current: pl.DataFrame, declared: str | None = None
) -> tuple[dict[str, pl.DataFrame], tuple[AlteredScores, ...], list[str], list[str]]:
    """Both windows as read, what was altered, notes and warnings."""
    frames = {"reference": reference, "current": current}
    model = {"label": "y", "scores": {f"class {c}": c for c in reference.columns}}
    settings = Settings.from_dict({"model": model | ({"scores_are": declared} if declared else {})})
    raw = {name: (frame.lazy(), name) for name, frame in frames.items()}
    notes: list[str] = []
    warnings: list[str] = []
    altered = read_scores(raw, {n: dict(f.schema) for n, f in frames.items()}, settings, notes, warnings)
    return {name: frame.collect() for name, (frame, _) in raw.items()}, altered, notes, warnings


def same(one: pl.DataFrame, other: pl.DataFrame, tolerance: float = 1e-9) -> bool:
    return bool(np.allclose(one.select(other.columns).to_numpy(), other.to_numpy(), atol=tolerance, equal_nan=True))


def as_is(s: pl.Expr) -> pl.Expr:
    return s


def times(factor: float) -> Change:
    return lambda s: s * factor


def logit(s: pl.Expr) -> pl.Expr:
    return (s / (1 - s)).log()


def log(s: pl.Expr) -> pl.Expr:
    return s.log()


REFUSED = [
    (1, times(100), "reaches 99"),
    (1, times(100), "divide by 100"),
    (1, times(100), 'scores_are = "percent"'),
    (1, times(1000), "convert them to probabilities"),
    (1, times(5), "percents: divide by 100"),
    (1, logit, "apply the sigmoid"),
    (1, logit, 'scores_are = "logit"'),
    (1, lambda s: 2 * s - 1, "runs from −"),
    (2, times(100), "divide by 100"),
    (3, times(100), "divide by 100"),
    (3, times(5), "convert them to probabilities"),
    (3, log, "softmax"),
    (3, logit, 'scores_are = "logit"'),
    (15, times(100), "divide by 100"),
]


@pytest.mark.parametrize(("columns", "change", "words"), REFUSED)
def test_another_unit_in_both_windows_is_refused_with_the_conversion(columns, change, words):
    with pytest.raises(LabelError) as caught:
        read(changed(scores(1, columns), change), changed(scores(2, columns), change))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "'s0'" in str(caught.value)


ONE_WINDOW = [
    (1, times(100), "divide by 100"),
    (1, times(10), "divide by 10"),
    (1, times(255), "divide by 255"),
    (1, times(1000), "divide by 1000"),
    (1, times(0.01), "multiply by 100"),
    (1, logit, "apply the sigmoid"),
    (2, times(100), "divide by 100"),
    (2, times(0.5), "divide by 0.5"),
    (3, times(100), "divide by 100"),
    (3, times(7), "divide by 7"),
    (3, log, "apply the softmax"),
    (4, times(1000), "divide by 1000"),
]


@pytest.mark.parametrize("window", ["reference", "current"])
@pytest.mark.parametrize(("columns", "change", "undo"), ONE_WINDOW)
def test_another_unit_in_one_window_is_converted_and_handed_on(columns, change, undo, window):
    truth = {"reference": scores(1, columns), "current": scores(2, columns)}
    given = {name: changed(frame, change) if name == window else frame for name, frame in truth.items()}
    frames, altered, _, warnings = read(**given)
    assert [(one.window, one.undo, one.every_row) for one in altered] == [(window, undo, True)]
    assert altered[0].columns == tuple(truth["reference"].columns)
    assert warnings == [altered[0].warning]
    assert all(same(frames[name], truth[name], 1e-6) for name in truth)


def test_two_log_odds_that_mirror_each_other_are_read_by_the_sigmoid():
    truth = scores(2, 2)
    mirrored = truth.with_columns(s0=logit(pl.col("s0")), s1=-logit(pl.col("s0")))
    frames, altered, _, _ = read(scores(1, 2), mirrored)
    assert len(altered) == 1
    assert same(frames["current"], truth, 1e-9)


def test_percents_of_scores_that_fell_are_percents_on_every_row():
    """Few of them are above 1 at all; were the others probabilities, many would lie between one half and 1."""
    before = scores(1)
    after = scores(2, base=-6.0)
    read_as, (altered,), _, warnings = read(before, changed(after, lambda s: s * 100))
    assert altered.every_row
    assert np.allclose(read_as["current"]["s0"], after["s0"])
    assert "are converted (divide by 100)" in warnings[0]
    assert "rows that stay" not in warnings[0]


def test_some_rows_in_percent_are_converted_alone_and_marked():
    truth = scores(2)
    hit = pl.int_range(pl.len()) % 3 == 0
    given = truth.with_columns(s0=pl.when(hit).then(pl.col("s0") * 100).otherwise(pl.col("s0")))
    frames, altered, _, _ = read(scores(1), given)
    assert not altered[0].every_row
    assert altered[0].share == pytest.approx(1 / 3, abs=0.02)
    marked = frames["current"][names.CONVERTED]
    assert marked.sum() >= 0.95 * ROWS / 3
    assert same(frames["current"].filter(marked), truth.filter(marked))


DECLARED = [(1, "percent", times(100)), (3, "percent", times(100)), (1, "logit", logit), (3, "logit", log)]


@pytest.mark.parametrize(("columns", "unit", "change"), DECLARED)
def test_a_declared_unit_is_converted_and_said(columns, unit, change):
    truth = scores(1, columns), scores(2, columns)
    frames, altered, notes, warnings = read(*(changed(frame, change) for frame in truth), declared=unit)
    assert not altered
    assert not warnings
    assert "as [model] scores_are says" in notes[-1]
    assert same(frames["reference"], truth[0])
    assert same(frames["current"], truth[1])


def test_a_declared_unit_that_one_window_lacks_is_a_change():
    frames, altered, _, _ = read(changed(scores(1), times(100)), scores(2), declared="percent")
    assert (altered[0].window, altered[0].undo) == ("current", "write them as percents again")
    assert same(frames["reference"], scores(1))
    assert same(frames["current"], scores(2))


@pytest.mark.parametrize("unit", ["percent", "logit"])
def test_a_declared_unit_that_neither_window_has_is_refused(unit):
    with pytest.raises(LabelError, match="stays within 0 to 1"):
        read(scores(1), scores(2), declared=unit)


def test_two_other_units_are_refused():
    with pytest.raises(LabelError, match=r"percents in the reference window .* log odds in the current window"):
        read(changed(scores(1), times(100)), changed(scores(2), logit))


def test_columns_in_different_units_are_refused():
    odd = scores(2, 3).with_columns(pl.col("s0") * 100)
    with pytest.raises(LabelError, match="do not have one unit"):
        read(scores(1, 3), odd)


@pytest.mark.parametrize("value", [1.0000001, 1.0004, -1e-9])
def test_what_rounding_explains_is_clipped_and_counted(value):
    given = scores(2).with_columns(s0=pl.when(pl.int_range(pl.len()) < 7).then(value).otherwise("s0"))
    frames, altered, notes, _ = read(scores(1), given)
    assert not altered
    assert "7 rows of the current window" in notes[0]
    assert "read as 0 or 1" in notes[0]
    assert frames["current"]["s0"].is_between(0, 1).all()


@pytest.mark.parametrize("kind", [pl.Float32, pl.Float64])
def test_single_precision_needs_no_word(kind):
    made = [changed(scores(seed, 3), lambda s: s.cast(kind)) for seed in (1, 2)]
    assert read(*made)[1:] == ((), [], [])


MARKS = [
    (5, -1.0, "notes"),
    (5, 999.0, "notes"),
    (60, -1.0, "warnings"),
    (300, -999.0, "warnings"),
    (60, 1e9, "warnings"),
]


@pytest.mark.parametrize(("rows", "value", "where"), MARKS)
def test_marks_for_missing_scores_are_left_out_and_counted(rows, value, where):
    given = scores(2).with_columns(s0=pl.when(pl.int_range(pl.len()) < rows).then(value).otherwise("s0"))
    frames, altered, notes, warnings = read(scores(1), given)
    assert not altered
    said = {"notes": notes, "warnings": warnings}[where]
    assert said[0].startswith(f"{rows} rows of the current window")
    assert "left out" in said[0]
    assert frames["current"]["s0"].null_count() == rows


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_missing_scores_are_counted(value):
    given = scores(2).with_columns(
        s0=pl.when(pl.int_range(pl.len()) < 9).then(pl.lit(value, dtype=pl.Float64)).otherwise("s0")
    )
    _, altered, notes, _ = read(scores(1), given)
    assert not altered
    assert notes[0].startswith("9 rows of the current window have no readable scores")
    assert ("infinite" in notes[0]) == (value == float("inf"))


def test_the_percents_of_a_rare_class_are_refused_though_most_are_below_one():
    rare = [changed(scores(seed, rows=20_000, base=-8.5), times(100)) for seed in (1, 2)]
    assert 0.001 < float((rare[0]["s0"] > 1).mean()) < 0.2
    with pytest.raises(LabelError, match="percent"):
        read(*rare)


def test_one_score_per_class_that_does_not_sum_to_one_is_legal_and_said():
    each = [changed(scores(seed, 3), lambda s: s.sqrt()) for seed in (1, 2)]
    frames, altered, notes, warnings = read(*each)
    assert not altered
    assert not warnings
    assert "do not sum to 1" in notes[0]
    assert same(frames["current"], each[1])


def test_sums_that_are_lost_in_one_window_are_a_change():
    frames, altered, _, _ = read(scores(1, 3), changed(scores(2, 3), lambda s: s.sqrt()))
    assert [one.window for one in altered] == ["current"]
    assert "do not sum to 1" in altered[0].seen
    assert same(frames["current"], changed(scores(2, 3), lambda s: s.sqrt()))


def test_two_hundred_quiet_pairs_pass_without_a_word():
    rng = np.random.default_rng(0)
    for draw in range(200):
        rows, columns = int(rng.integers(30, 900)), int(rng.integers(1, 5))
        base = float(rng.uniform(-6, 3)) if columns == 1 else 0.0
        pair = [scores(int(rng.integers(1 << 30)), columns, rows, base + float(rng.normal(0, 0.3))) for _ in range(2)]
        frames, altered, notes, warnings = read(*pair)
        assert (altered, notes, warnings) == ((), [], []), (draw, rows, columns, base)
        assert frames["current"].equals(pair[1])


@pytest.mark.parametrize(("unit", "given", "read_as"), [("percent", 30.0, 0.3), ("logit", 0.0, 0.5), (None, 0.4, 0.4)])
def test_the_threshold_is_in_the_unit_of_the_scores(unit, given, read_as):
    model = {"threshold": given} | ({"scores_are": unit} if unit else {})
    settings = Settings.from_dict({"model": model})
    assert with_threshold(settings).model.threshold == pytest.approx(read_as)
    assert as_probabilities(settings).model.scores_are is None


def test_a_threshold_outside_the_unit_is_refused():
    with pytest.raises(LabelError, match="expected a share from 0 to 1"):
        with_threshold(Settings.from_dict({"model": {"threshold": 50}}))
