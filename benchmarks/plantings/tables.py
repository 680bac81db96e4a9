"""Tables without a fault, of several shapes: other names, windows, distributions, with and without versions and slices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from spark_monitor.demo.data import load_source, undisturbed_flights

START = pd.Timestamp("2024-01-01", tz="UTC")
Random = np.random.Generator


@dataclass(frozen=True)
class Shape:
    """A table: its rows without any fault, and which columns faults of each sort can be planted in."""

    name: str
    rows: Callable[[Random, int], pd.DataFrame]
    window: pd.Timedelta
    windows: int
    baseline: int
    per_window: int
    every: str
    numbers: tuple[str, ...]
    """Numbers of many values that are positive."""

    signed: tuple[str, ...]
    """Numbers whose sign could be flipped with effect."""

    temperatures: tuple[str, ...]
    categories: tuple[str, ...]
    texts: tuple[str, ...]
    """Texts of which some have letters beyond ASCII, or that are long enough to be cut."""

    hours: tuple[str, ...]
    slices: tuple[str, ...]
    weights: dict[str, float]
    """What the model's score is made of: standardised columns by their coefficient."""

    versions: tuple[str, ...] = ()
    names: dict[str, str] = field(default_factory=dict)
    """The roles of columns: id, time, version, score, prediction, label, labelled."""

    @property
    def end(self) -> pd.Timestamp:
        """The end of the last window."""
        return START + self.windows * self.window

    def role(self, name: str) -> str:
        """The column that has a role."""
        return self.names.get(name, name)


def frame_of(shape: Shape, random: Random) -> pd.DataFrame:
    """The rows of all windows with their labels; scores come after faults are planted, as in life."""
    total = shape.windows * shape.per_window
    rows = shape.rows(random, total)
    place = np.sort(random.uniform(0, 1, total))
    rows[shape.role("time")] = (START + pd.to_timedelta(place * (shape.end - START).total_seconds(), unit="s")).floor("s")
    rows[shape.role("id")] = [f"{shape.name[:2]}-{number:08d}" for number in random.permutation(total)]
    if shape.versions:
        rows[shape.role("version")] = random.choice(shape.versions, total)
    chance = 1 / (1 + np.exp(-logit(shape, rows, rows)))
    rows[shape.role("label")] = (random.random(total) < chance).astype("int64")
    return rows


def logit(shape: Shape, rows: pd.DataFrame, reference: pd.DataFrame) -> np.ndarray:
    """What the model makes of rows: a sum over standardised columns, a missing value counted as the mean."""
    found = np.full(len(rows), -0.8)
    for name, weight in shape.weights.items():
        was = reference[name]
        if pd.api.types.is_numeric_dtype(was):
            values = (rows[name].astype(float) - was.astype(float).mean()) / was.astype(float).std()
            found += weight * values.fillna(0.0).clip(-4, 4).to_numpy()
        else:
            codes = {value: place for place, value in enumerate(sorted(was.dropna().unique()))}
            middle = (len(codes) - 1) / 2
            found += weight * (rows[name].map(codes).fillna(middle).to_numpy(dtype=float) - middle) / max(middle, 1.0)
    return found


def with_answers(shape: Shape, rows: pd.DataFrame, reference: pd.DataFrame, noise: np.ndarray) -> pd.DataFrame:
    """Rows with the model's score and class and the time at which labels came; ``noise`` spoils the score where it is not 0."""
    chance = 1 / (1 + np.exp(-(logit(shape, rows, reference) + noise)))
    times = rows[shape.role("time")]
    return rows.assign(
        **{
            shape.role("score"): chance,
            shape.role("prediction"): (chance >= 0.5).astype("int64"),
            shape.role("labelled"): (times + pd.Timedelta(minutes=1)),
        }
    )


def _choice(random: Random, values: Sequence[str], total: int, shares: Sequence[float]) -> Any:
    return random.choice(np.array(values, dtype=object), total, p=np.array(shares) / np.sum(shares))


_FLIGHTS: list[pd.DataFrame] = []


def flights(random: Random, total: int) -> pd.DataFrame:
    """Real flights of 2013 in random order, so that time brings no drift of its own."""
    if not _FLIGHTS:
        _FLIGHTS.append(undisturbed_flights(load_source()))
    rows = _FLIGHTS[0]
    kept = rows.iloc[random.choice(len(rows), total, replace=False)].reset_index(drop=True)
    return kept.drop(columns=["flight_id", "predicted_at", "arrival_delay", "landed_at"])


