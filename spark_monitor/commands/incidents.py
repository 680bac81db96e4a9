"""`spark-monitor ack|mute|explain INCIDENT [FILE]`: what people do about an incident, and the chain from symptom to cause.

Where no monitor's file is given, the one monitor's file of the working directory is meant.
"""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated, Any

import typer

from spark_monitor.commands.command import terminal_of
from spark_monitor.commands.options import AsJson, Conf, Master, Remote, SessionOptions, given_path, timestamp, timestamp_or_now
from spark_monitor.commands.several import sessions, yaml_files
from spark_monitor.errors import ConfigError
from spark_monitor.text.formatting import harmless, in_shell, in_words

SILENT = "nobody is notified of it again, so there is nothing to acknowledge or mute"

IncidentId = Annotated[
    str, typer.Argument(metavar="INCIDENT", help="The incident's id, or the beginning of it.", show_default=False)
]
OneFile = Annotated[
    Path | None,
    typer.Argument(
        metavar="[FILE]",
        help="The monitor's YAML file. Default: the one in this directory.",
        show_default=False,
        parser=given_path,
    ),
]
FileOption = Annotated[Path | None, typer.Option("--file", metavar="FILE", help="The same as FILE.", parser=given_path)]


def ack(
    context: typer.Context,
    incident: IncidentId,
    file: OneFile = None,
    other_file: FileOption = None,
    by: Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who has seen it. Default: you.")] = None,
    master: Master = None,
    remote: Remote = None,
    conf: Conf = None,
    as_json: AsJson = False,
) -> None:
    """Acknowledge an incident: from then on only its resolution is sent."""
    _change(
        context, incident, one_file(file, other_file), (master, remote, conf), acknowledged_by=by or user(), status="ACKNOWLEDGED"
    )


def mute(
    context: typer.Context,
    incident: IncidentId,
    file: OneFile = None,
    until: Annotated[
        str | None,
        typer.Option(
            "--until",
            metavar="T",
            help="The end of the silence, such as 2026-01-31T09:00+01:00 (UTC unless an offset is given). Needed.",
        ),
    ] = None,
    other_file: FileOption = None,
    master: Master = None,
    remote: Remote = None,
    conf: Conf = None,
    as_json: AsJson = False,
) -> None:
    """Mute an incident until a time: it stays open, and nobody is notified of it."""
    end = timestamp("--until", until)
    if end is None:
        raise ConfigError("--until: it was not given. Give the time until which nobody is notified, such as 2026-01-31.")
    if end <= timestamp_or_now("--until", None):
        raise ConfigError(f'--until: found "{until}", which is over. Give a time to come.')
    _change(context, incident, one_file(file, other_file), (master, remote, conf), muted_until=end, status="MUTED")


def explain(
    context: typer.Context,
    incident: IncidentId,
    file: OneFile = None,
    other_file: FileOption = None,
    master: Master = None,
    remote: Remote = None,
    conf: Conf = None,
    as_json: AsJson = False,
) -> None:
    """Explain an incident: the chain from symptom to cause, with numbers and the SQL behind each."""
    terminal = terminal_of(context)
    options = SessionOptions.read(master, remote, conf)
    with terminal.progress(leave=False):
        from spark_monitor.commands.results import stored_incident
        from spark_monitor.config.monitor import load_config
        from spark_monitor.insight.explained import explained

        path = monitor_file(one_file(file, other_file))
        row = stored_incident(load_config(path), sessions(options, terminal), incident)
    if as_json:
        terminal.document(row)
        return
    for line in explained(row, str(path)):
        terminal.tell(line)


def user() -> str:
    """Who is at the keyboard; ConfigError where the system has no name for it, as in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        raise ConfigError("--by: it was not given, and this system has no name for you. Give yours.") from None


def one_file(file: Path | None, other: Path | None) -> Path | None:
    """The file, which may be given in either of two ways."""
    if file is not None and other is not None and file != other:
        raise ConfigError(f"--file: found {other} beside FILE, which is {file}. Give one of them.")
    return file or other


def monitor_file(file: Path | None, directory: Path | None = None) -> Path:
    """The file that was given, else the one monitor's file of the directory; ConfigError where there is none or several."""
    if file is not None:
        return file
    here = directory or Path.cwd()
    monitors = [path for path in yaml_files(here) if _is_monitor(path)]
    if len(monitors) == 1:
        return monitors[0]
    names = ", ".join(harmless(path.name) for path in monitors) or "no monitor's file"
    raise ConfigError(f"FILE: it was not given, and this directory holds {names}. Name the monitor's file behind the incident.")


def _is_monitor(path: Path) -> bool:
    """Whether a YAML file has the key `monitor` at its left edge."""
    try:
        return any(line.startswith("monitor:") for line in path.read_text(encoding="utf-8-sig").splitlines())
    except (OSError, UnicodeDecodeError):
        return False


def _change(context: typer.Context, incident: str, file: Path | None, spark: tuple[Any, Any, Any], **values: Any) -> None:
    """Write columns of an open incident while the monitor is held, so that no run writes over it."""
    terminal = terminal_of(context)
    options = SessionOptions.read(*spark)
    with terminal.progress():
        from spark_monitor.commands.results import store_of, stored_incident
        from spark_monitor.config.monitor import load_config

        path = monitor_file(file)
        config = load_config(path)
        session = sessions(options, terminal)
        row = stored_incident(config, session, incident)
        if not row.is_open:
            raise ConfigError(f"INCIDENT: {row.incident_id} was resolved {in_words(row.resolved)}: {SILENT}.")
        if not store_of(config, session).change_incident(config.monitor, row.incident_id, values):
            gone = "a run has resolved it meanwhile, or found that it began in another window"
            raise ConfigError(
                f"INCIDENT: {row.incident_id}: {gone}. Nothing was changed; see: spark-monitor status {in_shell(path)}"
            )
    terminal.document({"monitor": config.monitor, "incident": row.incident_id, **values})
    terminal.tell(f"{values['status']}: {harmless(row.title, 300)} [{row.incident_id}]")
