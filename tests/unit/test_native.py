"""The compiled kernel against the numpy kernel, which is its specification, on hostile columns of every kind and type."""

from __future__ import annotations

import decimal
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_monitor.errors import StateError
from spark_monitor.kernel.native import build, library
from spark_monitor.kernel.native.library import Library
from spark_monitor.kernel.native.ranked import LEAST_ROWS, ranked_state_of
from spark_monitor.kernel.native.windows import state_of
from spark_monitor.states.distinct import ALL
from spark_monitor.states.grid import Floats, Grid
from spark_monitor.states.numeric import NumericState
from spark_monitor.states.sketch import K
from tests.kernels import (
    KINDS,
    assert_same,
    assert_same_states,
    compiled_library,
    gathered,
    grid_for,
    numbers,
    rows_of,
    states_of,
    with_specials,
)


@pytest.fixture(scope="module")
def native() -> Library:
    return compiled_library()


seeds = st.integers(0, 2**32)
kinds = st.sampled_from(KINDS)


@given(seeds, kinds, st.integers(0, 3000), st.sampled_from([0.0, 0.05, 1.0]), st.sampled_from([0, 3, 60, 1023]))
def test_a_window_is_the_same_by_both_kernels(native: Library, seed: int, kind: str, size: int, share: float, edges: int) -> None:
    random = np.random.default_rng(seed)
    values = with_specials(random, numbers(random, kind, size), share)
    nulls = random.random(size) < random.choice([0.0, 0.1, 1.0])
    grid = grid_for(random, values, edges)
    theta = int(random.integers(1, 1 << 63)) * 2
    for limit in (1 << 64, theta):
        expected = NumericState.of_sorted(np.sort(values[~nulls]), grid, nulls=int(nulls.sum()), theta=limit)
        assert_same(state_of(native, values, nulls, grid, theta=limit), expected)
    if not nulls.any():
        assert_same(state_of(native, values, None, grid), NumericState.of_sorted(np.sort(values), grid))


