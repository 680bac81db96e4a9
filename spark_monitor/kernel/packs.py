"""The small states of all columns of one window and version as one partial row: packed once, shuffled and merged at once.

With thousands of windows a task makes a state of few rows for every window and column. A row for each of them would be made,
sorted, shuffled and looked at on its own, which costs more than counting what it is of.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pyarrow as pa

from spark_monitor.errors import StateError
from spark_monitor.kernel.plan import KernelColumn
from spark_monitor.states.codec import MAGIC, VERSION
from spark_monitor.states.columns import state_arrays
from spark_monitor.states.grid import Floats, Grid, Integers
from spark_monitor.states.numeric_columns import total_columns
from spark_monitor.states.ragged import offsets_of
from spark_monitor.states.sketch_image import Words, exact_words, image_words
from spark_monitor.states.small import Parts, sealed

PACK_COLUMN = -(1 << 31)
"""The column of a row that holds those of a window: before all others, so that what it holds is there when they come."""

TAG = "PACK"
MOST_WORDS = 1 << 17
"""A pack has at most so many words of eight bytes, or one state."""

_PREFIX = struct.Struct("<4sB4s3sIII")
"""Filled up so that the numbers behind it are aligned."""

_FILLED = bytes(3)
Stamp = tuple[int, int]
"""The task that made a row, and its running number there."""

Content = tuple[bytes | None, bytes | None, str | None]
"""What a partial row holds beside its key: state, sketch, error."""


@dataclass(frozen=True, eq=False)
class SmallStates:
    """Many small states: of which group and column each is, counts and moments as ``parts_of`` takes them, and their values.

    The values of state i, increasing, are ``values[i]``.
    """

    groups: Integers
    columns: Integers
    counts: Integers
    moments: Floats
    values: Sequence[Floats]


@dataclass(frozen=True, eq=False)
class Pack:
    """Small states of different columns: their columns, counts, moments, and the images of their sketches.

    ``columns`` int64[S], ``counts`` int64[5, S] and ``moments`` double[5, S] as ``parts_of`` takes them; the image of state i is
    ``words[bounds[i]:bounds[i + 1]]``, words of eight bytes.
    """

    columns: Integers
    counts: Integers
    moments: Floats
    bounds: Integers
    words: Words

    def to_bytes(self) -> bytes:
        """The bytes that ``from_bytes`` reads."""
        arrays = (self.columns.astype("<i8"), self.counts, self.moments, self.bounds, self.words)
        body = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)
        return _PREFIX.pack(MAGIC, VERSION, TAG.encode(), _FILLED, self.columns.size, self.words.size, zlib.crc32(body)) + body

    @classmethod
    def from_bytes(cls, data: bytes) -> Pack:
        """What ``to_bytes`` wrote; a StateError where these bytes are not."""
        if len(data) < _PREFIX.size:
            raise StateError(f"small states: {len(data)} bytes are too few to be any.")
        magic, version, tag, filled, states, words, checksum = _PREFIX.unpack_from(data)
        if (magic, version, tag, filled) != (MAGIC, VERSION, TAG.encode(), _FILLED):
            raise StateError(f"small states: begin with {data[:9]!r}, which this release did not write.")
        if len(data) != _PREFIX.size + 8 * (12 * states + 1 + words) or zlib.crc32(memoryview(data)[_PREFIX.size :]) != checksum:
            raise StateError("small states: damaged; their checksum or their length does not fit.")
        whole = np.frombuffer(data, "<i8", offset=_PREFIX.size)
        columns, counts, moments, bounds, images = np.split(whole, np.cumsum([states, 5 * states, 5 * states, states + 1]))
        if bounds[0] != 0 or bounds[-1] != words or (np.diff(bounds) < 1).any():
            raise StateError("small states: damaged; their images do not lie one after the other.")
        moments = moments.view("<f8").reshape(5, states)
        return cls(columns, counts.reshape(5, states), moments, bounds, images.view("<u8"))

    def take(self, places: Integers) -> Pack:
        """The states at these places."""
        images = [self.words[low:high] for low, high in zip(self.bounds[places], self.bounds[places + 1], strict=True)]
        sizes = self.bounds[places + 1] - self.bounds[places]
        words = np.concatenate(images) if images else self.words[:0]
        return Pack(self.columns[places], self.counts[:, places], self.moments[:, places], offsets_of(sizes), words)

    def parts(self, place: int, grid: Grid) -> Parts:
        """The bytes of one state, as ``small_parts`` makes them."""
        image = self.words[self.bounds[place] : self.bounds[place + 1]].tobytes()
        return sealed(grid, self.counts[:, place], self.moments[:, place], image)


def packed(states: SmallStates, k: int) -> Iterator[tuple[int, Pack]]:
    """The groups in increasing order, each with its states in packs of bounded size, in the order of the columns."""
    order = np.lexsort((states.columns, states.groups))
    if not order.size:
        return
    n = np.array([part.size for part in states.values], dtype=np.int64)[order]
    sizes = image_words(n)
    groups, counts, moments = states.groups[order], states.counts[:, order], states.moments[:, order]
    for low, high in _cuts(groups, sizes):
        # A pack takes views of what several share, so that building them costs little where columns are few.
        values = [states.values[place] for place in order[low:high].tolist()]
        bounds, words = exact_words(k, n[low:high], moments[:2, low:high], values)
        starts = np.flatnonzero(np.diff(groups[low:high], prepend=groups[low] - 1))
        for first, last in pairwise([*starts.tolist(), high - low]):
            here = slice(low + first, low + last)
            images = bounds[first : last + 1]
            arrays = (states.columns[order[here]], counts[:, here], moments[:, here], images - images[0])
            yield int(groups[low + first]), Pack(*arrays, words[images[0] : images[-1]])


def _cuts(groups: Integers, sizes: Integers) -> Iterator[tuple[int, int]]:
    """Ranges of at most ``MOST_WORDS`` words, between groups if a group is not larger."""
    ends = np.append(np.flatnonzero(np.diff(groups)) + 1, groups.size)
    words, low, before = offsets_of(sizes), 0, 0
    for end in ends.tolist():
        if words[end] - words[low] > MOST_WORDS and before > low:
            yield low, before
            low = before
        while words[end] - words[low] > MOST_WORDS and end > low + 1:
            most = max(int(np.searchsorted(words, words[low] + MOST_WORDS, side="right")) - 1, low + 1)
            yield low, most
            low = most
        before = end
    if low < groups.size:
        yield low, groups.size


def state_columns_of(packs: Sequence[Pack]) -> list[pa.Array]:
    """The columns in which the states of all packs are stored, below each other; nothing of them is looked at on its own."""
    counts = np.concatenate([pack.counts for pack in packs], axis=1)
    moments = np.concatenate([pack.moments for pack in packs], axis=1)
    offsets = offsets_of(np.concatenate([np.diff(pack.bounds) for pack in packs])) * 8
    words = np.concatenate([pack.words for pack in packs])
    buffers = [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(words)]
    images = pa.Array.from_buffers(pa.binary(), counts.shape[1], buffers)
    return state_arrays(total_columns(counts, moments, images), counts.shape[1])


@dataclass
class Packs:
    """All packs of one window and version, of which the rows of single columns that come later take their states.

    ``numeric`` are the columns of which there can be small states.
    """

    place: tuple[int, str | None]
    numeric: frozenset[int]
    packs: list[tuple[Stamp, Pack]] = field(default_factory=list)
    error: tuple[Stamp, str] | None = None
    _places: dict[int, list[tuple[int, int]]] | None = None
    """Of each column the states that were not taken: the number of the pack, and the place in it."""

    def add(self, stamp: Stamp, data: bytes | None) -> None:
        """Take in a pack; bytes that are none put every column in error, as they do not say which are theirs."""
        try:
            pack = Pack.from_bytes(data or b"")
            if not self.numeric.issuperset(pack.columns.tolist()):
                raise StateError("small states: are of columns that have none.")
            self.packs.append((stamp, pack))
        except StateError as error:
            self.error = stamp, str(error)

    @property
    def several(self) -> list[int]:
        """The columns that have states in more than one pack, or are in error."""
        if self.error is None and len(self.packs) < 2:
            return []
        return [column for column, states in self._by_column().items() if len(states) > 1 or self.error is not None]

    def taken(self, column: int, columns: Sequence[KernelColumn]) -> list[tuple[Stamp, Content]]:
        """The states of one column as rows hold them, in the order they were made; they are not given again."""
        grid = columns[column].grid if column in self.numeric else None
        states = self._by_column().pop(column, None) if grid is not None else None
        if states is None or grid is None:
            return []
        if self.error is not None:
            return [(self.error[0], (None, None, self.error[1]))]
        return [(self.packs[number][0], (*self.packs[number][1].parts(place, grid), None)) for number, place in states]

    def rest(self) -> Packs:
        """The packs without the states that were taken."""
        if self._places is None:
            return self
        chosen: dict[int, list[int]] = {}
        for states in self._places.values():
            for number, place in states:
                chosen.setdefault(number, []).append(place)
        left = [(self.packs[number][0], self.packs[number][1].take(np.array(places))) for number, places in chosen.items()]
        return Packs(self.place, self.numeric, left)

    def _by_column(self) -> dict[int, list[tuple[int, int]]]:
        if self._places is None:
            self._places = {} if self.error is None else {column: [] for column in sorted(self.numeric)}
            for number, (_, pack) in enumerate(self.packs):
                for place, column in enumerate(pack.columns.tolist()):
                    self._places.setdefault(column, []).append((number, place))
        return self._places
