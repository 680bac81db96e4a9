"""A service, pipelines and a bill in the formats of other programs, in windows of five minutes, judged and charted in MLflow."""

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

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

FORMATS = Path(__file__).parents[1] / "formats"
START, DAYS = pd.Timestamp("2024-01-01", tz="UTC"), 3
AS_OF = datetime(2024, 1, 4, tzinfo=UTC)
FIVE = pd.Timedelta(minutes=5)
FILE = """
monitor: formats
model: {{name: formats, task: binary}}
predictions: {{path: {0}/predictions, id: id, time: at, model_version: version, prediction: said, positive: 1}}
windows: {{every: 1 day, lookback: 10 days}}
operations:
  path: {0}/samples
  format: long
  time: at
  metric: name
  value: value
  labels: labels
  names: {{http_requests_total: requests, http_errors_total: failed_requests, latency: latency_seconds, cpu: cpu_percent}}
  every: 5 minutes
  baseline_from: 2024-01-01
  baseline_to: 2024-01-02
pipelines:
  tables: [{{path: {0}/predictions}}, {{path: {1}/iceberg, format: iceberg}}]
  runs: {{path: {1}/openlineage.jsonl, format: openlineage, schedule: "0 3 * * *"}}
  mlflow_model: true
costs: {{path: {1}/focus.csv, format: focus, tag: "get_json_object(Tags, '$.team')", budget: {{amount: 100, currency: EUR}}}}
rules:
  - {{metric: latency_ks, fail: 0.2}}
  - {{metric: step_missed_runs, fail: "> 0"}}
outputs: {{path: {0}/out, mlflow: {{tracking_uri: "sqlite:///{0}/mlflow.db", experiment: formats}}}}
"""


def timestamps(times: Any) -> pa.Array:
    return pa.array(pd.DatetimeIndex(times).as_unit("us"), pa.timestamp("us", "UTC"))


def samples_of(random: np.random.Generator) -> pd.DataFrame:
    """Counters of two hosts every minute, one of which is reset on the second day, and latencies that double on the third."""
    minutes = START + pd.to_timedelta(np.arange(DAYS * 1440), unit="min")
    parts = []
    for host in ("a", "b"):
        labels = json.dumps({"endpoint": "predict", "instance": host})
        for name, rate in (("http_requests_total", 20), ("http_errors_total", 1)):
            added = random.poisson(rate, minutes.size).astype(float)
            shown = added.cumsum()
            if host == "b":
                shown[2000:] -= shown[1999]
            parts.append(pd.DataFrame({"at": minutes, "name": name, "value": shown, "labels": labels, "added": added}))
        slow = np.where(minutes >= START + pd.Timedelta(days=2), 2.0, 1.0)
        latency = 0.1 * slow * random.lognormal(0, 0.5, minutes.size)
        parts.append(pd.DataFrame({"at": minutes, "name": "latency", "value": latency, "labels": labels, "added": np.nan}))
        parts.append(pd.DataFrame({"at": minutes, "name": "cpu", "value": random.uniform(0, 90, minutes.size), "labels": labels}))
    return pd.concat(parts).sample(frac=1, random_state=1, ignore_index=True)


@pytest.mark.filterwarnings("ignore")  # MLflow's own, of its database
def test_foreign_formats_are_measured_judged_and_charted(spark: SparkSession, tmp_path: Path) -> None:
    random = np.random.default_rng(41)
    samples = samples_of(random)
    told = {name: pa.array(samples[name]) for name in ("name", "value", "labels")}
    deltalake.write_deltalake(str(tmp_path / "samples"), pa.table({"at": timestamps(samples["at"]), **told}))
    at = START + pd.to_timedelta(np.arange(900) / 300, unit="D")
    version = np.where(np.arange(900) < 450, "1", "2")
    said = (random.random(900) < np.where(version == "1", 0.2, 0.5)).astype(np.int64)
    table = pa.table({"id": range(900), "at": timestamps(at), "version": pa.array(version), "said": pa.array(said)})
    deltalake.write_deltalake(str(tmp_path / "predictions"), table)
    (tmp_path / "monitor.yaml").write_text(FILE.format(tmp_path, FORMATS), encoding="utf-8")
    monitor = Monitor.load(tmp_path / "monitor.yaml")
    assert [str(finding) for finding in monitor.check(spark) if finding.level == "error"] == []

    result = monitor.run(spark, as_of=AS_OF)
    assert result.status == "COMMITTED"
    assert result.published.status == "PUBLISHED", result.published
    rows = [row.asDict() for row in result.metrics.selectExpr("*", "unix_micros(window.start) AS start").collect()]
    stored = pd.DataFrame(rows).sort_values("start", kind="stable")
    stored["at"] = pd.to_datetime(stored["start"], unit="us", utc=True)

    served = stored[(stored["dataset"] == "operations") & (stored["column_name"] == ":table")].set_index(["metric", "at"])
    counted = samples[samples["at"] > START].assign(at=samples["at"].dt.floor(FIVE))  # the first value of a counter adds nothing
    requests = counted[counted["name"] == "http_requests_total"].groupby("at")["added"].sum()
    assert served.loc["requests"]["value"].to_dict() == requests.to_dict()
    failed = counted[counted["name"] == "http_errors_total"].groupby("at")["added"].sum()
    assert served.loc["failure_rate"]["value"].to_dict() == pytest.approx((failed / requests).to_dict())
    latency = samples[samples["name"] == "latency"].assign(at=samples["at"].dt.floor(FIVE)).groupby("at")["value"]
    median = 1000 * latency.quantile(0.5, interpolation="lower")
    assert served.loc["latency_p50"]["value"].to_dict() == pytest.approx(median.to_dict())
    assert set(served.loc["latency_ks"]["basis"]) == {"BASELINE"}
    late = served.loc["latency_ks"].loc[START + pd.Timedelta(days=2) :]
    early = served.loc["latency_ks"].loc[: START + pd.Timedelta(days=2) - FIVE]
    assert late["value"].mean() > early["value"].mean() + 0.15

    steps = stored[stored["dataset"] == "pipelines"].set_index(["column_name", "metric"]).sort_index(kind="stable")
    assert steps.loc[("nightly.score", "step_missed_runs"), "value"].tolist() == [0, 0, 1]
    arrived = steps.loc[(":table", "model_pipeline")].set_index("model_version")
    assert arrived.loc["2", "details"]["previous_version"] == "1"
    assert arrived.loc["2", "at"] == START + pd.Timedelta(days=1)
    moved = steps.loc[(":table", "positive_rate_change")].iloc[0]
    first = (at >= START + pd.Timedelta(days=1)) & (at < START + pd.Timedelta(days=2))
    exact = said[first & (version == "2")].mean() - said[first & (version == "1")].mean()
    assert moved["value"] == pytest.approx(exact)
    assert moved["lower"] < exact < moved["upper"]

    costs = stored[(stored["dataset"] == "costs") & (stored["metric"] == "cost")].set_index(["column_name", "at"])["value"]
    assert costs.loc["tag=delays"].tolist() == [12.5] * DAYS
    assert costs.loc[":table"].tolist() == [13.75] * DAYS

    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    runs = client.search_runs([one.experiment_id for one in client.search_experiments()])
    keys = {key.split("/")[0] for run in runs for key in run.data.metrics}
    assert {"system", "pipeline", "cost"} <= keys, keys
