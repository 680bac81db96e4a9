"""A run tells people after its commit: what a server on this machine is posted, what is noted, and what a second run adds."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import made
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from spark_monitor import Monitor
from spark_monitor.insight.read_results import facts
from spark_monitor.outputs.report.page import report_html
from spark_monitor.store.local import LocalTables
from tests.logged import logged

AS_OF = datetime(2024, 1, 23, 6, tzinfo=UTC)


@pytest.fixture
def posted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    seen: list[dict[str, Any]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("TOLD_URL", f"json://user:hunter2@127.0.0.1:{server.server_port}")
    monkeypatch.setenv("DOWN_URL", "json://127.0.0.1:1")
    yield seen
    server.shutdown()
    server.server_close()
    thread.join()


MONITOR = """
monitor: told
model: {{name: told, task: none}}
predictions: {{path: {0}/predictions, format: parquet, id: id, time: at, prediction: predicted}}
windows: {{every: 1 week}}
rules: [{{metric: count, fail: 500, severity: critical}}]
outputs: {{path: {0}/out}}
people:
  channels: {{told: {{url_env: TOLD_URL}}, down: {{url_env: DOWN_URL}}}}
  routes: [{{to: told}}]
  digest: {{every: 1 week, to: [told, down]}}
"""


def small(directory: Path) -> Path:
    """A week of a thousand predictions, twice as many as the monitor's rule allows."""
    random = np.random.default_rng(7)
    seconds = np.sort(random.integers(0, 7 * 86_400, 1_000))
    times = pd.Series(pd.Timestamp("2024-01-15", tz="UTC") + pd.to_timedelta(seconds, unit="s"))
    columns = {"id": np.arange(1_000), "at": made.timestamps(times), "predicted": random.normal(size=1_000)}
    (directory / "predictions").mkdir()
    pq.write_table(pa.table(columns), directory / "predictions" / "part-0.parquet")
    file = directory / "told.yaml"
    file.write_text(MONITOR.format(directory), encoding="utf-8")
    return file


@pytest.mark.timeout(900)
@pytest.mark.slow
def test_people_are_told_once_and_a_channel_that_is_down_fails_nothing(
    spark: SparkSession, tmp_path: Path, posted: list[dict[str, Any]]
) -> None:
    monitor = Monitor.load(small(tmp_path))

    with logged() as lines:
        first = monitor.run(spark, as_of=AS_OF)
        sent = len(posted)
        second = monitor.run(spark, as_of=AS_OF)

    assert (first.status, second.status) == ("COMMITTED", "NOTHING_NEW")
    digests = [message for message in posted if "2024-01-15 to 2024-01-22" in message["title"]]
    tables = LocalTables(str(tmp_path / "out"), "told")
    known = facts(tables, monitor.config, pictures=True)
    assert len(digests) == 1
    assert len(posted) == sent == 1 + known.open_total
    rows = tables.ask("SELECT channel, event, status, attempts, error FROM deliveries ORDER BY channel, event")
    assert rows[0] == {"channel": "down", "event": "DIGEST", "status": "FAILED", "attempts": 2, "error": rows[0]["error"]}
    assert {row["status"] for row in rows[1:]} == {"SENT"}
    assert "hunter2" not in str(rows) + str(lines)
    assert "told" in report_html(known, monitor.config)
