"""Telling people after a run: what is due is sent, and what became of it is noted, so that the next run goes on from there.

At least once: a message is noted, in a commit of its own, when it was taken. A process that dies in between repeats that one
message, with the same key. A message that was noted as sent is never sent again. Many events share messages (`together`), and
what they share is noted before it is sent, so that it is the same message when it is repeated.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.insight.judgement_queries import incidents_named, with_series
from spark_monitor.insight.local_times import in_zone
from spark_monitor.insight.rows import IncidentRow
from spark_monitor.insight.tables import Tables
from spark_monitor.outputs.alerts.channel import Channel, ChannelError
from spark_monitor.outputs.alerts.channels import open_channel
from spark_monitor.outputs.alerts.deliveries import FAILED, IN_DIGEST, SENT, Delivery, Ledger, deliveries_of, rows_of, standing
from spark_monitor.outputs.alerts.events import Due, budget_begins, due_events, is_quiet, urgency, within_budget
from spark_monitor.outputs.alerts.message import Message, message_of
from spark_monitor.outputs.alerts.picture import picture_of
from spark_monitor.outputs.alerts.together import Group, groups_under_way, message_of_group, parted
from spark_monitor.text.formatting import counted
from spark_monitor.text.logs import log_of

log = log_of(__name__)

A_COMMIT, A_RUN = 5_000, 20_000
"""Notes that one commit writes, and new events that one run tells: the rest is due in the next."""

GIVEN_UP_AFTER = 2
"""Failures in a row after which a channel is left for the next run."""

Open = Callable[[str], Channel]


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Post:
    """Messages on their way: channels opened once, failures counted, and every outcome noted in a commit of its own.

    With a ``preview`` nothing is sent or noted: what would be sent is added to it.
    """

    monitor_id: str
    ledger: Ledger
    open: Open
    as_of: datetime
    run_id: str
    preview: list[str] | None = None
    clock: Callable[[], datetime] = _now
    failures: dict[str, int] = field(default_factory=dict)
    channels: dict[str, Channel] = field(default_factory=dict)
    notified: set[str] = field(default_factory=set)
    sent: int = 0

    @property
    def blank(self) -> Delivery:
        """What all notes of this run share."""
        return Delivery("", "", "", "", "", 0, self.as_of, run_id=self.run_id)

    def send(self, message: Message, channel: str, about: Sequence[Delivery]) -> bool:
        """Send one message and note what became of all that it tells; whether it was taken."""
        if self.preview is not None:
            self.preview.append(f"would send to {channel}: {message.title}")
            return True
        if self.failures.get(channel, 0) >= GIVEN_UP_AFTER:
            return False
        error = self._attempt(message, channel)
        taken = error is None
        self.failures[channel] = 0 if taken else self.failures.get(channel, 0) + 1
        if not taken:
            log.warning(f"channel {channel}: {error} The next run tries again.")
        outcome = {"status": SENT if taken else FAILED, "sent": self.clock() if taken else None, "error": error}
        noted: dict[str, Any] = {**outcome, "as_of": self.as_of, "run_id": self.run_id}
        self.note([replace(one, attempts=one.attempts + 1, **noted) for one in about])
        if taken:
            self.sent += 1
            self.notified |= {one.incident_id for one in about}
        return taken

    def note(self, deliveries: Sequence[Delivery]) -> None:
        """Commit notes: one that cannot be written raises, so that nothing more is sent which might come twice."""
        if self.preview is not None:
            return
        for first in range(0, len(deliveries), A_COMMIT):
            self.ledger.record_deliveries(self.monitor_id, rows_of(deliveries[first : first + A_COMMIT]))

    def _attempt(self, message: Message, name: str) -> str | None:
        try:
            if name not in self.channels:
                self.channels[name] = self.open(name)
            self.channels[name].send(message)
        except ChannelError as error:
            return str(error)
        except Exception as error:  # somebody else's code and network: the address may be in its words, so they are not kept
            return f"{type(error).__name__}."
        return None


def deliver(
    pages: Iterable[Sequence[IncidentRow]],
    config: MonitorConfig,
    tables: Tables,
    ledger: Ledger,
    *,
    as_of: datetime,
    run_id: str,
    file: str = "MONITOR.yaml",
    preview: list[str] | None = None,
    open_named: Open | None = None,
) -> int:
    """Send every channel what it has not been sent of the monitor's incidents; how many messages were taken."""
    people, budget = config.people, config.alerts.budget
    if not (people.channels or people.owners):
        return 0
    post = Post(config.monitor, ledger, open_named or (lambda name: open_channel(name, people)), as_of, run_id, preview)
    noted = [
        row
        for row in standing(tables, config.monitor, since=budget_begins(budget, as_of))
        # What was put together for a channel that the file no longer has is nobody's any more.
        if row.channel in people.channels or row.channel in people.owners
    ]
    begun = [group for group in groups_under_way(noted) if not _is_quiet(group.channel, config, as_of)]
    due, unmarked = _due(pages, config, tables, as_of)
    fitting, beyond = within_budget(due, noted, budget, as_of)
    alone, groups = parted(fitting, config.monitor, post.blank)
    # Before anything is sent: what shares a message now shares it for good, and what is left to the digest is left to it.
    left = [one.noted(post.blank, IN_DIGEST) for one in beyond]
    post.note([*left, *(row for group in groups for row in group.members)])
    _send_alone(post, alone, config, file, tables)
    _send_groups(post, begun, config, file, _named(tables, config, begun))
    _send_groups(post, groups, config, file, {one.incident.incident_id: one.incident for one in fitting})
    if beyond:
        sentence = f"{counted(len(beyond), 'message')} beyond the budget of {budget}: the digest lists them."
        log.info(sentence) if preview is None else preview.append(sentence)
    if post.notified and preview is None:
        ledger.mark_notified(config.monitor, post.notified | unmarked, at=post.clock())
    return post.sent


