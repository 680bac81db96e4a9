"""What was sent and what became of it: rows of the table `deliveries`, and the keys by which a repetition is known."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Protocol

from spark_monitor.insight.scope import one_of, timestamp_in
from spark_monitor.insight.tables import Tables
from spark_monitor.windowing.timestamps import EPOCH, micros

OPENED, ESCALATED, RESOLVED, DIGEST, ACTION = "OPENED", "ESCALATED", "RESOLVED", "DIGEST", "ACTION"
SENT, FAILED, PENDING, IN_DIGEST = "SENT", "FAILED", "PENDING", "DIGEST"
KEY_DIGITS, MOST_ROWS = 32, 100_000


@dataclass(frozen=True)
class Delivery:
    """What became of one event for one channel, or of one action.

    ``message_id`` is the key of the message that tells it together with others; None: it has a message of its own.
    """

    delivery_id: str
    incident_id: str
    channel: str
    event: str
    status: str
    attempts: int
    as_of: datetime
    severity: str | None = None
    sent: datetime | None = None
    error: str | None = None
    run_id: str | None = None
    message_id: str | None = None

    @property
    def is_under_way(self) -> bool:
        """Whether a message that tells it together with others has been put together and, as far as is known, not been taken."""
        return self.message_id is not None and self.status in (PENDING, FAILED)


class Ledger(Protocol):
    """Where deliveries are noted, and that somebody was notified: the store."""

    def record_deliveries(self, monitor_id: str, rows: Sequence[Mapping[str, Any]]) -> None: ...
    def mark_notified(self, monitor_id: str, incident_ids: Iterable[str], *, at: datetime) -> None: ...


def key_of(*parts: str | None) -> str:
    """The key of a message: the same for the same monitor, incident, event and channel, whoever sends it and how often.

    >>> key_of("flights", "abc", "OPENED", "oncall") == key_of("flights", "abc", "OPENED", "oncall")
    True
    """
    text = "\x1f".join("" if part is None else part for part in parts)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:KEY_DIGITS]


def rows_of(deliveries: Sequence[Delivery]) -> list[dict[str, Any]]:
    """Deliveries as rows of the table."""
    return [asdict(delivery) for delivery in deliveries]


def deliveries_of(tables: Tables, monitor_id: str, incident_ids: Iterable[str]) -> list[Delivery]:
    """What is noted of these incidents."""
    return _asked(tables, monitor_id, one_of(tables, "incident_id", incident_ids))


def standing(tables: Tables, monitor_id: str, *, since: datetime) -> list[Delivery]:
    """What is under way together with other events, and what was sent after a timestamp, for the budget."""
    if not tables.has("deliveries", "message_id"):
        return _asked(tables, monitor_id, f"status = '{SENT}' AND as_of > {micros(since)}")
    under_way = f"message_id IS NOT NULL AND status IN ('{PENDING}', '{FAILED}')"
    return _asked(tables, monitor_id, f"(status = '{SENT}' AND as_of > {micros(since)}) OR ({under_way})")


def _asked(tables: Tables, monitor_id: str, condition: str) -> list[Delivery]:
    if not tables.has("deliveries"):
        return []
    message = "message_id" if tables.has("deliveries", "message_id") else "NULL AS message_id"
    rows = tables.ask(
        f"SELECT delivery_id, incident_id, channel, event, severity, sent, status, attempts, error, as_of, run_id, {message} "
        f"FROM {tables.relation('deliveries')} WHERE monitor_id = {tables.literal(monitor_id)} AND ({condition}) "
        f"ORDER BY as_of DESC, delivery_id LIMIT {MOST_ROWS}"
    )
    return [_delivery(row) for row in rows]


def _delivery(row: Mapping[str, Any]) -> Delivery:
    return Delivery(
        row["delivery_id"],
        row["incident_id"],
        row["channel"],
        row["event"],
        row["status"],
        int(row["attempts"] or 0),
        timestamp_in(row, "as_of") or EPOCH,
        severity=row["severity"],
        sent=timestamp_in(row, "sent"),
        error=row["error"],
        run_id=row["run_id"],
        message_id=row["message_id"],
    )
