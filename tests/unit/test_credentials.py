"""The process' own tokens go to the host of its environment alone, whatever address a monitor's file chooses."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from example_facts import config

from spark_monitor.outputs.alerts.actions import Due, Episode, perform
from spark_monitor.outputs.credentials import ForeignHost, hold_artifact, job_request
from spark_monitor.outputs.mlflow.registered import read_registered

TOKEN = "dapi-canary-7f3"
RUN_NOW = "/api/2.2/jobs/run-now?job_id=7"
WORKSPACE = {"DATABRICKS_HOST": "https://adb-1.azuredatabricks.net/", "DATABRICKS_TOKEN": TOKEN}


@pytest.mark.parametrize(
    "host", ["https://adb-1.azuredatabricks.net/", "adb-1.azuredatabricks.net", "https://ADB-1.azuredatabricks.net:443"]
)
def test_the_workspaces_own_job_is_started_with_its_token(host: str) -> None:
    url, headers = job_request(
        f"https://adb-1.azuredatabricks.net{RUN_NOW}", "JOB", {"DATABRICKS_HOST": host, "DATABRICKS_TOKEN": TOKEN}
    )
    assert url.lower().replace(":443", "") == f"https://adb-1.azuredatabricks.net{RUN_NOW}"
    assert headers == {"Authorization": f"Bearer {TOKEN}"}


@pytest.mark.parametrize(
    "url",
    [
        f"https://evil.example{RUN_NOW}",
        f"https://adb-1.azuredatabricks.net.evil.example{RUN_NOW}",
        f"https://evil.adb-1.azuredatabricks.net{RUN_NOW}",
        f"https://adb-1.azuredatabricks.net@evil.example{RUN_NOW}",
        f"https://evil.example\\@adb-1.azuredatabricks.net{RUN_NOW}",
        f"https://adb-1.azuredatabricks.net:8443{RUN_NOW}",
        f"http://adb-1.azuredatabricks.net{RUN_NOW}",
        f"https://adb-1.azuredatabricks.net\t.evil.example{RUN_NOW}",
        f"https://evil.example#@adb-1.azuredatabricks.net{RUN_NOW}",
        f"https://evil.example?@adb-1.azuredatabricks.net{RUN_NOW}",
        f"https://[adb-1.azuredatabricks.net{RUN_NOW}",
        f"https://adb-1.azuredatabricks.net:port{RUN_NOW}",
        "https://adb-1.azuredatabricks.net/api/2.0/token/create",
        "https://adb-1.azuredatabricks.net/api/2.2/jobs/run-now/../../../2.0/secrets/put",
    ],
)
def test_no_other_host_and_no_other_request_gets_the_token(url: str) -> None:
    with pytest.raises(ForeignHost, match=r"^JOB .* Allowed: https://WORKSPACE/api/2\.2/jobs/run-now") as refused:
        job_request(url, "JOB", WORKSPACE)
    assert TOKEN not in str(refused.value)
    assert "evil" not in str(refused.value), "an address may be a secret"


def test_what_stands_before_the_host_is_left_out() -> None:
    url, _ = job_request(f"https://evil.example@adb-1.azuredatabricks.net{RUN_NOW}", "JOB", WORKSPACE)
    assert url == f"https://adb-1.azuredatabricks.net{RUN_NOW}"


def test_a_token_without_a_workspace_goes_nowhere() -> None:
    with pytest.raises(ForeignHost, match="DATABRICKS_HOST, which names it, is not set"):
        job_request(f"https://adb-1.azuredatabricks.net{RUN_NOW}", "JOB", {"DATABRICKS_TOKEN": TOKEN})


class Receiver(BaseHTTPRequestHandler):
    """A host that notes what it is asked, and sends whoever asks elsewhere where it is told to."""

    seen: list[str]
    elsewhere = ""

    def do_POST(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        type(self).seen.append(f"{self.command} {self.path} {self.headers}")
        self.send_response(302 if self.elsewhere else 200)
        if self.elsewhere:
            self.send_header("Location", self.elsewhere)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def hosts() -> Iterator[list[tuple[str, type[Receiver]]]]:
    started = []
    for _ in range(2):
        kind = type("Host", (Receiver,), {"seen": []})
        server = HTTPServer(("127.0.0.1", 0), kind)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        started.append((server, kind))
    yield [(f"http://127.0.0.1:{server.server_port}", kind) for server, kind in started]
    for server, _ in started:
        server.shutdown()
        server.server_close()


def due(**do: object) -> tuple[Due, object]:
    monitor = config(people={"actions": [{"when": {"metric": "roc_auc_score"}, "do": do}]})
    action = monitor.people.actions[0]
    return Due("key", "action", action.do, Episode("1", "2024-01-01", "week"), 0), monitor


@pytest.mark.parametrize("action", ["databricks_job", "webhook"])
def test_an_action_sends_no_token_to_the_host_that_a_file_chose(
    hosts: list[tuple[str, type[Receiver]]], monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    (address, host), _ = hosts
    for name, value in {**WORKSPACE, "ELSEWHERE": f"{address}{RUN_NOW}"}.items():
        monkeypatch.setenv(name, value)
    one, monitor = due(**{action: {"url_env": "ELSEWHERE"}})
    if action == "databricks_job":
        with pytest.raises(ForeignHost):
            perform(one, monitor)  # type: ignore[arg-type]
        assert host.seen == []
    else:
        perform(one, monitor)  # type: ignore[arg-type]
        assert len(host.seen) == 1
        assert TOKEN not in host.seen[0]


def test_a_redirect_is_a_refusal_and_not_an_action_that_was_taken(
    hosts: list[tuple[str, type[Receiver]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    (address, host), (other, target) = hosts
    host.elsewhere = f"{other}/taken"
    monkeypatch.setenv("RETRAIN", f"{address}/retrain")
    one, monitor = due(webhook={"url_env": "RETRAIN"})
    with pytest.raises(Exception, match="302"):
        perform(one, monitor)  # type: ignore[arg-type]
    assert (len(host.seen), target.seen) == (1, [])


def test_mlflow_gets_its_token_at_the_environments_server_alone(
    hosts: list[tuple[str, type[Receiver]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    (address, host), (other, _) = hosts
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", TOKEN)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", other)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(ForeignHost, match="MLFLOW_TRACKING_TOKEN is for the server of MLFLOW_TRACKING_URI"):
        read_registered(address, "model", ["1"])
    assert host.seen == []
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{address}/")
    read_registered(address, "model", ["1"])
    assert any(TOKEN in request for request in host.seen), "the same client does send it where it may"


@pytest.mark.parametrize(
    "address", ["https://evil.example/m/MLmodel", "HTTPS://evil.example/m", "mlflow-artifacts://evil.example/m"]
)
@pytest.mark.parametrize("own", ["sqlite:////tmp/a.db", "https://mlflow.example", "databricks"])
def test_a_registrys_file_is_fetched_with_credentials_from_its_own_server_alone(address: str, own: str) -> None:
    hold_artifact(address, own, {})
    with pytest.raises(ForeignHost):
        hold_artifact(address, own, {"MLFLOW_TRACKING_PASSWORD": TOKEN})
    hold_artifact("mlflow-artifacts:/1/m/MLmodel", own, {"MLFLOW_TRACKING_PASSWORD": TOKEN})
    hold_artifact("s3://bucket/m/MLmodel", own, {"MLFLOW_TRACKING_PASSWORD": TOKEN})
