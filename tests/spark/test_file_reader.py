"""The file reader against the Spark reader: the same states of the same table, or a sentence why only Spark can read it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.kernel.parquet import Block, FileUnreadable
from spark_monitor.kernel.plan import KernelPlan, ProfilePlan, WindowKey, plan_segments, wanted_spans
from spark_monitor.kernel.state_rows import state_of_row
from spark_monitor.session import setting
from spark_monitor.sources.predictions import Predictions, open_predictions
from spark_monitor.sources.readers.files import TASK_SETTING, blocks_of, file_partials, file_table, why_unreadable
from spark_monitor.sources.readers.rows import OnlySpark, rows_for_profile, within, within_any
from spark_monitor.sources.readers.spark import partial_states
from spark_monitor.stages.context import Run
from spark_monitor.stages.freeze import freeze
from spark_monitor.stages.merge import merged, profile
from spark_monitor.stages.reader import FileReading, choose_reader, read_states
from spark_monitor.states.categorical import CategoricalState
from spark_monitor.states.numeric import NumericState
from spark_monitor.states.table import TableState
from spark_monitor.store.files import columns_in_paths
from spark_monitor.windowing.due import Schedule
from tests.logged import logged

ROWS = 600
START = dt.datetime(2024, 3, 25, tzinfo=dt.UTC)
DAY = 86_400_000_000
FIRST = int(START.timestamp()) * 1_000_000
WINDOWS = tuple(WindowKey("1 week", FIRST + 7 * week * DAY, FIRST + 7 * (week + 1) * DAY) for week in range(3))
SPAN = (WINDOWS[0].start, WINDOWS[-1].end)
SLICES: list[Any] = [
    "group",
    "whole",
    "flag",
    "day",
    ["group", "flag"],
    "real > 0.5",
    "`odd``name.ß` >= 0 AND NOT (group = 'a' OR flag)",
    "group IS NULL",
    "small BETWEEN -1 AND 1",
    "group IN ('a', 'c')",
    "group LIKE 'b%'",
    "group NOT LIKE 'b%'",
    "day < DATE '2024-01-09'",
]
FEW: list[Any] = ["group", ["group", "flag"], "real > 0.5"]


def rows_of(seed: int = 5) -> pa.Table:
    """Every type that a file can hold, with nulls, NaN, infinities, and times outside the windows and NULL."""
    random = np.random.default_rng(seed)
    seconds = random.uniform(-3 * 86_400, 24 * 86_400, ROWS)
    times = [START + dt.timedelta(seconds=float(second)) for second in seconds]
    real = random.normal(size=ROWS)
    real[:4] = [np.nan, np.inf, -np.inf, -0.0]

    def holed(values: Any, kind: pa.DataType | None = None) -> pa.Array:
        return pa.array(values, kind, mask=random.random(ROWS) < 0.1)

    cents = [Decimal(int(number)) / 100 for number in random.integers(-999, 999, ROWS)]
    return pa.table(
        {
            "id": holed(np.arange(ROWS)),
            "at": pa.array([None, *times[1:]], pa.timestamp("us", "UTC")),
            "version": holed(random.integers(1, 3, ROWS)),
            "real": holed(real),
            "odd`name.ß": holed(random.normal(size=ROWS).astype(np.float32)),
            "small": pa.array(random.integers(-3, 3, ROWS), pa.int8()),
            "whole": holed(random.integers(-2, 2, ROWS)),
            "huge": pa.array(2**60 + random.integers(0, 1000, ROWS)),
            "flag": holed(random.random(ROWS) < 0.4),
            "group": holed(random.choice(["a", "b", "bß", "NULL"], ROWS)),
            "many": pa.array([f"kind {number}" for number in random.integers(0, 400, ROWS)]),
            "bytes": holed([bytes([number % 7]) * 20 for number in range(ROWS)]),
            "cents": holed(cents, pa.decimal128(9, 2)),
            "precise": holed([cent / 7 for cent in cents], pa.decimal128(38, 30)),
            "day": holed([dt.date(2024, 1, 1) + dt.timedelta(days=int(day)) for day in random.integers(6, 10, ROWS)]),
            "moment": holed(random.integers(-(10**15), 10**15, ROWS), pa.timestamp("us", "UTC")),
            "local": holed(random.integers(0, 10**15, ROWS), pa.timestamp("us")),
            "list": pa.array([None if number % 9 == 0 else [1.5] * (number % 4) for number in range(ROWS)]),
            "map": pa.array(
                [None if number % 8 == 0 else [("k", 1)] * (number % 2) for number in range(ROWS)],
                pa.map_(pa.string(), pa.int64()),
            ),
            "struct": pa.array([None if number % 5 == 0 else {"a": 1, "b": None} for number in range(ROWS)]),
            # Types of whoever wrote the file, which Parquet does not have; Arrow gives them back.
            "viewed": holed(random.choice(["a", "b", ""], ROWS), pa.string_view()),
            "raw": holed([bytes([number % 5]) for number in range(ROWS)], pa.binary_view()),
            "fixed": holed([bytes([number % 5]) * 3 for number in range(ROWS)], pa.binary(3)),
            "kind": holed(random.choice(["a", "b"], ROWS)).dictionary_encode(),
            "kind_number": holed(random.integers(0, 5, ROWS)).dictionary_encode(),
            "lasting": holed(random.integers(-(10**9), 10**9, ROWS), pa.duration("us")),
            "tiny_count": holed(random.integers(0, 256, ROWS), pa.uint8()),
            "count": holed(random.integers(0, 2**32, ROWS), pa.uint32()),
            "large_count": holed(2**63 + random.integers(0, 1000, ROWS).astype(np.uint64), pa.uint64()),
            "long_list": pa.array(
                [None if number % 9 == 0 else [1] * (number % 4) for number in range(ROWS)], pa.large_list(pa.int8())
            ),
        }
    )


def config_of(source: dict[str, Any], slices: list[Any] | None = None, **predictions: Any) -> MonitorConfig:
    own = {"id": "id", "time": "at", "model_version": "version", **source, **predictions}
    return MonitorConfig.model_validate(
        {
            "monitor": "files",
            "model": {"name": "files", "task": "none"},
            "predictions": own,
            "windows": {"every": "1 week"},
            "slices": FEW if slices is None else slices,
            "outputs": {"path": "unused"},
        }
    )


class Plain:
    """A store of which only the files' paths are asked, and they tell nothing."""

    @staticmethod
    def columns_in_paths(_: Any) -> tuple[str, ...]:
        return ()


