"""The columns of a state as the tables store them; their names and types are those of ``spark_monitor.states.columns``."""

from __future__ import annotations

from typing import Final

from pyspark.sql.types import StructField

from spark_monitor.store.described import BYTES, COUNT, NUMBER, TEXT, WHOLE, column, list_of, struct

_CELL: Final = struct(
    column(
        "cell",
        WHOLE,
        "2i + 1 is the grid's edge i, 2i the open interval below it, i from 0; of strings the category's place",
    ),
    column("n", COUNT, "values in it"),
)
_VALUE: Final = struct(column("value", NUMBER, "the value"), column("n", COUNT, "rows that hold it, never too high"))
_TEXT: Final = struct(column("item", TEXT, "the string"), column("n", COUNT, "rows that hold it, never too high"))

STATE_FIELDS: Final[tuple[StructField, ...]] = (
    column("count", COUNT, "rows, nulls included; NULL where there is no state"),
    column("num_nulls", COUNT, "rows that are NULL"),
    column("num_nan", COUNT, "rows that are NaN"),
    column("num_positive_inf", COUNT, "rows that are plus infinity"),
    column("num_negative_inf", COUNT, "rows that are minus infinity"),
    column("num_empty", COUNT, "rows that are the empty string"),
    column("null_ids", COUNT, "rows without an id, in rows of :table"),
    column("min_length", COUNT, "shortest string in characters, binary in bytes"),
    column("max_length", COUNT, "longest string"),
    column("total_length", COUNT, "length of all strings together"),
    column("min", NUMBER, "smallest finite value"),
    column("max", NUMBER, "largest finite value"),
    column("avg", NUMBER, "mean of the finite values"),
    column("avg_low", NUMBER, "the part of the mean below its last bit, with which means are merged"),
    column("m2", NUMBER, "sum of squared deviations from the mean"),
    column(
        "cells",
        list_of(_CELL),
        "exact counts on the baseline's grid or of its categories, those that are 0 left out; this and the columns down to "
        "frequent_capacity are NULL of numbers whose sketch holds every value: they follow from it",
    ),
    column("distinct_k", WHOLE, "how many of the smallest hashes are kept"),
    column("distinct_theta", COUNT, "hashes from this one on (unsigned) were dropped; NULL: none was, and the count is exact"),
    column("distinct_hashes", list_of(COUNT), "the smallest hashes (64 bits, unsigned) of the distinct values, in order"),
    column("frequent_values", list_of(_VALUE), "the most frequent numbers, those of the grid left to the cells"),
    column("frequent_texts", list_of(_TEXT), "the most frequent strings"),
    column("frequent_dropped", COUNT, "how often any other value can occur at most"),
    column("frequent_capacity", WHOLE, "how many frequent values are kept"),
    column("non_null", list_of(COUNT), "values other than NULL per column, in rows of :table"),
    column(
        "sketch",
        BYTES,
        "the KLL sketch in DataSketches' own image (kll_doubles_sketch), readable by kll_* SQL; of the rows :counters, :hours, "
        ":repeats and :covariance, which belong to no column, their state's own bytes",
    ),
)
