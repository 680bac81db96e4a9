"""Monitoring of machine-learning models on Spark: certified drift, late labels, Delta tables and MLflow.

The states and distances work on numpy arrays alone; what needs Spark is imported on first use.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spark_monitor.api.monitor import Monitor
    from spark_monitor.catalogue.metric import drift_metric, fairness_metric, model_metric, operation_metric, quality_metric
    from spark_monitor.distances import Interval, ks
    from spark_monitor.errors import ConfigError, MonitorError, RunError
    from spark_monitor.outputs.result import RunResult
    from spark_monitor.states.grid import Grid
    from spark_monitor.states.numeric import NumericState, profile_column

__version__ = "0.1.0"

logging.getLogger(__name__).addHandler(logging.NullHandler())  # what is logged is shown to whoever asks for it

_PLACES = {
    "ConfigError": "spark_monitor.errors",
    "Grid": "spark_monitor.states.grid",
    "Interval": "spark_monitor.distances",
    "Monitor": "spark_monitor.api.monitor",
    "MonitorError": "spark_monitor.errors",
    "NumericState": "spark_monitor.states.numeric",
    "RunError": "spark_monitor.errors",
    "RunResult": "spark_monitor.outputs.result",
    "drift_metric": "spark_monitor.catalogue.metric",
    "fairness_metric": "spark_monitor.catalogue.metric",
    "ks": "spark_monitor.distances",
    "model_metric": "spark_monitor.catalogue.metric",
    "operation_metric": "spark_monitor.catalogue.metric",
    "profile_column": "spark_monitor.states.numeric",
    "quality_metric": "spark_monitor.catalogue.metric",
}

__all__ = [
    "ConfigError",
    "Grid",
    "Interval",
    "Monitor",
    "MonitorError",
    "NumericState",
    "RunError",
    "RunResult",
    "drift_metric",
    "fairness_metric",
    "ks",
    "model_metric",
    "operation_metric",
    "profile_column",
    "quality_metric",
]


def __getattr__(name: str) -> Any:
    """A public name, imported on first use, so that the states need neither Spark nor pydantic."""
    if name not in _PLACES:
        raise AttributeError(f"module 'spark_monitor' has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)
