"""While a run replaces windows, readers without Spark see what was committed before it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from tables_written import arrow_type, write_tables

from spark_monitor.store.local import LocalTables
from spark_monitor.store.schemas import TABLES

DAYS = [datetime(2024, 1, day, tzinfo=UTC) for day in (1, 2, 3)]
LONG_AGO = datetime(2024, 1, 4, tzinfo=UTC)


def profile(monitor: str, run: str, day: datetime, count: int) -> dict[str, Any]:
    window = {"start": day, "end": day + timedelta(days=1)}
    about = {"monitor_id": monitor, "run_id": run, "window": window, "granularity": "1 day", "column_name": ":table"}
    return {**about, "count": count, "model_version": None}


def run_row(run: str, status: str, monitor: str = "fraud", **times: datetime) -> dict[str, Any]:
    return {"monitor_id": monitor, "run_id": run, "status": status, "as_of": LONG_AGO, **times}


def written(directory: Path, table: str, rows: list[dict[str, Any]], *, instead_of: str = "") -> None:
    """Rows in a commit of their own, in place of those of a condition."""
    described = TABLES[table].columns
    schema = pa.schema([pa.field(field.name, arrow_type(field.dataType)) for field in described])
    made = pa.Table.from_pylist([{field.name: row.get(field.name) for field in described} for row in rows], schema=schema)
    if instead_of:
        DeltaTable(str(directory / table)).delete(instead_of)
    write_deltalake(str(directory / table), made, mode="append")


def counts(directory: Path, monitor: str | None = "fraud") -> list[tuple[str, int, int]]:
    rows = LocalTables(str(directory), monitor).ask(
        'SELECT monitor_id, window_start, "count" AS n FROM flat_profile_metrics ORDER BY monitor_id, window_start, n'
    )
    return [(row["monitor_id"], datetime.fromtimestamp(row["window_start"] / 1e6, UTC).day, row["n"]) for row in rows]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    done = {"started": LONG_AGO, "ended": LONG_AGO + timedelta(minutes=1)}
    rows = [profile(monitor, f"{monitor}1", day, 100) for monitor in ("churn", "fraud") for day in DAYS]
    runs = [run_row(f"{monitor}1", "COMMITTED", monitor, **done) for monitor in ("churn", "fraud")]
    write_tables(tmp_path, {"profile_metrics": rows, "runs": runs})
    return tmp_path


LAST_TWO = "monitor_id = 'fraud' AND \"window\"['start'] >= '2024-01-02T00:00:00Z'"
BEFORE = [("fraud", day, 100) for day in (1, 2, 3)]


@pytest.mark.parametrize("status", ["RUNNING", "FAILED", "SUPERSEDED"])
def test_windows_that_a_run_replaces_stay_until_it_is_committed(directory: Path, status: str) -> None:
    began = datetime.now(UTC)
    written(directory, "runs", [run_row("fraud2", status, started=began)])
    assert counts(directory) == BEFORE

    replaced = [profile("fraud", "fraud2", DAYS[1], 200), profile("fraud", "fraud2", DAYS[2], 200)]
    written(directory, "profile_metrics", replaced, instead_of=LAST_TWO)
    assert counts(directory) == BEFORE

    # Another monitor, which was committed meanwhile, is as it is now.
    written(directory, "runs", [run_row("churn2", "COMMITTED", "churn", started=began, ended=datetime.now(UTC))])
    written(directory, "profile_metrics", [profile("churn", "churn2", datetime(2024, 1, 4, tzinfo=UTC), 300)])
    of_churn = [*(("churn", day, 100) for day in (1, 2, 3)), ("churn", 4, 300)]
    assert counts(directory, "churn") == of_churn
    assert counts(directory, None) == [*of_churn, *BEFORE]

    row = run_row("fraud2", "COMMITTED", started=began, ended=datetime.now(UTC))
    written(directory, "runs", [row], instead_of="run_id = 'fraud2'")
    assert counts(directory) == [("fraud", 1, 100), ("fraud", 2, 200), ("fraud", 3, 200)]


def test_a_run_after_one_that_was_broken_off_shows_what_it_commits(directory: Path) -> None:
    began = datetime.now(UTC)
    written(directory, "runs", [run_row("fraud2", "FAILED", started=began)])
    written(directory, "profile_metrics", [profile("fraud", "fraud2", DAYS[2], 200)], instead_of=LAST_TWO)
    written(directory, "runs", [run_row("fraud3", "RUNNING", started=datetime.now(UTC))])
    written(directory, "profile_metrics", [profile("fraud", "fraud3", DAYS[1], 300)])
    assert counts(directory) == BEFORE

    row = run_row("fraud3", "COMMITTED", started=datetime.now(UTC), ended=datetime.now(UTC))
    written(directory, "runs", [row], instead_of="run_id = 'fraud3'")
    assert counts(directory) == [("fraud", 1, 100), ("fraud", 2, 300)]  # what the broken one left is nobody's


def test_files_that_were_removed_meanwhile_are_not_missed(directory: Path) -> None:
    written(directory, "runs", [run_row("fraud2", "RUNNING", started=datetime.now(UTC))])
    written(directory, "profile_metrics", [profile("fraud", "fraud2", DAYS[2], 200)], instead_of=LAST_TWO)
    DeltaTable(str(directory / "profile_metrics")).vacuum(0, dry_run=False, enforce_retention_duration=False)
    assert counts(directory) == [("fraud", 1, 100)]


def test_of_several_versions_before_the_run_the_last_one_is_shown(directory: Path) -> None:
    written(directory, "profile_metrics", [profile("fraud", "fraud1", datetime(2024, 1, 4, tzinfo=UTC), 100)])
    written(directory, "runs", [run_row("fraud2", "RUNNING", started=datetime.now(UTC))])
    written(directory, "profile_metrics", [profile("fraud", "fraud2", DAYS[1], 200)], instead_of=LAST_TWO)
    assert counts(directory) == [*BEFORE, ("fraud", 4, 100)]
