"""The statuses of what is not there, and the windows in which a version was expected and made no predictions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from spark_monitor.errors import RunError
from spark_monitor.windowing.due import DueWindow

EMPTY, MISSING = "EMPTY", "MISSING"
MAX_VERSIONS = 1000


@dataclass(frozen=True)
class EmptyWindow:
    """A window in which a version was expected and made no prediction; ``last_seen`` is when its last window with rows ended."""

    due: DueWindow
    model_version: str | None
    last_seen: datetime | None

    @property
    def message(self) -> str:
        """The sentence for a person."""
        if self.last_seen is None:
            return "No rows in this window."
        return f"No rows in this window; the last window with rows ended {self.last_seen:%Y-%m-%d %H:%M} UTC."


def empty_windows(
    due: Iterable[DueWindow], seen: Mapping[DueWindow, Iterable[str | None]], *, lookback: timedelta, always: Sequence[str] = ()
) -> list[EmptyWindow]:
    """The windows in which a version is missed: one that made predictions within the lookback before, or that always should.

    Where none is known, one row without a version says that the window is empty.

    >>> from spark_monitor.windowing.windows import Window
    >>> days = [DueWindow("1 day", Window(datetime(2024, 1, day), datetime(2024, 1, day + 1))) for day in (1, 2)]
    >>> [(one.due.window.start.day, one.model_version) for one in empty_windows(days, {days[0]: ["7"]}, lookback=timedelta(30))]
    [(2, '7')]
    """
    by_version: dict[tuple[str, str | None], list[DueWindow]] = {}
    for window, versions in seen.items():
        for version in versions:
            by_version.setdefault((window.granularity, version), []).append(window)
    if len({version for _, version in by_version}) > MAX_VERSIONS:
        raise RunError(
            f"predictions.model_version: more than {MAX_VERSIONS} versions within the lookback. "
            "A version is what was trained and deployed; name a column that holds it, or a literal."
        )
    absences: list[EmptyWindow] = []
    for one in due:
        present = set(seen.get(one, ()))
        missed = [
            EmptyWindow(one, version, max(before.window.end for before in earlier))
            for (granularity, version), windows in by_version.items()
            if granularity == one.granularity and version not in present
            for earlier in [[w for w in windows if one.window.start - lookback <= w.window.start < one.window.start]]
            if earlier
        ]
        named = {empty.model_version for empty in missed} | present
        missed += [EmptyWindow(one, version, None) for version in always if version not in named]
        absences += missed or ([] if present else [EmptyWindow(one, None, None)])
    return absences