def long_segment(random: np.random.Generator, shape: str, size: int) -> Floats:
    """Many values of a shape that a key of sixteen bits divides well or badly."""
    normal = random.normal(size=size)
    made = {
        "lognormal": lambda: np.exp(2 * normal),
        "heavy tails": lambda: random.standard_t(1.5, size),
        "one far away": lambda: np.append(normal[1:], 1e150),
        "mostly zero": lambda: np.where(random.random(size) < 0.6, random.choice([-0.0, 0.0], size), normal),
        "seldom zero": lambda: np.where(random.random(size) < 0.01, random.choice([-0.0, 0.0], size), normal),
        "two clusters": lambda: np.where(random.random(size) < 0.5, normal * 1e-6, 1e6 + normal),
        "rounded": lambda: np.round(normal, 3),
        "whole numbers": lambda: random.integers(-(10**6), 10**6, size).astype(np.float64),
        "twice each": lambda: np.repeat(normal, 2)[:size],
        "in order": lambda: np.sort(normal),
        "in falling order": lambda: -np.sort(normal),
        "periodic": lambda: np.arange(size) % (size // 512) + 1e-3 * normal,
        "hidden from the sample": lambda: np.where(np.arange(size) % (size // 512), 1e3 + normal, normal),
        "negative and tiny": lambda: -np.exp(3 * normal) * 1e-300,
        "subnormal": lambda: random.integers(0, 10**6, size) * 5e-324,
        "beyond float32": lambda: np.exp(normal) * 1e45,
        "far from zero": lambda: 1e15 + random.integers(0, 10**6, size),
        "epoch seconds": lambda: 1.7e9 + random.random(size) * 2.4e6,
    }
    return np.asarray(made[shape](), dtype=np.float64)


RANKED = (
    "lognormal",
    "one far away",
    "seldom zero",
    "whole numbers",
    "in order",
    "in falling order",
    "far from zero",
    "epoch seconds",
)
SHAPES = (*RANKED, "heavy tails", "mostly zero", "two clusters", "rounded", "twice each", "periodic", "hidden from the sample")
EXTREME_SHAPES = ("negative and tiny", "subnormal", "beyond float32")


@given(
    seeds,
    st.sampled_from([*SHAPES, *EXTREME_SHAPES, *KINDS]),
    st.sampled_from([LEAST_ROWS, LEAST_ROWS + 1, 40_961, 1 << 17]),
    st.sampled_from([0.0, 0.02, 0.5]),
    st.sampled_from([0, 3, 60, 1023]),
)
@settings(max_examples=80)
def test_a_long_window_is_the_same_by_both_kernels(
    native: Library, seed: int, shape: str, size: int, share: float, edges: int
) -> None:
    random = np.random.default_rng(seed)
    values = numbers(random, shape, size) if shape in KINDS else long_segment(random, shape, size)
    grid = grid_for(random, values, edges)
    values = with_specials(random, values, share)
    nulls = random.random(size) < share if share and random.random() < 0.5 else None
    present = values if nulls is None else values[~nulls]
    for theta in (ALL, int(random.integers(1, 1 << 55)) * 2):
        expected = NumericState.of_sorted(np.sort(present), grid, nulls=size - present.size, theta=theta)
        assert_same(state_of(native, values, nulls, grid, theta=theta), expected)


@given(seeds, st.integers(0, 3), st.sampled_from([0, 900, LEAST_ROWS, 40_000]), st.sampled_from([0, 60]))
@settings(max_examples=40)
def test_values_of_any_bits_are_the_same_by_both_kernels(native: Library, seed: int, narrow: int, size: int, edges: int) -> None:
    random = np.random.default_rng(seed)
    bits = random.integers(0, 1 << 64, size, dtype=np.uint64, endpoint=False)
    # With some bits fixed more values are near each other; the signs, NaN and the infinities stay.
    values = (
        bits if not narrow else bits & ~(np.uint64(0x7FC) << np.uint64(52)) | np.uint64(0x3F0 + narrow) << np.uint64(52)
    ).view(np.float64)
    with np.errstate(invalid="ignore"):
        keys = [random.integers(0, 3, size), random.integers(0, 70, size)]
        chunks = [(pa.array(values), rows_of(np.zeros(size, dtype=np.int64), keys))]
        grid = grid_for(random, values, edges)
        assert_same_states(gathered(chunks, grid, native), gathered(chunks, grid, None))


@given(seeds, st.sampled_from([1, 2, 900, 1023, 1024, 1025, 3000]), st.sampled_from([0.0, 0.01, 1.0]))
def test_few_different_values_are_counted(native: Library, seed: int, different: int, share: float) -> None:
    random = np.random.default_rng(seed)
    pool = np.unique(np.append(random.integers(-(2**40), 2**40, different - 1) / 64, np.arange(different) % 3 * random.random()))
    pool = pool[:different]
    values = random.choice(np.append(pool, [-0.0, np.nan, np.inf][: int(random.integers(4))]), int(random.integers(0, 20_000)))
    nulls = random.random(values.size) < share if share else None
    each, many = np.empty(1024), np.empty(1024, dtype=np.int64)
    present = values if nulls is None else values[~nulls]
    expected, rows = np.unique(present.view(np.uint64), return_counts=True)
    found = native.call("sm_counted", values, nulls, values.size, each, many)
    if found > 1024:
        assert expected.size > 1024 or (expected.size > 512 and crowded(expected))
        return
    order = np.argsort(each[:found].view(np.uint64))
    assert each[:found].view(np.uint64)[order].tolist() == expected.tolist()
    assert many[:found][order].tolist() == rows.tolist()


def crowded(bits: np.ndarray) -> bool:
    """Whether values fall on neighbouring places of a table of 4,096, so that one is looked for in more than 64 steps."""
    with np.errstate(over="ignore"):
        places = (bits * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(52)
    taken: set[int] = set()
    longest = 0
    for place in places.tolist():
        steps = 0
        while (place + steps) % 4096 in taken:
            steps += 1
        taken.add((place + steps) % 4096)
        longest = max(longest, steps)
    return longest > 32


@pytest.mark.parametrize("shape", RANKED)
def test_a_long_window_of_many_different_values_is_not_sorted(native: Library, shape: str) -> None:
    random = np.random.default_rng(11)
    values = long_segment(random, shape, 1 << 17)
    state = ranked_state_of(native, values, None, grid_for(random, values, 1023), k=K, theta=ALL)
    assert state is not None
    assert state.count == values.size


@pytest.mark.parametrize("shape", ["mostly zero", "few", "constant", "hours", "overflowing"])
def test_a_long_window_of_values_that_share_keys_is_sorted(native: Library, shape: str) -> None:
    random = np.random.default_rng(11)
    values = numbers(random, shape, 1 << 17) if shape in KINDS else long_segment(random, shape, 1 << 17)
    assert ranked_state_of(native, values, None, grid_for(random, values, 1023), k=K, theta=ALL) is None


@pytest.mark.parametrize("kind", KINDS)
def test_windows_and_slices_of_many_rows_are_the_same_by_both_kernels(native: Library, kind: str) -> None:
    random = np.random.default_rng(7)
    chunks = []
    for rows in (70_000, 9_000, 40_000):
        values = with_specials(random, numbers(random, kind, rows), 0.01)
        groups = np.sort(random.integers(0, 2, rows))
        keys = [random.integers(0, 3, rows), random.choice(90, rows, p=np.append(np.full(89, 0.001), 1 - 0.089))]
        chunks.append((pa.array(values, mask=random.random(rows) < 0.02), rows_of(groups, keys)))
    grid = grid_for(random, np.asarray(chunks[0][0].fill_null(0.0)), 1023)
    assert_same_states(gathered(chunks, grid, native), gathered(chunks, grid, None))


@given(seeds, kinds, st.integers(0, 400), st.sampled_from([0, 5, 60]))
@settings(max_examples=60)
def test_slices_of_few_rows_are_the_same_by_both_kernels(native: Library, seed: int, kind: str, size: int, edges: int) -> None:
    random = np.random.default_rng(seed)
    chunks = []
    for _ in range(2):
        values = with_specials(random, numbers(random, kind, size), random.choice([0.0, 0.1]))
        keys = [random.integers(0, 4, size), random.integers(0, 100, size)]
        chunks.append((pa.array(values, mask=random.random(size) < 0.1), rows_of(random.integers(0, 3, size), keys)))
    grid = grid_for(random, np.asarray(chunks[0][0].fill_null(0.0)), edges)
    assert_same_states(gathered(chunks, grid, native), gathered(chunks, grid, None))


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1, None, -3, 2**53 + 1, 2**62], pa.int64()),
        pa.array([2**64 - 1, None, 0, 1, 1], pa.uint64()),
        pa.array([1.5, None, float("nan"), float("-inf"), -0.0], pa.float32()),
        pa.array([True, None, False, True, True], pa.bool_()),
        pa.array([decimal.Decimal("0.10"), None, decimal.Decimal("99999999999999999999.99"), None, None], pa.decimal128(38, 2)),
        pa.array([0, 86400, None, 2**40, -1], pa.timestamp("us", tz="UTC")),
        pa.array([None] * 5, pa.float64()),
        pa.array([1e200, -1e200, 1.7e308, 5e-324, 0.0]),
    ],
    ids=lambda values: str(values.type),
)
def test_a_column_of_any_type_is_the_same_by_both_kernels(native: Library, values: pa.Array) -> None:
    rows = rows_of(np.zeros(5, dtype=np.int64), [np.array([0, 1, 0, 1, 2])])
    grid = Grid.of([-1.0, 0.1, 1.0, 2.0**53])
    assert_same_states(gathered([(values, rows)], grid, native), gathered([(values, rows)], grid, None))


