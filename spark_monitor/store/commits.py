"""Commits that meet another writer: which errors are conflicts, and how often and how patiently a commit is tried again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final, TypeVar

from spark_monitor.errors import RunError
from spark_monitor.text.masking import first_line

ATTEMPTS: Final = 10
FIRST_DELAY_SECONDS: Final = 0.2
LONGEST_DELAY_SECONDS: Final = 10.0

CONFLICTS: Final = (
    "DELTA_CONCURRENT_",
    "DELTA_METADATA_CHANGED",
    "DELTA_PROTOCOL_CHANGED",
    "ConcurrentAppendException",
    "ConcurrentDeleteDeleteException",
    "ConcurrentDeleteReadException",
    "ConcurrentTransactionException",
    "ConcurrentWriteException",
    "ConcurrentModificationException",
    "MetadataChangedException",
    "ProtocolChangedException",
)
"""Texts by which a conflict is known. Classic sessions raise Py4J's error around Java's, Connect its own: both carry these."""

Result = TypeVar("Result")


def is_conflict(error: BaseException) -> bool:
    """Whether an error says that another writer committed first, so that trying again is right.

    >>> is_conflict(RuntimeError("[DELTA_CONCURRENT_APPEND] Transaction conflict detected.")), is_conflict(ValueError("no"))
    (True, False)
    """
    text = str(error)
    return any(mark in text for mark in CONFLICTS)


def delays(attempts: int, chance: random.Random) -> list[float]:
    """Seconds between the attempts: doubling, bounded, and shortened at random so that two writers part.

    >>> [round(seconds, 1) for seconds in delays(4, random.Random(1))]
    [0.1, 0.4, 0.7]
    """
    growing = (min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2**turn) for turn in range(attempts - 1))
    return [seconds * chance.uniform(0.5, 1.0) for seconds in growing]


def commit(
    action: Callable[[], Result],
    *,
    what: str,
    attempts: int = ATTEMPTS,
    sleep: Callable[[float], None] = time.sleep,
    chance: random.Random | None = None,
) -> Result:
    """The action's result; where another writer committed first it is tried again, at most ``attempts`` times in all.

    Every other error passes through unchanged. The action must be safe to repeat: a refused commit has changed nothing.
    """
    for seconds in [*delays(attempts, chance or random.Random()), None]:
        try:
            return action()
        except Exception as error:
            if not is_conflict(error):
                raise
            if seconds is None:
                raise RunError(
                    f"{what}: other writers committed first {attempts} times in a row ({first_line(error)}). "
                    "Nothing of this write is shown. Run again when fewer jobs write to this table at once."
                ) from error
            sleep(seconds)
    raise AssertionError("the last attempt returns or raises")
