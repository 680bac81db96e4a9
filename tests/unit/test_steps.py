"""What is measured of steps and tables, from runs, commits and schemas that are made by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from spark_monitor.kernel.plan import WindowKey
from spark_monitor.kernel.steps import COMMIT, FIRST, OWN, RUN, SCHEMA, PipelinePlan, pipeline_measurements
from spark_monitor.kernel.table_history import schema_change

HOUR = 3_600_000_000
DAY = 24 * HOUR
DAYS = tuple(WindowKey("1 day", day * DAY, (day + 1) * DAY) for day in range(4))
COLUMNS = (
    *("kind", "name", "started", "ended", "version", "failed", "attempt", "rows", "bytes", "files", "operation", "author"),
    *("writes", "fields", "seconds", "inputs", "outputs", "late"),
)
EVERYTHING = frozenset({"status", "attempt", "rows", "bytes"})


def row(**values: Any) -> dict[str, Any]:
    return {**dict.fromkeys(COLUMNS), **values}


def ran(name: str, started: float, hours: float = 1.0, **values: Any) -> dict[str, Any]:
    """A run that began so many hours after the epoch."""
    ended = int((started + hours) * HOUR)
    return row(**{"kind": RUN, "name": name, "started": int(started * HOUR), "ended": ended, "failed": False, **values})


def plan(**options: Any) -> PipelinePlan:
    return PipelinePlan(**{"windows": DAYS, "as_of": 4 * DAY, "lookback": 30 * DAY, "has": EVERYTHING, **options})


def found(rows: list[dict[str, Any]], **options: Any) -> dict[tuple[int, str, str], dict[str, Any]]:
    measured = pipeline_measurements(rows, plan(**options))
    return {(one["start"] // DAY, one["column_name"], one["metric"]): one for one in measured}


EVERY_MORNING = tuple(day * DAY + 6 * HOUR for day in range(5))


def test_durations_failures_retries_and_rows_are_counted_in_the_window_of_a_runs_end() -> None:
    rows = [
        ran("train", 6, 2, rows=100.0),
        ran("train", 9, 4, failed=True, attempt=2.0, rows=50.0),
        ran("train", 23.5, 1, rows=7.0),
    ]
    told = found(rows)
    assert told[0, "train", "step_seconds"]["value"] == 3 * 3600
    assert dict(told[0, "train", "step_seconds"]["details"]) == {"runs": "2", "shortest": "7200", "longest": "14400"}
    assert told[0, "train", "step_failures"]["value"] == 1
    assert told[0, "train", "step_retries"]["value"] == 1
    assert told[0, "train", "output_rows"]["value"] == 150
    assert told[1, "train", "step_seconds"]["value"] == 3600


def test_a_night_on_which_a_step_did_not_run_is_said_with_its_timestamp() -> None:
    rows = [ran("features", day * 24 + 6.1) for day in (0, 1, 3)]
    told = found(rows, ticks=EVERY_MORNING, grace=HOUR)
    assert [told[day, "features", "step_missed_runs"]["value"] for day in range(4)] == [0, 0, 1, 0]
    missed = told[2, "features", "step_missed_runs"]
    assert missed["message"] == "The step was due 1970-01-03 06:00:00 UTC and did not run."
    assert told[0, "features", "step_lateness_seconds"]["value"] == pytest.approx(360)
    assert told[2, "features", "step_lateness_seconds"]["value"] == pytest.approx(24 * 3600 + 360)
    silent = told[2, "features", "step_seconds"]
    assert (silent["status"], silent["value"]) == ("EMPTY", None)
    assert "it last ended 1970-01-02 07:06:00 UTC" in silent["message"]


def test_a_step_that_starts_late_ran_and_one_whose_grace_is_not_over_is_not_missed_yet() -> None:
    rows = [ran("features", 6.0), ran("features", 24 + 20.0)]
    told = found(rows, ticks=EVERY_MORNING, grace=HOUR)
    assert told[1, "features", "step_missed_runs"]["value"] == 0
    assert told[1, "features", "step_lateness_seconds"]["value"] == pytest.approx(14 * 3600)
    early = found(rows, ticks=EVERY_MORNING, grace=HOUR, as_of=2 * DAY + 6 * HOUR + HOUR // 2, windows=DAYS[2:3])
    assert (2, "features", "step_missed_runs") not in early


def test_a_clock_that_runs_ahead_by_seconds_does_not_make_a_run_the_day_befores() -> None:
    rows = [ran("features", day * 24 + 6 - 5 / 3600) for day in range(4)]
    told = found(rows, ticks=EVERY_MORNING, grace=HOUR)
    assert [told[day, "features", "step_missed_runs"]["value"] for day in range(4)] == [0, 0, 0, 0]
    assert told[0, "features", "step_lateness_seconds"]["value"] == 0


def test_runs_that_end_before_they_start_have_no_duration_and_it_is_said() -> None:
    told = found([ran("train", 6, -1), ran("train", 8, 1)])
    assert told[0, "train", "step_seconds"]["value"] == 3600
    assert told[0, "train", "step_seconds"]["message"] == "1 of 2 runs end before they start: their clocks differ."


def test_a_state_that_nobody_knows_is_no_success() -> None:
    told = found([ran("train", 6, failed=None), ran("train", 8)])
    assert told[0, "train", "step_failures"]["value"] == 0
    assert "1 of 2 runs have a status that is neither success nor failure." in told[0, "train", "step_failures"]["message"]


def test_the_first_broken_step_upstream_is_named() -> None:
    after = {"raw": (), "features": ("raw",), "train": ("features",), "report": ()}
    rows = [ran("raw", 1, failed=True), ran("features", 2), ran("train", 3, failed=True), ran("report", 4, failed=True)]
    told = found(rows, after=after)
    assert dict(told[0, "train", "step_failures"]["details"])["first_broken_step"] == "raw"
    assert "first_broken_step" not in dict(told[0, "raw", "step_failures"]["details"])
    assert "first_broken_step" not in dict(told[0, "report", "step_failures"]["details"])


def test_beside_lateness_and_rows_stand_all_steps_that_come_before() -> None:
    after = {"raw": (), "features": ("raw",), "train": ("features",)}
    told = found([ran(name, hour, rows=5.0) for hour, name in enumerate(after, 1)], after=after, ticks=(HOUR,))
    for metric in ("output_rows", "step_lateness_seconds"):
        named = [dict(told[0, name, metric]["details"] or ()).get("waits_for") for name in after]
        assert named == [None, "raw", "features, raw"]


def test_inputs_and_outputs_tell_the_order_of_steps() -> None:
    rows = [ran("load", 1, failed=True, outputs=["db/raw"]), ran("join", 2, failed=True, inputs=["db/raw"], outputs=["db/out"])]
    told = found(rows)
    assert dict(told[0, "join", "step_failures"]["details"])["first_broken_step"] == "load"


def test_a_run_that_began_and_has_not_ended_is_said() -> None:
    told = found([row(kind=RUN, name="train", started=5 * HOUR), ran("train", -3)])
    assert told[0, "train", "step_seconds"]["message"].endswith("It began 1970-01-01 05:00:00 UTC and has not ended.")


def commit(version: int, hours: float, **values: Any) -> dict[str, Any]:
    return row(
        **{
            "kind": COMMIT,
            "name": "db.t",
            "version": version,
            "ended": int(hours * HOUR),
            "operation": "WRITE",
            "writes": True,
            "rows": 10.0,
            "bytes": 100.0,
            "files": 2.0,
            **values,
        }
    )


def schema(version: int, **columns: str) -> dict[str, Any]:
    fields = json.dumps({"type": "struct", "fields": [{"name": name, "type": kind} for name, kind in columns.items()]})
    return row(kind=SCHEMA, name="db.t", version=version, fields=fields)


def test_commits_are_summed_and_schema_changes_are_told_with_who_made_them() -> None:
    rows = [commit(0, 1), commit(1, 2, rows=5.0), commit(2, 30, author="ana"), commit(3, 31, operation="OPTIMIZE", writes=False)]
    rows += [schema(0, a="long"), schema(2, a="string", b="double")]
    told = found(rows, tables=("db.t",), logged_tables=frozenset({"db.t"}))
    assert [told[day, "db.t", "output_rows"]["value"] for day in range(3)] == [15, 10, 0]
    assert [told[day, "db.t", "output_files"]["value"] for day in range(2)] == [4, 2]
    assert told[0, "db.t", "hours_since_commit"]["value"] == 22
    assert told[2, "db.t", "hours_since_commit"]["value"] == 42
    assert [told[day, "db.t", "schema_changes"]["value"] for day in range(3)] == [0, 1, 0]
    message = "added b (double); retyped a from long to string, 1970-01-02 06:00:00 UTC by ana."
    assert told[1, "db.t", "schema_changes"]["message"] == message
    silent = told[2, "db.t", "output_rows"]
    assert (silent["status"], silent["message"]) == (
        "EMPTY",
        "No commit wrote to this table in this window; the last one was 1970-01-02 06:00:00 UTC.",
    )


def test_a_table_that_was_never_written_has_rows_that_say_so() -> None:
    told = found([], tables=("db.t",))
    assert told[0, "db.t", "hours_since_commit"]["status"] == "EMPTY"


def test_files_without_row_counts_leave_the_rows_undefined() -> None:
    told = found([commit(0, 1, rows=None)], tables=("db.t",))
    assert told[0, "db.t", "output_rows"]["status"] == "UNDEFINED"
    assert told[0, "db.t", "output_bytes"]["value"] == 100


def test_the_monitors_own_stages_are_steps() -> None:
    rows = [row(kind=OWN, name="spark_monitor.profile", ended=5 * HOUR, seconds=2.0)]
    rows += [row(kind=OWN, name="spark_monitor.run", ended=5 * HOUR, seconds=9.0, failed=True, rows=20.0, attempt=1.0)]
    rows += [row(kind=OWN, name="spark_monitor.run", ended=6 * HOUR, seconds=9.0, failed=False, attempt=2.0)]
    rows += [row(kind=OWN, name="spark_monitor.run", ended=ended * HOUR, late=late) for ended, late in ((5, 60.0), (6, 3600.0))]
    told = found(rows)
    assert told[0, "spark_monitor.run", "step_retries"]["value"] == 1
    assert told[0, "spark_monitor.run", "step_lateness_seconds"]["value"] == 3600
    assert told[0, "spark_monitor.profile", "step_seconds"]["value"] == 2
    assert told[0, "spark_monitor.run", "step_failures"]["value"] == 1
    assert (1, "spark_monitor.run", "step_seconds") not in told


def test_before_a_pipelines_first_run_nothing_was_due() -> None:
    rows = [ran("features", 24 + 6.0), ran("features", 48 + 6.0)]
    told = found(rows, ticks=EVERY_MORNING, grace=HOUR)
    assert (0, "features", "step_missed_runs") not in told
    assert told[1, "features", "step_missed_runs"]["value"] == 0
    named = found(rows, ticks=EVERY_MORNING, grace=HOUR, after={"features": (), "train": ("features",)})
    assert [named[day, "train", "step_missed_runs"]["value"] for day in (1, 2)] == [1, 1]


def test_a_time_just_before_a_windows_end_is_judged_in_the_window_in_which_its_grace_ends() -> None:
    """A run right after a window's end cannot know yet; where nothing runs any more, nothing makes that window due again."""
    late = tuple(day * DAY + int(23.5 * HOUR) for day in range(-1, 5))
    rows = [ran("features", day * 24 + 23.6, 0.1) for day in (-1, 0)]
    told = {}
    for day in range(4):  # a run ten minutes after each window's end, which measures this window alone
        told |= found(rows, windows=(DAYS[day],), ticks=late, grace=HOUR, as_of=(day + 1) * DAY + HOUR // 6)
    assert [told[day, "features", "step_missed_runs"]["value"] for day in range(4)] == [0, 0, 1, 1]
    assert told[0, "features", "step_lateness_seconds"]["value"] == pytest.approx(360)
    assert told[2, "features", "step_missed_runs"]["message"] == "The step was due 1970-01-02 23:30:00 UTC and did not run."


def test_a_named_step_is_missed_where_nothing_has_run_for_longer_than_the_lookback() -> None:
    steps = {"features": (), "train": ("features",)}
    ever = row(kind=FIRST, started=-90 * DAY)
    told = found([ever], ticks=EVERY_MORNING, grace=HOUR, after=steps)
    assert [told[day, step, "step_missed_runs"]["value"] for day in range(4) for step in steps] == [1] * 8
    assert not [key for key in found([], ticks=EVERY_MORNING, grace=HOUR, after=steps) if key[2] == "step_missed_runs"]


def test_runs_that_say_only_when_they_ended_are_not_missed() -> None:
    rows = [{**ran("features", day * 24 + 6.1, 0.5), "started": None} for day in (0, 1, 3)]
    told = found(rows, ticks=EVERY_MORNING, grace=HOUR)
    assert [told[day, "features", "step_missed_runs"]["value"] for day in range(4)] == [0, 0, 1, 0]
    late = told[0, "features", "step_lateness_seconds"]
    assert (late["value"], late["status"], late["message"]) == (None, "UNDEFINED", "No run has a start time.")


def test_a_column_that_was_renamed_is_told_as_such_where_the_table_knows_its_columns_by_numbers() -> None:
    def schema(*fields: tuple[str, str, int]) -> str:
        return json.dumps({"fields": [{"name": a, "type": b, "metadata": {"delta.columnMapping.id": c}} for a, b, c in fields]})

    before = schema(("a", "long", 1), ("b", "string", 2), ("c", "double", 3))
    assert schema_change(before, schema(("x", "long", 1), ("b", "string", 2), ("c", "double", 3))) == "renamed a to x"
    swapped = schema(("b", "long", 1), ("a", "string", 2), ("c", "double", 3))
    assert schema_change(before, swapped) == "retyped b from string to long, a from long to string"
    other = schema(("a", "long", 9), ("y", "decimal(9,2)", 3))
    assert schema_change(before, other) == "removed b; renamed c to y; retyped y from double to decimal(9,2)"
    iceberg = [json.dumps({"fields": [{"id": 4, "name": name, "type": "long"}]}) for name in ("old", "new")]
    assert schema_change(*iceberg) == "renamed old to new"


def test_tables_that_cannot_be_read_are_errors_beside_what_the_others_say() -> None:
    gone = {"sales": "sales is gone.", ":table": "The runs are gone."}
    commit = row(kind=COMMIT, name="orders", ended=HOUR, version=1, rows=9.0, writes=True)
    told = found([commit], tables=("orders",), gone=gone)
    assert told[0, "orders", "output_rows"]["value"] == 9
    errors = {key: (one["status"], one["message"], one["value"]) for key, one in told.items() if one["status"] == "ERROR"}
    expected = {("sales", "hours_since_commit"): "sales is gone.", (":table", "step_failures"): "The runs are gone."}
    assert errors == {(day, *key): ("ERROR", why, None) for day in range(4) for key, why in expected.items()}


def nested(**metadata: Any) -> str:
    """A schema with a struct, an array of structs and a map, whose inner columns have this metadata."""
    inner = [{"name": "street", "type": "string", "nullable": True, "metadata": metadata}]
    struct = {"type": "struct", "fields": inner}
    kinds = {
        "home": struct,
        "all": {"type": "array", "elementType": struct, "containsNull": bool(metadata)},
        "by": {"type": "map", "keyType": "string", "valueType": struct, "valueContainsNull": True},
    }
    return json.dumps({"fields": [{"name": name, "type": kind, "nullable": True} for name, kind in kinds.items()]})


def test_a_comment_within_a_struct_is_no_other_type_and_another_type_there_is_short() -> None:
    assert schema_change(nested(), nested(comment="where they live")) == ""
    now = nested().replace('"string", "nullable"', '"long", "nullable"')
    assert schema_change(nested(), now) == (
        "retyped home from struct<street:string> to struct<street:long>, all from array<struct<street:string>> to "
        "array<struct<street:long>>, by from map<string,struct<street:string>> to map<string,struct<street:long>>"
    )


def test_nested_types_of_iceberg_are_without_their_ids() -> None:
    def schema(element: int, kind: str) -> str:
        listed = {"type": "list", "element-id": element, "element": kind, "element-required": False}
        return json.dumps({"fields": [{"id": 1, "name": "tags", "required": False, "type": listed}]})

    assert schema_change(schema(2, "string"), schema(9, "string")) == ""
    assert schema_change(schema(2, "int"), schema(2, "long")) == "retyped tags from array<int> to array<long>"
