"""What a task gathers of how columns move together: their values held side by side for a span, then multiplied block by block.

Whole windows have a state each, and of slices those that the plan names: enough rows of the baseline stand behind them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa

from spark_monitor.kernel.groups import Mask, numbers_of
from spark_monitor.kernel.tables import WHOLE, Counted, Place
from spark_monitor.states.covariance import FARTHEST, CovarianceState
from spark_monitor.states.grid import Floats

COVARIANCE_COLUMN = -(1 << 20)
"""The number of a partial's row that is no column's, far below those of the rows' quality."""

COVARIANCE_ROW = ":covariance"
HELD_BYTES = 64 << 20
LEAST_ROWS = 1 << 12


@dataclass(frozen=True)
class CovariancePlan:
    """Which columns: their names, positions among the profiled ones, and each one's mean and standard deviation in the baseline.

    ``slices`` are for each slice key the values that have states of their own; None: all but NULL.
    """

    names: tuple[str, ...]
    positions: tuple[int, ...]
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    slices: tuple[frozenset[str] | None, ...] = ()

    @property
    def held_rows(self) -> int:
        """Of so many rows the columns take no more than ``HELD_BYTES``."""
        return max(HELD_BYTES // (8 * max(len(self.names), 1)), LEAST_ROWS)


class CovarianceRows:
    """Gathers on the lines that a task's table rows have, span by span, column by column."""

    def __init__(self, plan: CovariancePlan) -> None:
        self._plan = plan
        self._places = {position: place for place, position in enumerate(plan.positions)}
        self._states: dict[int, CovarianceState] = {}
        self._values: list[Floats] = []
        self._held = np.empty(0)
        self._missing: list[dict[int, Mask]] = []
        self._filled: list[set[int]] = []

    @property
    def nbytes(self) -> int:
        """About how many bytes are held."""
        return sum(state.nbytes for state in self._states.values())

    def begin(self, sizes: Sequence[int]) -> None:
        """Begin a span whose pieces have so many rows."""
        width, ends = len(self._places), np.cumsum([0, *sizes]).tolist()
        if self._held.size < width * ends[-1]:
            self._held = np.empty(width * ends[-1])  # used again by later spans: new pages cost as much as the arithmetic
        self._values = [self._held[width * low : width * high].reshape(width, high - low) for low, high in pairwise(ends)]
        self._missing, self._filled = [{} for _ in sizes], [set() for _ in sizes]

    def add_column(self, position: int, piece: int, values: pa.Array) -> None:
        """Hold a column's values of a piece, in the baseline's standard deviations; what is not finite is missing."""
        place = self._places.get(position)
        if place is None:
            return
        numbers, nulls = numbers_of(values)
        row = self._values[piece][place]
        with np.errstate(over="ignore", invalid="ignore"):
            np.subtract(numbers, self._plan.centre[place], out=row)
            row /= self._plan.scale[place]
        finite = np.isfinite(numbers)
        if nulls is not None or not finite.all():
            missing = ~finite if nulls is None else nulls | ~finite
            row[missing] = 0.0
            self._missing[piece][place] = missing
        np.clip(row, -FARTHEST, FARTHEST, out=row)
        self._filled[piece].add(place)

    def finish(
        self, counted: Sequence[Sequence[Counted]], places: Sequence[Place], slice_values: Sequence[Sequence[str | None]]
    ) -> None:
        """Multiply what is held of every piece; ``counted`` are a piece's whole windows and then its slice keys."""
        for piece, cuts in enumerate(counted):
            values, missing = self._values[piece], self._gaps(piece)
            for one in cuts:
                lines = [line if self._is_wanted(places[line], slice_values) else None for line in one.lines.tolist()]
                if any(line is not None for line in lines):
                    self._multiply(values, missing, one, lines)
        self._values, self._missing, self._filled = [], [], []

    def _gaps(self, piece: int) -> Mask | None:
        """bool[D, n] where values are missing; None where none is. A column that failed is missing altogether."""
        values = self._values[piece]
        failed = [place for place in range(len(values)) if place not in self._filled[piece]]
        if not failed and not self._missing[piece]:
            return None
        gaps = np.zeros(values.shape, dtype=np.bool_)
        for place, missing in self._missing[piece].items():
            gaps[place] = missing
        values[failed], gaps[failed] = 0.0, True
        return gaps

    def _is_wanted(self, place: Place, slice_values: Sequence[Sequence[str | None]]) -> bool:
        key, _, value = place
        if key == WHOLE:
            return True
        text, wanted = slice_values[key][value], self._plan.slices[key] if self._plan.slices else frozenset()
        return text is not None and (wanted is None or text in wanted)

    def _multiply(self, values: Floats, missing: Mask | None, one: Counted, lines: Sequence[int | None]) -> None:
        order, names = one.segments.order, self._plan.names
        for line, (low, high) in zip(lines, pairwise(one.segments.bounds.tolist()), strict=True):
            if line is None or low == high:
                continue
            rows = slice(low, high) if order is None else order[low:high]
            state = CovarianceState.of(names, values[:, rows], None if missing is None else missing[:, rows])
            before = self._states.get(line)
            self._states[line] = state if before is None else before.merge(state)

    def rows(self, line: int) -> Iterator[tuple[int, bytes]]:
        """What is stored of a line: the number of its row and its bytes."""
        if line in self._states:
            yield COVARIANCE_COLUMN, self._states[line].to_bytes()
