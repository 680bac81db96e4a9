"""Lists of different lengths as one pair of arrays: where each begins, and all their entries one after the other."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from spark_monitor.states.grid import Integers

Values = TypeVar("Values", bound=npt.NDArray[Any])


def offsets_of(sizes: npt.ArrayLike) -> Integers:
    """Where lists of these sizes begin, and where the last one ends, int64[S + 1].

    >>> offsets_of([2, 0, 3]).tolist()
    [0, 2, 2, 5]
    """
    return np.concatenate([[0], np.cumsum(np.asarray(sizes, dtype=np.int64))]).astype(np.int64)


def owners(offsets: Integers) -> Integers:
    """For every entry the number of the list it stands in.

    >>> owners(np.array([0, 2, 2, 5])).tolist()
    [0, 0, 2, 2, 2]
    """
    return np.repeat(np.arange(offsets.size - 1), np.diff(offsets))


def taken(offsets: Integers, index: Integers) -> tuple[Integers, Integers]:
    """The offsets of the lists at ``index``, in that order, and the places of their entries among all entries.

    >>> [part.tolist() for part in taken(np.array([0, 2, 2, 5]), np.array([2, 0]))]
    [[0, 3, 5], [2, 3, 4, 0, 1]]
    """
    starts = offsets[:-1][index]
    bounds = offsets_of(offsets[1:][index] - starts)
    return bounds, np.repeat(starts - bounds[:-1], np.diff(bounds)) + np.arange(bounds[-1])


def put(offsets: Integers, places: Integers, others: Integers) -> tuple[Integers, Integers]:
    """The offsets of lists of which those at ``places`` are replaced by others (their offsets), and the places of all entries.

    These are places among the entries of the first lists followed by those of the others.

    >>> [part.tolist() for part in put(np.array([0, 2, 2, 5]), np.array([1]), np.array([0, 1]))]
    [[0, 2, 3, 6], [0, 1, 5, 2, 3, 4]]
    """
    lists = np.arange(offsets.size - 1)
    return taken(np.concatenate([offsets, offsets[-1] + others[1:]]), placed(lists, places, lists.size + np.arange(places.size)))


def placed(values: Values, places: Integers, others: Values) -> Values:
    """A copy of values, those at ``places`` replaced by others.

    >>> placed(np.array([1, 2, 3]), np.array([1]), np.array([7])).tolist()
    [1, 7, 3]
    """
    copied = values.copy()
    copied[places] = others
    return copied


def sums(values: Integers, offsets: Integers) -> Integers:
    """The sum of every list's entries.

    >>> sums(np.array([1, 2, 3]), np.array([0, 2, 2, 3])).tolist()
    [3, 0, 3]
    """
    through = np.concatenate([[0], np.cumsum(values)])
    return np.asarray(through[offsets[1:]] - through[offsets[:-1]])


def unpacked(lists: pa.ListArray) -> tuple[Integers, pa.Array]:
    """The offsets and the entries of an Arrow list column; a null list is an empty one."""
    sizes = np.asarray(pc.fill_null(pc.list_value_length(lists), 0), dtype=np.int64)
    return offsets_of(sizes), lists.flatten()


def packed(offsets: Integers, entries: pa.Array) -> pa.ListArray:
    """The Arrow list column of these lists."""
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), entries)
