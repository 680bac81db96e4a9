"""What a replay counts, against counts made by hand: rows in whole windows, alarms that open, windows until a shift is found."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from spark_monitor import Monitor

DAYS, ROWS = 10, 200
BROKEN = (3, 4, 6)
"""Days on which most values are missing: two stretches, so two alarms."""

YAML = """
monitor: replayed
model: {{name: replayed, task: none}}
predictions: {{path: "{path}", format: parquet, id: id, time: at}}
baseline: {{path: "{path}", format: parquet}}
windows: {{every: 1 day}}
rules:
  - {{metric: percent_null, columns: [gappy], fail: 20}}
  - {{metric: ks, columns: [steady], fail: 0.2}}
outputs: {{path: "{out}"}}
"""


@pytest.fixture
def monitor(tmp_path: Path) -> tuple[Monitor, pd.DataFrame]:
    """Ten days, of which the last has no row in its last hours: whoever looks at the rows alone does not know that it is over."""
    random = np.random.default_rng(11)
    day = np.repeat(np.arange(DAYS), ROWS)
    seconds = random.integers(60, 80_000, DAYS * ROWS)
    gappy = random.normal(size=DAYS * ROWS)
    gappy[np.isin(day, BROKEN) & (random.random(DAYS * ROWS) < 0.6)] = np.nan
    at = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(day * 86_400 + seconds, unit="s")
    rows = pd.DataFrame({"id": np.arange(DAYS * ROWS), "at": at.astype("datetime64[us, UTC]"), "gappy": gappy})
    rows["gappy"] = rows["gappy"].astype(object).where(rows["gappy"].notna(), None)
    rows["gappy"] = rows["gappy"].astype("Float64")
    rows["steady"] = random.normal(size=DAYS * ROWS)
    rows.loc[random.random(DAYS * ROWS) < 0.05, "steady"] = np.nan  # which Spark takes for the greatest number there is
    rows.loc[7, "steady"] = np.inf
    path = tmp_path / "rows"
    path.mkdir()
    rows.to_parquet(path / "rows.parquet", index=False)
    file = tmp_path / "replayed.yaml"
    file.write_text(YAML.format(path=path, out=tmp_path / "out"))
    return Monitor.load(file), rows


def test_a_replay_counts_rows_alarms_and_windows_as_a_person_would(
    spark: SparkSession, monitor: tuple[Monitor, pd.DataFrame]
) -> None:
    watched, rows = monitor
    found = watched.replay(spark, as_of=datetime(2024, 2, 1, tzinfo=UTC), shifts={"steady": 0.9})

    whole = DAYS - 1
    assert (found.windows, found.rows) == (whole, int((rows["at"] < "2024-01-10").sum()))
    gaps, steady = found.rules
    assert (gaps.alarms, gaps.alarms_per_week) == (2, pytest.approx(2 / whole * 7))
    assert gaps.checks == whole
    assert (steady.alarms, steady.checks) == (0, whole)
    (shift,) = steady.shifts
    assert (shift.windows, shift.found, shift.first) == (whole, whole, 1)


@pytest.mark.slow
def test_a_shuffled_replay_lays_every_row_into_a_window(spark: SparkSession, monitor: tuple[Monitor, pd.DataFrame]) -> None:
    watched, rows = monitor
    found = watched.replay(spark, as_of=datetime(2024, 2, 1, tzinfo=UTC), shuffled=True, shifts={"steady": 0.02})

    assert (found.windows, found.rows) == (DAYS - 1, len(rows))
    (shift,) = found.rules[1].shifts
    assert (shift.found, shift.first) == (0, None)