def plan_of(config: MonitorConfig, predictions: Predictions) -> tuple[DataFrame, ProfilePlan]:
    """The rows that the Spark reader takes, and the plan of both."""
    time, ids = config.predictions.time, config.predictions.id
    frame = predictions.frame.where(within(predictions.frame, time, *SPAN, zone=config.windows.zone, with_null=False))
    options = {"time": time, "version_sql": predictions.version_sql, "ids": ids}
    rows = rows_for_profile(frame, predictions.columns, predictions.slices, **options)
    frozen, _ = freeze(rows, predictions.columns, [])
    edges, members = plan_segments(WINDOWS)
    columns = tuple(column.kernel for column in frozen)
    kernel = KernelPlan(columns, edges, members, len(predictions.slices), (None,) * len(predictions.slices))
    types = tuple(column.data_type for column in predictions.columns)
    return rows, ProfilePlan(kernel, WINDOWS, predictions.slice_keys, types, config.windows.zone)


def decoded(states: DataFrame, plan: ProfilePlan) -> dict[tuple[Any, ...], Any]:
    columns = {column.name: column for column in plan.kernel.columns}
    found = {}
    for row in states.collect():
        key = (row["start"], row["model_version"], row["slice_key"], row["slice_value"], row["column_name"])
        assert row["error"] is None, row["error"]
        found[key] = state_of_row(row.asDict(recursive=True), columns.get(row["column_name"]))
    return found


