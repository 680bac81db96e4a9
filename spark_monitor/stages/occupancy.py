"""Which windows are due, found from the times of the rows: windows with rows, and without where one was to be expected.

Times that were looked at are not read again: after the first run only those of windows that nobody has handled, and those before
the first row that was known.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from spark_monitor.sources.predictions import Predictions, row_times, time_range
from spark_monitor.stages.affected import affected_windows
from spark_monitor.stages.context import Run
from spark_monitor.stages.past_runs import Ledger
from spark_monitor.text.formatting import to_minute
from spark_monitor.windowing.due import DueWindow
from spark_monitor.windowing.occupied import (
    BEGINNING,
    Bunch,
    Occupied,
    Span,
    Strays,
    is_far,
    joined,
    occupied_windows,
    reach_of,
    stretch_of,
    without_strays,
)
from spark_monitor.windowing.periods import parse_timestamp
from spark_monitor.windowing.timestamps import micros
from spark_monitor.windowing.windows import Window, closed_windows, window_of

PREDICTIONS = "predictions"
ENDING = datetime.max.replace(tzinfo=UTC) - timedelta(days=2)


@dataclass(frozen=True)
class Found:
    """The windows that are due, whether the rows of all others are certainly what they were, and what a person should know."""

    due: tuple[DueWindow, ...]
    exact: bool
    note: str = ""


@dataclass(frozen=True)
class Looked:
    """What a look at the times of rows found: a timestamp in the first window, the windows that hold some (those that are not
    over included), the windows to handle for the first time, and what a person should know."""

    first: datetime | None
    present: Sequence[Window]
    new: Sequence[Window]
    note: str


def due_now(run: Run, predictions: Predictions, ledger: Ledger, versions: Mapping[str, str], *, moved: bool) -> Found:
    """The windows that are due; ``moved``: the table, the file or the baseline is another than at the last run."""
    if not moved and ledger.as_of is not None and run.as_of <= ledger.as_of:
        return Found((), exact=True, note=_silence(run, predictions, ledger, []))
    looked = _look(run, predictions, ledger, moved=moved)
    closed = run.schedule.closed(looked.first, run.as_of) if looked.first is not None else []
    affected: Collection[DueWindow] = ()
    exact = True
    if moved:
        before = ledger.source_versions.get(PREDICTIONS) if _follows(run, ledger) else None
        if before is not None:
            # Windows that were asked for may lie before the first row that there is now.
            closed = sorted({*closed, *_handled_and_closed(run, ledger)})
        changes = affected_windows(run, predictions, closed, before=before, after=versions.get(PREDICTIONS))
        affected, exact = changes.windows, changes.exact
    due = _due_of(run, closed, ledger, affected, looked)
    return Found(due, exact, looked.note or _silence(run, predictions, ledger, due))


def all_times(run: Run, predictions: Predictions) -> Sequence[Bunch]:
    """The times of all rows before the as-of timestamp, asked for once in a run."""
    if run.times is None:
        run.times = _times(run, predictions, [(BEGINNING, _until(run))])
    return run.times


def before_all_rows(run: Run, predictions: Predictions) -> str | None:
    """The sentence of a run that pretends to be at a timestamp before the first row; None where there are rows before it."""
    if all_times(run, predictions):
        return None
    table = run.config.predictions.text
    span = time_range(predictions.frame, run.config.predictions.time, run.schedule.zone, ENDING)
    if span is None:
        return f"{table} has no rows with a time yet; no baseline was frozen."
    first, last = (to_minute(moment, run.schedule.zone) for moment in span)
    return f"The rows of {table} begin at {first} and end at {last}; no baseline was frozen. Name a later timestamp with --as-of."


def _look(run: Run, predictions: Predictions, ledger: Ledger, *, moved: bool) -> Looked:
    finest, zone = run.schedule.granularities[0], run.schedule.zone
    first = ledger.firsts.get(finest.label)
    if first is None:
        bunches, strays = without_strays(all_times(run, predictions), finest)
        spans = [(BEGINNING, _until(run))]
        first = bunches[0].first if bunches else None
        new = closed_windows(first, run.as_of, finest, zone) if first is not None else []
    else:
        closed = closed_windows(first, run.as_of, finest, zone)
        handled = {one.window for one in ledger.handled if one.granularity == finest.label}
        since = BEGINNING if moved or ledger.as_of is None else ledger.as_of
        new = [window for window in closed if window.end > since and window not in handled]
        spans = _around(run, new) + ([(BEGINNING, first)] if moved else [])
        bunches, strays = _older(run, predictions, _times(run, predictions, joined(spans)), first)
        if bunches and bunches[0].first < first:
            first = bunches[0].first
            new = sorted({*new, *(each for each in closed_windows(first, run.as_of, finest, zone) if each not in handled)})
    until = _until(run)
    seen = Occupied(occupied_windows(bunches, finest, zone), joined(spans), until, reach_of(finest, run.schedule.lookback))
    new = [window for window in new if window.start < until]
    return Looked(first, seen.windows, _expected(run, predictions, seen, new), "" if strays is None else strays.message)


def _older(run: Run, predictions: Predictions, bunches: Sequence[Bunch], first: datetime) -> tuple[list[Bunch], Strays | None]:
    """The bunches without those few rows that lie far before the first row that was known."""
    finest = run.schedule.granularities[0]
    older = sorted(bunch for bunch in bunches if bunch.first < first)
    ends = [*older, Bunch(first, first, 0)]
    if not any(is_far(one.last, other.first, finest) for one, other in pairwise(ends)):
        return sorted(bunches), None
    kept, strays = without_strays(ends, finest, total=predictions.frame.count())
    return sorted({*kept[:-1], *(bunch for bunch in bunches if bunch.first >= first)}), strays


def _expected(run: Run, predictions: Predictions, seen: Occupied, windows: Sequence[Window]) -> list[Window]:
    """Those of the windows that hold rows or where some were to be expected; where that is not known, more times are read."""
    due = {window: seen.is_due(window) for window in windows}
    unsure = [window for window, is_due in due.items() if is_due is None]
    if unsure:
        spans = joined([*seen.spans, *_around(run, unsure, reach=seen.reach)])
        finest = run.schedule.granularities[0]
        bunches = _times(run, predictions, spans)
        more = Occupied(occupied_windows(bunches, finest, run.schedule.zone), spans, seen.until, seen.reach)
        due |= {window: more.is_due(window) for window in unsure}
    return [window for window, is_due in due.items() if is_due]


def _around(run: Run, windows: Iterable[Window], reach: timedelta = timedelta(0)) -> list[Span]:
    """The times of windows, of those next to them, and of so much more."""
    length = timedelta(hours=2 * run.schedule.granularities[0].nominal_hours)
    until = _until(run)
    return [(window.start - length - reach, min(window.end + length + reach, until)) for window in windows]


def _due_of(
    run: Run, closed: Iterable[DueWindow], ledger: Ledger, affected: Collection[DueWindow], looked: Looked
) -> tuple[DueWindow, ...]:
    """The closed windows that were affected or are new; a coarse one is new where a finer window in it was or is handled."""
    finest = run.schedule.granularities[0].label
    fresh = set(looked.new)
    finer = sorted({*fresh, *looked.present, *(one.window for one in ledger.handled if one.granularity == finest)})
    due = []
    for one in closed:
        if one in ledger.handled:
            wanted = one in affected
        elif one.granularity == finest:
            wanted = one.window in fresh
        else:
            wanted = _meets(one.window, finer)
        due += [one] if wanted else []
    return tuple(due)


def _meets(window: Window, ordered: Sequence[Window]) -> bool:
    """Whether a window meets one of others, which are in order and apart."""
    place = bisect_right(ordered, window.start, key=lambda one: one.end)
    return place < len(ordered) and ordered[place].start < window.end


def _silence(run: Run, predictions: Predictions, ledger: Ledger, due: Sequence[DueWindow]) -> str:
    """A sentence where no row has come for longer than every window of a pause would be a row."""
    finest = run.schedule.granularities[0]
    ends = [one.window.end for one in (*ledger.handled, *due) if one.granularity == finest.label and one.window.end <= run.as_of]
    if not ends or run.as_of - max(ends) <= timedelta(hours=finest.nominal_hours):
        return ""
    extremes = time_range(predictions.frame, run.config.predictions.time, run.schedule.zone, run.as_of)
    if extremes is None:
        return ""
    newest = extremes[1]
    end = window_of(newest, finest, run.schedule.zone).end
    windows = (run.as_of - end) / timedelta(hours=finest.nominal_hours)
    return (
        f"No rows since {to_minute(newest, run.schedule.zone)}, about {windows:,.0f} windows of {finest.label} before the as-of "
        f"timestamp. To look at the last window with rows: --as-of {end:%Y-%m-%dT%H:%M}Z."
    )


def _follows(run: Run, ledger: Ledger) -> bool:
    """Whether this run would make of the same rows what the last one made, and sees all that any run has seen."""
    same = ledger.profile_hash is not None and ledger.profile_hash == run.profile_hash
    return same and ledger.as_of is not None and ledger.last_as_of == ledger.as_of <= run.as_of


def _handled_and_closed(run: Run, ledger: Ledger) -> list[DueWindow]:
    labels = {granularity.label for granularity in run.schedule.granularities}
    return [one for one in ledger.handled if one.granularity in labels and one.window.end <= run.as_of]


def _until(run: Run) -> datetime:
    """What lies at or after it is not seen: the as-of timestamp, or the time at which the monitor ends."""
    limit = run.config.windows.max_time
    return run.as_of if limit is None else min(run.as_of, parse_timestamp(limit))


def _times(run: Run, predictions: Predictions, spans: Sequence[Span]) -> Sequence[Bunch]:
    """When there are rows within the spans and the monitor's own limits."""
    least = run.config.windows.min_time
    lowest = BEGINNING if least is None else parse_timestamp(least)
    clipped = [(max(start, lowest), end) for start, end in spans]
    return row_times(
        predictions.frame,
        run.config.predictions.time,
        run.schedule.zone,
        stretch=stretch_of(run.schedule.granularities[0]),
        spans=[(None if start == BEGINNING else micros(start), micros(end)) for start, end in clipped if start < end],
    )
