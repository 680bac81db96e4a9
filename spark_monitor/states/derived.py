"""What follows from all finite values of many states at once: cells, distinct and frequent values; and values out of images.

A sketch that holds every value says all of it, so a window of few rows is stored and travels without it (``small``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from spark_monitor.states.distinct import K_WINDOW, hash_numbers
from spark_monitor.states.distinct_block import DistinctBlock
from spark_monitor.states.frequent import CAPACITY
from spark_monitor.states.grid import Floats, Grid, Integers
from spark_monitor.states.ragged import offsets_of, owners, sums
from spark_monitor.states.sketch_image import exact_length, is_exact_image

Entries = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Derived:
    """The fields of ``NumericBlock`` that follow from its values.

    >>> one = Derived.of(np.array([1.0, 3.0, 3.0]), np.array([0, 3]), Grid.of([1.0, 2.0]))
    >>> one.cells.tolist(), one.cell_counts.tolist(), one.distinct.count.tolist(), one.frequent_values.tolist()
    ([3, 6], [1, 2], [2], [1.0, 3.0])
    """

    cell_offsets: Integers
    cells: Integers
    cell_counts: Integers
    distinct: DistinctBlock
    frequent_offsets: Integers
    frequent_values: Floats
    frequent_counts: Integers
    dropped: Integers

    @classmethod
    def of(cls, values: Floats, offsets: Integers, grid: Grid) -> Derived:
        """From finite values, state by state, increasing within each, -0.0 being none of them."""
        n = np.diff(offsets)
        first = np.zeros(values.size, dtype=np.bool_)
        first[offsets[:-1][n > 0]] = True
        cell_offsets, cells, cell_counts = _runs(grid.codes(values), first, offsets)
        run_offsets, distinct, many = _runs(values, first, offsets)
        step = np.maximum(-(-n // CAPACITY), 1)
        # As in frequent_of_sorted: what occurs so often stands at one of the places that are looked at there, and is kept.
        kept = many >= step[owners(run_offsets)]
        frequent_offsets = np.append(0, np.cumsum(kept))[run_offsets]
        hashed = _hashed(distinct, run_offsets)
        return cls(cell_offsets, cells, cell_counts, hashed, frequent_offsets, distinct[kept], many[kept], step - 1)


def values_of(images: Sequence[bytes | None], n: Integers, moments: Floats) -> tuple[Mask, Floats, Integers]:
    """Which images hold as many values as ``n`` says, increasing from minimum to maximum, and these values with their offsets.

    ``moments`` is of the form of ``NumericBlock``. Nothing is taken from the other images, which may be any bytes.
    """
    sizes = n.tolist()
    whole = np.fromiter(
        (
            one is not None and size >= 0 and len(one) == exact_length(size) and is_exact_image(one)
            for one, size in zip(images, sizes, strict=True)
        ),
        np.bool_,
        len(images),
    )
    values, offsets = _read(images, sizes, whole)
    some = np.diff(offsets) > 0
    falls = np.zeros(values.size, dtype=np.int64)
    falls[1:] = ~(values[1:] >= values[:-1])
    falls[offsets[:-1][some]] = ~np.isfinite(values[offsets[:-1][some]])
    sound = sums(falls, offsets) == 0
    sound[some] &= values[offsets[:-1][some]] == moments[0, whole][some]
    sound[some] &= values[offsets[1:][some] - 1] == moments[1, whole][some]
    if sound.all():
        return whole, values, offsets
    whole[np.flatnonzero(whole)[~sound]] = False
    return whole, *_read(images, sizes, whole)


def _read(images: Sequence[bytes | None], sizes: Sequence[int], chosen: Mask) -> tuple[Floats, Integers]:
    places = np.flatnonzero(chosen).tolist()
    tails = [(images[place] or b"")[len(images[place] or b"") - 8 * sizes[place] :] for place in places]
    return np.frombuffer(b"".join(tails), "<f8"), offsets_of([sizes[place] for place in places])


def _runs(ordered: Entries, first: Mask, offsets: Integers) -> tuple[Integers, Entries, Integers]:
    """Runs of equal entries within each state: their offsets, what they are of, and how long they are."""
    begins = first.copy()
    begins[1:] |= ordered[1:] != ordered[:-1]
    places = np.flatnonzero(begins)
    return np.append(0, np.cumsum(begins))[offsets], ordered[places], np.diff(places, append=ordered.size)


def _hashed(distinct: Floats, offsets: Integers) -> DistinctBlock:
    hashes, states = hash_numbers(distinct), offsets.size - 1
    for low, high in pairwise(offsets.tolist()):
        hashes[low:high].sort()
    return DistinctBlock(np.full(states, K_WINDOW), np.zeros(states, dtype=np.uint64), offsets, hashes)
