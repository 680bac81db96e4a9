"""What a task gathers about whether rows are sound: counters per column, a sum of row hashes, hours, and repeated keys.

Counters and sums are kept for every place (window, version and slice value), hours and repeated keys for whole windows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spark_monitor.kernel.checks import NO_CHECKS, ColumnChecks, number_flags, text_flags
from spark_monitor.kernel.groups import Mask, numbers_of
from spark_monitor.kernel.row_hashes import add_hashes, column_hashes, hash_words, salted
from spark_monitor.kernel.tables import Counted
from spark_monitor.states.counters import COUNTERS, CounterState
from spark_monitor.states.distinct import Hashes
from spark_monitor.states.grid import Integers
from spark_monitor.states.hours import HourState
from spark_monitor.states.repeats import K_REPEATS, RepeatState

COUNTERS_COLUMN, HOURS_COLUMN, REPEATS_COLUMN = -2, -3, -4
"""Rows of a partial that are no column's: below ``REPEATS_COLUMN`` (whole rows) one for each key, then contents."""

Keyed = tuple[int, Hashes, Mask | None]
"""The number of a key's row, the key's hash of every row, and where the key is null."""

COUNTERS_ROW, HOURS_ROW, REPEATS_ROW = ":counters", ":hours", ":repeats"
CONTENTS_ROW = f"{REPEATS_ROW} contents"
K_CONTENTS = 1024
"""Of rows without their ids fewer are sampled: whether a join has doubled them shows in a few."""


@dataclass(frozen=True)
class QualityPlan:
    """What is gathered beside states: ``checks`` of each profiled column, ``extras`` columns that are only hashed and come
    after the profiled ones, and the ``keys`` in which no two rows should agree, each as positions among all of these.

    ``contents`` are the places of what makes a row's content, which leaves out its id.
    """

    checks: tuple[ColumnChecks | None, ...]
    extras: int = 0
    keys: tuple[tuple[int, ...], ...] = ()

    def special_rows(self) -> dict[int, str]:
        """The names under which rows of no column are stored."""
        keys = {REPEATS_COLUMN - 1 - key: f"{REPEATS_ROW} {key}" for key in range(len(self.keys))}
        keys[self.contents_column] = CONTENTS_ROW
        return {COUNTERS_COLUMN: COUNTERS_ROW, HOURS_COLUMN: HOURS_ROW, REPEATS_COLUMN: REPEATS_ROW, **keys}

    @property
    def contents_column(self) -> int:
        """The number of the row about contents: time and every profiled column, without the id."""
        return REPEATS_COLUMN - 1 - len(self.keys)


