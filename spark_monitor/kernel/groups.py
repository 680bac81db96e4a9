"""Rows ordered so that those of one group stand together, once for all columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from spark_monitor.errors import StateError
from spark_monitor.states.grid import Integers

DAY_SECONDS = 86_400.0
Mask = npt.NDArray[np.bool_]
Shorts = npt.NDArray[np.uint32]
"""Slice values in half the memory: every column reads them again."""

Array = TypeVar("Array", bound=npt.NDArray[np.generic])


@dataclass(frozen=True, eq=False)
class Segments:
    """Adjacent rows per group: ``order`` brings rows together (None: they are already), ``bounds`` marks where groups begin.

    >>> segments = Segments.of(np.array([1, 0, 1]))
    >>> segments.codes.tolist(), segments.bounds.tolist(), segments.arranged(np.array([10, 20, 30])).tolist()
    ([0, 1], [0, 1, 3], [20, 10, 30])
    """

    codes: Integers
    bounds: Integers
    order: Integers | None

    @classmethod
    def of(cls, codes: Integers) -> Segments:
        """Segments of rows with equal codes, in the order of the codes; rows of one code keep their order."""
        if codes.size == 0:
            return cls(np.empty(0, dtype=np.int64), np.zeros(1, dtype=np.int64), None)
        changes = codes[1:] != codes[:-1]
        order = None
        if (codes[1:] < codes[:-1]).any():
            order = order_of(codes)
            codes = codes[order]
            changes = codes[1:] != codes[:-1]
        starts = np.append(0, np.flatnonzero(changes) + 1)
        return cls(codes[starts], np.append(starts, codes.size), order)

    @property
    def sizes(self) -> Integers:
        """Number of rows per group."""
        return np.diff(self.bounds)

    def arranged(self, values: Array) -> Array:
        """One column's values in the order of the segments."""
        return values if self.order is None else cast(Array, values.take(self.order))

    def without(self, dropped: Mask) -> tuple[Segments, Mask]:
        """The segments of the rows that are not ``dropped`` (given in arranged order), empty groups kept, and the rows kept."""
        kept = ~dropped
        through = np.append(0, np.cumsum(kept))
        return Segments(self.codes, through[self.bounds], None), kept

    def totals(self, flags: Mask) -> Integers:
        """How many flags (in arranged order) are set per group."""
        return np.diff(np.searchsorted(np.flatnonzero(flags), self.bounds))


def order_of(codes: Integers) -> Integers:
    """The stable order of codes; where they lie close together by numpy's radix sort, many times faster than its others.

    >>> order_of(np.array([70_002, 70_000, 70_002])).tolist(), order_of(np.array([1 << 40, 0])).tolist()
    ([1, 0, 2], [1, 0])
    """
    low, high = (int(codes.min()), int(codes.max())) if codes.size else (0, 0)
    near = (codes - low).astype(np.uint16) if high - low < 1 << 16 else codes
    return np.argsort(near, kind="stable")


class Codes:
    """Small numbers for the strings that a task has met; None is a string of its own.

    >>> codes = Codes()
    >>> codes.encode(pa.array(["b", None, "a", "b"])).tolist(), codes.strings
    ([0, 2, 1, 0], ['b', 'a', None])
    """

    def __init__(self, *, kept: frozenset[str] | None = None, rest: str | None = None) -> None:
        """With ``kept``, every other text becomes ``rest``."""
        self.strings: list[str | None] = []
        self._numbers: dict[str | None, int] = {}
        self._kept, self._rest = kept, rest

    def encode(self, strings: pa.Array) -> Integers:
        """The number of every text."""
        if not len(strings):
            return np.empty(0, dtype=np.int64)
        encoded = strings if pa.types.is_dictionary(strings.type) else strings.dictionary_encode()
        names = [*encoded.dictionary.to_pylist(), None]
        places = np.asarray(pc.fill_null(encoded.indices.cast(pa.int64()), len(names) - 1).to_numpy(zero_copy_only=False))
        # A dictionary may hold strings of other rows, and these are not met here.
        numbers = np.zeros(len(names), dtype=np.int64)
        for place in np.flatnonzero(np.bincount(places, minlength=len(names))).tolist():
            numbers[place] = self._number(names[place])
        return np.asarray(numbers[places])

    def _number(self, text: str | None) -> int:
        if self._kept is not None and text is not None and text not in self._kept:
            text = self._rest
        if text not in self._numbers:
            self._numbers[text] = len(self.strings)
            self.strings.append(text)
        return self._numbers[text]


def numbers_of(column: pa.Array) -> tuple[npt.NDArray[np.float64], Mask | None]:
    """A numeric Arrow column as doubles and the mask of its nulls (None where there are none).

    Nulls read as 0, booleans as 0 and 1, dates and timestamps as epoch seconds.
    """
    if pa.types.is_nested(column.type):  # of lists of one number older versions of numpy make numbers
        raise StateError(f"values of type {column.type} are no numbers.")
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    nulls = column.is_null().to_numpy(zero_copy_only=False) if column.null_count else None
    filled = pc.fill_null(column, pa.scalar(0, column.type)) if nulls is not None else column
    return _doubles(filled), nulls


def _doubles(column: pa.Array) -> npt.NDArray[np.float64]:
    """Doubles of a column without nulls: dates and timestamps are epoch seconds."""
    kind = column.type
    if pa.types.is_date(kind):
        return np.asarray(column.cast(pa.int32()).to_numpy(), dtype=np.float64) * DAY_SECONDS
    if pa.types.is_timestamp(kind):
        # Nanoseconds are cut to microseconds; coarser units are checked, since they may not fit.
        micros = column.cast(pa.timestamp("us", tz=kind.tz), safe=kind.unit != "ns")
        return np.asarray(micros.cast(pa.int64()).to_numpy(), dtype=np.float64) / 1e6
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64)
