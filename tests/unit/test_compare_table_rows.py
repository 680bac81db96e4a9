"""The rows ``:table`` of a window and of its baseline, which may count other columns, or the same ones in another order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spark_monitor.kernel.partials import KernelColumn
from spark_monitor.stages.compare import BASELINE, CONSECUTIVE, ComparePlan, Comparison
from spark_monitor.states.table import TableState

PLAN = ComparePlan(columns={name: KernelColumn(name) for name in ("a", "b", "new")}, frozen=("gone", "b", "a"))


def row(present: list[int], *, start: int | None) -> dict[str, Any]:
    """A stored row of a window, or of the baseline where it has no start."""
    state = TableState(9, 0, np.array(present, dtype=np.int64)).to_bytes()
    place = {"slice_key": None, "slice_value": None, "column_name": ":table", "model_version": "1", "granularity": "1 day"}
    content = {"state": state, "sketch": None, "error": None, "wanted": [BASELINE, CONSECUTIVE]}
    end = None if start is None else start + 1
    return {**place, **content, "is_current": start is not None, "start": start, "end": end}


def deltas(*rows: dict[str, Any]) -> list[Any]:
    return [found.get("non_null_columns_delta") for found in Comparison(PLAN).rows(rows)]


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
