"""Guessing roles: on logs as people write them, and never a role that the content contradicts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backslide.contracts.errors import SourceError
from backslide.contracts.roles import Roles
from backslide.engine.columns import names
from backslide.engine.roles.infer import guess_roles, infer_roles
from backslide.engine.roles.proposed_windows import newest_days, propose_windows
from backslide.engine.sources.open import open_source, parse_time_range

N = 400
RNG = np.random.default_rng(11)
START = datetime(2026, 3, 1)
TIMES = [START + timedelta(hours=3 * i) for i in range(N)]
P = RNG.random(N).round(4)
TRUTH = (RNG.random(N) < P).astype(int)
NUMBER = RNG.gamma(4, 10, N)


def infer(**columns) -> tuple[Roles, list[str]]:
    return infer_roles(pl.DataFrame(columns).lazy())


def noise(**extra):
    """Features that must stay features."""
    return {
        "income": RNG.normal(size=N),
        "branch": RNG.choice(["north", "south"], N),
        "p_value": RNG.random(N),
        **extra,
    }


def test_the_log_of_the_manual():
    words = np.where(TRUTH, "default", "paid")
    roles, _ = infer(
        request_id=[f"r-{i}" for i in range(N)],
        served_at=TIMES,
        model_version=["v1"] * N,
        **noise(),
        prediction=np.where(P > 0.5, "default", "paid"),
        p_default=P,
        p_paid=1 - P,
        label=words,
    )
    assert roles.label == "label"
    assert roles.prediction == "prediction"
    assert roles.scores == {"default": "p_default", "paid": "p_paid"}
    assert roles.timestamp == "served_at"
    assert roles.id == "request_id"
    assert roles.version == "model_version"
    assert roles.features is None
    assert "p_value" not in roles.columns().values()


@pytest.mark.parametrize(
    "label", ["label", "target", "y_true", "y", "actual", "ground_truth", "outcome", "Label", "trueLabel"]
)
@pytest.mark.parametrize("prediction", ["prediction", "y_pred", "predicted", "pred", "predictedLabel"])
def test_usual_names(label, prediction):
    roles, _ = infer(**noise(), **{label: TRUTH, prediction: (P > 0.5).astype(int)})
    assert (roles.label, roles.prediction) == (label, prediction)


@pytest.mark.parametrize(
    "pattern", ["p_{}", "prob_{}", "proba_{}", "score_{}", "probability_{}", "{}_prob", "y_pred_proba_{}", "Prob {}"]
)
def test_scores_of_three_classes_whatever_their_spelling(pattern):
    scores = RNG.dirichlet([2, 2, 2], N)
    classes = ["court_filing", "Invoice", "other mail"]
    columns = {pattern.format(name): scores[:, i] for i, name in enumerate(classes)}
    labels = np.array(classes)[scores.argmax(axis=1)]
    roles, _ = infer(**noise(), **columns, label=labels)
    assert roles.scores == {name: pattern.format(name) for name in classes}


def test_scores_of_numbered_classes():
    roles, _ = infer(**noise(), p0=1 - P, p1=P, label=TRUTH)
    assert roles.scores == {"0": "p0", "1": "p1"}
    roles, _ = infer(**noise(), **{"prob_0.0": 1 - P, "prob_1.0": P}, label=TRUTH.astype(float))
    assert roles.scores == {"0": "prob_0.0", "1": "prob_1.0"}


def test_scores_that_are_named_like_the_classes_themselves():
    scores = RNG.dirichlet([2, 2], N)
    labels = np.array(["cat", "dog"])[scores.argmax(axis=1)]
    roles, _ = infer(**noise(), cat=scores[:, 0], dog=scores[:, 1], target=labels)
    assert roles.scores == {"cat": "cat", "dog": "dog"}


def test_scores_that_leave_a_class_out_are_not_taken():
    labels = RNG.choice(["a", "b", "c"], N)
    roles, notes = infer(**noise(), p_a=P, p_b=1 - P, label=labels)
    assert roles.scores == {}
    assert any("'c'" in note for note in notes)


@pytest.mark.parametrize("name", ["score", "proba", "predicted_probability", "y_score", "risk_score"])
def test_lone_score_belongs_to_the_affirmative_class(name):
    roles, _ = infer(**noise(), label=TRUTH, **{name: P})
    assert roles.scores == {"1": name}
    assert roles.positive is None


def test_lone_score_of_unnamed_classes_goes_where_it_is_higher():
    roles, notes = infer(**noise(), label=np.where(TRUTH, "churned", "stayed"), score=P)
    assert roles.scores == {"churned": "score"}
    assert roles.positive == "churned"
    assert any("'score' is higher" in note for note in notes)


def test_score_of_whichever_class_was_predicted_is_no_score_of_a_class():
    roles, _ = infer(**noise(), label=TRUTH, prediction=(P > 0.5).astype(int), score=np.maximum(P, 1 - P))
    assert roles.scores == {}
    assert roles.features is not None
    assert "score" not in roles.features


def test_prediction_column_that_holds_probabilities():
    roles, notes = infer(**noise(), target=TRUTH, prediction=P)
    assert roles.prediction is None
    assert roles.scores == {"1": "prediction"}
    assert any("a score" in note for note in notes)


def test_regression_by_affix():
    roles, _ = infer(**noise(), fare=NUMBER, fare_pred=NUMBER + RNG.normal(size=N))
    assert (roles.label, roles.prediction) == ("fare", "fare_pred")
    roles, _ = infer(**noise(), actual_fare=NUMBER, predicted_fare=NUMBER + RNG.normal(size=N))
    assert (roles.label, roles.prediction) == ("actual_fare", "predicted_fare")


def test_label_without_a_usual_name_is_found_by_agreement():
    flipped = np.where(RNG.random(N) < 0.15, 1 - TRUTH, TRUTH)
    roles, notes = infer(
        **noise(sex=RNG.integers(0, 2, N), vip=RNG.integers(0, 2, N)), employed=TRUTH, prediction=flipped
    )
    assert roles.label == "employed"
    assert any("agrees with" in note for note in notes)
    roles, _ = infer(**noise(), consumption=NUMBER, forecast=NUMBER + RNG.normal(0, 4, N))
    assert roles.label == "consumption"


def test_no_label_is_invented():
    roles, notes = infer(**noise(sex=RNG.integers(0, 2, N)), prediction=RNG.integers(0, 2, N))
    assert roles.label is None
    assert any("no label" in note for note in notes)


def test_late_labels_are_found_although_most_are_missing():
    late = [int(v) if i < 40 else None for i, v in enumerate(TRUTH)]
    roles, _ = infer(**noise(), label=late, prediction=(P > 0.5).astype(int), p_1=P, p_0=1 - P)
    assert roles.label == "label"
    assert roles.scores == {"0": "p_0", "1": "p_1"}


@pytest.mark.parametrize(
    "times",
    [
        TIMES,
        [t.date() for t in TIMES],
        [t.replace(tzinfo=UTC) for t in TIMES],
        [t.isoformat() for t in TIMES],
        [t.strftime("%d.%m.%Y %H:%M:%S") for t in TIMES],
        [int(t.replace(tzinfo=UTC).timestamp()) for t in TIMES],
    ],
    ids=["datetime", "date", "zoned", "ISO text", "German text", "epoch"],
)
def test_timestamps_however_written(times):
    frame = pl.DataFrame({**noise(), "event_time": times, "label": TRUTH}).lazy()
    roles, _ = infer_roles(frame)
    assert roles.timestamp == "event_time"
    assert newest_days(frame, "event_time") is not None


def test_the_time_of_the_prediction_is_preferred_and_the_others_are_no_features():
    roles, notes = infer(
        labelled_at=TIMES,
        birth_date=[t.date() for t in TIMES],
        created_at=TIMES,
        served_at=TIMES,
        **noise(),
        label=TRUTH,
    )
    assert roles.timestamp == "served_at"
    assert roles.label_time == "labelled_at"
    assert set(roles.features) == {"income", "branch", "p_value"}
    assert any("'birth_date'" in note for note in notes)


def test_texts_that_are_no_times_are_left_alone():
    roles, _ = infer(**noise(time=["soon"] * N, date=RNG.integers(1, 31, N)), label=TRUTH)
    assert roles.timestamp is None


def test_only_unique_keys_are_ids():
    roles, _ = infer(customer_id=RNG.integers(0, 50, N), case_id=np.arange(N), **noise(), label=TRUTH)
    assert roles.id == "case_id"
    assert roles.features is None, "a key that repeats may be a feature"
    roles, _ = infer(id=np.arange(N), session_uuid=[f"s{i}" for i in range(N)], **noise(), label=TRUTH)
    assert roles.id == "id"
    assert "session_uuid" not in roles.features


def test_row_numbers_and_records_are_no_features_but_embeddings_are():
    nested = {"record": [{"a": 1}] * N, "embedding": [[1.0, 2.0]] * N}
    roles, notes = infer(**{"Unnamed: 0": np.arange(N)}, **nested, **noise(), label=TRUTH)
    assert set(roles.features) == {"income", "branch", "p_value", "embedding"}
    assert any("'Unnamed: 0'" in note for note in notes)


def test_large_tables_are_read_at_both_ends_and_keys_in_full():
    n = 50_000
    ids = np.arange(n)
    ids[30_000] = ids[29_999]
    labels = np.where(np.arange(n) < 10_000, "a", "b")
    roles, _ = infer(id=ids, label=labels, p_a=np.full(n, 0.3), p_b=np.full(n, 0.7))
    assert roles.scores == {"a": "p_a", "b": "p_b"}, "class b comes only at the end"
    assert roles.id is None, "it repeats once, in the middle"


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_tiny_tables(rows):
    frame = pl.DataFrame({"id": [1, 2], "label": [0, 1], "prediction": [0, 1], "score": [0.1, 0.9], "at": TIMES[:2]})
    roles, _ = infer_roles(frame.head(rows).lazy())
    assert roles.label == "label"


def test_columns_that_are_missing_throughout():
    nothing = pl.DataFrame({"label": [None] * 9, "score": pl.Series([None] * 9, dtype=pl.Float64), "x": range(9)})
    roles, _ = infer_roles(nothing.lazy())
    assert roles.scores == {}


@pytest.mark.parametrize("name", ["*", "^a.*$"])
def test_names_that_stand_for_other_columns_are_refused(name):
    with pytest.raises(SourceError, match="rename it"):
        open_source(pl.DataFrame({name: [1], "b": [2]}))


@pytest.mark.slow
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.one_of(
            st.sampled_from(
                ["label", "prediction", "p_1", "score", "id", "timestamp", "version", "y_pred", "p_0", "a_prob"]
            ),
            st.text(min_size=1, max_size=6).filter(lambda name: not names.is_pattern(name)),
        ),
        st.sampled_from([0, 1, 2, 3, 4, 5, 6, 7]),
        min_size=1,
    )
)
def test_any_table_gives_roles_that_fit_it(columns):
    """Whatever the names and types: every role names a column of the table, none twice."""
    kinds = [
        pl.Series(range(30)),
        pl.Series(np.linspace(0, 1, 30)),
        pl.Series(["a", "b", None] * 10),
        pl.Series([True, None, False] * 10),
        pl.Series(TIMES[:30]),
        pl.Series([None] * 30),
        pl.Series([[1]] * 30),
        pl.Series([float("nan"), 1.0, float("inf")] * 10),
    ]
    frame = pl.DataFrame([kinds[kind].alias(name) for name, kind in columns.items()])
    roles, notes = infer_roles(frame.lazy())
    used = list(roles.columns().values())
    assert len(used) == len(set(used))
    assert set(used) <= set(columns)
    assert not set(used) & set(roles.features or ())
    assert all("\n" not in note for note in notes if not any("\n" in name for name in columns))


def test_windows_are_the_last_whole_weeks_and_the_days_before():
    days = pl.DataFrame({"at": [START + timedelta(days=i) for i in range(60)]}).lazy()
    assert newest_days(days, "at") == ("2026-03-01..2026-04-15", "2026-04-16..2026-04-29")
    assert newest_days(days.head(5), "at") == ("2026-03-01..2026-03-04", "2026-03-05..2026-03-05")
    assert newest_days(days.head(1), "at") is None


def versions(names, **extra):
    return pl.DataFrame({"at": TIMES, "v": names, **extra}).lazy()


@pytest.mark.parametrize("cut", [160, 163], ids=["midnight", "within a day"])
def test_windows_are_split_where_the_version_changes(cut):
    frame = versions(["a"] * cut + ["b"] * (N - cut))
    windows = propose_windows(frame, Roles(timestamp="at", version="v"))
    for text, version, rows in ((windows.reference, "a", cut), (windows.current, "b", N - cut)):
        inside = frame.filter(parse_time_range(text).condition("at")).collect()
        assert inside["v"].unique().to_list() == [version]
        assert inside.height == rows
    assert "version b followed a" in windows.note


def test_of_several_versions_the_last_two_are_compared_and_a_few_rows_are_none():
    frame = versions(["a"] * 100 + ["b"] * 150 + ["c"] * (N - 255) + ["d"] * 5)
    windows = propose_windows(frame, Roles(timestamp="at", version="v"))
    inside = frame.filter(parse_time_range(windows.reference).condition("at")).collect()
    assert inside["v"].unique().to_list() == ["b"]


def test_versions_that_answer_at_the_same_time_split_no_windows():
    frame = versions(["a"] * 200 + ["a", "b"] * ((N - 200) // 2))
    windows = propose_windows(frame, Roles(timestamp="at", version="v"))
    assert (windows.reference, windows.current) == newest_days(frame, "at")
    assert "backslide shadow" in windows.note


def test_versions_without_times_are_windows_of_their_own():
    windows = propose_windows(versions(["a"] * 200 + ["b"] * 200), Roles(version="v"))
    assert (windows.reference_version, windows.current_version) == ("a", "b")
    assert propose_windows(versions(["a"] * N), Roles(version="v")) is None


OWN = {
    "id": [f"r{i // 2}" for i in range(N)],
    "at": TIMES,
    "version": ["v1"] * N,
    "prediction": np.where(P > 0.5, "yes", "no"),
    "label": np.where(TRUTH, "yes", "no"),
    "label_at": [t + timedelta(days=1) for t in TIMES],
    "label_source": ["crm"] * N,
}


def test_the_columns_of_the_log_itself_are_no_features():
    roles, _ = infer(**OWN, p_yes=P, p_no=1 - P, **noise())
    assert (roles.timestamp, roles.label_time, roles.label_source) == ("at", "label_at", "label_source")
    assert roles.id is None, "it comes twice"
    assert set(roles.features) == {"income", "branch", "p_value"}
    early = {
        **OWN,
        "label": [None] * N,
        "label_at": pl.Series([None] * N, dtype=pl.Datetime),
        "label_source": [None] * N,
    }
    roles, _ = infer(**early, p_yes=P, p_no=1 - P, **noise())
    assert set(roles.features) == {"income", "branch", "p_value"}


@pytest.mark.parametrize("came", [-1, 2], ids=["before the prediction", "missing where there is a label"])
def test_a_time_that_cannot_be_that_of_the_label_is_asked_about(came):
    times = [t + timedelta(days=came) if came < 0 or label else None for t, label in zip(TIMES, TRUTH, strict=True)]
    guess = guess_roles(
        pl.DataFrame({"served_at": TIMES, "churned": TRUTH, "churn_score": P, "churned_at": times}).lazy()
    )
    assert guess.roles.label_time is None
    assert "'churned_at'" in guess.open["label_time"]
    assert guess.roles.features == ()


def test_two_columns_that_agree_alike_are_asked_about():
    frame = pl.DataFrame({**noise(), "prediction": (P > 0.5).astype(int), "home": TRUTH, "away": TRUTH})
    guess = guess_roles(frame.lazy())
    assert guess.roles.label is None
    assert "'home' and 'away'" in guess.open["label"]
    assert not {"home", "away"} & set(guess.roles.features)


def test_a_class_of_travel_is_no_label_and_a_forecast_of_the_weather_no_prediction():
    travel, wet = RNG.integers(1, 3, N), RNG.normal(size=N)
    roles, _ = infer(**noise(), **{"class": travel}, weather_forecast=wet, late=TRUTH, prediction=(P > 0.5).astype(int))
    assert (roles.label, roles.prediction) == ("late", "prediction")
    guess = guess_roles(pl.DataFrame({**noise(), "weather_forecast": wet}).lazy())
    assert guess.roles.prediction is None
    assert "'weather_forecast'" in guess.open["prediction"]


def test_decisions_that_follow_a_score_are_predictions_whatever_their_name():
    decided = np.where(P >= 0.3, "refuse", "accept")
    roles, _ = infer(**noise(), outcome=np.where(TRUTH, "refuse", "accept"), desk=decided, risk_score=P)
    assert (roles.prediction, roles.scores) == ("desk", {"refuse": "risk_score"})


def test_copies_and_other_units_of_outputs_are_no_features():
    roles, notes = infer(
        **noise(), label=TRUTH, label_code=TRUTH, prediction=(P > 0.5).astype(int), p_1=P, percent=100 * P, p_copy=P
    )
    assert set(roles.features) == {"income", "branch", "p_value"}
    assert any("'percent'" in note for note in notes)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bank_marketing", {"timestamp": "contact_date"}),
        ("bike_sharing_hourly", {"timestamp": "timestamp"}),
        (
            "census_employment_ma",
            {"label": "employed", "prediction": "prediction", "id": "id", "score of '1'": "predicted_probability"},
        ),
        ("electricity", {"timestamp": "timestamp"}),
        ("green_taxi_fares", {"timestamp": "pickup_time"}),
        ("noaa_weather", {}),
        ("reuters_news", {"timestamp": "published_at", "id": "doc_id"}),
        ("scotus_case_facts", {"id": "case_id"}),
    ],
)
def test_real_tables(name, expected, real_data):
    roles, notes = infer_roles(pl.scan_parquet(real_data / f"{name}.parquet"))
    assert roles.columns() == expected
    assert ("label" in expected) or any("no label" in note for note in notes)


def test_names_of_opentelemetry_say_who_answered_and_are_no_inputs():
    half = np.repeat(["1.0", "1.1"], N // 2)
    spans = {
        "trace_id": [f"{k:032x}" for k in range(N)],
        "service.version": half,
        "service.name": ["loans"] * N,
        "host.name": RNG.choice(["a", "b"], N),
        "gen_ai.usage.input_tokens": RNG.integers(9, 99, N),
    }
    roles, notes = infer(timestamp=TIMES, prediction=TRUTH, **noise(), **spans)
    assert (roles.id, roles.version, roles.timestamp) == ("trace_id", "service.version", "timestamp")
    assert roles.features == ("income", "branch", "p_value")
    assert any("'host.name'" in note for note in notes)
    spans["gen_ai.response.model"] = spans.pop("service.version")
    assert infer(timestamp=TIMES, prediction=TRUTH, **noise(), **spans)[0].version == "gen_ai.response.model"
