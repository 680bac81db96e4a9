"""`spark-monitor prune FILE...|DIR`: what is older than `outputs.keep` says, and what deleted monitors left, is deleted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spark_monitor.commands.command import terminal_of
from spark_monitor.commands.options import AsJson, AsOf, Conf, Master, Remote, SessionOptions, timestamp_or_now
from spark_monitor.commands.several import Files, Left, each_monitor, monitor_files, namesakes
from spark_monitor.commands.spark import open_spark
from spark_monitor.errors import ConfigError
from spark_monitor.text.formatting import counted, harmless
from spark_monitor.text.logs import log_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from spark_monitor.config.monitor import MonitorConfig
    from spark_monitor.store import Store

log = log_of(__name__)


def prune(
    context: typer.Context,
    files: Files,
    as_of: AsOf = None,
    deleted: Annotated[
        list[str] | None,
        typer.Option("--deleted", metavar="MONITOR", help="A deleted monitor: all its rows are removed. May be repeated."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would be deleted, and delete nothing.")] = False,
    master: Master = None,
    remote: Remote = None,
    conf: Conf = None,
    as_json: AsJson = False,
) -> None:
    """Delete results older than `outputs.keep`, rewrite small files and remove files that are no longer needed."""
    terminal = terminal_of(context)
    session, moment = SessionOptions.read(master, remote, conf), timestamp_or_now("--as-of", as_of)
    names = deleted or []
    _require_names(names)
    left = Left(terminal)
    with terminal.progress():
        for error in namesakes(monitor_files(files)).values():
            raise error
        monitors = [config for _, config in each_monitor(files, left)]
        _require_without_file(names, monitors)
        done, there = _delete(open_spark(session, terminal), monitors, names, moment, left, dry=dry_run)
    without_file = sorted(there - {*done})
    terminal.document({"deleted": done, "dry_run": dry_run, "without_file": without_file})
    verb = "would be deleted" if dry_run else "deleted"
    for monitor, tables in done.items():
        rows = ", ".join(f"{many:,} of {table}" for table, many in tables.items())
        nothing = "it has no rows here" if monitor in names else "nothing is older than `outputs.keep` allows"
        terminal.tell(f"{monitor}: {rows + f' {verb}' if rows else nothing}.")
    if without_file:
        named = ", ".join(without_file)
        terminal.remark(f"{counted(len(without_file), 'monitor')} without a file among those given: {named}.")
    left.end()


def _require_names(names: Sequence[str]) -> None:
    for name in names:
        if not re.fullmatch(r"[a-z0-9_]+", name):
            raise ConfigError(f'--deleted: found "{harmless(name, 80)}". Allowed: a monitor\'s name, of a-z, 0-9 and _.')


def _require_without_file(names: Sequence[str], monitors: Sequence[MonitorConfig]) -> None:
    alive = sorted({config.monitor for config in monitors} & {*names})
    if alive:
        raise ConfigError(f"--deleted: found {', '.join(alive)}, whose file is among those given. Remove the file first.")


def _delete(
    spark: SparkSession, monitors: Sequence[MonitorConfig], names: Sequence[str], as_of: datetime, left: Left, *, dry: bool
) -> tuple[dict[str, dict[str, int]], set[str]]:
    """The rows deleted of each monitor by table, and every monitor that has rows at these places.

    Of several places one that cannot be looked after is told of, and stops no other.
    """
    from spark_monitor.store import Store
    from spark_monitor.store.place import Place

    places = {config.monitor: Place.of(config.outputs) for config in monitors}
    done: dict[str, dict[str, int]] = {}
    there: set[str] = set()
    for place in dict.fromkeys(places.values()):
        own = [config for config in monitors if places[config.monitor] == place]
        try:
            deleted, others = _deleted_at(Store(spark, place), own, names, as_of, dry=dry)
        except Exception as error:  # whatever it is, it is this place's alone
            if len({*places.values()}) == 1:
                raise
            left.out(error, Path(place.text))
            continue
        there |= others
        for name, tables in deleted.items():
            done[name] = _added([done.get(name, {}), tables])
    return done, there


def _deleted_at(
    store: Store, monitors: Sequence[MonitorConfig], names: Sequence[str], as_of: datetime, *, dry: bool
) -> tuple[dict[str, dict[str, int]], set[str]]:
    """The same of one place; nothing is made where no run has written yet, nor by a dry run."""
    from spark_monitor.commands.results import has_tables
    from spark_monitor.stages.prune import monitors_at, prune, remove

    if not has_tables(store):
        return {name: {} for name in (*(config.monitor for config in monitors), *names)}, set()
    if not dry:
        store.ensure()
    done = {config.monitor: dict(prune(store, config, as_of, dry=dry)) for config in monitors}
    done |= {name: dict(remove(store, name, dry=dry)) for name in names}
    there = set(monitors_at(store))
    if not dry:
        log.info("files")
        store.tidy(config.monitor for config in monitors)
    return done, there


def _added(each: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """The rows of several places together."""
    totals: dict[str, int] = {}
    for tables in each:
        for name, many in tables.items():
            totals[name] = totals.get(name, 0) + many
    return totals
