"""Options that several commands share, and what their strings mean."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from spark_monitor.errors import ConfigError
from spark_monitor.text.masking import MASK, mask_secrets, remember_secrets
from spark_monitor.windowing.windows import parse_every, parse_timestamp

SPARK_PANEL = "Spark"


def given_path(text: str) -> Path:
    """A path as typed; nothing, as a shell hands on an empty variable, is no path and never this directory."""
    if not text.strip():
        raise typer.BadParameter("found nothing. Give a path; a variable in its place may be empty.")
    return Path(text)


MonitorFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="The monitor's YAML file.", show_default=False, parser=given_path)
]
AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        metavar="T",
        help="The timestamp to use as now, in ISO 8601 (UTC unless an offset is given). Default: now.",
    ),
]
GivenRole = Annotated[
    list[str] | None,
    typer.Option(
        "--role",
        metavar="ROLE=COLUMN",
        help="What a column is, where names do not tell: id, time, model_version, prediction, score, label, label_time, or "
        "label_id (with --labels); "
        "may be given many times.",
    ),
]
Master = Annotated[
    str | None,
    typer.Option("--master", metavar="M", help="A Spark master, such as local[4] or yarn.", rich_help_panel=SPARK_PANEL),
]
Remote = Annotated[
    str | None,
    typer.Option(
        "--remote", metavar="SC_URL", help="A Spark Connect address, such as sc://host:15002.", rich_help_panel=SPARK_PANEL
    ),
]
Conf = Annotated[
    list[str] | None,
    typer.Option(
        "--conf",
        metavar="KEY=VALUE",
        help="A Spark setting; repeatable. spark.api.mode=connect: Spark Connect on this machine.",
        rich_help_panel=SPARK_PANEL,
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on standard output, everything else on standard error.")
]


@dataclass(frozen=True)
class SessionOptions:
    """Which Spark session is wanted."""

    master: str | None = None
    remote: str | None = None
    conf: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, master: str | None, remote: str | None, conf: Iterable[str] | None) -> SessionOptions:
        """The options as typed; ConfigError where they cannot be meant."""
        if master and remote:
            raise ConfigError("--master and --remote: both were given. Give one: a Spark master, or a Spark Connect address.")
        if remote and not _is_connect_address(remote):
            address = mask_secrets(remote)
            raise ConfigError(f'--remote: found "{address}". Allowed: a Spark Connect address, such as sc://host:15002.')
        settings = dict(_setting(text) for text in conf or ())
        remember_secrets(settings)
        return cls(master, remote, settings)


def _is_connect_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme == "sc" and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        return False


def _setting(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not separator or not key.strip():
        shown = f'"{_named(text.strip())}"' if text.strip() else "nothing"
        raise ConfigError(f"--conf: found {shown}. Allowed: KEY=VALUE, such as spark.sql.shuffle.partitions=8.")
    return key.strip(), value.strip()


def _named(text: str) -> str:
    """A setting without =, as far as it is a name of Spark's: what follows may be its value, and secret.

    >>> _named("spark.ui.enabled"), _named("spark.my.password: abc"), _named("abc")
    ('spark.ui.enabled', 'spark.my.password***', '***')
    """
    name = re.match(r"spark(?:\.[A-Za-z_-]\w*)+", text)
    return f"{name[0]}{MASK if name[0] != text else ''}" if name else MASK


def granularity(option: str, text: str) -> str:
    """The length of a period that an option names, as windows have it; a ConfigError says which option was wrong."""
    try:
        return parse_every(text).label
    except ConfigError as error:
        raise ConfigError(f"{option}: {error}") from None


def timestamp(option: str, text: str | None) -> datetime | None:
    """The timestamp that an option names; a ConfigError says which option was wrong."""
    if text is None:
        return None
    try:
        return parse_timestamp(text)
    except ConfigError as error:
        raise ConfigError(f"{option}: {error}") from None


def timestamp_or_now(option: str, text: str | None) -> datetime:
    """The timestamp that an option names, or now: the only place where a command reads the clock."""
    return timestamp(option, text) or datetime.now(UTC)


def period(start: str | None, end: str | None) -> tuple[datetime | None, datetime | None]:
    """The timestamps of ``--from`` and ``--to``: both or neither, in order."""
    first, last = timestamp("--from", start), timestamp("--to", end)
    if (first is None) != (last is None):
        raise ConfigError("--from and --to: only one was given. Give both: the first timestamp, and the first one after.")
    if first is not None and last is not None and first >= last:
        raise ConfigError(f'--from "{start}" and --to "{end}": the first is not before the second. Swap them.')
    return first, last
