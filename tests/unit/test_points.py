"""Names, steps, timestamps and revisions of published points, and the choice of what is published."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from example_facts import AUC, config, results, week
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_monitor.config.vocabulary import KNOWN_METRICS
from spark_monitor.insight.headline import (
    count_readings,
    drift_readings,
    headline_keys,
    model_readings,
    slice_readings,
    verdict_readings,
)
from spark_monitor.insight.headline_metrics import SHOWN, higher_is_better, main_metric
from spark_monitor.insight.reading import Reading
from spark_monitor.insight.results import latest_versions
from spark_monitor.insight.rows import CountRow, ModelRow, VerdictRow
from spark_monitor.outputs.mlflow.keys import LONGEST_KEY, metric_key
from spark_monitor.outputs.mlflow.points import REVISIONS, Logged, Point, points, unpublished
from spark_monitor.windowing.windows import Window, parse_every, windows_between

WEEKLY = parse_every("1 week")
ACCEPTED = re.compile(r"[/\w.\- ]{1,250}")
"""The characters that MLflow accepts on every system, and the length that every store does."""

names = st.text(max_size=300) | st.sampled_from(["a", "a b", "b", "a.b", "a_b", "A", "", "NULL", "a-0de03bb2", "b c"])
places = st.tuples(st.none() | names, st.none() | st.tuples(names, st.none() | names))


def key_of(place: tuple[str | None, tuple[str, str | None] | None], *, ascii_only: bool = False) -> str:
    column, named = place
    slice_key, slice_value = named or (None, None)
    return metric_key("drift", "ks", column=column, slice_key=slice_key, slice_value=slice_value, ascii_only=ascii_only)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(places, places, st.booleans())
def test_two_series_never_share_a_key(first: object, second: object, ascii_only: bool) -> None:
    keys = [key_of(place, ascii_only=ascii_only) for place in (first, second)]  # type: ignore[arg-type]

    assert (keys[0] == keys[1]) == (first == second)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(places, st.booleans())
def test_every_key_is_one_that_mlflow_accepts(place: object, ascii_only: bool) -> None:
    import posixpath

    key = key_of(place, ascii_only=ascii_only)  # type: ignore[arg-type]

    assert ACCEPTED.fullmatch(key)
    assert posixpath.normpath(key) == key
    assert len(key) <= LONGEST_KEY
    assert key.isascii() or not ascii_only


def test_plain_names_stay_as_they_are() -> None:
    assert metric_key("drift", "ks", column="wind_speed") == "drift/ks.wind_speed"
    assert metric_key("performance", "log_loss", slice_key="origin", slice_value="JFK") == "performance/log_loss.origin JFK"
    assert metric_key("performance", "log_loss") == "performance/log_loss"


@pytest.mark.parametrize(
    ("every", "zone", "start", "step"),
    [
        ("1 week", "UTC", datetime(2013, 9, 2, tzinfo=UTC), 2278),  # (2013-09-02 - 1970-01-05) is 15,946 days
        ("1 day", "UTC", datetime(2013, 9, 2, tzinfo=UTC), 15950),
        ("1 month", "UTC", datetime(2013, 9, 1, tzinfo=UTC), 43 * 12 + 8),
        ("1 hour", "UTC", datetime(1970, 1, 2, 3, tzinfo=UTC), 27),
    ],
)
def test_the_step_is_the_windows_ordinal_and_the_timestamp_its_end(every: str, zone: str, start: datetime, step: int) -> None:
    [window] = windows_between(start, start + timedelta(minutes=1), parse_every(every), zone)

    [point] = points([Reading("2", window, "quality", "count", 1.0)], parse_every(every), zone)

    assert point.step == step
    assert point.timestamp == int(window.end.timestamp() * 1000)


@pytest.mark.parametrize(("every", "own", "zone"), [("1 day", "5 minutes", "UTC"), ("1 week", "1 hour", "Asia/Kolkata")])
def test_windows_of_a_serving_log_have_steps_of_their_own(every: str, own: str, zone: str) -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    long, short = parse_every(every), parse_every(own, minutes=True)
    whole = windows_between(start, start + timedelta(days=7), long, zone)
    fine = windows_between(whole[0].start, whole[0].start + timedelta(days=1), short, zone)
    readings = [Reading("2", one, "quality", "count", 1.0) for one in whole]
    readings += [Reading("2", one, "system", "requests", 1.0) for one in fine]

    found = points(readings, long, zone, log_windows=short)

    steps = [point.step for point in found if point.key == "system/requests"]
    assert steps == list(range(steps[0], steps[0] + len(fine)))
    assert steps[0] == (fine[0].start - datetime(1970, 1, 1, tzinfo=UTC)) // (fine[0].end - fine[0].start)
    alone = points([one for one in readings if one.name == "count"], long, zone)
    assert [point for point in found if point.key == "quality/count"] == alone


def test_columns_that_differ_only_in_case_are_apart_even_where_a_store_ignores_it() -> None:
    found = points([Reading("2", week(0), "drift", "ks", 0.1, column=name) for name in ("Temp", "temp", "TEMP")], WEEKLY, "UTC")

    assert len({point.key.casefold() for point in found}) == 3
    assert "drift/ks.temp" in {point.key for point in found}


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=8))
def test_any_course_of_revisions_ends_with_the_last_value_and_repeats_nothing(values: list[float]) -> None:
    history: list[Logged] = []
    for value in values:
        for _ in range(2):
            wanted = [Point("2", "k", value, 7, 1_000_000)]
            for point in unpublished(wanted, {"k": history}):
                history.append(Logged(point.value, point.step, point.timestamp))

    assert max(history, key=lambda logged: logged.timestamp).value == pytest.approx(values[-1], rel=1e-12, abs=0)
    assert len({logged.timestamp for logged in history}) == len(history)
    assert len(history) == 1 + sum(later != pytest.approx(earlier, rel=1e-12, abs=0) for earlier, later in pairwise(values))


def test_a_revision_of_one_window_is_not_taken_for_its_neighbour() -> None:
    half_hour = 30 * 60 * 1000
    history = {"k": [Logged(1.0, 7, 0), Logged(2.0, 7, half_hour)]}

    assert unpublished([Point("2", "k", 1.0, 7, 0), Point("2", "k", 2.0, 7, half_hour)], history) == []
    assert half_hour > REVISIONS


def test_the_main_metric_stands_with_its_interval_and_the_coverage_once_per_window() -> None:
    rows = [
        ModelRow("2", week(0), AUC, 0.7, 0.6, 0.8, label_coverage=0.9),
        ModelRow("2", week(0), "log_loss", 0.5, 0.4, 0.6, label_coverage=0.9),
        ModelRow("2", week(0), "label_coverage", 0.9, label_coverage=0.9),
        ModelRow("2", week(1), AUC, None, label_coverage=0.0),
    ]

    found = sorted(
        (reading.name, reading.window, reading.value)
        for reading in model_readings(rows, SHOWN["binary"], AUC)
        if reading.value is not None
    )

    assert found == [
        ("label_coverage", week(0), 0.9),
        ("label_coverage", week(1), 0.0),
        ("log_loss", week(0), 0.5),
        (AUC, week(0), 0.7),
        (f"{AUC}_lower", week(0), 0.6),
        (f"{AUC}_upper", week(0), 0.8),
    ]


def test_every_verdict_is_counted_zeros_included() -> None:
    rows = [
        VerdictRow("2", week(0), "FAIL", 3, 2, 3),
        VerdictRow("2", week(0), "PASS", 5, 0, 4),
        VerdictRow("1", week(0), "PASS", 1),
    ]

    found = {(reading.version, reading.family, reading.name): reading.value for reading in verdict_readings(rows)}

    assert found["2", "quality", "checks_fail"] == 3
    assert found["2", "quality", "checks_undecided"] == 0
    assert found["2", "drift", "columns_drifting"] == 2
    assert ("1", "drift", "columns_drifting") not in found


def test_the_worst_slice_has_a_series_and_so_has_every_slice_that_usually_is() -> None:
    def row(number: int, value: float, airport: str) -> ModelRow:
        return ModelRow("2", week(number), AUC, value, slice_key="origin", slice_value=airport)

    worst = [row(0, 0.6, "JFK"), row(0, 0.65, "LGA"), row(1, 0.61, "JFK")]
    series = [row(0, 0.6, "JFK"), row(1, 0.61, "JFK"), row(0, 0.9, "EWR")]

    found = [(reading.name, reading.slice_value, reading.value) for reading in slice_readings(worst, series)]

    assert found == [(f"{AUC}_worst_slice", None, 0.6), (f"{AUC}_worst_slice", None, 0.61), (AUC, "JFK", 0.6), (AUC, "JFK", 0.61)]


def test_of_too_many_versions_those_seen_last_are_kept() -> None:
    rows = [CountRow(str(version), week(version), 10) for version in range(30)] + [CountRow(None, week(30), 1)]

    assert latest_versions(rows) == {None, *(str(version) for version in range(11, 30))}


def test_every_metric_at_the_head_is_one_that_is_measured() -> None:
    assert {metric for shown in SHOWN.values() for metric in shown} <= {
        name for name, family in KNOWN_METRICS.items() if family == "model"
    }
    assert [higher_is_better(shown[0]) for shown in SHOWN.values() if shown] == [True, True, False]


@pytest.mark.parametrize(
    ("task", "main"), [("binary", "f1_score"), ("multiclass", "f1_score_macro"), ("regression", "root_mean_squared_error")]
)
def test_each_kind_of_model_has_a_metric_that_sums_it_up(task: str, main: str) -> None:
    predictions = {"table": "t", "id": "id", "time": "at", "prediction": "said"}

    assert main_metric(config(model={"name": "m", "task": task}, predictions=predictions)) == main
    assert main_metric(config()) == AUC
    assert main_metric(config(model={"name": "m", "task": "none"}, labels=None)) is None


def test_headline_series_are_among_those_published() -> None:
    rows = results()
    readings = [
        *count_readings(rows.counts),
        *model_readings(
            [ModelRow("2", week(0), metric, 0.5, 0.4, 0.6, label_coverage=1.0) for metric in SHOWN["binary"]],
            SHOWN["binary"],
            AUC,
        ),
        *drift_readings(rows.drift),
        *verdict_readings(rows.verdicts),
    ]

    assert headline_keys(config()) <= {point.key for point in points(readings, WEEKLY, "UTC")}


def test_a_year_of_hours_has_points_in_order_of_time() -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    hours = [Window(start + timedelta(hours=hour), start + timedelta(hours=hour + 1)) for hour in range(24 * 365)]

    found = points([Reading("2", hour, "quality", "count", 1.0) for hour in reversed(hours)], parse_every("1 hour"), "UTC")

    steps = [point.step for point in found]
    assert steps == list(range(steps[0], steps[0] + len(hours)))
