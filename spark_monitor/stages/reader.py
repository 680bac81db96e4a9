"""Which reader a run uses, and what it does when the files cannot be read after all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.errors import PySparkException

from spark_monitor.kernel.parquet import Block
from spark_monitor.kernel.plan import ProfilePlan
from spark_monitor.preflight.opened import first_line
from spark_monitor.sources.predictions import Predictions
from spark_monitor.sources.readers.files import FileTable, blocks_of, file_partials, file_table, why_unreadable
from spark_monitor.sources.readers.rows import OnlySpark
from spark_monitor.sources.readers.spark import partial_states
from spark_monitor.stages.context import FILES, SPARK, Run
from spark_monitor.stages.merge import merged
from spark_monitor.stages.quality_plan import extra_names
from spark_monitor.text.formatting import counted
from spark_monitor.text.logs import log_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

log = log_of(__name__)

ASKED = "--reader spark was asked for."


@dataclass(frozen=True)
class FileReading:
    """What the file reader will read: the table's layout, and the blocks of every task."""

    table: FileTable
    tasks: Sequence[Sequence[Block]]


def choose_reader(run: Run, predictions: Predictions, spans: Sequence[tuple[int, int]]) -> FileReading | None:
    """What to read from files, or None for the Spark reader; the run remembers which and why."""
    if run.wanted_reader == SPARK:
        run.reader, run.reader_reason = SPARK, ASKED
        return None
    try:
        partitions = run.store.columns_in_paths(run.config.predictions)
        table = file_table(run.config, predictions, partitions, spans, extra_names(run.config, predictions))
        tasks = blocks_of(predictions.frame, table, run.config.predictions.time, spans)
    except OnlySpark as refusal:
        read_by_spark(run, str(refusal))
        return None
    except PySparkException as refusal:  # a platform that does not tell where its files are may still hand out rows
        read_by_spark(run, f"the files cannot be listed ({first_line(refusal).rstrip('.')})")
        return None
    run.reader, run.bytes_in = FILES, sum(block.length for blocks in tasks for block in blocks)
    blocks = counted(sum(map(len, tasks)), "block")
    run.reader_reason = f"{blocks} of Parquet files in {counted(len(tasks), 'task')}; rows as Spark counts them."
    return FileReading(table, tasks)


def read_by_spark(run: Run, why: str) -> None:
    """Note why the files are not read directly; logged where they were asked for."""
    run.reader, run.reader_reason, run.bytes_in = SPARK, f"Read through Spark: {why.rstrip('.')}.", None
    if run.wanted_reader == FILES:
        log.info(f"--reader files: {run.reader_reason}")


def read_states(
    run: Run,
    reading: FileReading | None,
    rows: DataFrame,
    plan: ProfilePlan,
    keep: Callable[[DataFrame], None],
    *,
    stored: DataFrame | None = None,
) -> None:
    """Make the states by the chosen reader, merge them with ``stored`` ones and keep them.

    Where a file cannot be read, all rows are read again through Spark.
    """

    def kept(partials: DataFrame) -> None:
        keep(merged(partials if stored is None else partials.unionByName(stored), plan))

    if reading is None:
        kept(partial_states(rows, plan))
        return
    try:
        kept(file_partials(run.spark, reading.tasks, reading.table.layout, plan))
    except Exception as error:
        why = why_unreadable(error)
        if why is None:
            raise
        read_by_spark(run, why)
        log.info(run.reader_reason)
        kept(partial_states(rows, plan))