@given(seeds, kinds, kinds)
@settings(max_examples=40)
def test_states_of_one_kernel_merge_with_those_of_the_other(native: Library, seed: int, first: str, second: str) -> None:
    random = np.random.default_rng(seed)
    parts = [numbers(random, kind, 2500) for kind in (first, second)]
    grid = grid_for(random, parts[0], 40)
    chunks = [(pa.array(part), rows_of(np.zeros(2500, dtype=np.int64), [random.integers(0, 3, 2500)])) for part in parts]
    one, other = ([states_of(gathered([chunk], grid, kernel)) for chunk in chunks] for kernel in (native, None))
    for place, state in one[0].items():
        expected = other[0][place].merge(other[1][place])
        assert_same(state.merge(other[1][place]), expected)
        assert_same(other[0][place].merge(one[1][place]), expected)


def test_threads_do_not_disturb_each_other(native: Library) -> None:
    random = np.random.default_rng(3)
    values = [random.normal(size=20_000) for _ in range(4)]
    grid = grid_for(random, values[0], 60)
    expected = [NumericState.of_sorted(np.sort(own), grid) for own in values]
    found: list[NumericState | None] = [None] * 4

    def work(place: int) -> None:
        for _ in range(20):
            found[place] = state_of(native, values[place], None, grid)

    threads = [threading.Thread(target=work, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for state, known in zip(found, expected, strict=True):
        assert state is not None
        assert_same(state, known)


def test_arguments_out_of_bounds_are_refused(native: Library) -> None:
    values, cells = np.zeros(2), np.zeros(2, dtype=np.uint16)
    moments, totals, table = np.empty((1, 4)), np.zeros((1, 5), dtype=np.int64), np.zeros((1, 3), dtype=np.uint32)
    for codes in ([0, 1], [2**32 - 1, 0]):
        with pytest.raises(StateError, match="a slice value has no number here"):
            native.call("sm_key", values, cells, np.array(codes, dtype=np.uint32), 2, 0.0, 1, 3, 1, table, None, moments, totals)
    cells[1] = 3
    with pytest.raises(StateError, match="a cell is not the grid's"):
        native.call("sm_key", values, cells, np.zeros(2, dtype=np.uint32), 2, 0.0, 1, 3, 1, table, None, moments, totals)
    with pytest.raises(StateError, match="a size is out of range"):
        native.call("sm_present", values, np.zeros(2, dtype=np.bool_), -1, values)
    arrays = [np.empty(1 << 16, dtype=np.uint64) for _ in range(9)]
    with pytest.raises(StateError, match="a size is out of range"):
        native.call("sm_scan", values, 2, 1, 0, 1, *arrays[:5])
    with pytest.raises(StateError, match="a size is out of range"):
        native.call("sm_ranked", values, cells, arrays[0], 2, values, 2, 1, 0, 1, *arrays)
    with pytest.raises(StateError, match="do not lie side by side"):
        native.call("sm_present", np.zeros(4)[::2], np.zeros(2, dtype=np.bool_), 2, values)


def test_the_environment_chooses_the_kernel(native: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(library.VARIABLE, raising=False)
    assert library.asked() == library.AUTO
    assert isinstance(library.library(library.AUTO), Library)
    assert library.in_use().startswith("compiled")
    monkeypatch.setenv(library.VARIABLE, "numpy")
    assert library.library(library.asked()) is None
    assert library.in_use() == "numpy (SPARK_MONITOR_KERNEL=numpy)"
    monkeypatch.setenv(library.VARIABLE, "fortran")
    with pytest.raises(StateError, match=r"SPARK_MONITOR_KERNEL=fortran: unknown\. Known: auto, numpy, native"):
        library.asked()


def test_without_a_library_numpy_works_and_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(library, "LIBRARY", tmp_path / "kernel.so")
    monkeypatch.delenv(library.VARIABLE, raising=False)
    library.loaded.cache_clear()
    try:
        assert library.library() is None
        assert "was not compiled; `make setup`" in library.in_use()
        with pytest.raises(StateError, match=r"SPARK_MONITOR_KERNEL=native: kernel\.so was not compiled"):
            library.library(library.NATIVE)
        library.loaded.cache_clear()
        (tmp_path / "kernel.so").write_bytes(b"no library")
        assert "kernel.so cannot be loaded here" in library.in_use()
    finally:
        library.loaded.cache_clear()


def test_without_a_compiler_nothing_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(build, "LIBRARY", tmp_path / "kernel.so")
    monkeypatch.setattr(build, "compilers", lambda: iter(()))
    assert build.compiled().startswith("The kernel is not compiled, numpy does its work: there is no C compiler")
    monkeypatch.setattr(build, "compilers", lambda: iter([["/nowhere/cc"]]))
    assert "/nowhere/cc" in build.compiled()
    assert not (tmp_path / "kernel.so").exists()


@pytest.mark.slow
def test_the_library_is_compiled_once_and_again_when_its_source_changes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    command = next(build.compilers(), None)
    if command is None:
        pytest.skip("there is no C compiler")
    for path in build.sources():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    source = tmp_path / "kernel.h"
    monkeypatch.setattr(build, "HERE", tmp_path)
    made = tmp_path / "one.so"
    build.compile_to(made, command, *build.WARNINGS)
    assert build.is_current(made)
    source.write_text(source.read_text() + "\n")
    assert not build.is_current(made)
    assert build.wheel_platform(made).startswith(("manylinux_2_", "linux_", "macosx", "win"))


SANITIZED = """
import pathlib, sys
import pytest
from spark_monitor.kernel.native import build, library
build.LIBRARY = library.LIBRARY = pathlib.Path(sys.argv[1])
assert isinstance(library.loaded(), library.Library), library.loaded()
chosen = "kernels or kernel_merge or threads or bounds or refused or every_value"
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "-m", "not slow", "-k", chosen, *sys.argv[2:]]))
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_properties_hold_under_the_sanitizers(tmp_path: Path) -> None:
    command = next(build.compilers(), None)
    found = subprocess.run([*(command or ["cc"]), "-print-file-name=libasan.so"], capture_output=True, text=True, check=False)
    runtime = found.stdout.strip()
    if command is None or not Path(runtime).is_absolute():
        pytest.skip("no C compiler with the sanitizers' libraries")
    made = tmp_path / "kernel.so"
    build.compile_to(
        made, command, "-O1", "-g", "-DSM_DEPTH=1", *build.WARNINGS, "-fsanitize=address,undefined", "-fno-sanitize-recover=all"
    )
    done = subprocess.run(
        [sys.executable, "-c", SANITIZED, str(made), *(str(path) for path in Path(__file__).parent.glob("test_native*.py"))],
        env={**os.environ, "LD_PRELOAD": runtime, "ASAN_OPTIONS": "detect_leaks=0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout


@given(seeds, kinds, st.integers(0, 2500), st.sampled_from([0.0, 0.05, 1.0]), st.sampled_from([0, 3, 60]))
def test_short_windows_are_the_same_by_both_kernels(
    native: Library, seed: int, kind: str, size: int, share: float, edges: int
) -> None:
    """Windows of few rows and of more, in any order, some of which go on in the next chunk."""
    random = np.random.default_rng(seed)
    values = with_specials(random, numbers(random, kind, size), share)
    values = np.where(values == 0, random.choice([0.0, -0.0], size), values)
    grid, windows = grid_for(random, values, edges), int(random.choice([1, 2, 40, 600]))
    chunks = []
    for part in np.array_split(values, 2):
        groups = random.integers(0, windows, part.size)
        groups = np.sort(groups) if random.random() < 0.5 else groups
        chunks.append((pa.array(part, mask=random.random(part.size) < random.choice([0.0, 0.1, 1.0])), rows_of(groups, [])))
    for several in ([chunks[0]], chunks):
        assert_same_states(gathered(several, grid, native), gathered(several, grid, None))
