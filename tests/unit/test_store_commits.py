"""Commits that other writers get in the way of."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from spark_monitor.errors import RunError
from spark_monitor.store.commits import ATTEMPTS, FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS, commit
from spark_monitor.text.masking import first_line

CLASSIC = (
    "An error occurred while calling o2697.save.\n: io.delta.exceptions.ConcurrentAppendException: "
    "[DELTA_CONCURRENT_APPEND.WITH_PARTITION_HINT] Transaction conflict detected.\n\tat io.delta.X"
)
CONNECT = "(io.delta.exceptions.ConcurrentDeleteReadException) [DELTA_CONCURRENT_DELETE_READ] Transaction conflict detected."
METADATA = "[DELTA_METADATA_CHANGED] MetadataChangedException: The metadata of the Delta table has been changed."


def failing(times: int, text: str) -> tuple[Callable[[], str], list[int]]:
    """An action that fails so many times and then answers, and the list of its calls."""
    calls: list[int] = []

    def action() -> str:
        calls.append(len(calls))
        if len(calls) <= times:
            raise OSError(text)
        return "written"

    return action, calls


@pytest.mark.parametrize("text", [CLASSIC, CONNECT, METADATA], ids=["classic", "connect", "metadata"])
def test_a_conflict_is_tried_again_until_the_commit_is_made(text: str) -> None:
    slept: list[float] = []
    action, calls = failing(3, text)
    assert commit(action, what="checks", sleep=slept.append) == "written"
    assert len(calls) == 4
    assert len(slept) == 3


def test_conflicts_without_end_become_one_clear_error() -> None:
    action, calls = failing(10**6, CLASSIC)
    with pytest.raises(
        RunError, match=r"checks: other writers committed first 10 times in a row \(io.delta.exceptions.*Run again"
    ):
        commit(action, what="checks", sleep=lambda _: None)
    assert len(calls) == ATTEMPTS


def test_an_error_that_is_no_conflict_passes_at_once_and_unchanged() -> None:
    action, calls = failing(1, "No space left on device")
    with pytest.raises(OSError, match="No space left on device"):
        commit(action, what="checks", sleep=lambda _: pytest.fail("slept"))
    assert len(calls) == 1


def test_pauses_grow_with_chance_in_them_and_are_bounded() -> None:
    pauses: list[list[float]] = []
    for _ in range(50):
        slept: list[float] = []
        action, _calls = failing(10**6, CLASSIC)
        with pytest.raises(RunError):
            commit(action, what="checks", sleep=slept.append)
        pauses.append(slept)
    bounds = [min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2**turn) for turn in range(ATTEMPTS - 1)]
    for turns in zip(*pauses, strict=True):
        assert len(set(turns)) > 1
    for slept in pauses:
        assert all(0 <= pause <= bound for pause, bound in zip(slept, bounds, strict=True))


def test_the_first_line_that_says_something_is_shown() -> None:
    assert first_line(OSError(CLASSIC)).startswith("io.delta.exceptions.ConcurrentAppendException: [DELTA_CONCURRENT_APPEND")
    assert first_line(KeyError()) == "KeyError"