class QualityRows:
    """Gathers on the lines that a task's table rows have, span by span, column by column."""

    def __init__(self, plan: QualityPlan) -> None:
        self._plan, self._width = plan, len(plan.checks)
        self._of_key = frozenset(position for key in plan.keys for position in key)
        self._counts: dict[int, Integers] = {}
        self._sums = np.zeros((0, 2), dtype=np.uint64)
        self._hours: dict[int, HourState] = {}
        self._repeats: dict[tuple[int, int], RepeatState] = {}
        self._rows: list[Hashes] = []
        self._key_hashes: list[dict[int, tuple[Hashes, Mask | None]]] = []

    @property
    def nbytes(self) -> int:
        """About how many bytes are held."""
        counted = 8 * len(COUNTERS) * self._width * len(self._counts)
        kept = sum(state.nbytes for state in self._hours.values()) + sum(state.nbytes for state in self._repeats.values())
        return counted + kept + self._sums.nbytes

    @property
    def positions(self) -> range:
        """The positions of the columns that are only hashed."""
        return range(self._width, self._width + self._plan.extras)

    def begin(self, sizes: Sequence[int]) -> None:
        """Begin a span whose pieces have so many rows."""
        self._rows = [np.zeros(size, dtype=np.uint64) for size in sizes]
        self._key_hashes = [{} for _ in sizes]

    def add_column(self, position: int, piece: int, values: pa.Array, nulls: Mask | None, counted: Sequence[Counted]) -> None:
        """Add a column's values of a piece's rows."""
        if position in self._of_key:
            hashes = column_hashes(values)
            self._key_hashes[piece][position] = (hashes, nulls)
            if position < self._width:
                self._rows[piece] += salted(hashes, position)
        elif position < self._width:
            add_hashes(self._rows[piece], values, position)
        if position >= self._width:
            return
        for name, flags in self._flags(position, values, nulls).items():
            self._count(position, COUNTERS.index(name), flags, counted)

    def _flags(self, position: int, values: pa.Array, nulls: Mask | None) -> dict[str, Mask]:
        checks = self._plan.checks[position]
        if checks is None:
            return {}
        if pa.types.is_dictionary(values.type):
            codes = np.asarray(pc.fill_null(values.indices, 0).to_numpy(zero_copy_only=False), dtype=np.int64)
            flags_of_rows = {name: flags[codes] for name, flags in text_flags(values.dictionary, checks).items()}
            return flags_of_rows if nulls is None else {name: flags & ~nulls for name, flags in flags_of_rows.items()}
        if checks == NO_CHECKS:
            return {}
        numbers, missing = numbers_of(values)
        return number_flags(numbers, missing, checks)

    def _count(self, position: int, counter: int, flags: Mask, counted: Sequence[Counted]) -> None:
        for one in counted:
            totals = one.segments.totals(one.segments.arranged(flags))
            for place in np.flatnonzero(totals).tolist():
                self._matrix(int(one.lines[place]))[position, counter] += totals[place]

    def _matrix(self, line: int) -> Integers:
        if line not in self._counts:
            self._counts[line] = np.zeros((self._width, len(COUNTERS)), dtype=np.int64)
        return self._counts[line]

    def finish(self, piece: int, times: Integers, counted: Sequence[Counted]) -> None:
        """Add a piece's rows once all of its columns are in; ``counted`` are its whole windows and then its slice keys."""
        hashes = hash_words(self._rows[piece])
        for one in counted:
            arranged = one.segments.arranged(hashes)
            self._grow(int(one.lines.max(initial=-1)) + 1)
            filled = one.segments.sizes > 0
            sums = np.add.reduceat(arranged, one.segments.bounds[:-1][filled]) if arranged.size else arranged
            self._sums[one.lines[filled], 0] += sums
            self._sums[one.lines, 1] += one.segments.sizes.astype(np.uint64)
        contents = hashes + salted(hash_words(times), self._width + self._plan.extras)
        keyed: list[Keyed] = [(REPEATS_COLUMN, self._whole_rows(piece, contents), None)]
        keyed += [(REPEATS_COLUMN - 1 - number, *self._key(piece, key)) for number, key in enumerate(self._plan.keys)]
        keyed.append((self._plan.contents_column, hash_words(contents), None))
        self._add_whole(times, keyed, counted[0])
        self._rows[piece], self._key_hashes[piece] = np.zeros(0, dtype=np.uint64), {}

    def _whole_rows(self, piece: int, contents: Hashes) -> Hashes:
        """Hashes of the rows with their time and id: two rows that agree in these are one written twice."""
        rows = contents.copy()
        for position, (key_hashes, _) in self._key_hashes[piece].items():
            rows += salted(key_hashes, position)
        return hash_words(rows)

    def _key(self, piece: int, key: Sequence[int]) -> tuple[Hashes, Mask | None]:
        """The hash of a key of one or several columns, and where any of them is null."""
        parts = [self._key_hashes[piece][position] for position in key if position in self._key_hashes[piece]]
        if not parts:
            size = self._rows[piece].size
            return np.zeros(size, dtype=np.uint64), np.ones(size, dtype=np.bool_)
        hashes, missing = parts[0]
        for place, (more, absent) in enumerate(parts[1:], start=1):
            hashes = hash_words(hashes + salted(more, place))
            missing = absent if missing is None else missing if absent is None else missing | absent
        return hashes, missing

    def _add_whole(self, times: Integers, keyed: Sequence[Keyed], whole: Counted) -> None:
        segments = whole.segments
        times = segments.arranged(times)
        arranged = [
            (number, segments.arranged(hashes), None if missing is None else segments.arranged(missing))
            for number, hashes, missing in keyed
        ]
        for place, (low, high) in enumerate(pairwise(segments.bounds.tolist())):
            line = int(whole.lines[place])
            self._hours[line] = self._hours.get(line, HourState.empty()).update(times[low:high])
            for number, hashes, missing in arranged:
                present = hashes[low:high] if missing is None else hashes[low:high][~missing[low:high]]
                k = K_CONTENTS if number == self._plan.contents_column else K_REPEATS
                before = self._repeats.get((line, number), RepeatState.empty(k))
                self._repeats[line, number] = before.update(present)

    def _grow(self, lines: int) -> None:
        more = lines - len(self._sums)
        if more > 0:
            self._sums = np.pad(self._sums, ((0, max(more, len(self._sums))), (0, 0)))

    def rows(self, line: int) -> Iterator[tuple[int, bytes]]:
        """What is stored of a line: the numbers of its rows and their bytes."""
        nothing = np.zeros((self._width, len(COUNTERS)), dtype=np.int64)
        checksum, rows = self._sums[line].tolist()
        yield COUNTERS_COLUMN, CounterState(rows, checksum, self._counts.get(line, nothing)).to_bytes()
        if line in self._hours:
            yield HOURS_COLUMN, self._hours[line].to_bytes()
        for number in range(REPEATS_COLUMN, self._plan.contents_column - 1, -1):
            if (line, number) in self._repeats:
                yield number, self._repeats[line, number].to_bytes()
