"""The ledger asked for many monitors at once, and rows that are older than they are kept, on tables written by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession

from spark_monitor.config.monitor import MonitorConfig, load_config
from spark_monitor.stages import idle as idle_stage
from spark_monitor.stages.idle import note_idle
from spark_monitor.stages.prune import monitors_at, prune, remove
from spark_monitor.store import Store
from spark_monitor.store.creation import ensure_table
from spark_monitor.store.rows import aligned
from spark_monitor.store.schemas import TABLES

AS_OF = datetime(2024, 1, 15, 3, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FLEET = 100


def config(directory: Path, name: str, keep: str = "{}") -> MonitorConfig:
    file = directory / f"{name}.yaml"
    file.write_text(
        f"""
monitor: {name}
model: {{name: model, task: binary}}
predictions: {{path: "{directory}/predictions", id: id, time: at, prediction: p}}
labels: {{path: "{directory}/labels", id: id, label: y, time: known, horizon: 3 days}}
windows: {{every: 1 week, lookback: 0 days}}
outputs: {{path: "{directory}/out", keep: {keep}}}
""",
        encoding="utf-8",
    )
    return load_config(file)


def times(*moments: datetime) -> pa.Array:
    return pa.array(moments, pa.timestamp("us", "UTC"))


def sources(directory: Path) -> None:
    rows = pa.table({"id": pa.array([1, 2]), "at": times(AS_OF - 5 * DAY, AS_OF - DAY), "p": pa.array([0, 1])})
    write_deltalake(str(directory / "predictions"), rows)
    labels = pa.table({"id": pa.array([1]), "y": pa.array([1]), "known": times(AS_OF - DAY)})
    write_deltalake(str(directory / "labels"), labels)


def run_row(store: Store, one: MonitorConfig, run_id: str, **values: Any) -> dict[str, Any]:
    versions = {"predictions": store.source_version(one.predictions), "labels": store.source_version(one.labels)}
    row = {"run_id": run_id, "monitor_id": one.monitor, "as_of": AS_OF, "kind": "DUE", "status": "COMMITTED", "published": "OFF"}
    about = {"started": AS_OF, "ended": AS_OF + HOUR, "config_hash": one.config_hash(), "baseline_version": 1}
    return {**row, **about, "source_versions": versions, **values}


@pytest.mark.slow
def test_a_hundred_monitors_are_asked_for_together(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources(tmp_path)
    fleet = [config(tmp_path, f"monitor_{number}") for number in range(FLEET)]
    store = Store(spark, fleet[0].outputs)
    ensure_table(spark, store.place, TABLES["runs"])
    first = run_row(store, fleet[0], "first")
    rows = [{**first, "monitor_id": one.monitor, "config_hash": one.config_hash()} for one in fleet]
    rows[1] |= {"published": "PENDING"}
    rows[2] |= {"config_hash": "another file"}
    rows[3] |= {"source_versions": {"predictions": "0 of another table", "labels": first["source_versions"]["labels"]}}
    rows.append({**rows[4], "run_id": "broken", "status": "FAILED", "started": AS_OF + 2 * HOUR})
    rows.append({**rows[5], "run_id": "frozen", "kind": "FREEZE", "baseline_version": 2, "ended": AS_OF + 2 * HOUR})
    rows.append({**rows[6], "run_id": "running", "status": "RUNNING", "ended": None})
    store.append_runs(rows)
    commits = DeltaTable(str(tmp_path / "out" / "runs")).version()

    asked: list[str] = []
    ask = idle_stage.label_times_between
    monkeypatch.setattr(idle_stage, "label_times_between", lambda *given: asked.append(str(given[1].path)) or ask(*given))

    idle = note_idle(store, fleet, AS_OF + HOUR)
    assert asked == [str(tmp_path / "labels")], "one question for all that read one table"
    assert {one.config.monitor for one in idle} == {one.monitor for one in (fleet[0], *fleet[7:])}
    assert DeltaTable(str(tmp_path / "out" / "runs")).version() == commits + 1
    noted = store.frame("runs").where("status = 'NOTHING_NEW' AND baseline_version = 1 AND ended >= started")
    assert noted.count() == len(idle)
    assert note_idle(store, fleet[:1], AS_OF + 8 * DAY) == [], "a week has ended"
    write_deltalake(
        str(tmp_path / "labels"), pa.table({"id": pa.array([2]), "y": pa.array([1]), "known": times(AS_OF)}), mode="append"
    )
    assert note_idle(store, fleet[:1], AS_OF + HOUR) == [], "labels have come"


@pytest.mark.slow
def test_old_states_go_and_what_is_needed_stays(spark: SparkSession, tmp_path: Path) -> None:
    one = config(tmp_path, "kept", "{states: 60 days, metrics: 90 days}")
    store = Store(spark, one.outputs)
    store.ensure()
    weeks = spark.sql(
        "SELECT '1 week' AS granularity, explode(sequence(TIMESTAMP '2023-09-04 00:00:00Z', TIMESTAMP '2024-01-15 00:00:00Z', "
        "INTERVAL 7 DAYS)) AS end UNION ALL SELECT 'baseline', TIMESTAMP '2023-01-01 00:00:00Z'"
    )
    rows = weeks.selectExpr(
        *("granularity", "named_struct('start', end - INTERVAL 7 DAYS, 'end', end) AS window", "'kept' AS monitor_id"),
        *("'r' AS run_id", "'INPUT' AS log_type", "'predictions' AS dataset"),
    )
    for name in ("profile_states", "drift_metrics", "metrics"):
        own = rows.select(*(column for column in rows.columns if column in TABLES[name].names))
        store.place.append(aligned(own, TABLES[name]), name)
    counted = prune(store, one, AS_OF, dry=True)
    assert counted == {"profile_states": 11, "drift_metrics": 7, "metrics": 7}
    assert store.frame("profile_states").count() == 21
    assert prune(store, one, AS_OF) == counted
    assert store.frame("profile_states").count() == 10
    assert store.frame("profile_states").where("granularity = 'baseline'").count() == 1
    assert prune(store, one, AS_OF) == {}
    (row,) = store.frame("runs").where("kind = 'PRUNE'").selectExpr("status", "date(pruned_until) AS until").collect()
    assert (row["status"], row["until"]) == ("NOTHING_NEW", (AS_OF - 60 * DAY).date())
    assert monitors_at(store) == ["kept"]
    removed = remove(store, "kept")
    assert removed["profile_states"] == 10
    assert monitors_at(store) == []
