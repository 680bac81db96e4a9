"""Conditions on Arrow columns against the plain definition, row by row, with Python's values and SQL's three truths."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import pyarrow as pa
import pytest

from spark_monitor.sources.readers.expressions import condition
from spark_monitor.sources.readers.rows import OnlySpark

TYPES = {"number": "double", "whole": "int", "Name": "string", "flag": "boolean", "day": "date", "big": "bigint"}
COLUMNS = {
    "number": pa.array([1.5, -0.0, math.nan, math.inf, -math.inf, None, 2.0]),
    "whole": pa.array([1, 2, None, -3, 2, 0, 7], pa.int32()),
    "Name": pa.array(["a", "ab", None, "b%", "", "ß", "a"]).dictionary_encode(),
    "flag": pa.array([True, False, None, True, None, False, True]),
    "day": pa.array([dt.date(2024, 1, day) if day else None for day in (1, 2, 0, 3, 4, 5, 6)]),
    "big": pa.array([2**60, 2**60 + 1, None, 0, 1, -1, 2**60], pa.int64()),
}
ROWS = [dict(zip(COLUMNS, values, strict=True)) for values in zip(*(c.to_pylist() for c in COLUMNS.values()), strict=True)]


def order(value: Any) -> Any:
    """Numbers as Spark orders them: NaN equals itself and stands above all."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    return (True, 0) if math.isnan(value) else (False, value)


def above(value: Any, limit: Any) -> bool | None:
    return None if value is None else bool(order(value) > order(limit))


def equal(value: Any, other: Any) -> bool | None:
    return None if value is None else bool(order(value) == order(other))


def no(value: bool | None) -> bool | None:
    return None if value is None else not value


def both(left: bool | None, right: bool | None) -> bool | None:
    return False if left is False or right is False else None if left is None or right is None else True


def either(left: bool | None, right: bool | None) -> bool | None:
    return no(both(no(left), no(right)))


EXPECTED = {
    "number > 1.5": lambda r: above(r["number"], 1.5),
    "number <= 1.5": lambda r: no(above(r["number"], 1.5)),
    "1.5 < number": lambda r: above(r["number"], 1.5),
    "number != 2": lambda r: no(equal(r["number"], 2.0)),
    "number = 0": lambda r: equal(r["number"], 0.0),
    "NOT number >= 1.5": lambda r: no(either(above(r["number"], 1.5), equal(r["number"], 1.5))),
    "whole > 0.5": lambda r: above(r["whole"], 0.5),
    "whole IN (2, 7)": lambda r: either(equal(r["whole"], 2), equal(r["whole"], 7)),
    "whole NOT IN (2, 7)": lambda r: no(either(equal(r["whole"], 2), equal(r["whole"], 7))),
    "whole BETWEEN 1 AND 2": lambda r: both(
        no(above(1, r["whole"])) if r["whole"] is not None else None, no(above(r["whole"], 2))
    ),
    "big = 1152921504606846977": lambda r: equal(r["big"], 2**60 + 1),
    "name = 'a'": lambda r: equal(r["Name"], "a"),
    "name > 'a'": lambda r: above(r["Name"], "a"),
    "name NOT LIKE 'a_'": lambda r: None if r["Name"] is None else not (len(r["Name"]) == 2 and r["Name"][0] == "a"),
    "NOT (name NOT LIKE 'a_')": lambda r: None if r["Name"] is None else len(r["Name"]) == 2 and r["Name"][0] == "a",
    "name LIKE 'a_'": lambda r: None if r["Name"] is None else len(r["Name"]) == 2 and r["Name"][0] == "a",
    "day < DATE '2024-01-03'": lambda r: None if r["day"] is None else r["day"] < dt.date(2024, 1, 3),
    "flag": lambda r: r["flag"],
    "flag = false": lambda r: no(r["flag"]),
    "flag IS NULL": lambda r: r["flag"] is None,
    "whole IS NOT NULL": lambda r: r["whole"] is not None,
    "flag AND whole > 0": lambda r: both(r["flag"], above(r["whole"], 0)),
    "flag OR whole > 0": lambda r: either(r["flag"], above(r["whole"], 0)),
    "(flag OR name = 'a') AND NOT number > 0": lambda r: both(
        either(r["flag"], equal(r["Name"], "a")), no(above(r["number"], 0.0))
    ),
}


@pytest.mark.parametrize("sql", EXPECTED)
def test_a_condition_holds_where_its_definition_does(sql: str) -> None:
    found = condition(sql, TYPES).of(COLUMNS.__getitem__).to_pylist()
    assert found == [EXPECTED[sql](row) for row in ROWS]


@pytest.mark.parametrize(
    "sql",
    [
        "whole + 1 > 2",
        "number > whole",
        'name = "a"',
        "name > 1",
        "big > 0.5",
        "day = '2024-01-01'",
        "number > 1e400",
        "nobody = 1",
        "whole BETWEEN SYMMETRIC 2 AND 1",
        "whole NOT BETWEEN SYMMETRIC 2 AND 1",
        "whole IN (SELECT 1)",
        "name NOT ILIKE 'A'",
        "other.whole = 1",
        "whole",
        "(",
    ],
)
def test_what_leaves_a_doubt_is_left_to_spark(sql: str) -> None:
    with pytest.raises(OnlySpark):
        condition(sql, TYPES)
