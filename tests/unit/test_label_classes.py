"""Labels of any type and the classes they name."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_monitor.states.scores import canonical_label, canonical_labels, threshold_classes

laws = settings(deadline=None, max_examples=200)


@pytest.mark.parametrize(
    "alike",
    [
        [4, 4.0, np.float32(4), np.int8(4), "4", " 4 ", "4.0", "+4", "4.", Decimal("4.00"), Decimal(4), b"4", "4.0E0"],
        [1, True, np.True_, "true", "TRUE", " True\n", "1.0", Decimal(1)],
        [0, False, "false", "0", -0.0, "-0", "-0.00", Decimal("-0.0")],
        [-7, "-7", -7.0, Decimal("-7.000")],
        [0.1, np.float32(0.1), "0.1", "0.10", ".1", Decimal("0.1"), "1.0E-1"],
        [1e-5, "1e-05", "1.0E-5", Decimal("0.00001")],
        [2**63 + 1, str(2**63 + 1), Decimal(2**63 + 1)],
        [10**16, 1e16, "1e+16", "1.0E16"],
        [float("inf"), "inf"],
        ["x y", " x y\t"],
    ],
)
def test_the_same_class_written_in_many_ways_is_one_class(alike: list[Any]) -> None:
    assert len({canonical_label(value) for value in alike}) == 1


@pytest.mark.parametrize(
    "apart",
    [
        ["007", "7"],
        ["1e3", "1000"],
        ["12e5", "1200000"],
        ["1_000", "1000"],
        ["nan", "", "none", "null"],
        [0.1, 0.1 + 1e-16, 0.2],
        ["0.99999999999999999999", "1"],
        [2**53, 2**53 + 1],
        ["A", "a"],
        ["٤", "4"],
        ["x" * 5000, "x" * 5001, "x" * 4999 + "y"],
    ],
)
def test_what_is_not_the_same_class_stays_apart(apart: list[Any]) -> None:
    assert len({canonical_label(value) for value in apart}) == len(apart)


def test_null_and_nan_have_no_class() -> None:
    assert [canonical_label(value) for value in (None, float("nan"), np.float32("nan"), Decimal("nan"))] == [None] * 4


@laws
@given(
    value=st.one_of(
        st.text(), st.floats(), st.integers(), st.booleans(), st.binary(), st.decimals(allow_infinity=False, allow_nan=False)
    )
)
def test_the_text_of_a_text_is_itself_and_short(value: object) -> None:
    text = canonical_label(value)
    if text is not None:
        assert canonical_label(text) == text
        assert len(text.encode("utf-8", "surrogatepass")) <= 400


@pytest.mark.parametrize(
    ("array", "classes", "codes"),
    [
        (pa.array([1, None, 2, 1], pa.int8()), ("1", "2"), [0, -1, 1, 0]),
        (pa.array([0.1, 4.0, float("nan")], pa.float32()), ("0.1", "4"), [0, 1, -1]),
        (pa.array(np.array([1.5, 2.0], dtype=np.float16)), ("1.5", "2"), [0, 1]),
        (pa.array([True, False, None]), ("0", "1"), [1, 0, -1]),
        (pa.array(["b", " a", "a"]).dictionary_encode(), ("a", "b"), [1, 0, 0]),
        (pa.chunked_array([["b"], [], ["a", "b"]]), ("a", "b"), [1, 0, 1]),
        (pa.chunked_array([], pa.string()), (), []),
        (pa.array([None, None]), (), [-1, -1]),
        (pa.array([b"x", None]), ("x",), [0, -1]),
        (pa.array([Decimal("1.00"), Decimal("1.50")]), ("1", "1.5"), [0, 1]),
        (pa.array([[1], [2], None]), ("[1]", "[2]"), [0, 1, -1]),
        (["1", 1.0, True, None, "no"], ("1", "no"), [0, 0, 0, -1, 1]),
    ],
)
def test_every_kind_of_column_becomes_classes_in_the_order_of_their_texts(
    array: Any, classes: tuple[str, ...], codes: list[int]
) -> None:
    found = canonical_labels(array)
    assert (found.classes, found.codes.tolist()) == (classes, codes)


def test_a_megabyte_of_text_names_a_class_shortly() -> None:
    (name,) = canonical_labels(pa.array(["x" * 1_000_000])).classes
    assert name.startswith("xxx")
    assert "1000000 characters" in name
    assert len(name) < 200


def test_the_positive_class_may_be_given_in_any_type() -> None:
    for positive in (1, True, "true", 1.0, "1"):
        assert canonical_labels(["1", 0.0, True, None]).equal_to(positive).codes.tolist() == [1, 0, 1, -1]
    assert canonical_labels(["yes", "no"]).equal_to("yes").codes.tolist() == [1, 0]
    assert canonical_labels(["yes", "no"]).equal_to("maybe").codes.tolist() == [0, 0]


def test_a_score_on_the_threshold_is_positive_and_a_missing_one_is_nothing() -> None:
    assert threshold_classes([0.5, np.nextafter(0.5, 0), float("nan"), float("inf")], 0.5).codes.tolist() == [1, 0, -1, 1]
