"""A window of so few rows that its sketch holds every value: its totals, moments and sketch say everything else.

Cells, hashes and frequent values follow from the values, so they need neither travel nor be stored with them, and are derived for
many states at once. As bytes such a state is a head of fixed length (checksum, grid, totals, moments) beside the sketch's image.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from spark_monitor.errors import StateError
from spark_monitor.states.codec import MAGIC, VERSION, has_tag
from spark_monitor.states.columns import state_arrays
from spark_monitor.states.derived import Derived, values_of
from spark_monitor.states.distinct import K_WINDOW
from spark_monitor.states.grid import Floats, Grid, Integers
from spark_monitor.states.numeric import NumericState
from spark_monitor.states.numeric_block import NumericBlock
from spark_monitor.states.numeric_columns import total_columns
from spark_monitor.states.sketch_image import exact_image

TAG = "SMAL"
_HEAD = struct.Struct("<4sB4sI16s5q5d")
_HEADS = np.dtype(
    [
        ("magic", "S4"),
        ("version", "u1"),
        ("tag", "S4"),
        ("checksum", "<u4"),
        ("grid", "S16"),
        ("counts", "<i8", 5),
        ("moments", "<f8", 5),
    ]
)
_CHECKED_FROM = 13
"""Where the checksum ends, and what it is of begins."""

Parts = tuple[bytes, bytes]
"""A head and the image of a sketch."""


def small_parts(state: NumericState) -> Parts | None:
    """The bytes of a state that was counted from its rows and holds all their values; None of any other."""
    if state.sketch is None or not state.sketch.is_exact or not state.distinct.is_exact or state.distinct.k != K_WINDOW:
        return None
    moments = state.moments
    totals = (state.count, state.nulls, state.nans, state.positive_infinities, state.negative_infinities)
    numbers = (state.minimum, state.maximum, moments.mean, moments.low, moments.m2)
    return sealed(state.grid, totals, numbers, state.sketch.to_bytes())


def sealed(grid: Grid, counts: Iterable[int], moments: Iterable[float], image: bytes) -> Parts:
    """The bytes of one small state from its five counts, five moments (see ``parts_of``) and its sketch's image."""
    head = _HEAD.pack(MAGIC, VERSION, TAG.encode(), 0, grid.grid_id.encode(), *counts, *moments)
    return head[: _CHECKED_FROM - 4] + struct.pack("<I", _checksum(head, image)) + head[_CHECKED_FROM:], image


def parts_of(grid: Grid, k: int, counts: Integers, moments: Floats, values: Sequence[bytes]) -> Iterator[Parts]:
    """The bytes of many small states: what ``small_parts`` gives of each.

    ``counts`` int64[5, S] (rows, nulls, NaN, infinities), ``moments`` double[5, S] (minimum, maximum, mean, its low part, M2),
    ``values`` the doubles of each state's finite values in increasing order, -0.0 being none of them.
    """
    heads = np.zeros(len(values), _HEADS)
    heads["magic"], heads["version"], heads["tag"], heads["grid"] = MAGIC, VERSION, TAG.encode(), grid.grid_id.encode()
    heads["counts"], heads["moments"] = counts.T, moments.T
    raw, size, before = heads.tobytes(), _HEAD.size, _CHECKED_FROM - 4
    for place, one in zip(range(0, len(raw), size), values, strict=True):
        image, checked = exact_image(k, one), raw[place + _CHECKED_FROM : place + size]
        checksum = zlib.crc32(image, zlib.crc32(checked)).to_bytes(4, "little")
        yield b"".join((raw[place : place + before], checksum, checked)), image


def is_small(data: bytes | None) -> bool:
    """Whether these bytes are a head."""
    return data is not None and has_tag(data, TAG)


def _checksum(head: bytes, image: bytes) -> int:
    return zlib.crc32(image, zlib.crc32(head[_CHECKED_FROM:]))


def small_block(parts: Sequence[Parts], grid: Grid) -> NumericBlock:
    """The states of these bytes; a StateError where any of them are not what ``small_parts`` wrote for this grid.

    >>> from spark_monitor.states.numeric import profile_column
    >>> state = profile_column([3.0, 1.0, 3.0, np.nan], Grid.of([1.0, 2.0]), nulls=1)
    >>> block = small_block([small_parts(state)], state.grid)
    >>> block.count.tolist(), block.cells.tolist(), block.cell_counts.tolist(), block.distinct_count.tolist()
    ([5], [3, 6], [1, 2], [2])
    """
    counts, moments, values, offsets = _opened(parts, grid)
    derived = vars(Derived.of(values, offsets, grid))
    return NumericBlock(grid=grid, counts=counts, moments=moments, sketches=[image for _, image in parts], **derived)


def small_columns(parts: Sequence[Parts], grid: Grid) -> list[pa.Array]:
    """The columns in which the same states are stored, for which nothing needs to be derived; a StateError likewise."""
    counts, moments, _, _ = _opened(parts, grid)
    return state_arrays(total_columns(counts, moments, [image for _, image in parts]), len(parts))


def _opened(parts: Sequence[Parts], grid: Grid) -> tuple[Integers, Floats, Floats, Integers]:
    """Counts, moments, and the values with their offsets."""
    if any(len(head) != _HEAD.size or _checksum(head, image) != struct.unpack_from("<I", head, 9)[0] for head, image in parts):
        raise StateError("small state: damaged; its checksum or its length does not fit.")
    heads = np.frombuffer(b"".join(head for head, _ in parts), _HEADS)
    if (heads["grid"] != grid.grid_id.encode()).any():
        raise StateError(f"small state: was made on grid {heads['grid'][0]!r}, the grid given is {grid.grid_id}.")
    counts, moments = heads["counts"].T.astype(np.int64), heads["moments"].T.astype(np.float64)
    sound, values, offsets = values_of([image for _, image in parts], counts[0] - counts[1:].sum(axis=0), moments)
    if not sound.all():
        raise StateError(
            "small state: its sketch does not hold as many values as its totals say, increasing from its minimum to its maximum."
        )
    return counts, moments, values, offsets
