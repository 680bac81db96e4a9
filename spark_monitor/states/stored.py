"""Reading a state's arrays out of untrusted bytes: each has the type and the length that the state expects, or it is an error."""

from __future__ import annotations

import numpy as np

from spark_monitor.errors import StateError
from spark_monitor.states.codec import Arrays
from spark_monitor.states.grid import Floats, Integers

MOST_ROWS = 1 << 53
"""No count of rows is greater: a thousand states of it merge without leaving int64, and doubles hold it exactly."""


def counts(arrays: Arrays, name: str, size: int | None = None) -> Integers:
    """Non-negative integers, int64[size].

    >>> counts({"rows": np.array([1, 2])}, "rows", 2).tolist()
    [1, 2]
    """
    array = _array(arrays, name, "i", size)
    if array.size and array.min() < 0:
        raise StateError(f"state: array {name!r} holds a negative count.")
    if array.size and array.sum(dtype=np.float64) > MOST_ROWS:
        raise StateError(f"state: array {name!r} counts more than 2^53 rows.")
    return np.asarray(array, dtype=np.int64)


def weights_of(arrays: Arrays, name: str, size: int | None = None) -> Floats:
    """Non-negative finite weights, float64[size]."""
    array = floats(arrays, name, size)
    if (array < 0).any() or not np.isfinite(array).all():
        raise StateError(f"state: array {name!r} holds a weight that is negative or no number.")
    return array


def integers(arrays: Arrays, name: str, size: int | None = None) -> Integers:
    """Integers of any sign, int64[size]."""
    return np.asarray(_array(arrays, name, "i", size), dtype=np.int64)


def floats(arrays: Arrays, name: str, size: int | None = None) -> Floats:
    """Doubles, float64[size], nan and the infinities among them."""
    return np.asarray(_array(arrays, name, "f", size), dtype=np.float64)


def pairs(arrays: Arrays, name: str, size: int) -> Floats:
    """Exact sums as float64[size, 2] of total and what rounding lost; a total may be inf, nothing may be nan.

    >>> pairs({"sums": np.array([1.0, 0.0, 2.0, 1e-20])}, "sums", 2).tolist()
    [[1.0, 0.0], [2.0, 1e-20]]
    """
    array = floats(arrays, name, 2 * size).reshape(-1, 2)
    if np.isnan(array).any() or not np.isfinite(array[:, 1]).all():
        raise StateError(f"state: array {name!r} holds a sum that is no number.")
    return array


def _array(arrays: Arrays, name: str, kind: str, size: int | None) -> np.ndarray:
    if name not in arrays:
        raise StateError(f"state: array {name!r} is missing; found {', '.join(sorted(arrays)) or 'none'}.")
    array = arrays[name]
    if array.dtype.kind != kind:
        raise StateError(f"state: array {name!r} holds {array.dtype}, expected kind {kind!r}.")
    if size is not None and array.size != size:
        raise StateError(f"state: array {name!r} has {array.size} entries, expected {size}.")
    return array
