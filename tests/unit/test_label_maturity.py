"""How complete a window's labels are, by the clock and by the count."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from spark_monitor.errors import ConfigError
from spark_monitor.windowing.maturity import maturity
from spark_monitor.windowing.timestamps import micros

END, HORIZON = datetime(2024, 3, 31, 1, tzinfo=UTC), timedelta(days=14)


@pytest.mark.parametrize(
    ("as_of", "labelled", "expected"),
    [
        (END, 0, "NO_LABELS"),
        (END + timedelta(days=400), 0, "NO_LABELS"),
        (END - timedelta(hours=1), 1, "PROVISIONAL"),
        (END + HORIZON - timedelta(microseconds=1), 5, "PROVISIONAL"),
        (END + HORIZON, 5, "FINAL"),
        ((END + HORIZON).astimezone(timezone(timedelta(hours=-7))), 5, "FINAL"),
    ],
)
def test_labels_are_final_from_the_horizon_on(as_of: datetime, labelled: int, expected: str) -> None:
    assert maturity(END, HORIZON, as_of, labelled) == expected


def test_timestamps_are_whole_microseconds_before_and_after_1970() -> None:
    assert micros(datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC)) == -1
    assert micros(datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC)) == 253_402_300_799_999_999
    with pytest.raises(ConfigError, match="has no time zone"):
        micros(datetime(2024, 1, 1))
