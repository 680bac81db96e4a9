"""A state's bytes as columns that SQL reads, and back: its properties as JSON, its counts and numbers as arrays by name.

Long arrays of counts are mostly zero: of those with ``SPARSE_FROM`` entries or more ``NAME.cell`` holds the places that are not
zero and ``NAME.n`` what stands there. So do long arrays of numbers of which at least half are zero, as sums of weights are, or
NaN, as the values of cells without a frequent one are; the properties say which, beside the array's length. A state that is made
of others holds theirs under ``states.0.NAME``, ``states.1.NAME``, ...
What is read back is bounded and checked, and whatever does not fit is a StateError.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import numpy as np
import pyarrow as pa

from spark_monitor.errors import StateError
from spark_monitor.states.codec import DTYPES, MALFORMED, MAX_RAW_BYTES, pack, tag_of, unpack
from spark_monitor.states.grid import Floats, Integers
from spark_monitor.states.ragged import offsets_of

SPARSE_FROM: Final = 64
FILLS: Final[Mapping[str, float]] = {"zero": 0.0, "nan": float("nan")}
"""What stands where a sparse array of numbers names no entry."""

MOST_ENTRIES: Final = MAX_RAW_BYTES // 8
NAMED: Final = pa.struct(
    [
        ("properties", pa.string()),
        ("counts", pa.map_(pa.string(), pa.list_(pa.int64()))),
        ("numbers", pa.map_(pa.string(), pa.list_(pa.float64()))),
    ]
)
NAMED_COLUMNS: Final = tuple(one.name for one in NAMED)
NAMED_DDL: Final = "properties string, counts map<string, array<bigint>>, numbers map<string, array<double>>"
_PARTS = "states"
"""The array that holds the bytes of the states of which a state is made; their lengths are the property ``lengths``."""

_JSON = json.JSONEncoder(separators=(",", ":"), allow_nan=False, ensure_ascii=False)


@dataclass(frozen=True)
class Named:
    """What the columns of one state hold."""

    properties: str | None
    counts: Mapping[str, Integers] = field(default_factory=dict)
    numbers: Mapping[str, Floats] = field(default_factory=dict)


def named(data: bytes) -> Named:
    """The columns of a state's bytes.

    >>> one = named(pack("TEST", {"grid": "g"}, {"few": np.array([0, 3]), "many": np.eye(1, 99, 7, dtype=np.int64)[0]}))
    >>> one.properties
    '{"tag":"TEST","meta":{"grid":"g"},"arrays":[["few","<i8",2],["many","<i8",99]]}'
    >>> {name: counts.tolist() for name, counts in one.counts.items()}
    {'few': [0, 3], 'many.cell': [7], 'many.n': [1]}
    """
    counts: dict[str, Integers] = {}
    numbers: dict[str, Floats] = {}
    return Named(_JSON.encode(_taken_apart(data, "", counts, numbers)), counts, numbers)


def _taken_apart(data: bytes, prefix: str, counts: dict[str, Integers], numbers: dict[str, Floats]) -> dict[str, Any]:
    tag = tag_of(data)
    meta, arrays = unpack(data, tag)
    described: dict[str, Any] = {"tag": tag, "meta": meta, "arrays": []}
    for name, array in arrays.items():
        fill = _fill_of(array) if name != _PARTS else None
        described["arrays"].append([name, array.dtype.str, array.size, *([] if fill is None else [fill])])
        if name == _PARTS:
            ends = np.cumsum([0, *_flat(meta["lengths"])]).tolist()
            raw = array.tobytes()
            parts = [raw[low:high] for low, high in pairwise(ends)]
            described[_PARTS] = [
                _taken_apart(part, f"{prefix}{_PARTS}.{place}.", counts, numbers) for place, part in enumerate(parts)
            ]
        elif fill is not None:
            places = np.flatnonzero(~_filled(array, fill))
            counts[f"{prefix}{name}.cell"], numbers[f"{prefix}{name}.n"] = places, array[places]
        elif array.dtype.kind == "f":
            numbers[prefix + name] = array
        elif array.size < SPARSE_FROM:
            counts[prefix + name] = array.astype(np.int64)
        else:
            places = np.flatnonzero(array)
            counts[f"{prefix}{name}.cell"], counts[f"{prefix}{name}.n"] = places, array[places].astype(np.int64)
    return described


def _fill_of(array: np.ndarray) -> str | None:
    """What at least half of a long array of numbers is; None of any other array."""
    if array.dtype.kind != "f" or array.size < SPARSE_FROM:
        return None
    return next((fill for fill in FILLS if 2 * np.count_nonzero(_filled(array, fill)) >= array.size), None)


def _filled(array: np.ndarray, fill: str) -> np.ndarray:
    """Where the entries have the very bits of what fills: -0.0 and other NaNs are kept as they are."""
    whole = np.full(1, FILLS[fill], dtype=array.dtype)
    return np.asarray(array.view(f"u{array.dtype.itemsize}") == whole.view(f"u{array.dtype.itemsize}"))


def _flat(lengths: Iterable[Any]) -> list[int]:
    return [one for part in lengths for one in (part if isinstance(part, list) else [part])]


def bytes_of(stored: Named) -> bytes:
    """The bytes whose columns these are.

    >>> data = pack("TEST", {}, {"few": np.array([0.5, -0.0])})
    >>> bytes_of(named(data)) == data
    True
    """
    try:
        described = json.loads(stored.properties or "")
        if _entries(described) > MOST_ENTRIES:
            raise StateError(f"state: its properties claim more than {MOST_ENTRIES} entries.")
        return _put_together(described, "", stored)
    except StateError:
        raise
    except MALFORMED as error:
        raise StateError(f"state: its columns are damaged ({type(error).__name__}: {error}).") from error


def _entries(described: Mapping[str, Any]) -> int:
    """How many entries all arrays claim to have, before the memory for any is taken."""
    own = sum(size for name, _, size, *_ in described["arrays"] if name != _PARTS)
    return int(own) + sum(map(_entries, described.get(_PARTS, ())))


def _put_together(described: Mapping[str, Any], prefix: str, stored: Named) -> bytes:
    meta, arrays = dict(described["meta"]), {}
    for name, dtype, size, *fill in described["arrays"]:
        if dtype not in DTYPES or not 0 <= size <= MOST_ENTRIES:
            raise StateError(f"state: array {name!r} of {size} times {dtype!r} is not read.")
        if name == _PARTS:
            parts = [_put_together(one, f"{prefix}{_PARTS}.{place}.", stored) for place, one in enumerate(described[_PARTS])]
            meta["lengths"] = _like(meta["lengths"], [len(part) for part in parts])
            arrays[name] = np.frombuffer(b"".join(parts), dtype=np.uint8)
        else:
            arrays[name] = _array(prefix + name, np.dtype(dtype), size, stored, *fill)
    return pack(str(described["tag"]), meta, arrays)


def _like(shape: Sequence[Any], lengths: Sequence[int]) -> list[Any]:
    """The lengths, nested as those were that they stand for."""
    if len(_flat(shape)) != len(lengths):
        raise StateError(f"state: {len(lengths)} states where {len(_flat(shape))} are counted.")
    left = iter(lengths)
    return [[next(left) for _ in part] if isinstance(part, list) else next(left) for part in shape]


def _array(name: str, dtype: np.dtype[Any], size: int, stored: Named, fill: str | None = None) -> np.ndarray:
    values = stored.numbers if dtype.kind == "f" else stored.counts
    if size < SPARSE_FROM or (dtype.kind == "f" and fill is None):
        array = _whole(name, np.asarray(values[name]), dtype)
        if array.size != size:
            raise StateError(f"state: array {name!r} has {array.size} entries, expected {size}.")
        return array.astype(dtype)
    places = _whole(f"{name}.cell", stored.counts[f"{name}.cell"], np.dtype(np.int64))
    entries = _whole(f"{name}.n", values[f"{name}.n"], dtype)
    outside = places.size and (places[0] < 0 or places[-1] >= size or (places[1:] <= places[:-1]).any())
    if places.size != entries.size or outside:
        raise StateError(f"state: the places of array {name!r} do not increase within its {size} entries.")
    array = np.full(size, 0 if fill is None else FILLS[fill], dtype=dtype)
    array[places] = entries
    return array


def _whole(name: str, array: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """The entries; a StateError where NULL among whole numbers has made doubles of them."""
    if array.size and dtype.kind != "f" and array.dtype.kind not in "iu":
        raise StateError(f"state: array {name!r} holds what is no integer.")
    return array


def stored_arrays(states: Sequence[bytes | None]) -> list[pa.Array]:
    """The columns of ``NAMED`` for these states' bytes; without a state there are no properties."""
    several = [Named(None) if one is None else named(one) for one in states]
    return [
        pa.array([one.properties for one in several], pa.string()),
        _maps([one.counts for one in several], NAMED.field("counts").type),
        _maps([one.numbers for one in several], NAMED.field("numbers").type),
    ]


