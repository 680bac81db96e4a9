"""Rows of profile_metrics beside counters and baseline, in chunks of any size: as a dictionary of all rows has them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from spark_monitor.kernel import column_rows
from spark_monitor.kernel.column_rows import BASELINE_KIND, COUNTERS_KIND, CURRENT_KIND, NOT_COUNTED, QUANTILES, Kinds
from spark_monitor.states.counters import COUNTERS

ITEMS = pa.list_(pa.struct([("item", pa.string()), ("count", pa.int64())]))
SCHEMA = pa.schema(
    [
        ("kind", pa.int32()),
        ("granularity", pa.string()),
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("model_version", pa.string()),
        ("slice_key", pa.string()),
        ("slice_value", pa.string()),
        ("column_name", pa.string()),
        ("counters", pa.list_(pa.int64())),
        ("data_type", pa.string()),
        ("count", pa.int64()),
        ("num_nulls", pa.int64()),
        *((name, pa.float64()) for name in ("min", "max", "avg", "stddev")),
        ("distinct_count", pa.int64()),
        ("num_empty", pa.int64()),
        ("quantiles", pa.list_(pa.float64())),
        ("frequent_items", ITEMS),
    ]
)
GROUP = ("slice_key", "slice_value", "column_name")
WINDOW = ("granularity", "start", "model_version")


def rows_of(random: np.random.Generator) -> list[dict[str, Any]]:
    """Groups of rows as Spark sorts them, some without a baseline, some windows without counters, with NULLs in every key."""
    rows = []
    for slice_value in (None, "", "a", "b, c"):
        for column in ("amount", "city", "it's `x`"):
            group = {"slice_key": None if slice_value is None else "s", "slice_value": slice_value, "column_name": column}
            windows = [
                {"granularity": every, "start": start, "end": start + 10, "model_version": version}
                for every in ("1 day", "1 week")
                for start in (-10, 0, 10)
                for version in (None, "1", "10")
            ]
            numbers = [
                {
                    **dict.fromkeys(SCHEMA.names),
                    **group,
                    **where,
                    "kind": kind,
                    **(
                        {"counters": random.integers(-1, 9, len(COUNTERS)).tolist()}
                        if kind == COUNTERS_KIND
                        else numbers_of(random, column)
                    ),
                }
                for kind, wheres in (
                    (BASELINE_KIND, [dict.fromkeys(("granularity", "start", "end", "model_version"))]),
                    (COUNTERS_KIND, windows),
                    (CURRENT_KIND, windows),
                )
                for where in wheres
                if random.random() < 0.8
            ]
            rows += numbers
    return rows


def numbers_of(random: np.random.Generator, column: str) -> dict[str, Any]:
    names = ("count", "num_nulls", "min", "max", "avg", "stddev", "distinct_count", "num_empty")
    values = {name: int(random.integers(0, 2**53 + 9)) if random.random() < 0.8 else None for name in names}
    return {
        **{
            name: float(value) if SCHEMA.field(name).type == pa.float64() and value is not None else value
            for name, value in values.items()
        },
        "data_type": {"amount": "double", "city": "string"}.get(column, "timestamp"),
        "quantiles": random.normal(size=QUANTILES).tolist() if random.random() < 0.7 else None,
        "frequent_items": [{"item": "x", "count": int(random.integers(9))}] if random.random() < 0.7 else None,
    }


@pytest.mark.parametrize("at_once", [1, 7, 40, 10_000])
def test_each_row_has_the_counters_of_its_window_and_the_baseline_of_its_group(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(at_once)
    monkeypatch.setattr(column_rows, "ROWS_AT_ONCE", at_once)
    rows = rows_of(random)
    counters = {tuple(row[n] for n in (*GROUP, *WINDOW)): row["counters"] for row in rows if row["kind"] == COUNTERS_KIND}
    baselines = {tuple(row[name] for name in GROUP): row for row in rows if row["kind"] == BASELINE_KIND}
    expected = [row for row in rows if row["kind"] == CURRENT_KIND]
    cuts = sorted({0, len(rows), *random.integers(0, len(rows), 12).tolist()})
    batches = [pa.RecordBatch.from_pylist(rows[low:high], SCHEMA) for low, high in pairwise(cuts)]
    seen = 0
    for chunk in column_rows.chunks(iter(batches)):
        places = column_rows.beside(chunk)
        kinds, none = Kinds({"amount"}, {"city"}), np.full(places.current.size, -1)
        now = column_rows.block_of(chunk, places.current, places.counters, kinds)
        before = column_rows.block_of(chunk, places.baseline, none, kinds)
        for place in range(places.current.size):
            row = expected[seen]
            key = tuple(row[name] for name in GROUP)
            same(now, place, row, counters.get((*key, *(row[name] for name in WINDOW))))
            same(before, place, baselines.get(key, {}), None)
            seen += 1
    assert seen == len(expected) > 100


def same(block: Any, place: int, row: dict[str, Any], counters: list[int] | None) -> None:
    """Whether a place of a block holds a row's numbers."""
    column = row.get("column_name")
    assert (block.count[place], block.nulls[place]) == (row.get("count") or 0, row.get("num_nulls") or 0)
    for name, of in (("min", "min"), ("max", "max"), ("mean", "avg"), ("stddev", "stddev"), ("empties", "num_empty")):
        number = row.get(of)
        np.testing.assert_equal(getattr(block, name)[place], np.nan if number is None else float(number))
    np.testing.assert_equal(block.quantiles[place], row.get("quantiles") or [np.nan] * QUANTILES)
    assert list(block.items[place]) == [(item["item"], item["count"]) for item in row.get("frequent_items") or ()]
    assert (block.numeric[place], block.codes[place], block.times[place]) == (
        column == "amount",
        column == "city",
        row.get("data_type") == "timestamp",
    )
    counted = [np.nan if one == NOT_COUNTED else one for one in counters or [NOT_COUNTED] * len(COUNTERS)]
    np.testing.assert_equal([block.counters[name][place] for name in COUNTERS], counted)


def test_no_rows_are_no_chunks() -> None:
    nothing = pa.RecordBatch.from_pylist([], SCHEMA)
    assert list(column_rows.chunks([])) == list(column_rows.chunks([nothing])) == []
