"""Columns that several tables have, described once."""

from __future__ import annotations

from pyspark.sql.types import StructField, StructType

from spark_monitor.store.described import COUNT, NUMBER, TEXT, TIMESTAMP, WHOLE, column, list_of, struct

EDGES: StructType = struct(
    column("start", TIMESTAMP, "first timestamp of the window"),
    column("end", TIMESTAMP, "first timestamp after the window"),
)

MONITOR = column("monitor_id", TEXT, "the monitor: the name in its file; the tables are partitioned by it")
WINDOW = column("window", EDGES, "the half-open interval [start, end) of UTC timestamps that the row is about")
GRANULARITY = column("granularity", TEXT, "how long the windows are: 1 hour, 1 day, 1 week, 1 month, ...")
MODEL_VERSION = column("model_version", TEXT, "version of the model that made the predictions; NULL where the table has none")
SLICE_KEY = column(
    "slice_key", TEXT, "what rows are cut by: a column, columns with commas between, an expression; NULL: all rows"
)
SLICE_VALUE = column("slice_value", TEXT, "the slice: a value, values joined by a comma, or true or false of an expression")
COLUMN_NAME = column("column_name", TEXT, "the monitored column; :table where the row is about all columns together")
RUN_ID = column("run_id", TEXT, "the run that wrote the row (table runs); views show rows of COMMITTED runs only")
CHECKSUM = column("checksum", COUNT, "xxhash64 of the row's values, run_id apart; where it does not fit no state is read")
STATUSES = (
    "EMPTY, ALL_NULL, NO_FINITE, UNDEFINED, NO_BASELINE, NO_PREVIOUS, TYPE_CHANGED, MISSING, NEW, ERROR, UNSUPPORTED, "
    "NO_LABELS, PARTIAL (of a bill, days are missing), MIXED_CURRENCIES"
)
STATUS = column("status", TEXT, f"OK; CAPPED (other slice values together); or why numbers are missing: {STATUSES}")
MESSAGE = column("message", TEXT, "one sentence that explains a status other than OK")
AS_OF = column("as_of", TIMESTAMP, "the timestamp the run pretended to be at: it saw nothing later")
OWNER = column("owner", TEXT, "who is notified, as the rule says")
RUNBOOK = column("runbook", TEXT, "what to do, as the rule says: a page or a path")
SEVERITY = column("severity", TEXT, "low, medium, high or critical, as the rule says")
BASELINE_VERSION = column("baseline_version", WHOLE, "version of the frozen baseline that was compared with")

CUT: tuple[StructField, ...] = (MONITOR, WINDOW, GRANULARITY, MODEL_VERSION, SLICE_KEY, SLICE_VALUE)
"""What a row of a metric is about, up to the column."""

CUT_KEY: tuple[str, ...] = tuple(field.name for field in CUT)

FREQUENT_ITEMS = list_of(
    struct(
        column("item", TEXT, "the value as a string"),
        column("count", COUNT, "rows that hold it: exact for the baseline's categories and atoms, otherwise never too high"),
    )
)


def delta_of(metric: str, kind: str) -> StructField:
    """A column that holds current minus compared."""
    return column(f"{metric}_delta", NUMBER, f"{kind} of this window minus that of the one compared with")


def test_result(name: str, statistic: str, pvalue: str) -> StructField:
    """A column that holds a test's statistic and its p-value, as Databricks writes them."""
    fields = struct(column("statistic", NUMBER, statistic), column("pvalue", NUMBER, pvalue))
    return column(name, fields, f"{statistic}, with its p-value")
