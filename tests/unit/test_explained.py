"""An incident explained: numbered parts, commands that a shell reads, and the runbook's queries about this very incident."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlglot

from spark_monitor.diagnosis.findings import KINDS
from spark_monitor.insight.explained import explained
from spark_monitor.insight.rows import Cause, IncidentRow
from spark_monitor.insight.runbook import page_of, runbook_of

ONSET = datetime(2024, 5, 6, tzinfo=UTC)
DEFAULT = "docs/runbooks/{}.md"
ROW = IncidentRow(
    "a1b2",
    "missing",
    "age is missing",
    "age is missing since then.",
    ONSET,
    ONSET,
    column="age",
    metric="percent_null",
    monitor="m'1",
)


def parts(row: IncidentRow) -> list[str]:
    return [line for line in explained(row, "a b.yaml") if re.match(r"\d+\. ", line)]


def test_parts_are_numbered_without_a_gap() -> None:
    cause = Cause("column", "wind", 1.0, "wind is missing.")
    of_column = replace(ROW, runbook=DEFAULT.format("missing"), causes=(cause,))
    of_table = replace(of_column, column=None)

    assert [line[:2] for line in parts(of_column)] == ["1.", "2.", "3.", "4."]
    assert [line[:2] for line in parts(of_table)] == ["1.", "2.", "3."]
    assert parts(of_column)[-1] == "4. What to do, by docs/runbooks/missing.md"


@pytest.mark.parametrize("column", ["age", "it's; DROP", 'a "b" `c` $HOME'])
def test_every_command_is_one_query_for_a_shell(column: str) -> None:
    row = replace(ROW, column=column, runbook=DEFAULT.format("missing"))
    commands = [line.strip() for line in explained(row, "a b.yaml") if line.strip().startswith("spark-monitor sql")]

    assert len(commands) == 3
    for command in commands:
        words = shlex.split(command)
        assert words[:3] == ["spark-monitor", "sql", "a b.yaml"]
        assert len(words) == 4
        (statement,) = sqlglot.parse(words[3], dialect="databricks")
        assert statement is not None
        # A schema may hold many monitors: every table that is read is cut to one.
        tables = len(list(statement.find_all(sqlglot.exp.Table)))
        assert len(re.findall(r"monitor_id = 'm(?:''|\\')1'", words[3])) == tables


@pytest.mark.parametrize("kind", KINDS)
def test_every_page_has_its_sections_and_its_words_are_filled_in(kind: str) -> None:
    row = replace(ROW, kind=kind, column="it's", metric="psi", runbook=DEFAULT.format(kind))
    steps = runbook_of(row)

    assert list(dict.fromkeys(step.section for step in steps)) == ["What it means", "First look", "Fix"]
    queries = [step.text for step in steps if step.kind == "query"]
    assert queries
    text = " ".join(step.text for step in steps)
    page = (Path(__file__).parents[2] / "docs" / "runbooks" / f"{kind}.md").read_text(encoding="utf-8")
    assert not re.search(r"'MONITOR'|'COLUMN'|'METRIC'|\bINCIDENT\b|\bONSET\b", text)
    assert ("'it''s'" in text or r"'it\'s'" in text) == ("'COLUMN'" in page)
    for query in queries:
        assert sqlglot.parse_one(query, dialect="databricks") is not None
        assert re.search(r"\bmonitor_id = 'm(''|\\')1'", query)


@pytest.mark.parametrize(
    ("named", "page"),
    [
        (None, "missing"),
        ("https://wiki/auc", "missing"),
        ("docs/runbooks/../../secret.md", "missing"),
        ("docs/runbooks/none_such.md", "missing"),
        ("docs/runbooks/drift.md", "missing"),
        ("docs/runbooks/auc.md", "auc"),
    ],
)
def test_what_has_happened_decides_which_page_is_shown_unless_the_rule_names_one_of_its_own(named: str | None, page: str) -> None:
    row = replace(ROW, runbook=named)

    assert page_of(row) == f"docs/runbooks/{page}.md"
    assert runbook_of(row)
    assert runbook_of(replace(row, kind="../secret", runbook=None)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_command_of_a_page_can_be_typed_as_it_stands(kind: str) -> None:
    row = replace(ROW, kind=kind, opened=datetime(2024, 5, 6, 9, tzinfo=UTC), last_seen=datetime(2024, 5, 7, tzinfo=UTC))
    commands = [found for line in explained(row, "my monitors/a.yaml") for found in re.findall(r"`(spark-monitor [^`]*)`", line)]
    assert commands
    for words in map(shlex.split, commands):
        assert "my monitors/a.yaml" in words
        assert "FILE" not in words
        if "--from" in words:
            assert words[words.index("--from") + 1 :] == ["2024-05-06T09:00:00Z", "--to", "T"]


@pytest.mark.parametrize(
    ("dataset", "table"), [("predictions", "profile_metrics"), ("costs", "metrics"), ("pipelines", "metrics")]
)
def test_what_a_part_looks_like_is_asked_of_the_table_that_has_it(dataset: str, table: str) -> None:
    lines = list(explained(replace(ROW, dataset=dataset), "a.yaml"))

    after = lines[next(place for place, line in enumerate(lines) if line.startswith("2. What it looks like")) + 1]
    assert f" FROM {table} WHERE" in after


OF_SLICE = replace(ROW, slice_key="origin", slice_value="JFK", last_seen=datetime(2024, 5, 20, tzinfo=UTC))


def test_queries_are_about_the_slice_of_an_incident_and_end_with_it() -> None:
    commands = [shlex.split(line.strip())[3] for line in explained(replace(OF_SLICE, kind="drift"), "a.yaml") if " sql " in line]

    assert "slice_key = 'origin' AND slice_value = 'JFK'" in commands[1]
    assert "< TIMESTAMP '2024-05-20 00:00:00+00:00'" in commands[1]
    assert "slice = 'origin = JFK'" in commands[2]


def test_a_page_asks_from_the_first_failing_window_on() -> None:
    (query,) = [step.text for step in runbook_of(replace(ROW, kind="service", dataset="operations")) if step.kind == "query"]

    assert "`window`.start >= TIMESTAMP '2024-05-06 00:00:00+00:00'" in query


@pytest.mark.parametrize(
    ("kind", "what", "asked"),
    [
        ("column", "wind", "column_name = 'wind' AND family = 'drift' AND drift_type = 'BASELINE'"),
        ("slice", "(distance > 1000) is false", "slice = 'distance > 1000 = false'"),
        ("rest", "other slices", "slice IS NOT NULL"),
        ("concept", "the relation of inputs and labels", "slice IS NULL"),
    ],
)
def test_a_cause_is_asked_for_by_what_it_names(kind: str, what: str, asked: str) -> None:
    lines = list(explained(replace(ROW, causes=(Cause(kind, what, 1.0, "because."),)), "a.yaml"))

    query = lines[lines.index("  - because.") + 1]
    assert asked in shlex.split(query.strip())[3]
    assert query.count("monitor_id = ") == query.count(" FROM metric_series") + query.count(" FROM incidents")
    assert "ORDER BY time DESC" in query


@pytest.mark.parametrize("kind", ["class", "scores", "labels", "everywhere"])
def test_a_cause_among_the_answers_has_its_numbers(kind: str) -> None:
    row = replace(ROW, causes=(Cause(kind, "it's", None, "It is."),), runbook=DEFAULT.format("performance"))
    commands = [line.strip() for line in explained(row, "a.yaml") if line.strip().startswith("spark-monitor sql")]
    statements = [sqlglot.parse_one(shlex.split(command)[3], dialect="databricks") for command in commands]

    told = [table.name for statement in statements for table in statement.find_all(sqlglot.exp.Table)]
    assert ("model_metrics" if kind == "class" else "metric_series") in told
