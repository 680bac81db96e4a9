"""The main job on a standalone cluster, submitted as a user would, one worker dying: the tables are those of one machine."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from standalone import HOST, Cluster, cluster, environment, free_port

from spark_monitor.session import DELTA_CATALOG, DELTA_EXTENSION, delta_package

sys.path.insert(0, str(Path(__file__).parents[1] / "jobs"))
import made
from test_survival import assert_same_tables, elsewhere

pytestmark = [pytest.mark.slow, pytest.mark.cluster, pytest.mark.timeout(1800)]

ROOT = Path(__file__).resolve().parents[2]
AS_OF = "2024-01-23"
PROGRAMS = Path(sys.executable).parent
SETTINGS = {
    "spark.sql.extensions": DELTA_EXTENSION,
    "spark.sql.catalog.spark_catalog": DELTA_CATALOG,
    "spark.sql.shuffle.partitions": "2",
    "spark.databricks.delta.snapshotPartitions": "2",
    "spark.sql.session.timeZone": "UTC",
    "spark.executor.memory": "900m",
    "spark.driver.host": HOST,
    "spark.ui.enabled": "false",
}
CONF = [part for name, value in SETTINGS.items() for part in ("--conf", f"{name}={value}")]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> made.Made:
    """The tables as one machine writes them."""
    source = made.make(tmp_path_factory.mktemp("cluster"), rows=3_000, mlflow=False)
    finished(
        started([PROGRAMS / "spark-monitor", "run", source.monitor_file, "--as-of", AS_OF, "--master", "local[2]", *CONF[4:8]])
    )
    return source


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as it is installed elsewhere."""
    directory = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(directory), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, timeout=300)
    (found,) = directory.glob("*.whl")
    return found


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Cluster]:
    with cluster(tmp_path, workers=2) as found:
        yield found


def started(command: list[object]) -> subprocess.Popen[str]:
    words = [str(word) for word in command]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment())


def finished(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=900)
    assert process.returncode == 0, output[-3000:]
    return output


def submitted(running: Cluster, wheel: Path, source: made.Made) -> list[object]:
    job = [ROOT / "jobs" / "run_monitor.py", "run", source.monitor_file, "--as-of", AS_OF]
    jars = ["--packages", delta_package(), "--py-files", wheel]
    return [PROGRAMS / "spark-submit", "--master", running.master, *jars, *CONF, *job]


def test_spark_submit_with_a_worker_killed_half_way_writes_the_same_tables(
    running: Cluster, wheel: Path, alone: made.Made
) -> None:
    source = elsewhere(alone, "submitted")
    process = started(submitted(running, wheel, source))
    deadline = time.monotonic() + 300
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip().endswith("s  profile") or time.monotonic() > deadline:
            break
    running.kill("worker1")
    finished(process)
    assert_same_tables(alone, source)


def test_spark_connect_on_a_cluster_writes_the_same_tables(running: Cluster, alone: made.Made) -> None:
    port = free_port()
    server = "org.apache.spark.sql.connect.service.SparkConnectServer"
    own = ["--conf", f"spark.connect.grpc.binding.port={port}", "--conf", f"spark.connect.grpc.binding.address={HOST}"]
    submit = [PROGRAMS / "spark-submit", "--class", server, "--master", running.master, "--packages", delta_package()]
    running.start("connect", *map(str, [*submit, *CONF, *own, "spark-internal"]))
    running.wait_for("connect", "Spark Connect server started")
    source = elsewhere(alone, "connected")
    remote = f"sc://{HOST}:{port}"
    finished(started([PROGRAMS / "spark-monitor", "run", source.monitor_file, "--as-of", AS_OF, "--remote", remote]))
    assert_same_tables(alone, source)
