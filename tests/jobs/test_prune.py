"""Results that are older than they are kept are deleted, and the runs afterwards are as right as before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import days
import pytest
from days import Growing
from pyspark.sql import SparkSession

from spark_monitor.stages.prune import monitors_at, prune, remove

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

START = datetime(2024, 1, 1, tzinfo=UTC)
WINDOWS = "every: 1 day, also: [1 week], lookback: 0 days"
ROWS = 60
KEPT = timedelta(days=22)


def silent(_: str) -> None:
    """Nobody listens."""


def test_old_rows_are_deleted_and_coarse_windows_are_read_again(spark: SparkSession, tmp_path: days.Path) -> None:
    table = Growing(spark, tmp_path)
    table.write_baseline(days.rows_of(START - timedelta(days=9), START, rows=300, seed=0))
    for number in range(30):
        table.append(days.rows_of(START + timedelta(days=number), START + timedelta(days=number + 1), rows=ROWS, seed=number))
    whole = table.monitor("whole", windows=WINDOWS, slices="[]")
    cut = table.monitor("cut", windows=WINDOWS, slices="[]")
    end = START + timedelta(days=28)
    assert whole.run(spark, as_of=end).status == cut.run(spark, as_of=end).status == "COMMITTED"

    outputs = cut.config.outputs
    keep = outputs.keep.model_copy(update={"states": "22 days", "metrics": "25 days"})
    config = cut.config.model_copy(update={"outputs": outputs.model_copy(update={"keep": keep})})
    store = cut.store(spark)
    told = prune(store, config, end, say=silent, dry=True)
    before = table.read("cut", "profile_states")
    assert set(told) == {"profile_states", "profile_metrics", "drift_metrics", "metrics"} & set(told)
    assert prune(store, config, end, say=silent) == told
    after = table.read("cut", "profile_states")
    assert len(before) - len(after) == told["profile_states"] > 0
    assert (after["end"] > end - KEPT).all()
    assert len(table.read("cut", "baselines")) == len(table.read("whole", "baselines"))
    assert prune(store, config, end, say=silent) == {}

    # The week from the first day is cut by what is asked: its other days' states are gone, so that its rows are read.
    asked = {"start": START + timedelta(days=6), "end": START + timedelta(days=7)}
    for monitor in (whole, cut):
        assert monitor.run(spark, as_of=end, **asked).status == "COMMITTED"
    for output in ("whole", "cut"):
        profile = table.read(output, "profile_metrics")
        week = profile[(profile["granularity"] == "1 week") & (profile["start"] == START) & (profile["column_name"] == ":table")]
        assert week["count"].sum() == 7 * ROWS, output
    assert "Stored states of 6 finer windows" not in table.last_run("cut")["reader_reason"]
    assert cut.run(spark, as_of=end + timedelta(days=2)).status == "COMMITTED"

    assert monitors_at(store) == ["growing"]
    assert remove(store, "growing", say=silent)["runs"] > 0
    assert monitors_at(store) == []
    assert all(table.read("cut", name).empty for name in ("profile_states", "metrics", "baselines", "runs"))
