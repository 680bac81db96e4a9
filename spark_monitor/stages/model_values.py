"""Values of the model's metrics in some windows: of rows of `model_metrics`, and of states of slices that have no such rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
from pyspark.sql import functions as F

from spark_monitor.diagnosis.falls import Score
from spark_monitor.diagnosis.groups import Slice
from spark_monitor.kernel.scored_states import ANSWERS, COVERAGE, PAIRED, PREDICTED
from spark_monitor.scores.catalogue import present
from spark_monitor.sources.baseline import Baseline
from spark_monitor.stages.baseline_windows import flat_states
from spark_monitor.stages.context import INPUT, Run
from spark_monitor.stages.measure_plan import frozen_score_grid, settings_of
from spark_monitor.stages.scored_rows import PLACE, REALISED, Presentation, stored_states
from spark_monitor.states.proportions import Z
from spark_monitor.text.quoting import slice_key

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

NOT_REALISED: Final = (PREDICTED, ANSWERS, COVERAGE, PAIRED)
SCORES_DDL = (
    "granularity string, metric string, model_version string, basis string, slice_key string, slice_value string, "
    "value double, error double, rows double, start long"
)
_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("granularity", "metric", "model_version", "basis", "slice_key", "slice_value")),
        *((name, pa.float64()) for name in ("value", "error", "rows")),
        ("start", pa.int64()),
    ]
)


MOST_ROWS: Final = 50_000

Values = Mapping[tuple[str, str | None, int, str, Slice], Score]
"""By metric, version, start of the window, basis and slice."""


def values_of(rows: DataFrame) -> Mapping[str, Values]:
    """What some windows' rows say, by their granularity."""
    values: dict[str, dict[tuple[str, str | None, int, str, Slice], Score]] = {}
    for row in rows.orderBy(F.col("slice_key").isNotNull(), "start", "slice_key", "slice_value").limit(MOST_ROWS).collect():
        slice_ = (row["slice_key"], row["slice_value"])
        key = (row["metric"], row["model_version"], row["start"], row["basis"] or REALISED, slice_)
        values.setdefault(row["granularity"], {})[key] = Score(row["value"], row["rows"] or 0.0, row["error"] or 0.0)
    return values


def rows_of_metrics(run: Run, metrics: Collection[str], starts: Sequence[int]) -> DataFrame:
    """Rows of the metrics, of all rows and slices, in the windows that begin at ``starts``."""
    stored = run.store.frame("model_metrics").where(F.col("monitor_id") == run.monitor_id)
    edges = [F.timestamp_micros(F.lit(start)) for start in starts]
    rows = stored.where(F.col("metric").isin(sorted(metrics)) & F.col("window.start").isin(edges) & F.col("class").isNull())
    return rows.where("value IS NOT NULL").select(
        *("granularity", "metric", "model_version", "basis", "slice_key", "slice_value", "value"),
        ((F.col("upper") - F.col("lower")) / (2 * Z)).alias("error"),
        (F.col("count") * F.coalesce("label_coverage", F.lit(1.0))).alias("rows"),
        F.unix_micros("window.start").alias("start"),
    )


def searched_scores(run: Run, baseline: Baseline, metrics: Sequence[str], starts: Sequence[int]) -> DataFrame:
    """The same of slices that the monitor's file does not name, in which the worst ones are looked for: from their states."""
    named = [slice_key(one) for one in run.config.slices]
    edges = [F.timestamp_micros(F.lit(start)) for start in starts]
    stored = run.store.frame("model_states").where(F.col("monitor_id") == run.monitor_id)
    of_windows = stored.where((F.col("log_type") == INPUT) & F.col("window.start").isin(edges))
    states = flat_states(of_windows.where(F.col("slice_key").isNotNull() & ~F.col("slice_key").isin(*named)))
    presentation = Presentation(
        task=run.config.model.task,
        grid=frozen_score_grid(run.config, baseline),
        settings=settings_of(run),
        horizon=run.schedule.horizon,
        as_of=run.as_of,
    )

    def measure(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for place, kinds in stored_states(batches, presentation):
            used: list[Any] = [state for kind, state in kinds.items() if kind not in NOT_REALISED]
            several = (present(presentation.task, *used, settings=presentation.settings, only=name) for name in metrics)
            rows = [row for one in several for row in one]
            yield pa.RecordBatch.from_pylist([_score(place, row) for row in rows if _is_sized(row)], schema=_SCHEMA)

    placed = states.select(*PLACE, "kind", "state")
    return placed.repartition(*PLACE).sortWithinPartitions(*PLACE, "kind").mapInArrow(measure, SCORES_DDL)


def _is_sized(row: dict[str, Any]) -> bool:
    return row["class"] is None and None not in (row["value"], row["lower"], row["upper"])


def _score(place: tuple[Any, ...], row: dict[str, Any]) -> dict[str, Any]:
    granularity, start, _, key, value, version = place
    where = {"granularity": granularity, "start": start, "slice_key": key, "slice_value": value, "model_version": version}
    measured = {"value": row["value"], "error": (row["upper"] - row["lower"]) / (2 * Z), "rows": float(row["count"])}
    return {**where, "metric": row["metric"], "basis": REALISED, **measured}
