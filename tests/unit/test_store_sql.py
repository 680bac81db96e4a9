"""The SQL that the store writes: values, predicates and names, whatever they contain."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from spark_monitor.config.outputs import OutputsConfig
from spark_monitor.errors import ConfigError, RunError
from spark_monitor.store.literals import value_sql
from spark_monitor.store.place import Place
from spark_monitor.store.rows import of_windows
from spark_monitor.store.schemas import TABLES
from spark_monitor.store.spark_tables import assignments
from spark_monitor.windowing.due import DueWindow
from spark_monitor.windowing.windows import Window

START = datetime(2024, 1, 1, tzinfo=UTC)
TYPES = {field.name: field.dataType for field in TABLES["runs"].columns}


def week(number: int, granularity: str = "1 week") -> DueWindow:
    start = START + timedelta(weeks=number)
    return DueWindow(granularity, Window(start, start + timedelta(weeks=1)))


def test_adjacent_windows_become_one_range_and_a_gap_two() -> None:
    predicate = of_windows("m", [week(2), week(0), week(1), week(5)])
    assert predicate.count(">=") == 2
    assert "'2024-01-01 00:00:00.000000+00:00'" in predicate
    assert "'2024-01-22 00:00:00.000000+00:00'" in predicate
    assert "'2024-02-05 00:00:00.000000+00:00'" in predicate


def test_granularities_are_kept_apart() -> None:
    predicate = of_windows("m", [week(0), week(0, "7 days")])
    assert predicate.startswith("`monitor_id` = 'm' AND (")
    assert predicate.count("`granularity` = ") == 2


def test_no_window_is_no_row() -> None:
    assert of_windows("m", []) == "false"


def test_a_monitor_with_quotes_stays_a_literal() -> None:
    predicate = of_windows("m' OR '1' = '1", [week(0)])
    assert predicate.startswith(r"`monitor_id` = 'm\' OR \'1\' = \'1' AND (")


def test_a_timestamp_of_another_zone_is_written_in_utc_and_one_without_a_zone_refused() -> None:
    east = datetime(2024, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    assert value_sql(east, TYPES["as_of"]) == "TIMESTAMP '2024-01-01 00:00:00.000000+00:00'"
    with pytest.raises(ValueError, match="without a time zone"):
        value_sql(datetime(2024, 1, 1), TYPES["as_of"])


@pytest.mark.parametrize("given", [("1 week", START, START, 7), {"end": START, "granularity": "1 week", "start": START}])
def test_structs_are_given_in_order_or_by_name(given: object) -> None:
    told = value_sql([given], TYPES["windows"])
    text = told.removeprefix("from_json('").split("', '")[0]
    (window,) = json.loads(text)
    assert window["granularity"] == "1 week"
    assert window["end"] == "2024-01-01T00:00:00.000000+00:00"
    assert window["label_fingerprint"] == (7 if isinstance(given, tuple) else None)


def test_an_unknown_column_of_the_ledger_is_refused_with_the_nearest() -> None:
    with pytest.raises(RunError, match=r'unknown column "row_in".*Did you mean "rows_in"'):
        assignments(TABLES["runs"], {"row_in": 1})


def test_paths_are_made_absolute_and_lose_their_last_slash() -> None:
    assert Place.of(OutputsConfig(path="out/dir/")).path == str(Path("out/dir").absolute())
    assert Place.of(OutputsConfig(path="s3://bucket/dir/")).path == "s3://bucket/dir"
    assert Place.of(OutputsConfig(path="/data/")).location("runs") == "/data/runs"


def test_names_of_a_hostile_schema_and_path_are_quoted() -> None:
    assert Place(schema="cat.`sch``ema`").relation("runs") == "`cat`.`sch``ema`.`runs`"
    assert Place(path="/a`b/it's").relation("runs") == "delta.`/a``b/it's/runs`"


def test_a_place_is_a_schema_or_a_path() -> None:
    with pytest.raises(ConfigError, match="one of `schema` and `path`"):
        Place(schema="s", path="/p")
