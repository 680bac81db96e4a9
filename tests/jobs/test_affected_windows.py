"""A prediction table with a change feed: exactly the windows that hold a changed row are reprocessed, however old they are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import days
import pandas as pd
import pytest
from days import Growing
from pyspark.sql import SparkSession

from spark_monitor import Monitor, RunResult
from tests.logged import logged

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 15
AS_OF = START + timedelta(days=DAYS)
WINDOWS = "every: 1 day, also: [1 week], lookback: 2 days"
LOOKBACK = {("1 day", 14), ("1 day", 15), ("1 week", 8)}
FEED = "delta.enableChangeDataFeed"


def day(number: int) -> datetime:
    """The beginning of a day of January."""
    return START + timedelta(days=number - 1)


class Story:
    """A table, a monitor of it, and what its last run did."""

    def __init__(self, spark: SparkSession, table: Growing, monitor: Monitor) -> None:
        self.spark, self.table, self.monitor = spark, table, monitor
        self.lines: list[str] = []

    def do(self, statement: str) -> None:
        """Change the table by SQL."""
        self.spark.sql(statement.format(f"delta.`{self.table.path}`")).collect()

    def append(self, number: int, *, seed: int) -> None:
        """Add rows to a day."""
        self.table.append(days.rows_of(day(number), day(number + 1), rows=20, seed=seed))

    def run(self) -> RunResult:
        """Run at the same timestamp as ever."""
        with logged() as lines:
            result = self.monitor.run(self.spark, as_of=AS_OF)
        self.lines += lines
        return result

    def written_by(self, run: RunResult) -> set[tuple[str, int]]:
        """The windows whose stored states are a run's, as granularity and the day on which they begin."""
        states = self.table.read("out", "profile_states")
        own = states[states["run_id"] == run.run_id]
        found = set(zip(own["granularity"], own["start"].dt.day, strict=True))
        assert found == {(one.granularity, one.window.start.day) for one in run.windows}
        return found

    def counts(self) -> dict[tuple[str, int, str], int]:
        """Rows of every window and version, as stored."""
        profile = self.table.read("out", "profile_metrics")
        whole = profile[(profile["column_name"] == ":table") & profile["slice_key"].isna() & (profile["status"] != "EMPTY")]
        keys = zip(whole["granularity"], whole["start"].dt.day, whole["model_version"], strict=True)
        return dict(zip(keys, whole["count"], strict=True))

    def count_deltas(self) -> dict[tuple[str, int, str], int]:
        """Rows of every window and version beyond those of the window before, as stored."""
        drift = self.table.read("out", "drift_metrics")
        whole = drift[(drift["column_name"] == ":table") & drift["slice_key"].isna() & (drift["status"] == "OK")]
        whole = whole[whole["drift_type"] == "CONSECUTIVE"]
        keys = zip(whole["granularity"], whole["start"].dt.day, whole["model_version"], strict=True)
        return dict(zip(keys, whole["count_delta"], strict=True))

    def drift_from_baseline(self) -> pd.DataFrame:
        """The rows that say how far each window is from the baseline, without who wrote them."""
        drift = self.table.read("out", "drift_metrics")
        own = drift[drift["drift_type"] == "BASELINE"].drop(columns="run_id").astype(str)
        return own.sort_values(list(own.columns)).reset_index(drop=True)

    def counted(self) -> dict[tuple[str, int, str], int]:
        """The same by SQL."""
        rows = self.spark.read.format("delta").load(str(self.table.path)).selectExpr("version", "unix_micros(at) AS at").collect()
        at = pd.to_datetime([row["at"] for row in rows], unit="us", utc=True)
        number = pd.Series((at - pd.Timestamp(START)).days + 1)
        versions = pd.Series([row["version"] for row in rows])
        found: dict[tuple[str, int, str], int] = {}
        for granularity, starts in (("1 day", number), ("1 week", (number - 1) // 7 * 7 + 1)):
            for (start, version), count in versions.groupby([starts, versions]).size().items():
                if granularity == "1 day" or day(start + 7) <= AS_OF:
                    found[granularity, start, version] = count
        return found


@pytest.fixture(scope="module")
def story(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Story:
    table = Growing(spark, tmp_path_factory.mktemp("affected"))
    table.write_baseline(days.rows_of(START - timedelta(days=9), START, rows=500, seed=0))
    days.write_deltalake(str(table.path), days.SCHEMA.empty_table(), configuration={FEED: "true"})
    for number in range(1, DAYS + 1):
        table.append(days.rows_of(day(number), day(number + 1), rows=40, seed=number))
    told = Story(spark, table, table.monitor("out", windows=WINDOWS, slices="[text]"))
    assert told.run().status == "COMMITTED"
    assert told.counts() == told.counted()
    return told


def test_what_the_feed_tells_is_handled_again_and_what_it_cannot_tell_is_the_lookback(story: Story) -> None:
    assert story.run().status == "NOTHING_NEW"
    # Rows that lie in no window that is over touch none.
    story.append(DAYS + 1, seed=30)
    assert story.run().status == "NOTHING_NEW"

    before = story.drift_from_baseline()
    story.append(3, seed=31)
    third = story.run()
    counts = story.counts()
    length = {"1 day": 1, "1 week": 7}
    for (granularity, start, version), delta in story.count_deltas().items():
        assert delta == counts[granularity, start, version] - counts[granularity, start - length[granularity], version]
    affected = [str(pd.Timestamp(day(number))) for number in (1, 3)]  # a week and a day, to which slice values may have come
    others = [rows[~rows["start"].isin(affected)].reset_index(drop=True) for rows in (before, story.drift_from_baseline())]
    assert len(others[0])
    pd.testing.assert_frame_equal(*others)
    assert story.written_by(third) == {("1 day", 3), ("1 week", 1)}
    reason = story.table.last_run("out")["reader_reason"]
    assert "The change feed tells of changed rows in 2 closed windows." in reason
    assert reason.endswith("Stored states of 6 finer windows were merged; their rows were not read.")
    assert story.counts() == {key: count for key, count in story.counted().items() if key[1] <= DAYS}

    within = "at >= TIMESTAMP '2024-01-{:02d} 00:00:00Z' AND at < TIMESTAMP '2024-01-{:02d} 00:00:00Z'"
    story.do(f"DELETE FROM {{}} WHERE {within.format(5, 6)} AND flag")
    story.do(f"UPDATE {{}} SET at = at + INTERVAL 1 DAY WHERE {within.format(9, 10)} AND NOT flag")
    changed = story.run()
    assert story.written_by(changed) == {("1 day", 5), ("1 day", 9), ("1 day", 10), ("1 week", 1), ("1 week", 8)}
    assert story.counts() == {key: count for key, count in story.counted().items() if key[1] <= DAYS}
    assert story.run().status == "NOTHING_NEW"

    story.do(f"ALTER TABLE {{}} SET TBLPROPERTIES ('{FEED}' = 'false')")
    story.append(2, seed=32)
    assert story.written_by(story.run()) == LOOKBACK
    story.append(2, seed=33)
    story.do(f"ALTER TABLE {{}} SET TBLPROPERTIES ('{FEED}' = 'true')")
    assert not any("change feed" in line for line in story.lines)
    assert story.written_by(story.run()) == LOOKBACK
    (line,) = [line for line in story.lines if "change feed" in line]
    assert line.startswith("The lookback was reprocessed: the change feed of the prediction table cannot be read (")
    assert line in story.table.last_run("out")["reader_reason"]

    story.append(4, seed=34)
    assert story.written_by(story.run()) == {("1 day", 4), ("1 week", 1)}
