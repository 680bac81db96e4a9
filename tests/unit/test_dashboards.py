"""Dashboards: files that load, whose every query runs over the views of real Delta tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tables_written import write_tables
from test_insight_queries import example_rows

from spark_monitor.outputs.dashboards.databricks import GRID, databricks_dashboard
from spark_monitor.outputs.dashboards.grafana import CHOSEN, grafana_dashboard
from spark_monitor.store import local_views
from spark_monitor.store.local import LocalTables
from spark_monitor.store.view_sql import VIEWS

SCHEMA = "main.it's monitoring"
QUOTED = "`main`.`it's monitoring`."


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> LocalTables:
    directory = tmp_path_factory.mktemp("tables")
    write_tables(directory, example_rows())
    found = LocalTables(str(directory))
    assert local_views.register(found) == [view.name for view in VIEWS]
    return found


def rows(tables: LocalTables, query: str) -> list[dict[str, Any]]:
    return tables.ask(local_views.translated(query.replace(QUOTED, "").replace(CHOSEN, "'flights_delay'")))


def test_every_dataset_of_the_databricks_dashboard_has_the_fields_its_widgets_draw(tables: LocalTables) -> None:
    made = json.loads(databricks_dashboard(SCHEMA))
    columns = {}
    for dataset in made["datasets"]:
        [query] = dataset["queryLines"]
        rows(tables, query)
        described = tables.connection.execute(local_views.translated(query.replace(QUOTED, ""))).description
        columns[dataset["name"]] = {column[0] for column in described or ()}

    for page in made["pages"]:
        taken: set[tuple[int, int]] = set()
        for placed in page["layout"]:
            [query] = placed["widget"]["queries"]
            named = {field["name"].removeprefix("sum(").removesuffix(")") for field in query["query"]["fields"]}
            assert named <= columns[query["query"]["datasetName"]]
            place = placed["position"]
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["width"])
                for y in range(place["y"], place["y"] + place["height"])
            }
            assert not cells & taken
            assert max(x for x, _ in cells) < GRID
            taken |= cells
    names = [placed["widget"]["name"] for page in made["pages"] for placed in page["layout"]]
    assert len(set(names)) == len(names)


def test_every_query_of_the_grafana_dashboard_runs(tables: LocalTables) -> None:
    made = json.loads(grafana_dashboard(SCHEMA))
    queries = [target["rawSql"] for panel in made["panels"] for target in panel.get("targets", ())]

    found = [rows(tables, query) for query in queries]

    assert len(queries) >= 12
    assert sum(map(bool, found)) >= 6
    assert rows(tables, made["templating"]["list"][1]["query"]["rawSql"]) == [{"monitor_id": "flights_delay"}]


def test_the_drift_panel_shows_the_columns_that_moved_farthest(tables: LocalTables) -> None:
    made = json.loads(databricks_dashboard(SCHEMA))
    [query] = next(dataset["queryLines"] for dataset in made["datasets"] if dataset["name"] == "drift")

    found = rows(tables, query)

    assert max(row["value"] for row in found) == pytest.approx(0.145)
    assert len({row["series"] for row in found}) == 20
    assert "flights_delay 2 column_13 ks, 1 week" in {row["series"] for row in found}


def test_the_sql_alert_of_the_databricks_bundle_counts_what_is_open_and_serious(tables: LocalTables) -> None:
    bundle = yaml.safe_load((Path(__file__).parents[2] / "conf" / "databricks" / "databricks.yml").read_text(encoding="utf-8"))
    alert = bundle["resources"]["alerts"]["open_incidents"]

    [row] = rows(tables, alert["query_text"].replace("${var.schema}.", ""))

    assert row == {alert["evaluation"]["source"]["name"]: 1}, "neither what is muted nor what is of low severity"


def test_the_views_are_the_same_without_spark(tmp_path: Path) -> None:
    rows_written = example_rows()
    write_tables(tmp_path, rows_written)
    tables = LocalTables(str(tmp_path), "flights_delay")
    local_views.register(tables)

    [row] = tables.ask("SELECT * FROM latest_status WHERE model_version = '2'")
    assert (row["verdict"], row["checks_fail"], row["checks_pass"], row["last_run_status"]) == ("FAIL", 2, 1, "FAILED")
    [series] = tables.ask(
        "SELECT value FROM metric_series WHERE metric = 'ks' AND drift_type = 'BASELINE' AND slice IS NULL "
        "AND model_version = '2' AND column_name = 'column_13' ORDER BY time DESC LIMIT 1"
    )
    assert series["value"] == pytest.approx(0.145)