def _due(
    pages: Iterable[Sequence[IncidentRow]], config: MonitorConfig, tables: Tables, as_of: datetime
) -> tuple[list[Due], set[str]]:
    """The events that may be sent now, and incidents that people know of without its being written beside them."""
    due, unmarked = list[Due](), set[str]()
    for page in (in_zone(list(page), config.windows.zone) for page in pages):
        deliveries = deliveries_of(tables, config.monitor, [incident.incident_id for incident in page])
        events = due_events(page, config.people, deliveries, config.monitor, as_of)
        due += [one for one in events if not _is_quiet(one.channel, config, as_of)]
        sent = {row.incident_id for row in deliveries if row.status == SENT}
        unmarked |= {one.incident_id for one in page if one.notified_at is None and one.incident_id in sent}
        if len(due) >= A_RUN:
            break
    return sorted(due, key=lambda one: urgency(one.incident))[:A_RUN], unmarked


def _send_alone(post: Post, due: Sequence[Due], config: MonitorConfig, file: str, tables: Tables) -> None:
    people = config.people
    rows = {one.incident.incident_id: one.incident for one in due}
    if people.spelled and post.preview is None:
        rows = {row.incident_id: row for row in with_series(tables, config.monitor, list(rows.values()))}
    about: dict[str, Any] = {"monitor": config.monitor, "people": people, "file": file}
    with tempfile.TemporaryDirectory() as directory:
        for one in due:
            incident = rows[one.incident.incident_id]
            # A picture shows names and numbers, so it is drawn only where messages may spell them.
            picture = picture_of(incident, Path(directory)) if people.spelled and post.preview is None else None
            pictures = (picture,) if picture is not None else ()
            message = message_of(incident, one.event, one.key, pictures=pictures, **about)
            post.send(message, one.channel, [one.noted(post.blank, SENT)])


def _send_groups(
    post: Post, groups: Sequence[Group], config: MonitorConfig, file: str, incidents: Mapping[str, IncidentRow]
) -> None:
    for group in groups:
        message = message_of_group(group, incidents, monitor=config.monitor, people=config.people, file=file)
        post.send(message, group.channel, group.members)


def _named(tables: Tables, config: MonitorConfig, groups: Sequence[Group]) -> dict[str, IncidentRow]:
    ids = {row.incident_id for group in groups for row in group.members}
    rows = in_zone(incidents_named(tables, config.monitor, ids), config.windows.zone) if ids else []
    return {row.incident_id: row for row in rows}


def _is_quiet(channel: str, config: MonitorConfig, as_of: datetime) -> bool:
    settings = config.people.channels.get(channel)
    return is_quiet(settings.quiet if settings is not None else None, as_of, config.windows.zone)
