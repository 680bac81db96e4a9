"""A table as `init` looks at it: opened by its name or path, and what its first file is made of."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from spark_monitor.commands.baseline_looks import baseline_looks
from spark_monitor.commands.first_file import FirstFile, monitor_id
from spark_monitor.commands.first_rows import (
    ROWS_LOOKED_AT,
    answered_in,
    columns_of_time,
    going_together,
    look,
    parted_by_score,
    signed_numbers,
)
from spark_monitor.commands.given_roles import OF_LABELS, Given, answers_in
from spark_monitor.commands.label_tables import (
    LABEL,
    LABEL_TIME,
    LabelTable,
    Tables,
    label_table_of,
    percent_missing,
    with_labels,
)
from spark_monitor.commands.nameable import nameable
from spark_monitor.commands.options import timestamp_or_now
from spark_monitor.commands.quality_guesses import QualityGuess, guess_quality
from spark_monitor.commands.roles import Column, Roles, guess_roles
from spark_monitor.commands.time_guesses import guess_baseline, guess_every, no_time, windows_of_baseline
from spark_monitor.config.file import require_no_variable
from spark_monitor.config.monitor import PredictionsConfig
from spark_monitor.errors import ConfigError, RunError
from spark_monitor.states.classes import canonical_label
from spark_monitor.text.quoting import quote, quoted, split_table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

OUTPUTS = "monitoring"


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


Opened = tuple[PredictionsConfig, "DataFrame"]
"""A table as a monitor's file names it, and its rows."""


def made_from(
    frame: DataFrame,
    source: PredictionsConfig,
    table: str,
    file: Path,
    given: Given | None = None,
    labels: Opened | None = None,
) -> FirstFile:
    """What the file is made of; ``labels`` are in a table of their own."""
    from spark_monitor.sources.predictions import time_range

    frame, given = nameable(frame), given or {}
    of_predictions = given if labels is None else {role: names for role, names in given.items() if role not in OF_LABELS}
    columns, roles, parted = guess_columns(frame, of_predictions)
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
    own_labels, label_table = tuple(name for name in (roles.label, roles.label_time) if name is not None), None
    missing = {column.name: column.missing for column in of_baseline if column.missing}
    if labels is None:
        answered = answered_in(baseline, roles, every)
    else:
        label_table, roles = guess_label_table(frame, columns, roles, labels, given)
        labelled = with_labels(baseline, nameable(labels[1]), label_table, roles.ids)
        known = replace(roles, label=LABEL, label_time=LABEL_TIME)
        answered, missing = answered_in(labelled, known, every), {**missing, str(roles.label): percent_missing(labelled)}
    if parted is not None and not has_class(parted, roles.positive):
        roles = replace(roles, prediction=None)  # it is written in other words than the labels, so it equals none of them
    return FirstFile(
        title=source.text,
        file=str(file),
        monitor=monitor_id(table),
        source=place_of(source),
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
        answered=answered,
        missing=missing,
        labels=label_table,
        own_labels=own_labels,
        looks=baseline_looks(baseline, of_baseline, roles, every),
    )


def guess_columns(frame: DataFrame, given: Given) -> tuple[Sequence[Column], Roles | None, Column | None]:
    """The columns and their roles; where no name says what was predicted, the column that goes by a threshold of the score.

    That one is the third.
    """
    columns = look(frame, answers_in(given, frame.columns))

    def together(labels: Sequence[Column], answer: Column) -> Mapping[str, float | None]:
        return going_together(frame, labels, answer)

    roles = guess_roles(columns, together, given)
    if roles is None or roles.task != "binary" or roles.score is None or roles.prediction is not None:
        return columns, roles, None
    taken = {*roles.ids, roles.time, roles.model_version, roles.label, roles.label_time}
    predicted = parted_by_score(frame, [one for one in columns if one.name not in taken], roles.score)
    if predicted is None:
        return columns, roles, None
    with_it = {**given, "prediction": (predicted,)}
    columns = look(frame, answers_in(with_it, frame.columns))
    roles = guess_roles(columns, together, with_it)
    if roles is None:
        return columns, None, None
    parted = next(one for one in columns if one.name == predicted)
    return columns, replace(roles, given=roles.given - {"prediction"}), parted


def has_class(column: Column, name: Any) -> bool:
    """Whether a class is among the values of a column, as labels are compared with predictions.

    >>> has_class(Column("flag", "text", values=("0", "1")), 1), has_class(Column("flag", "text", values=("N", "Y")), 1)
    (True, False)
    """
    return canonical_label(name) in {canonical_label(one) for one in column.values or ()}


def place_of(source: PredictionsConfig) -> tuple[tuple[str, str], ...]:
    """The keys of a file that say where rows are."""
    return tuple((key, str(value)) for key in ("table", "path", "format") if (value := getattr(source, key)) is not None)


def guess_label_table(
    frame: DataFrame, columns: Sequence[Column], roles: Roles, labels: Opened, given: Given
) -> tuple[LabelTable, Roles]:
    """What the columns of a label table are, and the roles with it."""
    source, rows = labels[0], nameable(labels[1])
    said = {role: names for role, names in given.items() if role in OF_LABELS}
    label_columns = look(rows, (*answers_in(said, rows.columns), *rows.columns))
    return label_table_of(Tables(source.text, frame, rows, columns, label_columns, said), roles, place_of(source))


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
