"""What people have done about incidents, carried over when they are computed again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from spark_monitor.diagnosis.groups import Slice
from spark_monitor.diagnosis.incident import Incident

OPEN, ACKNOWLEDGED, MUTED, RESOLVED = "OPEN", "ACKNOWLEDGED", "MUTED", "RESOLVED"
STATUSES: Final = (OPEN, ACKNOWLEDGED, MUTED, RESOLVED)


@dataclass(frozen=True)
class Earlier:
    """An incident as the run before left it; times are microseconds since 1970."""

    incident_id: str
    dataset: str | None
    column: str | None
    slice: Slice
    kind: str | None
    opened: int
    last_seen: int
    resolved: int | None = None
    acknowledged_by: str | None = None
    muted_until: int | None = None
    notified_at: int | None = None
    columns: tuple[str, ...] = ()
    """The columns whose checks fail in it, as far as they are stored."""

    detected: int | None = None
    undetected_until: int | None = None

    def is_same_as(self, incident: Incident) -> bool:
        """Whether it is the same problem, although a late row or label moved its beginning: same subject, same time."""
        about = (self.dataset, self.column) == (incident.dataset, incident.column)
        alike = self.column is not None or self.kind == incident.kind
        return about and alike and self.opened < incident.last_seen and incident.opened < self.last_seen


def earlier_of(incident: Incident, earlier: Iterable[Earlier]) -> Earlier | None:
    """The same incident as it was: by its name, else by subject and time."""
    incidents = list(earlier)
    named = next((one for one in incidents if one.incident_id == incident.incident_id), None)
    return named or next((one for one in sorted(incidents, key=lambda one: one.opened) if one.is_same_as(incident)), None)


def status_of(incident: Incident, earlier: Earlier | None, *, as_of: int) -> str:
    """RESOLVED where it is over, MUTED until its time has come, ACKNOWLEDGED by somebody, else OPEN."""
    if incident.resolved is not None:
        return RESOLVED
    if earlier is not None and earlier.muted_until is not None and earlier.muted_until > as_of:
        return MUTED
    return ACKNOWLEDGED if earlier is not None and earlier.acknowledged_by else OPEN


def recomputed_from(changed: int, earlier: Iterable[Earlier]) -> int:
    """The time from which incidents are computed again when windows from ``changed`` on have changed.

    Every incident that reaches into that time is computed from its first window on; those that were over before stay as they are.

    >>> old = Earlier("a", "predictions", "x", (None, None), "drift", 1, 4, resolved=6)
    >>> recomputed_from(5, [old]), recomputed_from(6, [old])
    (1, 6)
    """
    incidents = list(earlier)
    since = changed
    while True:
        reaching = [one.opened for one in incidents if one.resolved is None or one.resolved > since]
        earliest = min([since, *reaching])
        if earliest == since:
            return since
        since = earliest
