"""What the change feed of a prediction table tells, and when it does not tell all: against what was done to the table."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from spark_monitor.config.monitor import PredictionsConfig
from spark_monitor.store import Store
from spark_monitor.store.feed import BrokenFeed, NoFeed
from spark_monitor.store.place import Place

FEED = "delta.enableChangeDataFeed"


class Watched:
    """A table that statements change, and what its feed tells between two of its versions."""

    def __init__(self, spark: SparkSession, path: Path, *, feed: bool = True) -> None:
        self.spark, self.path = spark, path
        self.relation = f"delta.`{path}`"
        self.source = PredictionsConfig(path=str(path), format="delta", id=["id"], time="at")
        self.store = Store(spark, Place(path=str(path.parent / "out")))
        self.do(f"CREATE TABLE {{}} (id INT, at TIMESTAMP) USING delta TBLPROPERTIES ('{FEED}' = '{str(feed).lower()}')")

    def do(self, *statements: str) -> None:
        for statement in statements:
            self.spark.sql(statement.format(self.relation)).collect()

    def insert(self, *ids: int) -> None:
        self.do("INSERT INTO {} VALUES " + ", ".join(f"({one}, timestamp_seconds({one}))" for one in ids))

    @property
    def version(self) -> str:
        found = self.store.source_version(self.source)
        assert found is not None
        return found

    def told(self, before: str) -> Counter[tuple[int, str]]:
        rows = self.store.changed_rows(self.source, before=before, after=self.version)
        return Counter((row["id"], row["_change_type"]) for row in rows.select("id", "_change_type").collect())


@pytest.fixture
def table(spark: SparkSession, tmp_path: Path) -> Watched:
    watched = Watched(spark, tmp_path / "watched")
    watched.insert(1, 2, 3)
    return watched


def test_inserted_deleted_and_updated_rows_are_told_and_nothing_of_before(table: Watched) -> None:
    before = table.version
    table.insert(4)
    table.do("DELETE FROM {} WHERE id = 1", "UPDATE {} SET at = timestamp_seconds(99) WHERE id = 2")
    kinds = [(4, "insert"), (1, "delete"), (2, "update_preimage"), (2, "update_postimage")]
    assert table.told(before) == Counter(kinds)


@pytest.mark.slow
def test_files_that_are_rewritten_without_a_change_are_not_told(table: Watched) -> None:
    table.insert(4)
    before = table.version
    table.do("OPTIMIZE {}")
    assert table.version != before
    assert table.told(before) == Counter()


@pytest.mark.slow
def test_a_table_whose_feed_is_off_tells_nothing(spark: SparkSession, tmp_path: Path) -> None:
    watched = Watched(spark, tmp_path / "silent", feed=False)
    before = watched.version
    watched.insert(1)
    with pytest.raises(NoFeed):
        watched.told(before)


def test_files_without_a_feed_tell_nothing(table: Watched, tmp_path: Path) -> None:
    source = PredictionsConfig(path=str(tmp_path), format="parquet", id=["id"], time="at")
    with pytest.raises(NoFeed):
        table.store.changed_rows(source, before="1", after="2")


@pytest.mark.slow
def test_a_feed_that_was_turned_on_or_off_between_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    watched = Watched(spark, tmp_path / "late", feed=False)
    before = watched.version
    watched.insert(1)
    watched.do(f"ALTER TABLE {{}} SET TBLPROPERTIES ('{FEED}' = 'true')")
    with pytest.raises(Exception, match="DELTA_MISSING_CHANGE_DATA"):
        watched.told(before)
    on = watched.version
    watched.insert(2)
    assert watched.told(on) == Counter([(2, "insert")])
    watched.do(f"ALTER TABLE {{}} SET TBLPROPERTIES ('{FEED}' = 'false')")
    watched.insert(3)
    watched.do(f"ALTER TABLE {{}} SET TBLPROPERTIES ('{FEED}' = 'true')")
    with pytest.raises(Exception, match="DELTA_MISSING_CHANGE_DATA"):
        watched.told(on)


@pytest.mark.slow
def test_a_feed_whose_files_were_vacuumed_is_refused(table: Watched) -> None:
    before = table.version
    table.do("DELETE FROM {} WHERE id = 1")
    kept = "spark.databricks.delta.retentionDurationCheck.enabled"
    table.spark.conf.set(kept, "false")
    try:
        table.do("VACUUM {} RETAIN 0 HOURS")
    finally:
        table.spark.conf.unset(kept)
    with pytest.raises(Exception, match=r"(?i)does not exist|not found|no such file"):
        table.told(before)


@pytest.mark.slow
def test_removed_files_that_the_session_would_pass_over_are_no_feed(table: Watched) -> None:
    before = table.version
    table.insert(4)
    table.spark.conf.set("spark.sql.files.ignoreMissingFiles", "true")
    try:
        with pytest.raises(BrokenFeed, match="removed files would not show"):
            table.told(before)
    finally:
        table.spark.conf.unset("spark.sql.files.ignoreMissingFiles")


@pytest.mark.slow
def test_a_table_made_again_is_not_taken_for_the_former_one(table: Watched) -> None:
    before = table.version
    table.insert(4)
    number = int(before.split()[0])
    with pytest.raises(BrokenFeed, match="another one"):
        table.store.changed_rows(table.source, before=f"{number} of 2000-01-01T00:00:00.000000+00:00", after=table.version)
    with pytest.raises(BrokenFeed, match="another one"):
        table.store.changed_rows(table.source, before=table.version, after=before)
