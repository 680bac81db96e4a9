"""Channels by name: those of the folder `kinds` (apprise unless another is named), and plug-ins.

A plug-in is an entry point of the group ``spark_monitor.channels``: its name is a channel's ``kind``, and it is called with the
address from the environment and returns a ``Channel``.
"""

from __future__ import annotations

import os
import pkgutil
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import lru_cache
from importlib import import_module
from importlib.metadata import entry_points
from urllib.parse import quote

from spark_monitor.config.people import PeopleConfig
from spark_monitor.outputs.alerts import kinds
from spark_monitor.outputs.alerts.channel import OPENERS, Channel, ChannelError, Opener
from spark_monitor.preflight.columns import Finding

PLUGINS = "spark_monitor.channels"
APPRISE = "apprise"
MAIL_VARIABLE = "SPARK_MONITOR_MAIL_URL"
"""The address of the mail server that owners' e-mail goes through, as apprise writes it: mailtos://user:password@host."""


def open_channel(name: str, people: PeopleConfig, environment: Mapping[str, str] | None = None) -> Channel:
    """The channel of a name of the monitor's file, or an owner's; ChannelError says what is missing."""
    variables = os.environ if environment is None else environment
    owner = people.owners.get(name)
    if name not in people.channels and owner is not None:
        if owner.channel is not None and owner.channel in people.channels:
            return open_channel(owner.channel, people, variables)
        return openers()[APPRISE](_mail_address(name, owner.email, variables))
    channel = people.channels[name]
    url = variables.get(channel.url_env, "").strip()
    if not url:
        raise ChannelError(f"the environment variable {channel.url_env} is not set. Put the channel's address into it.")
    return _opened(channel.kind or APPRISE, url)


def _mail_address(name: str, email: str | None, variables: Mapping[str, str]) -> str:
    if not email:
        raise ChannelError(f"owner {name} has neither an e-mail address nor a channel. Give people.owners.{name}.email.")
    url = variables.get(MAIL_VARIABLE, "").strip()
    if not url:
        raise ChannelError(f"the environment variable {MAIL_VARIABLE} is not set. Put the mail server's address into it.")
    return f"{url}{'&' if '?' in url else '?'}to={quote(email)}"


@lru_cache(maxsize=1)
def openers() -> Mapping[str, Opener]:
    """What opens a channel, by its kind: every file of the folder is imported, so that a kind is there as soon as its file is.

    >>> "apprise" in openers()
    True
    """
    for module in pkgutil.iter_modules(kinds.__path__):
        import_module(f"{kinds.__name__}.{module.name}")
    return dict(OPENERS)


def _opened(kind: str, url: str) -> Channel:
    if kind in openers():
        return openers()[kind](url)
    points = {point.name: point for point in entry_points(group=PLUGINS)}
    if kind not in points:
        raise ChannelError(unknown_kind(kind))
    try:
        channel: Channel = points[kind].load()(url)
    except Exception as error:  # somebody else's code: what it raises may hold the address, so only its kind is shown
        raise ChannelError(f"plug-in {kind} could not be opened: {type(error).__name__}.") from None
    return channel


def known_kinds() -> list[str]:
    """The kinds that a channel may be of: those of the folder, and installed plug-ins, which are not loaded."""
    return sorted({*openers(), *entry_points(group=PLUGINS).names})


def unknown_kind(kind: str) -> str:
    """The sentence for a kind that nothing opens."""
    kinds = known_kinds()
    close = get_close_matches(kind.lower(), kinds, n=1)
    hint = f'Did you mean "{close[0]}"?' if close else "Name one of them, or install the package that brings it."
    return f'kind "{kind}" is neither built in nor an installed plug-in of {PLUGINS}. Known: {", ".join(kinds)}. {hint}'


def kind_findings(people: PeopleConfig) -> Iterator[Finding]:
    """Warnings about channels of a kind that is not installed here: their messages would wait for it."""
    kinds = set(known_kinds())
    for name, channel in people.channels.items():
        if channel.kind is not None and channel.kind not in kinds:
            yield Finding(f"people.channels.{name}.kind", unknown_kind(channel.kind), "warning")
