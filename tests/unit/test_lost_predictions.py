"""Requests of finer windows against the predictions of the windows that they make up, by hand; every absence is a sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from spark_monitor.kernel.lost_predictions import Composed, lost_in_windows
from spark_monitor.kernel.plan import WindowKey

HOUR, DAY = 3_600_000_000, 86_400_000_000
TWO_DAYS = (WindowKey("1 day", 0, DAY), WindowKey("1 day", DAY, 2 * DAY))


def requests(start: int, many: float | None, failed: float | None = None, version: str | None = None) -> list[dict[str, Any]]:
    row = {"kind": "requests", "granularity": "1 hour", "start": start, "model_version": version}
    counted = [{**row, "metric": "requests", "value": many}]
    return counted if failed is None else [*counted, {**row, "metric": "failed_requests", "value": failed}]


def predictions(start: int, many: float, version: str | None = None) -> dict[str, Any]:
    row = {"kind": "predictions", "granularity": "1 day", "start": start, "model_version": version}
    return {**row, "metric": "predictions", "value": many}


def lost(rows: list[dict[str, Any]], windows: tuple[WindowKey, ...] = TWO_DAYS, parts: int = 24) -> pd.DataFrame:
    composed = Composed(windows, "1 hour", (parts,) * len(windows))
    return pd.DataFrame(lost_in_windows(rows, composed))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_hours_of_requests_are_held_against_a_day_of_predictions_in_any_order(seed: int) -> None:
    random = np.random.default_rng(seed)
    log = pd.DataFrame({"hour": np.repeat(np.arange(48), 2), "version": ["1", "2"] * 48})
    log["requests"] = random.integers(10, 100, 96).astype(float)
    log["failed"] = np.floor(log["requests"] * random.random(96) / 2)
    rows = [predictions(0, 900.0), predictions(DAY, 1000.0), predictions(0, 500.0, "1"), predictions(DAY, 700.0, "1")]
    for one in log.itertuples():
        rows += requests(one.hour * HOUR, one.requests, one.failed, one.version)
    for hour, of_hour in log.groupby("hour"):
        rows += requests(int(hour) * HOUR, of_hour["requests"].sum(), of_hour["failed"].sum())
    random.shuffle(rows)
    found = lost(rows).set_index(["start", "model_version"])
    well = (log["requests"] - log["failed"]).groupby([log["hour"] // 24, log["version"]]).sum()
    for day, many, of_one in ((0, 900.0, 500.0), (1, 1000.0, 700.0)):
        whole = found[found.index.get_level_values(1).isna()].loc[day * DAY].iloc[0]
        assert whole["value"] == pytest.approx(100 * (1 - many / well[day].sum()))
        asked = log[log["hour"] // 24 == day]["requests"].sum()
        assert (whole["status"], whole["granularity"], whole["count"]) == ("OK", "1 day", asked)
        assert found.loc[(day * DAY, "1")]["value"] == pytest.approx(100 * (1 - of_one / well[day, "1"]))
        other = found.loc[(day * DAY, "2")]
        assert other["status"] == "UNDEFINED"
        assert "No predictions of this model version" in other["message"]


def test_a_day_with_hours_that_are_not_known_has_no_number_and_says_how_many() -> None:
    rows = [row for hour in range(3, 24) for row in requests(hour * HOUR, 10.0, 1.0)]
    [row] = lost([*rows, predictions(0, 5.0)], TWO_DAYS[:1]).to_dict("records")
    assert row["value"] is None
    assert (row["status"], row["message"]) == ("UNDEFINED", "The requests of 3 of 24 windows of 1 hour are not known.")


def test_windows_that_are_not_made_up_say_so() -> None:
    [row] = lost([predictions(0, 5.0)], TWO_DAYS[:1], parts=0).to_dict("records")
    sentence = "Windows of 1 hour, in which requests are counted, do not make up one of 1 day."
    assert (row["value"], row["status"], row["message"]) == (None, "UNDEFINED", sentence)


def test_hours_without_requests_are_known_and_a_day_of_them_is_empty() -> None:
    rows = [row for hour in range(24) for row in requests(hour * HOUR, 0.0)]
    [row] = lost([*rows, predictions(0, 5.0)], TWO_DAYS[:1]).to_dict("records")
    assert (row["value"], row["status"], row["message"]) == (None, "EMPTY", "No request in this window.")


def test_no_predictions_at_all_are_no_number_and_a_counted_zero_is_all_lost() -> None:
    rows = [row for hour in range(48) for row in requests(hour * HOUR, 4.0, 1.0)]
    unknown, none = lost([*rows, predictions(DAY, 0.0)]).to_dict("records")
    assert (unknown["status"], unknown["message"]) == ("UNDEFINED", "No predictions are recorded for this window.")
    assert (none["value"], none["status"]) == (100.0, "OK")


def test_a_day_of_failures_alone_says_so() -> None:
    rows = [row for hour in range(24) for row in requests(hour * HOUR, 4.0, 4.0)]
    [row] = lost([*rows, predictions(0, 5.0)], TWO_DAYS[:1]).to_dict("records")
    assert (row["status"], row["message"]) == ("UNDEFINED", "Every request failed.")


def by_version(
    requested: dict[str, float], predicted: dict[str, float], *, unnamed: float = 0.0, named: bool = True
) -> pd.Series:
    rows = [row for version, many in requested.items() for row in requests(0, many, 0.0, version)]
    rows += requests(0, sum(requested.values()), 0.0)
    rows += [predictions(0, many, version) for version, many in predicted.items()]
    rows.append(predictions(0, sum(predicted.values()) + unnamed))
    composed = Composed(TWO_DAYS[:1], "1 hour", (1,), named)
    return pd.DataFrame(lost_in_windows(rows, composed)).set_index("model_version").loc["2"]


def test_a_version_without_a_prediction_has_lost_all_where_the_others_are_named_alike() -> None:
    found = by_version({"1": 90.0, "2": 10.0}, {"1": 88.0})
    assert (found["value"], found["lower"], found["upper"], found["status"]) == (100.0, 100.0, 100.0, "OK")
    none_at_all = by_version({"1": 90.0, "2": 10.0}, {})
    assert (none_at_all["value"], none_at_all["status"]) == (100.0, "OK")


def test_a_version_that_has_gone_without_a_prediction_says_nothing_of_others() -> None:
    found = by_version({"1": 90.0, "2": 10.0}, {"1": 88.0, "0": 0.0})
    assert (found["value"], found["status"]) == (100.0, "OK")


def test_what_other_versions_have_beyond_their_requests_may_be_its() -> None:
    found = by_version({"1": 90.0, "2": 10.0}, {"1": 93.0})
    assert (found["value"], found["lower"], found["upper"]) == (100.0, pytest.approx(70.0), 100.0)
    assert "3 more than they answered" in found["message"]


@pytest.mark.parametrize(
    "made",
    [
        {"predicted": {"v1": 88.0}},  # another way of naming versions
        {"predicted": {"1": 88.0}, "unnamed": 4.0},  # predictions that name none
        {"predicted": {"1": 101.0}},  # all of its predictions may stand under the other's name
        {"predicted": {"1": 88.0}, "named": False},  # the file gives one version to every row
    ],
)
def test_a_version_without_a_prediction_is_unknown_where_it_may_be_named_otherwise(made: dict[str, Any]) -> None:
    found = by_version({"1": 90.0, "2": 10.0}, **made)
    assert (pd.isna(found["value"]), found["status"]) == (True, "UNDEFINED")


def test_a_sample_of_requests_is_told_and_says_nothing_of_lost_predictions() -> None:
    rows = [{**row, "unlogged": 12.0} for hour in range(24) for row in requests(hour * HOUR, 4.0, 1.0)]
    [row] = lost([*rows, predictions(0, 50.0)], TWO_DAYS[:1]).to_dict("records")
    assert (row["value"], row["status"]) == (None, "UNDEFINED")
    assert row["message"] == "The log holds a sample of the requests, which says nothing of lost predictions."
