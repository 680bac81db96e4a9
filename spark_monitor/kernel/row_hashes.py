"""A 64-bit hash of every row, gathered column by column: equal for equal rows whichever reader brings them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spark_monitor.states.distinct import Hashes, hash_numbers, hash_texts
from spark_monitor.states.grid import Integers

_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_WORD = np.uint64(0x9E3779B97F4A7C15)
_SHIFTS = np.uint64(30), np.uint64(27), np.uint64(31)
_CACHED = 1 << 14
_NULL = np.uint64(0xA0761D6478BD642F)


def add_hashes(sums: Hashes, values: pa.Array, position: int) -> None:
    """Add each value's hash, salted by its column's position, to its row's sum; plain doubles go through a processor's cache.

    >>> sums = np.zeros(2, dtype=np.uint64)
    >>> add_hashes(sums, pa.array([0.5, -0.0]), 3)
    >>> bool((sums == salted(column_hashes(pa.array([0.5, 0.0])), 3)).all())
    True
    """
    if not pa.types.is_float64(values.type) or values.null_count:
        sums += salted(column_hashes(values), position)
        return
    numbers, salt = np.asarray(values.to_numpy(zero_copy_only=False)), _salt(position)
    for low in range(0, numbers.size, _CACHED):
        part = numbers[low : low + _CACHED] + 0.0
        missing = np.isnan(part)
        if missing.any():
            part[missing] = np.nan
        bits = hash_words(part.view(np.int64))
        bits *= salt
        sums[low : low + _CACHED] += bits


def hash_words(words: Integers | Hashes) -> Hashes:
    """Splitmix64 of 64-bit words: different words have different hashes.

    >>> len(set(hash_words(np.array([0, 1, -(2**63)])).tolist()))
    3
    """
    hashes = np.empty(words.size, dtype=np.uint64)
    source = words.view(np.uint64)
    for low in range(0, words.size, _CACHED):
        part = hashes[low : low + _CACHED]
        np.add(source[low : low + _CACHED], _WORD, out=part)
        part ^= part >> _SHIFTS[0]
        part *= _FIRST
        part ^= part >> _SHIFTS[1]
        part *= _SECOND
        part ^= part >> _SHIFTS[2]
    return hashes


def column_hashes(values: pa.Array) -> Hashes:
    """The hash of every value; nulls have one of their own, integers of any width are hashed exactly.

    >>> hashes = column_hashes(pa.array([1, None, 1]))
    >>> bool(hashes[0] == hashes[2] != hashes[1])
    True
    """
    kind = values.type
    if pa.types.is_dictionary(kind):
        entries = np.append(column_hashes(values.dictionary), _NULL)
        codes = pc.fill_null(values.indices.cast(pa.int64()), len(values.dictionary))
        return np.asarray(entries[np.asarray(codes.to_numpy(zero_copy_only=False))])
    hashes = _hashes(values)
    if values.null_count:
        hashes[np.asarray(values.is_null().to_numpy(zero_copy_only=False))] = _NULL
    return hashes


def _hashes(values: pa.Array) -> Hashes:
    kind = values.type
    if pa.types.is_null(kind):
        return np.full(len(values), _NULL)
    if pa.types.is_floating(kind):
        numbers = np.asarray(pc.fill_null(values, 0.0).to_numpy(zero_copy_only=False), dtype=np.float64)
        missing = np.isnan(numbers)
        return hash_numbers(np.where(missing, np.nan, numbers) if missing.any() else numbers)
    if pa.types.is_boolean(kind):
        values = values.cast(pa.int8())
    elif pa.types.is_date32(kind):
        values = values.cast(pa.int32())
    elif pa.types.is_timestamp(kind):
        values = values.cast(pa.timestamp("us", tz=kind.tz), safe=False).cast(pa.int64())
    if pa.types.is_integer(values.type):
        return hash_words(np.asarray(pc.fill_null(values, 0).to_numpy(zero_copy_only=False), dtype=np.int64))
    if pa.types.is_decimal(kind):
        values = values.cast(pa.string())
    elif not _is_text(kind):
        values = pa.array([None if value is None else repr(value) for value in values.to_pylist()], pa.string())
    return hash_texts(values)


def _is_text(kind: pa.DataType) -> bool:
    string_kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return any(is_kind(kind) for is_kind in string_kinds)


def salted(hashes: Hashes, position: int) -> Hashes:
    """A column's hashes so that their sum over columns is another where two columns' values are exchanged."""
    return hashes * _salt(position)


def _salt(position: int) -> np.uint64:
    return np.uint64((2 * position + 1) * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF)
