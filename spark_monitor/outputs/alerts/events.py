"""Which events of which incidents are to be sent, to which channels, and what a budget leaves of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from spark_monitor.config.people import PeopleConfig, RouteConfig
from spark_monitor.insight.rows import SEVERITIES, IncidentRow
from spark_monitor.outputs.alerts.deliveries import (
    ESCALATED,
    IN_DIGEST,
    OPENED,
    RESOLVED,
    SENT,
    Delivery,
    key_of,
)

PERIODS = {"day": timedelta(days=1), "week": timedelta(weeks=1), "month": timedelta(days=30)}
LOUD = (OPENED, ESCALATED)
"""Events that count against the budget; that something is resolved follows what was sent before."""


@dataclass(frozen=True)
class Due:
    """One event of one incident for one channel."""

    key: str
    incident: IncidentRow
    event: str
    channel: str
    attempts: int = 0

    def noted(self, note: Delivery, status: str) -> Delivery:
        """What is noted of it; ``note`` has what all notes of a run share."""
        return replace(
            note,
            delivery_id=self.key,
            incident_id=self.incident.incident_id,
            channel=self.channel,
            event=self.event,
            status=status,
            attempts=self.attempts,
            severity=self.incident.severity,
        )


def due_events(
    incidents: Iterable[IncidentRow], people: PeopleConfig, deliveries: Sequence[Delivery], monitor_id: str, as_of: datetime
) -> list[Due]:
    """Every event that a channel has not been sent: worst and oldest first."""
    by_key = {delivery.delivery_id: delivery for delivery in deliveries}
    due = []
    for incident in sorted(incidents, key=urgency):
        for channel in channels_of(incident, people):
            event = _event(incident, monitor_id, channel, by_key, as_of)
            if event is not None:
                key = key_of(monitor_id, incident.incident_id, event, channel)
                before = by_key.get(key)
                due.append(Due(key, incident, event, channel, before.attempts if before else 0))
    return due


def channels_of(incident: IncidentRow, people: PeopleConfig) -> tuple[str, ...]:
    """The channels and owners that routes name for an incident; without routes every channel but those of the digest.

    >>> from datetime import UTC
    >>> people = PeopleConfig.model_validate(
    ...     {"channels": {"oncall": {"url_env": "A"}}, "routes": [{"severity": "critical", "to": "oncall"}]})
    >>> channels_of(IncidentRow("a", "drift", "t", "d", datetime.now(UTC), datetime.now(UTC), severity="critical"), people)
    ('oncall',)
    """
    if not people.routes:
        digests = people.digest.to if people.digest is not None else ()
        return tuple(name for name in people.channels if name not in digests)
    return tuple(dict.fromkeys(route.to for route in people.routes if _fits(route, incident, people)))


def within_budget(
    due: Sequence[Due], deliveries: Sequence[Delivery], budget: str | None, as_of: datetime
) -> tuple[list[Due], list[Due]]:
    """What may be sent, and what the digest alone tells; an event counts once, however many channels it goes to."""
    if budget is None:
        return list(due), []
    count, _, period = budget.split()
    since = as_of - PERIODS[period]
    counts = [row for row in deliveries if row.event in LOUD and (row.is_under_way or (row.status == SENT and row.as_of > since))]
    spent = {(row.incident_id, row.event) for row in counts}
    sent, left = [], []
    for one in due:
        about = (one.incident.incident_id, one.event)
        if one.event not in LOUD or about in spent or len(spent) < int(count):
            spent |= {about} if one.event in LOUD else set()
            sent.append(one)
        else:
            left.append(one)
    return sent, left


def budget_begins(budget: str | None, as_of: datetime) -> datetime:
    """From when on deliveries count against the budget."""
    return as_of - PERIODS[budget.split()[2]] if budget is not None else as_of


def is_quiet(quiet: str | None, as_of: datetime, zone: str) -> bool:
    """Whether a timestamp lies in a channel's quiet hours, which may go over midnight.

    >>> from datetime import UTC
    >>> is_quiet("22:00-07:00", datetime(2024, 1, 1, 23, tzinfo=UTC), "UTC")
    True
    """
    if quiet is None:
        return False
    begin, end = (time.fromisoformat(part) for part in quiet.split("-"))
    now = as_of.astimezone(ZoneInfo(zone)).time()
    return begin <= now < end if begin <= end else now >= begin or now < end


def _fits(route: RouteConfig, incident: IncidentRow, people: PeopleConfig) -> bool:
    owner = people.owners.get(incident.owner or "")
    return (
        (not route.severity or incident.severity in route.severity)
        and (route.owner is None or route.owner == incident.owner)
        and (route.role is None or (owner is not None and owner.role == route.role))
        and (not route.kind or incident.kind in route.kind)
    )


def _event(incident: IncidentRow, monitor_id: str, channel: str, by_key: Mapping[str, Delivery], as_of: datetime) -> str | None:
    """What a channel has not been sent of an incident yet: of one that is acknowledged only its end, of one that is muted nothing
    before its time has come, and nothing of one that was resolved before anybody was notified.
    """

    def delivery_of(event: str) -> Delivery | None:
        delivery = by_key.get(key_of(monitor_id, incident.incident_id, event, channel))
        return delivery if delivery is not None and (delivery.status in (SENT, IN_DIGEST) or delivery.is_under_way) else None

    opened = delivery_of(OPENED)
    if not incident.is_open:
        was_sent = opened is not None and opened.status == SENT
        return RESOLVED if was_sent and delivery_of(RESOLVED) is None and not is_muted(incident, as_of) else None
    if is_silent(incident, as_of):
        return None
    if opened is None:
        return OPENED
    worse = severity_rank(incident.severity) < severity_rank(opened.severity)
    return ESCALATED if worse and delivery_of(ESCALATED) is None else None


def is_silent(incident: IncidentRow, as_of: datetime) -> bool:
    """Whether somebody has taken the incident, or does not want to hear of it for now."""
    return incident.status == "ACKNOWLEDGED" or is_muted(incident, as_of)


def is_muted(incident: IncidentRow, as_of: datetime) -> bool:
    """Whether nobody is to hear of the incident for now; one that is muted without a time stays so."""
    if incident.muted_until is None:
        return incident.status == "MUTED"
    return incident.muted_until > as_of


def severity_rank(severity: str | None) -> int:
    """0 for the worst; one without a severity, or with one of another release, comes last."""
    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)


def urgency(incident: IncidentRow) -> tuple[int, datetime, str]:
    """What is sent first: the worst, then the oldest."""
    return severity_rank(incident.severity), incident.opened, incident.incident_id
