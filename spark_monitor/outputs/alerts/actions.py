"""What is done when a condition holds: a webhook, a tag or alias in MLflow, a Databricks job. Once per episode, and noted.

A condition is a metric's verdict on all rows, m of n windows running, or an open incident's kind. An episode is named by the
window it began in (or by its incident), so however often a run looks at it, the action is taken once.
"""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.config.people import ActionConfig, ConditionConfig, DoConfig
from spark_monitor.insight.rows import IncidentRow
from spark_monitor.insight.scope import HISTORY_WINDOWS, window_in
from spark_monitor.insight.tables import Tables
from spark_monitor.outputs.alerts.deliveries import ACTION, FAILED, SENT, Delivery, Ledger, deliveries_of, key_of, rows_of
from spark_monitor.outputs.credentials import ForeignHost, job_request
from spark_monitor.outputs.mlflow.registry import change_version
from spark_monitor.text.formatting import day
from spark_monitor.text.logs import log_of
from spark_monitor.windowing.windows import Window

log = log_of(__name__)

SECONDS, COMMAND_SECONDS, MOST_ROWS = 10.0, 300.0, 50_000


@dataclass(frozen=True)
class Episode:
    """One time that a condition holds: of which version, since when, and in which window now."""

    version: str | None
    began: str
    window: str
    value: float | None = None


@dataclass(frozen=True)
class Due:
    """An action that has not been taken for an episode."""

    key: str
    name: str
    do: DoConfig | None
    episode: Episode
    attempts: int
    command: tuple[str, ...] = ()
    """What is run in place of ``do``: given on the command line, never in a file or a table."""


def act(
    opened: Callable[[], Iterable[IncidentRow]],
    config: MonitorConfig,
    tables: Tables,
    ledger: Ledger,
    *,
    as_of: datetime,
    run_id: str,
    preview: list[str] | None = None,
    do: Callable[[Due, MonitorConfig], None] | None = None,
    command: Sequence[str] = (),
) -> int:
    """Take the actions whose conditions hold and that were not taken in this episode; how many were.

    ``opened`` fetches the open incidents, which only conditions on them and ``command`` need.
    """
    if not (config.people.actions or command):
        return 0
    deliveries = {row.delivery_id: row for row in deliveries_of(tables, config.monitor, ["action"])}
    taken = 0
    for due in (*_due(opened, config, tables, deliveries), *_commands(opened, config, deliveries, tuple(command))):
        what = f"{due.name} because of {_because(due)}"
        if preview is not None:
            preview.append(f"would act: {what}")
            continue
        error = _tried(due, config, do or perform)
        taken += error is None
        if error is None:
            log.info(f"action: {what}")
        else:
            log.warning(f"action {due.name}: {error} The next run tries again.")
        status = SENT if error is None else FAILED
        sent = datetime.now(UTC) if error is None else None
        note = Delivery(
            due.key, "action", due.name, ACTION, status, due.attempts + 1, as_of, sent=sent, error=error, run_id=run_id
        )
        ledger.record_deliveries(config.monitor, rows_of([note]))
    return taken


def _due(
    opened: Callable[[], Iterable[IncidentRow]], config: MonitorConfig, tables: Tables, deliveries: Mapping[str, Delivery]
) -> Iterator[Due]:
    for action in config.people.actions:
        name = name_of(action)
        condition = json.dumps(action.when.model_dump(mode="json"), sort_keys=True)
        for episode in episodes(action.when, opened, config, tables):
            key = key_of(config.monitor, ACTION, name, condition, episode.version, episode.began)
            before = deliveries.get(key)
            if before is None or before.status != SENT:
                yield Due(key, name, action.do, episode, before.attempts if before else 0)


def _commands(
    opened: Callable[[], Iterable[IncidentRow]],
    config: MonitorConfig,
    deliveries: Mapping[str, Delivery],
    command: tuple[str, ...],
) -> Iterator[Due]:
    """The runs of a command that are due: one for each open incident."""
    for incident in opened() if command else ():
        key = key_of(config.monitor, ACTION, "command", *command, incident.incident_id)
        before = deliveries.get(key)
        if before is None or before.status != SENT:
            episode = Episode(_versions_of(incident), incident.incident_id, f"{incident.kind} since {day(incident.opened)}")
            yield Due(key, f"command {Path(command[0]).name}", None, episode, before.attempts if before else 0, command)


def _versions_of(incident: IncidentRow) -> str | None:
    return ", ".join(version for version in incident.versions if version) or None


def name_of(action: ActionConfig) -> str:
    """What an action is called in the ledger: its kind and the variable or tag, never an address."""
    do = action.do
    if do.webhook is not None:
        return f"webhook {do.webhook.url_env}"
    if do.databricks_job is not None:
        return f"databricks_job {do.databricks_job.url_env}"
    if do.mlflow_alias is not None:
        return f"mlflow_alias {do.mlflow_alias}"
    return f"mlflow_tag {', '.join(sorted(do.mlflow_tag or {}))}"


def episodes(
    when: ConditionConfig, opened: Callable[[], Iterable[IncidentRow]], config: MonitorConfig, tables: Tables
) -> list[Episode]:
    """The episodes that are under way: of a kind of incident, or of a metric's verdict, per model version."""
    if when.metric is None:
        return [
            Episode(_versions_of(incident), incident.incident_id, str(incident.opened))
            for incident in opened()
            if when.kind is None or incident.kind == when.kind
        ]
    return [
        episode
        for version, rows in _verdicts(when.metric, config, tables).items()
        if (episode := under_way(rows, when, version)) is not None
    ]