def assert_same(ours: Any, spark: Any, where: tuple[Any, ...]) -> None:
    assert type(ours) is type(spark), where
    if isinstance(ours, TableState):
        assert ours.to_bytes() == spark.to_bytes(), where
    elif isinstance(ours, CategoricalState):
        for name in ("count", "nulls", "empties", "min_length", "max_length", "total_length"):
            assert getattr(ours, name) == getattr(spark, name), (where, name)
        np.testing.assert_array_equal(ours.counts, spark.counts, err_msg=str(where))
        assert ours.distinct.count == spark.distinct.count, where
        assert ours.frequent.counts == spark.frequent.counts or ours.frequent.dropped + spark.frequent.dropped, where
    else:
        assert isinstance(ours, NumericState)
        for name in ("count", "nulls", "nans", "positive_infinities", "negative_infinities"):
            assert getattr(ours, name) == getattr(spark, name), (where, name)
        np.testing.assert_array_equal(ours.cells, spark.cells, err_msg=str(where))
        np.testing.assert_array_equal([ours.minimum, ours.maximum], [spark.minimum, spark.maximum], err_msg=str(where))
        assert ours.moments.n == spark.moments.n
        scale = max(abs(spark.moments.mean), np.sqrt(max(spark.moments.m2, 0)), 1e-300)
        assert abs(ours.moments.mean - spark.moments.mean) <= 1e-12 * scale, where
        assert ours.moments.m2 == pytest.approx(spark.moments.m2, rel=1e-12), where
        assert ours.distinct.count == spark.distinct.count, where


def both(spark: SparkSession, config: MonitorConfig) -> int:
    """Compare all states of both readers; how many there are."""
    predictions = open_predictions(spark, config)
    rows, plan = plan_of(config, predictions)
    table = file_table(config, predictions, columns_in_paths(spark, config.predictions), [SPAN])
    tasks = blocks_of(predictions.frame, table, config.predictions.time, [SPAN])
    by_files = decoded(merged(file_partials(spark, tasks, table.layout, plan), plan), plan)
    by_spark = decoded(profile(rows, plan), plan)
    assert by_files.keys() == by_spark.keys()
    for key, state in by_files.items():
        assert_same(state, by_spark[key], key)
    return len(by_files)


def parquet(directory: Path) -> dict[str, Any]:
    directory.mkdir()
    table = rows_of()
    for part in range(3):
        pq.write_table(table.slice(part * 200, 200), directory / f"a part {part}%.parquet", row_group_size=50)
    return {"path": str(directory), "format": "parquet"}


def delta(spark: SparkSession, directory: Path, *partitions: str) -> dict[str, Any]:
    source = parquet(directory.parent / f"{directory.name} source")
    frame = spark.read.parquet(source["path"]).repartition(2)
    frame.write.format("delta").option("delta.enableDeletionVectors", "false").partitionBy(*partitions).save(str(directory))
    return {"path": str(directory), "format": "delta"}


def test_a_task_reads_many_small_files_unless_the_session_says_how_much(spark: SparkSession, tmp_path: Path) -> None:
    source = {"path": str(tmp_path / "rows"), "format": "parquet"}
    (tmp_path / "rows").mkdir()
    for part in range(12):
        pq.write_table(rows_of().slice(part * 50, 50), tmp_path / "rows" / f"{part}.parquet")
    config = config_of(source, [])
    predictions = open_predictions(spark, config)
    table = file_table(config, predictions, (), [SPAN])

    def files_of_tasks() -> list[int]:
        return sorted(len(blocks) for blocks in blocks_of(predictions.frame, table, config.predictions.time, [SPAN]))

    # Every file counts as 130 MiB beside its few bytes: after three there is room in 512 MiB, after four there is none.
    with (
        setting(spark, "spark.sql.files.openCostInBytes", str(130 << 20)),
        setting(spark, "spark.sql.files.minPartitionNum", "1"),
    ):
        assert files_of_tasks() == [4, 4, 4]
        assert spark.conf.get(TASK_SETTING, None) is None
        with setting(spark, TASK_SETTING, "128m"):
            assert files_of_tasks() == [1] * 12
            assert spark.conf.get(TASK_SETTING) == "128m"
    assert spark.conf.get(TASK_SETTING, None) is None


