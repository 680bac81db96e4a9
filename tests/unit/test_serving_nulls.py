"""NULLs in each column that a request log is mapped to: what is left of every number, by pandas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.kernel.plan import WindowKey, plan_segments
from spark_monitor.kernel.requests import COLUMNS, RequestPlan, RequestTask
from spark_monitor.kernel.serving import ServingPlan, summaries
from spark_monitor.kernel.serving_series import series_measurements

HOUR = 3_600_000_000
TEXTS = ("endpoint", "version", "host", "cluster")
HAS = frozenset({*TEXTS, "failed", "latency", "cpu", "gpu", "memory"})
MAPPED = ("time", *TEXTS, "failed", "latency", "cpu", "gpu", "memory")


def log_of(random: np.random.Generator, rows: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "time": random.integers(0, HOUR, rows).astype(object),
            "endpoint": random.choice(["predict", "explain"], rows).astype(object),
            "version": random.choice(["1", "2"], rows).astype(object),
            "host": random.choice(["a", "b", "c"], rows).astype(object),
            "cluster": random.choice(["east", "west"], rows).astype(object),
            "requests": 1.0,
            "failed": (random.random(rows) < 0.1).astype(float),
            "copies": 0.0,
            **{name: random.uniform(1, 90, rows) for name in ("latency", "cpu", "gpu", "memory")},
        }
    )


def measured(frame: pd.DataFrame) -> pd.DataFrame:
    windows = (WindowKey("1 hour", 0, HOUR),)
    edges, members = plan_segments(windows)
    kinds: dict[str, Any] = {"time": pa.timestamp("us", "UTC"), **dict.fromkeys(TEXTS, pa.string())}
    arrays = [pa.array(frame[name], kinds.get(name, pa.float64()), from_pandas=True) for name in COLUMNS]
    tallies = RequestTask(RequestPlan(edges, members, HAS)).run(pa.table(arrays, names=list(COLUMNS)).to_batches())
    table = pa.Table.from_batches(tallies).sort_by([(name, "ascending") for name in ("window", "endpoint", "version")])
    plan = ServingPlan(windows=windows, has=HAS, most_endpoints=200, lookback=100 * HOUR)
    rows = [row for batch in summaries(table.to_batches(), plan) for row in batch.to_pylist()]
    rows.sort(key=lambda row: (row["column_name"], row["model_version"] or ""))
    return pd.DataFrame(series_measurements(rows, plan))


def by_pandas(part: pd.DataFrame) -> dict[str, float]:
    known, kept = part[part["failed"].notna()], part["latency"].dropna().to_numpy()
    return {
        "requests": len(part),
        "failed_requests": known["failed"].sum(min_count=1),
        "failure_rate": known["failed"].mean(),
        "latency_p95": np.quantile(kept, 0.95, method="inverted_cdf") if kept.size else np.nan,
        "active_hosts": part["host"].nunique() or np.nan,
        "active_clusters": part["cluster"].nunique() or np.nan,
        "cpu_percent_avg": part["cpu"].mean(),
        "gpu_percent_max": part["gpu"].max(),
        "memory_bytes_avg": part["memory"].mean(),
    }


@pytest.mark.parametrize("fraction", [0.3, 1.0])
@pytest.mark.parametrize("column", MAPPED)
def test_nulls_of_a_column_change_its_own_numbers_alone(column: str, fraction: float) -> None:
    random = np.random.default_rng(MAPPED.index(column))
    frame = log_of(random, 900)
    frame[column] = frame[column].astype(object)
    frame.loc[random.random(900) < fraction, column] = None
    inside = frame[frame["time"].notna()].astype(dict.fromkeys(("failed", "latency", "cpu", "gpu", "memory"), float))
    if inside.empty:
        assert measured(frame).empty
        return
    found = measured(frame)
    # Of rows without an endpoint or a version only all together know.
    parts = {(TABLE_ROW, None): inside}
    parts |= {(name, None): part for name, part in inside.groupby("endpoint")}
    parts |= {(TABLE_ROW, name): part for name, part in inside.groupby("version")}
    compared = 0
    for (endpoint, version), part in parts.items():
        chosen = found[found["column_name"] == endpoint]
        chosen = chosen[chosen["model_version"].isna() if version is None else chosen["model_version"] == version]
        rows = chosen.set_index("metric")
        for metric, value in by_pandas(part).items():
            number = rows.loc[metric, "value"]
            assert (np.nan if number is None else number) == pytest.approx(value, rel=1e-12, nan_ok=True), (metric, endpoint)
            if np.isnan(value):
                assert rows.loc[metric, "status"] != "OK", (metric, endpoint)
                assert rows.loc[metric, "message"]
            compared += 1
    assert compared == 9 * len(parts)
