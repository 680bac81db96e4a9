"""Tables in an S3 that refuses or is slow: a clear failure, and the next run is right.

Needs S3A's jars in a directory that SPARK_MONITOR_TEST_S3A names, as `make test-store` does; without it these tests are skipped.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import faulty_store
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from faulty_store import BUCKET, REGION, Faults, FaultyStore
from test_survival import plain

JARS = os.environ.get("SPARK_MONITOR_TEST_S3A", "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not JARS, reason="SPARK_MONITOR_TEST_S3A names no directory with the jars of S3A"),
]
TABLES = ("profile_states", "profile_metrics", "drift_metrics", "checks", "baselines")
AS_OF = "2024-01-22"
ROWS = 1_000


@dataclass
class Fleet:
    """The store, and what was run against it."""

    store: FaultyStore
    directory: Path
    requests: int = 0
    said: list[str] = field(default_factory=list)

    def run(self, out: str, as_of: str, faults: Faults | None = None) -> int:
        """The exit code of a run that writes below a prefix."""
        self.store.faults = faults or Faults()
        file = self.directory / f"{out}.yaml"
        rows = f"s3a://{BUCKET}/rows"
        file.write_text(
            f"""
monitor: stored
model: {{name: stored, task: none}}
predictions: {{path: "{rows}", format: parquet, id: id, time: at, model_version: {{literal: "1"}}}}
baseline: {{path: "{rows}", format: parquet, where: "at < TIMESTAMP '2024-01-08 00:00:00Z'"}}
windows: {{every: 1 week, lookback: 30 days}}
rules:
  - {{metric: ks, fail: 0.2}}
outputs: {{path: "s3a://{BUCKET}/{out}"}}
""",
            encoding="utf-8",
        )
        address = {"endpoint": self.store.endpoint, "endpoint.region": REGION, "path.style.access": "true"}
        patience = {"attempts.maximum": "2", "retry.limit": "2", "retry.throttle.limit": "3", "retry.throttle.interval": "50ms"}
        settings = {**address, **patience, "access.key": "test", "secret.key": "test", "connection.ssl.enabled": "false"}
        conf = {f"spark.hadoop.fs.s3a.{name}": value for name, value in settings.items()}
        conf["spark.jars"] = ",".join(str(jar) for jar in sorted(Path(JARS).glob("*.jar")))
        command = [sys.executable, "-m", "spark_monitor", "run", str(file), "--as-of", as_of, "--master", "local[2]"]
        options = [word for name, value in conf.items() for word in ("--conf", f"{name}={value}")]
        keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": REGION}
        own = {**os.environ, **keys, "AWS_ENDPOINT_URL": self.store.endpoint, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run([*command, *options], capture_output=True, text=True, env=own, timeout=1500)
        self.requests = self.store.faults.requests
        self.said.append(done.stdout + done.stderr)
        print(out, as_of, done.returncode, self.store.faults, done.stderr[-600:])
        return done.returncode

    def tables(self, out: str) -> dict[str, pd.DataFrame]:
        """The tables below a prefix."""
        self.store.faults = Faults()
        place = self.directory / "copies" / out
        self.store.download(out, place)
        found = {}
        for name in TABLES:
            frame = DeltaTable(str(place / name)).to_pandas().drop(columns=["run_id"], errors="ignore").map(plain)
            found[name] = frame.sort_values(list(frame.columns)).reset_index(drop=True)
        return found

    def assert_right(self, out: str) -> None:
        """The tables are those of the run that nothing disturbed."""
        expected = self.tables("undisturbed")
        for name, frame in self.tables(out).items():
            assert len(frame) > 0
            pd.testing.assert_frame_equal(expected[name], frame, obj=name)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    directory = tmp_path_factory.mktemp("stored")
    random = np.random.default_rng(41)
    at = np.datetime64("2024-01-01", "us") + np.sort(random.integers(0, 21 * 86_400 * 10**6, ROWS)).astype("timedelta64[us]")
    times = pa.array(at).cast(pa.timestamp("us", "UTC"))
    (directory / "rows").mkdir()
    table = pa.table({"id": pa.array(np.arange(ROWS)), "at": times, "x": pa.array(random.normal(size=ROWS))})
    pq.write_table(table, directory / "rows" / "part.parquet")
    with faulty_store.faulty_store() as store:
        store.upload(directory / "rows", "rows")
        made = Fleet(store, directory)
        assert made.run("undisturbed", AS_OF) == 0, made.said[-1]
        yield made


def test_a_store_that_refuses_everything_ends_the_run_and_the_next_one_is_right(fleet: Fleet) -> None:
    assert fleet.run("refused", AS_OF, Faults(refused_after=int(0.6 * fleet.requests))) == 3
    assert "Storage refuses requests: " in fleet.said[-1]
    assert "Traceback" not in fleet.said[-1]
    assert fleet.run("refused", AS_OF) == 0, fleet.said[-1]
    fleet.assert_right("refused")


def test_a_store_that_refuses_now_and_then_and_is_slow_costs_time_alone(fleet: Fleet) -> None:
    assert fleet.run("slow", AS_OF, Faults(refused_every=9, delay_seconds=0.05)) == 0, fleet.said[-1]
    assert fleet.store.faults.refused > 0
    fleet.assert_right("slow")
