"""Where to look further: SQL that answers the next question, and the command that opens MLflow's page."""

from __future__ import annotations

import shlex
from urllib.parse import urlsplit

from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.insight.facts import Facts
from spark_monitor.text.formatting import harmless, in_shell
from spark_monitor.text.masking import mask_secrets
from spark_monitor.text.quoting import literal

PAGE_PORT = 5000


def mlflow_page(config: MonitorConfig) -> tuple[str, ...]:
    """How to open MLflow's page: a command for a database or directory, an address for a server; nothing without MLflow.

    The page of MLflow 3 begins with its views of language models; a switch leads to runs and their charts.
    """
    mlflow = config.outputs.mlflow
    if mlflow is None:
        return ()
    shown, experiment = harmless(mask_secrets(mlflow.tracking_uri)), harmless(mlflow.experiment)
    scheme = urlsplit(mlflow.tracking_uri).scheme
    if mlflow.tracking_uri.startswith("databricks"):
        return (f"the experiment {experiment} in the Databricks workspace ({shown})",)
    way = f"choose Model training, then the experiment {experiment}"
    if scheme in ("http", "https"):
        return (f"{shown}: {way}",)
    command = f"mlflow server --backend-store-uri {shlex.quote(shown)} --port {PAGE_PORT}"
    return (command, f"then open http://127.0.0.1:{PAGE_PORT}, {way}")


def further_commands(facts: Facts, file: str) -> tuple[str, ...]:
    """Commands that answer the questions that come next: why and what to do, the course of what fails, and all that is open."""
    if not facts.versions and not facts.runs:
        return tuple(f"spark-monitor {command} {in_shell(file)}" for command in ("check", "run", "status"))
    queries = []
    failing = [check for version in facts.versions for check in version.failing]
    check = next((check for check in failing if check.column is None or harmless(check.column) == check.column), None)
    if check is not None:
        about = f"metric = {literal(check.metric)}"
        about += f" AND column_name = {literal(check.column)}" if check.column is not None else ""
        queries.append(f"SELECT * FROM metric_series WHERE {about} ORDER BY time")
    if facts.has_labels:
        queries.append("SELECT * FROM label_maturity")
    queries.append("SELECT * FROM open_incidents")
    commands = [f"spark-monitor sql {in_shell(file)} {_shell_quoted(query)}" for query in queries]
    why = [f"spark-monitor explain {row.incident_id} {in_shell(file)}" for row in facts.open[:1]]
    return (*why, *commands)


def _shell_quoted(query: str) -> str:
    """A query in double quotes where that is safe, as people write it, else in the shell's strictest form."""
    return shlex.quote(query) if any(letter in query for letter in '"$`\\!') else f'"{query}"'
