"""What apprise knows: Slack, Teams, PagerDuty, Opsgenie, e-mail, webhooks and many more, by the address alone."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from spark_monitor.outputs.alerts.channel import ChannelError, channel_kind
from spark_monitor.outputs.alerts.message import Message

KINDS = {"critical": "failure", "high": "failure", "medium": "warning", "low": "info"}
OVERFLOW = "overflow="
"""What an address says where it wants other than parts."""

_ANSWERED = re.compile(r"error=(\d{3})\b")


@channel_kind("apprise")
class AppriseChannel:
    """An address that apprise knows."""

    def __init__(self, url: str) -> None:
        try:
            with quiet():
                import apprise
        except ImportError:
            raise ChannelError('apprise is not installed. Install it: pip install "spark-monitor[alerts]".') from None
        self._apprise = apprise
        self._service = apprise.Apprise()
        with quiet():
            taken = self._service.add(url)
            for service in self._service if OVERFLOW not in url else ():
                # A message that is longer than a service takes goes in parts; by itself apprise would have it refused.
                service.overflow_mode = apprise.OverflowMode.SPLIT
        if not taken:
            raise ChannelError("its address is none that apprise knows, such as slack://..., mailtos://... or json://host.")

    def send(self, message: Message) -> None:
        """Hand a message over; ChannelError where it was refused or nobody answered."""
        form = self._apprise.NotifyFormat.HTML if message.html else self._apprise.NotifyFormat.TEXT
        attach = [str(picture) for picture in message.pictures] or None
        with quiet(), self._apprise.LogCapture(level=logging.WARNING) as log:
            taken = self._service.notify(
                title=message.title,
                body=message.html or message.body,
                body_format=form,
                notify_type=KINDS.get(message.severity, "info"),
                attach=attach,
            )
            response = _ANSWERED.search(log.getvalue())
        if not taken:
            raise ChannelError(f"it answered {response[1]}." if response else "it did not answer, or refused the message.")


@contextmanager
def quiet() -> Iterator[None]:
    """Apprise's loggers name addresses, so nothing of them reaches the program's log; its old imports warn, and so are hushed."""
    logger = logging.getLogger("apprise")
    before = logger.propagate
    logger.propagate = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.propagate = before
