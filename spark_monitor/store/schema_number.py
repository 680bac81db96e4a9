"""The number in a property of the ledger that says which release made the tables; what is newer is refused, by readers too."""

from __future__ import annotations

from typing import Final

from spark_monitor.errors import RunError
from spark_monitor.text.formatting import harmless

PROPERTY: Final = "spark_monitor.schemaVersion"
CURRENT: Final = 4
LONGEST: Final = 9
"""Digits of a number; what is longer is none of ours, and Python reads no integer of thousands of digits."""


def schema_number(text: str | None, place: str) -> int | None:
    """The number of a property's value; None where there is none yet. RunError where it is no number of a version.

    >>> schema_number("3", "/srv/results"), schema_number(None, "/srv/results")
    (3, None)
    """
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= LONGEST and int(text) >= 1):
        shown = repr(harmless(text, 80))
        raise RunError(f"{place}: found {PROPERTY} = {shown} on the table runs, expected an integer from 1 on.")
    return int(text)


def refuse_newer(version: int | None, place: str) -> None:
    """RunError where a newer release made the tables.

    >>> refuse_newer(1, "/srv/results")
    """
    if version is not None and version > CURRENT:
        raise RunError(
            f"{place}: the tables are of schema version {version}, this release knows versions up to {CURRENT}. "
            "Install the release that wrote them, or name another place in `outputs`."
        )
