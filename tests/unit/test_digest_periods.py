"""A digest tells of its period: what became known in it, and what was open then, whatever has happened since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from example_facts import answers as example_answers
from example_facts import config, week

from spark_monitor.insight.assemble import assembled
from spark_monitor.insight.earlier import known_at
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
    given = replace(example_answers(), incidents=list(incidents), open_total=sum(row.is_open for row in incidents))
    return digest_of([assembled(known_at(given, moment), config())], period.start, period.end)


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


def test_a_digest_of_now_is_made_of_all_that_is_known() -> None:
    given = replace(example_answers(), incidents=list(INCIDENTS[:3]), open_total=2)
    assert known_at(given, datetime(2100, 1, 1, tzinfo=UTC)) is given


def test_numbers_of_the_bill_are_those_of_windows_that_had_ended() -> None:
    month = timedelta(days=30)
    rows = [MeasureRow(None, week(number), "costs", "cost", "cost", float(number)) for number in range(28, 40)]
    rows.append(MeasureRow(None, Window(week(29).end - month, week(29).end), "costs", "cost", "cost", 500.0))

    earlier = known_at(replace(example_answers(), measured_series=rows, measures=rows[-2:]), week(30).start)

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
