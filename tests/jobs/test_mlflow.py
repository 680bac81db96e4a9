"""Publishing to a real MLflow store: each point once, whatever was killed, revised, renamed or refused in between."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from example_facts import AUC, DRIFT_FROM_WEEK, WEEKS, config, example, results, week

from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.insight.assemble import assembled
from spark_monitor.insight.headline import Headline, headline_keys
from spark_monitor.insight.reading import Reading
from spark_monitor.outputs.mlflow.client import NoAnswer, artifact_location, open_client, sentence_of, within
from spark_monitor.outputs.mlflow.markdown import BEGIN, END
from spark_monitor.outputs.mlflow.points import milliseconds
from spark_monitor.outputs.mlflow.publish import LINKED_TAG, MONITOR_TAG, VERSION_TAG, PublishResult, publish, version_tag

MODEL = "flights_delay"


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite store with its tables made once: that takes seconds."""
    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    with open_client(f"sqlite:///{file}") as client:
        client.search_experiments()
    return file


@pytest.fixture
def store(empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store of the test's own; MLflow's registry looks logged models up at its global address, whichever client asks."""
    uri = f"sqlite:///{shutil.copy(empty_store, tmp_path / 'mlflow.db')}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    return uri


@pytest.fixture
def client(store: str) -> Iterator[Any]:
    with open_client(store) as opened:
        yield opened


def monitor(uri: str) -> MonitorConfig:
    return config(outputs={"schema": "monitoring", "mlflow": {"tracking_uri": uri, "experiment": MODEL}})


def readings(version: str | None = "2", weeks: range = range(WEEKS)) -> tuple[Reading, ...]:
    """Two headline series and two of columns, with a different value every week."""
    return tuple(
        reading
        for number in weeks
        for reading in (
            Reading(version, week(number), "quality", "count", 5000.0 + number),
            Reading(version, week(number), "performance", AUC, 0.7 + number / 1000),
            Reading(version, week(number), "drift", "ks", number / 100, column="wind_speed"),
            Reading(version, week(number), "drift", "ks", number / 200, column="temp"),
        )
    )


def published(uri: str, wanted: tuple[Reading, ...], **options: Any) -> PublishResult:
    facts = options.pop("facts", example())
    return publish(Headline(wanted), facts, monitor(uri), run_id="run-1", **options)


def series(client: Any, version: str | None = "2") -> dict[str, list[tuple[int, int, float]]]:
    """Every series of a version's one run: steps, timestamps and values as MLflow holds them."""
    [run] = [run for run in all_runs(client) if run.data.tags[VERSION_TAG] == version_tag(version)]
    keys = sorted(run.data.metrics)
    history = {key: client.get_metric_history(run.info.run_id, key) for key in keys}
    return {key: sorted((metric.step, metric.timestamp, metric.value) for metric in found) for key, found in history.items()}


def all_runs(client: Any) -> list[Any]:
    experiment = client.get_experiment_by_name(MODEL)
    return list(client.search_runs([experiment.experiment_id]))


def register(client: Any, description: str | None = "The user's own text.") -> tuple[str, str]:
    """Registered versions 1 and 2 of the model; version 2 was made from a logged model, whose id is returned."""
    experiment = client.create_experiment("training")
    run = client.create_run(experiment)
    logged = client.create_logged_model(experiment, name="model", source_run_id=run.info.run_id)
    client.create_registered_model(MODEL)
    client.create_model_version(MODEL, source=run.info.artifact_uri, run_id=run.info.run_id)
    client.create_model_version(
        MODEL, source=f"models:/{logged.model_id}", run_id=run.info.run_id, model_id=logged.model_id, description=description
    )
    return experiment, logged.model_id


def linked(client: Any, model_id: str) -> Counter[tuple[str, int, int]]:
    metrics = client.get_logged_model(model_id).metrics or []
    return Counter((metric.key, metric.step, metric.timestamp) for metric in metrics)


def test_a_version_has_one_run_with_a_point_per_week(store: str, client: Any) -> None:
    result = published(store, readings("2") + readings("1"))

    assert (result.status, result.points) == ("PUBLISHED", 8 * WEEKS)
    assert {run.info.run_name for run in all_runs(client)} == {"flights_delay v1", "flights_delay v2"}
    assert {run.data.tags[MONITOR_TAG] for run in all_runs(client)} == {"flights_delay"}
    assert {run.info.status for run in all_runs(client)} == {"FINISHED"}
    auc = series(client)[f"performance/{AUC}"]
    first_monday = 2252  # 1970-01-05 begins week 0; 2013-03-04 is 15,764 days after it
    assert [step for step, _, _ in auc] == list(range(first_monday, first_monday + WEEKS))
    assert [timestamp for _, timestamp, _ in auc] == [milliseconds(week(number).end) for number in range(WEEKS)]
    assert [value for _, _, value in auc] == [0.7 + number / 1000 for number in range(WEEKS)]


def test_publishing_again_adds_nothing(store: str, client: Any) -> None:
    published(store, readings())
    before = series(client)

    result = published(store, readings())

    assert (result.status, result.points) == ("PUBLISHED", 0)
    assert series(client) == before


def test_a_late_label_adds_one_revised_point_a_millisecond_later(store: str, client: Any) -> None:
    published(store, readings(weeks=range(5)))
    revised = Reading("2", week(3), "performance", AUC, 0.61)

    results = [published(store, (revised,)) for _ in range(2)]

    assert [result.points for result in results] == [1, 0]
    end = milliseconds(week(3).end)
    of_week = [
        (timestamp, value) for _, timestamp, value in series(client)[f"performance/{AUC}"] if timestamp - end in range(1000)
    ]
    assert of_week == [(end, 0.703), (end + 1, 0.61)]


@pytest.mark.parametrize("requests", [0, 1, 2])
def test_a_publish_that_was_cut_off_goes_on_without_a_point_twice(
    store: str, client: Any, monkeypatch: pytest.MonkeyPatch, requests: int
) -> None:
    from mlflow import MlflowClient

    log_batch, sent = MlflowClient.log_batch, []

    def cut_off(self: Any, *args: Any, **kwargs: Any) -> None:
        if len(sent) >= requests:
            raise ConnectionError("the wire was cut")
        sent.append(log_batch(self, *args, **kwargs))

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_batch", cut_off)
        patch.setattr("spark_monitor.outputs.mlflow.publish.MOST_POINTS_AT_ONCE", 50)
        interrupted = published(store, readings())
    resumed = published(store, readings())

    assert interrupted.status == "FAILED"
    assert "the wire was cut" in interrupted.message
    assert (resumed.status, resumed.points) == ("PUBLISHED", 4 * WEEKS - 50 * requests)
    assert {key: len(found) for key, found in series(client).items()} == dict.fromkeys(series(client), WEEKS)


def test_headline_points_are_linked_to_the_logged_model_once(store: str, client: Any) -> None:
    _, model_id = register(client)

    for _ in range(2):
        published(store, readings())

    found = linked(client, model_id)
    assert {key for key, _, _ in found} == {"quality/count", f"performance/{AUC}"}
    assert len(found) == 2 * WEEKS
    assert set(found.values()) == {1}
    assert {key: len(points) for key, points in series(client).items()} == dict.fromkeys(series(client), WEEKS)


def test_a_link_lost_by_a_kill_is_made_by_the_next_publish(store: str, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow commits a point to the run before it commits it to the model: the kill lies between."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    _, model_id = register(client)
    published(store, readings(weeks=range(10)))

    def killed(self: Any, run_id: str, metrics: list[Any], **kwargs: Any) -> None:
        if any(metric.model_id for metric in metrics):
            raise ConnectionError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(SqlAlchemyStore, "_log_model_metrics", killed)
        assert published(store, readings()).status == "FAILED"
    assert len(linked(client, model_id)) == 2 * 10
    assert published(store, readings(weeks=range(WEEKS - 1, WEEKS))).status == "PUBLISHED"

    assert len(linked(client, model_id)) == 2 * WEEKS
    assert set(linked(client, model_id).values()) == {1}
    [run] = [run for run in all_runs(client) if run.data.tags[VERSION_TAG] == "2"]
    assert run.data.tags[LINKED_TAG] == model_id


KILLED = """
import os, signal, sys
import spark_monitor.outputs.mlflow.publish as publishing
import test_mlflow
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

store, method, allowed = sys.argv[1], sys.argv[2], int(sys.argv[3])
genuine = getattr(SqlAlchemyStore, method)
calls = []

def killed(self, *args, **kwargs):
    if len(calls) >= allowed:
        os.kill(os.getpid(), signal.SIGKILL)
    calls.append(method)
    return genuine(self, *args, **kwargs)

setattr(SqlAlchemyStore, method, killed)
publishing.MOST_POINTS_AT_ONCE = 30
publishing.MOST_LINKED_AT_ONCE = 30
test_mlflow.published(store, test_mlflow.readings())
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "allowed"),
    [
        ("_log_metrics", 1),
        ("_log_model_metrics", 4),
        ("create_run", 0),
    ],
)
def test_a_process_killed_while_it_publishes_leaves_nothing_twice_and_nothing_out(
    store: str, client: Any, method: str, allowed: int
) -> None:
    _, model_id = register(client)
    path = os.pathsep.join(str(parent) for parent in Path(__file__).parents[:3])

    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KILLED, store, method, str(allowed)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        timeout=120,
        check=False,
    )
    resumed = published(store, readings())

    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    assert resumed.status == "PUBLISHED"
    assert {key: len(found) for key, found in series(client).items()} == dict.fromkeys(series(client), WEEKS)
    assert len(series(client)) == 4
    assert len(linked(client, model_id)) == 2 * WEEKS
    assert set(linked(client, model_id).values()) == {1}


def test_the_callers_active_model_gets_no_points(store: str, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment, _ = register(client)
    stranger = client.create_logged_model(experiment, name="another").model_id
    monkeypatch.setenv("MLFLOW_ACTIVE_MODEL_ID", stranger)

    published(store, readings())

    assert not linked(client, stranger)


def test_the_registered_version_says_how_it_does(store: str, client: Any) -> None:
    register(client)
    published(store, readings())

    version = client.get_model_version(MODEL, "2")

    runs = {run.info.run_id: run for run in all_runs(client)}
    run = runs[version.tags.pop("monitoring.run")]
    assert run.data.tags["monitoring.registered_version"] == f"models:/{MODEL}/2"
    assert run.data.tags["monitoring.status"] == client.get_registered_model(MODEL).tags["monitoring.status"] == "FAIL"
    assert f"(#/experiments/{run.info.experiment_id}/runs/{run.info.run_id})" in version.description
    assert version.tags == {
        "monitoring.status": "FAIL",
        "monitoring.last_window": "2013-12-02 to 2013-12-09",
        "monitoring.incidents": "1",
    }
    assert version.description.startswith(f"The user's own text.\n\n{BEGIN}\n**Monitoring: FAIL**")
    assert version.description.rstrip().endswith(END)
    assert client.get_model_version(MODEL, "1").tags["monitoring.status"] == "PASS"


def test_the_registry_is_written_only_on_change(store: str, client: Any) -> None:
    register(client)
    published(store, readings())
    first = client.get_model_version(MODEL, "2")
    client.update_model_version(MODEL, "2", f"{first.description}\n\nMore of the user's own.")
    edited = client.get_model_version(MODEL, "2")

    published(store, readings())
    same = client.get_model_version(MODEL, "2")
    solved = assembled(
        type(results())(**{**vars(results()), "incidents": [], "open_total": 0, "failing": [], "verdicts": []}), config()
    )
    published(store, readings(), facts=solved)
    changed = client.get_model_version(MODEL, "2")

    assert same.last_updated_timestamp == edited.last_updated_timestamp
    assert changed.tags["monitoring.status"] == "UNCHECKED"
    assert changed.tags["monitoring.incidents"] == "0"
    assert changed.description.startswith("The user's own text.")
    assert changed.description.endswith("More of the user's own.")
    assert changed.description.count(BEGIN) == changed.description.count(END) == 1


def test_the_version_that_is_null_and_the_one_called_none_are_two(store: str, client: Any) -> None:
    published(store, readings(None, range(3)) + readings("none", range(2)))

    assert len(series(client, None)["quality/count"]) == 3
    assert len(series(client, "none")["quality/count"]) == 2
    assert "flights_delay (no version)" in {run.info.run_name for run in all_runs(client)}


HOSTILE = [
    "a.b",
    "a_b",
    "a/b",
    "a b",
    "",
    " ",
    "..",
    "wind_speed",
    "WIND_SPEED",
    "Größe",
    "温度",
    "é",
    "'; DROP",
    "x" * 300,
    "x" * 301,
    "\x1b[0m",
]


def test_every_name_that_a_column_can_have_is_a_series_of_its_own(store: str, client: Any) -> None:
    wanted = tuple(Reading("2", week(0), "drift", "ks", index / 7, column=name) for index, name in enumerate(HOSTILE))

    result = published(store, wanted)

    assert (result.status, result.points) == ("PUBLISHED", len(HOSTILE))
    assert sorted(value for [(_, _, value)] in series(client).values()) == [index / 7 for index in range(len(HOSTILE))]
    assert {"drift/ks.wind_speed", "drift/ks.温度", "drift/ks.a_b"} <= set(series(client))


def test_hostile_versions_have_runs_of_their_own(store: str, client: Any) -> None:
    versions = ["2' OR '1'='1", "v" * 5000, "v" * 5001, '"none"', "<script>", "\u202e2"]
    wanted = tuple(Reading(version, week(0), "quality", "count", 1.0) for version in versions)

    results = [published(store, wanted) for _ in range(2)]

    assert [result.points for result in results] == [len(versions), 0]
    assert len(all_runs(client)) == len(versions) + len(example().versions)


def test_nan_infinity_and_nothing_are_no_points(store: str, client: Any) -> None:
    values = [float("nan"), float("inf"), float("-inf"), None, 0.5]

    result = published(store, tuple(Reading("2", week(number), "performance", AUC, value) for number, value in enumerate(values)))

    assert result.points == 1
    assert [value for _, _, value in series(client)[f"performance/{AUC}"]] == [0.5]


def test_the_report_and_a_picture_become_artifacts(store: str, client: Any, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text("<p>all of it</p>")

    assert published(store, readings(), report=page).status == "PUBLISHED"

    runs = all_runs(client)
    found = [[artifact.path for artifact in client.list_artifacts(run.info.run_id)] for run in runs]
    assert all("report.html" in paths for paths in found)
    assert ["performance.png", "report.html"] in found
    for run in runs:
        assert run.info.artifact_uri.startswith((tmp_path / "mlartifacts").as_uri())


def test_nothing_of_mlflows_noise_reaches_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = published(f"sqlite:///{tmp_path / 'new.db'}", readings(weeks=range(2)))

    assert result.status == "PUBLISHED"
    assert not caught
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("uri", ["http://ann:s3cret@127.0.0.1:9", "http://ann:s3cret@127.0.0.1:9?token=s3cret"])
def test_a_refused_connection_is_a_result_without_secrets(uri: str, capfd: pytest.CaptureFixture[str]) -> None:
    begun = time.monotonic()

    result = published(uri, readings())

    assert result.status == "FAILED"
    assert "refused" in result.message
    assert "s3cret" not in result.message
    assert time.monotonic() - begun < 30
    assert capfd.readouterr() == ("", "")


def test_a_file_that_is_no_database_is_a_result(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("this is no database, and it is longer than a header of one hundred bytes" * 3)

    result = published(f"sqlite:///{tmp_path / 'mlflow.db'}", readings())

    assert result.status == "FAILED"
    assert "not a database" in result.message


def test_a_server_that_never_answers_costs_no_more_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr("spark_monitor.outputs.mlflow.publish._published", lambda *work: released.wait(30) and 0)
    begun = time.monotonic()

    result = published("http://127.0.0.1:9", readings(), longest=0.2)
    released.set()

    assert result.status == "FAILED"
    assert "did not answer within 0.2 seconds" in result.message
    assert time.monotonic() - begun < 5


def test_work_that_nobody_waits_for_is_told_to_stop() -> None:
    told = threading.Event()

    def action(stop: threading.Event) -> int:
        if stop.wait(10):
            told.set()
        return 0

    with pytest.raises(NoAnswer):
        within(0.05, action)
    assert told.wait(5)


def test_without_mlflow_the_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)

    result = published("sqlite:///never.db", readings())

    assert result.status == "FAILED"
    assert 'pip install "spark-monitor[local]"' in result.message
    assert not Path("never.db").exists()


def test_a_deleted_experiment_is_not_brought_back(store: str, client: Any) -> None:
    client.delete_experiment(client.create_experiment(MODEL))

    result = published(store, readings())

    assert result.status == "FAILED"
    assert "mlflow experiments restore" in result.message


def test_without_an_address_publishing_is_off() -> None:
    result = publish(Headline(()), example(), config(outputs={"schema": "m"}), run_id="r")

    assert (result.status, result.points) == ("OFF", 0)


def test_a_password_in_an_error_is_masked() -> None:
    error = RuntimeError("FATAL: password hunter2 was refused for postgresql://ann:hunter2@db/mlflow")

    assert "hunter2" not in sentence_of(error, "postgresql://ann:hunter2@db/mlflow")


def test_files_lie_beside_an_sqlite_database_and_elsewhere_where_the_server_says(tmp_path: Path) -> None:
    assert (
        artifact_location(f"sqlite:///{tmp_path / 'my store' / 'mlflow.db'}") == (tmp_path / "my store" / "mlartifacts").as_uri()
    )
    assert [artifact_location(uri) for uri in ("http://host", "databricks", "postgresql://host/db")] == [None] * 3


def test_the_dozen_headline_series_are_those_of_the_task() -> None:
    keys = headline_keys(config())

    assert {
        "quality/count",
        "performance/roc_auc_score",
        "performance/roc_auc_score_lower",
        "performance/label_coverage",
        "drift/ks_max",
    } <= keys
    assert 8 <= len(keys) <= 12
    assert DRIFT_FROM_WEEK < WEEKS
