"""Where this process' own credentials may go: to the host that its environment names, never to one that a file chooses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import SplitResult, urlsplit

HOST_VARIABLE: Final = "DATABRICKS_HOST"
TOKEN_VARIABLE: Final = "DATABRICKS_TOKEN"
TRACKING_VARIABLE: Final = "MLFLOW_TRACKING_URI"
TRACKING_CREDENTIALS: Final = (
    "MLFLOW_TRACKING_TOKEN",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_AUTH",
    "MLFLOW_TRACKING_AWS_SIGV4",
)
"""What MLflow's client takes from the environment and sends to whatever server it is opened for."""

RUN_NOW: Final = re.compile(r"/api/2\.\d/jobs/run-now")
_PORTS: Final = {"https": 443, "http": 80}


class ForeignHost(Exception):
    """A credential would have gone to a host that it is not for; the sentence holds no address."""


def job_request(url: str, variable: str, environment: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The address and the headers that start a Databricks job; ForeignHost where the token would go elsewhere.

    >>> workspace = {"DATABRICKS_HOST": "adb-1.net", "DATABRICKS_TOKEN": "t"}
    >>> job_request("https://adb-1.net/api/2.2/jobs/run-now?job_id=7", "JOB", workspace)
    ('https://adb-1.net/api/2.2/jobs/run-now?job_id=7', {'Authorization': 'Bearer t'})
    >>> job_request("https://else.net/api/2.2/jobs/run-now?job_id=7", "JOB", {})
    ('https://else.net/api/2.2/jobs/run-now?job_id=7', {})
    """
    token = environment.get(TOKEN_VARIABLE, "").strip()
    if not token:
        return url, {}
    host = environment.get(HOST_VARIABLE, "").strip()
    if not host:
        what = f"{TOKEN_VARIABLE} is sent to its own workspace alone, and {HOST_VARIABLE}, which names it, is not set"
        raise ForeignHost(f"{what}. Set it to the workspace's address.")
    workspace, asked = _split(host if "://" in host else f"https://{host}"), _split(url)
    allowed = f"Allowed: https://WORKSPACE/api/2.2/jobs/run-now?job_id=N, WORKSPACE as in {HOST_VARIABLE}."
    if asked is None or workspace is None or asked.scheme != "https" or _origin(asked) != _origin(workspace):
        raise ForeignHost(
            f"{variable} is not at the workspace of {HOST_VARIABLE}, and {TOKEN_VARIABLE} goes nowhere else. {allowed}"
        )
    if not RUN_NOW.fullmatch(asked.path):
        raise ForeignHost(f"{variable} starts no job of the workspace. {allowed}")
    # Made of the workspace's own host, so that no reader of addresses can see another one in it.
    query = f"?{asked.query}" if asked.query else ""
    return f"https://{workspace.netloc}{asked.path}{query}", {"Authorization": f"Bearer {token}"}


def hold_tracking(tracking_uri: str, environment: Mapping[str, str]) -> None:
    """Raise ForeignHost where MLflow's client would send the environment's credentials to another server than the environment's.

    >>> hold_tracking("https://a.net", {"MLFLOW_TRACKING_TOKEN": "t", "MLFLOW_TRACKING_URI": "https://a.net/"})
    >>> own = {"MLFLOW_TRACKING_TOKEN": "t", "MLFLOW_TRACKING_URI": "https://a.net/"}
    >>> hold_tracking("https://b.net", own)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    spark_monitor.outputs.credentials.ForeignHost: MLFLOW_TRACKING_TOKEN is for the server of MLFLOW_TRACKING_URI, and ...
    """
    _hold(tracking_uri, environment.get(TRACKING_VARIABLE, "").strip(), environment)


def hold_artifact(address: str, tracking_uri: str, environment: Mapping[str, str]) -> None:
    """The same of a file that a registry says is at an address: MLflow's client sends them there, too.

    >>> hold_artifact("https://a.net/m/MLmodel", "https://a.net", {"MLFLOW_TRACKING_TOKEN": "t"})
    >>> own = {"MLFLOW_TRACKING_TOKEN": "t"}
    >>> hold_artifact("mlflow-artifacts://b.net/m/MLmodel", "sqlite:///a.db", own)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    spark_monitor.outputs.credentials.ForeignHost: MLFLOW_TRACKING_TOKEN is for the server of MLFLOW_TRACKING_URI, and ...
    """
    server = environment.get(TRACKING_VARIABLE, "").strip() or tracking_uri
    scheme = "http" if server.lower().startswith("http:") else "https"
    _hold(re.sub(r"(?i)^\s*mlflow-artifacts:(?=//[^/])", f"{scheme}:", address), server, environment)


def _hold(address: str, own: str, environment: Mapping[str, str]) -> None:
    names = [name for name in TRACKING_CREDENTIALS if environment.get(name, "").strip()]
    if not own or not names or not re.match(r"(?i)\s*https?:", address):
        return
    asked, server = _split(address), _split(own)
    if asked is None or server is None or _origin(asked) != _origin(server):
        what = f"{names[0]} is for the server of {TRACKING_VARIABLE}, and the monitor's file names another"
        raise ForeignHost(f"{what}. Write the same address in both, or unset {names[0]}.")


def _split(url: str) -> SplitResult | None:
    """The parts of an address; None where two readers could see different hosts in it."""
    if re.search(r"[\s\\\x00-\x20]", url):
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts if parts.hostname else None


def _origin(parts: SplitResult) -> tuple[str, str, int | None]:
    return parts.scheme, (parts.hostname or "").rstrip("."), parts.port or _PORTS.get(parts.scheme)
