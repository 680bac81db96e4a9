"""The state of a string column against plain counting, on strings of every length, kind and number."""

from __future__ import annotations

import math
from collections import Counter
from functools import reduce
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_monitor.states.categorical import MAX_CATEGORIES, CategoricalState, Categories, freeze_categories, named
from spark_monitor.states.presented import present

TEXTS = st.one_of(
    st.none(), st.sampled_from(["", "a", "b", "é", "日本語", "\x00", "a\x00", "🙂", "x" * 300]), st.text(max_size=4)
)


def state_of(values: Any, categories: Categories | None = None) -> CategoricalState:
    array = values if isinstance(values, pa.Array) else pa.array(values, pa.string())
    return CategoricalState.empty(categories or Categories()).update(array)


@given(st.lists(TEXTS, max_size=60), st.lists(st.text(max_size=3), max_size=5, unique=True))
def test_counts_lengths_and_distinct_values_are_exact(values: list[str | None], categories: list[str]) -> None:
    state = state_of(values, Categories(tuple(categories)))
    present_values = [value for value in values if value is not None]
    true = Counter(present_values)
    assert (state.count, state.nulls, state.empties) == (len(values), values.count(None), true[""])
    assert state.counts.tolist() == [true[text] for text in categories]
    assert state.other == sum(count for text, count in true.items() if text not in categories)
    assert state.distinct_count == len(true)
    lengths = [len(value) for value in present_values]
    assert (state.min_length, state.max_length) == (min(lengths, default=0), max(lengths, default=0))
    assert state.total_length == sum(lengths)
    short = {text: count for text, count in true.items() if len(text) <= 256}
    assert {text: count for text, count in state.frequent.counts.items() if text in short} == short


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.binary(), pa.large_binary(), pa.dictionary(pa.int32(), pa.string())], ids=str
)
def test_texts_are_counted_alike_in_every_array_type(kind: pa.DataType) -> None:
    texts = ["b", "a", None, "", "a", "é"]
    binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    names = [text.encode().hex() if binary and text is not None else text for text in texts]
    categories = Categories(tuple(name for name in dict.fromkeys(names) if name is not None))
    array = pa.array(texts, pa.string()).cast(kind) if not pa.types.is_dictionary(kind) else pa.array(texts).dictionary_encode()
    for values in (array, pa.concat_arrays([array, array]).slice(len(texts))):
        state = state_of(values, categories)
        assert (state.count, state.nulls, state.empties) == (6, 1, 1)
        assert dict(zip(categories.texts, state.counts.tolist(), strict=True)) == {
            name: names.count(name) for name in categories.texts
        }
        assert state.max_length == (2 if binary else 1)
        assert dict(state.frequent_items) == {name: names.count(name) for name in categories.texts}


def test_a_text_of_a_megabyte_costs_no_more_than_its_name() -> None:
    long, other = "é" * 500_000, "é" * 499_999 + "e"
    state = state_of([long, other, long, "short"])
    items = dict(state.frequent_items)
    assert sorted(items.values()) == [1, 1, 2]
    assert len(state.to_bytes()) < 1024
    assert (state.max_length, state.distinct_count) == (500_000, 3)
    name = next(text for text, count in items.items() if count == 2)
    assert name.startswith("é" * 64 + "… (500000 characters, sha256 ")
    again = state_of([long], Categories((name,)))
    assert again.counts.tolist() == [1]
    assert again.other == 0


def test_a_hundred_thousand_categories_are_bounded_and_counted() -> None:
    texts = [f"user {i}" for i in range(100_000)] + ["frequent"] * 5000
    state = reduce(CategoricalState.merge, (state_of(texts[start::7], Categories(("user 5", "frequent"))) for start in range(7)))
    assert state.count == 105_000
    assert state.counts.tolist() == [1, 5000]
    assert state.other == 105_000 - 5001
    assert abs(state.distinct_count - 100_001) <= 4 * state.distinct.relative_error * 100_001
    assert len(state.frequent.counts) <= 256
    assert state.frequent_items[0] == ("frequent", 5000)
    assert len(state.to_bytes()) < 32 << 10


