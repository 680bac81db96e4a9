"""Measurements to the table ``metrics``: what stages measured of a dataset, in one commit for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from spark_monitor.catalogue.measurement import MEASUREMENT_SCHEMA
from spark_monitor.sources.predictions import micros
from spark_monitor.stages.context import Run, write
from spark_monitor.store.rows import Scope
from spark_monitor.windowing.due import DueWindow

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

PREDICTIONS = "predictions"
OF_LABELS = ("model", "fairness", "custom")
"""Families that are measured again where only labels came."""


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
    measured = run.measured if frames is None else frames
    if not measured or not (windows or relabelled):
        return
    rows = reduce(lambda one, other: one.unionByName(other), (frame.select(*MEASUREMENT_SCHEMA.names) for frame in measured))
    stamped = rows.withColumn("as_of", F.timestamp_micros(F.lit(micros(run.as_of))))
    write(run, "metrics", stamped, windows, scope=Scope(dataset, tuple(relabelled), OF_LABELS))
