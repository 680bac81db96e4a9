"""Two states in, one row of drift_metrics out. What cannot be said is None, with a status and a sentence."""

from __future__ import annotations

from math import isfinite

from spark_monitor.distances.bins import category_counts
from spark_monitor.distances.catalogue import BIN_DISTANCES, CELL_DISTANCES, DISTANCES
from spark_monitor.distances.distance import Value
from spark_monitor.distances.reference import Reference
from spark_monitor.distances.sides import CategoricalSide, Counts, NumericSide, same_categories, same_grid

DELTAS = ("count_delta", "avg_delta", "percent_null_delta", "percent_zeros_delta", "percent_distinct_delta")
COLUMNS: tuple[str, ...] = (
    *DELTAS,
    *(column for entry in DISTANCES.values() for column in entry.columns),
    "status",
    "message",
)
Row = dict[str, Value]


def compare_numeric(baseline: NumericSide | Reference, current: NumericSide | Reference) -> Row:
    """The columns of drift_metrics for two numeric states; deltas are current - baseline.

    Give a ``Reference`` for a state that is compared several times. KS and Wasserstein are over finite values; the other
    distances over the baseline's bins, in which NULL, NaN and values out of range have their own.

    >>> import numpy as np
    >>> from spark_monitor.states.numeric import profile_column
    >>> from spark_monitor.states.grid import Grid
    >>> grid = Grid.of(np.arange(100.0))
    >>> row = compare_numeric(profile_column(np.arange(100.0), grid), profile_column(np.arange(50.0, 150.0), grid))
    >>> row["ks_test"]["statistic"], row["avg_delta"], row["wasserstein_distance"], row["tv_distance"], row["status"]
    (0.5, 50.0, 50.0, 0.5, 'OK')
    """
    reference, other = Reference.of(baseline), Reference.of(current)
    before, now = reference.state, other.state
    row = _row(before, now)
    if row["status"] != "OK":
        return row
    row["avg_delta"] = now.mean - before.mean if before.finite and now.finite else None
    row["percent_zeros_delta"] = _percent(now.zeros, now.count) - _percent(before.zeros, before.count)
    return _finished(row | _numeric_distances(reference, other), _numeric_gap(reference, other))


def compare_categorical(baseline: CategoricalSide, current: CategoricalSide) -> Row:
    """The columns of drift_metrics for two categorical states: bins are the baseline's categories, other texts, and NULL.

    KS and Wasserstein need an order and are None; so are the distances on bins where the two count different categories.
    """
    row = _row(baseline, current)
    if row["status"] != "OK":
        return row
    gap = _categorical_gap(baseline, current)
    if gap is None or gap[0] == "ALL_NULL":
        row |= _bin_distances(category_counts(baseline), category_counts(current))
    return _finished(row, gap)


def _row(baseline: NumericSide | CategoricalSide, current: NumericSide | CategoricalSide) -> Row:
    """A row with what any two states have, and the status that their numbers of rows give."""
    row: Row = dict.fromkeys(COLUMNS)
    row["count_delta"] = current.count - baseline.count
    if not baseline.count:
        return row | {"status": "NO_BASELINE", "message": "There is no row to compare with."}
    if not current.count:
        return row | {"status": "EMPTY", "message": "There are no rows."}
    row["percent_null_delta"] = _percent(current.nulls, current.count) - _percent(baseline.nulls, baseline.count)
    distinct = _percent(current.distinct_count, current.count) - _percent(baseline.distinct_count, baseline.count)
    return row | {"percent_distinct_delta": distinct, "status": "OK"}


def _numeric_distances(baseline: Reference, current: Reference) -> Row:
    row: Row = {}
    for entry in CELL_DISTANCES:
        row |= entry.values(baseline, current)
    if _has_bins(baseline, current):
        row |= _bin_distances(baseline.counts, baseline.bins.counts(current.state))
    return row


def _bin_distances(baseline: Counts, current: Counts) -> Row:
    row: Row = {}
    for entry in BIN_DISTANCES:
        row |= entry.values(baseline, current)
    return row


def _has_bins(baseline: Reference, current: Reference) -> bool:
    """Whether the baseline's bins can be filled from the current state's cells."""
    return same_grid(baseline.state, current.state) and (baseline.has_edges or not baseline.state.finite)


def _numeric_gap(baseline: Reference, current: Reference) -> tuple[str, str] | None:
    """The status and the sentence for what could not be computed, None where everything could."""
    before, now = baseline.state, current.state
    if not before.finite:
        return "ALL_NULL", "What it is compared with has no finite value, so KS and Wasserstein are undefined."
    if not now.finite:
        return "ALL_NULL", "There is no finite value, so KS and Wasserstein are undefined."
    if _has_bins(baseline, current):
        return None
    if same_grid(before, now):
        return "OK", "The column has no grid of a baseline, so only KS can be given."
    if before.sketch is not None and now.sketch is not None:
        return "OK", "The two states are on different grids, so only KS can be given, from sketches."
    return "UNSUPPORTED", "The two states are on different grids and have no sketches, so no distance can be given."


def _categorical_gap(baseline: CategoricalSide, current: CategoricalSide) -> tuple[str, str] | None:
    if not same_categories(baseline, current):
        return "UNSUPPORTED", "The two states count different categories, so no distance can be given."
    if baseline.count == baseline.nulls:
        return "ALL_NULL", "What it is compared with has only nulls."
    if not baseline.categories.texts:
        return "UNSUPPORTED", "The column has no categories of a baseline, so no distance can be given."
    if current.count == current.nulls:
        return "ALL_NULL", "There are only nulls."
    return None


def _finished(row: Row, gap: tuple[str, str] | None) -> Row:
    """The row with its status; numbers beyond a double are None."""
    for column, value in row.items():
        if isinstance(value, float) and not isfinite(value):
            row[column] = None
    if gap is not None:
        row["status"], row["message"] = gap
    return row


def _percent(part: int, whole: int) -> float:
    return 100.0 * part / whole
