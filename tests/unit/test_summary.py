"""The summary and the values in it: what it says, how it reads in a hundred columns, and that no text from data acts."""

from __future__ import annotations

import shlex
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from example_facts import AUC, WEEKS, config, example, results, week
from rich.cells import cell_len

from spark_monitor.insight.assemble import assembled
from spark_monitor.insight.facts import Facts
from spark_monitor.insight.page import further_commands, mlflow_page
from spark_monitor.insight.results import Results, latest_labelled
from spark_monitor.insight.rows import DriftRow, ModelRow, RunRow, UndecidedRow
from spark_monitor.outputs.terminal.layout import WIDTH
from spark_monitor.outputs.terminal.summary import styled, summary
from spark_monitor.text.formatting import harmless, interval, number, percent, slice_name

HOSTILE = "</b><script>\"'`$(x)\x1b[31m\u202e\u2066\n\r\x00é温" + "y" * 500


def text(facts: Facts) -> str:
    return summary(facts, config(), file="conf/flights.yaml", everything=True)


def line_with(words: str, written: str) -> str:
    return next(line for line in written.splitlines() if words in line)


def test_the_version_seen_last_comes_first_with_its_status_and_latest_window() -> None:
    lines = text(example()).splitlines()

    assert lines[0] == "flights_delay: model flights_delay (binary), windows of 1 week"
    assert lines[1] == "1 open incident as of 2013-12-02 to 2013-12-09; the worst: wind_speed has moved."
    assert lines[2] == "As of 2013-12-10 UTC, baseline version 1"
    where = lines.index("Version 2: FAIL")
    assert lines[where + 1 : where + 3] == [
        "  last window with rows 2013-12-02 to 2013-12-09, 5,390 predictions",
        "  checks: 2 FAIL, 3 UNDECIDED, 30 PASS; 1 incident open",
    ]
    assert "Version 1: PASS" in lines


def test_a_drifted_column_says_since_when_where_and_by_how_much() -> None:
    line = line_with("FAIL  wind_speed", text(example()))

    assert " ".join(line.split()) == "FAIL wind_speed ks 0.412 0.395 to 0.430 all rows +4 slices 2013-09-09 (13)"


def test_a_drifted_column_has_its_ks_whatever_its_rule_looks_at() -> None:
    failing = [replace(results().failing[0], metric="tv_distance", lower=0.412, upper=0.412)]
    others = [DriftRow("2", week(WEEKS - 1), f"other_{index}", 0.9 + index / 100) for index in range(9)]

    facts = assembled(replace(results(), failing=failing, drift=[*results().drift, *others]), config())

    assert [row.column for row in facts.versions[0].shifts] == [
        "other_8",
        "other_7",
        "other_6",
        "other_5",
        "other_4",
        "wind_speed",
    ]
    assert "wind_speed 0.412 (0.395 to 0.430)" in " ".join(text(facts).split())


def test_the_realised_metric_stands_with_its_interval_coverage_and_maturity() -> None:
    written = text(example())

    assert line_with("final", written).split() == (
        ["roc_auc_score", "0.668", "0.648", "to", "0.688", "2013-11-11", "to", "2013-11-18", "97.5", "%", "final"]
    )
    assert "0.660  0.600 to 0.720" in line_with("labels still coming", written)
    assert "Worst slices (surely lowest roc_auc_score): origin = LGA 0.610" in written


def test_without_labels_yet_the_reason_is_given() -> None:
    assert "  roc_auc_score is not known yet: None of 5,390 rows has a label yet." in text(example()).splitlines()


def test_what_is_undecided_says_why() -> None:
    lines = [line.strip() for line in text(example()).splitlines()]
    where = lines.index("Undecided, and why")

    assert lines[where + 1 : where + 5] == [
        "2 UNDECIDED (ks 2)",
        "for example: ks of dewp is 0.105 (0.088 to 0.122), which holds the threshold 0.1.",
        "1 NO_DATA (roc_auc_score 1)",
        "No label has come yet; the horizon ends 2013-12-23.",
    ]


