"""A table that is overwritten while a run reads it: the run ends with a sentence, and the next one reads what is there then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from spark_monitor.errors import MonitorError, RunError
from spark_monitor.text.masking import first_line, mask_secrets

SIGNS = (
    *("DELTA_SCHEMA_CHANGE_SINCE_ANALYSIS", "DELTA_FILE_NOT_FOUND", "FAILED_READ_FILE.FILE_NOT_EXIST"),
    *("FAILED_READ_FILE.DBR_FILE_NOT_EXIST", "SparkFileNotFoundException: "),
)
"""Spark's and Delta's names of what only a table that was changed after it was opened can be; the last is Spark 3.5's."""

CHANGES, AFTER_CHANGES = "Changes:", ("This check", "JVM stacktrace:", "\tat ")
"""What stands before the list of changed columns in Delta's message, and what may follow it."""


@contextmanager
def changed_tables_are_sentences() -> Iterator[None]:
    """Errors of a table that was changed after it was opened, in our words; others as they are."""
    try:
        yield
    except MonitorError:
        raise
    except Exception as error:
        change = change_of(error)
        if change is None:
            raise
        again = "No partial write is visible. Run again: the next run reads the table as it is then."
        raise RunError(f"A table was changed while the run read it: {change.rstrip('.')}. {again}") from error


def change_of(error: BaseException) -> str | None:
    """What changed in a table after it was opened; None where the error is another one.

    >>> change_of(RuntimeError("[DELTA_SCHEMA_CHANGE_SINCE_ANALYSIS] It has.\\nChanges:\\nx:\\nLatest: int\\nExisting:  real\\n"))
    'x: Latest: int, Existing: real'
    >>> change_of(RuntimeError("[FAILED_READ_FILE.FILE_NOT_EXIST] Error while reading a.parquet.\\n\\tat x"))
    '[FAILED_READ_FILE.FILE_NOT_EXIST] Error while reading a.parquet.'
    >>> change_of(RuntimeError("Task 0 failed: org.apache.spark.SparkFileNotFoundException: File a.parquet does not exist\\nIt"))
    'File a.parquet does not exist'
    >>> change_of(ValueError("[DIVIDE_BY_ZERO]")) is None
    True
    """
    text = str(error)
    if not any(sign in text for sign in SIGNS):
        return None
    _, _, unnamed = text.partition(SIGNS[-1])
    if unnamed:
        return mask_secrets(unnamed.splitlines()[0].strip())
    _, _, listed = text.partition(CHANGES)
    for end in AFTER_CHANGES:
        listed = listed.partition(end)[0]
    lines = [" ".join(line.split()) for line in listed.splitlines() if line.strip()]
    return mask_secrets(", ".join(lines).replace(":, ", ": ")) or first_line(error)
