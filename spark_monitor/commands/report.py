"""`spark-monitor report FILE...|DIR`: the state of a monitor, or of a fleet, as a page to read and pass on."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from spark_monitor.commands.command import terminal_of
from spark_monitor.commands.options import AsJson, Conf, Master, Remote, SessionOptions
from spark_monitor.commands.several import Files, Left, each_with_facts, monitor_files, sessions
from spark_monitor.errors import ConfigError
from spark_monitor.text.formatting import in_shell
from spark_monitor.text.logs import log_of

log = log_of(__name__)

FLEET = "monitors"


class Role(StrEnum):
    """Whose page it is: that role's sections first, without what it does not need."""

    data_scientist = "data_scientist"
    engineer = "engineer"
    product = "product"
    executive = "executive"


def report(
    context: typer.Context,
    files: Files,
    role: Annotated[Role | None, typer.Option(help="The reader's role: which sections are shown, and in which order.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="F", help="Where the page is written. Default: named after the monitor, here.")
    ] = None,
    master: Master = None,
    remote: Remote = None,
    conf: Conf = None,
    as_json: AsJson = False,
) -> None:
    """Write the state of a monitor, or of several, as one self-contained HTML page."""
    terminal = terminal_of(context)
    options = SessionOptions.read(master, remote, conf)
    with terminal.progress():
        from spark_monitor.outputs.report.page import fleet_html

        left = Left(terminal)
        if out is not None:
            require_place(out)
        log.info("Tables")
        monitors = list(each_with_facts(files, sessions(options, terminal), left, pictures=True))
        page = out or Path(f"{monitors[0][1].monitor if len(monitors) == 1 else FLEET}.html")
        require_place(page)
        pages = [(facts, config, str(file)) for file, config, facts in monitors]
        write(page, fleet_html(pages, role=role.value if role is not None else None))
    names = [config.monitor for _, config, _ in monitors]
    terminal.document({"monitor": names[0] if len(monitor_files(files)) == 1 else names, "report": page.resolve()})
    terminal.tell(f"Written: {page}")
    for facts, _, file in pages:
        if not facts.runs:
            terminal.remark(f"{facts.monitor} has not run yet, so its page is empty. Run: spark-monitor run {in_shell(file)}")
    left.end()


def require_place(page: Path) -> None:
    """ConfigError where a file cannot be written there."""
    if not os.path.isdir(page.parent) or os.path.isdir(page):
        raise ConfigError(f"--out {page}: found no directory to write a file into. Give a file in a directory that exists.")
    if not os.access(page if os.path.exists(page) else page.parent, os.W_OK):
        raise not_written(page, "you have no right to write there")


def write(page: Path, text: str) -> None:
    """Write a file; ConfigError where that is not possible, such as on a full disk."""
    try:
        page.write_text(text, encoding="utf-8")
    except OSError as error:
        raise not_written(page, error.strerror or type(error).__name__) from None


def not_written(page: Path, why: str) -> ConfigError:
    """The error of a file that cannot be written."""
    return ConfigError(f"--out {page}: cannot be written ({why}). Give a file in a directory that you may write to, with --out.")
