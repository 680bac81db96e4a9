"""Telling people after a run: what is due is sent, and what became of it is noted, so that the next run goes on from there.

At least once: a message is noted after it was taken. A process that dies in between repeats at most the last ``CHUNK`` messages,
with the same keys. A message that a channel took is never sent again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.insight.facts import Facts
from spark_monitor.insight.tables import Tables
from spark_monitor.outputs.alerts.channel import Channel, ChannelError
from spark_monitor.outputs.alerts.channels import open_channel
from spark_monitor.outputs.alerts.deliveries import FAILED, IN_DIGEST, SENT, Delivery, Ledger, known, rows_of
from spark_monitor.outputs.alerts.events import Due, budget_begins, due_events, is_quiet, within_budget
from spark_monitor.outputs.alerts.message import Message, message_of
from spark_monitor.outputs.alerts.picture import picture_of
from spark_monitor.text.wording import counted

FEW, CHUNK = 20, 100
"""So many messages are noted one by one, more in chunks: each note is a commit."""

GIVEN_UP_AFTER = 2
"""Failures in a row after which a channel is left for the next run."""

Say = Callable[[str], None]
Open = Callable[[str], Channel]


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Post:
    """Messages on their way: channels opened once, failures counted, notes gathered to commits.

    ``dry`` prints and sends nothing, and notes nothing.
    """

    monitor_id: str
    ledger: Ledger
    open: Open
    say: Say
    as_of: datetime
    run_id: str
    dry: bool = False
    chunk: int = 1
    clock: Callable[[], datetime] = _now
    noted: list[Delivery] = field(default_factory=list)
    failures: dict[str, int] = field(default_factory=dict)
    channels: dict[str, Channel] = field(default_factory=dict)
    sent: int = 0

    def send(self, message: Message, channel: str, *, incident: str, attempts: int) -> bool:
        """Send one message and note what became of it; whether it was taken."""
        if self.dry:
            self.say(f"would send to {channel}: {message.title}")
            return True
        if self.failures.get(channel, 0) >= GIVEN_UP_AFTER:
            return False
        error = self._attempt(message, channel)
        self.failures[channel] = 0 if error is None else self.failures.get(channel, 0) + 1
        self.sent += error is None
        if error is not None:
            self.say(f"warning: channel {channel}: {error} The next run tries again.")
        self.note(
            Delivery(
                message.key,
                incident,
                channel,
                message.event,
                SENT if error is None else FAILED,
                attempts + 1,
                self.as_of,
                severity=message.severity,
                sent=self.clock() if error is None else None,
                error=error,
                run_id=self.run_id,
            )
        )
        return error is None

    def note(self, delivery: Delivery) -> None:
        """Note one delivery; the commit comes with the chunk."""
        if self.dry:
            return
        self.noted.append(delivery)
        if len(self.noted) >= self.chunk:
            self.flush()

    def flush(self) -> None:
        """Commit what is noted. A ledger that cannot be written loses nothing but the note: the message may come twice."""
        if self.noted:
            self.ledger.record_deliveries(self.monitor_id, rows_of(self.noted))
            self.noted.clear()

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
    facts: Facts,
    config: MonitorConfig,
    tables: Tables,
    ledger: Ledger,
    *,
    as_of: datetime,
    run_id: str,
    say: Say,
    file: str = "MONITOR.yaml",
    dry: bool = False,
    open_named: Open | None = None,
) -> int:
    """Tell every channel what it has not been told of the monitor's incidents; how many messages were taken."""
    people = config.people
    if not (people.channels or people.owners):
        return 0
    incidents = (*facts.open, *facts.resolved)
    budget = config.alerts.budget
    ids = [incident.incident_id for incident in incidents]
    told = known(tables, config.monitor, ids, since=budget_begins(budget, as_of))
    due = due_events(incidents, people, told, config.monitor, as_of)
    awake = [one for one in due if not is_quiet(_quiet(one.channel, config), as_of, config.windows.zone)]
    fitting, beyond = within_budget(awake, told, budget, as_of)
    post = Post(
        config.monitor,
        ledger,
        open_named or (lambda name: open_channel(name, people)),
        say,
        as_of,
        run_id,
        dry=dry,
        chunk=1 if len(fitting) <= FEW else CHUNK,
    )
    _send_all(post, fitting, config, file)
    _left_to_the_digest(post, beyond)
    post.flush()
    if beyond:
        say(f"{counted(len(beyond), 'message')} beyond the budget of {budget}: the digest tells them.")
    return post.sent


def _send_all(post: Post, due: Iterable[Due], config: MonitorConfig, file: str) -> None:
    people = config.people
    about: dict[str, Any] = {"monitor": config.monitor, "people": people, "file": file}
    with tempfile.TemporaryDirectory() as directory:
        for one in due:
            # A picture shows names and numbers, so it is drawn only where messages may spell them.
            picture = picture_of(one.incident, Path(directory)) if people.spelled and not post.dry else None
            pictures = (picture,) if picture is not None else ()
            message = message_of(one.incident, one.event, one.key, pictures=pictures, **about)
            post.send(message, one.channel, incident=one.incident.incident_id, attempts=one.attempts)


def _left_to_the_digest(post: Post, due: Sequence[Due]) -> None:
    for one in due:
        post.note(
            Delivery(
                one.key,
                one.incident.incident_id,
                one.channel,
                one.event,
                IN_DIGEST,
                one.attempts,
                post.as_of,
                severity=one.incident.severity,
                run_id=post.run_id,
            )
        )


def _quiet(channel: str, config: MonitorConfig) -> str | None:
    found = config.people.channels.get(channel)
    return found.quiet if found is not None else None
