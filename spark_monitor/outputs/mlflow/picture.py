"""A version's picture among the artifacts of its run, where MLflow's page shows it by itself."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from spark_monitor.insight.facts import VersionFacts
from spark_monitor.insight.rows import Judged
from spark_monitor.outputs.alerts.picture import series_picture
from spark_monitor.text.formatting import version_name

if TYPE_CHECKING:
    from mlflow import MlflowClient

NAME = "performance.png"


def log_picture(client: MlflowClient, run_id: str, facts: VersionFacts) -> None:
    """Log the course of the version's main metric, or of its estimate; nothing where neither is known, or cannot be drawn."""
    series = facts.main_series or facts.estimated_series
    if not series:
        return
    points = [Judged(row.version, row.window, row.value, row.lower, row.upper) for row in series]
    with tempfile.TemporaryDirectory() as directory:
        picture = series_picture(points, f"{series[-1].metric}, {version_name(facts.version)}", Path(directory) / NAME)
        if picture is not None:
            client.log_artifact(run_id, str(picture))
