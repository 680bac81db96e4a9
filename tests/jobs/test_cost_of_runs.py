"""What runs make Spark do, counted and bounded: the first run, one with a new window, one without news."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from benchmarks.small import START, WEEK, monitor_of, rows_of, write
from spark_monitor.store import turn

MOST = {"first": (240, 235, 24), "new window": (215, 180, 7), "without news": (10, 9, 1)}
"""Jobs, queries (those that Delta asks of its own logs included) and commits, without the heartbeats of a slow machine."""


@dataclass(frozen=True)
class Counted:
    """What Spark and Delta counted so far."""

    jobs: int
    queries: int
    commits: int

    @classmethod
    def now(cls, spark: SparkSession, outputs: Path) -> Counted:
        """As the session's own stores tell."""
        context = spark.sparkContext._jsc.sc()
        context.listenerBus().waitUntilEmpty()
        jobs = context.dagScheduler().numTotalJobs()
        known = spark._jsparkSession.sharedState().statusStore().executionsList()  # the last thousand, numbered from the start
        queries = known.last().executionId() + 1 if known.size() else 0
        return cls(jobs, queries, len(list(outputs.glob("*/_delta_log/*.json"))))

    def since(self, before: Counted) -> tuple[int, int, int]:
        """What came on top."""
        return self.jobs - before.jobs, self.queries - before.queries, self.commits - before.commits


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_runs_take_few_jobs_queries_and_commits(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if type(spark).__module__.startswith("pyspark.sql.connect"):
        pytest.skip("Spark Connect does not tell how many jobs it ran; classic mode counts them for both")
    monkeypatch.setattr(turn, "BEAT", timedelta(days=1))
    write(rows_of(4_000, 6, start=START - WEEK, weeks=1, seed=1), tmp_path / "baseline", "0")
    write(rows_of(12_000, 6, start=START, weeks=3, seed=2), tmp_path / "rows", "0")
    monitor = monitor_of(tmp_path, slices=["region"])
    found: dict[str, tuple[int, int, int]] = {}

    def counted(name: str, run: Callable[[], object]) -> None:
        before = Counted.now(spark, tmp_path / "out")
        run()
        found[name] = Counted.now(spark, tmp_path / "out").since(before)
        print(f"{name}: {found[name][0]} jobs, {found[name][1]} queries, {found[name][2]} commits")

    later = START + 3 * WEEK
    counted("first", lambda: monitor.run(spark, as_of=later))
    counted("without news", lambda: monitor.run(spark, as_of=later))
    write(rows_of(4_000, 6, start=later, weeks=1, seed=3), tmp_path / "rows", "1")
    counted("new window", lambda: monitor.run(spark, as_of=later + WEEK + timedelta(hours=1)))
    assert datetime(2024, 1, 1, tzinfo=UTC) == START
    for name, most in MOST.items():
        assert all(one <= limit for one, limit in zip(found[name], most, strict=True)), (name, found[name], most)
