"""Slice values side by side, against each slice value's rows alone."""

from __future__ import annotations

import numpy as np
import pytest

from spark_monitor.kernel.blocks import KeyedRows, Part, SliceBlock, add_part
from spark_monitor.kernel.cells import SliceCells
from spark_monitor.kernel.hashes import Keyed, SliceHashes, add_hashes
from spark_monitor.kernel.slice_states import states_of
from spark_monitor.states.distinct import ALL, K_SLICE, K_WINDOW, Distinct, hash_numbers, hashes_below
from spark_monitor.states.grid import Grid
from spark_monitor.states.numeric import NumericState

GRID = Grid.of(np.linspace(-3, 3, 200))


def by_code(block: SliceBlock) -> dict[int, NumericState]:
    """The state of every slice value that was met."""
    met, states = states_of(block)
    return dict(zip(met.tolist(), states.states(), strict=True))


def shapes(random: np.random.Generator) -> list[np.ndarray]:
    """The values of each slice value: far from each other, wide and narrow, constant, alone, none."""
    return [
        random.normal(size=30_000),
        1e9 + random.normal(size=20_000),
        np.full(5_000, 7.25),
        np.array([-12.5]),
        np.empty(0),
        random.lognormal(0, 3, size=9_000),
        -1e12 - random.random(3_000),
        np.where(random.random(4_000) < 0.999, 0.0, 1e6),
    ]


def block_of(values: np.ndarray, codes: np.ndarray, size: int, *, chunks: int, guess: float) -> SliceBlock:
    """The block of these rows, some at a time."""
    block = SliceBlock(GRID)
    for own, numbers in zip(np.array_split(codes, chunks), np.array_split(values, chunks), strict=True):
        part = Part.of(numbers, None, GRID.codes(numbers), None, hash_numbers(numbers), guess=guess)
        add_part(part, [KeyedRows(block, own, np.bincount(own, minlength=size))])
        block.hashes.add(own if part.inner is None else own[part.inner], part.hashes)
    return block


@pytest.mark.parametrize("guess", ["the mean", "zero", "far away"])
@pytest.mark.parametrize("chunks", [1, 7])
def test_a_slice_value_far_from_the_others_has_its_own_moments(chunks: int, guess: str) -> None:
    random = np.random.default_rng(chunks)
    parts = shapes(random)
    values, codes = np.concatenate(parts), np.repeat(np.arange(len(parts)), [part.size for part in parts])
    order = random.permutation(values.size)
    around = {"the mean": float(values.mean()), "zero": 0.0, "far away": 1e15}[guess]
    found = by_code(block_of(values[order], codes[order], len(parts), chunks=chunks, guess=around))
    assert sorted(found) == [code for code, part in enumerate(parts) if part.size]
    for code, state in found.items():
        own = np.sort(parts[code]).astype(np.longdouble)
        mean = own.mean()
        squares = float(((own - mean) ** 2).sum())
        assert (state.count, state.minimum, state.maximum) == (own.size, float(own[0]), float(own[-1]))
        assert state.moments.mean == pytest.approx(float(mean), rel=1e-14, abs=1e-13)
        assert state.moments.m2 == pytest.approx(squares, rel=1e-12)
        np.testing.assert_array_equal(state.cells, GRID.counts_of_sorted(np.sort(parts[code])))


def test_values_too_large_to_be_squared_leave_the_other_slice_values_right() -> None:
    values = np.array([1e300, -1e300, 1e300, 1.0, 2.0, 3.0])
    found = by_code(block_of(values, np.array([0, 0, 0, 1, 1, 1]), 2, chunks=1, guess=float(values.mean())))
    assert found[0].moments.m2 == float("inf")
    assert (found[1].moments.mean, found[1].moments.m2) == (2.0, 2.0)


@pytest.mark.parametrize("theta", [1, 1 << 33, 1 << 55, (1 << 64) - 1, ALL])
def test_hashes_below_a_threshold_are_those_of_all_that_lie_below_it(theta: int) -> None:
    values = np.random.default_rng(1).normal(size=100_000)
    every = hash_numbers(values)
    assert hashes_below(values, theta).tolist() == [number for number in every.tolist() if number < theta]


def test_a_hash_just_below_the_threshold_is_not_lost_to_the_look_before_its_last_step() -> None:
    values = np.random.default_rng(2).normal(size=64)
    for number in hash_numbers(values).tolist():
        assert number in hashes_below(values, number + 1).tolist()
        assert number not in hashes_below(values, number).tolist()


def test_values_whose_hashes_are_all_large_are_counted_from_all_of_them() -> None:
    values = np.random.default_rng(3).normal(size=40_000)
    values = np.sort(values[hash_numbers(values) >= np.uint64(1 << 63)])
    found = Distinct.of_sorted(values)
    assert found.hashes.tolist() == sorted(hash_numbers(values).tolist())[:K_WINDOW]
    assert found.theta == sorted(hash_numbers(values).tolist())[K_WINDOW]


