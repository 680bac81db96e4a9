"""A store at a path that quotes, spaces and backticks cannot break, and rows to write to it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from spark_monitor.store import Store
from spark_monitor.store.schemas import TABLES
from spark_monitor.windowing.due import DueWindow
from spark_monitor.windowing.windows import Window

START = datetime(2024, 1, 1, tzinfo=UTC)
WEEKS = tuple(DueWindow("1 week", Window(START + timedelta(weeks=i), START + timedelta(weeks=i + 1))) for i in range(4))
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Writer:
    """A store with the rows of made-up monitors."""

    store: Store
    directory: Path

    @property
    def spark(self) -> SparkSession:
        return self.store.spark

    def another(self) -> Store:
        """Another store over the same tables, as another run would open it."""
        return Store(self.spark, self.store.place)

    def row(self, monitor_id: str) -> dict[str, Any]:
        """The ledger's row of a new run."""
        return {"run_id": f"run {next(_numbers)}", "monitor_id": monitor_id, "as_of": START + timedelta(weeks=4)}

    def profile(self, windows: Sequence[DueWindow] = WEEKS, *, avg: float = 1.0, columns: int = 3) -> DataFrame:
        """Rows of profile_metrics without monitor and run, which the store adds."""
        rows = [
            ((one.window.start, one.window.end), one.granularity, f"column {i}", "INPUT", avg + i, [avg, float(i)])
            for one in windows
            for i in range(columns)
        ]
        return self.of("profile_metrics", rows, "window granularity column_name log_type avg quantiles")

    def of(self, table: str, rows: Sequence[tuple[Any, ...]], names: str) -> DataFrame:
        """Rows of a table, of some of its columns."""
        schema = TABLES[table].schema
        return self.spark.createDataFrame(list(rows), type(schema)([schema[name] for name in names.split()]))

    def commit_profile(self, monitor_id: str, *, avg: float = 1.0, windows: Sequence[DueWindow] = WEEKS) -> str:
        """A committed run that wrote the profile of these windows."""
        row = self.row(monitor_id)
        store = self.another()
        with store.run(row) as run_id:
            rows = self.profile(windows, avg=avg)
            store.replace_windows("profile_metrics", rows, monitor_id=monitor_id, windows=windows)
            store.finish_run(run_id, status="COMMITTED")
        return run_id

    def stored(self, table: str, monitor_id: str, *columns: str) -> list[tuple[Any, ...]]:
        """The rows of a monitor, of committed runs or not, in order."""
        found = self.store.frame(table).where(f"monitor_id = '{monitor_id}'").selectExpr(*columns).collect()
        return sorted((tuple(row) for row in found), key=repr)
