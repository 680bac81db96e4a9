"""What surrounds the demo's models: the log of the service that answers, nightly steps, and the bill, with three faults injected.

Latencies are real: each version answers single flights here, one by one, and the log draws from how long that took. The requests
are the predictions themselves, so that both counts agree.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
from threadpoolctl import threadpool_limits

from spark_monitor.demo.data import SEED
from spark_monitor.demo.models import Version, model_input
from spark_monitor.demo.tables import TIMESTAMP
from spark_monitor.text.formatting import number

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

HOSTS = tuple(f"serving-{place}" for place in range(1, 7))
TIMED_ANSWERS = 60
"""Single flights that each version answers while the clock is read."""
FAILED_SHARE = 0.002

SLOW_HOST = "serving-4"
SLOW_FROM, SLOW_TO = pd.Timestamp("2013-10-07", tz="UTC"), pd.Timestamp("2013-10-14", tz="UTC")
SLOW_BY_MS = 2_000.0
MISSED_STEP, MISSED_NIGHT = "features", pd.Timestamp("2013-08-14", tz="UTC")
DEAR_SERVICE, DEAR_FROM = "feature-store", pd.Timestamp("2013-11-04", tz="UTC")

STEP_HOUR = 3
STEPS = {"features": 1500.0, "score": 600.0}
"""The nightly steps and their mean seconds; one begins when the other has ended."""
PRICES = {"serving": 0.012, "storage": 0.004}
"""Of a prediction, in EUR."""
DEAR_PRICE_A_DAY = 12.0

FAULTS = (
    f"{SLOW_HOST} answers {SLOW_BY_MS / 1000:g} seconds later than it should in the week of {SLOW_FROM:%Y-%m-%d}",
    f"the step {MISSED_STEP} did not run in the night of {MISSED_NIGHT:%Y-%m-%d}",
    f"the service {DEAR_SERVICE} doubles its price on {DEAR_FROM:%Y-%m-%d}",
)


def answer_times(rows: pd.DataFrame, versions: tuple[Version, ...]) -> dict[str, np.ndarray]:
    """How many milliseconds each version takes for single flights."""
    times_by_version = {}
    with threadpool_limits(limits=1):
        for version in versions:
            single = [model_input(rows.iloc[[place]]) for place in range(TIMED_ANSWERS)]
            taken = []
            for one in single:
                began = time.perf_counter()
                version.model.predict_proba(one)
                taken.append(1000 * (time.perf_counter() - began))
            times_by_version[str(version.number)] = np.array(taken)
    return times_by_version


def serving_log(predictions: pa.Table, taken: dict[str, np.ndarray]) -> pa.Table:
    """A request for every prediction: when, by which version, which host answered, how long it took, and its status."""
    random = np.random.default_rng(SEED)
    rows = predictions.select(["predicted_at", "model_version"]).to_pandas()
    latency = np.zeros(len(rows))
    for version, times in taken.items():
        of_version = (rows["model_version"] == version).to_numpy()
        latency[of_version] = random.choice(times, int(of_version.sum())) * random.lognormal(0, 0.1, int(of_version.sum()))
    host = random.choice(np.array(HOSTS), len(rows))
    at = rows["predicted_at"]
    slow = (host == SLOW_HOST) & (at >= SLOW_FROM).to_numpy() & (at < SLOW_TO).to_numpy()
    status = np.where(random.random(len(rows)) < FAILED_SHARE, 503, 200)
    return pa.table(
        {
            "at": predictions["predicted_at"],
            "endpoint": pa.array([f"flights-v{version}" for version in rows["model_version"]]),
            "version": predictions["model_version"],
            "host": pa.array(host),
            "latency": pa.array(latency + np.where(slow, SLOW_BY_MS, 0.0)),
            "status": pa.array(status, pa.int32()),
        }
    )


def step_runs() -> pa.Table:
    """Two steps every night of the year, one after the other, all but one."""
    random = np.random.default_rng(SEED + 1)
    parts = []
    for night in pd.date_range("2013-01-01", "2013-12-31", tz="UTC"):
        began = night + pd.Timedelta(hours=STEP_HOUR)
        for step, seconds in STEPS.items():
            ended = began + pd.Timedelta(seconds=round(seconds * random.lognormal(0, 0.1)))
            if not (step == MISSED_STEP and night == MISSED_NIGHT):
                parts.append((step, began, ended, "SUCCEEDED"))
            began = ended
    rows = pd.DataFrame(parts, columns=["task", "started", "ended", "state"])
    return _arrow(rows)


def bill(predictions: pa.Table) -> pa.Table:
    """What each service cost each day: two by the day's predictions, one by the day."""
    random = np.random.default_rng(SEED + 2)
    days = predictions["predicted_at"].to_pandas().dt.floor("D").value_counts().sort_index()
    usage = days.to_numpy().astype(np.float64)
    dear = DEAR_PRICE_A_DAY * np.where(days.index >= DEAR_FROM, 2.0, 1.0) * random.uniform(0.97, 1.03, len(days))
    costs = {**{service: price * usage for service, price in PRICES.items()}, DEAR_SERVICE: dear}
    parts = [pd.DataFrame({"day": days.index, "service": name, "amount": np.round(one, 2)}) for name, one in costs.items()]
    return _arrow(pd.concat(parts).assign(currency="EUR"))


def _arrow(rows: pd.DataFrame) -> pa.Table:
    timed = [name for name in rows.columns if str(rows[name].dtype).startswith("datetime")]
    table = pa.Table.from_pandas(rows, preserve_index=False).replace_schema_metadata(None)
    for name in timed:
        place = table.schema.get_field_index(name)
        table = table.set_column(place, name, table[name].cast(TIMESTAMP))
    return table


def service_faults_found(metrics: DataFrame) -> Iterator[str]:
    """The three faults against what was measured of every week: the numbers with the fault, and those without."""
    asked = (
        ("operations", "latency_p95", ":table", SLOW_FROM, SLOW_TO, f"{SLOW_HOST} slow", "ms"),
        ("pipelines", "step_missed_runs", MISSED_STEP, MISSED_NIGHT, MISSED_NIGHT, f"{MISSED_STEP} did not run", "nights"),
        ("costs", "cost", DEAR_SERVICE, DEAR_FROM, None, f"{DEAR_SERVICE} dearer", "EUR"),
    )
    wanted = " OR ".join(f"(dataset = '{one[0]}' AND metric = '{one[1]}' AND column_name = '{one[2]}')" for one in asked)
    whole = metrics.where(f"({wanted}) AND model_version IS NULL AND value IS NOT NULL")
    kept = ("metric", "value", "unix_micros(window.start) AS start", "unix_micros(window.end) AS end")
    rows = whole.selectExpr(*kept).orderBy("start").collect()
    for _, metric, _, begins, ends, title, unit in asked:
        faulty: list[float] = []
        clean: list[float] = []
        for row in (row for row in rows if row["metric"] == metric):
            start, end = (pd.Timestamp(row[edge], unit="us", tz="UTC") for edge in ("start", "end"))
            overlaps = end > begins and (ends is None or start <= ends) and (ends != SLOW_TO or start < SLOW_TO)
            (faulty if overlaps else clean).append(row["value"])
        yield f"  {title}: {metric} {_span(faulty, unit)} in weeks with the fault, {_span(clean, unit)} without."


def _span(values: list[float], unit: str) -> str:
    if not values:
        return "was not measured"
    low, high = number(min(values)), number(max(values))
    return f"{low if low == high else f'{low} to {high}'} {unit}"
