"""Points of series to MLflow: one experiment per registered model, one run per model version, each point once.

The tables are the record and this is a view of them: it is written after the commit, what is there already is asked of MLflow
itself, so a publish that was killed goes on where it stopped, and a failure is a result with a sentence, never an exception.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.insight.facts import Facts, VersionFacts
from spark_monitor.insight.headline import Headline, headline_keys
from spark_monitor.outputs.mlflow import registry
from spark_monitor.outputs.mlflow.client import (
    LONGEST_PUBLISH,
    NoAnswer,
    alone_at,
    artifact_location,
    open_client,
    sentence_of,
    within,
)
from spark_monitor.outputs.mlflow.keys import short_hash
from spark_monitor.outputs.mlflow.markdown import block, with_block
from spark_monitor.outputs.mlflow.picture import log_picture
from spark_monitor.outputs.mlflow.points import Logged, Point, points, unpublished
from spark_monitor.outputs.mlflow.registry import (
    describe_model,
    describe_version,
    logged_model_id,
    registered_version,
    version_tags,
)
from spark_monitor.text.formatting import counted, harmless, version_name
from spark_monitor.text.logs import log_of
from spark_monitor.windowing.periods import Granularity, parse_every

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = log_of(__name__)

MOST_POINTS_AT_ONCE = 1_000
"""What MLflow takes in one request."""

MOST_LINKED_AT_ONCE = 100
"""Above this, MLflow's database store forgets which linked points it has already."""

MOST_RUNS_AT_ONCE = 1_000
LONGEST_TAG = 250

MONITOR_TAG: Final = "spark_monitor.monitor_id"
VERSION_TAG: Final = "spark_monitor.model_version"
RUN_TAG: Final = "spark_monitor.run_id"
LINKED_TAG: Final = "spark_monitor.linked_model"
"""The logged model that every headline point of the run is linked to; absent while links are being made."""

EXPERIMENT_TAGS: Final = {"mlflow.experimentKind": "custom_model_development"}
"""Pages that go by an experiment's kind open it with runs and charts, not with views of language models."""

NOTE_TAG: Final = "mlflow.note.content"
NO_VERSION: Final = "none"

Item = TypeVar("Item")


@dataclass(frozen=True)
class PublishResult:
    """What became of publishing: OFF where no address is configured, PUBLISHED, or FAILED with the reason."""

    status: Literal["OFF", "PUBLISHED", "FAILED"]
    message: str
    points: int = 0


def publish(
    headline: Headline,
    facts: Facts,
    config: MonitorConfig,
    *,
    run_id: str,
    report: Path | None = None,
    longest: float = LONGEST_PUBLISH,
) -> PublishResult:
    """Publish readings and facts; ``report`` is a page that becomes an artifact of every version's run."""
    settings = config.outputs.mlflow
    if settings is None:
        return PublishResult("OFF", "The monitor has no outputs.mlflow.")
    uri = settings.tracking_uri
    strict = uri.startswith("databricks")
    wanted = points(
        headline.readings, config.windows.granularity, config.windows.zone, log_windows=_own_windows(config), ascii_only=strict
    )
    work = _Work(wanted, facts, config, run_id, report)
    try:
        logged = within(longest, lambda stop: _published(work, uri, settings.experiment, stop))
    except Exception as error:  # whatever MLflow, its database or the network raises is recorded, and the run goes on
        return PublishResult("FAILED", sentence_of(error, uri))
    left_out = f"; {headline.left_out}" if headline.left_out else ""
    return PublishResult("PUBLISHED", f"{counted(logged, 'new point')} in experiment {settings.experiment}{left_out}", logged)


def _own_windows(config: MonitorConfig) -> Granularity | None:
    """The length of the serving log's windows, where the file gives it one of its own."""
    section = config.operations
    return None if section is None or section.every is None else parse_every(section.every, minutes=True)


def version_tag(version: str | None) -> str:
    """How a model version is written in its run's tag; no two versions alike, and none like the tag of no version.

    >>> version_tag("2"), version_tag(None), version_tag("none")
    ('2', 'none', '"none"')
    """
    if version is None:
        return NO_VERSION
    if (
        version in (NO_VERSION, "")
        or version.startswith('"')
        or len(version) > LONGEST_TAG
        or harmless(version, LONGEST_TAG) != version
    ):
        written = json.dumps(version)
        return written if len(written) <= LONGEST_TAG else f'"{harmless(version)}" {short_hash(version)}'
    return version


@dataclass(frozen=True)
class _Work:
    """What there is to publish."""

    points: Sequence[Point]
    facts: Facts
    config: MonitorConfig
    run_id: str
    report: Path | None

    @property
    def versions(self) -> dict[str | None, VersionFacts | None]:
        """Every version with points or facts, with its facts."""
        facts: dict[str | None, VersionFacts | None] = {version.version: version for version in self.facts.versions}
        return {**dict.fromkeys(point.version for point in self.points), **facts}


def _published(work: _Work, uri: str, experiment: str, stop: Event) -> int:
    """The number of points logged, over all versions."""
    with alone_at(uri, stop), open_client(uri) as client:
        experiment_id = _experiment(client, experiment, uri)
        runs = _runs(client, experiment_id, work.config.monitor)
        logged = 0
        for version, facts in work.versions.items():
            run = runs.get(version_tag(version)) or _new_run(client, experiment_id, version, work.config.monitor)
            new = _publish_version(client, run, work, version, facts, stop)
            log.info(f"MLflow: {version_name(version)}, {counted(new, 'new point')}")
            logged += new
        if any(registered_version(client, work.config.model.name, version) is not None for version in work.versions):
            describe_model(client, work.config.model.name, work.facts)
        return logged


