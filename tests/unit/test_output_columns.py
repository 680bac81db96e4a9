"""Which columns of a table are the model's own outputs, so that they are symptoms of broken inputs and no second incident."""

from __future__ import annotations

import pytest

from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.stages.output_columns import output_columns

PROFILED = ("urgency", "confidence", "top_prob", "credit_score", "confidential")


@pytest.mark.parametrize(
    ("task", "predictions", "outputs"),
    [
        ("multiclass", {"prediction": "queue"}, {"queue", "confidence", "top_prob"}),
        ("multiclass", {"prediction": "queue", "score": "margin"}, {"queue", "margin"}),
        ("binary", {"prediction": "queue"}, {"queue"}),
        ("regression", {"prediction": "minutes"}, {"minutes"}),
    ],
)
def test_a_confidence_beside_a_class_is_an_output_of_the_model(task: str, predictions: dict[str, str], outputs: set[str]) -> None:
    config = MonitorConfig.model_validate(
        {
            "monitor": "tickets",
            "model": {"name": "tickets", "task": task},
            "predictions": {"table": "demo.tickets", "id": "id", "time": "at", **predictions},
            "baseline": {"table": "demo.tickets", "where": "at < '2024-01-01'"},
            "windows": {"every": "1 day"},
            "outputs": {"path": "out"},
        }
    )

    assert output_columns(config, PROFILED) == outputs
