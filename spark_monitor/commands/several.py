"""Several monitors in one command: files, and directories whose YAML files are monitors; one that is broken stops no other."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spark_monitor.commands.command import RUN_FAILED, sentence_of
from spark_monitor.commands.options import SessionOptions, given_path
from spark_monitor.commands.terminal import Terminal
from spark_monitor.errors import ConfigError, MonitorError, RunError
from spark_monitor.text.formatting import harmless

if TYPE_CHECKING:
    from spark_monitor.commands.results import Session
    from spark_monitor.config.monitor import MonitorConfig
    from spark_monitor.insight.facts import Facts

Files = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE...", help="Monitors' YAML files, or directories of them.", show_default=False, parser=given_path
    ),
]
SUFFIXES = (".yaml", ".yml")


def monitor_files(given: Sequence[Path]) -> list[Path]:
    """The files that were named, and the YAML files of directories, in order of name."""
    files: list[Path] = []
    for path in given:
        if os.path.isdir(path):  # of a path that cannot be asked, such as one that is too long, Path.is_dir raises
            inside = yaml_files(path)
            if not inside:
                raise ConfigError(f"{path}: found no monitor's file. Name a directory with files such as flights.yaml.")
            files += inside
        else:
            files.append(path)
    once = {os.path.realpath(path): path for path in reversed(files)}  # a file that is named in two ways is one monitor
    return [path for path in dict.fromkeys(files) if once[os.path.realpath(path)] == path]


def namesakes(files: Sequence[Path]) -> dict[Path, ConfigError]:
    """Of files that would write each other's rows, as a copy does whose `monitor` was not changed: the error of each."""
    from spark_monitor.config.monitor import load_config

    by_rows: dict[tuple[str | None, ...], list[Path]] = {}
    for file in files:
        try:
            config = load_config(file)
        except ConfigError:
            continue  # its own run says what is wrong
        by_rows.setdefault((config.monitor, config.outputs.schema_name, config.outputs.path), []).append(file)
    errors = {}
    for (name, *_), same in by_rows.items():
        for file in same if len(same) > 1 else ():
            others = ", ".join(str(other) for other in same if other != file)
            clash = f'monitor: found "{name}", which is that of {others} as well, with the same outputs'
            step = "Give each a name of its own, and remove the rows of a name that is no more by `spark-monitor prune --deleted`"
            errors[file] = ConfigError(f"{file.name}: {clash}: each run would replace the other's rows. {step}.")
    return errors


def yaml_files(directory: Path) -> list[Path]:
    """The YAML files of a directory, in order of name; ConfigError where this user may not read it."""
    try:
        return sorted(one for one in directory.iterdir() if one.suffix in SUFFIXES and os.path.isfile(one))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError(f"{harmless(str(directory))}: cannot be read ({reason}). Name a directory that you may read.") from None


@dataclass
class Left:
    """What a command for several monitors has to leave out, and the exit code that says so."""

    terminal: Terminal
    code: int = 0

    def out(self, error: BaseException, file: Path | None = None) -> None:
        """Tell why a monitor is passed over."""
        name = "" if file is None else f"{file}: "
        self.terminal.remark(f"passed over: {name}{sentence_of(error)}")
        self.code = max(self.code, error.exit_code if isinstance(error, MonitorError) else RUN_FAILED)

    def end(self) -> None:
        """End the command with the worst exit code, after all that could be done was."""
        if self.code:
            raise typer.Exit(self.code)


def each_with_facts(
    given: Sequence[Path], session: Session, left: Left, *, pictures: bool = False, at: datetime | None = None
) -> Iterator[tuple[Path, MonitorConfig, Facts]]:
    """Each file with its monitor and what is known of it; of several, one of which nothing can be known is passed over."""
    from spark_monitor.commands.results import stored_facts

    single, any_read = len(monitor_files(given)) == 1, False
    for file, config in each_monitor(given, left):
        try:
            facts = stored_facts(config, session, pictures=pictures, at=at)
        except Exception as error:  # whatever it is, it is this monitor's alone
            if single:
                raise
            left.out(error, file)
            continue
        any_read = True
        yield file, config, facts
    if not any_read:
        raise RunError("None of the monitors could be read.")


def each_monitor(given: Sequence[Path], left: Left) -> Iterator[tuple[Path, MonitorConfig]]:
    """Each file with its monitor. Of several, one that cannot be read is reported and passed over; a single one is an error."""
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
            left.out(error)
            continue
        yield file, config
    if failed == len(files):
        raise ConfigError("None of the files is a monitor.")


def sessions(options: SessionOptions, terminal: Terminal) -> Session:
    """Spark as the options name it, opened when it is needed."""
    from spark_monitor.commands.results import Session
    from spark_monitor.commands.spark import open_spark

    wanted = bool(options.master or options.remote or options.conf)
    return Session(lambda: open_spark(options, terminal), wanted=wanted)
