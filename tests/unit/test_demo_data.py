"""The demo's flights and labels on a small made-up source: faults exactly where they are said to be, and nowhere else."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from spark_monitor.demo import data

HOURS = pd.date_range("2013-07-01", "2013-10-01", freq="h", tz="UTC", inclusive="left")
EASTERN = "America/New_York"


@pytest.fixture(scope="module")
def source() -> data.Source:
    """Flights at every full hour and a quarter past from three airports, their weather by the hour, and two planes."""
    random = np.random.default_rng(7)
    airports = ["EWR", "JFK", "LGA"]
    weather = pd.DataFrame([(origin, hour) for origin in airports for hour in HOURS], columns=["origin", "hour"])
    for name in data.WEATHER:
        weather[name] = random.normal(10, 2, len(weather)).round(2)
    weather["time_hour"] = weather.pop("hour").dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    flights = pd.DataFrame([(origin, hour, m) for origin in airports for hour in HOURS[2::5] for m in (0, 15)])
    flights.columns = pd.Index(["origin", "utc", "minute"])
    local = flights.pop("utc").dt.tz_convert(EASTERN)
    flights = flights.assign(year=local.dt.year, month=local.dt.month, day=local.dt.day, hour=local.dt.hour)
    flights["time_hour"] = local.dt.tz_convert("UTC").dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    flights["carrier"] = random.choice(["AA", "UA"], len(flights))
    flights["flight"] = range(len(flights))
    flights["dest"], flights["distance"] = "SFO", 2586
    flights["tailnum"] = random.choice(["N1", "N2", "N9"], len(flights))
    flights["dep_delay"] = random.normal(5, 20, len(flights)).round()
    flights["arr_delay"] = flights["dep_delay"] + random.normal(0, 10, len(flights)).round()
    flights["air_time"] = 300.0
    cancelled = random.random(len(flights)) < 0.05
    diverted = ~cancelled & (random.random(len(flights)) < 0.05)
    flights.loc[cancelled, "dep_delay"] = np.nan
    flights.loc[cancelled | diverted, ["arr_delay", "air_time"]] = np.nan
    planes = pd.DataFrame(
        {"tailnum": ["N1", "N2"], "year": [1999.0, np.nan], "seats": [55, 182], "manufacturer": ["EMBRAER", "BOEING"]}
    )
    return data.Source(flights, weather, planes)


@pytest.fixture(scope="module")
def rows(source: data.Source) -> pd.DataFrame:
    return data.flights_as_scored(source)


@pytest.fixture(scope="module")
def labels(rows: pd.DataFrame) -> pd.DataFrame:
    return data.late_labels(rows)


def recorded(source: data.Source, rows: pd.DataFrame, name: str) -> pd.Series:
    """What the weather table says at the flight's airport in the last full hour before the prediction, looked up one by one."""
    table = {(r.origin, pd.Timestamp(r.time_hour)): getattr(r, name) for r in source.weather.itertuples()}
    keys = zip(rows["origin"], rows["predicted_at"].dt.floor("h"), strict=True)
    return pd.Series([table.get(key, np.nan) for key in keys], index=rows.index)


def test_every_flight_is_one_row_with_its_own_id(source: data.Source, rows: pd.DataFrame) -> None:
    assert len(rows) == len(source.flights)
    assert rows["flight_id"].is_unique
    assert rows["predicted_at"].is_monotonic_increasing


def test_a_prediction_is_made_two_hours_before_the_scheduled_departure(source: data.Source, rows: pd.DataFrame) -> None:
    flight = source.flights.iloc[1]
    date = f"{flight.year}{flight.month:02}{flight.day:02}"
    row = rows[rows["flight_id"] == f"{flight.carrier}{flight.flight}-{flight.origin}-{date}"].iloc[0]
    assert row["predicted_at"] == pd.Timestamp(flight.time_hour) + pd.Timedelta(minutes=int(flight.minute)) - pd.Timedelta(
        hours=2
    )
    assert row["dep_hour"] == flight.hour


def test_the_wind_is_in_kilometres_from_the_named_monday_on_and_not_before(source: data.Source, rows: pd.DataFrame) -> None:
    truth = recorded(source, rows, "wind_speed")
    ratio = (rows["wind_speed"] / truth).round(6)
    wrong = rows["predicted_at"] >= pd.Timestamp("2013-09-16T00:00Z")
    assert 0 < wrong.sum() < len(rows)
    assert set(ratio[wrong].dropna()) == {1.609344}
    assert set(ratio[~wrong].dropna()) == {1.0}


