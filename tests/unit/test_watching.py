"""The loop of runs that go on, with a stream and runs that only pretend, and a clock that sleeping moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from spark_monitor.errors import ConfigError, RunError
from spark_monitor.stages.continuous import MOST_FAILURES, RETRY_SECONDS, Watch, one_run
from tests.logged import logged

INTERVAL = timedelta(seconds=10)


@dataclass
class FakeStream:
    """A stream that ends a batch, or itself, at the seconds that the test says."""

    world: World
    ends: tuple[float, ...] = ()
    dies: float | None = None
    stopped: bool = False

    @property
    def is_active(self) -> bool:
        return self.dies is None or self.world.now < self.dies

    def batches(self) -> int | None:
        return sum(end <= self.world.now for end in self.ends)

    def has_ended(self, seconds: int) -> bool:
        self.world.sleep(seconds)
        return not self.is_active

    def broken(self) -> RunError:
        return RunError("stream over t: it ended (schema).")

    def stop(self) -> None:
        self.stopped = True


@dataclass
class World:
    """A time that passes only in sleep, and what happened when."""

    until: float = 100
    now: float = 0
    news: Callable[[float], bool] = lambda _: False
    fails: Callable[[float], Exception | None] = lambda _: None
    streams: list[FakeStream] = field(default_factory=list)
    plan: list[dict[str, object]] = field(default_factory=list)
    runs: list[float] = field(default_factory=list)
    looks: list[float] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def opened(self) -> FakeStream:
        options = self.plan[len(self.streams)] if len(self.streams) < len(self.plan) else {}
        self.streams.append(FakeStream(self, **options))  # type: ignore[arg-type]
        return self.streams[-1]

    def run(self) -> float:
        error = self.fails(self.now)
        if error is not None:
            raise error
        self.runs.append(self.now)
        return self.now

    def look(self) -> bool:
        self.looks.append(self.now)
        return self.news(self.now)

    def stop(self) -> bool:
        return self.now >= self.until

    def watch(self) -> Iterator[float]:
        with logged() as self.lines:
            yield from Watch(self.opened, self.run, self.look, INTERVAL, self.stop, "made", self.sleep).results()


def test_a_job_begins_with_a_run_and_looks_once_an_interval() -> None:
    world = World(until=35)
    assert list(world.watch()) == [0]
    # The first word that a stream says, that it has ended no batch, is one look more: a batch may have come before it.
    assert world.looks == [0, 10, 20, 30]
    assert world.streams[0].stopped


def test_a_batch_wakes_the_job_before_the_interval_is_over() -> None:
    world = World(until=20, plan=[{"ends": (3.0,)}], news=lambda now: 3 <= now < 4)
    assert list(world.watch()) == [0, 3]


def test_a_batch_that_brings_nothing_to_do_makes_no_run() -> None:
    world = World(until=20, plan=[{"ends": (3.0,)}])
    assert list(world.watch()) == [0]
    assert 3 in world.looks


def test_time_and_labels_are_found_without_a_word_from_the_stream() -> None:
    world = World(until=45, news=lambda now: 18 <= now < 25)
    assert list(world.watch()) == [0, 20]


def test_a_failed_run_is_logged_and_tried_again_later_without_a_look() -> None:
    world = World(until=100, plan=[{"ends": (1.0, 2.0, 3.0)}], fails=lambda now: RunError("no storage.") if now < 5 else None)
    assert list(world.watch()) == [RETRY_SECONDS]
    assert world.lines == [f"warning: failure 1 of {MOST_FAILURES} in a row, tried again: no storage."]
    assert all(look >= RETRY_SECONDS for look in world.looks)


def test_three_failures_in_a_row_end_the_job_with_the_last_one() -> None:
    world = World(until=1000, fails=lambda now: RunError(f"no storage at {now:.0f}."))
    with pytest.raises(RunError, match="no storage at 120"):
        list(world.watch())
    assert len(world.lines) == MOST_FAILURES - 1
    assert world.streams[0].stopped


def test_failures_between_successes_never_end_the_job() -> None:
    world = World(until=2000, news=lambda _: True, fails=lambda now: OSError("now and then") if now % 200 < 50 else None)
    list(world.watch())
    assert len(world.lines) > MOST_FAILURES


def test_a_wrong_file_ends_the_job_at_once_but_a_table_that_goes_away_later_is_waited_for() -> None:
    with pytest.raises(ConfigError, match=r"no column"):
        list(World(fails=lambda _: ConfigError("no column.")).watch())
    world = World(until=200, news=lambda _: True, fails=lambda now: ConfigError("gone.") if 5 < now < 20 else None)
    assert max(world.watch()) > 20
    assert "gone." in world.lines[0]


def test_an_error_of_a_job_that_was_asked_to_end_is_raised() -> None:
    world = World(until=0.5, news=lambda _: True)

    def dying(_: float) -> RunError | None:
        world.now = 1
        return RunError("killed.")

    world.fails = dying
    with pytest.raises(RunError, match="killed"):
        list(world.watch())


def test_a_stream_that_ends_is_opened_again_and_what_came_meanwhile_is_found() -> None:
    world = World(until=30, plan=[{"dies": 4.0}])
    world.news = lambda now: now >= 4 and len(world.runs) == 1
    assert list(world.watch()) == [0, 4]
    assert len(world.streams) == 2
    assert world.lines == ["warning: stream over t: it ended (schema). It is opened again."]


def test_a_stream_that_ends_again_and_again_ends_the_job() -> None:
    world = World(until=1000, plan=[{"dies": 0.0}] * MOST_FAILURES)
    with pytest.raises(RunError, match="it ended"):
        list(world.watch())
    assert len(world.streams) == MOST_FAILURES


def test_a_stream_that_ends_once_a_day_is_opened_again_every_time() -> None:
    days = [{"dies": 300.0 * (day + 1)} for day in range(6)]
    world = World(until=1700, plan=days)
    list(world.watch())
    assert len(world.streams) == 6


def test_who_leaves_the_iteration_stops_the_stream() -> None:
    world = World()
    runs = Watch(world.opened, world.run, world.look, INTERVAL, world.stop, "made", world.sleep).results()
    assert next(runs) == 0
    runs.close()
    assert world.streams[0].stopped


def test_available_now_is_one_run_after_the_stream_has_ended() -> None:
    world = World(plan=[{"dies": 5.0}])
    assert list(one_run(world.opened, world.run, stop=world.stop)) == [5]
    assert world.streams[0].stopped


def test_available_now_that_is_asked_to_end_makes_no_run() -> None:
    world = World(until=3)
    assert list(one_run(world.opened, world.run, stop=world.stop)) == []
    assert world.streams[0].stopped
