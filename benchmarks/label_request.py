"""Inconclusive verdicts on real rows, for want of labels: how many labels decide them, and rightly?

python benchmarks/label_request.py --data FOLDER     labels that decide, and rightly
python benchmarks/label_request.py --quiet PAIRS     how often labels of pairs without a change call one degraded, and how often
                                                     one whose change just matters is called none

A model learns from the first quarter of each set. Later stretches are current windows whose labels are withheld: as they came
(natural drift and quiet ones), or with a relation that broke (labels of part of the rows exchanged, or another error added). The
request is answered with the true labels, again and again while it asks for more. The truth is the verdict-free change with every
label. Beside it the same, with a draw of equal chances that expects nothing of a row.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from scipy import stats
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from backslide.case import Case
from backslide.contracts.config import Settings
from backslide.contracts.diagnosis import Verdict
from backslide.engine.window import open_windows
from backslide.jobs.label_request import LabelDraw, ReturnedLabels
from backslide.jobs.verdict import headline_verdict
from backslide.stats.change import label_design
from backslide.stats.change.label_design import RowExpectation
from backslide.stats.change.label_plan import SOME_POWER, DrawPlanner
from backslide.stats.change.metric_change import VERDICT_ALPHA, Change, change_of
from backslide.stats.metrics.metric import METRICS
from measure import machine, table

SETS = {
    "electricity": ("price_change", "timestamp", ("nsw_price", "vic_price")),
    "bank_marketing": ("subscribed", "contact_date", ("call_duration_s", "month")),
    "census_employment_ma": ("employed", None, ("prediction", "predicted_probability", "year", "period")),
    "bike_sharing_hourly": ("count", "timestamp", ("casual", "registered", "month", "season")),
    "green_taxi_fares": (
        "fare_amount",
        "pickup_time",
        ("total_amount", "tip_amount", "extra", "mta_tax", "improvement_surcharge"),
    ),
}
"""Set -> label, time, columns that give the label away."""
MOST_ROWS = 60_000
STRETCHES = 6
BREAKS = (0.0, 0.1)
"""Share of the rows whose outcome is made another."""
MOST_LOOKS = 14
LEVEL, ROWS, MIN_EFFECT = 0.8, 6_000, 0.01
"""Of the pairs without a change: accuracy, current rows, smallest change that matters."""
DRAWS = 20
"""Times that each case is asked for with other rows: which ones are drawn decides much of what a case costs."""


@dataclass(frozen=True)
class Trial:
    """One case and draw."""

    name: str
    draw: int
    harm: float
    """True, in units of what matters."""
    verdicts: tuple[Verdict, Verdict]
    """By the request, and by equal chances."""
    rows: tuple[int, int]
    """Labels it took."""
    fixed: int
    """Labels of a draw of equal chances that is to show the smallest change that matters, whatever comes."""
    looks: int
    covered: int
    """Looks whose interval, of what the draw leaves open, holds the change by every label."""
    right: tuple[bool, bool]

    @property
    def even(self) -> bool:
        """Whether the stretch is one of the second, fourth and sixth, at which nobody looked when sizes were chosen."""
        return int(self.name.split(",")[0].rsplit(" ", 1)[1]) % 2 == 0


def served(folder: Path, name: str) -> tuple[pl.DataFrame, str, bool]:
    """Rows after the first quarter with the answers of a model of that quarter, in order of time."""
    label, time, away = SETS[name]
    frame = pl.read_parquet(folder / f"{name}.parquet")[-MOST_ROWS:]
    inputs = frame.drop([c for c in (label, time, "id", *away) if c is not None and c in frame.columns])
    codes = [
        pl.col(c).cast(pl.String).cast(pl.Categorical).to_physical()
        for c in inputs.columns
        if not inputs[c].dtype.is_numeric()
    ]
    x = inputs.with_columns(codes).cast(pl.Float64).to_numpy()
    y, cut = frame[label].to_numpy(), frame.height // 4
    number = frame[label].dtype.is_float() or frame[label].n_unique() > 20
    model = (HistGradientBoostingRegressor if number else HistGradientBoostingClassifier)(random_state=0).fit(
        x[:cut], y[:cut]
    )
    later = frame[cut:]
    out = pl.DataFrame({"id": [f"r{i}" for i in range(later.height)], "x": x[cut:, 0]})
    if time is not None:
        out = out.with_columns(at=later[time])
    out = out.with_columns(label=later[label] if number else later[label].cast(pl.String))
    if number:
        return out.with_columns(prediction=pl.Series(model.predict(x[cut:]))), label, True
    scores = model.predict_proba(x[cut:])
    texts = [str(c) for c in model.classes_]
    out = out.with_columns(prediction=pl.Series([texts[i] for i in scores.argmax(1)]))
    return out.with_columns(pl.Series(f"p_{text}", scores[:, i]) for i, text in enumerate(texts)), label, False


def broken(rows: pl.DataFrame, share: float, number: bool, rng: np.random.Generator) -> pl.DataFrame:
    """Rows of which a share has another outcome."""
    if not share:
        return rows
    hit = rng.random(rows.height) < share
    if number:
        return rows.with_columns(label=pl.col("label") + pl.Series(hit * rows["label"].std()))
    other = rows["label"].sample(fraction=1.0, shuffle=True, seed=1)
    return rows.with_columns(label=pl.when(pl.Series(hit)).then(other).otherwise("label"))


def windows(folder: Path) -> Iterator[tuple[str, pl.DataFrame, pl.DataFrame, Settings]]:
    """Reference and current rows of every case, labels included."""
    for name in SETS:
        rows, _, number = served(folder, name)
        size = rows.height // (STRETCHES + 1)
        scores = {c.removeprefix("p_"): c for c in rows.columns if c.startswith("p_")}
        model = {"label": "label", "prediction": "prediction", "id": "id", "features": ["x"]} | (
            {"scores": scores} if scores else {}
        )
        model |= {"timestamp": "at"} if "at" in rows.columns else {}
        model |= {} if number else {"metric": "accuracy"}
        settings = Settings.from_dict({"model": model, "engine": {"sample_rows": 100_000}})
        for k in range(STRETCHES):
            for share in BREAKS:
                later = rows[(k + 1) * size : (k + 2) * size]
                rng = np.random.default_rng(k)
                yield (
                    f"{name} {k + 1}, {share:.0%} other outcomes",
                    rows[:size],
                    broken(later, share, number, rng),
                    settings,
                )


def decide(draw: LabelDraw, truth: np.ndarray, known: float, number: int) -> tuple[Verdict, int, int, int]:
    """Verdict, labels, looks and those that cover the ``known`` change, with every request answered; ``number`` of the draw."""
    numbers = label_design.permanent_numbers([f"{number or ''}{one}" for one in draw.ids()])
    verdict, answers, change, covered = Verdict.INCONCLUSIVE, None, None, 0
    for look in range(MOST_LOOKS):
        request = draw.request(answers, change)
        if request is None:
            return verdict, 0 if answers is None else answers.rows, look, covered
        chance = label_design.chances(draw.expectation, request.rows)
        places = np.flatnonzero(numbers < chance)
        rows = draw.rows[places]
        answers = ReturnedLabels(rows, truth[rows], chance[places], len(places))
        change = draw.change(answers)
        verdict = headline_verdict(draw.case, change, draw.planner.alpha)
        half = stats.t.ppf(0.975, len(places) - 1) * np.sqrt(max(change.se**2 - draw.ideal.se**2, 0))
        covered += abs(change.estimate - known) <= half
        if verdict != Verdict.INCONCLUSIVE:
            return verdict, len(places), look + 1, covered
    return verdict, len(places), MOST_LOOKS, covered


def trials(name: str, reference: pl.DataFrame, current: pl.DataFrame, settings: Settings) -> Iterator[Trial]:
    """One case both ways; nothing where no request could be made, or where not even every label decides."""
    whole = Case(open_windows(reference, current, settings), settings)
    verdict = headline_verdict(whole, whole.change(whole.metric))
    if verdict == Verdict.INCONCLUSIVE:
        return
    case = Case(
        open_windows(reference, current.with_columns(label=pl.lit(None, dtype=current["label"].dtype)), settings),
        settings,
    )
    draw = LabelDraw(case)
    if draw.obstacle:
        return
    truth = dict(zip(current["id"], whole.current.outcomes.labels if whole.current.complete else [], strict=False))
    labels = np.array([truth[i] for i in case.current.sample["id"]])
    floor = case.problem.min_effect
    known = whole.change(whole.metric).estimate
    harm = case.metric.harm(known) / floor
    equal = LabelDraw(case)
    e = draw.expectation
    mean = (
        case.reference.outcomes.take(case.labelled_rows(case.reference))
        .statistics(case.metric, len(case.problem.classes))
        .mean(0)
    )
    equal.__dict__["expectation"] = replace(
        e, sums=np.broadcast_to(mean, e.sums.shape), influence=np.full(len(e.influence), e.usual)
    )
    equal.__dict__["ideal"] = draw.ideal
    least = floor / (stats.norm.isf(VERDICT_ALPHA) + stats.norm.ppf(SOME_POWER))
    for number in range(DRAWS):
        done = [decide(one, labels, known, number) for one in (draw, equal)]
        right = [(one[0] == Verdict.DEGRADED) == (verdict == Verdict.DEGRADED) for one in done]
        yield Trial(
            name,
            number,
            harm,
            (done[0][0], done[1][0]),
            (done[0][1], done[1][1]),
            label_design.uniform_rows(e, least),
            done[0][2],
            done[0][3],
            (right[0], right[1]),
        )


def quiet(pairs: int, harm: float) -> tuple[int, int]:
    """Pairs called degraded, and called unchanged, of those whose windows differ by ``harm`` and luck, labelled as asked for."""
    rng, metric, worse, held = np.random.default_rng(0), METRICS["accuracy"], 0, 0
    spread = float(np.sqrt(LEVEL * (1 - LEVEL)))
    luck = spread * float(np.sqrt(2 / ROWS))
    expectation = RowExpectation(np.zeros((ROWS, 1)), np.full(ROWS, spread), spread)
    ideal = Change(LEVEL, LEVEL, 0.0, luck, 1e6, "row", -2 * luck, 2 * luck, 0.5, 0.0)
    planner = DrawPlanner(expectation, metric, ideal, MIN_EFFECT)
    for _ in range(pairs):
        surprise = rng.normal(0, spread, ROWS)  # what the labels add to what was expected
        surprise += rng.normal(0, luck) - surprise.mean() - harm
        wanted = planner.first()
        while wanted is not None:
            few, rest = surprise[: wanted.rows], 1 - wanted.rows / ROWS
            error = few.var(ddof=1) * rest / len(few)
            df = label_design.error_df(ideal, np.array([error]), np.array([len(few)]))
            se = float(np.sqrt(luck**2 + error))
            change = planner.over_looks(change_of(ideal, metric, LEVEL + float(few.mean()), se, float(df[0])))
            if change.p_worse < planner.alpha and -change.estimate >= MIN_EFFECT:
                worse += 1
                break
            if -change.low < MIN_EFFECT:
                held += 1
                break
            wanted = planner.further(change, wanted.rows)
    return worse, held


def summary(done: list[Trial]) -> None:
    """Print what all of these cost and decided."""
    for i, way in enumerate(("request", "equal chances")):
        sure = [t for t in done if t.verdicts[i] != Verdict.INCONCLUSIVE]
        rows = [t.rows[i] for t in sure]
        print(
            f"{way}: {len(sure)} of {len(done)} decided, {sum(t.right[i] for t in sure)} rightly, "
            f"median {np.median(rows):.0f} labels"
        )
    both = [t for t in done if Verdict.INCONCLUSIVE not in t.verdicts]
    sure = [t for t in done if t.verdicts[0] != Verdict.INCONCLUSIVE]
    ways = (
        ("equal chances", both, [t.rows[1] for t in both]),
        ("a fixed draw of equal chances", sure, [t.fixed for t in sure]),
        ("a fixed draw, cases that stay undecided among them,", done, [t.fixed for t in done]),
    )
    for name, some, other in ways:
        total = sum(t.rows[0] for t in some) / sum(other)
        few = sum(t.rows[0] <= rows / 4 for t, rows in zip(some, other, strict=True))
        print(f"labels over those of {name}: {total:.3f} in total; at most a quarter in {few} of {len(some)}")
    looks = sum(t.looks for t in done)
    print(f"{sum(t.covered for t in done)} of {looks} intervals at a look hold the change by every label")


def main() -> None:
    """Run every case and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of the real data sets")
    parser.add_argument("--quiet", type=int, default=0, help="simulated pairs without a change")
    chosen = parser.parse_args()
    warnings.filterwarnings("ignore")  # only verdicts count
    if chosen.quiet:
        print(f"{quiet(chosen.quiet, 0.0)[0]} of {chosen.quiet} quiet pairs called degraded")
        print(f"{quiet(chosen.quiet, MIN_EFFECT)[1]} of {chosen.quiet} whose change just matters called unchanged")
    if chosen.data is None:
        return
    done = [one for case in windows(chosen.data) for one in trials(*case)]
    lines = [
        (
            t.name,
            f"{t.harm:.1f}",
            t.verdicts[0],
            f"{t.rows[0]}",
            f"{t.looks}",
            "yes" if t.right[0] else "no",
            t.verdicts[1],
            f"{t.rows[1]}",
            f"{t.fixed}",
        )
        for t in done
        if t.draw == 0
    ]
    print(machine())
    print(table(("case", "harm", "verdict", "labels", "looks", "right", "equal chances", "labels", "fixed"), lines))
    for title, part in (
        ("odd stretches", [t for t in done if not t.even]),
        ("even stretches", [t for t in done if t.even]),
        ("all", done),
    ):
        print(f"\n{title}")
        summary(part)


if __name__ == "__main__":
    main()
