"""Monitors at once: how many, each in a session of its own, all of them to their end, and none begun after an interruption."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from spark_monitor import session
from spark_monitor.commands import at_once, fleet
from spark_monitor.commands.at_once import outcomes
from spark_monitor.commands.fleet import Fleet
from spark_monitor.commands.terminal import Steps, Terminal
from spark_monitor.errors import ConfigError, RunError
from spark_monitor.outputs.mlflow.client import GUESTS, NoAnswer, alone_at
from spark_monitor.stages.context import Run
from spark_monitor.text.masking import secret_values

FILES = [Path(f"{name}.yaml") for name in "abcdefgh"]


class Session:
    """As much of a session as workers use."""

    def __init__(self) -> None:
        self.interrupted = threading.Event()

    def createDataFrame(self, *_: Any) -> None:
        raise RuntimeError("a session that has ended")

    def interruptAll(self) -> None:
        self.interrupted.set()


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    monkeypatch.setattr(session, "inheriting", lambda _, call: call)
    return [Session(), Session()]


def test_as_many_run_at_once_as_there_are_sessions_and_each_ends(sessions: list[Any]) -> None:
    meeting, in_use = threading.Barrier(2), set[int]()

    def handled(file: Path, spark: Any, _: Callable[[], bool]) -> Any:
        assert id(spark) not in in_use  # a session is one monitor's at a time
        in_use.add(id(spark))
        meeting.wait(10)  # breaks unless two are under way together
        in_use.discard(id(spark))
        if file.stem in "be":
            raise ConfigError(f"{file}: no.")
        return file.stem

    results, failed = {}, []
    for file, outcome in outcomes(FILES, handled, sessions):
        try:
            results[file] = outcome()
        except ConfigError:
            failed.append(file.stem)
    assert {**results} == {file: file.stem for file in FILES if file.stem not in "be"}
    assert sorted(failed) == ["b", "e"]
    assert not any(one.interrupted.is_set() for one in sessions)


def test_an_interruption_ends_queries_tells_runs_and_begins_nothing(sessions: list[Any]) -> None:
    begun, ended = [], []

    def handled(file: Path, spark: Any, stop: Callable[[], bool]) -> Any:
        begun.append(file)
        if file == FILES[0]:
            return file
        assert spark.interrupted.wait(10)
        while not stop():
            time.sleep(0.01)
        ended.append(file)
        raise RuntimeError("asked to end")

    results = outcomes(FILES, handled, sessions)
    next(results)
    while len(begun) < 3:
        time.sleep(0.01)
    with pytest.raises(KeyboardInterrupt):
        results.throw(KeyboardInterrupt)
    assert sorted(begun) == FILES[:3]
    assert sorted(ended) == FILES[1:3]  # waited for


def test_a_worker_that_does_not_end_is_left_behind(sessions: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(at_once, "SECONDS_TO_END", 0.1)
    free = threading.Event()
    results = outcomes(FILES, lambda file, *_: free.wait(10) if file != FILES[0] else file, sessions)
    next(results)
    before = time.monotonic()
    results.close()
    assert time.monotonic() - before < 5
    free.set()


def test_of_several_those_that_cannot_be_read_run_alone_and_the_others_at_once(
    sessions: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet, "can_be_read", lambda file: file.stem != "c")
    monkeypatch.setattr(fleet, "sessions_apart", lambda _, number: sessions[:number])
    ran: dict[str, list[str]] = {"alone": [], "at once": []}

    def ran_alone(file: Path) -> Any:
        ran["alone"].append(file.stem)
        if file.stem == "c":
            raise ConfigError("c.yaml: no.")
        return SimpleNamespace(status="COMMITTED")

    def ran_at_once(file: Path, *_: Any) -> Any:
        ran["at once"].append(file.stem)
        if file.stem == "f":
            raise ValueError("broken")
        return SimpleNamespace(status="COMMITTED")

    opened: Any = object
    together = Fleet(Terminal(), lambda *_: None, ended={FILES[0]: "NOTHING_NEW"})
    together.rest(FILES, ran_alone, ran_at_once, opened, 2)
    assert ran["alone"] == ["c"]
    assert sorted(ran["at once"]) == ["b", "d", "e", "f", "g", "h"]
    assert together.code == 3
    assert together.summary() == "8 monitors: 5 committed, 1 with nothing new, 2 failed (c.yaml, f.yaml)."

    monkeypatch.setattr(fleet, "sessions_apart", lambda *_: [])  # a Spark that makes no second session
    one_by_one = Fleet(Terminal(), lambda *_: None)
    one_by_one.rest(FILES, ran_alone, ran_at_once, opened, 2)
    assert ran["alone"][1:] == [file.stem for file in FILES]


def test_where_only_one_is_left_or_wanted_no_session_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "can_be_read", lambda _: True)
    monkeypatch.setattr(fleet, "sessions_apart", lambda *_: pytest.fail("a session was made"))
    for files, most in ((FILES[:1], 2), (FILES, 1)):
        alone = Fleet(Terminal(), lambda *_: None)
        alone.rest(files, lambda _: SimpleNamespace(status="COMMITTED"), pytest.fail, pytest.fail, most)  # type: ignore[arg-type,return-value]
        assert len(alone.ended) == len(files)


@pytest.mark.parametrize(("cores", "number"), [(1, 1), (2, 1), (3, 1), (4, 2), (8, 4), (64, 4), (None, 1)])
def test_half_of_the_cores_have_a_monitor_each(cores: int | None, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    monkeypatch.setattr("pyspark.sql.SparkSession.getActiveSession", lambda: None)
    assert at_once.usual() == number
    monkeypatch.setattr("pyspark.sql.SparkSession.getActiveSession", object)
    assert at_once.usual() == 1


def test_a_run_that_is_asked_to_end_begins_no_further_step() -> None:
    asked, steps = [False, True], []
    nothing: Any = None
    named: Any = SimpleNamespace(monitor="calm")
    run = Run(nothing, named, nothing, "", datetime(2024, 1, 1, tzinfo=UTC), nothing, stop=lambda: asked.pop(0))
    run.timed("plan", lambda _: steps.append("plan"))
    with pytest.raises(RunError, match="calm: the run was asked to end, and did before profile"):
        run.timed("profile", lambda _: steps.append("profile"))
    assert steps == ["plan"]


def test_steps_at_once_are_lines_on_a_terminal_too() -> None:
    stream = StringIO()
    steps = Steps(Console(file=stream, force_terminal=True, width=60, color_system=None), moving=False)
    steps.begin("a: plan")
    steps.begin("b: plan")
    steps.end(done=True)
    assert [line.split(" s  ")[1] for line in stream.getvalue().splitlines()] == ["a: plan", "b: plan"]


def test_what_clients_of_mlflow_change_is_put_back_after_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow")  # which sets the level of its logger as it is imported
    monkeypatch.setenv("MLFLOW_ACTIVE_MODEL_ID", "m-1")
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_TIMEOUT", raising=False)

    def state() -> tuple[str | None, str | None, int]:
        names = ("MLFLOW_ACTIVE_MODEL_ID", "MLFLOW_HTTP_REQUEST_TIMEOUT")
        return os.environ.get(names[0]), os.environ.get(names[1]), logging.getLogger("mlflow").level

    before = state()
    first, second = GUESTS.one(), GUESTS.one()
    first.__enter__()
    second.__enter__()
    during = state()
    first.__exit__(None, None, None)
    assert state() == during == (None, "10", logging.CRITICAL + 1)
    second.__exit__(None, None, None)
    assert state() == before


def test_two_publishes_to_one_address_take_turns_and_one_nobody_waits_for_writes_nothing() -> None:
    inside, most, stopped = 0, 0, threading.Event()

    def publish() -> None:
        nonlocal inside, most
        with alone_at("sqlite:///one.db", threading.Event()):
            inside += 1
            most = max(most, inside)
            time.sleep(0.05)
            inside -= 1

    threads = [threading.Thread(target=publish) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    stopped.set()
    with pytest.raises(NoAnswer), alone_at("sqlite:///one.db", stopped):
        pytest.fail("written")


def test_a_variable_that_another_thread_takes_out_meanwhile_is_no_error() -> None:
    class Vanishing(dict[str, str]):
        def __getitem__(self, name: str) -> str:
            self.pop("DB_PASSWORD", None)
            return super().__getitem__(name)

        def get(self, name: str, default: Any = None) -> Any:
            self.pop("DB_PASSWORD", None)
            return super().get(name, default)

        def items(self) -> Any:
            return [(name, self[name]) for name in list(self)]

    assert secret_values(Vanishing(API_TOKEN="abcdefgh", DB_PASSWORD="hijklmnop")) == ["abcdefgh"]
