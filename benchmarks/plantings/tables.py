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
    """Strings of which some have letters beyond ASCII, or that are long enough to be cut."""

    hours: tuple[str, ...]
    slices: tuple[str, ...]
    weights: dict[str, float]
    """What the model's score is made of: standardised columns by their coefficient."""

    versions: tuple[str, ...] = ()
    names: dict[str, str] = field(default_factory=dict)
    """The roles of columns: id, time, version, score, prediction, label, labelled."""

    codes: tuple[str, ...] = ()
    """Integers that are names."""

    delay: pd.Timedelta = field(default_factory=lambda: pd.Timedelta(minutes=1))
    """How long labels take."""

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
    if shape.role("id") not in rows:
        rows[shape.role("id")] = [f"{shape.name[:2]}-{number:08d}" for number in random.permutation(total)]
    if shape.versions:
        rows[shape.role("version")] = random.choice(shape.versions, total)
    chance = 1 / (1 + np.exp(-logit(shape, rows, rows)))
    rows[shape.role("label")] = (random.random(total) < chance).astype("int64")
    return rows


def logit(shape: Shape, rows: pd.DataFrame, reference: pd.DataFrame) -> np.ndarray:
    """What the model makes of rows: a sum over standardised columns, a missing value counted as the mean."""
    total = np.full(len(rows), -0.8)
    for name, weight in shape.weights.items():
        was = reference[name]
        if pd.api.types.is_numeric_dtype(was):
            values = (rows[name].astype(float) - was.astype(float).mean()) / was.astype(float).std()
            total += weight * values.fillna(0.0).clip(-4, 4).to_numpy()
        else:
            codes = {value: place for place, value in enumerate(sorted(was.dropna().unique()))}
            middle = (len(codes) - 1) / 2
            total += weight * (rows[name].map(codes).fillna(middle).to_numpy(dtype=float) - middle) / max(middle, 1.0)
    return total


