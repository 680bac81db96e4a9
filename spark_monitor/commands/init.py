"""`spark-monitor init TABLE`: a first file, made by looking at a table's columns, its first rows and how much time it spans."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spark_monitor.commands.command import sentence_of, terminal_of
from spark_monitor.commands.first_file import first_file, monitor_id
from spark_monitor.commands.first_look import made_from, open_table
from spark_monitor.commands.given_roles import Given, given_roles
from spark_monitor.commands.options import AsJson, Conf, GivenRole, Master, Remote, SessionOptions
from spark_monitor.commands.report import not_written
from spark_monitor.commands.spark import open_spark
from spark_monitor.config.monitor import load_config
from spark_monitor.errors import ConfigError
from spark_monitor.text.formatting import in_shell
from spark_monitor.text.logs import log_of
from spark_monitor.text.quoting import quoted, split_table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

log = log_of(__name__)


def init(
    context: typer.Context,
    table: Annotated[
        str,
        typer.Argument(
            metavar="TABLE",
            help="A table's name, or the path of Delta or Parquet files; with --all, a schema or a directory of tables.",
            show_default=False,
        ),
    ],
    every_table: Annotated[bool, typer.Option("--all", help="A file for every table of the schema or directory.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="The file to write, named after the table by default; with --all, a directory."
        ),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option("--labels", metavar="TABLE", help="The table that labels (ground truth) are in, where it is another one."),
    ] = None,
    role: GivenRole = None,
    master: Master = None,
    remote: Remote = None,
    conf: Conf = None,
    as_json: AsJson = False,
) -> None:
    """Write a commented first file from a prediction table; no file is overwritten."""
    terminal = terminal_of(context)
    session, given = SessionOptions.read(master, remote, conf), given_roles(role or ())
    if every_table:
        require_directory(out or Path(), given)
        if labels is not None:
            raise ConfigError("--labels: found with --all. Labels are those of one table: give its name.")
        with terminal.progress():
            spark = open_spark(session, terminal)
            outcome = init_schema(spark, table, out or Path())
        terminal.document(outcome)
        for name, path in outcome["written"].items():
            terminal.tell(f"Written: {path} for {name}.")
        for reason in outcome["left_out"].values():
            terminal.remark(f"left out: {reason}")
        terminal.tell(f"Look at what is marked GUESS in them, then: spark-monitor check {in_shell(out or '.')}/NAME.yaml")
        return
    file = out or Path(f"{monitor_id(table)}.yaml")
    require_free(file)
    with terminal.progress():
        spark = open_spark(session, terminal)
        log.info("Columns and first rows")
        source, frame = open_table(spark, table)
        made = made_from(frame, source, table, file, given, open_table(spark, labels) if labels is not None else None)
    write(file, first_file(made))
    roles = made.roles
    terminal.document({"file": file.resolve(), "monitor": made.monitor, "guessed": roles})
    terminal.tell(f"Written: {file}. Guessed: task {roles.task}, id {', '.join(roles.ids)}, time {roles.time}.")
    terminal.tell(f"Look at what is marked GUESS in it, then: spark-monitor check {in_shell(file)}")


def init_schema(spark: SparkSession, schema: str, directory: Path) -> dict[str, dict[str, str]]:
    """A file for each table of a schema or directory but the monitor's own; which were written, and why others were left out."""
    written: dict[str, str] = {}
    left_out: dict[str, str] = {}
    tables = tables_in(spark, schema)
    ids = ids_apart([name for name, _ in tables])
    for name, table in tables:
        file = directory / f"{ids[name]}.yaml"
        log.info(table)
        try:
            require_free(file)
            source, frame = open_table(spark, table)
            write(file, first_file(replace(made_from(frame, source, table, file), monitor=ids[name])))
            written[table] = str(file)
        except Exception as error:  # whatever it is, it is this table's alone
            left_out[table] = str(error) if isinstance(error, ConfigError) else f"{table}: {sentence_of(error)}"
    if not written:
        raise ConfigError("\n".join([f"{schema}: no file was written.", *(left_out.values() or ["It holds no tables."])]))
    return {"written": written, "left_out": left_out}


def ids_apart(names: Iterable[str]) -> dict[str, str]:
    """A monitor's id for each table of one place: of names that would have the same, the later ones with a number.

    >>> ids_apart(["it's a.table", "表", "甲", "a b", "a_b"])
    {"it's a.table": 'it_s_a_table', '表': 'monitor', '甲': 'monitor_2', 'a b': 'a_b', 'a_b': 'a_b_2'}
    """
    ids: dict[str, str] = {}
    for name in names:
        first = monitor_id(re.sub(r"[./\\`]", "_", name))
        numbered = (f"{first}_{number}" for number in count(2))
        ids[name] = first if first not in ids.values() else next(one for one in numbered if one not in ids.values())
    return ids


def tables_in(spark: SparkSession, schema: str) -> list[tuple[str, str]]:
    """The tables of a schema, or of a directory, by their names: each with what ``init`` is given to read it."""
    from pyspark.errors import PySparkException

    from spark_monitor.store.schemas import TABLES

    if os.path.isdir(schema):
        directories = [place for place in sorted(Path(schema).iterdir()) if place.name not in TABLES and holds_a_table(place)]
        return [(place.name, str(place)) for place in directories]
    try:
        listed = spark.catalog.listTables(".".join(quoted(part) for part in split_table(schema)))
    except PySparkException as error:
        reason = sentence_of(error).partition(": ")[2].partition(" SQLSTATE:")[0]
        raise ConfigError(f"{schema}: its tables cannot be listed. Give a schema's name, or a directory. {reason}") from error
    names = sorted(one.name for one in listed if not one.isTemporary and one.name not in TABLES)
    return [(name, f"{schema}.{quoted(name)}") for name in names]


def holds_a_table(place: Path) -> bool:
    """Whether a directory holds a Delta table or Parquet files, in partitions too."""
    return place.is_dir() and ((place / "_delta_log").is_dir() or any(place.glob("*.parquet")) or any(place.glob("*=*")))


def require_directory(directory: Path, given: Given) -> None:
    """ConfigError where files cannot be written into a directory, or roles are given that are one table's."""
    if given:
        raise ConfigError("--role: found with --all. Roles are those of one table's columns: give its name.")
    if not os.path.isdir(directory):
        raise ConfigError(f"--out {directory}: found no directory. With --all, give the directory that the files go to.")


def require_free(file: Path) -> None:
    """ConfigError where a file cannot be written without losing another."""
    if os.path.exists(file):
        raise ConfigError(f"{file}: exists already and is left as it is. Give another name with --out, or remove it.")
    if os.path.isdir(file.parent) and not os.access(file.parent, os.W_OK):
        raise not_written(file, "you have no right to write there")
    if not os.path.isdir(file.parent):
        raise ConfigError(f"{file}: the directory {file.parent} does not exist. Give a file in one that does, with --out.")


def write(file: Path, text: str) -> None:
    """Write the file where there is still none, and read it as a run would."""
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        require_free(file)
    except OSError as error:
        raise not_written(file, error.strerror or type(error).__name__) from None
    load_config(file)
