"""Which windows are due, and whose labels are looked at again, against the plain definition over many pauses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from spark_monitor.windowing.due import (
    LABELS_OF_BEFORE,
    NO_LABEL_READ,
    DueWindow,
    Handled,
    due_windows,
    label_candidates,
    recent_windows,
    relabelled,
)
from spark_monitor.windowing.windows import Window

START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def day(number: int) -> DueWindow:
    return DueWindow("1 day", Window(START + number * DAY, START + (number + 1) * DAY))


def handled_until(last: int, fingerprint: int | None = 1) -> dict[DueWindow, Handled]:
    return {day(number): Handled(START + (last + 1) * DAY, fingerprint) for number in range(last + 1)}


def test_a_window_that_no_run_handled_is_due_however_old_it_is() -> None:
    handled = {day(5): Handled(START + 6 * DAY, None)}
    found = due_windows([day(n) for n in range(8)], handled, affected=())
    assert found == [day(n) for n in range(8) if n != 5]


def test_windows_that_end_within_the_lookback_are_recent() -> None:
    recent = recent_windows([day(n) for n in range(10)], as_of=START + 10 * DAY, lookback=3 * DAY)
    assert recent == [day(7), day(8), day(9)]


@pytest.mark.parametrize("affected", [(), (2,), (0, 9)])
def test_handled_windows_are_due_where_they_were_affected_however_old_they_are(affected: tuple[int, ...]) -> None:
    found = due_windows([day(n) for n in range(11)], handled_until(9), affected=[day(n) for n in affected])
    assert found == [day(n) for n in (*affected, 10)]


@pytest.mark.parametrize("pause", range(0, 40, 3))
def test_after_a_pause_of_any_length_the_labels_that_could_still_come_are_looked_at(pause: int) -> None:
    last, horizon, lookback = 9, 4 * DAY, 3 * DAY
    since = START + (last + 1) * DAY
    found = label_candidates(handled_until(last), [], as_of=since + pause * DAY, since=since, lookback=lookback, horizon=horizon)
    # What was open at the last run is open still, however long nobody looked.
    assert found == [day(n) for n in range(last + 1) if day(n).window.end > since - horizon - lookback]


def test_windows_that_are_due_anyway_or_not_yet_over_are_no_candidates() -> None:
    since = START + 10 * DAY
    options = {"as_of": START + 8 * DAY, "since": since, "lookback": 20 * DAY, "horizon": DAY}
    assert label_candidates(handled_until(9), [day(3)], **options) == [day(n) for n in range(8) if n != 3]


def test_a_window_is_measured_again_when_its_labels_change_or_it_becomes_final() -> None:
    handled = handled_until(3)
    same = {day(n): 1 for n in range(4)}
    options = {"as_of": START + 6 * DAY, "horizon": 3 * DAY}
    # At day 4 none of the labels was final; at day 6 those of the windows that ended by day 3 are.
    assert relabelled(handled, handled, same, **options) == [day(1), day(2)]
    assert relabelled([day(3)], handled, {day(3): 2}, **options) == [day(3)]
    assert relabelled([day(3)], handled, {}, **options) == [day(3)]


def test_no_hash_of_labels_stands_for_labels_that_were_not_read() -> None:
    window, as_of, horizon = day(0), START + 2 * DAY, 30 * DAY
    for stood in (NO_LABEL_READ, LABELS_OF_BEFORE):
        handled = {window: Handled(as_of, stood)}
        for now in ({}, {window: 7}):
            assert relabelled([window], handled, now, as_of=as_of, horizon=horizon) == [window]
    assert relabelled([window], {window: Handled(as_of, None)}, {}, as_of=as_of, horizon=horizon) == []