def test_few_rows_of_a_late_slice_value_make_no_large_table() -> None:
    random, width = np.random.default_rng(3), 2_175
    many, few = SliceCells(width), SliceCells(width)
    many.add(random.permutation(10_000), random.integers(0, width, 10_000))
    few.add(np.zeros(5_000, dtype=np.int64), random.integers(0, width, 5_000))
    expected = few.of(0)
    many.absorb(few, np.array([9_999]))
    assert many.nbytes < 20 * 15_000
    assert many.of(9_999).sum() == 5_001
    assert (many.of(9_999) - expected).sum() == 1


@pytest.mark.parametrize("dense", [True, False])
def test_cells_that_are_merged_are_those_of_all_rows(*, dense: bool) -> None:
    random, width = np.random.default_rng(4), 7
    rows = [(random.integers(0, 6, size), random.integers(0, width, size)) for size in ((900, 700) if dense else (5, 4))]
    places = random.permutation(6)
    parts = [SliceCells(width), SliceCells(width)]
    expected = np.zeros((6, width), dtype=np.int64)
    for part, (codes, cells), moved in zip(parts, rows, (np.arange(6), places), strict=True):
        part.add(codes, cells)
        np.add.at(expected, (moved[codes], cells), 1)
    parts[0].absorb(parts[1], places)
    assert [parts[0].of(code).tolist() for code in range(6)] == expected.tolist()


@pytest.mark.parametrize("rare", [0, 1, 300])
def test_hashes_of_common_and_rare_slice_values_of_several_keys_are_the_smallest_distinct_ones(rare: int) -> None:
    random = np.random.default_rng(rare)
    held, seen = [SliceHashes(), SliceHashes()], []
    for chunk in range(4):
        size = 60_000
        hashes = random.integers(0, 1 << 64, size, dtype=np.uint64)
        inner = None if chunk % 2 else np.sort(random.choice(size, size // 2, replace=False))
        keys = [random.integers(0, 9, size), random.integers(0, 3, size)]
        keys[0][:rare] = 9 + chunk
        used = hashes if inner is None else hashes[inner]
        seen.append([(codes if inner is None else codes[inner], used) for codes in keys])
        rows = [np.bincount(codes, minlength=20) for codes in keys]
        add_hashes([Keyed(one, codes, many) for one, codes, many in zip(held, keys, rows, strict=True)], used, inner)
    for key, found in enumerate(held):
        codes, hashes = (np.concatenate([chunk[key][place] for chunk in seen]) for place in (0, 1))
        for code in range(13):
            assert found.of(code).hashes.tolist() == np.unique(hashes[codes == code])[:K_SLICE].tolist()
            assert found.of(code).is_exact == (np.unique(hashes[codes == code]).size <= K_SLICE)


def test_room_for_more_slice_values_makes_no_hash_matter() -> None:
    random = np.random.default_rng(8)
    held = SliceHashes()
    for values in (50, 51):
        codes = random.integers(0, 50, 100_000)
        hashes = random.integers(0, 1 << 64, codes.size, dtype=np.uint64)
        add_hashes([Keyed(held, codes, np.bincount(codes, minlength=values))], hashes, None)
    assert int(held.likely(np.append(np.full(50, 2_000), 0), 1.0).max()) < ALL // 10


def test_hashes_of_many_slice_values_with_few_rows_each_are_the_smallest_distinct_ones() -> None:
    random = np.random.default_rng(9)
    codes = random.integers(0, 900, 40_000)
    hashes = random.integers(0, 30_000, codes.size).astype(np.uint64)
    held = SliceHashes()
    held.add(codes, hashes)
    for code in range(900):
        assert held.of(code).hashes.tolist() == np.unique(hashes[codes == code])[:K_SLICE].tolist()


def test_counts_that_pass_four_bytes_are_right() -> None:
    most = (1 << 32) - 1
    first, second = SliceCells(1), SliceCells(1)
    for cells in (first, second):
        cells.add_counted(np.array([0]), np.array([most]))
    first.absorb(second, np.array([0]))
    assert first.of(0).tolist() == [2 * most]


def test_more_edges_than_are_kept_are_told_from_as_many() -> None:
    for edges, exact in ((K_SLICE, True), (K_SLICE + 1, False), (2 * K_SLICE, False)):
        grid = Grid.of(np.arange(edges, dtype=np.float64))
        block, values, codes = SliceBlock(grid), np.arange(edges, dtype=np.float64), np.zeros(edges, dtype=np.int64)
        part = Part.of(values, None, grid.codes(values), None, hash_numbers(values), guess=0.0)
        add_part(part, [KeyedRows(block, codes, np.array([edges]))])
        state = by_code(block)[0]
        assert state.distinct.is_exact == exact
        assert state.distinct.hashes.tolist() == np.sort(hash_numbers(values))[:K_SLICE].tolist()
