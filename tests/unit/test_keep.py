"""How long results are kept: the section `outputs.keep`, and what may not be deleted."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from spark_monitor.config.monitor import MonitorConfig, load_config
from spark_monitor.errors import ConfigError
from spark_monitor.stages.prune import old_rows


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


def test_the_baseline_and_other_datasets_are_never_among_old_rows() -> None:
    until = datetime(2024, 1, 1, tzinfo=UTC)
    assert "log_type = 'INPUT'" in old_rows("profile_states", until, None)
    assert "granularity <> 'baseline'" in old_rows("model_states", until, None)
    assert "dataset = 'predictions'" in old_rows("metrics", until, None)
    assert "NOT (" in old_rows("drift_metrics", until, (until, until))
