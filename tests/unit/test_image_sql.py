"""The values of sketches' images in DuckDB's SQL, and their places on a grid, against numpy."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_monitor.states.grid import MAX_EDGES
from spark_monitor.states.sketch_image import exact_image
from spark_monitor.store.image_sql import BELOW, MACROS, VALUES

duckdb = pytest.importorskip("duckdb")
FINITE = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=True)


@pytest.fixture(scope="module")
def connection() -> Iterator[object]:
    with duckdb.connect() as made:
        for name, meaning in MACROS.values():
            made.execute(f"CREATE MACRO {name} AS {meaning}")
        yield made


@given(st.lists(FINITE, max_size=40))
def test_an_image_s_values_are_read_to_the_last_bit(connection: duckdb.DuckDBPyConnection, values: list[float]) -> None:
    ordered = np.sort(np.array(values)) + 0.0
    asked = f"SELECT {MACROS[VALUES][0]} FROM (SELECT ?::BLOB AS sketch, {len(values)} AS finite)"
    (found,) = connection.execute(asked, [exact_image(1024, ordered.tobytes())]).fetchone() or (None,)
    assert np.array(found, dtype=np.float64).tobytes() == ordered.tobytes()


@given(st.lists(FINITE, min_size=1, max_size=40, unique=True), st.lists(FINITE, max_size=5))
def test_a_value_stands_above_the_edges_that_are_less(
    connection: duckdb.DuckDBPyConnection, edges: list[float], values: list[float]
) -> None:
    grid = np.sort(edges)
    for value in [*values, *edges]:
        asked = f"SELECT {MACROS[BELOW][0]} FROM (SELECT ?::DOUBLE[] AS grid, ?::DOUBLE AS value)"
        assert connection.execute(asked, [grid.tolist(), value]).fetchone() == (int(np.searchsorted(grid, value, side="left")),)


def test_the_largest_grid_is_searched_to_its_end(connection: duckdb.DuckDBPyConnection) -> None:
    asked = f"SELECT {MACROS[BELOW][0]} FROM (SELECT range(0, {MAX_EDGES})::DOUBLE[] AS grid, {MAX_EDGES}.5::DOUBLE AS value)"
    assert connection.execute(asked).fetchone() == (MAX_EDGES,)
