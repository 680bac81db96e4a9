"""Why nothing is estimated before labels come: each reason with what would be needed."""

from __future__ import annotations

from typing import Any

import pytest

from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.stages.estimate import why_not_estimated

TABLE = {"path": "rows", "format": "parquet"}


@pytest.mark.parametrize(
    ("task", "columns", "labels", "reason"),
    [
        ("multiclass", {"prediction": "guess"}, True, "`predictions.scores`"),
        ("multiclass", {"prediction": "guess", "scores": {"a": "p_a", "b": "p_b"}}, True, "fewer than 30 labelled rows"),
        ("binary", {"prediction": "guess"}, True, "`predictions.score`"),
        ("binary", {"prediction": "guess", "score": "p"}, True, "fewer than 30 labelled rows"),
        ("binary", {"prediction": "guess", "score": "p"}, False, "the baseline has no labels"),
        ("regression", {"prediction": "guess"}, True, "fewer than 30 labelled rows"),
    ],
)
def test_the_reason_is_what_is_missing(task: str, columns: dict[str, Any], labels: bool, reason: str) -> None:
    config = MonitorConfig.model_validate(
        {
            "monitor": "m",
            "model": {"name": "m", "task": task},
            "predictions": {**TABLE, "id": "id", "time": "at", **columns},
            "labels": {"path": "labels", "format": "parquet", "id": "id", "label": "y", "time": "known"},
            "baseline": {**TABLE, "labels": labels},
            "windows": {"every": "1 day"},
            "outputs": {"path": "out"},
        }
    )
    sentence = why_not_estimated(config)
    assert sentence.startswith("Nothing is estimated: ")
    assert reason in sentence
