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
import pytest
from pyspark.sql import SparkSession

from spark_monitor import Monitor
from spark_monitor.insight.gather import facts
from spark_monitor.outputs.report.page import report_html
from spark_monitor.store.local import LocalTables

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


def test_people_are_told_once_and_a_channel_that_is_down_fails_nothing(
    spark: SparkSession, tmp_path: Path, posted: list[dict[str, Any]]
) -> None:
    file = made.make(tmp_path, rows=3_000, mlflow=False).monitor_file
    with file.open("a", encoding="utf-8") as more:
        more.write(
            "people:\n  channels: {told: {url_env: TOLD_URL}, down: {url_env: DOWN_URL}}\n"
            "  routes: [{to: told}]\n  digest: {every: 1 week, to: [told, down]}\n"
        )
    monitor, said = Monitor.load(file), list[str]()

    first = monitor.run(spark, as_of=AS_OF, say=said.append)
    sent = len(posted)
    second = monitor.run(spark, as_of=AS_OF, say=said.append)

    assert (first.status, second.status) == ("COMMITTED", "NOTHING_NEW")
    digests = [message for message in posted if "2024-01-15 to 2024-01-22" in message["title"]]
    tables = LocalTables(str(tmp_path / "out"), "made")
    known = facts(tables, monitor.config, pictures=True)
    assert len(digests) == 1
    assert len(posted) == sent == 1 + known.open_total
    rows = tables.ask("SELECT channel, event, status, attempts, error FROM deliveries ORDER BY channel, event")
    assert rows[0] == {"channel": "down", "event": "DIGEST", "status": "FAILED", "attempts": 2, "error": rows[0]["error"]}
    assert {row["status"] for row in rows[1:]} == {"SENT"}
    assert "hunter2" not in str(rows) + str(said)
    assert "Columns over time" in report_html(known, monitor.config)
