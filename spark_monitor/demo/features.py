"""The table that the nightly step writes: a commit a night, of the weather of the day before, by delta-rs.

The commits are real and made now. The files of the table's log are then dated to the nights that they stand for, since a Delta
table's history takes the time of a commit from there: without that no commit would lie in the year that is monitored.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa

from spark_monitor.demo.data import WEATHER
from spark_monitor.demo.service import MISSED_STEP
from spark_monitor.demo.tables import TIMESTAMP
from spark_monitor.store.dated_commits import write_dated

FEATURE_SCHEMA = pa.schema(
    [("origin", pa.string()), ("observed", TIMESTAMP), *((name, pa.float64()) for name in WEATHER), ("loaded_at", TIMESTAMP)]
)
FIRST_NIGHT = pd.Timestamp("2013-06-03", tz="UTC")
"""The table came with version 2."""


def nightly_loads(rows: pd.DataFrame, runs: pa.Table) -> Iterator[tuple[pd.Timestamp, pa.Table]]:
    """When each run of the step that makes features ended, and what it loaded: the hours of the day before at each airport."""
    hours = rows[["origin", "predicted_at", *WEATHER]].assign(observed=rows["predicted_at"].dt.floor("h"))
    days = dict(iter(hours.drop_duplicates(["origin", "observed"]).groupby(hours["observed"].dt.floor("D"))))
    steps = runs.to_pandas()
    for ended in steps.loc[(steps["task"] == MISSED_STEP) & (steps["ended"] >= FIRST_NIGHT), "ended"].sort_values():
        loaded = days.get(ended.floor("D") - pd.Timedelta(days=1))
        if loaded is not None:
            made = pa.Table.from_pandas(loaded.assign(loaded_at=ended), schema=FEATURE_SCHEMA, preserve_index=False)
            yield ended, made.replace_schema_metadata(None)


def write_nightly(rows: pd.DataFrame, runs: pa.Table, path: Path) -> None:
    """Commit each night's load to the Delta table at ``path``."""
    write_dated(path, FEATURE_SCHEMA, ((ended.timestamp(), loaded) for ended, loaded in nightly_loads(rows, runs)))
