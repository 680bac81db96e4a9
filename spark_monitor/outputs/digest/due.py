"""The digest that comes by itself: once per period, when a run passes its end; noted like every message."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.insight.facts import Facts
from spark_monitor.insight.tables import Tables
from spark_monitor.outputs.alerts.channels import open_channel
from spark_monitor.outputs.alerts.deliver import Open, Post
from spark_monitor.outputs.alerts.deliveries import DIGEST, SENT, Ledger, deliveries_of, key_of
from spark_monitor.outputs.alerts.message import Message
from spark_monitor.outputs.alerts.picture import picture_of
from spark_monitor.outputs.digest.digest import Digest, digest_html, digest_markdown, digest_of
from spark_monitor.windowing.windows import Window, parse_every, window_of

ABOUT = "digest"
MOST_PICTURES = 3


def last_period(every: str, as_of: datetime, zone: str) -> Window:
    """The last period that was over at a timestamp.

    >>> from datetime import UTC
    >>> last_period("1 week", datetime(2013, 9, 25, tzinfo=UTC), "UTC").text
    '2013-09-16 to 2013-09-23'
    """
    granularity = parse_every(every)
    current = window_of(as_of, granularity, zone)
    return window_of(current.start - timedelta(microseconds=1), granularity, zone)


def send_digest(
    facts: Callable[[], Facts],
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
    """Send the digest of the last period to whoever has not had it; how many took it."""
    people = config.people
    if people.digest is None or not people.digest.to:
        return 0
    period = last_period(people.digest.every, as_of, config.windows.zone)
    deliveries = {row.delivery_id: row for row in deliveries_of(tables, config.monitor, [ABOUT])}
    keys = {to: key_of(config.monitor, DIGEST, period.start.isoformat(), people.digest.every, to) for to in people.digest.to}
    waiting = {to: key for to, key in keys.items() if key not in deliveries or deliveries[key].status != SENT}
    if not waiting:
        return 0
    post = Post(config.monitor, ledger, open_named or (lambda name: open_channel(name, people)), as_of, run_id, preview)
    digest = digest_of([facts()], period.start, period.end)
    with tempfile.TemporaryDirectory() as directory:
        pictures = _pictures(digest, Path(directory)) if people.spelled and preview is None else ()
        for channel, key in waiting.items():
            text, page = digest_markdown(digest), digest_html(digest)
            message = Message(digest.subject, text, key, "low", DIGEST, pictures, html=page)
            attempts = deliveries[key].attempts if key in deliveries else 0
            note = replace(post.blank, delivery_id=key, incident_id=ABOUT, channel=channel, event=DIGEST, severity="low")
            post.send(message, channel, [replace(note, attempts=attempts)])
    return post.sent


def _pictures(digest: Digest, directory: Path) -> tuple[Path, ...]:
    """Pictures of the incidents that a reader meets first: the new ones, then those still open."""
    rows = [row for model in digest.models for row in (*model.opened, *model.still_open)][:MOST_PICTURES]
    drawn = (picture_of(row, directory) for row in rows)
    return tuple(picture for picture in drawn if picture is not None)
