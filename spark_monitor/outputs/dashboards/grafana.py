"""The dashboard as Grafana reads it, over a data source that speaks SQL: a row per role, data source and monitor as variables."""

from __future__ import annotations

import json
from typing import Any, Final

from spark_monitor.outputs.dashboards.databricks import query_of
from spark_monitor.outputs.dashboards.panels import PAGES, Panel

SCHEMA_VERSION, GRID, TALL, COUNTER_TALL = 39, 24, 9, 4
KINDS: Final = {"line": "timeseries", "bar": "timeseries", "table": "table", "counter": "stat"}
SOURCE: Final = {"uid": "${datasource}"}
CHOSEN: Final = "${monitor:sqlstring}"
"""Grafana puts the chosen monitors in here, quoted."""


def grafana_dashboard(schema: str, *, source_type: str = "grafana-databricks-datasource") -> str:
    """The file's text; ``source_type`` is the plug-in of the data source."""
    content = {
        "title": "Model monitoring",
        "uid": "spark-monitor",
        "tags": ["spark-monitor"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": True,
        "time": {"from": "now-1y", "to": "now"},
        "timezone": "utc",
        "templating": {"list": [_source(source_type), _monitors(schema)]},
        "panels": _panels(schema),
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _source(source_type: str) -> dict[str, Any]:
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": source_type, "hide": 0}


def _monitors(schema: str) -> dict[str, Any]:
    names = query_of(
        Panel("monitors", "", "table", "SELECT DISTINCT monitor_id FROM {latest_status} ORDER BY monitor_id"), schema
    )
    return {
        "name": "monitor",
        "label": "Monitor",
        "type": "query",
        "datasource": SOURCE,
        "query": {"rawSql": names, "rawQuery": names, "format": 1, "refId": "monitors"},
        "multi": True,
        "includeAll": True,
        "current": {"text": ["All"], "value": ["$__all"]},
        "refresh": 2,
    }


def _panels(schema: str) -> list[dict[str, Any]]:
    drawn: list[dict[str, Any]] = []
    y = 0
    for page in PAGES:
        drawn.append(
            {
                "id": len(drawn) + 1,
                "type": "row",
                "title": page.title,
                "collapsed": False,
                "panels": [],
                "gridPos": {"x": 0, "y": y, "w": GRID, "h": 1},
            }
        )
        y, x = y + 1, 0
        for panel in page.panels:
            width = GRID if panel.wide else GRID // 2
            if x + width > GRID:
                x, y = 0, y + TALL
            height = COUNTER_TALL if panel.kind == "counter" else TALL
            drawn.append({"id": len(drawn) + 1, "gridPos": {"x": x, "y": y, "w": width, "h": height}, **_panel(panel, schema)})
            x += width
        y += TALL
    return drawn


def _panel(panel: Panel, schema: str) -> dict[str, Any]:
    query = f"SELECT * FROM ({query_of(panel, schema)}) chosen WHERE monitor_id IN ({CHOSEN})"
    if panel.kind in ("line", "bar"):
        query = f"SELECT time, value, series FROM ({query}) drawn ORDER BY time"
    options: dict[str, Any] = {"custom": {"drawStyle": "bars"}} if panel.kind == "bar" else {}
    return {
        "type": KINDS[panel.kind],
        "title": panel.title,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": options, "overrides": []},
        "targets": [
            {
                "refId": "A",
                "datasource": SOURCE,
                "rawSql": query,
                "rawQuery": True,
                "editorMode": "code",
                "format": "table" if panel.kind in ("table", "counter") else "time_series",
            }
        ],
    }
