"""Ten thousand events through a mail server and a web server that refuse, delay and die, told by processes that are killed."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import Message
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MailHandler
from tables_written import write_tables

from spark_monitor.store.local import LocalTables

START = datetime(2024, 1, 1, tzinfo=UTC)
AS_OF = "2024-01-22T06:00:00Z"
EVENTS = 10_000
MONITOR = """
monitor: told
model: {{name: told, task: none}}
predictions: {{path: {0}/predictions, format: parquet, id: id, time: at, prediction: predicted}}
windows: {{every: 1 week}}
outputs: {{path: {0}/out}}
people:
  owners: {{team: {{email: team@example.org}}}}
  channels: {{hook: {{url_env: HOOK_URL}}}}
  routes: [{{severity: high, to: hook}}, {{severity: medium, to: team}}]
"""
SECONDS_TO_DIE = 60


@dataclass
class Received:
    """What both servers were handed, in order, and what happens to whoever hands over the next."""

    bodies: list[str] = field(default_factory=list)
    refusing: int = 0
    victim: subprocess.Popen[str] | None = None
    kill_at: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, body: str) -> bool:
        """Keep a message; whether it is taken. Its sender may be dead before it hears so."""
        with self.lock:
            if self.refusing:
                self.refusing -= 1
                return False
            self.bodies.append(body)
            if self.victim is not None and len(self.bodies) == self.kill_at:
                self.victim.send_signal(signal.SIGKILL)
                self.victim.wait(SECONDS_TO_DIE)
            return True

    @property
    def keys(self) -> list[str]:
        return [re.findall(r"Reference: (\w{32})", body)[0] for body in self.bodies]


class MailServer(MailHandler):  # type: ignore[misc]
    """A mail server that hands its messages on."""

    def __init__(self, received: Received) -> None:
        super().__init__()
        self.received = received

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        answer: str = await super().handle_DATA(server, session, envelope)
        return answer if self.taken else "451 try again later"

    def handle_message(self, message: Message) -> None:
        parts = [part.get_payload(decode=True) for part in message.walk() if part.get_content_type() == "text/plain"]
        self.taken = self.received.take(b"\n".join(part for part in parts if isinstance(part, bytes)).decode())


@contextmanager
def web_server(received: Received, port: int, *, delay: float = 0.0) -> Iterator[None]:
    """A web server on a port, which may be slow to answer."""

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            time.sleep(delay)
            self.send_response(200 if received.take(body) else 503)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", port), Receiver)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def mail_server(received: Received, port: int) -> Iterator[None]:
    server = Controller(MailServer(received), hostname="127.0.0.1", port=port)
    server.start()
    try:
        yield
    finally:
        server.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def incident(number: int) -> dict[str, Any]:
    return {
        "monitor_id": "told",
        "run_id": "r1",
        "incident_id": f"{number:016x}",
        "kind": "drift",
        "title": f"column_{number} has drifted",
        "diagnosis": f"column_{number}: half of the values left the baseline's range.",
        "dataset": "predictions",
        "column_name": f"column_{number}",
        "model_versions": ["1"],
        "opened": START,
        "last_seen": START + timedelta(weeks=1),
        "occurrences": 1,
        "checks": 1,
        "severity": "high" if number % 2 else "medium",
        "status": "OPEN",
    }


def started(file: Path, web: int, mail: int) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "HOOK_URL": f"json://127.0.0.1:{web}/",
        "SPARK_MONITOR_MAIL_URL": f"mailto://127.0.0.1:{mail}?from=monitor@example.org&mode=insecure&format=text",
    }
    script = Path(__file__).with_name("notified_run.py")
    command = [sys.executable, str(script), str(file), AS_OF]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_ten_thousand_events_are_each_told_once_through_servers_that_fail_by_processes_that_are_killed(tmp_path: Path) -> None:
    (tmp_path / "predictions").mkdir()
    file = tmp_path / "told.yaml"
    file.write_text(MONITOR.format(tmp_path), encoding="utf-8")
    run = {"run_id": "r1", "monitor_id": "told", "as_of": START + timedelta(weeks=3), "started": START, "ended": START}
    runs = [{**run, "status": "COMMITTED", "kind": "DUE", "published": "OFF", "baseline_version": 1}]
    write_tables(tmp_path / "out", {"incidents": [incident(number) for number in range(EVENTS)], "runs": runs})
    received, web, mail = Received(), free_port(), free_port()

    with mail_server(received, mail):
        # The web server is not there: mail alone is taken, and the process dies when the seventh has been.
        received.kill_at = 7
        received.victim = started(file, web, mail)
        received.victim.communicate(timeout=600)
        with web_server(received, web, delay=0.2):
            received.refusing = 1  # once, so that the channel is not given up
            for kill_at in (40, 60):  # among those that have a message each, and among those that share one
                received.kill_at = kill_at
                received.victim = started(file, web, mail)
                received.victim.communicate(timeout=600)
            received.victim = None
            last = started(file, web, mail)
            said, _ = last.communicate(timeout=900)
            again = started(file, web, mail)
            nothing, _ = again.communicate(timeout=600)

    assert (last.returncode, again.returncode) == (0, 0), said + nothing
    assert "taken: 0" in nothing
    repeated = {key: times for key, times in Counter(received.keys).items() if times > 1}
    assert len(repeated) <= 3, "at most one message of each process that was killed"
    assert set(repeated.values()) <= {2}
    bodies = dict(zip(received.keys, received.bodies, strict=True))
    named = [set(re.findall(r"(?:explain |incident )([0-9a-f]{16})\b", body)) for body in bodies.values()]
    told = Counter(name for names in named for name in names)
    assert set(told) == {f"{number:016x}" for number in range(EVENTS)}
    assert set(told.values()) == {1}
    tables = LocalTables(str(tmp_path / "out"), "told")
    noted = tables.ask("SELECT incident_id, channel, event, status, count(*) AS times FROM deliveries GROUP BY ALL")
    assert len(noted) == EVENTS
    assert {(row["channel"], row["event"], row["status"], row["times"]) for row in noted} == {
        ("hook", "OPENED", "SENT", 1),
        ("team", "OPENED", "SENT", 1),
    }
    assert tables.ask("SELECT count(*) AS many FROM incidents WHERE notified_at IS NULL")[0]["many"] == 0
