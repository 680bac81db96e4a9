"""Messages name commands that work as they are: with the file that the monitor was loaded from."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from spark_monitor import Monitor, pipeline
from spark_monitor.outputs.publish import NO_FILE

FILE = Path(__file__).parents[2] / "conf" / "flights.yaml"


@pytest.mark.parametrize(("monitor", "named"), [(Monitor.load(FILE), str(FILE)), (Monitor(Monitor.load(FILE).config), NO_FILE)])
def test_people_are_told_the_file_that_was_loaded(monitor: Monitor, named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(pipeline, "is_idle", lambda *_: "an earlier run")
    monkeypatch.setattr(pipeline, "tell_people", lambda *_, **about: told.append(about))

    monitor.run(None, as_of=datetime(2024, 1, 1, tzinfo=UTC))  # type: ignore[arg-type]

    assert [about["file"] for about in told] == [named]
