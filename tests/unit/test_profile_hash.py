"""The name of all that states depend on besides rows: whatever would make other states of the same rows changes it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.sources.baseline import Baseline, FrozenColumn
from spark_monitor.sources.predictions import Predictions
from spark_monitor.sources.readers.rows import Kind, ReadColumn, ReadSlice
from spark_monitor.stages.frames import profile_hash
from spark_monitor.states.categorical import Categories
from spark_monitor.states.grid import Grid

NOTHING: Any = None
AMOUNT = ReadColumn("amount", "double", Kind.NUMERIC, "`amount`")
TEXT = ReadColumn("text", "string", Kind.CATEGORICAL, "CAST(`text` AS STRING)")
OTHER = ReadColumn("other", "struct<a:int>", Kind.UNSUPPORTED, "`other` IS NOT NULL")
PREDICTIONS = Predictions(NOTHING, (AMOUNT, TEXT), (ReadSlice("text", "`text`"),), "`version`")
GRIDDED = FrozenColumn("amount", "double", Kind.NUMERIC, grid=Grid.of([1.0, 2.0]))
COUNTED = FrozenColumn("text", "string", Kind.CATEGORICAL, categories=Categories(("a", "b")))
BASELINE = Baseline(1, {"amount": GRIDDED, "text": COUNTED}, NOTHING)


def config(**changed: Any) -> MonitorConfig:
    values = {
        "monitor": "named",
        "model": {"name": "named", "task": "none"},
        "predictions": {"table": "t", "id": "id", "time": "at"},
        "outputs": {"path": "/out"},
    }
    return MonitorConfig.model_validate({**values, **changed})


def frozen(**columns: FrozenColumn) -> Baseline:
    return replace(BASELINE, columns={**BASELINE.columns, **columns})


@pytest.mark.parametrize(
    ("settings", "predictions", "baseline"),
    [
        (config(windows={"zone": "Europe/Berlin"}), PREDICTIONS, BASELINE),
        (config(), replace(PREDICTIONS, columns=(TEXT, AMOUNT)), BASELINE),
        (config(), replace(PREDICTIONS, columns=(AMOUNT, TEXT, OTHER)), BASELINE),
        (config(), replace(PREDICTIONS, columns=(replace(AMOUNT, data_type="date"), TEXT)), BASELINE),
        (config(), replace(PREDICTIONS, slices=(ReadSlice("text", "text = 'a'"),)), BASELINE),
        (config(), replace(PREDICTIONS, version_sql="NULL"), BASELINE),
        (config(), PREDICTIONS, replace(BASELINE, version=2)),
        (config(), PREDICTIONS, frozen(amount=replace(GRIDDED, grid=Grid.of([1.0, 3.0])))),
        (config(), PREDICTIONS, frozen(text=replace(COUNTED, categories=Categories(("b", "a"))))),
    ],
    ids=["file", "order of columns", "column without states", "type", "slice", "version", "baseline", "grid", "categories"],
)
def test_whatever_would_make_other_states_changes_the_hash(
    settings: MonitorConfig, predictions: Predictions, baseline: Baseline
) -> None:
    assert profile_hash(config(), PREDICTIONS, BASELINE) == profile_hash(config(), PREDICTIONS, frozen())
    assert profile_hash(settings, predictions, baseline) != profile_hash(config(), PREDICTIONS, BASELINE)
