"""Thousands of strings that could be SQL: each is taken or refused with a sentence, whatever the parser itself raises."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from spark_monitor.config.aggregates import parse_aggregate, parse_derived
from spark_monitor.config.expressions import columns_read, require_condition, require_expression, unknown_names
from spark_monitor.errors import ConfigError
from spark_monitor.sources.readers.expressions import condition
from spark_monitor.sources.readers.rows import OnlySpark
from spark_monitor.store.local_views import translated

LISTED = """
a b `x y` t.a 1 1.5 'x' 'it''s' "q" ( ) ( ) [ ] , . ; + - * / % = <> < > <= >= <=> || && ! ~ & | ^ :: : -> => ? @@x $ {
} # \\ -- /* */ AND OR NOT IN IS NULL TRUE LIKE RLIKE BETWEEN CASE WHEN THEN ELSE END CAST( AS INT DECIMAL(10,2)
ARRAY<INT> STRUCT<x:INT> INTERVAL DAY DATE TIMESTAMP SELECT FROM WHERE GROUP BY ORDER LIMIT UNION DISTINCT EXISTS( ANY(
VALUES TABLE WITH LATERAL JOIN OVER( WINDOW FILTER( WITHIN PIVOT sum( count( avg( abs( if( coalesce( exists( filter(
transform( from_json( java_method( now() rand() explode( extract( trim( FOR overlay( date_add( datediff( date_trunc(
percentile_cont( struct( map( regexp_replace( x -> EXPLAIN SHOW SET CALL COLLATE
"""
WORDS = (
    *LISTED.split(),
    *("r'\\'", "x'1F'", "n'x'", "1L", "1e5", "é", "\U0001f600", "\u00a0", "\u2003", "\u200b", "\n", "\x00", "'", '"', "`"),
)
ASKED: tuple[Callable[[str], object], ...] = (
    require_expression,
    require_condition,
    parse_aggregate,
    lambda text: parse_derived(text, ["a", "b"]),
    lambda text: translated(f"SELECT {text}"),
)


def outcome(text: str) -> int:
    """How many of those that are asked take a string; whatever else they raise than a ConfigError is raised."""
    taken = 0
    for ask in ASKED:
        try:
            ask(text)
            taken += 1
        except ConfigError:
            continue
    assert columns_read(text)
    unknown_names(text, ["a"])
    try:
        condition(text, {"a": "int", "b": "string", "x y": "double"})
    except OnlySpark:
        return taken
    return taken


def drawn(number: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    return [draw.choice((" ", " ", "")).join(draw.choices(WORDS, k=draw.randint(1, 12))) for _ in range(number)]


@pytest.mark.parametrize(
    "text", ["date_trunc()", "regexp_replace('x', 'y')", "map(a)", "date_trunc( :: ?", "sum(date_trunc())", "'"]
)
def test_a_call_without_its_arguments_is_no_traceback(text: str) -> None:
    outcome(text)


def test_strings_that_could_be_sql_are_taken_or_refused() -> None:
    assert any(outcome(text) for text in drawn(300, seed=1))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_so_are_ten_thousand() -> None:
    taken = sum(outcome(text) > 0 for text in drawn(10_000, seed=2))
    print(f"{taken} of 10,000 were taken")
    assert 100 < taken < 9_900