def with_answers(shape: Shape, rows: pd.DataFrame, reference: pd.DataFrame, noise: np.ndarray) -> pd.DataFrame:
    """Rows with the model's score and class and the time at which labels came; ``noise`` spoils the score where it is not 0."""
    chance = 1 / (1 + np.exp(-(logit(shape, rows, reference) + noise)))
    times = rows[shape.role("time")]
    return rows.assign(
        **{
            shape.role("score"): chance,
            shape.role("prediction"): (chance >= 0.5).astype("int64"),
            shape.role("labelled"): (times + shape.delay),
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
    """Heavy tails, cents, integers, many text ids."""
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


def credit(random: Random, total: int) -> pd.DataFrame:
    """Applications in their order: a growing number, a running sequence, codes that are integers, dates, gaps."""
    income = np.round(random.lognormal(10.5, 0.45, total), 0)
    return pd.DataFrame(
        {
            "application_id": 7_000_000 + np.arange(total),
            "batch_number": np.arange(total) // 37,
            "income": income,
            "loan_amount": np.round(income * random.uniform(0.1, 1.4, total), -2),
            "debt_ratio": random.beta(2.2, 3.8, total),
            "age": np.clip(np.round(random.normal(42, 12, total)), 18, 90).astype("int64"),
            "months_employed": random.negative_binomial(2, 0.02, total).astype("int64"),
            "open_accounts": random.poisson(4.2, total),
            "late_payments": random.poisson(0.4, total),
            "bureau_score": np.where(random.random(total) < 0.08, np.nan, np.round(random.normal(640, 70, total))),
            "balance_change": np.round(random.normal(120, 900, total), 2),
            "region_code": random.choice(
                [11, 24, 32, 44, 52, 75, 84, 93], total, p=[0.3, 0.2, 0.14, 0.12, 0.1, 0.07, 0.04, 0.03]
            ),
            "purpose": _choice(random, ["car", "home", "debt", "school", "other"], total, [30, 25, 22, 13, 10]),
            "employment": _choice(random, ["salaried", "self-employed", "retired", "student"], total, [62, 18, 14, 6]),
            "branch": _choice(random, ["Köln Süd", "München", "Hamburg", "Düsseldorf", "Berlin"], total, [30, 25, 20, 15, 10]),
            "has_guarantor": random.random(total) < 0.23,
        }
    )


def hospital(random: Random, total: int) -> pd.DataFrame:
    """Stays by the day: half of all values integers, one column in degrees, hours of the day, rare classes."""
    stay = random.gamma(1.6, 2.4, total)
    return pd.DataFrame(
        {
            "visit_number": 10_000 + np.cumsum(random.integers(1, 4, total)),
            "heart_rate": np.round(random.normal(82, 15, total)).astype("int64"),
            "body_temperature": np.round(random.normal(37.1, 0.7, total), 1),
            "weight_kg": np.round(random.normal(76, 16, total).clip(35, 190), 1),
            "height_cm": np.round(random.normal(171, 10, total)).astype("int64"),
            "creatinine": np.round(random.lognormal(0.05, 0.4, total), 2),
            "days_since_last_visit": np.round(random.exponential(120, total)).astype("int64"),
            "stay_days": np.round(stay, 1),
            "base_excess": np.round(random.normal(-0.6, 2.6, total), 1),
            "arrival_hour": (np.round(random.normal(13, 4.5, total)) % 24).astype("int64"),
            "triage": random.choice([1, 2, 3, 4, 5], total, p=[0.03, 0.12, 0.38, 0.33, 0.14]),
            "ward": _choice(
                random, ["surgery", "medicine", "cardiology", "paediatrics", "maternity"], total, [28, 34, 16, 13, 9]
            ),
            "insurance": _choice(random, ["public", "private", "none"], total, [78, 18, 4]),
            "diagnosis": _choice(random, ["I10.9", "E11.9", "J18.9", "N39.0", "S72.0", "K35.8"], total, [26, 22, 18, 14, 11, 9]),
            "physician": _choice(random, ["Dr. Özdemir", "Dr. Núñez", "Dr. Bauer", "Dr. Lefèvre"], total, [30, 28, 22, 20]),
        }
    )


def shop(random: Random, total: int) -> pd.DataFrame:
    """Visits of a shop: heavy tails, many zeros, weights, a currency of cents, milliseconds."""
    price = np.round(random.lognormal(3.6, 0.8, total), 2)
    return pd.DataFrame(
        {
            "visit_seq": np.arange(total) + 1,
            "price": price,
            "discount": np.where(random.random(total) < 0.7, 0.0, np.round(random.uniform(0, 0.5, total), 2)),
            "pages_viewed": random.geometric(0.18, total),
            "dwell_seconds": np.round(random.gamma(1.8, 45.0, total), 3),
            "cart_value": np.round(np.where(random.random(total) < 0.4, 0.0, price * random.integers(1, 5, total)), 2),
            "days_as_customer": random.integers(0, 2400, total),
            "rating": np.where(random.random(total) < 0.15, np.nan, np.round(random.beta(6, 2, total) * 5, 1)),
            "margin": np.round(random.normal(6.0, 9.0, total), 2),
            "hour": np.clip(np.round(random.gamma(9, 1.7, total)), 0, 23).astype("int64"),
            "category_code": random.choice([101, 102, 210, 305, 318, 402], total, p=[0.34, 0.24, 0.17, 0.12, 0.08, 0.05]),
            "device": _choice(random, ["mobile", "desktop", "tablet"], total, [60, 33, 7]),
            "market": _choice(random, ["de", "at", "ch", "nl"], total, [58, 18, 14, 10]),
            "campaign": _choice(random, ["Spring Sale", "Frühling", "Newsletter", "(none)"], total, [20, 15, 25, 40]),
            "is_member": random.random(total) < 0.38,
            "sample_weight": np.round(random.uniform(0.5, 2.0, total), 3),
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
    "credit": Shape(
        "credit",
        credit,
        pd.Timedelta(days=1),
        windows=56,
        baseline=14,
        per_window=900,
        every="1 day",
        numbers=("income", "loan_amount", "debt_ratio", "months_employed", "bureau_score"),
        signed=("income", "balance_change", "loan_amount"),
        temperatures=(),
        categories=("purpose", "employment"),
        texts=("branch",),
        hours=(),
        slices=("purpose", "employment"),
        weights={"debt_ratio": 1.0, "bureau_score": -0.8, "income": -0.5, "late_payments": 0.5, "employment": 0.3},
        versions=("2024-03", "2024-05"),
        names={
            "id": "application_id",
            "time": "scored_at",
            "version": "model_version",
            "score": "score",
            "prediction": "prediction",
            "label": "label",
            "labelled": "label_known_at",
        },
        codes=("region_code",),
        delay=pd.Timedelta(days=2),
    ),
    "hospital": Shape(
        "hospital",
        hospital,
        pd.Timedelta(days=1),
        windows=56,
        baseline=14,
        per_window=700,
        every="1 day",
        numbers=("weight_kg", "creatinine", "stay_days", "days_since_last_visit", "height_cm"),
        signed=("base_excess", "weight_kg", "creatinine"),
        temperatures=("body_temperature",),
        categories=("ward", "diagnosis", "insurance"),
        texts=("physician",),
        hours=("arrival_hour",),
        slices=("ward", "insurance"),
        weights={"creatinine": 0.9, "heart_rate": 0.6, "stay_days": 0.6, "triage": -0.5, "ward": 0.4},
        versions=("a", "b"),
        names={
            "id": "visit_number",
            "time": "predicted_at",
            "version": "version",
            "score": "probability",
            "prediction": "predicted",
            "label": "outcome",
            "labelled": "outcome_at",
        },
        codes=("triage",),
        delay=pd.Timedelta(hours=30),
    ),
    "shop": Shape(
        "shop",
        shop,
        pd.Timedelta(days=1),
        windows=56,
        baseline=14,
        per_window=1500,
        every="1 day",
        numbers=("price", "dwell_seconds", "days_as_customer", "pages_viewed", "rating"),
        signed=("margin", "price", "rating"),
        temperatures=(),
        categories=("device", "market"),
        texts=("campaign",),
        hours=("hour",),
        slices=("device", "market"),
        weights={"pages_viewed": 0.8, "dwell_seconds": 0.8, "price": -0.5, "device": 0.5, "is_member": 0.2},
        versions=("v7", "v8"),
        names={
            "id": "visit_seq",
            "time": "event_time",
            "version": "model_version",
            "score": "propensity",
            "prediction": "prediction",
            "label": "label",
            "labelled": "label_time",
        },
        codes=("category_code",),
    ),
}
