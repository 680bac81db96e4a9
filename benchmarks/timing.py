"""Cases timed in turns within one process, so that what disturbs one disturbs the others; printed as ratios."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def timed(
    cases: Mapping[str, Callable[[], object]],
    repeats: int,
    before: Callable[[], object] = lambda: None,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Seconds of every case, ``repeats`` times in turns, after one turn that is not counted.

    ``before`` is called at the beginning of every turn; its time does not count.
    """
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for turn in range(repeats + 1):
        before()
        for name, case in cases.items():
            began = clock()
            case()
            if turn:
                seconds[name].append(clock() - began)
    return seconds


def ratio(times: Mapping[str, list[float]], name: str, of: str) -> str:
    """How many times as long one case takes as another: the median of the turns, and their range."""
    ratios = [one / other for one, other in zip(times[name], times[of], strict=True)]
    return f"{name} / {of}: {statistics.median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f})"


def per_value(times: Mapping[str, list[float]], values: int, cores: int = 1) -> dict[str, float]:
    """The median of each case in nanoseconds a value and core."""
    return {name: 1e9 * cores * statistics.median(seconds) / values for name, seconds in times.items()}


def spread(times: Mapping[str, list[float]], values: int, cores: int = 1) -> dict[str, tuple[float, float]]:
    """The least and the most of each case in nanoseconds a value and core."""
    scale = 1e9 * cores / values
    return {name: (scale * min(seconds), scale * max(seconds)) for name, seconds in times.items()}