def test_an_open_check_has_an_owner_and_a_next_step() -> None:
    written = text(example())

    assert "MEDIUM wind_speed has moved; since 2013-09-09, seen until 2013-12-09 (13 windows, version 2)" in written
    assert "likely cause: wind_speed moved farthest, and the model leans on it." in written
    assert "owner: data-platform; next step: docs/runbooks/drift.md" in written


def test_an_open_check_without_owner_says_so() -> None:
    nameless = [replace(results().incidents[0], owner=None, runbook=None)]

    written = text(assembled(replace(results(), incidents=nameless), config()))

    assert "owner: nobody named; next step: spark-monitor explain abc" in written


def test_the_commands_to_look_further_are_what_a_shell_reads() -> None:
    why, first = (shlex.split(command) for command in further_commands(example(), "conf/flights.yaml")[:2])

    assert why == ["spark-monitor", "explain", "abc", "conf/flights.yaml"]
    assert first == [
        "spark-monitor",
        "sql",
        "conf/flights.yaml",
        "SELECT * FROM metric_series WHERE metric = 'ks' AND column_name = 'wind_speed' ORDER BY time",
    ]


@pytest.mark.parametrize("column", ["it's $HOME", 'a"b`c\\d', "!x", "温度"])
def test_a_hostile_column_stays_one_argument_of_the_shell(column: str) -> None:
    command = shlex.split(further_commands(example(hostile=column), "a b.yaml")[1])

    assert command[:3] == ["spark-monitor", "sql", "a b.yaml"]
    assert len(command) == 4
    assert command[3].startswith("SELECT * FROM metric_series")


def test_mlflows_page_is_a_command_an_address_or_a_workspace_and_never_a_password() -> None:
    def page(uri: str) -> tuple[str, ...]:
        return mlflow_page(config(outputs={"schema": "m", "mlflow": {"tracking_uri": uri, "experiment": "flights"}}))

    assert page("sqlite:///my store/mlflow.db") == (
        "mlflow server --backend-store-uri 'sqlite:///my store/mlflow.db' --port 5000",
        "then open http://127.0.0.1:5000, choose Model training, then the experiment flights",
    )
    assert page("https://ann:hunter2@host/ml") == ("https://***@host/ml: choose Model training, then the experiment flights",)
    assert page("databricks") == ("the experiment flights in the Databricks workspace (databricks)",)
    assert "hunter2" not in str(page("postgresql://ann:hunter2@db/mlflow"))
    assert mlflow_page(config(outputs={"schema": "m"})) == ()


def test_before_the_first_run_it_says_what_to_do() -> None:
    written = text(assembled(Results(counts=[]), config()))

    assert "No window has been monitored yet.\n\nRun: spark-monitor run conf/flights.yaml" in written


def test_a_failed_run_and_an_mlflow_that_is_behind_are_said_first() -> None:
    at = datetime(2013, 12, 10, tzinfo=UTC)
    runs = [
        RunRow("r2", at, "FAILED", error="The prediction table is gone."),
        RunRow("r1", at, "NOTHING_NEW", published="OFF"),
        RunRow("r0", at, "COMMITTED", published="PENDING", publish_message="MLflow could not be written: no connection"),
    ]

    lines = text(assembled(replace(results(), runs=runs), config())).splitlines()

    assert lines[1] == "The last run FAILED: The prediction table is gone."
    assert "MLflow is behind: MLflow could not be written: no connection" in lines[:6]


def test_an_open_incident_is_a_failing_status_even_when_the_latest_window_passes() -> None:
    """An AUC that failed when its labels came leaves the latest window, which has no labels, without a verdict on it."""
    facts = assembled(replace(results(), failing=[], verdicts=[]), config())

    assert [version.status for version in facts.versions] == ["FAIL", "UNCHECKED"]


def test_every_line_of_prose_fits_a_terminal_of_a_hundred_columns() -> None:
    prose = [line for line in text(example(hostile=HOSTILE)).splitlines() if not line.startswith(("  spark-monitor", "  mlflow"))]

    assert max(cell_len(line) for line in prose) <= WIDTH