@given(st.lists(st.lists(st.integers(0, 30), max_size=50), min_size=1, max_size=6), st.sampled_from([1, 3, 10]))
def test_frequent_texts_are_never_too_high_and_their_bound_holds(parts: list[list[int]], capacity: int) -> None:
    empty = CategoricalState.empty(Categories(), capacity=capacity)
    state = reduce(CategoricalState.merge, (empty.update(pa.array([f"v{i}" for i in part], pa.string())) for part in parts))
    true = Counter(f"v{i}" for part in parts for i in part)
    kept = state.frequent
    assert len(kept.counts) <= capacity
    assert all(count <= true[text] <= count + kept.dropped for text, count in kept.counts.items())
    assert max((count for text, count in true.items() if text not in kept.counts), default=0) <= kept.dropped
    assert all(count <= true[text] for text, count in state.frequent_items)


@pytest.mark.parametrize(
    ("values", "status"),
    [([], "EMPTY"), ([None] * 3, "ALL_NULL"), ([""], "OK"), (["", None], "OK"), (["a"] * 9, "OK"), (["x" * 10**6], "OK")],
)
def test_every_number_shown_of_a_text_column_is_defined(values: list[str | None], status: str) -> None:
    row = present(state_of(values))
    assert row["status"] == status
    assert (row["message"] is None) == (status == "OK")
    assert all(math.isfinite(value) for value in row.values() if isinstance(value, float))
    assert (row["avg_length"] is None) == (row["min_length"] is None) == (row["max_length"] is None) == (status != "OK")
    assert (row["percent_null"] is None) == (not values)
    if status == "OK":
        assert row["min_length"] <= row["avg_length"] <= row["max_length"]


def test_an_empty_part_does_not_make_the_shortest_length_zero() -> None:
    state = state_of(["abc"]).merge(state_of([None, None])).merge(state_of([]))
    assert (state.min_length, state.max_length, state.avg_length) == (3, 3, 3.0)


def test_categories_are_told_apart_whatever_they_contain() -> None:
    names = [("a", "b"), ("b", "a"), ("a\x00b",), ("a", "b", ""), ("ab",), (), ("",), ("1:a\x001:b",)]
    assert len({Categories(texts).categories_id for texts in names}) == len(names)
    assert Categories(("a", "b")).categories_id == Categories(("a", "b")).categories_id


def test_the_most_frequent_texts_are_frozen_equal_counts_in_their_own_order() -> None:
    items = [(f"t{i:05d}", 5 if i % 2 else 3) for i in range(3000)]
    frozen = freeze_categories(items)
    assert len(frozen.texts) == MAX_CATEGORIES
    assert frozen.texts == tuple(f"t{i:05d}" for i in range(1, 2 * MAX_CATEGORIES, 2))
    assert freeze_categories(items[::-1]).texts == frozen.texts


def test_bytes_are_named_by_their_digits_and_long_ones_by_a_hash() -> None:
    values = [b"", b"\xff\x00", b"\x01" * 128, b"\x01" * 129, b"\x01" * 128 + b"\x02"]
    names = named(pa.array(values, pa.binary())).to_pylist()
    assert names[:3] == ["", "ff00", "01" * 128]
    assert len(set(names)) == 5
    assert names[3].startswith("01" * 32 + "… (129 bytes, sha256 ")


def test_a_text_of_256_bytes_is_its_own_name_and_a_longer_one_is_not() -> None:
    at, above = "x" * 256, "é" * 129
    names = named(pa.array([at, above, "y"])).to_pylist()
    assert (names[0], names[2]) == (at, "y")
    assert names[1].startswith("é" * 64 + "… (129 characters, sha256 ")
