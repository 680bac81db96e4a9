"""Both versions of the demo's model in MLflow: a training run, a LoggedModel and a registered version each.

The training runs have an experiment of their own, so that the monitor's experiment holds the monitor's runs alone.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path

import pandas as pd

from spark_monitor.demo.data import LATE_MINUTES
from spark_monitor.demo.models import Version, model_input

MODEL_NAME = "flights_delay"
TRAINING_EXPERIMENT = "flights_delay_training"
REQUIREMENTS = ["scikit-learn", "pandas"]  # named, because MLflow would load the model in a new process to find them out
TRUSTED_TYPES = [
    "functools.partial",
    "numpy.dtype",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.utils.validation.check_array",
]
DESCRIPTION = f"Does a flight from New York arrive {LATE_MINUTES} minutes late or more? Trained on January and February 2013."


def register(
    versions: tuple[Version, ...],
    *,
    example: pd.DataFrame,
    training_scores: Mapping[int, float],
    tracking_uri: str,
    artifacts: Path,
) -> None:
    """Log and register the versions in a fresh MLflow store, in the order of their numbers."""
    with _mlflow_quiet(tracking_uri):
        import mlflow

        experiment = mlflow.create_experiment(TRAINING_EXPERIMENT, artifact_location=artifacts.as_uri())
        for version in versions:
            with mlflow.start_run(experiment_id=experiment, run_name=f"training of version {version.number}"):
                mlflow.log_param("algorithm", version.algorithm)
                mlflow.log_metric("training_roc_auc_score", training_scores[version.number])
                _log_model(version, example)
        client = mlflow.MlflowClient()
        client.update_registered_model(MODEL_NAME, description=DESCRIPTION)
        for version in versions:
            client.update_model_version(
                MODEL_NAME, str(version.number), description=f"{version.algorithm.capitalize()}. {DESCRIPTION}"
            )


def _log_model(version: Version, example: pd.DataFrame) -> None:
    import mlflow.sklearn
    from mlflow.models import infer_signature

    features = model_input(example)
    logged = mlflow.sklearn.log_model(
        version.model,
        name=f"{MODEL_NAME}_v{version.number}",
        registered_model_name=MODEL_NAME,
        signature=infer_signature(features, version.model.predict(features)),
        pip_requirements=REQUIREMENTS,
        skops_trusted_types=TRUSTED_TYPES,
    )
    if str(logged.registered_model_version) != str(version.number):
        raise RuntimeError(f"{MODEL_NAME}: registered as version {logged.registered_model_version}, not as {version.number}.")


@contextmanager
def _mlflow_quiet(tracking_uri: str) -> Iterator[None]:
    """MLflow at this address, without its remarks; what goes wrong is raised. Its global address is put back afterwards."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    import mlflow

    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic")]
    levels = [logger.level for logger in loggers]
    before = mlflow.get_tracking_uri()
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    mlflow.set_tracking_uri(tracking_uri)
    try:
        with warnings.catch_warnings(), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        mlflow.set_tracking_uri(before)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
