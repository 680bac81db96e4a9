"""How long results are kept: the section `outputs.keep`, and what may not be deleted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from spark_monitor.config.monitor import MonitorConfig, load_config
from spark_monitor.errors import ConfigError
from spark_monitor.stages.prune import METRICS, STATES, old_rows
from spark_monitor.store.direct_creation import ensure
from spark_monitor.store.direct_tables import DirectTables
from spark_monitor.store.place import Place

DAY = timedelta(days=1)


def loaded(directory: Path, keep: str, extra: str = "") -> MonitorConfig:
    file = directory / "kept.yaml"
    file.write_text(
        f"""
monitor: kept
model: {{name: kept, task: binary}}
predictions: {{table: t, id: i, time: at, prediction: p}}
labels: {{table: l, id: i, label: y, time: known, horizon: 14 days}}
windows: {{every: 1 day, also: [1 week], lookback: 30 days}}
outputs: {{path: out, keep: {keep}}}
{extra}
""",
        encoding="utf-8",
    )
    return load_config(file)


@pytest.mark.parametrize(
    ("keep", "sentence"),
    [
        ("{states: 30 days}", 'outputs.keep.states: found "30 days", and runs look back 60 days'),
        ("{states: 0 days}", "more than nothing"),
        ("{metrics: soon}", "outputs.keep.metrics"),
        ("{metrics: 40 days}", "runs look back 60 days"),
        ("{rows: 1 year}", "outputs.keep: unknown key"),
        ("{states: 90}", "outputs.keep.states"),
    ],
)
def test_what_a_run_would_still_look_for_may_not_be_deleted(keep: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        loaded(tmp_path, keep)
    assert sentence in str(raised.value)


def test_references_and_histories_make_what_is_needed_longer(tmp_path: Path) -> None:
    year = "baselines: [{name: year, kind: seasonal, lag: 364 days}]"
    with pytest.raises(ConfigError, match="outputs"):
        loaded(tmp_path, "{states: 1 year}", year)
    loaded(tmp_path, "{states: 2 years}", year)
    history = "rules: [{metric: count, fail: {history: 8, sigma: 4}}]"
    with pytest.raises(ConfigError, match="runs look back 116 days"):
        loaded(tmp_path, "{metrics: 90 days}", history)
    loaded(tmp_path, "{metrics: 120 days}", history)


def test_how_long_results_are_kept_is_no_other_monitor(tmp_path: Path) -> None:
    assert loaded(tmp_path, "{}").config_hash() == loaded(tmp_path, "{states: 90 days, metrics: 2 years}").config_hash()


def test_old_rows_are_counted_and_deleted_where_delta_rs_reads_the_predicate(tmp_path: Path) -> None:
    ensure(str(tmp_path))
    until = datetime(2024, 1, 1, tzinfo=UTC)
    ends = [until - 30 * DAY, until, until + DAY, until - 30 * DAY, until - 30 * DAY]
    rows = {
        "monitor_id": ["kept"] * 5,
        "window": [{"start": end - DAY, "end": end} for end in ends],
        "granularity": ["1 day", "1 day", "1 day", "baseline", "1 day"],
        "log_type": ["INPUT"] * 4 + ["BASELINE"],
        "dataset": ["predictions"] * 4 + ["costs"],
        "run_id": list("abcde"),
    }
    tables = DirectTables(None, Place(path=str(tmp_path)), str(tmp_path))  # type: ignore[arg-type]
    for name in (*STATES, *METRICS):
        schema = pa.schema(DeltaTable(str(tmp_path / name)).schema().to_arrow())
        table = pa.table([pa.array(rows.get(field.name, [None] * 5), field.type) for field in schema], schema=schema)
        write_deltalake(str(tmp_path / name), table, mode="append")
        old = {"a", "b"} | ({"e"} if not {"log_type", "dataset"} & set(schema.names) else set())
        where = old_rows(name, until, None)
        assert tables.counts({name: where}) == {name: len(old)}, name
        spared = old_rows(name, until, (until - 40 * DAY, until - 20 * DAY))
        assert tables.counts({name: spared}) == {name: 1 if name in METRICS else len(old)}, name
        tables.delete(name, where=where)
        left = DeltaTable(str(tmp_path / name)).to_pyarrow_table(columns=["run_id"]).column(0).to_pylist()
        assert set(left) == set("abcde") - old, name


def test_the_baseline_and_other_datasets_are_never_among_old_rows() -> None:
    until = datetime(2024, 1, 1, tzinfo=UTC)
    assert "log_type = 'INPUT'" in old_rows("profile_states", until, None)
    assert "granularity <> 'baseline'" in old_rows("model_states", until, None)
    assert "dataset = 'predictions'" in old_rows("metrics", until, None)
    assert "NOT (" in old_rows("drift_metrics", until, (until, until))
