"""`spark-monitor init TABLE`: a first file, made by looking at a table's columns, its first rows and how much time it spans."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import pyarrow as pa
import typer

from spark_monitor.commands.command import sentence_of, terminal_of
from spark_monitor.commands.first_file import FirstFile, first_file, monitor_id
from spark_monitor.commands.first_rows import ROWS_LOOKED_AT, answered_in, columns_of_time, going_together, look, signed_numbers
from spark_monitor.commands.given_roles import Given, answers_in, given_roles
from spark_monitor.commands.nameable import nameable
from spark_monitor.commands.options import AsJson, Conf, GivenRole, Master, Remote, SessionOptions, timestamp_or_now
from spark_monitor.commands.quality_guesses import QualityGuess, guess_quality
from spark_monitor.commands.report import not_written
from spark_monitor.commands.roles import Roles, guess_roles
from spark_monitor.commands.spark import open_spark
from spark_monitor.commands.time_guesses import guess_baseline, guess_every, no_time, windows_of_baseline
from spark_monitor.config.file import require_no_variable
from spark_monitor.config.monitor import PredictionsConfig, load_config
from spark_monitor.errors import ConfigError, RunError
from spark_monitor.text.formatting import in_shell
from spark_monitor.text.logs import log_of
from spark_monitor.text.quoting import quote, quoted, split_table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

log = log_of(__name__)


OUTPUTS = "monitoring"


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
        made = made_from(frame, source, table, file, given)
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


def open_table(spark: SparkSession, table: str) -> tuple[PredictionsConfig, DataFrame]:
    """The source as a monitor's file names it, and its rows; ConfigError where there is nothing to read."""
    from spark_monitor.preflight.opened import CHECK_NAME, first_line, next_step
    from spark_monitor.sources.readers.rows import read_source

    require_no_variable(table)
    reasons = []
    for place in places(table):
        source = PredictionsConfig.model_validate({**place, "id": "id", "time": "time"})
        try:
            frame = read_source(spark, source)
            _ = frame.columns  # Spark Connect puts the analysis off until somebody asks
            return source, frame
        except RunError as error:  # a Delta table whose log cannot be read is not taken for its files
            reasons.append(f"{source.text}: {error}")
        except Exception as error:  # catalogs and storage raise errors of many kinds
            reasons.append(f"{source.text}: {first_line(error)}")
    steps = [step for step in map(next_step, reasons) if step and not step.startswith(CHECK_NAME)]
    step = steps[-1] if steps else "Give a table's name, or the path of a Delta table or of Parquet files."
    raise ConfigError("\n".join([f"{table}: cannot be read. {step}", *reasons]))


def places(table: str) -> list[dict[str, str]]:
    """What a string may name: a path where it looks like one, as Delta before Parquet, else a table.

    >>> places("demo.predictions"), places("data/scores")[1]
    ([{'table': 'demo.predictions'}], {'path': 'data/scores', 'format': 'parquet'})
    """
    if "/" in table or "\\" in table or table.startswith(".") or os.path.exists(table):
        return [{"path": table.rstrip("/") or table, "format": kind} for kind in ("delta", "parquet")]
    return [{"table": table}]


def made_from(frame: DataFrame, source: PredictionsConfig, table: str, file: Path, given: Given | None = None) -> FirstFile:
    """What the file is made of."""
    from spark_monitor.sources.predictions import time_range

    frame = nameable(frame)
    columns = look(frame, answers_in(given or {}, frame.columns))
    roles = guess_roles(columns, lambda labels, answer: going_together(frame, labels, answer), given)
    if roles is None:
        raise ConfigError(no_time(source.text, columns, in_query(source)))
    span, kind = time_range(frame, roles.time, "UTC", timestamp_or_now("", None)), dict(frame.dtypes)[roles.time]
    every = guess_every(span, kind, frame.count())
    condition = guess_baseline(span, roles.time, kind, every)
    baseline = frame.where(condition) if condition is not None else frame
    taken = {*roles.ids, roles.time, roles.model_version, roles.prediction, roles.score, roles.label, roles.label_time}
    free = [column for column in columns if column.name not in taken]
    running = columns_of_time(baseline, free, roles.time, every)
    roles = replace(roles, times=(*roles.times, *running))
    watched = {column.name for column in free if column.name not in running}
    of_baseline, rows = (look(baseline), baseline.count()) if condition is not None else (columns, None)
    return FirstFile(
        title=source.text,
        file=str(file),
        monitor=monitor_id(table),
        source=tuple((key, str(value)) for key in ("table", "path", "format") if (value := getattr(source, key)) is not None),
        roles=roles,
        every=every,
        baseline=condition,
        outputs=guess_outputs(source),
        quality=tuple(quality_of(baseline, roles, running)),
        baseline_rows=rows,
        window_rows=None if rows is None or span is None else round(rows / windows_of_baseline(span, every)),
        categories={
            column.name: column.count for column in of_baseline if column.name in roles.strings and column.count is not None
        },
        signed=signed_numbers([column for column in of_baseline if column.name in watched]),
        infinite={column.name: column.infinite for column in of_baseline if column.infinite},
        answered=answered_in(baseline, roles, every),
        missing={column.name: column.missing for column in of_baseline if column.missing},
    )


def in_query(source: PredictionsConfig) -> str:
    """How a query names a source."""
    if source.path is None:
        return ".".join(quoted(part) for part in split_table(str(source.table)))
    return f"{source.format}.{quote(source.path)}"


def quality_of(frame: DataFrame, roles: Roles, left_out: Sequence[str] = ()) -> list[QualityGuess]:
    """What the baseline's first rows suggest of the columns that will be watched: one small job, in one task."""
    skip = [
        *roles.ids,
        *left_out,
        *(name for name in (roles.time, roles.model_version, roles.label, roles.label_time) if name is not None),
    ]
    names = list(frame.columns)

    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        held = list(batches)
        guesses = guess_quality(pa.Table.from_batches(held).rename_columns(names), skip) if held else []
        documents = [json.dumps([one.section, one.column, one.value, one.evidence, one.broken]) for one in guesses]
        yield pa.RecordBatch.from_arrays([pa.array(documents, pa.string())], names=["guess"])

    # Columns go by their places: mapInArrow asks for each by its name, unquoted, and fails where that holds a backtick.
    placed = frame.toDF(*(f"c{place}" for place in range(len(names))))
    rows = placed.limit(ROWS_LOOKED_AT).repartition(1).mapInArrow(run, "guess string").collect()
    return [QualityGuess(*json.loads(row["guess"])) for row in rows]


def guess_outputs(source: PredictionsConfig) -> tuple[str, str]:
    """Beside the predictions: a schema of the same catalog, or a directory."""
    if source.path is not None:
        parent = source.path.rpartition("/")[0]
        return "path", f"{parent}/{OUTPUTS}" if parent else OUTPUTS
    parts = split_table(str(source.table))
    return "schema", OUTPUTS if len(parts) < len(("catalog", "schema", "table")) else f"{quoted(parts[0])}.{OUTPUTS}"
