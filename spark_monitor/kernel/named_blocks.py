"""All slice values of one window, version, slice key and numeric column as one partial row: packed once, merged at once.

A state of its own for every value would be packed, checked and unpacked hundreds of times for the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from spark_monitor.errors import StateError
from spark_monitor.kernel.blocks import SliceBlock
from spark_monitor.kernel.hashes import SliceHashes
from spark_monitor.kernel.slice_states import states_of
from spark_monitor.states.codec import has_tag, pack, unpack
from spark_monitor.states.distinct import ALL
from spark_monitor.states.grid import Grid
from spark_monitor.states.numeric import NumericState
from spark_monitor.states.numeric_columns import numeric_columns

TAG = "BLCK"
NO_LIMIT = np.uint64(ALL - 1)


@dataclass
class NamedBlock:
    """A block and the strings of its slice values 0, 1, 2, ...; without a block the column has failed."""

    slice_values: list[str | None]
    block: SliceBlock | None

    def to_bytes(self) -> bytes:
        """The bytes of the slice values that have rows."""
        if self.block is None:
            return pack(TAG, {"texts": self.slice_values}, {})
        block, met = self.block, self.block.met
        place = np.full(block.totals.shape[0], -1, dtype=np.int64)
        place[met] = np.arange(met.size)
        positions, many = block.cells.counted()
        width = block.grid.cells
        moved = positions if met.size == place.size else place[positions // width] * width + positions % width
        codes, hashes, limits = block.hashes.held()
        moments = (block.mean, block.low, block.m2, block.minimum, block.maximum)
        arrays = {
            "totals": block.totals[met].ravel(),
            "n": block.n[met],
            "moments": np.concatenate([numbers[met] for numbers in moments]),
            "steps": np.diff(moved, prepend=0),
            "many": many,
            "hashed": np.bincount(place[codes], minlength=met.size) if codes.size else np.zeros(met.size, dtype=np.int64),
            "hashes": hashes,
            "limits": np.append(limits, np.full(block.n.size, NO_LIMIT))[met],
        }
        return pack(TAG, {"texts": [self.slice_values[code] for code in met.tolist()], "grid": block.grid.grid_id}, arrays)

    @classmethod
    def from_bytes(cls, data: bytes, grid: Grid) -> NamedBlock:
        """What ``to_bytes`` wrote for this grid."""
        meta, arrays = unpack(data, TAG)
        slice_values = list(meta["texts"])
        if not arrays:
            return cls(slice_values, None)
        if meta.get("grid") != grid.grid_id:
            raise StateError(f"slice block: was made on grid {meta.get('grid')}, the grid given is {grid.grid_id}.")
        block = SliceBlock(grid)
        block.totals = arrays["totals"].reshape(len(slice_values), 5)
        block.n = arrays["n"]
        block.mean, block.low, block.m2, block.minimum, block.maximum = arrays["moments"].reshape(5, len(slice_values)).copy()
        block.cells.add_counted(np.cumsum(arrays["steps"]), arrays["many"])
        codes = np.repeat(np.arange(len(slice_values)), arrays["hashed"])
        block.hashes = SliceHashes.of_held(codes, arrays["hashes"], arrays["limits"])
        return cls(slice_values, block)

    def merge(self, other: NamedBlock) -> NamedBlock:
        """Both as one; this one is changed."""
        numbers = {text: number for number, text in enumerate(self.slice_values)}
        places = [numbers.setdefault(text, len(numbers)) for text in other.slice_values]
        self.slice_values = list(numbers)
        if self.block is None or other.block is None:
            self.block = None
        else:
            self.block.absorb(other.block, np.array(places, dtype=np.int64))
        return self

    def states(self) -> Iterator[tuple[str | None, NumericState | None]]:
        """Every slice value with its state; none where the column has failed."""
        if self.block is None:
            yield from ((text, None) for text in self.slice_values)
        else:
            met, states = states_of(self.block)
            yield from zip([self.slice_values[code] for code in met.tolist()], states.states() if met.size else [], strict=True)

    def columns(self) -> tuple[list[str | None], list[pa.Array]] | None:
        """The strings of the slice values that have rows, and the columns that their states are stored in; None without any."""
        if self.block is None or not self.block.met.size:
            return None
        met, states = states_of(self.block)
        return [self.slice_values[code] for code in met.tolist()], numeric_columns(states)


def is_block(data: bytes | None) -> bool:
    """Whether a partial row holds many slice values."""
    return data is not None and has_tag(data, TAG)


def failed(slice_values: Sequence[str | None]) -> bytes:
    """The bytes of slice values whose column has failed."""
    return NamedBlock(list(slice_values), None).to_bytes()