def payments(random: Random, total: int) -> pd.DataFrame:
    """Heavy tails, cents, whole numbers, many text ids."""
    amount = np.round(random.lognormal(3.2, 1.1, total), 2)
    shops = [f"Shop {letter}{number}" for letter in "ABCDE" for number in range(6)] + ["Café Zoë", "Bäckerei Müller", "Piñata"]
    return pd.DataFrame(
        {
            "amount": amount,
            "fee_cents": np.round(amount * random.uniform(1.5, 3.5, total)).astype("int64"),
            "items": random.poisson(3.0, total) + 1,
            "account_age_days": random.gamma(2.0, 200.0, total).astype("int64"),
            "balance": np.round(random.standard_t(3, total) * 900 + 1500, 2),
            "velocity": random.exponential(1.0, total),
            "order_hour": np.clip(np.round(random.normal(14, 3.2, total)), 0, 23).astype("int64"),
            "country": _choice(random, ["DE", "FR", "IT", "ES", "PL"], total, [40, 25, 15, 12, 8]),
            "channel": _choice(random, ["app", "web", "phone"], total, [55, 35, 10]),
            "tier": _choice(random, ["basic", "plus", "gold", "black"], total, [50, 30, 15, 5]),
            "merchant": _choice(random, shops, total, np.linspace(4, 1, len(shops))),
            "customer": [f"C{number:07d}" for number in random.integers(0, 9_000_000, total)],
        }
    )


def sensors(random: Random, total: int) -> pd.DataFrame:
    """Machines by the hour: no versions, no slices."""
    return pd.DataFrame(
        {
            "rpm": np.round(random.normal(1480, 120, total)),
            "celsius": np.round(random.normal(61, 7, total), 1),
            "vibration_mm": random.gamma(3.0, 0.8, total),
            "pressure_bar": random.normal(6.1, 0.45, total),
            "offset_um": random.normal(35.0, 30.0, total),
            "load": random.beta(2.0, 3.0, total),
            "cycles": random.integers(10_000, 900_000, total),
            "state": _choice(random, ["run", "idle", "setup", "fault"], total, [60, 25, 12, 3]),
            "firmware": _choice(random, ["4.1.0", "4.1.10", "4.2.0"], total, [50, 30, 20]),
            "operator": _choice(
                random, ["Jürgen Weiß", "Zoë Ångström", "Ann Lee", "René Ça", "Bo Li"], total, [30, 25, 20, 15, 10]
            ),
            "line": _choice(random, [f"L{number}" for number in range(1, 7)], total, [5, 4, 3, 3, 2, 2]),
        }
    )


SHAPES = {
    "flights": Shape(
        "flights",
        flights,
        pd.Timedelta(days=7),
        windows=34,
        baseline=6,
        per_window=1300,
        every="1 week",
        numbers=("distance", "humid", "wind_speed", "pressure", "seats"),
        signed=("dewp", "distance", "pressure"),
        temperatures=("temp", "dewp"),
        categories=("origin", "carrier"),
        texts=("manufacturer",),
        hours=("dep_hour",),
        slices=("origin",),
        weights={"dep_hour": 0.9, "temp": 0.5, "wind_speed": 0.4, "distance": -0.4, "origin": 0.5},
        versions=("1", "2"),
        names={
            "id": "flight_id",
            "time": "predicted_at",
            "version": "model_version",
            "score": "probability",
            "prediction": "predicted",
            "label": "label",
            "labelled": "labelled_at",
        },
    ),
    "payments": Shape(
        "payments",
        payments,
        pd.Timedelta(days=1),
        windows=40,
        baseline=10,
        per_window=1000,
        every="1 day",
        numbers=("amount", "fee_cents", "account_age_days", "velocity"),
        signed=("amount", "balance", "account_age_days"),
        temperatures=(),
        categories=("country", "channel", "tier"),
        texts=("merchant",),
        hours=("order_hour",),
        slices=("country", "channel"),
        weights={"amount": 0.9, "velocity": 0.8, "account_age_days": -0.5, "tier": 0.4},
        names={
            "id": "payment_id",
            "time": "scored_at",
            "score": "score",
            "prediction": "prediction",
            "label": "label",
            "labelled": "labelled_at",
        },
    ),
    "sensors": Shape(
        "sensors",
        sensors,
        pd.Timedelta(hours=1),
        windows=60,
        baseline=20,
        per_window=500,
        every="1 hour",
        numbers=("rpm", "vibration_mm", "pressure_bar", "load", "cycles"),
        signed=("offset_um", "rpm", "pressure_bar"),
        temperatures=("celsius",),
        categories=("state", "line", "firmware"),
        texts=("operator",),
        hours=(),
        slices=(),
        weights={"celsius": 0.7, "vibration_mm": 0.9, "load": 0.8, "state": 0.4},
        names={
            "id": "reading_id",
            "time": "ts",
            "score": "probability",
            "prediction": "predicted",
            "label": "actual",
            "labelled": "actual_at",
        },
    ),
}
