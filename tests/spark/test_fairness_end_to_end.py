"""A group that is treated less fairly, through the main job: numbers against fairlearn, one incident, and the SQL behind it."""

from __future__ import annotations

import json
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from by_fairlearn import by_fairlearn
from typer.testing import CliRunner

from spark_monitor.api.monitor import Monitor
from spark_monitor.cli import app

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

START, WEEK, WEEKS, ROWS, BROKEN = pd.Timestamp("2025-03-03"), pd.Timedelta(days=7), 9, 900, 6
FILE = """
monitor: visits
model: {{name: visits, task: binary}}
predictions: {{path: {dir}/visits, format: parquet, id: id, time: at, model_version: {{literal: "1"}}, score: p}}
labels: {{path: {dir}/labels, format: parquet, id: id, label: missed, time: known, horizon: 3 days}}
baseline: {{path: {dir}/visits, format: parquet, where: "at < TIMESTAMP '2025-03-31 00:00:00Z'", labels: true}}
windows: {{every: 1 week, lookback: 90 days}}
slices: [lang]
fairness: {{groups: [lang], reference: {{lang: de}}, favourable: 0}}
rules:
  - {{metric: demographic_parity_ratio, fail: "< 0.8", owner: equity}}
  - {{metric: ks, columns: [p], fail: 0.3}}
outputs: {{path: {dir}/out}}
"""


def visits() -> pd.DataFrame:
    """From the seventh week on the scores of one group are raised; of another there are few rows."""
    random = np.random.default_rng(12)
    rows = WEEKS * ROWS
    frame = pd.DataFrame({"id": np.arange(rows), "week": np.arange(rows) // ROWS})
    frame["at"] = START + frame["week"] * WEEK + pd.to_timedelta(random.uniform(0, 7 * 86_400, rows), unit="s")
    frame["lang"] = random.choice(["de", "en", "pl", "xx"], rows, p=[0.45, 0.33, 0.21, 0.01])
    risk = random.normal(size=rows)
    frame["missed"] = (random.random(rows) < 1 / (1 + np.exp(-risk))).astype(int)
    raised = 1.5 * ((frame["lang"] == "pl") & (frame["week"] >= BROKEN))
    frame["p"] = np.round(1 / (1 + np.exp(-(risk + raised + random.normal(0, 0.3, rows)))), 3)
    return frame


def write(frame: pd.DataFrame, directory: Path) -> None:
    times = pa.array(frame["at"].to_numpy().astype("datetime64[us]")).cast(pa.timestamp("us", "UTC"))
    known = pa.array((frame["at"] + pd.Timedelta(days=1)).to_numpy().astype("datetime64[us]")).cast(pa.timestamp("us", "UTC"))
    for name, columns, at in (("visits", ["id", "lang", "p"], ("at", times)), ("labels", ["id", "missed"], ("known", known))):
        (directory / name).mkdir()
        table = pa.Table.from_pandas(frame[columns], preserve_index=False).append_column(*at)
        pq.write_table(table, directory / name / "part-0.parquet")


def asked(command: list[str]) -> str:
    found = CliRunner().invoke(app, command)
    assert found.exit_code == 0, found.output
    return found.stdout  # how many rows there are is said beside it


def test_a_group_that_is_treated_less_fairly_is_one_incident_with_its_numbers(spark: SparkSession, tmp_path: Path) -> None:
    frame = visits()
    write(frame, tmp_path)
    file = tmp_path / "visits.yaml"
    file.write_text(FILE.format(dir=tmp_path), encoding="utf-8")

    result = Monitor.load(file).run(spark, as_of=datetime(2025, 5, 12, tzinfo=UTC))

    assert result.status == "COMMITTED"
    wide = result.metrics.where("family = 'fairness'").selectExpr("*", "CAST(window.start AS DATE) AS day").drop("window")
    rows = [row.asDict() for row in wide.collect()]
    for week in range(WEEKS):
        day, own = (START + week * WEEK).date(), frame[frame["week"] == week]
        reference = own[own["lang"] == "de"]
        for lang in ("en", "pl", "xx"):
            found = {row["metric"]: row for row in rows if row["slice_value"] == lang and row["day"] == day}
            if lang == "xx":
                assert {row["status"] for row in found.values()} == {"SUPPRESSED"}
                assert {row["value"] for row in found.values()} == {None}
                continue
            both = pd.concat([own[own["lang"] == lang], reference])
            truth, guess = 1 - both["missed"], (both["p"] < 0.5).astype(int)  # 0 is the favourable class
            for name, value in by_fairlearn(truth, guess, both["lang"]).items():
                assert abs(found[name]["value"]) == pytest.approx(value, abs=1e-9)
                assert found[name]["lower"] <= found[name]["value"] <= found[name]["upper"]

    (incident,) = result.incidents.collect()
    assert (incident["kind"], incident["slice_key"], incident["slice_value"]) == ("fairness", "lang", "pl")
    assert (incident["owner"], incident["first_window"]["start"].strftime("%m-%d")) == ("equity", "04-14")
    assert incident["members"][0]["metric"] == "demographic_parity_ratio"
    assert [(cause["what"], "where lang = pl" in cause["sentence"]) for cause in incident["causes"]] == [("p", True)]

    told = asked(["explain", incident["incident_id"], str(file)])
    assert "On average" in told
    queries = [shlex.split(line.strip()) for line in told.splitlines() if line.strip().startswith("spark-monitor sql")]
    assert len(queries) == 3
    for _, *command in queries:
        assert [json.loads(line) for line in asked([*command, "--json"]).splitlines()] != []
