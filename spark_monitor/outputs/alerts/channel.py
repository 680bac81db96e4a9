"""What a channel is, and how a file of `kinds` says that it has one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from spark_monitor.errors import MonitorError
from spark_monitor.outputs.alerts.message import Message


class ChannelError(Exception):
    """A channel did not take a message; the sentence holds no address."""


class Channel(Protocol):
    """Where a message goes. ``send`` raises where it was not taken; a repetition carries the same key."""

    def send(self, message: Message) -> None: ...


Opener = Callable[[str], Channel]
Opened = TypeVar("Opened", bound=Opener)

OPENERS: dict[str, Opener] = {}
"""What opens a channel of a kind, called with its address; `channels` imports the files that fill it."""


def channel_kind(kind: str) -> Callable[[Opened], Opened]:
    """A class, or a function that returns a channel, which opens channels of this kind."""

    def decorate(opener: Opened) -> Opened:
        there = OPENERS.setdefault(kind, opener)
        if there.__module__ != opener.__module__:
            raise MonitorError(
                f"channel {kind}: defined in {there.__module__} and again in {opener.__module__}. Rename one of them."
            )
        return opener

    return decorate
