"""What the terminal shows: values as they are and harmless, progress that leaves readable lines, JSON that every parser reads."""

from __future__ import annotations

import io
import json
import math
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from rich.console import Console

from spark_monitor.commands.query_result import QueryResult, show_rows, table_of
from spark_monitor.commands.sql import distinct, require_reading
from spark_monitor.commands.terminal import Steps, json_text
from spark_monitor.errors import ConfigError


def shown(result: QueryResult) -> str:
    stream = io.StringIO()
    Console(file=stream, width=300).print(table_of(result))
    return stream.getvalue()


def test_values_that_look_like_markup_are_shown_as_they_are() -> None:
    row = {"a[red]": "[bold]x[/bold] [link=http://evil]y[/link]", "b": None, "c": "\x1b[31mred"}
    result = QueryResult(("a[red]", "b", "c"), ("string", "string", "string"), (json.dumps(row),), False)
    text = shown(result)
    assert "a[red]" in text
    assert "[bold]x[/bold] [link=http://evil]y[/link]" in text
    assert "NULL" in text
    assert "\x1b" not in text


def test_numbers_keep_every_digit_and_stand_to_the_right() -> None:
    row = '{"n": 9007199254740993, "d": 1.100, "e": 1.0E300, "t": "2013-09-02T00:00:00.000000Z", "s": {"w": [1, null]}}'
    text = shown(
        QueryResult(("n", "d", "e", "t", "s"), ("bigint", "decimal(10,3)", "double", "timestamp", "struct<w:int>"), (row,), False)
    )
    line = text.splitlines()[2]
    assert line.split() == ["9007199254740993", "1.100", "1.0E300", "2013-09-02", '{"w":', "[1,", "null]}"]


WIDE = tuple(f"a_rather_long_name_{place}" for place in range(9))


def shown_wide(*, terminal: bool) -> list[str]:
    """Two rows of nine long values on a console of 80 characters."""
    rows = tuple(json.dumps({name: f"value {number} of {name}" for name in WIDE}) for number in range(2))
    stream = io.StringIO()
    show_rows(QueryResult(WIDE, ("string",) * 9, rows, False), Console(file=stream, width=80), terminal=terminal)
    return stream.getvalue().splitlines()


def test_a_wide_result_is_a_record_a_block() -> None:
    lines = shown_wide(terminal=True)

    assert len(lines) == 9 + 1 + 9  # a line a column, an empty line between the records
    assert lines[0].split("  ") == [WIDE[0], f"value 0 of {WIDE[0]}"]


def test_a_wide_result_in_a_pipe_is_a_line_a_row() -> None:
    lines = shown_wide(terminal=False)

    assert len(lines) == 1 + 1 + 2  # the names, a rule, the rows
    assert [cell.strip() for cell in lines[3].split("   ")] == [f"value 1 of {name}" for name in WIDE]


def test_numbers_within_lists_and_structs_are_numbers_and_strings_have_quotes() -> None:
    row = '{"a": [1.50, 12345678901234567890, null, "1"], "b": [{"item": "7", "count": 3}], "c": 1e+200}'

    lines = shown(QueryResult(("a", "b", "c"), ("array", "array", "double"), (row,), False))

    for text in ('[1.50, 12345678901234567890, null, "1"]', '[{"item": "7", "count": 3}]', "1e+200"):
        assert text in lines


def test_a_megabyte_in_a_cell_is_cut() -> None:
    assert len(shown(QueryResult(("a",), ("binary",), (json.dumps({"a": "x" * 1_000_000}),), False))) < 2000


def test_columns_of_the_same_name_are_numbered_whatever_their_case() -> None:
    assert distinct(["x", "X", "x", "x_2"]) == ("x", "X_2", "x_3", "x_2_2")


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1",
        "  \n-- a remark\n/* another */ (select 1)",
        "WITH a AS (SELECT 1) SELECT * FROM a",
        "FROM runs",
        "describe runs",
        "SHOW TABLES",
        "SELECT 'insert into x', `delete` FROM `from` -- delete from x",
        "SELECT insert_ , into_, update_ FROM runs WHERE error = 'SET'",
    ],
)
def test_queries_are_let_through(query: str) -> None:
    require_reading(query)


