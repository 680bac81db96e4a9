"""Tallies of requests by window, endpoint and version: what each machine did, and how tallies add up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from spark_monitor.states.samples import Samples

_SAMPLES = pa.struct(
    [
        ("name", pa.string()),
        *((name, pa.int64()) for name in ("n", "negative", "unread")),
        *((name, pa.float64()) for name in ("mean", "m2")),
        ("sketch", pa.binary()),
    ]
)
_HOST = pa.struct(
    [
        ("name", pa.string()),
        *((name, pa.float64()) for name in ("requests", "failed", "n", "total")),
        *(("first", pa.int64()), ("middle", pa.float64())),
    ]
)
COUNTS: Final = ("requests", "failed", "known", "copies", "rows", "unlogged")
TALLY_SCHEMA: Final = pa.schema(
    [
        ("window", pa.int32()),
        ("endpoint", pa.string()),
        ("version", pa.string()),
        *((name, pa.float64()) for name in COUNTS),
        ("samples", pa.list_(_SAMPLES)),
        ("hosts", pa.list_(_HOST)),
        ("clusters", pa.list_(pa.string())),
        # A day has 86,400 seconds: as bytes, so that no object is made of each.
        ("seconds", pa.binary()),
        ("per_second", pa.binary()),
        ("buckets", pa.list_(pa.struct([(name, pa.float64()) for name in ("low", "high", "n")]))),
    ]
)
TALLY_DDL: Final = (
    "window int, endpoint string, version string, requests double, failed double, known double, copies double, rows double, "
    "unlogged double, "
    "samples array<struct<name string, n bigint, negative bigint, unread bigint, mean double, m2 double, sketch binary>>, "
    "hosts array<struct<name string, requests double, failed double, n double, total double, first bigint, middle double>>, "
    "clusters array<string>, seconds binary, per_second binary, buckets array<struct<low double, high double, n double>>"
)
FIRST_NEVER: Final = np.iinfo(np.int64).max
MOST_EMPTY_SECONDS: Final = 16
"""So many seconds without a row for each row are counted as zeros; where there are more, rows are sorted by second."""


@dataclass
class Host:
    """What one machine did: requests, failures, latencies and their sum, and when it first failed (microseconds).

    ``middle`` is the sum of the middles of a histogram's buckets, for one that has no sum of its own.
    """

    requests: float = 0.0
    failed: float = 0.0
    n: float = 0.0
    total: float = 0.0
    first: int = FIRST_NEVER
    middle: float = 0.0

    def add(self, requests: float, failed: float, n: float, total: float, first: int, middle: float = 0.0) -> None:
        """Count more."""
        self.middle += middle
        self.requests += requests
        self.failed += failed
        self.n += n
        self.total += total
        self.first = min(self.first, first)


@dataclass
class Tally:
    """One window, endpoint and version, or several together."""

    requests: float = 0.0
    failed: float = 0.0
    known: float = 0.0
    copies: float = 0.0
    rows: float = 0.0
    unlogged: float = 0.0
    """Of a log that holds a sample, about how many requests the rows stand for besides themselves."""
    samples: dict[str, Samples] = field(default_factory=dict)
    hosts: dict[str, Host] = field(default_factory=dict)
    clusters: set[str] = field(default_factory=set)
    seconds: list[Integers] = field(default_factory=list)
    per_second: list[npt.NDArray[np.float64]] = field(default_factory=list)
    buckets: dict[tuple[float, float], float] = field(default_factory=dict)
    """How many latencies fell between two edges, where the log tells no more."""

    def by_second(self) -> tuple[Integers, npt.NDArray[np.float64]]:
        """The seconds that had requests, in order, and how many each."""
        if not self.seconds:
            return np.empty(0, np.int64), np.empty(0)
        if len(self.seconds) > 1:
            second, many = added_by_second(np.concatenate(self.seconds), np.concatenate(self.per_second))
            self.seconds, self.per_second = [second], [many]
        return self.seconds[0], self.per_second[0]

    def merge(self, other: Tally) -> None:
        """Add another to this one."""
        for name in COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name, samples in other.samples.items():
            self.samples[name] = self.samples[name].merge(samples) if name in self.samples else samples
        for name, host in other.hosts.items():
            self.hosts.setdefault(name, Host()).add(host.requests, host.failed, host.n, host.total, host.first, host.middle)
        self.clusters |= other.clusters
        self.add_buckets(other.buckets)
        second, many = other.by_second()
        if second.size:
            self.seconds.append(second)
            self.per_second.append(many)
            self.by_second()

    def add_buckets(self, counts: Mapping[tuple[float, float], float]) -> None:
        """Count more latencies between edges."""
        for edges, many in counts.items():
            self.buckets[edges] = self.buckets.get(edges, 0.0) + many

    def row(self, window: int, endpoint: str | None, version: str | None) -> dict[str, Any]:
        """As a row of ``TALLY_SCHEMA``."""
        second, many = self.by_second()
        counts = {name: getattr(self, name) for name in COUNTS}
        return {
            "window": window,
            "endpoint": endpoint,
            "version": version,
            **counts,
            "samples": [{"name": name, **samples.columns()} for name, samples in sorted(self.samples.items())],
            "hosts": [{"name": name, **vars(host)} for name, host in sorted(self.hosts.items())],
            "clusters": sorted(self.clusters),
            "seconds": second.astype("<i8").tobytes(),
            "per_second": many.astype("<f8").tobytes(),
            "buckets": [{"low": low, "high": high, "n": n} for (low, high), n in sorted(self.buckets.items())],
        }

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Tally:
        """Back from a row."""
        counts = {name: row[name] for name in COUNTS}
        tally = cls(**counts, clusters=set(row["clusters"]))
        tally.samples = {one["name"]: Samples.from_columns(one) for one in row["samples"]}
        tally.hosts = {one["name"]: Host(*(one[name] for name in vars(Host()))) for one in row["hosts"]}
        tally.buckets = {(one["low"], one["high"]): one["n"] for one in row["buckets"] or ()}
        if row["seconds"]:
            tally.seconds = [np.frombuffer(row["seconds"], "<i8").astype(np.int64)]
            tally.per_second = [np.frombuffer(row["per_second"], "<f8").astype(np.float64)]
        return tally


def merged_tallies(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[int, str | None, str | None, Tally]]:
    """One tally of each window, endpoint and version, of rows that are sorted by them."""
    now: tuple[int, str | None, str | None] | None = None
    tally = Tally()
    for batch in batches:
        for row in batch.to_pylist():
            key = (row["window"], row["endpoint"], row["version"])
            if now is not None and key != now:
                yield (*now, tally)
                tally = Tally()
            now = key
            tally.merge(Tally.from_row(row))
    if now is not None:
        yield (*now, tally)


Integers = npt.NDArray[np.int64]


def summed(place: Integers, weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.bincount(place, weights=weights).astype(np.float64)


def added_by_second(second: Integers, requests: npt.NDArray[np.float64]) -> tuple[Integers, npt.NDArray[np.float64]]:
    """The seconds with rows, in order, and the requests of each.

    >>> [part.tolist() for part in added_by_second(np.array([7, 5, 7]), np.array([1.0, 1.0, 2.0]))]
    [[5, 7], [1.0, 3.0]]
    """
    first = int(second.min())
    if int(second.max()) - first > MOST_EMPTY_SECONDS * second.size:
        seconds, place = np.unique(second, return_inverse=True)
        return seconds, summed(place, requests)
    place = second - first
    held = np.flatnonzero(np.bincount(place))
    return held + first, summed(place, requests)[held]
