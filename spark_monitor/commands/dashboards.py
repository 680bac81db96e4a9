"""`spark-monitor dashboards FILE --for databricks|grafana`: a dashboard over the views, as a file to import."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from spark_monitor.commands.command import terminal_of
from spark_monitor.commands.options import AsJson, MonitorFile
from spark_monitor.commands.report import require_place, write
from spark_monitor.errors import ConfigError


class Target(StrEnum):
    """Whose dashboard it is."""

    databricks = "databricks"
    grafana = "grafana"


NAMES = {Target.databricks: "spark_monitor.lvdash.json", Target.grafana: "spark_monitor.grafana.json"}


def dashboards(
    context: typer.Context,
    file: MonitorFile,
    target: Annotated[Target, typer.Option("--for", help="The program that the dashboard is for.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the file is written.")] = Path("."),
    as_json: AsJson = False,
) -> None:
    """Write a dashboard with a page per role over the views of the monitor's schema."""
    terminal = terminal_of(context)
    from spark_monitor.config.monitor import load_config
    from spark_monitor.outputs.dashboards.databricks import databricks_dashboard
    from spark_monitor.outputs.dashboards.grafana import grafana_dashboard

    schema = load_config(file).outputs.schema_name
    if schema is None:
        raise ConfigError("outputs.path: only a schema's views have names. Set outputs.schema for a dashboard.")
    if not os.path.isdir(out):
        raise ConfigError(f"--out {out}: found no directory. Give one that exists.")
    written = out / NAMES[target]
    made = databricks_dashboard(schema) if target is Target.databricks else grafana_dashboard(schema)
    require_place(written)
    write(written, made)
    terminal.document({"dashboard": written.resolve(), "for": target.value})
    terminal.tell(f"Written: {written}")
