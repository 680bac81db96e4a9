"""Which windows a run must handle: a pure function of the table's time range, the ledger and the as-of timestamp."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from spark_monitor.windowing.maturity import maturity
from spark_monitor.windowing.periods import Granularity
from spark_monitor.windowing.windows import Window, closed_windows, windows_between

NO_LABEL_READ, LABELS_OF_BEFORE = -(1 << 63), 1 - (1 << 63)
"""In the place of the fingerprint of a window that was handled while labels could not be read: what stands of them. No hash of
labels is one of these, so that the window's labels are looked at once they can be read."""


@dataclass(frozen=True, order=True)
class DueWindow:
    """A window and how long its granularity's windows are."""

    granularity: str
    window: Window


@dataclass(frozen=True)
class Handled:
    """What the ledger says of a window: the as-of of the last run that wrote it, and its labels' fingerprint then.

    ``profile_hash`` is that of all runs that wrote it (see ``stages/frames.py``), None where they differ; ``last_hash`` that of
    the last, which wrote the states of labels.
    """

    as_of: datetime
    label_fingerprint: int | None
    profile_hash: str | None = None
    last_hash: str | None = None


@dataclass(frozen=True)
class Schedule:
    """How a monitor cuts time: its granularities, its zone, how long rows and labels may be late."""

    granularities: tuple[Granularity, ...]
    zone: str
    lookback: timedelta
    horizon: timedelta | None

    def closed(self, first: datetime, as_of: datetime) -> list[DueWindow]:
        """Every window that is closed at ``as_of``, from those that hold ``first``, by granularity and time."""
        return [
            DueWindow(granularity.label, window)
            for granularity in self.granularities
            for window in closed_windows(first, as_of, granularity, self.zone)
        ]

    def asked(self, start: datetime, end: datetime, as_of: datetime) -> list[DueWindow]:
        """The windows that lie between two timestamps (those that these cut included) and are closed at ``as_of``."""
        return [
            DueWindow(granularity.label, window)
            for granularity in self.granularities
            for window in windows_between(start, end, granularity, self.zone)
            if window.end <= as_of
        ]


def due_windows(
    closed: Iterable[DueWindow], handled: Collection[DueWindow], *, affected: Collection[DueWindow]
) -> list[DueWindow]:
    """The closed windows that no committed run has handled, and those that were affected since.

    >>> closed = [DueWindow("1 day", Window(datetime(2024, 1, day), datetime(2024, 1, day + 1))) for day in (1, 2, 3)]
    >>> handled = {window: Handled(datetime(2024, 1, 3), None) for window in closed[:2]}
    >>> [due.window.start.day for due in due_windows(closed, handled, affected=closed[1:2])]
    [2, 3]
    """
    return [due for due in closed if due not in handled or due in affected]


def recent_windows(closed: Iterable[DueWindow], *, as_of: datetime, lookback: timedelta) -> list[DueWindow]:
    """The closed windows that end within the lookback: where rows may have come late, if nothing tells where they did.

    >>> closed = [DueWindow("1 day", Window(datetime(2024, 1, day), datetime(2024, 1, day + 1))) for day in (1, 2, 3)]
    >>> [due.window.start.day for due in recent_windows(closed, as_of=datetime(2024, 1, 4), lookback=timedelta(days=2))]
    [2, 3]
    """
    return [due for due in closed if due.window.end > as_of - lookback]


def label_candidates(
    handled: Mapping[DueWindow, Handled],
    due: Iterable[DueWindow],
    *,
    as_of: datetime,
    since: datetime,
    lookback: timedelta,
    horizon: timedelta,
) -> list[DueWindow]:
    """The windows handled before whose labels may have changed since: not due anyway, and not older than labels may be late.

    A window stays a candidate for the lookback after its horizon, so that it is seen to become FINAL.
    """
    # ``since`` is the as-of of the last run: after a long pause, what was a candidate then still is one.
    oldest = min(as_of, since) - horizon - lookback
    again = set(due)
    return sorted(window for window in handled if window not in again and oldest < window.window.end <= as_of)


def relabelled(
    candidates: Iterable[DueWindow],
    handled: Mapping[DueWindow, Handled],
    fingerprints: Mapping[DueWindow, int],
    *,
    as_of: datetime,
    horizon: timedelta,
) -> list[DueWindow]:
    """The candidates whose labels are others than at the last run, or that have become FINAL since."""
    changed = []
    for due in candidates:
        before = handled[due]
        now = fingerprints.get(due, 0)
        statuses = [
            maturity(window_end=due.window.end, horizon=horizon, as_of=timestamp, labelled=int(bool(now)))
            for timestamp in (before.as_of, as_of)
        ]
        if now != (before.label_fingerprint or 0) or statuses[0] != statuses[1]:
            changed.append(due)
    return changed
