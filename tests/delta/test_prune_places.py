"""`prune` over several places: a dry run writes nothing, and a place that cannot be looked after stops no other."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from spark_monitor.commands.prune import _delete
from spark_monitor.commands.several import Left
from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.store import Store

AS_OF = datetime(2024, 1, 15, tzinfo=UTC)


class Remarks:
    """The terminal, as far as it is asked here."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def remark(self, line: str) -> None:
        self.lines.append(line)


def monitor(name: str, out: Path) -> MonitorConfig:
    return MonitorConfig.model_validate(
        {
            "monitor": name,
            "model": {"name": "m", "task": "none"},
            "predictions": {"path": "p", "format": "parquet", "id": "id", "time": "at"},
            "windows": {"every": "1 day"},
            "outputs": {"path": str(out), "keep": {"states": "60 days"}},
        }
    )


def files(directory: Path) -> list[Path]:
    return sorted(directory.rglob("*"))


def test_a_place_that_cannot_be_looked_after_stops_no_other_and_a_dry_run_writes_nothing(
    spark: SparkSession, tmp_path: Path
) -> None:
    never, good, newer = (monitor(name, tmp_path / name) for name in ("never", "good", "newer"))
    for one in (good, newer):
        Store(spark, one.outputs).ensure()
    spark.sql(f"ALTER TABLE delta.`{tmp_path}/newer/runs` SET TBLPROPERTIES ('spark_monitor.schemaVersion' = '99')")
    before = files(tmp_path)
    terminal = Remarks()
    left = Left(terminal)  # type: ignore[arg-type]
    done, there = _delete(spark, [never, newer, good], ["gone"], AS_OF, left, dry=True)
    assert files(tmp_path) == before
    assert (done, there) == ({"never": {}, "gone": {}, "good": {}}, set())
    assert left.code == 3
    assert len(terminal.lines) == 1
    assert "newer" in terminal.lines[0]
    done, _ = _delete(spark, [never, newer, good], [], AS_OF, left, dry=False)
    assert set(done) == {"never", "good"}
    assert not (tmp_path / "never").exists()
    with pytest.raises(Exception, match="newer"):
        _delete(spark, [newer], [], AS_OF, left, dry=True)
