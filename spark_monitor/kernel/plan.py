"""What is profiled: columns, windows as segments of time, slices, and the names that a task's numbers stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from spark_monitor.kernel.covariances import COVARIANCE_COLUMN, COVARIANCE_ROW, CovariancePlan
from spark_monitor.kernel.native.library import asked
from spark_monitor.kernel.quality_rows import QualityPlan
from spark_monitor.kernel.spans import SPAN_ROWS
from spark_monitor.states.categorical import Categories
from spark_monitor.states.frequent import CAPACITY
from spark_monitor.states.grid import Grid
from spark_monitor.states.sketch import K

BYTE_BUDGET = 512 << 20

PACKED_FROM = 100
"""With so many windows they are packed. The columns of one window and version are then merged by one task."""


@dataclass(frozen=True)
class KernelColumn:
    """What a task must know of a column: a grid for numbers, categories for strings, neither where only nulls are counted."""

    name: str
    grid: Grid | None = None
    categories: Categories | None = None

    @property
    def frame_id(self) -> str | None:
        """What its states are counted on: the grid's id, or the categories'."""
        if self.grid is not None:
            return self.grid.grid_id
        return self.categories.categories_id if self.categories is not None else None


@dataclass(frozen=True)
class KernelPlan:
    """What a task must know: columns, the timestamps that bound segments, the windows of each segment, and the slices.

    ``edges`` are increasing microseconds; segment i is [edges[i], edges[i+1]); ``windows[i]`` are the numbers of the windows that
    segment i belongs to (one per granularity, none where no window is due).
    """

    columns: tuple[KernelColumn, ...]
    edges: tuple[int, ...]
    windows: tuple[tuple[int, ...], ...]
    slice_keys: int = 0
    slice_values: tuple[frozenset[str] | None, ...] = ()
    k: int = K
    frequent_capacity: int = CAPACITY
    byte_budget: int = BYTE_BUDGET
    quality: QualityPlan | None = None
    kernel: str = field(default_factory=asked)
    """Which kernel does the work: what the environment of the process that plans asks for."""
    covariance: CovariancePlan | None = None
    is_packed: bool | None = None
    """Whether the small states of a window travel as one row, see ``packs``; None for what the number of windows says."""

    def __post_init__(self) -> None:
        """Decide whether windows are packed, once: what is derived from this plan has to know it without the windows."""
        if self.is_packed is None:
            many = len({window for members in self.windows for window in members}) >= PACKED_FROM
            object.__setattr__(self, "is_packed", many)

    def special_rows(self) -> dict[int, str]:
        """The names under which rows of no column are stored, by their numbers."""
        of_covariance = {COVARIANCE_COLUMN: COVARIANCE_ROW} if self.covariance is not None else {}
        return {**(self.quality.special_rows() if self.quality is not None else {}), **of_covariance}

    @property
    def span_rows(self) -> int:
        """How many rows are taken at once, few enough that the columns whose products are summed can be held together."""
        return SPAN_ROWS if self.covariance is None else min(self.covariance.held_rows, SPAN_ROWS)


MOST_SPANS = 64
"""A read is limited to at most so many spans of time: each is a condition that every file's statistics are held against."""

PARTIAL_DDL = (
    "window int, model_version string, slice_key int, slice_value string, column int, part int, sequence int, "
    "state binary, sketch binary, error string"
)


@dataclass(frozen=True)
class WindowKey:
    """One window of one granularity, in microseconds since 1970."""

    granularity: str
    start: int
    end: int


@dataclass(frozen=True)
class ProfilePlan:
    """What is profiled: the kernel's plan, and the names that its numbers stand for."""

    kernel: KernelPlan
    windows: tuple[WindowKey, ...]
    slice_keys: tuple[str, ...]
    data_types: tuple[str, ...]
    zone: str = "UTC"


def plan_segments(
    windows: Sequence[WindowKey], stored: Mapping[int, Sequence[WindowKey]] | None = None
) -> tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]:
    """The timestamps that bound segments, and the windows that each segment lies in, whatever the granularities.

    ``stored`` are the parts of windows (by number) whose states are there already: their rows are not wanted for that window.

    >>> days = [WindowKey("1 day", 0, 2), WindowKey("1 day", 2, 4)]
    >>> plan_segments([*days, WindowKey("1 week", 0, 7)])
    ((0, 2, 4, 7), ((0, 2), (1, 2), (2,)))
    >>> plan_segments([WindowKey("1 week", 0, 7)], {0: days})
    ((0, 4, 7), ((), (0,)))
    """
    parts = stored or {}
    every = [*windows, *(part for several in parts.values() for part in several)]
    edges = sorted({timestamp for window in every for timestamp in (window.start, window.end)})
    position = {timestamp: index for index, timestamp in enumerate(edges)}
    members: list[list[int]] = [[] for _ in edges[1:]]
    for number, window in enumerate(windows):
        covered = {segment for part in parts.get(number, ()) for segment in range(position[part.start], position[part.end])}
        for segment in range(position[window.start], position[window.end]):
            if segment not in covered:
                members[segment].append(number)
    # An edge between two segments of the same windows, as between two stored parts, bounds nothing.
    kept = [index for index in range(len(members)) if not index or members[index] != members[index - 1]]
    return (*(edges[index] for index in kept), edges[-1]), tuple(tuple(members[index]) for index in kept)


def wanted_spans(edges: Sequence[int], members: Sequence[Sequence[int]], most: int = MOST_SPANS) -> list[tuple[int, int]]:
    """The spans of time that hold every wanted row, adjacent ones joined; of more than ``most`` the nearest are joined too.

    >>> wanted_spans((0, 2, 4, 7, 9), ((), (0,), (0, 1), ())), wanted_spans((0, 1, 5, 6), ((0,), (), (0,)), most=1)
    ([(2, 7)], [(0, 6)])
    """
    spans: list[tuple[int, int]] = []
    for start, end, windows in zip(edges[:-1], edges[1:], members, strict=True):
        if windows and spans and spans[-1][1] == start:
            spans[-1] = (spans[-1][0], end)
        elif windows:
            spans.append((start, end))
    gaps = sorted(range(1, len(spans)), key=lambda index: (spans[index - 1][1] - spans[index][0], index))
    begins = [0, *sorted(gaps[: most - 1])] if spans else []
    return [(spans[low][0], spans[high - 1][1]) for low, high in pairwise([*begins, len(spans)])]
