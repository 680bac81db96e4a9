"""Many monitors in one session: those that have nothing to do are found together, and only those."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark_monitor import Monitor
from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.stages.idle import note_idle
from spark_monitor.store import Store

START = datetime(2024, 1, 1, tzinfo=UTC)
AS_OF = START + timedelta(days=14, hours=3)
COPIES = 30


def instants(moments: list[datetime]) -> pa.Array:
    return pa.array(moments, pa.timestamp("us", "UTC"))


def predictions(start: datetime, rows: int = 60) -> pa.Table:
    at = [start + timedelta(hours=2 * number) for number in range(rows)]
    return pa.table({"id": pa.array(range(rows)), "at": instants(at), "p": pa.array([number % 2 for number in range(rows)])})


def labels(known: datetime, rows: int = 3) -> pa.Table:
    return pa.table({"id": pa.array(range(rows)), "y": pa.array([1] * rows), "known": instants([known] * rows)})


def monitor(directory: Path, name: str, *, extra: str = "") -> MonitorConfig:
    file = directory / f"{name}.yaml"
    file.write_text(
        f"""
monitor: {name}
model: {{name: model, task: binary}}
predictions: {{path: "{directory}/predictions", id: id, time: at, model_version: {{literal: "1"}}, prediction: p}}
labels: {{path: "{directory}/labels", id: id, label: y, time: known, horizon: 3 days}}
baseline: {{path: "{directory}/predictions", where: "at < TIMESTAMP '2024-01-03 00:00:00Z'"}}
windows: {{every: 1 week}}
outputs: {{path: "{directory}/out"}}
{extra}
""",
        encoding="utf-8",
    )
    return Monitor.load(file).config


def copied(store: Store, configs: list[MonitorConfig], first: str) -> None:
    """Give other monitors the ledger of one that ran, as if each had run itself."""
    runs = store.frame("runs").where(F.col("monitor_id") == first)
    for config in configs:
        own = runs.withColumns({"monitor_id": F.lit(config.monitor), "config_hash": F.lit(config.config_hash())})
        store.place.append(own, "runs")


def test_only_monitors_that_certainly_have_nothing_to_do_are_passed_over(spark: SparkSession, tmp_path: Path) -> None:
    write_deltalake(str(tmp_path / "predictions"), predictions(START))
    write_deltalake(str(tmp_path / "labels"), labels(START + timedelta(days=9)))
    config = monitor(tmp_path, "first")
    store = Store(spark, config.outputs)
    assert Monitor(config).run(spark, as_of=AS_OF).status == "COMMITTED"
    others = [monitor(tmp_path, f"copy_{number}") for number in range(COPIES)]
    copied(store, others, "first")
    fleet = [config, *others]

    def found(as_of: datetime, asked: list[MonitorConfig] = fleet) -> int:
        return len(note_idle(store, asked, as_of))

    before = store.frame("runs").count()
    commits = DeltaTable(str(tmp_path / "out" / "runs")).version()
    assert found(AS_OF + timedelta(hours=1)) == len(fleet)
    assert DeltaTable(str(tmp_path / "out" / "runs")).version() == commits + 1
    noted = store.frame("runs").where("status = 'NOTHING_NEW'")
    assert store.frame("runs").count() == before + noted.count() == before + len(fleet)
    assert noted.where("baseline_version = 1 AND ended >= started AND as_of > TIMESTAMP '2024-01-15 03:00:00Z'").count() == len(
        fleet
    )
    assert Monitor(config).run(spark, as_of=AS_OF + timedelta(hours=1)).status == "NOTHING_NEW"

    assert found(AS_OF - timedelta(hours=1)) == 0, "an earlier instant may be another story"
    assert found(START + timedelta(days=21)) == 0, "a week has ended"
    assert found(START + timedelta(days=17)) == 0, "labels of the second week have become final"
    assert found(AS_OF, [monitor(tmp_path, "never_ran")]) == 0
    assert found(AS_OF, [monitor(tmp_path, "first", extra="task_memory: 256 MiB")]) == 1, "no number depends on it"
    assert found(AS_OF, [monitor(tmp_path, "first", extra="rules: [{metric: count, fail: 1}]")]) == 0, "another file"
    write_deltalake(str(tmp_path / "labels"), labels(AS_OF + timedelta(hours=2)), mode="append")
    assert found(AS_OF + timedelta(hours=3)) == 0, "labels have come"


@pytest.mark.slow
def test_a_run_that_broke_off_leaves_its_monitor_to_a_run(spark: SparkSession, tmp_path: Path) -> None:
    write_deltalake(str(tmp_path / "predictions"), predictions(START))
    write_deltalake(str(tmp_path / "labels"), labels(START + timedelta(days=9)))
    config = monitor(tmp_path, "first")
    store = Store(spark, config.outputs)
    Monitor(config).run(spark, as_of=AS_OF)
    assert len(note_idle(store, [config], AS_OF)) == 1
    with pytest.raises(RuntimeError, match="broken"), store.run({"run_id": "broken", "monitor_id": "first", "as_of": AS_OF}):
        raise RuntimeError("broken")
    assert note_idle(store, [config], AS_OF) == []
