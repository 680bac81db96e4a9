"""Many events in few messages: the worst have one each, the others share some, and share the same ones when it is tried again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from spark_monitor.config.people import PeopleConfig
from spark_monitor.insight.rows import IncidentRow
from spark_monitor.outputs.alerts.deliveries import PENDING, Delivery, key_of
from spark_monitor.outputs.alerts.events import Due, severity_rank
from spark_monitor.outputs.alerts.message import VERBS, Message, neutral
from spark_monitor.text.formatting import counted, in_shell, in_words
from spark_monitor.text.masking import mask_secrets

ALONE, TOGETHER = 20, 100
"""Of a run's events for one channel so many have a message each; so many of the others share one."""

LONGEST_LINE = 90


@dataclass(frozen=True)
class Group:
    """Events that one message tells one channel: as they are noted, the worst first."""

    key: str
    channel: str
    members: tuple[Delivery, ...]


def parted(due: Sequence[Due], monitor_id: str, note: Delivery) -> tuple[list[Due], list[Group]]:
    """The events that have a message each, and the groups of the others; ``note`` has what all notes of a run share."""
    of_channel: defaultdict[str, list[Due]] = defaultdict(list)
    for one in due:
        of_channel[one.channel].append(one)
    alone, groups = list[Due](), list[Group]()
    for channel, events in of_channel.items():
        alone += events[:ALONE]
        rest = [one.noted(note, PENDING) for one in events[ALONE:]]
        parts = [rest[first : first + TOGETHER] for first in range(0, len(rest), TOGETHER)]
        groups += [_group(channel, key_of(monitor_id, channel, *(row.delivery_id for row in part)), part) for part in parts]
    return alone, groups


def _group(channel: str, key: str, rows: Iterable[Delivery]) -> Group:
    return Group(key, channel, tuple(replace(row, message_id=key) for row in rows))


def groups_under_way(noted: Iterable[Delivery]) -> list[Group]:
    """What an earlier run put together and, as far as is known, nobody has taken: with the same keys and members."""
    rows_by_message: defaultdict[tuple[str, str], list[Delivery]] = defaultdict(list)
    for row in noted:
        if row.is_under_way and row.message_id is not None:
            rows_by_message[row.message_id, row.channel].append(row)
    return [Group(key, channel, tuple(sorted(rows, key=_urgency))) for (key, channel), rows in sorted(rows_by_message.items())]


def message_of_group(
    group: Group, incidents: Mapping[str, IncidentRow], *, monitor: str, people: PeopleConfig, file: str
) -> Message:
    """The message of several events: a line each, from the incidents as they are now."""
    worst = min((row.severity or "medium" for row in group.members), key=severity_rank)
    counts = [(verb, sum(row.event == event for row in group.members)) for event, verb in VERBS.items()]
    summary = ", ".join(f"{count} {verb}" for verb, count in counts if count)
    title = f"[{worst.upper()}, {counted(len(group.members), 'event')}] {monitor}: {summary}"
    return Message(title, "\n".join(_lines(group, incidents, people, file)), group.key, worst, group.members[0].event)


def _lines(group: Group, incidents: Mapping[str, IncidentRow], people: PeopleConfig, file: str) -> Iterator[str]:
    yield f"Of one run, beside those that have a message each ({ALONE} at most), worst first:"
    yield from (_line(row, incidents.get(row.incident_id), people) for row in group.members)
    yield f"More: spark-monitor explain INCIDENT {in_shell(file)}, or spark-monitor status {in_shell(file)} --all"
    links = (("Report", people.report_url), ("MLflow", people.mlflow_url))
    yield from (f"{name}: {mask_secrets(address)}" for name, address in links if address)
    yield f"Reference: {group.key}"


def _line(row: Delivery, incident: IncidentRow | None, people: PeopleConfig) -> str:
    begins = f"- {(row.severity or 'medium').upper()}, {VERBS.get(row.event, row.event.lower())}: "
    if incident is None:
        return f"{begins}incident {row.incident_id}, which is no longer in the tables"
    what = neutral(incident.title, LONGEST_LINE) if people.spelled else incident.kind
    owner = f"; owner {neutral(incident.owner)}" if incident.owner else ""
    return f"{begins}{what}, since {in_words(incident.opened)}{owner} (incident {row.incident_id})"


def _urgency(row: Delivery) -> tuple[int, str]:
    return severity_rank(row.severity), row.delivery_id
