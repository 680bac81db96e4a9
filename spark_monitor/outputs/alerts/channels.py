"""Channels: apprise for what it knows (Slack, Teams, PagerDuty, Opsgenie, e-mail, webhooks), plug-ins for the rest.

A plug-in is an entry point of the group ``spark_monitor.channels``: its name is a channel's ``kind``, and it is called with the
address from the environment and returns a ``Channel``.
"""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import entry_points
from typing import Protocol
from urllib.parse import quote

from spark_monitor.config.people import PeopleConfig
from spark_monitor.outputs.alerts.message import Message

PLUGINS = "spark_monitor.channels"
MAIL_VARIABLE = "SPARK_MONITOR_MAIL_URL"
"""The address of the mail server that owners' e-mail goes through, as apprise writes it: mailtos://user:password@host."""

KINDS = {"critical": "failure", "high": "failure", "medium": "warning", "low": "info"}
_ANSWERED = re.compile(r"error=(\d{3})\b")


class ChannelError(Exception):
    """A channel did not take a message; the sentence holds no address."""


class Channel(Protocol):
    """Where a message goes. ``send`` raises where it was not taken; a repetition carries the same key."""

    def send(self, message: Message) -> None: ...


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
            said = _ANSWERED.search(log.getvalue())
        if not taken:
            raise ChannelError(f"it answered {said[1]}." if said else "it did not answer, or refused the message.")


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


def open_channel(name: str, people: PeopleConfig, environment: Mapping[str, str] | None = None) -> Channel:
    """The channel of a name of the monitor's file, or an owner's; ChannelError says what is missing."""
    given = os.environ if environment is None else environment
    owner = people.owners.get(name)
    if name not in people.channels and owner is not None:
        if owner.channel is not None and owner.channel in people.channels:
            return open_channel(owner.channel, people, given)
        return AppriseChannel(_mail_address(name, owner.email, given))
    channel = people.channels[name]
    url = given.get(channel.url_env, "").strip()
    if not url:
        raise ChannelError(f"the environment variable {channel.url_env} is not set. Put the channel's address into it.")
    if channel.kind is not None:
        return _plugin(channel.kind, url)
    return AppriseChannel(url)


def _mail_address(name: str, email: str | None, given: Mapping[str, str]) -> str:
    if not email:
        raise ChannelError(f"owner {name} has neither an e-mail address nor a channel. Give people.owners.{name}.email.")
    url = given.get(MAIL_VARIABLE, "").strip()
    if not url:
        raise ChannelError(f"the environment variable {MAIL_VARIABLE} is not set. Put the mail server's address into it.")
    return f"{url}{'&' if '?' in url else '?'}to={quote(email)}"


def _plugin(kind: str, url: str) -> Channel:
    points = {point.name: point for point in entry_points(group=PLUGINS)}
    if kind not in points:
        known = ", ".join(sorted(points)) or "none is installed"
        raise ChannelError(f'kind "{kind}" is no installed plug-in (entry points of {PLUGINS}: {known}).')
    try:
        channel: Channel = points[kind].load()(url)
    except Exception as error:  # somebody else's code: what it raises may hold the address, so only its kind is said
        raise ChannelError(f"plug-in {kind} could not be opened: {type(error).__name__}.") from None
    return channel
