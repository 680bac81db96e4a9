"""What a run measures the prediction table's columns against, and the name of all that its states depend on."""

from __future__ import annotations

import hashlib
import json
import math
import re
from typing import TYPE_CHECKING

from spark_monitor.sources.baseline import Baseline, FrozenColumn, unframed
from spark_monitor.sources.predictions import Predictions, kinds_agree

if TYPE_CHECKING:
    from spark_monitor.config.monitor import MonitorConfig


def frames_of(predictions: Predictions, baseline: Baseline) -> list[FrozenColumn]:
    """The columns of the prediction table, each on its baseline's grid where it has one of its kind."""
    frames = []
    for column in predictions.columns:
        frozen = baseline.columns.get(column.name)
        same = frozen is not None and kinds_agree((frozen.kind, frozen.data_type), column) is None
        frame = unframed(column)
        if same and frozen is not None:
            frame = FrozenColumn(column.name, column.data_type, column.kind, frozen.grid, frozen.categories, frozen.facts)
        frames.append(frame)
    return frames


EXACT_WHOLE = 2.0**53
EXACT_DIGITS = 15
_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")


def exact_to(data_type: str) -> float:
    """Up to which size different values of a type stay different as doubles.

    >>> exact_to("double"), exact_to("bigint") == 2**53, exact_to("decimal(18,3)"), exact_to("decimal(10,2)")
    (inf, True, 9007199254740.992, inf)
    """
    decimal = _DECIMAL.fullmatch(data_type)
    if decimal is not None and int(decimal[1]) > EXACT_DIGITS:
        return EXACT_WHOLE / 10.0 ** int(decimal[2])
    return EXACT_WHOLE if data_type in ("bigint", "long") else math.inf


def apart_from_baseline(predictions: Predictions, baseline: Baseline) -> dict[str, tuple[str, str]]:
    """The columns that cannot be compared with the baseline, with status and sentence."""
    apart = {}
    for column in predictions.columns:
        frozen = baseline.columns.get(column.name)
        if frozen is None:
            apart[column.name] = ("NEW", f"The column is new: baseline {baseline.version} does not have it.")
        else:
            changed = kinds_agree((frozen.kind, frozen.data_type), column)
            if changed is not None:
                apart[column.name] = ("TYPE_CHANGED", changed)
    return apart


def profile_hash(config: MonitorConfig, predictions: Predictions, baseline: Baseline) -> str:
    """SHA-256 of what states depend on besides rows: the monitor's file, the baseline, the columns and slices as they are read.

    The states of a window that two runs with equal hashes wrote are states of the same columns, in the same order, on the same
    grids, so they merge.
    """
    columns = [
        (column.name, column.data_type, column.kind, column.sql, frame.kernel.frame_id)
        for column, frame in zip(predictions.columns, frames_of(predictions, baseline), strict=True)
    ]
    slices = [(slice_.key, slice_.sql) for slice_ in predictions.slices]
    parts = [config.config_hash(), baseline.version, predictions.version_sql, slices, columns]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()
