"""Charges that are for a period: what of them belongs to a span of time, in proportion to it, and which days they hold.

A row is a sum of charges that begin in the quarter of an hour ``at`` and end in the one before ``until``, with what of it falls
in the ``first`` and the ``last`` of these quarters; each charge is spread evenly, so that the sum of those between them is, too.
A row without ``until`` is of charges that belong to the time at which they begin.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

QUARTER: Final = 900_000_000
"""Microseconds: edges of windows and days lie on quarters of an hour, whatever the time zone."""

LONGEST_DAY: Final = 25 * 4 * QUARTER
Row = Mapping[str, Any]


def amount_within(row: Row, start: int, end: int) -> float | None:
    """What of a row's amount belongs to ``[start, end)``; None where the amount cannot be read.

    >>> charge = {"at": 0, "until": 8 * QUARTER, "amount": 8.0, "first": 1.0, "last": 1.0}
    >>> [amount_within(charge, start * QUARTER, end * QUARTER) for start, end in ((0, 8), (0, 2), (2, 4), (7, 9), (8, 9))]
    [8.0, 2.0, 2.0, 1.0, 0.0]
    """
    amount, at, until = row["amount"], row["at"], row.get("until")
    if amount is None or (start <= at and (until is None or until <= end)):
        return None if amount is None else float(amount)
    if until is None:
        return 0.0
    inner = (at + QUARTER, until - QUARTER)
    part = row["first"] if start <= at < end else 0.0
    part += row["last"] if start <= inner[1] < end else 0.0
    overlap = min(inner[1], end) - max(inner[0], start)
    between = amount - row["first"] - row["last"]
    return float(part + (between * overlap / (inner[1] - inner[0]) if overlap > 0 else 0.0))


class Charges:
    """The rows of a bill, found by time: those that belong to one, and those that are spread, by how long they are."""

    def __init__(self, rows: Iterable[Row]) -> None:
        ordered = sorted(rows, key=lambda row: (row["at"], row["service"] or "", row["currency"] or "", row["tag"] or ""))
        self.single = [row for row in ordered if row.get("until") is None]
        self._times = [row["at"] for row in self.single]
        by_length: dict[int, list[Row]] = {}
        for row in ordered:
            if row.get("until") is not None:
                by_length.setdefault((row["until"] - row["at"]).bit_length(), []).append(row)
        self._spread = {1 << bits: (alike, [row["at"] for row in alike]) for bits, alike in by_length.items()}

    def within(self, edges: Sequence[int]) -> list[Row]:
        """The rows of a span of time; those that are spread are cut at these ``edges``, each piece with its ``charge``."""
        start, end = edges[0], edges[-1]
        rows = self.single[bisect_left(self._times, start) : bisect_left(self._times, end)]
        pieces: list[Row] = []
        for longest, (alike, times) in self._spread.items():
            for row in alike[bisect_left(times, start - longest) : bisect_left(times, end)]:
                if row["until"] > start:
                    pieces += _cut(row, edges)
        return sorted([*rows, *pieces], key=lambda row: row["at"]) if pieces else rows


def _cut(row: Row, edges: Sequence[int]) -> Iterator[Row]:
    first, after = bisect_right(edges, row["at"]) - 1, bisect_left(edges, row["until"])
    if first >= 0 and after == first + 1 < len(edges):
        yield row  # as a whole, as an hour's charge in a day
        return
    for start, end in pairwise(edges[max(first, 0) : after + 1]):
        yield {**row, "at": max(row["at"], start), "amount": amount_within(row, start, end), "charge": row}


def counted(rows: Iterable[Row], column: str) -> int:
    """The sum of a count over rows, in which the pieces of one charge are one.

    >>> charge = {"n": 3}
    >>> counted([{"n": 2}, {**charge, "charge": charge}, {**charge, "charge": charge}], "n")
    5
    """
    each = {id(row.get("charge", row)): row for row in rows}
    return sum(row[column] for row in each.values())


def reaches_beyond(row: Row, length: int) -> bool:
    """Whether a row's charges are each for longer than so much time."""
    whole = row.get("charge", row)
    return whole.get("until") is not None and whole["until"] - whole["at"] > length


def of_single_days(rows: Iterable[Row]) -> list[Row]:
    """Without the pieces of charges for longer than a day, which say nothing of whether a day is there."""
    return [row for row in rows if not reaches_beyond(row, LONGEST_DAY)]
