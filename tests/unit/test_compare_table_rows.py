"""The rows ``:table`` of a window and of its baseline, which may count other columns, or the same ones in another order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from spark_monitor.kernel.comparison import INPUT_SCHEMA, ComparePlan, Comparison
from spark_monitor.kernel.pairs import BASELINE, CONSECUTIVE
from spark_monitor.kernel.plan import KernelColumn
from spark_monitor.states.columns import STATE_COLUMNS
from spark_monitor.states.table import TableState
from spark_monitor.states.table_block import table_columns

PLAN = ComparePlan(columns={name: KernelColumn(name) for name in ("a", "b", "new")}, frozen=("gone", "b", "a"))


def row(present: list[int], *, start: int | None) -> pa.RecordBatch:
    """A stored row of a window, or of the baseline where it has no start."""
    state = table_columns([TableState(9, 0, np.array(present, dtype=np.int64))])
    place = {"slice_key": None, "slice_value": None, "column_name": ":table", "model_version": "1", "granularity": "1 day"}
    rest = {"grid_id": None, "error": None, "wanted": [BASELINE, CONSECUTIVE] if start is not None else []}
    end = None if start is None else start + 1
    given = {**place, **rest, "is_current": start is not None, "start": start, "end": end}
    columns = dict(zip(STATE_COLUMNS, state, strict=True))
    arrays = [columns[one.name] if one.name in columns else pa.array([given[one.name]], one.type) for one in INPUT_SCHEMA]
    return pa.RecordBatch.from_arrays(arrays, schema=INPUT_SCHEMA)


def deltas(*rows: pa.RecordBatch) -> list[Any]:
    found = [one for batch in Comparison(PLAN).batches(rows) for one in batch.to_pylist()]
    found.sort(key=lambda one: (one["start"], one["drift_type"]))
    return [one["non_null_columns_delta"] for one in found]


@pytest.mark.parametrize(
    ("baseline", "window", "added", "missing"),
    [
        ([5, 5, 5], [9, 9, 0], 0, 1),
        ([0, 5, 5], [9, 9, 0], 0, 0),
        ([0, 5, 5], [9, 9, 3], 1, 0),
        ([5, 0, 5], [0, 9, 3], 2, 2),
    ],
)
def test_columns_are_told_by_name_whichever_table_has_them(
    baseline: list[int], window: list[int], added: int, missing: int
) -> None:
    assert deltas(row(baseline, start=None), row(window, start=7)) == [{"added": added, "missing": missing}, None]


def test_the_window_before_counts_the_same_columns_or_is_not_compared() -> None:
    first, second, other = row([9, 9, 0], start=1), row([9, 0, 4], start=2), row([9, 9], start=1)
    assert deltas(first, second)[-1] == {"added": 1, "missing": 1}
    assert deltas(other, second)[-1] is None
