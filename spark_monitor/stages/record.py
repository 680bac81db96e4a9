"""Measurements to the table ``metrics``: what stages measured of a dataset, in one commit for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.catalogue.measurement import MEASUREMENT_DDL, MEASUREMENT_SCHEMA
from spark_monitor.catalogue.registry import catalogue
from spark_monitor.sources.local_frame import local_frame
from spark_monitor.stages.context import Run, window_keys, write
from spark_monitor.store.rows import Scope
from spark_monitor.windowing.due import DueWindow
from spark_monitor.windowing.timestamps import micros

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

PREDICTIONS = "predictions"
OF_LABELS = ("model", "fairness", "custom")
"""Families that are measured again where only labels came; so are metrics of other families that need labels."""


def broken_plugins(run: Run, windows: Sequence[DueWindow]) -> DataFrame | None:
    """A measurement with status ERROR for each plug-in that could not be loaded, in every window; None where all could."""
    broken = catalogue().broken
    if not broken or not windows:
        return None
    rows = [
        (key.granularity, key.start, key.end, "predictions", TABLE_ROW, "custom", one.name, "ERROR", one.message)
        for key in window_keys(windows)
        for one in broken
    ]
    names = ("granularity", "start", "end", "dataset", "column_name", "family", "metric", "status", "message")
    kinds = dict(part.split(" ", 1) for part in MEASUREMENT_DDL.split(", ", len(MEASUREMENT_SCHEMA.names) - 1))
    frame = local_frame(run.spark, rows, ", ".join(f"`{name}` {kinds[name]}" for name in names))
    missing = [name for name in MEASUREMENT_SCHEMA.names if name not in names]
    return frame.select("*", *(F.lit(None).cast(kinds[name].replace("long", "bigint")).alias(name) for name in missing))


def record_step(
    run: Run,
    windows: Sequence[DueWindow],
    *,
    relabelled: Sequence[DueWindow] = (),
    dataset: str = PREDICTIONS,
    frames: Sequence[DataFrame] | None = None,
) -> None:
    """Replace the dataset's rows of these windows by what was measured; of relabelled windows those that labels change.

    Without a frame nothing is written.
    """
    measured = list(run.measured if frames is None else frames)
    lost = broken_plugins(run, windows) if frames is None else None
    measured += [] if lost is None else [lost]
    if not measured or not (windows or relabelled):
        return
    rows = reduce(lambda one, other: one.unionByName(other), (frame.select(*MEASUREMENT_SCHEMA.names) for frame in measured))
    stamped = rows.withColumn("as_of", F.timestamp_micros(F.lit(micros(run.as_of))))
    write(run, "metrics", stamped, windows, scope=Scope(dataset, tuple(relabelled), OF_LABELS, labelled_metrics()))


def labelled_metrics() -> tuple[str, ...]:
    """The metrics of families that do not follow labels which do.

    >>> labelled_metrics()
    ('label_shift',)
    """
    return tuple(name for name, one in catalogue().metrics.items() if "label" in one.needs and one.family not in OF_LABELS)
