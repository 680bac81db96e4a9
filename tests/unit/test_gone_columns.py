"""Columns of the baseline that the prediction table does not have."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.sources.baseline import Baseline, FrozenColumn
from spark_monitor.sources.predictions import Predictions
from spark_monitor.sources.readers.rows import Kind
from spark_monitor.stages.absent import gone_columns

FROZEN = ("amount", "left", "truth", "known", "at")


def gone(features: dict[str, list[str]], *, labels: bool = True) -> list[str]:
    """Of the frozen columns those that are missing from a table with an id, a time and an amount."""
    told: dict[str, Any] = {
        "monitor": "m",
        "model": {"name": "m", "task": "none"},
        "predictions": {"path": "p", "id": "id", "time": "at", "model_version": {"literal": "1"}, "features": features},
        "outputs": {"path": "out"},
    }
    if labels:
        told |= {"labels": {"path": "l", "id": "id", "label": "truth", "time": "known"}}
        told["predictions"]["prediction"] = "amount"
        told["model"]["task"] = "regression"
    predictions = cast(Predictions, SimpleNamespace(frame=SimpleNamespace(columns=["id", "at", "amount"])))
    columns = {name: FrozenColumn(name, "double", Kind.NUMERIC, None, None) for name in FROZEN}
    found = gone_columns(MonitorConfig.model_validate(told), predictions, Baseline(1, columns, cast(Any, None)))
    return [column.name for column in found]


@pytest.mark.parametrize(
    ("features", "labels", "expected"),
    [
        ({}, True, ["left"]),
        ({}, False, ["left", "truth", "known"]),
        ({"include": ["amount", "left"]}, False, ["left"]),
        ({"exclude": ["left", "amount"]}, True, []),
    ],
)
def test_what_is_gone_is_what_would_be_watched_and_is_not_there(
    features: dict[str, list[str]], labels: bool, expected: list[str]
) -> None:
    assert gone(features, labels=labels) == expected
