"""The catalogue of model metrics: one state of predictions against labels in, an interval out. No Spark here.

>>> from spark_monitor.scores import present
>>> from spark_monitor.states.scores import RegressionState
>>> rows = present("regression", RegressionState.empty().update([1.0, 2.0, 4.0], [1.0, 2.5, 3.0]))
>>> [row["value"] for row in rows if row["metric"] == "mean_absolute_error"]
[0.5]
"""

from __future__ import annotations

from spark_monitor.scores.catalogue import METRICS, metrics_of, present
from spark_monitor.scores.metric import Scores, Settings, TaskMetric
from spark_monitor.scores.metric_value import MetricValue

__all__ = ["METRICS", "MetricValue", "Scores", "Settings", "TaskMetric", "metrics_of", "present"]
