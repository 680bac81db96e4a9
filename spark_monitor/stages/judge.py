"""Measurements x rules to checks: one row per number that a rule judges, with its verdict and the reason in one sentence.

Absence is judged as well: a number that a rule asks for and that no table holds is a check with the verdict NO_DATA. Rows of
metrics stream by sorted by window: every table is read once and shuffled once, whatever the rules. A task holds the rows of as
few whole windows at a time as make a batch worth its while.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F

from spark_monitor.rules.applied_limits import LimitInputs
from spark_monitor.rules.check_rows import CHECK_DDL
from spark_monitor.rules.judgement import Bench
from spark_monitor.rules.rulebook import Rulebook
from spark_monitor.rules.stream import STREAM
from spark_monitor.session import interpreted
from spark_monitor.stages.context import INPUT, Run
from spark_monitor.stages.limit_inputs import limit_inputs_of
from spark_monitor.stages.metric_rows import metric_rows
from spark_monitor.stages.persistence import Stored, persistent
from spark_monitor.stages.series import Earlier, rows_before
from spark_monitor.store.schemas import TABLES
from spark_monitor.windowing.due import DueWindow
from spark_monitor.windowing.timestamps import micros

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from spark_monitor.config.rules import RuleConfig

ROWS_AT_ONCE = 1 << 15
WINDOW = ("granularity", "start", "end")
ORDER = (*WINDOW, "model_version", "slice_key", "slice_value", "column_name")


def checks(
    profile_metrics: DataFrame,
    drift_metrics: DataFrame,
    model_metrics: DataFrame,
    rules: Sequence[RuleConfig],
    *,
    monitor_id: str,
    as_of: datetime,
    run_id: str,
    metrics: DataFrame | None = None,
    earlier: Earlier | None = None,
    stored: Stored | None = None,
    inputs: LimitInputs | None = None,
) -> DataFrame:
    """The rows of ``checks`` for the windows whose metrics are given.

    A rule looks at drift from the baseline unless it names another, at realised and at estimated metrics of the model, and at
    every dataset's ``metrics``. A rule for "*" judges every column that has its metric, in every slice; listed columns, and
    metrics that nothing has, are expected for whole windows. ``chi_squared_test`` is judged by Cramer's V. Work does not multiply
    with rules: every number meets the one rule that judges it. ``earlier`` are the metrics of the windows before, which limits
    by history need, ``stored`` their checks, which `for` needs.
    """
    of_monitor = F.col("monitor_id") == monitor_id
    tables = [frame.where(of_monitor) for frame in (profile_metrics, drift_metrics, model_metrics)]
    book, facts = Rulebook.of(rules), inputs or LimitInputs()
    rows = metric_rows(tables, metrics.where(of_monitor) if metrics is not None else None, book)
    if earlier is not None:
        rows = rows.unionByName(rows_before(rows, earlier, book))
    # Within a column the profile comes first: it says how many rows the drift rests on.
    ordered = rows.repartition(*WINDOW).sortWithinPartitions(*ORDER, F.col("family").desc())

    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        bench = Bench.of(book, facts)
        for table in whole_windows(batches):
            yield bench.checks(table)

    judged = ordered.mapInArrow(run, CHECK_DDL)
    if stored is not None:
        judged = persistent(judged, stored, rules)
    window = F.struct(F.timestamp_micros("start").alias("start"), F.timestamp_micros("end").alias("end"))
    timestamp = F.timestamp_micros(F.lit(micros(as_of)))
    added = {"window": window, "as_of": timestamp, "run_id": F.lit(run_id), "monitor_id": F.lit(monitor_id)}
    added["incident_id"] = F.lit(None).cast("string")  # `diagnose` names it
    return judged.withColumns(added).select(*TABLES["checks"].names)


def whole_windows(batches: Iterable[pa.RecordBatch], at_least: int = ROWS_AT_ONCE) -> Iterator[pa.Table]:
    """Sorted batches as tables that hold their windows whole, each of ``at_least`` rows but the last."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        if sum(one.num_rows for one in held) < at_least:
            continue
        table = pa.Table.from_batches(held).select(STREAM.names)
        begins = _begins(table)
        if begins > 0:
            yield table.slice(0, begins)
            table = table.slice(begins)
        held = table.to_batches()
    rest = pa.Table.from_batches(held, schema=held[0].schema).select(STREAM.names) if held else None
    if rest is not None and rest.num_rows:
        yield rest


def _begins(table: pa.Table) -> int:
    """The row at which the last window of a table begins."""
    differs = np.zeros(max(table.num_rows - 1, 0), dtype=np.bool_)
    for name in WINDOW:
        codes = table.column(name).combine_chunks().dictionary_encode(null_encoding="encode").indices.to_numpy()
        differs |= codes[1:] != codes[:-1]
    places = np.flatnonzero(differs)
    return int(places[-1]) + 1 if places.size else 0


def judge_step(run: Run, windows: Sequence[DueWindow]) -> None:
    """Write the checks of these windows, from all that is known of them."""
    inputs = limit_inputs_of(run)
    with interpreted(run.spark):
        write_checks(run, windows, inputs)


def write_checks(run: Run, windows: Sequence[DueWindow], inputs: LimitInputs) -> None:
    """Hold what is stored of these windows against the rules."""
    condition = run.store.in_windows(run.monitor_id, windows)
    judged = checks(
        run.store.frame("profile_metrics").where(condition).where(F.col("log_type") == INPUT),
        run.store.frame("drift_metrics").where(condition),
        run.store.frame("model_metrics").where(condition),
        run.config.rules,
        monitor_id=run.monitor_id,
        as_of=run.as_of,
        run_id=run.run_id,
        metrics=run.store.frame("metrics").where(condition),
        earlier=Earlier.of(run, windows),
        stored=Stored.of(run, windows),
        inputs=inputs,
    )
    run.store.replace_windows("checks", judged, monitor_id=run.monitor_id, windows=windows)