def test_parquet_files_of_any_type_give_the_same_states(spark: SparkSession, tmp_path: Path) -> None:
    assert both(spark, config_of(parquet(tmp_path / "rows"), ["group"])) > 500


@pytest.mark.slow
def test_slices_of_any_kind_are_the_same(spark: SparkSession, tmp_path: Path) -> None:
    few = {"features": {"include": ["real", "group", "day"]}}
    assert both(spark, config_of(parquet(tmp_path / "rows"), SLICES, **few)) > 500


@pytest.mark.slow
def test_columns_of_any_type_in_slices_of_any_kind_are_the_same(spark: SparkSession, tmp_path: Path) -> None:
    assert both(spark, config_of(parquet(tmp_path / "rows"), SLICES)) > 5_000


@pytest.mark.parametrize(
    "partitions", [pytest.param((), marks=pytest.mark.slow), pytest.param(("group", "day"), marks=pytest.mark.slow)]
)
def test_delta_files_that_spark_wrote_give_the_same_states(
    spark: SparkSession, tmp_path: Path, partitions: tuple[str, ...]
) -> None:
    assert both(spark, config_of(delta(spark, tmp_path / "rows", *partitions))) > 500


@pytest.mark.slow
def test_a_parquet_directory_with_values_in_its_paths_gives_the_same_states(spark: SparkSession, tmp_path: Path) -> None:
    source = parquet(tmp_path / "source")
    spark.read.parquet(source["path"]).write.partitionBy("group", "whole").parquet(str(tmp_path / "rows"))
    assert both(spark, config_of({"path": str(tmp_path / "rows"), "format": "parquet"})) > 500


@pytest.mark.slow
@pytest.mark.parametrize("time", ["local", pytest.param("day", marks=pytest.mark.slow)])
def test_local_times_and_dates_place_rows_in_the_same_windows(spark: SparkSession, tmp_path: Path, time: str) -> None:
    (tmp_path / "rows").mkdir()
    random = np.random.default_rng(8)
    days = random.integers(-5, 25, ROWS)
    table = rows_of().set_column(16, "local", pa.array(FIRST + days * DAY + random.integers(0, DAY, ROWS), pa.timestamp("us")))
    table = table.set_column(14, "day", pa.array([START.date() + dt.timedelta(days=int(day)) for day in days]))
    pq.write_table(table, tmp_path / "rows" / "part.parquet", row_group_size=200)
    source = {"path": str(tmp_path / "rows"), "format": "parquet", "time": time}
    assert both(spark, config_of(source, ["group"])) > 100


@pytest.mark.slow
def test_columns_that_older_files_lack_or_hold_narrower_give_the_same_states(spark: SparkSession, tmp_path: Path) -> None:
    table = rows_of().drop_columns(["local"])
    path = tmp_path / "rows"
    (tmp_path / "old").mkdir()
    pq.write_table(table.drop_columns(["real", "list"]), tmp_path / "old" / "part.parquet")
    (tmp_path / "new").mkdir()
    pq.write_table(table, tmp_path / "new" / "part.parquet")
    for source in ("old", "new"):
        frame = spark.read.parquet(str(tmp_path / source))
        frame.write.format("delta").mode("append").option("mergeSchema", "true").save(str(path))
    assert both(spark, config_of({"path": str(path), "format": "delta"}, ["group", "real > 0.5"])) > 100