def _maps(several: Sequence[Mapping[str, np.ndarray]], kind: pa.MapType) -> pa.MapArray:
    offsets = pa.array(offsets_of([len(one) for one in several]), pa.int32())
    arrays = [array for one in several for array in one.values()]
    entries = np.concatenate(arrays) if arrays else np.zeros(0)
    values = pa.array(entries, kind.item_type.value_type)
    lists = pa.ListArray.from_arrays(pa.array(offsets_of([array.size for array in arrays]), pa.int32()), values)
    return pa.MapArray.from_arrays(offsets, pa.array([name for one in several for name in one], pa.string()), lists)


def stored_bytes(columns: pa.StructArray) -> list[bytes | None]:
    """The bytes of states from a struct of ``NAMED``; None where a row has no properties, which holds no state.

    >>> states = [pack("TEST", {}, {"few": np.arange(3)}), pack("TEST", {}, {"other": np.ones(2)})]
    >>> stored_bytes(pa.StructArray.from_arrays(stored_arrays(states), names=NAMED_COLUMNS)) == states
    True
    """
    texts = columns.field("properties").to_pylist()
    counts, numbers = (_named_arrays(columns.field(name)) for name in ("counts", "numbers"))
    given = columns.is_valid().to_pylist()
    return [
        bytes_of(Named(text, *maps)) if is_there and text is not None else None
        for is_there, text, *maps in zip(given, texts, counts, numbers, strict=True)
    ]


