"""Monitors whose tables hold rows of a run that is not committed: under way, or broken off with no run since.

Such a run has replaced rows of windows that were committed. Delta keeps them in the table's version before its first commit.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

MOST_COMMITS = 1_000
"""Commits of a table that are looked back through; the rows of a run that made more are left out, as in other readers."""

RUNS_UNDER_WAY = """
WITH known AS (
    SELECT monitor_id, status, started, max(ended) FILTER (WHERE status = 'COMMITTED') OVER (PARTITION BY monitor_id) AS committed
    FROM stored_runs WHERE status <> 'NOTHING_NEW'
)
SELECT monitor_id, epoch_us(min(started)) AS since FROM known
WHERE status <> 'COMMITTED' AND (committed IS NULL OR started > committed) GROUP BY monitor_id
"""


def begun_since(connection: duckdb.DuckDBPyConnection) -> dict[str, datetime]:
    """The monitors of which a run has begun since the last that committed, and when the first of these did."""
    rows = connection.execute(RUNS_UNDER_WAY).fetchall()
    return {monitor: datetime.fromtimestamp(since / 1e6, UTC) for monitor, since in rows if since is not None}


def files_before(table: Any, moment: datetime) -> list[str]:
    """The files of a Delta table in its last version before a timestamp; none where its log, or the disk, no longer has them."""
    stamped = [(one.get("version"), one.get("timestamp")) for one in table.history(MOST_COMMITS)]
    earlier = [int(version) for version, at in stamped if version is not None and at and at < moment.timestamp() * 1000]
    if not earlier:
        return []
    files: list[str] = type(table)(table.table_uri, version=max(earlier)).file_uris()
    return files if all(os.path.exists(file.removeprefix("file://")) for file in files) else []
