"""Measurements to the table ``metrics``: what stages measured of a dataset, in one commit for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from spark_monitor.catalogue.measurement import MEASUREMENT_SCHEMA
from spark_monitor.sources.predictions import micros
from spark_monitor.stages.context import Run, write
from spark_monitor.windowing.due import DueWindow

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

PREDICTIONS = "predictions"


def record_step(
    run: Run, windows: Sequence[DueWindow], *, dataset: str = PREDICTIONS, frames: Sequence[DataFrame] | None = None
) -> None:
    """Replace the dataset's rows of these windows by what was measured; without a frame nothing is written."""
    measured = run.measured if frames is None else frames
    if not measured or not windows:
        return
    rows = reduce(lambda one, other: one.unionByName(other), (frame.select(*MEASUREMENT_SCHEMA.names) for frame in measured))
    stamped = rows.withColumn("as_of", F.timestamp_micros(F.lit(micros(run.as_of))))
    write(run, "metrics", stamped, windows, dataset=dataset)
