"""The work of one task on a request log: rows to tallies by window, endpoint and version, and tallies to one of each.

A tally holds counts, samples of every number, what each host did, clusters, and requests by second. Rows are kept until there are
enough of them for the sketches to be made in bulk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from spark_monitor.kernel.native.library import asked, library
from spark_monitor.kernel.sampled import samples_of
from spark_monitor.kernel.tallies import FIRST_NEVER, TALLY_SCHEMA, Host, Integers, Tally, added_by_second, summed
from spark_monitor.kernel.times import timestamps
from spark_monitor.states.grid import Floats

NUMBERS: Final = ("latency", "cpu", "gpu", "memory")
STRING_COLUMNS: Final = ("endpoint", "version", "host", "cluster")
COLUMNS: Final = ("time", *STRING_COLUMNS, "requests", "failed", "copies", *NUMBERS)
"""What a task expects of every row; ``requests`` is 1 in a log of requests, ``failed`` NULL where the outcome cannot be read,
``copies`` how many further rows had the same id."""

UNLOGGED: Final = "unlogged"
"""The column of a log that holds a sample: how many more requests a row stands for."""

BUCKETS: Final = "buckets"
BUCKET_COLUMNS: Final = ("low", "high", "fell", "took")
"""What rows of a log have besides that tells latencies by a histogram's buckets: how many ``fell`` between two edges (ms), and
how long requests ``took`` together."""

MOST_BUFFERED: Final = 1 << 21
MOST_TALLIES: Final = 20_000
ONE_SECOND: Final = 1_000_000


@dataclass(frozen=True)
class RequestPlan:
    """The segments that windows are cut into, which windows each lies in, and which columns the log has."""

    edges: tuple[int, ...]
    members: tuple[tuple[int, ...], ...]
    has: frozenset[str]
    zone: str = "UTC"
    by_second: bool = True


class RequestTask:
    """Takes batches of rows, gives tallies; memory is bounded by the rows that are kept and the number of tallies."""

    def __init__(self, plan: RequestPlan) -> None:
        self.plan = plan
        self.edges = np.array(plan.edges, dtype=np.int64)
        self.tallies: dict[tuple[int, str | None, str | None], Tally] = {}
        self.waiting: dict[tuple[int, str | None, str | None], dict[str, list[npt.NDArray[np.float64]]]] = {}
        self.buffered = 0
        self._library = library(asked())

    def run(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The tallies of all batches, one row for every window that a segment lies in."""
        for batch in batches:
            if batch.num_rows:
                self._take(batch)
            if self.buffered > MOST_BUFFERED:
                self._sketch()
            if len(self.tallies) > MOST_TALLIES:
                yield self._flush()
        yield self._flush()

    def _flush(self) -> pa.RecordBatch:
        self._sketch()
        rows = [
            tally.row(window, endpoint, version)
            for (segment, endpoint, version), tally in self.tallies.items()
            for window in self.plan.members[segment]
        ]
        self.tallies = {}
        return pa.RecordBatch.from_pylist(rows, schema=TALLY_SCHEMA)

    def _sketch(self) -> None:
        for key, numbers in self.waiting.items():
            tally = self.tallies[key]
            for name, parts in numbers.items():
                samples = samples_of(np.concatenate(parts), self._library)
                tally.samples[name] = tally.samples[name].merge(samples) if name in tally.samples else samples
        self.waiting, self.buffered = {}, 0

    def _take(self, batch: pa.RecordBatch) -> None:
        time = np.asarray(timestamps(batch.column(0), self.plan.zone).fill_null(np.iinfo(np.int64).min))
        segment = np.searchsorted(self.edges, time, side="right") - 1
        inside = (segment >= 0) & (segment < len(self.plan.members))
        if not inside.all():
            batch = batch.filter(pa.array(inside))
            time, segment = time[inside], segment[inside]
        if not time.size:
            return
        codes, names = zip(*(_encoded(batch.column(name)) for name in STRING_COLUMNS), strict=True)
        key = (segment * len(names[0]) + codes[0]) * len(names[1]) + codes[1]
        order = _order(key)
        begins = np.flatnonzero(np.diff(key[order], prepend=-1))
        numbers = {name: _floats(batch.column(name))[order] for name in ("failed", *self._kept())}
        if BUCKETS in self.plan.has:
            numbers |= {name: _floats(batch.column(name))[order] for name in BUCKET_COLUMNS}
        if UNLOGGED in self.plan.has:
            numbers[UNLOGGED] = _floats(batch.column(UNLOGGED))[order]
        numbers |= {name: _rearranged(_floats(batch.column(name)), order) for name in ("requests", "copies")}
        numbers["requests"] = np.nan_to_num(numbers["requests"], copy=False)
        rows = _Rows(time[order], codes[2][order], codes[3][order], names[2], names[3], numbers)
        for low, high in zip(begins.tolist(), [*begins[1:].tolist(), key.size], strict=True):
            first = order[low]
            where = (int(segment[first]), names[0][codes[0][first]], names[1][codes[1][first]])
            self._add(where, rows, slice(low, high))

    def _kept(self) -> tuple[str, ...]:
        of_buckets = {"latency"} if BUCKETS in self.plan.has else set()
        return tuple(name for name in NUMBERS if name in self.plan.has - of_buckets)

    def _add(self, where: tuple[int, str | None, str | None], rows: _Rows, part: slice) -> None:
        tally = self.tallies.setdefault(where, Tally())
        requests, failed = rows.numbers["requests"][part], rows.numbers["failed"][part]
        finite = np.isfinite(failed)
        tally.rows += requests.size
        tally.requests += float(requests.sum())
        tally.failed += float(failed[finite].sum())
        tally.known += float(requests[finite].sum())
        tally.copies += float(np.nansum(rows.numbers["copies"][part]))
        if UNLOGGED in rows.numbers:
            tally.unlogged += float(np.nansum(rows.numbers[UNLOGGED][part]))
        waiting = self.waiting.setdefault(where, {name: [] for name in self._kept()})
        for name in waiting:
            waiting[name].append(rows.numbers[name][part])
        self.buffered += requests.size
        if BUCKETS in self.plan.has:
            tally.add_buckets(_in_buckets(*(rows.numbers[name][part] for name in BUCKET_COLUMNS[:3])))
        if "host" in self.plan.has:
            _count_hosts(tally, rows, part, requests, failed)
        if "cluster" in self.plan.has:
            tally.clusters |= {rows.clusters[code] for code in _occurring(rows.cluster[part]) if rows.clusters[code] is not None}
        if self.plan.by_second:
            second, many = added_by_second(rows.time[part] // ONE_SECOND, requests)
            tally.seconds.append(second)
            tally.per_second.append(many)
            if len(tally.seconds) > 64:
                tally.by_second()


@dataclass(frozen=True)
class _Rows:
    """The rows of a batch in the order of their keys."""

    time: Integers
    host: Integers
    cluster: Integers
    hosts: Sequence[str]
    clusters: Sequence[str]
    numbers: dict[str, npt.NDArray[np.float64]]


def _count_hosts(
    tally: Tally, rows: _Rows, part: slice, requests: npt.NDArray[np.float64], failed: npt.NDArray[np.float64]
) -> None:
    """What each machine did; rows without a host are nobody's."""
    host, size = rows.host[part], len(rows.hosts)
    held = np.bincount(host, minlength=size).astype(np.float64)
    same = requests.min() == requests.max()
    asked = held * requests[0] if same else np.bincount(host, weights=requests, minlength=size)
    failures = np.flatnonzero(failed > 0)
    bad = np.bincount(host[failures], weights=failed[failures], minlength=size)
    first = np.full(size, FIRST_NEVER, np.int64)
    np.minimum.at(first, host[failures], rows.time[part][failures])
    n, total = _latencies(host, rows.numbers["latency"][part], held) if "latency" in rows.numbers else (0 * held, 0 * held)
    middle = 0 * held
    if "fell" in rows.numbers:
        low, high, fell = (np.nan_to_num(rows.numbers[name][part], posinf=np.nan) for name in ("low", "high", "fell"))
        between = fell * np.where(np.isnan(high), low, (low + high) / 2)  # beyond the last edge a value is that edge
        middle = np.bincount(host, weights=between, minlength=size).astype(np.float64)
        n = n + np.bincount(host, weights=fell, minlength=size)
        total = total + np.bincount(host, weights=np.nan_to_num(rows.numbers["took"][part]), minlength=size)
    for code in np.flatnonzero(held).tolist():
        name = rows.hosts[code]
        if name is not None:
            asked_of, bad_of, n_of, total_of, middle_of = (float(one[code]) for one in (asked, bad, n, total, middle))
            tally.hosts.setdefault(name, Host()).add(asked_of, bad_of, n_of, total_of, int(first[code]), middle_of)


def _in_buckets(low: Floats, high: Floats, fell: Floats) -> dict[tuple[float, float], float]:
    """How many values fell between each two edges."""
    kept = np.flatnonzero(fell > 0)
    edges, place = np.unique(np.stack([low[kept], high[kept]]), axis=1, return_inverse=True)
    many = summed(place.reshape(-1), fell[kept])
    return {(float(a), float(b)): float(n) for (a, b), n in zip(edges.T, many, strict=True)}


def _latencies(host: Integers, latency: Floats, held: Floats) -> tuple[Floats, Floats]:
    """How many latencies each machine has, and their sum; one that is negative or no number is left out."""
    if latency.min() >= 0 and latency.max() < np.inf:
        return held, np.bincount(host, weights=latency, minlength=held.size).astype(np.float64)
    kept = np.flatnonzero((latency >= 0) & (latency < np.inf))
    many = np.bincount(host[kept], minlength=held.size).astype(np.float64)
    return many, np.bincount(host[kept], weights=latency[kept], minlength=held.size).astype(np.float64)


def _order(key: Integers) -> Integers:
    """The rows in the order of their keys; numbers of 16 bits are sorted by their digits, several times as fast."""
    small = key.size and int(key.max()) <= np.iinfo(np.uint16).max
    return np.asarray(np.argsort(key.astype(np.uint16) if small else key, kind="stable"), dtype=np.int64)


def _rearranged(values: npt.NDArray[np.float64], order: Integers) -> npt.NDArray[np.float64]:
    """Values in an order; of a log of single requests all are the same."""
    return values.copy() if values.min() == values.max() else values[order]


def _occurring(codes: Integers) -> list[int]:
    """The codes that there are, in order."""
    return [int(code) for code in np.flatnonzero(np.bincount(codes))]


def _encoded(column: pa.Array) -> tuple[Integers, list[Any]]:
    """Codes and the strings that they stand for; NULL has a code of its own."""
    if pa.types.is_dictionary(column.type):
        names = column.dictionary.to_pylist()
        codes = column.indices.cast(pa.int64())
        return np.asarray(codes.fill_null(len(names)) if codes.null_count else codes), [*names, None]
    encoded = pc.dictionary_encode(column, null_encoding="encode")
    return np.asarray(encoded.indices).astype(np.int64), encoded.dictionary.to_pylist()


def _floats(column: pa.Array) -> npt.NDArray[np.float64]:
    """Doubles, NaN where there is none."""
    return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
