"""The columns that a monitor's file can name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spark_monitor.text.formatting import harmless
from spark_monitor.text.logs import log_of
from spark_monitor.text.quoting import SUBSTITUTED

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

log = log_of(__name__)


def nameable(frame: DataFrame) -> DataFrame:
    """The table without columns whose names would begin a variable, which no file may hold: rules of all columns watch them."""
    refused = [name for name in frame.columns if SUBSTITUTED in name]
    if refused:
        listed = ", ".join(map(harmless, refused))
        log.warning(f'No list of the file names {listed}: "{SUBSTITUTED}" begins a variable. Rules of all columns watch it.')
    return frame.drop(*refused)