def refusal(spark: SparkSession, config: MonitorConfig) -> str:
    predictions = open_predictions(spark, config)
    with pytest.raises(OnlySpark) as caught:
        file_table(config, predictions, columns_in_paths(spark, config.predictions), [SPAN])
    return str(caught.value)


@pytest.mark.parametrize(
    ("properties", "sentence"),
    [
        ("'delta.enableDeletionVectors' = 'true'", "the table has deletion vectors"),
        ("'delta.columnMapping.mode' = 'name'", "maps its columns"),
    ],
)
def test_features_of_delta_that_files_alone_do_not_tell_are_refused(
    spark: SparkSession, tmp_path: Path, properties: str, sentence: str
) -> None:
    path = tmp_path / "rows"
    spark.sql(
        f"CREATE TABLE delta.`{path}` (id LONG, at TIMESTAMP, version STRING, x DOUBLE) USING delta TBLPROPERTIES ({properties})"
    )
    assert sentence in refusal(spark, config_of({"path": str(path), "format": "delta"}, []))


def test_views_are_refused(spark: SparkSession, tmp_path: Path) -> None:
    source = parquet(tmp_path / "rows")
    spark.read.parquet(source["path"]).createOrReplaceTempView("doubled")
    assert refusal(spark, config_of({"table": "doubled"}, [])) == "doubled is a view"


@pytest.mark.parametrize(
    ("slice_", "sentence"),
    [
        ("real", "only Spark writes the double column 'real' as a string"),
        ("upper(group) = 'A'", "needs Spark to evaluate UPPER(group)"),
        ("huge > 0.5", "compares a bigint column with 0.5"),
        ("moment > TIMESTAMP '2024-01-01'", "needs Spark to evaluate"),
        ("group = 'it''s'", "needs Spark to evaluate"),
        ('group = "a"', "double quotes"),
    ],
)
def test_slices_whose_meaning_is_sparks_own_are_refused(spark: SparkSession, tmp_path: Path, slice_: str, sentence: str) -> None:
    assert sentence in refusal(spark, config_of(parquet(tmp_path / "rows"), [slice_]))


def spoil_rows(block: Block) -> Block:
    return Block(block.path, block.start, block.length, block.size, block.rows + 1)


def spoil_size(block: Block) -> Block:
    return Block(block.path, block.start, block.length, block.size + 1, block.rows)


def spoil_path(block: Block) -> Block:
    return Block(f"{block.path}.gone", block.start, block.length, block.size, block.rows)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [(spoil_rows, "rows where Spark counts"), (spoil_size, "bytes, not"), (spoil_path, "NotFound")],
)
def test_what_is_not_as_spark_found_it_is_a_sentence(
    spark: SparkSession, tmp_path: Path, spoil: Callable[[Block], Block], sentence: str
) -> None:
    config = config_of(parquet(tmp_path / "rows"), [])
    predictions = open_predictions(spark, config)
    _, plan = plan_of(config, predictions)
    table = file_table(config, predictions, columns_in_paths(spark, config.predictions), [SPAN])
    tasks = blocks_of(predictions.frame, table, config.predictions.time, [SPAN])
    spoiled = [[spoil(block) for block in blocks] for blocks in tasks]
    with pytest.raises(Exception) as caught:  # noqa: PT011 - Spark's own, of another class in each mode
        merged(file_partials(spark, spoiled, table.layout, plan), plan).collect()
    assert sentence in str(why_unreadable(caught.value))
    assert why_unreadable(ValueError("another")) is None
    assert why_unreadable(FileUnreadable("x", "why")) == "x: why"


def run_of(spark: SparkSession, config: MonitorConfig, store: Any = None) -> Run:
    schedule = Schedule((config.windows.granularity,), "UTC", config.windows.lookback_duration, None)
    return Run(spark, config, store, "run", START, schedule)


