"""One number worth a chart, whoever draws it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from spark_monitor.windowing.windows import Window

Family = Literal["performance", "drift", "quality", "system", "cost"]


@dataclass(frozen=True)
class Reading:
    """One number of one window and model version that is worth a chart."""

    version: str | None
    window: Window
    family: Family
    name: str
    value: float | None
    column: str | None = None
    slice_key: str | None = None
    slice_value: str | None = None
