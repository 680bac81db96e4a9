"""Several monitors in one session: those with nothing to do are found together, the others run, one that fails stops no other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from spark_monitor.commands.at_once import Handled, outcomes, sessions_apart
from spark_monitor.commands.command import report
from spark_monitor.commands.terminal import Terminal
from spark_monitor.text.formatting import counted
from spark_monitor.text.logs import log_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from spark_monitor.api.monitor import Monitor
    from spark_monitor.outputs.result import RunResult
    from spark_monitor.store.place import Place

log = log_of(__name__)
Opened = Callable[[], "SparkSession"]

FAILED, NOTHING_NEW = "FAILED", "NOTHING_NEW"
MOST_NAMED = 10


@dataclass
class Fleet:
    """The monitors of one command: how each ended, and the worst exit code."""

    terminal: Terminal
    shown: Callable[[RunResult, Path], None]
    refused: Mapping[Path, Exception] = field(default_factory=dict)
    ended: dict[Path, str] = field(default_factory=dict)
    code: int = 0

    def one(self, file: Path, handled: Callable[[], RunResult]) -> None:
        """Run one monitor and tell it under its file's name; nothing that goes wrong ends the others."""
        self.terminal.tell(f"{file}:")
        try:
            result = handled()
            self.ended[file] = result.status
            self.shown(result, file)
        except typer.Exit as ended:
            self.code = max(self.code, int(ended.exit_code))
        except Exception as error:  # whatever it is, it is this monitor's alone
            self.ended[file] = FAILED
            self.code = max(self.code, report(error, self.terminal, command="run"))

    def rest(
        self, files: Sequence[Path], alone: Callable[[Path], RunResult], handled: Handled, opened: Opened, most: int
    ) -> None:
        """Run the monitors that have not ended yet, at most so many at once where Spark gives each a session of its own."""
        left = [file for file in files if file not in self.ended]
        together = [file for file in left if most > 1 and can_be_read(file) and file not in self.refused]
        sessions: list[SparkSession] = []
        if len(together) > 1:
            with self.terminal.progress(several=True):
                sessions = sessions_apart(opened(), min(most, len(together)))
        for file in left:
            if not sessions or file not in together:
                self.one(file, partial(alone, file))
        if not sessions:
            return
        with self.terminal.progress(several=True, at_once=True), closing(outcomes(together, handled, sessions)) as ended:
            log.info(f"{counted(len(together), 'monitor')}, {len(sessions)} at once")
            for file, outcome in ended:
                self.one(file, outcome)

    def summary(self) -> str:
        """All of them in a sentence."""
        return summary(self.ended)


def summary(ended: Mapping[Path, str]) -> str:
    """How many monitors ended how, and which failed.

    >>> summary({Path("a.yaml"): "COMMITTED", Path("b.yaml"): "NOTHING_NEW", Path("c.yaml"): "FAILED"})
    '3 monitors: 1 committed, 1 with nothing new, 1 failed (c.yaml).'
    """
    words = {"COMMITTED": "committed", NOTHING_NEW: "with nothing new", FAILED: "failed"}
    numbers = Counter(ended.values())
    failed = [str(file) for file, status in ended.items() if status == FAILED]
    more = f" and {len(failed) - MOST_NAMED} more" if len(failed) > MOST_NAMED else ""
    named = f" ({', '.join(failed[:MOST_NAMED])}{more})" if failed else ""
    parts = [f"{numbers[status]} {text}" for status, text in words.items() if numbers[status]]
    return f"{counted(len(ended), 'monitor')}: {', '.join(parts)}{named}."


def idle_results(
    files: Iterable[Path],
    opened: Opened,
    as_of: datetime,
    *,
    dry: bool,
    command: Sequence[str] = (),
) -> Iterator[tuple[Path, RunResult]]:
    """The monitors that certainly have nothing to do, found with a few questions for all of them.

    A file that cannot be read, and whatever else is wrong, is left to the monitor's own run.
    """
    from spark_monitor.pipeline import nothing_new
    from spark_monitor.stages.idle import note_idle
    from spark_monitor.store import Store

    for place, monitors in by_place(files).items():
        log.info(f"{counted(len(monitors), 'monitor')} in {place.text}")
        store = Store(opened(), place)
        try:
            idle = note_idle(store, [monitor.config for _, monitor in monitors], as_of)
        except Exception:  # no tables yet, or no right to read them: every monitor's own run says what there is to say
            continue
        idle_runs = {id(one.config): one for one in idle}
        for file, monitor in monitors:
            if id(monitor.config) in idle_runs:
                run_id = idle_runs[id(monitor.config)].run_id
                yield file, nothing_new(monitor.config, store, run_id, as_of=as_of, dry=dry, command=command, file=monitor.file)


def by_place(files: Iterable[Path]) -> dict[Place, list[tuple[Path, Monitor]]]:
    """The monitors whose files can be read, by the place of their tables; a name that stands twice is nobody's for certain."""
    from spark_monitor.api.monitor import Monitor
    from spark_monitor.errors import ConfigError
    from spark_monitor.store.place import Place

    places: dict[Place, list[tuple[Path, Monitor]]] = {}
    for file in files:
        try:
            monitor = Monitor.load(file)
            places.setdefault(Place.of(monitor.config.outputs), []).append((file, monitor))
        except ConfigError:
            continue
    return {place: named for place, monitors in places.items() if (named := once(monitors))}


def can_be_read(file: Path) -> bool:
    """Whether a file describes a monitor; of another one its own run says what is wrong, without Spark."""
    from spark_monitor.config.monitor import load_config
    from spark_monitor.errors import ConfigError

    try:
        load_config(file)
    except ConfigError:
        return False
    return True


def once(monitors: Sequence[tuple[Path, Monitor]]) -> list[tuple[Path, Monitor]]:
    """The monitors whose name no other has."""
    names = Counter(monitor.config.monitor for _, monitor in monitors)
    return [(file, monitor) for file, monitor in monitors if names[monitor.config.monitor] == 1]
