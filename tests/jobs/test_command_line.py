"""The command line on real tables: a first file from a table to a committed run, and every command that reads what runs wrote."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from finished_run import Finished
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from spark_monitor.cli import app
from spark_monitor.config.monitor import load_config
from spark_monitor.store.schemas import TABLES
from spark_monitor.store.view_sql import VIEWS

pytestmark = pytest.mark.slow

START = datetime(2024, 1, 1, tzinfo=UTC)
ROWS = 400


def typed(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, list(map(str, arguments)), prog_name="spark-monitor")


@pytest.fixture(scope="module")
def scored(spark: SparkSession) -> str:
    """A table in the catalog: 400 loans in 20 days."""
    spark.sql("CREATE SCHEMA IF NOT EXISTS cli_demo")
    rows = [
        (
            f"loan {number}",
            START + timedelta(hours=1.2 * number),
            "v1",
            number % 2,
            number % 100 / 100,
            ("north", "south")[number % 2],
            float(number % 7),
            number % 3 // 2,
            START + timedelta(hours=1.2 * number + 5),
        )
        for number in range(ROWS)
    ]
    columns = ["loan_id", "scored_at", "model_version", "prediction", "score", "region", "amount", "label", "label_time"]
    spark.createDataFrame(rows, columns).write.format("delta").mode("overwrite").saveAsTable("cli_demo.loans")
    return "cli_demo.loans"


def test_a_first_file_can_be_checked_and_run_as_it_is(scored: str, tmp_path: Path) -> None:
    file = tmp_path / "loans.yaml"
    made = typed("init", scored, "--out", file, "--json")
    assert made.exit_code == 0, made.stderr
    guessed = json.loads(made.stdout)["guessed"]
    assert {role: guessed[role] for role in ("task", "id", "time", "prediction", "score", "label", "label_time", "positive")} == {
        "task": "binary",
        "id": "loan_id",
        "time": "scored_at",
        "prediction": "prediction",
        "score": "score",
        "label": "label",
        "label_time": "label_time",
        "positive": 1,
    }
    config = load_config(file)
    assert (config.monitor, config.predictions.table, config.windows.every) == ("loans", scored, "1 day")
    assert config.baseline is not None
    assert config.baseline.where == "scored_at < TIMESTAMP '2024-01-05 00:00:00Z'"

    again = typed("init", scored, "--out", file)
    assert (again.exit_code, load_config(file)) == (2, config)

    checked = typed("check", file)
    assert checked.exit_code == 0, checked.stdout
    assert "loans.yaml: can be run" in checked.stdout

    before = typed("status", file)
    assert before.exit_code == 0, before.stderr
    assert "No window has been monitored yet." in before.stdout
    asked = typed("sql", file, "SELECT * FROM runs")
    assert asked.exit_code == 2
    assert f"spark-monitor run {file}" in asked.stderr

    ran = typed("run", file, "--as-of", "2024-01-04", "--json", "--fail-on", "never")
    assert ran.exit_code == 0, ran.stderr
    result = json.loads(ran.stdout)
    assert (result["status"], result["as_of"]) == ("COMMITTED", "2024-01-04T00:00:00Z")
    assert [window["start"] for window in result["windows"]] == [f"2024-01-0{day}T00:00:00Z" for day in (1, 2, 3)]


def test_a_path_is_looked_at_as_delta_before_parquet(spark: SparkSession, scored: str, tmp_path: Path) -> None:
    for kind in ("delta", "parquet"):
        spark.table(scored).write.format(kind).save(str(tmp_path / kind))
        file = tmp_path / f"{kind}.yaml"
        assert typed("init", tmp_path / kind, "--out", file).exit_code == 0
        assert (load_config(file).predictions.format, load_config(file).monitor) == (kind, kind)
        assert load_config(file).outputs.path == f"{tmp_path}/monitoring"


def test_init_says_what_it_could_not_read_or_understand(spark: SparkSession, tmp_path: Path) -> None:
    absent = typed("init", "cli_demo.no_such_table", "--out", tmp_path / "a.yaml")
    assert absent.exit_code == 2
    assert "cli_demo.no_such_table: cannot be read." in absent.stderr
    spark.sql("CREATE OR REPLACE TEMPORARY VIEW cli_timeless AS SELECT 1 AS id, '2024-01-01' AS event_time")
    timeless = typed("init", "cli_timeless", "--out", tmp_path / "b.yaml")
    assert timeless.exit_code == 2
    assert "to_timestamp(`event_time`) AS predicted_at" in timeless.stderr
    assert list(tmp_path.iterdir()) == []


def test_check_stops_with_2_on_a_file_that_does_not_fit_its_tables(finished: Finished, tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(finished.made.monitor_file.read_text().replace("version,", "varsion,"))
    done = typed("check", file)
    assert done.exit_code == 2
    assert 'error: wrong.yaml: predictions.model_version: no column "varsion"' in done.stdout
    assert 'Did you mean "version"?' in done.stdout


def test_a_run_without_news_is_a_success_that_says_so(finished: Finished) -> None:
    done = typed("run", finished.made.monitor_file, "--as-of", finished.result.as_of.isoformat(), "--fail-on", "warn", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "NOTHING_NEW"


def test_status_and_its_json_say_the_same_as_the_tables(finished: Finished) -> None:
    text = typed("status", finished.made.monitor_file)
    assert text.exit_code == 0, text.stderr
    for version in ("1", "2"):
        assert re.search(rf"^ +{version} +(PASS|WARN|FAIL)", text.stdout, re.MULTILINE)
    facts = json.loads(typed("status", finished.made.monitor_file, "--json").stdout)
    profile = finished.table("profile_metrics")
    weekly = profile[(profile["column_name"] == ":table") & (profile["granularity"] == "1 week") & profile["slice_key"].isna()]
    counted = weekly.groupby("model_version")["count"].last()
    with_rows = weekly[weekly["count"] > 0]
    latest = with_rows[with_rows["start"] == with_rows["start"].max()].set_index("model_version")["count"]
    assert {version["version"]: version["count"] for version in facts["versions"]} == latest.to_dict()
    since = sorted({f"{start:%Y-%m-%dT%H:%M:%SZ}" for start in weekly["start"][weekly["start"] > with_rows["start"].max()]})
    assert [one["start"] for one in facts["empty"]] == since
    assert since, "the feed has ended, which is told besides"
    assert set(counted.index) == {"1", "2"}


def test_sql_knows_every_table_and_view_by_its_name(finished: Finished) -> None:
    names = [*TABLES, *(view.name for view in VIEWS)]
    query = " UNION ALL ".join(f"SELECT '{name}' AS name, count(*) AS many FROM {name}" for name in names)
    done = typed("sql", finished.made.monitor_file, query, "--json")
    assert done.exit_code == 0, done.stderr
    many = {row["name"]: row["many"] for row in map(json.loads, done.stdout.splitlines())}
    assert set(many) == set(names)
    for name in ("profile_metrics", "drift_metrics", "model_metrics", "checks"):
        assert many[name] == len(finished.table(name)), name


def test_sql_prints_timestamps_in_utc_and_says_when_there_is_more(finished: Finished) -> None:
    query = "SELECT DISTINCT window.start, '[b]x' AS text FROM profile_metrics WHERE granularity = '1 week' ORDER BY 1"
    done = typed("sql", finished.made.monitor_file, query, "--limit", "2")
    assert done.exit_code == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == ["start", "text"]
    assert lines[2:] == [["2024-01-01", "[b]x"], ["2024-01-08", "[b]x"]]
    assert "2 rows shown; there are more, as --limit is 2." in done.stderr


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT * FROM profil_metrics", "Known: baselines, "),
        ("SELECT nothing FROM runs", "nothing"),
        ("SELECT 1 +", "PARSE_SYNTAX_ERROR"),
        ("SELECT 1 / (length(run_id) - length(run_id)) FROM runs", "DIVIDE_BY_ZERO"),
        ("SELECT CAST(run_id AS INT) FROM runs", "CAST_INVALID_INPUT"),
    ],
)
def test_a_query_that_spark_does_not_understand_is_wrong_usage(finished: Finished, query: str, said: str) -> None:
    done = typed("sql", finished.made.monitor_file, query)
    assert done.exit_code == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "JVM stacktrace" not in done.stderr


def test_the_report_is_written_where_it_was_asked_for(finished: Finished, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = typed("report", finished.made.monitor_file, "--out", page)
    assert (done.exit_code, done.stdout) == (0, f"Written: {page}\n")
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert typed("report", finished.made.monitor_file, "--out", tmp_path / "no" / "page.html").exit_code == 2


def test_the_doctor_finds_this_machine_well(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    done = typed("doctor", "--json")
    found = json.loads(done.stdout)
    assert (done.exit_code, found["works"]) == (0, True), done.stderr
    told = {result["name"]: result["message"] for result in found["results"]}
    assert spark.version in told["Spark session"]
    assert told["Delta tables"] == "written, merged and read in a temporary directory"


def test_the_doctor_leaves_nothing_in_the_outputs(finished: Finished) -> None:
    before = sorted(path.name for path in finished.made.output.iterdir())
    done = typed("doctor", finished.made.monitor_file, "--json")
    results = {result["name"]: result for result in json.loads(done.stdout)["results"]}
    assert results["Outputs"]["works"], results["Outputs"]
    assert results["MLflow"]["works"], results["MLflow"]
    assert sorted(path.name for path in finished.made.output.iterdir()) == before