def test_visibility_is_missing_at_one_airport_in_one_week_and_nowhere_else(source: data.Source, rows: pd.DataFrame) -> None:
    truth = recorded(source, rows, "visib")
    week = rows["predicted_at"].between(pd.Timestamp("2013-07-15T00:00Z"), pd.Timestamp("2013-07-22T00:00Z"), inclusive="left")
    wrong = week & (rows["origin"] == "JFK")
    assert wrong.any()
    assert rows["visib"][wrong].isna().all()
    pd.testing.assert_series_equal(rows["visib"][~wrong], truth[~wrong], check_names=False)


def test_no_other_weather_is_changed(source: data.Source, rows: pd.DataFrame) -> None:
    for name in set(data.WEATHER) - {"wind_speed", "visib"}:
        pd.testing.assert_series_equal(rows[name], recorded(source, rows, name), check_names=False)


def test_both_faults_begin_on_a_monday_and_are_said_in_words() -> None:
    assert data.WIND_FAULT_FROM.dayofweek == data.VISIBILITY_FAULT_FROM.dayofweek == 0
    assert pd.Timedelta(days=7) == data.VISIBILITY_FAULT_TO - data.VISIBILITY_FAULT_FROM
    assert "wind_speed arrives in km/h instead of mph from 2013-09-16 on" in data.FAULTS
    assert "visib is missing for JFK in the week of 2013-07-15" in data.FAULTS


def test_cancelled_and_diverted_flights_never_get_a_label(source: data.Source, rows: pd.DataFrame, labels: pd.DataFrame) -> None:
    arrived = set(rows["flight_id"][rows["arrival_delay"].notna()])
    assert set(labels["flight_id"]) == arrived
    assert len(arrived) == int(source.flights["arr_delay"].notna().sum()) < len(rows)


def test_the_last_label_of_a_flight_is_right(rows: pd.DataFrame, labels: pd.DataFrame) -> None:
    last = labels.sort_values("labelled_at", kind="stable").groupby("flight_id")["arrived_late"].last()
    delay = rows.set_index("flight_id")["arrival_delay"].dropna()
    assert (last.loc[delay.index] == (delay >= 15)).all()


def test_labels_come_hours_to_days_after_landing_and_within_the_horizon(rows: pd.DataFrame, labels: pd.DataFrame) -> None:
    landed = labels["flight_id"].map(rows.set_index("flight_id")["landed_at"])
    wait = labels["labelled_at"] - landed
    assert wait.min() >= pd.Timedelta(minutes=59)
    assert wait.max() < pd.Timedelta(days=14)
    assert pd.Timedelta(hours=8) < wait.median() < pd.Timedelta(hours=12)
    assert (wait > pd.Timedelta(days=2)).mean() > 0.02


def test_some_labels_come_twice_and_some_are_corrected(labels: pd.DataFrame) -> None:
    values = labels.groupby("flight_id")["arrived_late"].agg(["size", "nunique"])
    assert values["size"].max() == 2
    assert ((values["size"] == 2) & (values["nunique"] == 1)).any()
    assert ((values["size"] == 2) & (values["nunique"] == 2)).any()
    assert (values["size"] == 1).mean() > 0.97


def test_the_same_source_gives_the_same_rows_and_labels(source: data.Source, rows: pd.DataFrame, labels: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(data.flights_as_scored(source), rows)
    pd.testing.assert_frame_equal(data.late_labels(rows), labels)


def test_the_source_is_not_changed(source: data.Source) -> None:
    before = source.flights.copy(), source.weather.copy(), source.planes.copy()
    data.flights_as_scored(source)
    for frame, copy in zip((source.flights, source.weather, source.planes), before, strict=True):
        pd.testing.assert_frame_equal(frame, copy)


def test_unknown_planes_are_missing_not_dropped(rows: pd.DataFrame, source: data.Source) -> None:
    assert rows["seats"].isna().sum() == (source.flights["tailnum"] == "N9").sum()
    assert set(rows["manufacturer"].dropna()) == {"EMBRAER", "BOEING"}


def test_the_real_package_holds_the_whole_year() -> None:
    real = data.load_source()
    assert len(real.flights) == 336_776
    assert set(real.flights["origin"]) == {"EWR", "JFK", "LGA"}
    assert int(real.flights["arr_delay"].isna().sum()) == 9_430
