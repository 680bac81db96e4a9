"""Commits that meet another writer: which errors are conflicts, and how often and how patiently a commit is tried again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

from tenacity import RetryError, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

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
    *("Failed to commit transaction", "Transaction failed", "Commit failed", "concurrent transaction"),
)
"""Strings by which a conflict is known. Classic sessions raise Py4J's error around Java's, Connect its own: both carry these."""

Result = TypeVar("Result")


def is_conflict(error: BaseException) -> bool:
    """Whether an error says that another writer committed first, so that trying again is right.

    >>> is_conflict(RuntimeError("[DELTA_CONCURRENT_APPEND] Transaction conflict detected.")), is_conflict(ValueError("no"))
    (True, False)
    """
    text = str(error)
    return any(mark in text for mark in CONFLICTS)


def commit(
    action: Callable[[], Result],
    *,
    what: str,
    attempts: int = ATTEMPTS,
    sleep: Callable[[float], None] = time.sleep,
) -> Result:
    """The action's result; where another writer committed first it is tried again, at most ``attempts`` times in all.

    Pauses double and have chance in them, so that two writers part. Every other error passes through unchanged. The action must
    be safe to repeat: a refused commit has changed nothing.
    """
    retrying = Retrying(
        retry=retry_if_exception(is_conflict),
        stop=stop_after_attempt(attempts),
        wait=wait_random_exponential(multiplier=FIRST_DELAY_SECONDS, max=LONGEST_DELAY_SECONDS),
        sleep=sleep,
        reraise=False,
    )
    try:
        return retrying(action)
    except RetryError as refused:
        error = refused.last_attempt.exception()
        raise RunError(
            f"{what}: other writers committed first {attempts} times in a row ({first_line(error or refused)}). "
            "Nothing of this write is shown. Run again when fewer jobs write to this table at once."
        ) from error
