"""A histogram of Prometheus through a whole run: quantiles by the edges that values lay between, and requests by its count."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import deltalake
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from spark_monitor import Monitor

pytestmark = pytest.mark.slow

START, DAYS = pd.Timestamp("2024-03-01", tz="UTC"), 3
EDGES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, np.inf)
FILE = """
monitor: histogram
model: {{name: histogram, task: none}}
predictions: {{path: {0}/predictions, id: id, time: at}}
windows: {{every: 1 day, lookback: 10 days}}
operations:
  {{path: {0}/samples, format: long, time: at, metric: name, value: value, labels: labels,
   names: {{http_seconds_bucket: latency_seconds}}}}
rules:
  - {{metric: latency_p95, fail: "> 1000"}}
outputs: {{path: {0}/out}}
"""


def moments(times: Any) -> pa.Array:
    return pa.array(pd.DatetimeIndex(times).as_unit("us"), pa.timestamp("us", "UTC"))


def samples_of(random: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every five minutes of two hosts, one of which is started again, and the values that were observed since the first."""
    rows, values = [], []
    for host, scale in (("a", 1.0), ("b", 2.5)):
        total, took = np.zeros(len(EDGES)), 0.0
        for number, at in enumerate(pd.date_range(START, START + DAYS * pd.Timedelta(days=1), freq="5min", inclusive="left")):
            observed = 0.04 * scale * random.lognormal(0, 1, int(random.integers(0, 9)))
            if host == "b" and number == 400:
                total, took = np.zeros(len(EDGES)), 0.0
            total = total + np.bincount(np.searchsorted(EDGES, observed, side="left"), minlength=len(EDGES))
            took += observed.sum()
            labels = {"endpoint": "p", "instance": host}
            for edge, many in zip(EDGES, total.cumsum(), strict=True):
                rows.append(
                    (at, "http_seconds_bucket", many, json.dumps({**labels, "le": "+Inf" if np.isinf(edge) else f"{edge}"}))
                )
            rows += [
                (at, "http_seconds_count", total.sum(), json.dumps(labels)),
                (at, "http_seconds_sum", took, json.dumps(labels)),
            ]
            values += [(at, 1000 * one) for one in observed if number]
    return pd.DataFrame(rows, columns=["at", "name", "value", "labels"]), pd.DataFrame(values, columns=["at", "ms"])


def test_quantiles_of_a_histogram_hold_those_of_its_values(spark: SparkSession, tmp_path: Path) -> None:
    samples, values = samples_of(np.random.default_rng(3))
    samples = samples.sample(frac=1, random_state=1)
    told = {name: pa.array(samples[name]) for name in ("name", "value", "labels")}
    deltalake.write_deltalake(str(tmp_path / "samples"), pa.table({"at": moments(samples["at"]), **told}))
    at = START + pd.to_timedelta(np.arange(30) / 10, unit="D")
    deltalake.write_deltalake(str(tmp_path / "predictions"), pa.table({"id": range(30), "at": moments(at)}))
    (tmp_path / "monitor.yaml").write_text(FILE.format(tmp_path), encoding="utf-8")
    monitor = Monitor.load(tmp_path / "monitor.yaml")
    assert [str(finding) for finding in monitor.check(spark) if finding.level == "error"] == []
    result = monitor.run(spark, as_of=datetime(2024, 3, 4, tzinfo=UTC))
    rows = result.metrics.where("dataset = 'operations'").selectExpr("*", "unix_micros(window.start) AS start").collect()
    found = pd.DataFrame([row.asDict() for row in rows])
    found["at"] = pd.to_datetime(found["start"], unit="us", utc=True)
    for day, of_day in values.groupby(values["at"].dt.floor("D")):
        exact = np.sort(of_day["ms"].to_numpy())
        for column in (":table", "p"):
            of = found[(found["at"] == day) & (found["column_name"] == column)].set_index("metric")
            assert of.loc["requests", "value"] == exact.size
            for metric, q in (("latency_p50", 0.5), ("latency_p90", 0.9), ("latency_p95", 0.95), ("latency_p99", 0.99)):
                real = exact[int(np.ceil(q * exact.size)) - 1]
                row = of.loc[metric]
                assert row["count"] == exact.size
                assert abs(row["value"] - real) <= row["value_error"]
                # No bound is known where it lies in the bucket without an upper edge.
                assert row["lower"] <= real <= (np.inf if np.isnan(row["upper"]) else row["upper"])
        [details] = found[(found["at"] == day) & (found["metric"] == "latency_p95") & (found["column_name"] == "p")]["details"]
        assert details["slowest_hosts"].startswith("b ")
    again = monitor.run(spark, as_of=datetime(2024, 3, 4, tzinfo=UTC))
    assert again.status == "NOTHING_NEW"