@pytest.mark.slow
def test_what_the_files_do_not_give_is_read_again_through_spark_and_logged(spark: SparkSession, tmp_path: Path) -> None:
    config = config_of(parquet(tmp_path / "rows"))
    predictions = open_predictions(spark, config)
    rows, plan = plan_of(config, predictions)
    table = file_table(config, predictions, columns_in_paths(spark, config.predictions), [SPAN])
    tasks = blocks_of(predictions.frame, table, config.predictions.time, [SPAN])
    kept: list[dict[tuple[Any, ...], Any]] = []
    run = run_of(spark, config)
    spoiled = FileReading(table, [[spoil_rows(block) for block in blocks] for blocks in tasks])
    with logged() as lines:
        read_states(run, spoiled, rows, plan, lambda states: kept.append(decoded(states, plan)))
    (found,) = kept
    expected = decoded(profile(rows, plan), plan)
    assert found.keys() == expected.keys()
    for key, state in found.items():
        assert_same(state, expected[key], key)
    assert run.reader == "spark"
    assert lines == [run.reader_reason]
    assert "rows where Spark counts" in run.reader_reason


def test_a_platform_that_does_not_tell_where_its_files_are_is_read_through_spark(spark: SparkSession, tmp_path: Path) -> None:
    class Silent:
        """A store whose platform refuses to describe the table."""

        @staticmethod
        def columns_in_paths(source: Any) -> tuple[str, ...]:
            spark.sql("DESCRIBE DETAIL delta.`/nowhere at all`").collect()
            return ()

    config = config_of(parquet(tmp_path / "rows"), [])
    run = run_of(spark, config, Silent())
    assert choose_reader(run, open_predictions(spark, config), [SPAN]) is None
    assert run.reader == "spark"
    assert run.reader_reason.startswith("Read through Spark: the files cannot be listed (")


@pytest.mark.parametrize("wanted", [pytest.param((0, 2), id="first and last week"), pytest.param((), id="nothing")])
@pytest.mark.parametrize("reader", ["files", "spark"])
@pytest.mark.slow
def test_stored_states_stand_for_the_rows_of_spans_that_are_not_read(
    spark: SparkSession, tmp_path: Path, wanted: Sequence[int], reader: str
) -> None:
    config = config_of(parquet(tmp_path / "rows"))
    predictions, run = open_predictions(spark, config), run_of(spark, config, Plain())
    run.wanted_reader = reader
    rows, plan = plan_of(config, predictions)
    _, members = plan_segments(WINDOWS, {number: [WINDOWS[number]] for number in range(3) if number not in wanted})
    edges = (WINDOWS[0].start, *(window.end for window in WINDOWS))
    left = [(number,) if number in wanted else () for number in range(3)]
    spans = wanted_spans(edges, left)
    assert [numbers for numbers in members if numbers] == [numbers for numbers in left if numbers]
    assert spans == [(WINDOWS[number].start, WINDOWS[number].end) for number in wanted]
    rest = replace(plan, kernel=replace(plan.kernel, edges=edges, windows=tuple(left)))
    rows_left = rows_for_profile(
        predictions.frame.where(within_any(predictions.frame, config.predictions.time, spans, zone="UTC", with_null=False)),
        predictions.columns,
        predictions.slices,
        time=config.predictions.time,
        version_sql=predictions.version_sql,
        ids=config.predictions.id,
    )
    elsewhere = [number for number in range(3) if number not in wanted]
    stored = partial_states(rows, plan).where(f"window IN ({', '.join(map(str, elsewhere))})").withColumn("part", F.lit(-1))
    kept: list[dict[tuple[Any, ...], Any]] = []
    reading = choose_reader(run, predictions, spans)
    assert (reading is None) == (reader == "spark")
    read_states(run, reading, rows_left, rest, lambda states: kept.append(decoded(states, plan)), stored=stored)
    (found,) = kept
    expected = decoded(profile(rows, plan), plan)
    assert found.keys() == expected.keys()
    for key, state in found.items():
        assert_same(state, expected[key], key)
