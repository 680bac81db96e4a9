"""The demo's table of features: a commit a night, dated to it, but for the night in which the step did not run."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from deltalake import DeltaTable

from spark_monitor.demo import features, service
from spark_monitor.demo.data import WEATHER

DAYS = pd.date_range("2013-08-10", "2013-08-17 23:00", freq="h", tz="UTC")


def test_each_run_is_a_commit_of_the_day_before_dated_to_its_end(tmp_path: Path) -> None:
    rows = pd.DataFrame({"origin": "JFK", "predicted_at": DAYS.repeat(2), **dict.fromkeys(WEATHER, 1.5)})
    runs = service.step_runs()

    features.write_nightly(rows, runs, tmp_path / "features")

    table = DeltaTable(str(tmp_path / "features"))
    written = table.to_pandas()
    per_night = written.groupby(written["loaded_at"].dt.floor("D")).size()
    nights = pd.date_range("2013-08-11", "2013-08-18", tz="UTC")
    assert list(per_night.index) == [night for night in nights if night != service.MISSED_NIGHT]
    assert set(per_night) == {24}  # each hour once
    assert table.version() == len(per_night)
    logs = sorted((tmp_path / "features" / "_delta_log").glob("*.json"))
    dated = [pd.Timestamp(file.stat().st_mtime, unit="s", tz="UTC") for file in logs]
    assert dated[0] == dated[1]  # the table is made by the first night
    assert dated[1:] == sorted(written["loaded_at"].unique())