def _publish_version(
    client: MlflowClient, run: Any, work: _Work, version: str | None, facts: VersionFacts | None, stop: Event
) -> int:
    wanted = [point for point in work.points if point.version == version]
    registered = registered_version(client, work.config.model.name, version)
    new = unpublished(wanted, _history(client, run, {point.key for point in wanted}, stop))
    model_id = logged_model_id(client, registered, run.data.tags.get(LINKED_TAG))
    linked = headline_keys(work.config) if model_id is not None else frozenset()
    _log(client, run.info.run_id, [point for point in new if point.key not in linked], stop)
    if model_id is not None:
        _link(client, run, [point for point in new if point.key in linked], linked, model_id, stop)
    _describe_run(client, run, work, facts, registered, new=bool(new))
    if registered is not None and facts is not None:
        describe_version(client, registered, work.facts, facts, run, None if work.report is None else work.report.name)
    if work.report is not None:
        client.log_artifact(run.info.run_id, str(work.report))
    if facts is not None:
        log_picture(client, run.info.run_id, facts)
    return len(new)


def _experiment(client: MlflowClient, name: str, uri: str) -> str:
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            return str(client.create_experiment(name, artifact_location=artifact_location(uri), tags=EXPERIMENT_TAGS))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":  # another publish made it in this very moment
                raise
            experiment = client.get_experiment_by_name(name)
    if experiment is None or experiment.lifecycle_stage != "active":
        raise RuntimeError(f'its experiment "{name}" is deleted; restore it (mlflow experiments restore) or name another')
    return str(experiment.experiment_id)


def _runs(client: MlflowClient, experiment_id: str, monitor: str) -> dict[str, Any]:
    """The monitor's runs by version tag; of two for one version, which two first publishes at once can make, the older."""
    runs: dict[str, Any] = {}
    token: str | None = None
    while True:
        page = client.search_runs(
            [experiment_id],
            filter_string=f"tags.`{MONITOR_TAG}` = '{monitor}'",
            max_results=MOST_RUNS_AT_ONCE,
            order_by=["attributes.start_time ASC", "attributes.run_id ASC"],
            page_token=token,
        )
        for run in page:
            runs.setdefault(run.data.tags.get(VERSION_TAG, ""), run)
        token = page.token
        if not token:
            return runs


def _new_run(client: MlflowClient, experiment_id: str, version: str | None, monitor: str) -> Any:
    tags = {MONITOR_TAG: monitor, VERSION_TAG: version_tag(version), "mlflow.source.name": "spark-monitor"}
    name = f"{monitor} (no version)" if version is None else f"{monitor} v{harmless(version)}"
    run = client.create_run(experiment_id, tags=tags, run_name=name)
    # What the head of MLflow's comparison of runs is made of: which version each of them is.
    client.log_param(run.info.run_id, "model_version", "-" if version is None else harmless(version))
    return run


def _history(client: MlflowClient, run: Any, keys: Set[str], stop: Event) -> dict[str, list[Logged]]:
    """What the run holds of some keys; keys it has never seen are not asked for."""
    history = {}
    for key in sorted(keys & set(run.data.metrics)):
        _go_on(stop)
        logged = client.get_metric_history(run.info.run_id, key)
        history[key] = [Logged(metric.value, metric.step, metric.timestamp) for metric in logged]
    return history


def _log(client: MlflowClient, run_id: str, new: Sequence[Point], stop: Event, *, model_id: str | None = None) -> None:
    from mlflow.entities import Metric

    for some in _chunks(new, MOST_POINTS_AT_ONCE if model_id is None else MOST_LINKED_AT_ONCE):
        _go_on(stop)
        metrics = [Metric(point.key, point.value, point.timestamp, point.step, model_id=model_id) for point in some]
        client.log_batch(run_id, metrics=metrics, synchronous=True)


def _link(client: MlflowClient, run: Any, new: Sequence[Point], keys: Set[str], model_id: str, stop: Event) -> None:
    """Log new headline points as the logged model's as well.

    MLflow writes a point to the run first and to the model after it, so a publish killed between the two leaves a point without
    its link. The tag says that no link is missing: it is taken away first and put back last. Without it the run's points of
    the headline are logged again, which changes nothing where they and their links are there.
    """
    run_id, complete = run.info.run_id, run.data.tags.get(LINKED_TAG) == model_id
    wanted = list(new)
    if not complete:
        history = _history(client, run, keys, stop)
        wanted += [
            Point(None, key, there.value, there.step, there.timestamp) for key, points in history.items() for there in points
        ]
    elif new:
        client.delete_tag(run_id, LINKED_TAG)
    if wanted:
        _log(client, run_id, wanted, stop, model_id=model_id)
        client.set_tag(run_id, LINKED_TAG, model_id)


def _describe_run(
    client: MlflowClient, run: Any, work: _Work, facts: VersionFacts | None, registered: Any | None, *, new: bool
) -> None:
    """The run's own description, the last run that added to it, and its status: finished until there is more."""
    run_id = run.info.run_id
    before = run.data.tags.get(NOTE_TAG, "")
    note = before if facts is None else with_block(before, block(facts, work.facts))
    if note != before:
        client.set_tag(run_id, NOTE_TAG, note)
    tags = {} if facts is None else version_tags(facts)
    tags |= {} if registered is None else {registry.VERSION_TAG: f"models:/{registered.name}/{registered.version}"}
    for key, value in tags.items():
        if run.data.tags.get(key) != value:
            client.set_tag(run_id, key, value)
    if new or run.info.status != "FINISHED":
        client.set_tag(run_id, RUN_TAG, work.run_id)
        client.set_terminated(run_id, "FINISHED")


def _go_on(stop: Event) -> None:
    if stop.is_set():
        raise NoAnswer("stopped")


def _chunks(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
