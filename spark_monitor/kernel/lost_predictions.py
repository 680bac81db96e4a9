"""Requests of finer windows held against the predictions of the windows that they make up."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.catalogue.measurement import measurements
from spark_monitor.catalogue.registry import catalogue
from spark_monitor.kernel.lost_versions import all_lost, surely_lost
from spark_monitor.kernel.plan import WindowKey
from spark_monitor.kernel.serving import EMPTY, PREDICTIONS
from spark_monitor.kernel.serving_messages import SAMPLED, why_no_predictions
from spark_monitor.kernel.serving_series import UNDEFINED
from spark_monitor.operations.serving import ServingBlock


@dataclass(frozen=True)
class Composed:
    """The windows that are measured, the granularity in which requests are counted, and how many of its windows make up each.

    A window that they do not make up has 0.
    """

    windows: tuple[WindowKey, ...]
    finer: str
    parts: tuple[int, ...]
    versions_are_named: bool = True
    """Whether the prediction table has a column of versions."""


@dataclass
class _Counts:
    """What is known of a window and a version."""

    requests: float = 0.0
    failed: float = 0.0
    predictions: float = np.nan
    windows: set[int] = field(default_factory=set)
    sampled: bool = False


def lost_in_windows(rows: Iterable[Mapping[str, Any]], composed: Composed) -> Iterator[dict[str, Any]]:
    """``lost_predictions_percent`` of every window: of all versions together, and of each that had requests."""
    counts = _counted(rows, composed)
    for window, parts in zip(composed.windows, composed.parts, strict=True):
        versions = counts.get(window, {})
        counted_parts = len(versions[None].windows) if None in versions else 0
        sampled = any(one.sampled for one in versions.values())
        for version in sorted(versions.keys() | {None}, key=lambda name: (name is not None, name or "")):
            one = versions.get(version, _Counts())
            if version is None or one.windows:
                row = _row(window, version, one, _why_not(composed.finer, window, parts, counted_parts, sampled=sampled))
                yield _known_as_lost(row, version, versions) if version is not None and composed.versions_are_named else row


def _known_as_lost(row: dict[str, Any], version: str, versions: Mapping[str | None, _Counts]) -> dict[str, Any]:
    """The row, with a number where all predictions of the version are surely lost."""
    if row["value"] is not None or row["count"] is None or None not in versions:
        return row
    named = {name: one for name, one in versions.items() if name is not None}
    answered = {name: one.requests - one.failed for name, one in named.items() if one.windows}
    predicted = {name: one.predictions for name, one in named.items() if one.predictions == one.predictions}
    beyond = surely_lost(version, answered, predicted, versions[None].predictions)
    return row if beyond is None else all_lost(row, answered[version], beyond)


def _counted(rows: Iterable[Mapping[str, Any]], composed: Composed) -> dict[WindowKey, dict[str | None, _Counts]]:
    by_granularity: dict[str, list[WindowKey]] = {}
    for window in sorted(composed.windows, key=lambda one: one.start):
        by_granularity.setdefault(window.granularity, []).append(window)
    starts = {label: [one.start for one in windows] for label, windows in by_granularity.items()}
    counts: dict[WindowKey, dict[str | None, _Counts]] = {}
    for row in rows:
        of_predictions = row["kind"] == PREDICTIONS
        for label in [row["granularity"]] if of_predictions else by_granularity:
            place = bisect_right(starts[label], row["start"]) - 1
            window = by_granularity[label][place]
            if place < 0 or row["start"] >= window.end:
                continue
            _add(counts.setdefault(window, {}).setdefault(row["model_version"], _Counts()), row, of_predictions=of_predictions)
    return counts


def _add(one: _Counts, row: Mapping[str, Any], *, of_predictions: bool) -> None:
    value = row["value"]
    if of_predictions:
        one.predictions = value
    elif row["metric"] == "requests" and value is not None:
        one.requests += value
        one.sampled |= bool(row.get("unlogged"))
        one.windows.add(row["start"])
    elif value is not None:
        one.failed += value


def _why_not(finer: str, window: WindowKey, parts: int, counted_parts: int, *, sampled: bool) -> str | None:
    """Why the requests of a window are not the sum of those of the finer ones; None where they are."""
    if not parts:
        return f"Windows of {finer}, in which requests are counted, do not make up one of {window.granularity}."
    if counted_parts < parts:
        return f"The requests of {parts - counted_parts:,} of {parts:,} windows of {finer} are not known."
    return SAMPLED if sampled else None


def _row(window: WindowKey, version: str | None, one: _Counts, why_not: str | None) -> dict[str, Any]:
    metric = catalogue().metrics["lost_predictions_percent"]
    requests = np.nan if why_not is not None else one.requests
    asked, failed, predicted = (np.array([number]) for number in (requests, one.failed, one.predictions))
    block = ServingBlock(asked, failed, asked, predictions=predicted)
    where = {**vars(window), "model_version": version, "slice_key": None, "slice_value": None}
    count = [None if why_not is not None else int(one.requests)]
    [row] = measurements([where], metric, metric.compute(block), count=count, column_name=TABLE_ROW)
    if row["value"] is not None:
        return row
    if why_not is None and not one.requests:
        return {**row, "status": EMPTY, "message": "No request in this window."}
    sentence = why_not or ("Every request failed." if one.failed >= one.requests else why_no_predictions(version))
    return {**row, "status": UNDEFINED, "message": sentence}
