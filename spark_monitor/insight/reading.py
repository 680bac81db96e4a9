"""One number worth a chart, whoever draws it."""

from __future__ import annotations

from dataclasses import dataclass

from spark_monitor.catalogue.metric import Group
from spark_monitor.windowing.windows import Window


@dataclass(frozen=True)
class Reading:
    """One number of one window and model version that is worth a chart."""

    version: str | None
    window: Window
    family: Group
    name: str
    value: float | None
    column: str | None = None
    slice_key: str | None = None
    slice_value: str | None = None