def test_no_control_of_the_terminal_or_of_reading_direction_comes_through() -> None:
    facts = assembled(
        replace(
            results(hostile=HOSTILE),
            incidents=[
                replace(row, title=HOSTILE, diagnosis=HOSTILE, owner=HOSTILE, runbook=HOSTILE, versions=(HOSTILE,))
                for row in results().incidents
            ],
            undecided=[UndecidedRow("2", "ks", "UNDECIDED", 1, HOSTILE)],
            model=[ModelRow("1", week(WEEKS - 1), AUC, None, message=HOSTILE)],
            runs=[RunRow("r", datetime(2013, 12, 10, tzinfo=UTC), "FAILED", error=HOSTILE)],
        ),
        config(),
    )

    acting = {letter for letter in text(facts) if unicodedata.category(letter) in ("Cc", "Cf", "Cs")} - {"\n"}
    assert not acting


def test_colours_change_no_letter() -> None:
    written = text(example())

    assert styled(written).plain == written
    assert any("red" in str(span.style) for span in styled(written).spans)


def test_long_lists_say_how_many_more_there_are() -> None:
    incident = results().incidents[0]
    many = [replace(incident, incident_id=str(index), title=f"column_{index} has moved") for index in range(25)]

    written = summary(assembled(replace(results(), incidents=many, open_total=25), config()), config())

    assert written.count("MEDIUM column_") == 3
    assert "    and 22 more" in written.splitlines()


def test_the_short_summary_fits_a_screen_and_names_the_longer_one() -> None:
    written = summary(example(), config(), file="conf/flights.yaml")

    assert len(written.splitlines()) <= 30
    assert "Undecided" not in written
    assert written.rstrip().endswith("spark-monitor status conf/flights.yaml --all")


def test_a_line_per_version_shows_value_interval_window_and_course() -> None:
    line = line_with("5,390  0.668 (0.648 to 0.688)  2013-11-11", summary(example(), config()))

    assert line.split()[:3] == ["2", "FAIL", "2013-12-02"]
    assert line.split()[-1] == "".join(sorted(line.split()[-1], reverse=True))


def test_a_provisional_window_is_shown_only_where_it_is_later_than_the_final_one() -> None:
    rows = [
        ModelRow("2", week(1), AUC, 0.7, label_status="PROVISIONAL"),
        ModelRow("2", week(2), AUC, 0.8, label_status="FINAL"),
        ModelRow("2", week(0), AUC, 0.9, label_status="FINAL"),
        ModelRow("1", week(3), AUC, 0.6, label_status="PROVISIONAL"),
        ModelRow("1", week(4), AUC, None, label_status="NO_LABELS"),
    ]

    assert [(row.version, row.value) for row in latest_labelled(rows, AUC)] == [("1", 0.6), ("2", 0.8)]


def test_a_resolved_incident_is_told_with_when_it_ended() -> None:
    written = text(example())

    assert "visib is missing at JFK; since 2013-04-08, seen until 2013-04-15 (1 window, version 1)" in written


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (-0.0, "-0"),
        (5e-324, "4.94e-324"),
        (1e300, "1e+300"),
        (float("nan"), "-"),
        (float("inf"), "-"),
        (99.95, "100.0"),
    ],
)
def test_numbers_at_the_edges_read_well(value: float, shown: str) -> None:
    assert number(value) == shown


def test_intervals_and_shares_at_the_edges_read_well() -> None:
    assert interval(float("nan"), 1.0) == "-"
    assert [percent(share) for share in (0.0, 0.00001, 0.99999, 1.0, float("nan"))] == ["0 %", "0.1 %", "99.9 %", "100 %", "-"]


def test_texts_of_any_length_are_cut_and_half_characters_replaced() -> None:
    assert len(harmless("x" * 10_000_000)) == 120
    assert harmless("\ud800") == "�"
    assert slice_name("a\u202eb", "\x07") == "a�b = �"


def test_a_run_of_an_earlier_time_does_not_turn_back_up_to_when_the_tables_know() -> None:
    backfill = RunRow("r9", datetime(2013, 1, 1, tzinfo=UTC), "NOTHING_NEW", baseline_version=1)
    failed = RunRow("r10", datetime(2014, 1, 1, tzinfo=UTC), "FAILED")
    facts = assembled(replace(results(), runs=[failed, backfill, *results().runs]), config())

    assert "As of 2013-12-10 UTC, baseline version 1" in summary(facts, config())