@pytest.mark.parametrize(
    "query",
    [
        *("", "   ", "-- only a remark", "DELETE FROM runs", "drop table runs", "/*x*/ INSERT INTO a", "SET a=b"),
        *("FROM a INSERT INTO b SELECT *", "from a insert overwrite table b select *", "WITH x AS (SELECT 1) DELETE FROM runs"),
        *("WITH x AS (SELECT 1) UPDATE runs SET a = 1", "with x as (values 1) /* */ merge /**/ into t using x on true"),
        "(WITH x AS (SELECT 1) SELECT * FROM x); INSERT\nINTO runs VALUES (1)",
    ],
)
def test_statements_that_do_not_read_are_refused(query: str) -> None:
    with pytest.raises(ConfigError, match=r"^QUERY: found .*Allowed: a query"):
        require_reading(query)


def test_steps_on_a_terminal_leave_a_line_each() -> None:
    stream = io.StringIO()
    steps = Steps(Console(file=stream, force_terminal=True, width=60, color_system=None))
    steps.begin("read [a]")
    steps.warn("b is late")
    steps.begin("write")
    steps.end(done=False)
    seen = re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", stream.getvalue()).replace("\r", "\n")
    kept = [line for line in seen.splitlines() if line.startswith(("✓", "✗", "warning"))]
    assert [line.rsplit("  ", 1)[0] for line in kept] == ["warning: b is late", "✓ read [a]", "✗ write"]


def test_steps_elsewhere_are_lines_as_they_begin() -> None:
    stream = io.StringIO()
    steps = Steps(Console(file=stream, width=20))
    steps.begin("a step whose name is longer than the line")
    steps.begin("next")
    steps.end(done=True)
    lines = stream.getvalue().splitlines()
    assert [line.split("s  ", 1)[1] for line in lines] == ["a step whose name is longer than the line", "next"]


@dataclass(frozen=True)
class Measured:
    value: float
    at: datetime
    where: Path


def test_json_holds_no_number_that_json_lacks() -> None:
    measured = Measured(math.inf, datetime(2013, 9, 2, 2, tzinfo=timezone(timedelta(hours=2))), Path("a/b"))
    content = {None: [measured], "naïve": (math.nan, -0.5), "at": datetime(2013, 9, 2, 1, 2, 3, 4, tzinfo=UTC)}
    text = json_text(content)
    assert json.loads(text, parse_constant=pytest.fail) == {
        "None": [{"value": None, "at": "2013-09-02T00:00:00Z", "where": "a/b"}],
        "naïve": [None, -0.5],
        "at": "2013-09-02T01:02:03.000004Z",
    }
    assert "\n" not in text


def test_what_a_program_prints_that_starts_with_the_session_is_no_part_of_the_answer() -> None:
    """The JVM of a local session inherits the command's streams and keeps them: a shell stands in for it."""
    script = (
        "import subprocess, sys\n"
        "from spark_monitor.commands.options import SessionOptions\n"
        "from spark_monitor.commands.spark import open_spark\n"
        "from spark_monitor.commands.terminal import Terminal\n"
        "def opened(**_): return subprocess.Popen(['sh', '-c', 'read _; echo Deleted 0 files; echo oops >&2'], stdin=-1)\n"
        "import spark_monitor.session; spark_monitor.session.open_session = opened\n"
        "terminal = Terminal(as_json=True, debug=bool(sys.argv[1:]))\n"
        "with terminal.progress():\n"
        "    spark = open_spark(SessionOptions(), terminal)\n"
        "spark.communicate(b'go\\n')\n"
        "terminal.document({'deleted': {}})\n"
    )
    for debug in ([], ["debug"]):
        done = subprocess.run([sys.executable, "-c", script, *debug], capture_output=True, text=True, check=True, timeout=60)
        assert json.loads(done.stdout) == {"deleted": {}}
        assert ("Deleted 0 files" in done.stderr) is bool(debug)
