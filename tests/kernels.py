"""The two kernels side by side: hostile columns, and what it means that two states are the same."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from spark_monitor.kernel.columns import NumericColumn, Rows, RowSlices
from spark_monitor.kernel.groups import Segments
from spark_monitor.kernel.named_blocks import NamedBlock
from spark_monitor.kernel.native import build
from spark_monitor.kernel.native.library import Library, loaded
from spark_monitor.states.categorical import CategoricalState
from spark_monitor.states.grid import Floats, Grid, Integers, grid_from_quantiles
from spark_monitor.states.moments import Moments
from spark_monitor.states.numeric import NumericState
from spark_monitor.states.sketch import K
from spark_monitor.states.small import small_block

KINDS = (
    *("normal", "uniform", "few", "integers", "huge integers", "powers", "subnormal", "zeros", "constant"),
    *("offset", "overflowing", "largest", "hours"),
)


def compiled_library() -> Library:
    """The compiled kernel; the test is left out where this machine has no compiler."""
    said = build.compiled()
    if build.is_current(build.LIBRARY):
        loaded.cache_clear()
        found = loaded()
        assert isinstance(found, Library), found
        return found
    if next(build.compilers(), None) is None:
        pytest.skip(said)
    raise AssertionError(said)


def numbers(random: np.random.Generator, kind: str, size: int) -> Floats:
    """Finite values of a kind that a column may hold."""
    made = {
        "normal": lambda: random.normal(size=size),
        "uniform": lambda: random.random(size),
        "few": lambda: random.choice([-2.0, -0.0, 0.0, 0.5, 0.1, 7.0], size),
        "integers": lambda: random.integers(-500, 500, size).astype(float),
        "huge integers": lambda: random.integers(-(2**62), 2**62, size).astype(float),
        "powers": lambda: random.normal(size=size) * 10.0 ** random.integers(-200, 100, size),
        "subnormal": lambda: random.integers(-9, 9, size) * 5e-324,
        "zeros": lambda: np.where(random.random(size) < 0.5, -0.0, 0.0),
        "constant": lambda: np.full(size, 0.1),
        "offset": lambda: 1e9 + 1e-3 * random.normal(size=size),
        "overflowing": lambda: random.normal(size=size) * 1e200,
        "largest": lambda: random.choice([-1.0, 1.0], size) * np.finfo(float).max,
        "hours": lambda: np.repeat(np.arange(float(size // 7 + 1)), 7)[:size] * 3600.0,
    }
    return np.asarray(made[kind](), dtype=np.float64)


def with_specials(random: np.random.Generator, values: Floats, share: float) -> Floats:
    """The values, some of them NaN or an infinity."""
    chosen = random.random(values.size) < share
    return np.where(chosen, random.choice([np.nan, np.inf, -np.inf], values.size), values)


def grid_for(random: np.random.Generator, values: Floats, edges: int) -> Grid:
    """A grid that was frozen on some of the values; without edges the one of no baseline."""
    finite = np.sort(values[np.isfinite(values)])
    if not edges or not finite.size:
        return Grid.trivial()
    quantiles = finite[np.linspace(0, finite.size - 1, edges).astype(int)]
    return grid_from_quantiles(quantiles, random.choice(finite, 3), float(finite[0]), float(finite[-1]))


def rows_of(groups: Integers, keys: list[Integers]) -> Rows:
    """Rows in these groups, by these slice keys' values."""
    segments = Segments.of(groups)
    sliced = []
    for values in keys:
        stride = int(values.max(initial=0)) + 1
        arranged = segments.arranged(values)
        bounds = segments.bounds.tolist()
        rows = [np.bincount(arranged[low:high], minlength=stride) for low, high in pairwise(bounds)]
        sliced.append(RowSlices(Segments.of(groups * stride + values), stride, arranged, rows))
    return Rows(segments, sliced)


def gathered(chunks: list[tuple[pa.Array, Rows]], grid: Grid, library: Library | None) -> NumericColumn:
    """A column that has taken chunks in."""
    column = NumericColumn(grid, library=library)
    for values, rows in chunks:
        column.add(values, rows)
    return column


def states_of(column: NumericColumn) -> dict[tuple[int | None, int, int], NumericState]:
    """Every state of a column, of groups and of slice values, the latter by way of their bytes."""
    found: dict[tuple[int | None, int, int], NumericState] = {}
    for one in column.gathered():
        assert not isinstance(one.state, CategoricalState)
        found[None, one.group, 0] = one.state
    for groups, short in column.short():
        states = small_block(list(short.parts(column.grid, K)), column.grid).states()
        found |= {(None, group, 0): state for group, state in zip(groups.tolist(), states, strict=True)}
    for key, group, block in column.blocks():
        texts: list[str | None] = [str(code) for code in range(block.totals.shape[0])]
        for text, state in NamedBlock.from_bytes(NamedBlock(texts, block).to_bytes(), block.grid).states():
            assert state is not None
            found[key, group, int(str(text))] = state
    return found


def assert_same_states(first: NumericColumn, second: NumericColumn) -> None:
    """Both columns hold the same states."""
    one, other = states_of(first), states_of(second)
    assert one.keys() == other.keys()
    for place, state in one.items():
        assert_same(state, other[place])


def assert_same(first: NumericState, second: NumericState) -> None:
    """Everything is equal to the last bit, the moments to 1e-12."""
    assert counted(first) == counted(second)
    assert first.cells.tolist() == second.cells.tolist()
    assert first.distinct.hashes.tolist() == second.distinct.hashes.tolist()
    assert list(first.frequent.counts.items()) == list(second.frequent.counts.items())
    assert (first.sketch is None) == (second.sketch is None)
    if first.sketch is not None and second.sketch is not None:
        assert first.sketch.to_bytes() == second.sketch.to_bytes()
    greatest = max(abs(first.minimum), abs(first.maximum)) if first.finite else 0.0
    assert_close(first.moments, second.moments, greatest)


def counted(state: NumericState) -> tuple[object, ...]:
    """Everything that is one number; extremes by their bits, so that zero has one sign and NaN is itself."""
    totals = (state.count, state.nulls, state.nans, state.positive_infinities, state.negative_infinities, state.moments.n)
    extremes = np.array([state.minimum, state.maximum]).tobytes()
    return (*totals, extremes, state.distinct.k, state.distinct.theta, state.frequent.dropped)


def assert_close(first: Moments, second: Moments, greatest: float) -> None:
    """Means within 1e-12 of the greatest value, sums of squares within 1e-12 of themselves."""
    assert abs(first.mean / 2 - second.mean / 2) <= 1e-12 * greatest
    assert first.m2 == second.m2 or abs(first.m2 - second.m2) <= 1e-12 * second.m2 + 1e-300
