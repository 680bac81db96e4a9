"""Spark Connect where it was asked for: a Spark that does not know the setting starts another session without a word."""

from __future__ import annotations

from typing import Any

import pytest

from spark_monitor import session as sessions
from spark_monitor.errors import ConfigError


class Classic:
    """What Spark 3.5 starts, whatever spark.api.mode says."""

    version = "3.5.7"
    stopped = False

    def stop(self) -> None:
        self.stopped = True


@pytest.fixture
def classic(monkeypatch: pytest.MonkeyPatch) -> Classic:
    started = Classic()
    monkeypatch.setattr(sessions, "_quietly", lambda builder: started)
    monkeypatch.setattr(sessions, "_configured", lambda builder, settings: builder)
    return started


def test_a_classic_session_is_no_answer_to_who_asks_for_connect(classic: Any) -> None:
    sentence = r"^--conf: spark\.api\.mode=connect is not known to Spark 3\.5\.7, .*--remote sc://HOST:15002\.$"
    with pytest.raises(ConfigError, match=sentence):
        sessions.open_session(master="local[1]", conf={"spark.api.mode": "connect"})
    assert classic.stopped


def test_whoever_asks_for_a_classic_session_gets_it(classic: Any) -> None:
    assert sessions.open_session(master="local[1]", conf={"spark.api.mode": "classic"}) is classic
    assert not classic.stopped
