"""Who holds a monitor, and whether that process lives."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from time import sleep

import pytest

from spark_monitor.errors import RunError
from spark_monitor.store.lease import (
    DIED,
    LEASE_SECONDS,
    POLL_SECONDS,
    Holder,
    Process,
    lives,
    state,
    this_process,
    wait_until_free,
)
from tests.logged import logged

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
LEASE = timedelta(seconds=LEASE_SECONDS)
HERE = Process("here", 10, "1000")
LONG_AGO = NOW - 10 * LEASE


def holder(process: Process, heartbeat: datetime | None, run_id: str = "r1") -> Holder:
    return Holder(run_id=run_id, process=process, heartbeat=heartbeat, started=LONG_AGO)


@dataclass
class Turns:
    """A ledger in memory whose holders end by themselves at some timestamp of a clock that sleeping moves."""

    running: list[Holder]
    ends: dict[str, datetime] = field(default_factory=dict)
    now: datetime = NOW
    expired: list[tuple[str, str]] = field(default_factory=list)
    refuses_to_expire: set[str] = field(default_factory=set)

    def holders(self, monitor_id: str) -> list[Holder]:
        self.running = [one for one in self.running if self.ends.get(one.run_id, NOW + timedelta(days=99)) > self.now]
        return self.running

    def expire(self, monitor_id: str, holder: Holder, *, error: str, ended: datetime) -> bool:
        if holder.run_id in self.refuses_to_expire:
            self.refuses_to_expire.discard(holder.run_id)
            self.running = [replace(one, heartbeat=self.now) for one in self.running]
            return False
        self.expired.append((holder.run_id, error))
        self.running = [one for one in self.running if one.run_id != holder.run_id]
        return True

    def clock(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def wait(turns: Turns, *, patience: float = 600.0) -> list[str]:
    with logged() as lines:
        wait_until_free(turns, "m", here=HERE, clock=turns.clock, sleep=turns.sleep, patience=patience)
    return lines


@pytest.mark.parametrize("heartbeat", [NOW, LONG_AGO, None])
def test_on_this_machine_only_the_process_itself_is_asked(heartbeat: datetime | None) -> None:
    other = holder(Process("here", 11, "1000"), heartbeat)
    assert state(other, here=HERE, now=NOW, lease=LEASE, lives=lambda _: True) == "LIVE"
    assert state(other, here=HERE, now=NOW, lease=LEASE, lives=lambda _: False) == "DEAD"


@pytest.mark.parametrize("process", [Process("elsewhere", 10, "1000"), HERE], ids=["another machine", "this very process"])
def test_elsewhere_and_in_this_process_the_heartbeat_decides(process: Process) -> None:
    def never(_: Process) -> bool:
        raise AssertionError("a process of another machine was asked for")

    for age, expected in [(timedelta(0), "LIVE"), (LEASE, "LIVE"), (LEASE + timedelta(microseconds=1), "DEAD")]:
        assert state(holder(process, NOW - age), here=HERE, now=NOW, lease=LEASE, lives=never) == expected
    assert state(holder(process, None), here=HERE, now=NOW, lease=LEASE, lives=never) == "DEAD"


def test_a_process_is_alive_until_it_ends_and_is_not_taken_for_another_with_its_number() -> None:
    child = subprocess.Popen([sys.executable, "-c", "print('up', flush=True); input()"], stdin=-1, stdout=-1, text=True)
    assert child.stdin is not None
    assert child.stdout is not None
    with child.stdin, child.stdout:
        child.stdout.readline()
        process = replace(this_process(), pid=child.pid, started=started(child.pid))
        assert process.started
        assert lives(process)
        assert not lives(replace(process, started="an earlier process"))
        child.kill()
        child.wait()
    assert not lives(process)


def started(pid: int) -> str:
    """The start of a process, as the child itself would note it."""
    code = "import sys; from spark_monitor.store.lease import _start; print(_start(int(sys.argv[1])))"
    return subprocess.run([sys.executable, "-c", code, str(pid)], capture_output=True, text=True, check=True).stdout.strip()


def test_a_killed_process_whose_parent_has_not_asked_is_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1)
    assert child.stdin is not None
    process = replace(this_process(), pid=child.pid, started=started(child.pid))
    child.kill()
    try:
        while lives(process):  # the test's time limit ends this where a killed process counts as living
            sleep(0.05)
    finally:
        child.stdin.close()
        child.wait()
    assert process.started


def test_a_free_monitor_is_not_waited_for() -> None:
    turns = Turns([])
    assert wait(turns) == []
    assert turns.now == NOW


def test_a_live_run_is_waited_for_and_named_once_a_minute() -> None:
    turns = Turns([holder(Process("elsewhere", 7, "5"), NOW + timedelta(days=1))], ends={"r1": NOW + timedelta(seconds=150)})
    said = wait(turns)
    assert len(said) == 3
    assert said[0].startswith("monitor m: waiting for run r1 to end. It runs on elsewhere as process 7 since 2024-05-01")
    assert timedelta(seconds=150) <= turns.now - NOW <= timedelta(seconds=150 + POLL_SECONDS)
    assert turns.expired == []


def test_a_dead_run_is_marked_failed_and_its_turn_taken_at_once() -> None:
    turns = Turns([holder(Process("elsewhere", 7, "5"), LONG_AGO)])
    said = wait(turns)
    assert turns.expired == [("r1", DIED)]
    assert "run r1 ended without reporting" in said[0]
    assert turns.now == NOW


def test_a_run_that_shows_in_the_last_moment_that_it_lives_is_waited_for() -> None:
    silent = holder(Process("elsewhere", 7, "5"), LONG_AGO)
    turns = Turns([silent], ends={"r1": NOW + timedelta(seconds=30)}, refuses_to_expire={"r1"})
    wait(turns)
    assert turns.expired == []
    assert turns.now >= NOW + timedelta(seconds=30)


def test_patience_ends_in_an_error_that_says_whom_to_ask() -> None:
    turns = Turns([holder(Process("elsewhere/boot/pid", 7, "5"), NOW + timedelta(days=1))])
    with pytest.raises(RunError, match=r"run r1 still holds it after 10 minutes. It runs on elsewhere as process 7 .* run again"):
        wait(turns)