def _named_arrays(maps: pa.MapArray) -> list[dict[str, np.ndarray]]:
    names, lists = maps.keys.to_pylist(), maps.items
    values = np.asarray(lists.values.to_numpy(zero_copy_only=False))
    ends, offsets = lists.offsets.to_numpy(), maps.offsets.to_numpy()
    valid = maps.is_valid().to_pylist()
    return [
        {names[place]: values[ends[place] : ends[place + 1]] for place in range(low, high)} if there else {}
        for there, low, high in zip(valid, offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)
    ]


def bytes_of_row(row: Mapping[str, Any]) -> bytes:
    """The bytes of one state whose columns were collected."""
    try:
        counts = {name: np.asarray(values, dtype=np.int64) for name, values in (row["counts"] or {}).items()}
        numbers = {name: np.asarray(values, dtype=np.float64) for name, values in (row["numbers"] or {}).items()}
    except MALFORMED as error:
        raise StateError(f"state: its columns are damaged ({type(error).__name__}: {error}).") from error
    return bytes_of(Named(row["properties"], counts, numbers))


__all__ = [
    "NAMED",
    "NAMED_COLUMNS",
    "NAMED_DDL",
    "Named",
    "bytes_of",
    "bytes_of_row",
    "named",
    "stored_arrays",
    "stored_bytes",
]
