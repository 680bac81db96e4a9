"""Several monitors in one command: files, and directories whose YAML files are monitors; one that is broken stops no other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spark_monitor.commands.options import SessionOptions
from spark_monitor.commands.terminal import Terminal
from spark_monitor.errors import ConfigError

if TYPE_CHECKING:
    from spark_monitor.commands.known import Session
    from spark_monitor.config.monitor import MonitorConfig

Files = Annotated[
    list[Path], typer.Argument(metavar="FILE...", help="Monitors' YAML files, or directories of them.", show_default=False)
]
SUFFIXES = (".yaml", ".yml")


def monitor_files(given: Sequence[Path]) -> list[Path]:
    """The files that were named, and the YAML files of directories, in order of name."""
    found: list[Path] = []
    for path in given:
        if path.is_dir():
            inside = sorted(one for one in path.iterdir() if one.suffix in SUFFIXES and one.is_file())
            if not inside:
                raise ConfigError(f"{path}: found no monitor's file. Name a directory with files such as flights.yaml.")
            found += inside
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def each_monitor(given: Sequence[Path], terminal: Terminal) -> Iterator[tuple[Path, MonitorConfig]]:
    """Each file with its monitor. Of several, one that cannot be read is told and passed over; a single one is an error."""
    from spark_monitor.config.monitor import load_config

    files = monitor_files(given)
    failed = 0
    for file in files:
        try:
            config = load_config(file)
        except ConfigError as error:
            if len(files) == 1:
                raise
            failed += 1
            terminal.remark(f"passed over: {error}")
            continue
        yield file, config
    if failed == len(files):
        raise ConfigError("None of the files is a monitor.")


def sessions(options: SessionOptions, terminal: Terminal) -> Session:
    """Spark as the options name it, opened when it is needed."""
    from spark_monitor.commands.known import Session
    from spark_monitor.commands.spark import open_spark

    wanted = bool(options.master or options.remote or options.conf)
    return Session(lambda: open_spark(options, terminal), wanted=wanted)
