"""Crossings are reversible: different values are different strings, and every text gives its values back."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_monitor.kernel.layout import crossing
from spark_monitor.text.quoting import crossed, uncrossed

PARTS = st.lists(st.one_of(st.none(), st.text('ab,"N UL', max_size=6), st.just("NULL")), min_size=2, max_size=4)


@given(PARTS)
def test_a_crossing_gives_its_values_back(parts: list[str | None]) -> None:
    assert uncrossed(crossed(parts)) == parts


@given(PARTS, PARTS)
def test_different_values_are_different_texts(left: list[str | None], right: list[str | None]) -> None:
    assert (crossed(left) == crossed(right)) == (left == right)


def test_plain_values_stand_side_by_side() -> None:
    assert crossed(["JFK", "UA"]) == "JFK, UA"
    assert crossed(["", None]) == ", NULL"


@pytest.mark.parametrize("values", [[("a, b", "c"), ("a", "b, c")], [(None, "x"), ("NULL", "x")], [('"a', "b"), ("a", '"b')]])
def test_files_crossings_tell_apart_what_differs(values: list[tuple[str | None, str]]) -> None:
    columns = [pa.array(list(column), pa.string()).dictionary_encode() for column in zip(*values, strict=True)]
    assert crossing(columns).to_pylist() == [crossed(row) for row in values]
    assert len(set(crossing(columns).to_pylist())) == len(values)
