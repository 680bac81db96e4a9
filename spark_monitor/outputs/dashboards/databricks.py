"""The dashboard as Databricks reads it (`.lvdash.json`): datasets, pages on a grid of six columns, widgets."""

from __future__ import annotations

import json
from typing import Any, Final

from spark_monitor.outputs.dashboards.panels import PAGES, Page, Panel, panels
from spark_monitor.text.quoting import quote, quote_table

GRID, HALF, TALL, COUNTER_TALL = 6, 3, 7, 3
VERSIONS: Final = {"line": 3, "bar": 3, "table": 1, "counter": 2}
VIEWS: Final = ("latest_status", "metric_series", "open_incidents", "label_maturity")


def databricks_dashboard(schema: str) -> str:
    """The file's text; ``schema`` is where the views are."""
    content = {
        "datasets": [
            {"name": panel.name, "displayName": panel.title, "queryLines": [query_of(panel, schema)]}
            for panel in panels().values()
        ],
        "pages": [_page(page) for page in PAGES],
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def query_of(panel: Panel, schema: str) -> str:
    """A panel's query with the views' full names."""
    return panel.sql.format(**{view: f"{quote_table(schema)}.{quote(view)}" for view in VIEWS})


def _page(page: Page) -> dict[str, Any]:
    layout, x, y = [], 0, 0
    for panel in page.panels:
        width, height = GRID if panel.wide else HALF, COUNTER_TALL if panel.kind == "counter" else TALL
        if x + width > GRID:
            x, y = 0, y + TALL
        layout.append({"widget": _widget(panel, page), "position": {"x": x, "y": y, "width": width, "height": height}})
        x += width
        if x >= GRID:
            x, y = 0, y + TALL
    return {"name": page.name, "displayName": page.title, "pageType": "PAGE_TYPE_CANVAS", "layout": layout}


def _widget(panel: Panel, page: Page) -> dict[str, Any]:
    names = panel.columns or tuple(name for name in (panel.x, panel.y, panel.series) if name is not None)
    if panel.kind == "counter":
        names = (panel.y,)
    total = panel.kind == "counter"
    fields = [
        {"name": f"sum({name})" if total else name, "expression": f"SUM({quote(name)})" if total else quote(name)}
        for name in names
    ]
    return {
        "name": f"{page.name}_{panel.name}",
        "queries": [
            {"name": "main_query", "query": {"datasetName": panel.name, "fields": fields, "disaggregated": not total}},
        ],
        "spec": {
            "version": VERSIONS[panel.kind],
            "widgetType": panel.kind,
            "encodings": _encodings(panel),
            "frame": {"showTitle": True, "title": panel.title},
        },
    }


def _encodings(panel: Panel) -> dict[str, Any]:
    if panel.kind == "table":
        return {"columns": [{"fieldName": name, "displayName": name.replace("_", " ")} for name in panel.columns]}
    if panel.kind == "counter":
        return {"value": {"fieldName": f"sum({panel.y})", "displayName": panel.title}}
    drawn: dict[str, Any] = {
        "x": {"fieldName": panel.x, "displayName": panel.x, "scale": {"type": "temporal"}},
        "y": {"fieldName": panel.y, "displayName": panel.y, "scale": {"type": "quantitative"}},
    }
    if panel.series is not None:
        drawn["color"] = {"fieldName": panel.series, "displayName": panel.series, "scale": {"type": "categorical"}}
    return drawn
