"""The states of all slice values of one block at once, as columns: no state of its own is made for any of them."""

from __future__ import annotations

import numpy as np

from spark_monitor.kernel.blocks import SliceBlock
from spark_monitor.kernel.hashes import ordered_hashes
from spark_monitor.states.distinct import K_SLICE, Hashes, hash_numbers
from spark_monitor.states.distinct_block import DistinctBlock
from spark_monitor.states.grid import Floats, Integers
from spark_monitor.states.numeric_block import NumericBlock
from spark_monitor.states.ragged import offsets_of


def states_of(block: SliceBlock) -> tuple[Integers, NumericBlock]:
    """The slice values that were met, and the state of each."""
    met, width = block.met, block.grid.cells
    place = np.full(len(block.totals), -1, dtype=np.int64)
    place[met] = np.arange(met.size)
    positions, many = block.cells.counted()
    owner, cells = place[positions // width], positions % width
    nothing = np.zeros(met.size + 1, dtype=np.int64)
    return met, NumericBlock(
        grid=block.grid,
        counts=block.totals[met].T,
        moments=_moments(block, met),
        cell_offsets=offsets_of(np.bincount(owner, minlength=met.size)),
        cells=cells,
        cell_counts=many,
        distinct=_distinct(block, met, place, owner, cells),
        frequent_offsets=nothing,
        frequent_values=np.zeros(0),
        frequent_counts=nothing[:0],
        dropped=nothing[:-1],
        sketches=[None] * met.size,
    )


def _moments(block: SliceBlock, met: Integers) -> Floats:
    """float64[5, S]: min, max, mean, the part of the mean below its last bit, M2."""
    numbers = (block.minimum, block.maximum, block.mean, block.low, block.m2)
    moments = np.stack([number[met] for number in numbers])
    moments[:2] = np.where(block.n[met] > 0, moments[:2] + 0.0, np.nan)
    return moments


def _distinct(block: SliceBlock, met: Integers, place: Integers, owner: Integers, cells: Integers) -> DistinctBlock:
    """The smallest hashes of every slice value: those that are held, and those of the grid's edges that occur in its cells."""
    held, hashes, limits = block.hashes.held()
    atoms = np.flatnonzero(cells & 1)
    edges = hash_numbers(block.grid.edges)
    codes = np.concatenate([place[held], owner[atoms]])
    hashes = np.concatenate([hashes, edges[cells[atoms] // 2]])
    most = np.full(len(block.totals), np.uint64(np.iinfo(np.uint64).max))
    most[: min(limits.size, most.size)] = limits[: most.size]
    return _smallest(codes, hashes, most[met])


def _smallest(codes: Integers, hashes: Hashes, most: Hashes) -> DistinctBlock:
    """Of each code the ``K_SLICE`` smallest different hashes that are not above the most that matters."""
    below = np.flatnonzero(hashes <= most[codes])
    codes, hashes = ordered_hashes(codes[below], hashes[below])
    first = np.ones(codes.size, dtype=np.bool_)
    first[1:] = (codes[1:] != codes[:-1]) | (hashes[1:] != hashes[:-1])
    codes, hashes = codes[first], hashes[first]
    rank = np.arange(codes.size) - np.searchsorted(codes, np.arange(most.size))[codes]
    # The least hash that matters no more; 0 where every hash does, which is what the largest number grows to.
    theta = most + np.uint64(1)
    dropped = rank == K_SLICE
    theta[codes[dropped]] = hashes[dropped]
    kept = rank < K_SLICE
    sizes = np.bincount(codes[kept], minlength=most.size)
    return DistinctBlock(np.full(most.size, K_SLICE, dtype=np.int64), theta, offsets_of(sizes), hashes[kept])
