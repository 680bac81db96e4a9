"""The distinct-count sketches of many states at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from spark_monitor.states.columns import number_column
from spark_monitor.states.distinct import ALL, Distinct, Hashes
from spark_monitor.states.grid import Floats, Integers
from spark_monitor.states.proportions import Z
from spark_monitor.states.ragged import offsets_of, packed, placed, put, taken, unpacked


@dataclass(frozen=True, eq=False)
class DistinctBlock:
    """``theta`` is the threshold, 0 where nothing was dropped.

    >>> from spark_monitor.states.distinct import hash_numbers
    >>> block = DistinctBlock.of([Distinct.of(hash_numbers(np.arange(float(n)))) for n in (5, 5000)])
    >>> int(block.count[0]), bool(abs(block.count[1] - 5000) < 500), block.error[0]
    (5, True, np.float64(0.0))
    """

    k: Integers
    theta: Hashes
    offsets: Integers
    hashes: Hashes

    @classmethod
    def of(cls, states: Sequence[Distinct]) -> DistinctBlock:
        """The block of these."""
        return cls(
            k=np.array([state.k for state in states], dtype=np.int64),
            theta=np.array([state.theta % ALL for state in states], dtype=np.uint64),
            offsets=offsets_of([state.hashes.size for state in states]),
            hashes=np.concatenate([state.hashes for state in states]),
        )

    @classmethod
    def from_columns(cls, batch: pa.RecordBatch) -> DistinctBlock:
        """The block of stored states."""
        offsets, hashes = unpacked(batch.column("distinct_hashes"))
        theta = np.ascontiguousarray(number_column(batch, "distinct_theta")).view(np.uint64)
        return cls(number_column(batch, "distinct_k").astype(np.int64), theta, offsets, np.array(hashes).view(np.uint64))

    def to_columns(self) -> dict[str, Any]:
        """Its columns."""
        return {
            "distinct_k": pa.array(self.k, pa.int32()),
            "distinct_theta": pa.array(self.theta.view(np.int64), mask=self.theta == 0),
            "distinct_hashes": packed(self.offsets, pa.array(self.hashes.view(np.int64))),
        }

    def take(self, index: Integers) -> DistinctBlock:
        """The states at these places."""
        offsets, places = taken(self.offsets, index)
        return DistinctBlock(self.k[index], self.theta[index], offsets, self.hashes[places])

    def put(self, places: Integers, others: DistinctBlock) -> DistinctBlock:
        """These states, those at ``places`` replaced by the others."""
        offsets, kept = put(self.offsets, places, others.offsets)
        hashes = np.concatenate([self.hashes, others.hashes])[kept]
        return DistinctBlock(placed(self.k, places, others.k), placed(self.theta, places, others.theta), offsets, hashes)

    def at(self, place: int) -> Distinct:
        """One state."""
        theta = int(self.theta[place])
        return Distinct(int(self.k[place]), theta or ALL, self.hashes[self.offsets[place] : self.offsets[place + 1]])

    @property
    def count(self) -> Integers:
        """The distinct counts: exact where nothing was dropped, else estimates, which are more than the hashes that are kept."""
        kept = np.diff(self.offsets)
        fraction = np.where(self.theta == 0, 1.0, self.theta.astype(np.float64) / float(ALL))
        return np.where(self.theta == 0, kept, np.maximum(np.rint(kept / fraction).astype(np.int64), kept + 1))

    @property
    def error(self) -> Floats:
        """The relative half-width (95 %) of the counts; 0 where they are exact."""
        return np.where(self.theta == 0, 0.0, Z / np.sqrt(np.maximum(np.diff(self.offsets) - 2, 1)))