def under_way(rows: Sequence[tuple[Window, str, float | None]], when: ConditionConfig, version: str | None) -> Episode | None:
    """The episode that the last window belongs to: m of the last n windows have the verdict, in an unbroken row of windows."""
    times, of = (int(part) for part in (when.for_ or "1 of 1").split(" of "))
    bad = [verdict == "FAIL" or (when.verdict == "WARN" and verdict == "WARN") for _, verdict, _ in rows]
    holds = [sum(bad[max(0, place - of + 1) : place + 1]) >= times for place in range(len(bad))]
    if not holds or not holds[-1]:
        return None
    first = len(holds) - 1
    while first > 0 and holds[first - 1]:
        first -= 1
    return Episode(version, rows[first][0].start.isoformat(), rows[-1][0].text, rows[-1][2])


def _verdicts(metric: str, config: MonitorConfig, tables: Tables) -> dict[str | None, list[tuple[Window, str, float | None]]]:
    """The worst verdict on a metric over all rows, per version and window, in order of time."""
    worst = "min(CASE verdict WHEN 'FAIL' THEN 0 WHEN 'WARN' THEN 1 ELSE 2 END)"
    checks = tables.ask(
        f"SELECT model_version, window_start, window_end, {worst} AS worst, max(value) AS value "
        f"FROM {tables.relation('checks')} WHERE monitor_id = {tables.literal(config.monitor)} "
        f"AND granularity = {tables.literal(config.windows.granularity.label)} AND slice_key IS NULL "
        f"AND metric = {tables.literal(metric)} GROUP BY model_version, window_start, window_end "
        f"ORDER BY window_start DESC LIMIT {MOST_ROWS}"
    )
    rows: defaultdict[str | None, list[tuple[Window, str, float | None]]] = defaultdict(list)
    for row in checks:
        if len(rows[row["model_version"]]) < HISTORY_WINDOWS:
            rows[row["model_version"]].append((window_in(row), ("FAIL", "WARN", "PASS")[row["worst"]], row["value"]))
    return {version: sorted(of_version) for version, of_version in rows.items()}


def perform(due: Due, config: MonitorConfig) -> None:
    """Do it; an exception says that it was not done."""
    do = due.do
    if do is None:
        _run(due.command, _about(due, config))
    elif do.webhook is not None:
        _post(_address(do.webhook.url_env), _about(due, config), {"Idempotency-Key": due.key})
    elif do.databricks_job is not None:
        url, headers = job_request(_address(do.databricks_job.url_env), do.databricks_job.url_env, os.environ)
        job = parse_qs(urlsplit(url).query).get("job_id", [""])[0]
        body: dict[str, Any] = {"idempotency_token": due.key, **({"job_id": int(job)} if job.isdigit() else {})}
        _post(url, body, headers)
    elif config.outputs.mlflow is None:
        raise ActionError("the monitor has no outputs.mlflow. Say where MLflow is, or take the action out.")
    else:
        change_version(
            config.outputs.mlflow.tracking_uri,
            config.model.name,
            due.episode.version,
            tags=do.mlflow_tag or {},
            alias=do.mlflow_alias,
        )


class ActionError(Exception):
    """An action could not be taken; the sentence holds no address."""


def _tried(due: Due, config: MonitorConfig, do: Callable[[Due, MonitorConfig], None]) -> str | None:
    try:
        do(due, config)
    except (ActionError, ForeignHost) as error:
        return str(error)
    except Exception as error:  # an address may stand in its words, so only its kind and an answer's number are kept
        code = getattr(error, "code", None)
        return f"it answered {code}." if isinstance(code, int) else f"{type(error).__name__}."
    return None


def _run(command: Sequence[str], about: Mapping[str, Any]) -> None:
    """Run a program without a shell; what is known goes to its standard input, for arguments could be read as options."""
    payload = json.dumps(about, allow_nan=False)
    ended = subprocess.run(list(command), input=payload, text=True, capture_output=True, timeout=COMMAND_SECONDS, check=False)
    if ended.returncode:
        raise ActionError(f"it ended with exit code {ended.returncode}.")


def _address(variable: str) -> str:
    url = os.environ.get(variable, "").strip()
    if urlsplit(url).scheme not in ("http", "https"):
        raise ActionError(f"the environment variable {variable} holds no address that begins with https:// or http://.")
    return url


def _about(due: Due, config: MonitorConfig) -> dict[str, Any]:
    return {
        "monitor": config.monitor,
        "model": config.model.name,
        "model_version": due.episode.version,
        "began": due.episode.began,
        "window": due.episode.window,
        "value": due.episode.value,
        "key": due.key,
    }


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect is a refusal: followed, it would take the headers to another host, and ask without the body."""

    def redirect_request(self, *_: Any) -> None:
        """None: the answer is raised as an error with its number."""


_DIRECT = urllib.request.build_opener(_NoRedirects)


def _post(url: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> None:
    data = json.dumps(body, allow_nan=False).encode("utf-8")
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json", **headers}, method="POST")
    with _DIRECT.open(request, timeout=SECONDS) as response:
        response.read(1_000)


def _because(due: Due) -> str:
    version = f"version {due.episode.version}, " if due.episode.version is not None else ""
    return f"{version}{due.episode.window}"
