"""Settings of a session for a while: given back after errors and from threads, left alone where they are somebody's."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyspark
import pytest
from pyspark import inheritable_thread_target
from pyspark.sql import SparkSession

from spark_monitor.session import INTERPRETED, interpreted, takes_session


class Settings:
    """What a session's ``conf`` does, slowly; some settings may be forbidden, and a session that has ended gives none back."""

    def __init__(self, given: dict[str, str], forbidden: str = "", *, ended: bool = False) -> None:
        self.given, self.forbidden, self.ended = dict(given), forbidden, ended

    def get(self, name: str, default: str | None) -> str | None:
        time.sleep(0.0002)
        return self.given.get(name, default)

    def set(self, name: str, value: str) -> None:
        if name == self.forbidden:
            raise RuntimeError("forbidden")
        self.given[name] = value

    def unset(self, name: str) -> None:
        if self.ended:
            raise RuntimeError("the session has ended")
        self.given.pop(name, None)


class Session:
    def __init__(self, conf: Settings) -> None:
        self.conf = conf


def inside(session: Any, error: Exception | None = None) -> dict[str, str]:
    with interpreted(session):
        if error is not None:
            raise error
        return dict(session.conf.given)


def test_both_are_set_inside_and_gone_after() -> None:
    session = Session(Settings({}))
    assert inside(session) == dict(INTERPRETED)
    assert session.conf.given == {}


def test_what_somebody_has_set_stays_and_what_is_forbidden_is_left() -> None:
    name, other = INTERPRETED
    own = Session(Settings({name: "CODEGEN_ONLY"}))
    assert inside(own) == {name: "CODEGEN_ONLY", other: INTERPRETED[other]}
    assert own.conf.given == {name: "CODEGEN_ONLY"}
    assert inside(Session(Settings({}, forbidden=name))) == {other: INTERPRETED[other]}


def test_an_error_goes_on_though_the_session_has_ended() -> None:
    with pytest.raises(ValueError, match="the disk is full"):
        inside(Session(Settings({}, ended=True)), ValueError("the disk is full"))


@pytest.mark.parametrize("before", [{}, {"spark.sql.codegen.wholeStage": "true"}])
def test_threads_that_come_and_go_leave_what_was_before(before: dict[str, str]) -> None:
    session, draw = Session(Settings(before)), random.Random(3)

    def work(fails: bool) -> None:
        with contextlib.suppress(ValueError):
            inside(session, ValueError("one of many") if fails else None)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, [draw.random() < 0.3 for _ in range(200)]))
    assert session.conf.given == before


def of_spark_3(f: Callable[..., Any]) -> Callable[..., Any]:
    return f


def of_spark_4(f: Callable[..., Any] | SparkSession | None = None) -> Callable[..., Any]:
    return lambda call: call


def test_a_session_is_handed_to_what_takes_one() -> None:
    assert not takes_session(of_spark_3)
    assert takes_session(of_spark_4)
    assert takes_session(inheritable_thread_target) == (not pyspark.__version__.startswith("3."))
