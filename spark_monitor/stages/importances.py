"""How much each feature matters to the model, as the table that the monitor's file names says."""

from __future__ import annotations

from typing import Final

from pyspark.sql import functions as F

from spark_monitor.sources.readers.rows import read_source
from spark_monitor.stages.context import Run
from spark_monitor.text.logs import log_of
from spark_monitor.text.masking import first_line

log = log_of(__name__)

MOST_FEATURES: Final = 10_000


def importances(run: Run) -> dict[str, float]:
    """The features' importances from the table that the monitor names; none where it names none, or one that cannot be read."""
    source = run.config.importances
    if source is None:
        return {}
    named = (F.col("feature"), F.col("importance").cast("double").alias("importance"))
    try:
        rows = read_source(run.spark, source).select(*named).limit(MOST_FEATURES).collect()
    except Exception as error:  # nothing is lost without them but an order
        why = f"importances could not be read, and features count alike: {first_line(error)}"
        run.notes.append(why)
        log.warning(why)
        return {}
    return {str(row["feature"]): abs(row["importance"]) for row in rows if row["importance"] is not None}
