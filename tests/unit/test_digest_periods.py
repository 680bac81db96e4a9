"""A digest tells of its period: what became known in it, and what was open then, whatever has happened since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from example_facts import config, week
from example_facts import results as example_results

from spark_monitor.insight.assemble import assembled
from spark_monitor.insight.earlier import results_at
from spark_monitor.insight.rows import IncidentRow, MeasureRow
from spark_monitor.outputs.digest.digest import Digest, digest_of
from spark_monitor.outputs.digest.due import last_period
from spark_monitor.windowing.windows import Window, parse_every, window_of


def incident(name: str, first: Window, *, resolved: datetime | None = None) -> IncidentRow:
    last = first.end if resolved is None else resolved - timedelta(weeks=1)
    status = "OPEN" if resolved is None else "RESOLVED"
    return IncidentRow(
        name, "drift", name, name, first.start, max(last, first.end), resolved=resolved, status=status, first_end=first.end
    )


def digest_at(moment: datetime, incidents: Sequence[IncidentRow], every: str = "1 week") -> Digest:
    period = last_period(every, moment, "UTC")
    given = replace(example_results(), incidents=list(incidents), open_total=sum(row.is_open for row in incidents))
    return digest_of([assembled(results_at(given, moment), config())], period.start, period.end)


def names(rows: Sequence[IncidentRow]) -> list[str]:
    return sorted(row.title for row in rows)


INCIDENTS = (
    incident("before", week(20)),
    incident("then resolved", week(24), resolved=week(29).end),
    incident("in the period", week(29)),
    incident("resolved since", week(28), resolved=week(33).end),
    incident("over long ago", week(10), resolved=week(12).end),
    incident("later", week(35)),
    incident("later and over", week(34), resolved=week(36).end),
)


def test_a_digest_of_an_earlier_time_is_what_it_would_have_been() -> None:
    digest = digest_at(week(30).start + timedelta(hours=6), INCIDENTS)

    (model,) = digest.models
    assert (digest.start, digest.end) == (week(29).start, week(29).end)
    assert names(model.opened) == ["in the period"]
    assert names(model.resolved) == ["then resolved"]
    assert names(model.still_open) == ["before", "resolved since"]
    assert digest.subject == "flights_delay, 2013-09-23 to 2013-09-30: 1 new incident, 3 open"
    assert {version.window for version in model.facts.versions} == {week(29)}
    assert all(row.window <= week(29) for version in model.facts.versions for row in version.realised)
    assert "as of 2013-09-23 to 2013-09-30" in model.facts.sentence


def found_late(name: str, first: Window, before: datetime, detected: datetime, **times: datetime) -> IncidentRow:
    """An incident that the run of ``detected`` found, and the one before it, of ``before``, did not."""
    return replace(incident(name, first, **times), detected=detected, undetected_until=before)


def test_what_was_found_since_the_last_digest_is_new_however_long_ago_it_began() -> None:
    monday = week(30).start  # the digest of week 29 is made by a run at six
    six, day = timedelta(hours=6), timedelta(days=1)
    rows = [
        found_late("by late labels", week(20), monday - 3 * day, monday - 2 * day),
        found_late("by the run that makes the digest", week(20), monday - day + six, monday + six),
        found_late("and over already", week(20), monday - 3 * day, monday - 2 * day, resolved=week(22).end),
        found_late("by the run before, told last week", week(20), monday - 8 * day + six, monday - 7 * day + six),
        found_late("at once", week(29), monday - day + six, monday + six),
        found_late("later", week(20), monday + six, monday + day + six),
    ]

    (model,) = digest_at(monday + six, rows).models

    assert names(model.opened) == ["at once", "by late labels", "by the run that makes the digest"]
    assert names(model.still_open) == ["by the run before, told last week"]
    (after,) = digest_at(monday + six + timedelta(weeks=1), rows).models
    assert names(after.opened) == ["later"]


@pytest.mark.parametrize("hours", [1, 24, 24 * 7])
def test_every_incident_that_runs_find_is_new_in_the_one_digest_that_could_first_tell_of_it(hours: int) -> None:
    runs = [week(20).start + timedelta(hours=6 + hours * number) for number in range(24 * 7 * 8 // hours)]
    for found in range(1, len(runs), max(1, len(runs) // 40)):
        row = found_late("one", week(10), runs[found - 1], runs[found])
        periods = range(21, 30)
        sent = {number: next((run for run in runs if run >= week(number).start), None) for number in periods}
        told = [number for number, at in sent.items() if at is not None and digest_at(at, [row]).models[0].opened]
        # The digest that ends at the beginning of a week is sent by the first run from then on: it can tell what that run found.
        assert told == [number for number, at in sent.items() if at is not None and at >= runs[found]][:1]


def test_a_digest_of_now_is_made_of_all_that_is_known() -> None:
    given = replace(example_results(), incidents=list(INCIDENTS[:3]), open_total=2)
    assert results_at(given, datetime(2100, 1, 1, tzinfo=UTC)) is given


def test_numbers_of_the_bill_are_those_of_windows_that_had_ended() -> None:
    month = timedelta(days=30)
    rows = [MeasureRow(None, week(number), "costs", "cost", "cost", float(number)) for number in range(28, 40)]
    rows.append(MeasureRow(None, Window(week(29).end - month, week(29).end), "costs", "cost", "cost", 500.0))

    earlier = results_at(replace(example_results(), measured_series=rows, measures=rows[-2:]), week(30).start)

    assert sorted(row.value or 0.0 for row in earlier.measures) == [29.0, 500.0]


@pytest.mark.parametrize("every", ["1 day", "1 week", "1 month", "1 quarter"])
def test_every_incident_is_new_in_exactly_one_digest_and_none_before_its_window_has_ended(every: str) -> None:
    window = window_of(datetime(2013, 9, 10, tzinfo=UTC), parse_every(every), "UTC")
    rows = (incident("it", window),)

    told = [
        (monday, digest.models[0].opened)
        for monday in (week(number).start for number in range(20, 45))
        if (digest := digest_at(monday + timedelta(hours=6), rows)).models[0].opened
    ]

    assert len(told) == 1
    assert told[0][0] - timedelta(weeks=1) < window.end <= told[0][0]
