"""A run that has ended, and its tables read back by delta-rs as another program would."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import made
import pandas as pd
from deltalake import DeltaTable

from spark_monitor import RunResult


@dataclass(frozen=True)
class Finished:
    """A run that has ended."""

    made: made.Made
    result: RunResult
    table: Callable[[str], pd.DataFrame]


def read(source: made.Made, name: str) -> pd.DataFrame:
    """A table as pandas, the window's edges as columns of their own."""
    frame = DeltaTable(str(source.output / name)).to_pandas()
    if "window" in frame:
        edges = frame.pop("window")
        frame["start"] = pd.to_datetime([edge and edge["start"] for edge in edges], utc=True)
        frame["end"] = pd.to_datetime([edge and edge["end"] for edge in edges], utc=True)
    return frame
