"""What is counted of each column beside its own state: named counters, merged by addition, and an order-free sum of the rows.

The sum of a 64-bit hash of every row, modulo 2^64, is the same for the same rows in any order and any grouping.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from spark_monitor.errors import StateError
from spark_monitor.states.codec import pack, unpack
from spark_monitor.states.grid import Integers
from spark_monitor.states.stored import counts

TAG = "CNTR"
COUNTERS: Final = ("format_mismatch", "unparsable", "out_of_range", "unseen", "sentinel", "whitespace", "mojibake")
"""What is counted: values that are not as declared, or not as the baseline's were."""

WRAP = 1 << 64


@dataclass(frozen=True, eq=False)
class CounterState:
    """Rows, the sum of their hashes, and how many values of each column meet each of ``COUNTERS``, int64[columns, counters].

    >>> one = CounterState(2, WRAP - 1, np.ones((1, len(COUNTERS)), dtype=np.int64))
    >>> both = one.merge(CounterState(1, 3, np.zeros((1, len(COUNTERS)), dtype=np.int64)))
    >>> both.count, both.checksum, both.of("sentinel").tolist()
    (3, 2, [1])
    """

    count: int
    checksum: int
    counts: Integers

    @classmethod
    def empty(cls, columns: int) -> CounterState:
        """The state of no row of a table with so many columns."""
        return cls(0, 0, np.zeros((columns, len(COUNTERS)), dtype=np.int64))

    def update(self, flags: Integers, *, rows: int, checksum: int = 0) -> CounterState:
        """This state and ``rows`` more rows, whose hashes sum to ``checksum``; ``flags`` is int64[columns, counters]."""
        return self.merge(CounterState(rows, checksum % WRAP, np.asarray(flags, dtype=np.int64)))

    def merge(self, other: CounterState) -> CounterState:
        """The state of both."""
        if self.counts.shape != other.counts.shape:
            raise StateError(f"counter state: of {len(self.counts)} columns, the other of {len(other.counts)}.")
        return CounterState(self.count + other.count, (self.checksum + other.checksum) % WRAP, self.counts + other.counts)

    def of(self, counter: str) -> Integers:
        """One counter of every column."""
        return np.asarray(self.counts[:, COUNTERS.index(counter)])

    def to_bytes(self) -> bytes:
        """The state's bytes."""
        meta = {"checksum": str(self.checksum), "counters": list(COUNTERS), "rows": self.count, "columns": len(self.counts)}
        return pack(TAG, meta, {"counts": self.counts.ravel()})

    @classmethod
    def from_bytes(cls, data: bytes) -> CounterState:
        """The state that ``to_bytes`` wrote."""
        meta, arrays = unpack(data, TAG)
        numbers = counts(arrays, "counts")
        try:
            rows, checksum, columns = int(meta["rows"]), int(meta["checksum"]), int(meta["columns"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise StateError(f"counter state: damaged ({type(error).__name__}: {error}).") from error
        if meta.get("counters") != list(COUNTERS) or numbers.size != columns * len(COUNTERS):
            raise StateError(f"counter state: counts other things than {', '.join(COUNTERS)}.")
        if rows < 0 or not 0 <= checksum < WRAP or numbers.max(initial=0) > rows:
            raise StateError(f"counter state: of {rows} rows it counts more than there are.")
        return cls(rows, checksum, numbers.reshape(-1, len(COUNTERS)))
