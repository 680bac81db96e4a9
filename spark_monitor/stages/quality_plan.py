"""What the pass gathers about quality: the file's `quality` section and the baseline's facts as checks of every column."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING

import numpy as np

from spark_monitor.config.quality import COUNTRIES, NAMED_FORMATS
from spark_monitor.kernel.checks import ColumnChecks
from spark_monitor.kernel.quality_rows import QualityPlan
from spark_monitor.sources.baseline import Baseline, FrozenColumn
from spark_monitor.sources.predictions import Predictions
from spark_monitor.sources.readers.rows import Kind, ReadColumn
from spark_monitor.text.quoting import as_string

if TYPE_CHECKING:
    from spark_monitor.config.monitor import MonitorConfig

NUMBERS_OF_TEXTS = 0.9
"""A string column of which so large a fraction of the baseline's values are numbers should hold numbers."""

_TIMES = ("date", "timestamp", "timestamp_ntz")


def extra_names(config: MonitorConfig, predictions: Predictions) -> tuple[str, ...]:
    """The columns that are only hashed: the id's, and those that should be unique, unless they are profiled anyway."""
    profiled = {column.name for column in predictions.columns}
    there = set(predictions.frame.columns)
    wanted = dict.fromkeys((*config.predictions.id, *config.quality.unique))
    return tuple(name for name in wanted if name in there and name not in profiled)


def key_names(config: MonitorConfig, predictions: Predictions) -> tuple[tuple[str, ...], ...]:
    """The keys in which no two rows should agree: the id, then every column that is declared unique."""
    there = set(predictions.frame.columns)
    ids = tuple(name for name in config.predictions.id if name in there)
    keys = [ids, *((name,) for name in config.quality.unique if name in there)]
    return tuple(dict.fromkeys(key for key in keys if key))


def quality_plan(
    config: MonitorConfig, predictions: Predictions, baseline: Baseline, frames: Sequence[FrozenColumn]
) -> QualityPlan:
    """What a task counts of each column and which keys it samples."""
    extras = extra_names(config, predictions)
    places = {name: place for place, name in enumerate([*(column.name for column in predictions.columns), *extras])}
    keys = tuple(tuple(places[name] for name in key) for key in key_names(config, predictions))
    checks = tuple(
        checks_of(config, column, baseline.columns.get(column.name), frame)
        for column, frame in zip(predictions.columns, frames, strict=True)
    )
    return QualityPlan(checks, extras=len(extras), keys=keys)


def checks_of(config: MonitorConfig, column: ReadColumn, frozen: FrozenColumn | None, frame: FrozenColumn) -> ColumnChecks | None:
    """What a column's values are held against; None where its kind has nothing to be held against."""
    quality, name = config.quality, column.name
    if column.kind is Kind.CATEGORICAL:
        if column.data_type == "binary":
            return None
        pattern = quality.formats.get(name)
        allowed = quality.allowed.get(name)
        expected = tuple(map(as_string, allowed)) if allowed is not None else known_texts(frozen, frame)
        return ColumnChecks(
            pattern=NAMED_FORMATS.get(pattern, pattern) if pattern is not None else None,
            codes=COUNTRIES if pattern == "country_iso2" else None,
            parses=should_parse(frozen),
            expected=expected,
            sentinels=tuple(map(as_string, quality.sentinels)) or None,
        )
    if column.kind is not Kind.NUMERIC or column.data_type == "boolean":
        return None
    low, high = range_of(config, column, frozen)
    allowed = quality.allowed.get(name)
    return ColumnChecks(
        low=low,
        high=high,
        expected=_numbers(allowed, column.data_type) if allowed is not None else known_codes(config, frame),
        sentinels=_numbers(quality.sentinels, column.data_type) or None,
    )


def range_of(config: MonitorConfig, column: ReadColumn, frozen: FrozenColumn | None) -> tuple[float | None, float | None]:
    """The declared range, else the baseline's; none for times, which move on.

    A column of 32-bit numbers holds the bounds as it stores them.
    """
    declared = config.quality.ranges.get(column.name)
    if declared is not None:
        low, high = declared
        if column.data_type != "float":
            return low, high
        narrow = [None if bound is None else float(np.float32(bound)) for bound in (low, high)]
        return _least(low, narrow[0]), None if high is None or narrow[1] is None else max(high, narrow[1])
    if column.data_type in _TIMES or frozen is None or frozen.kind is not Kind.NUMERIC:
        return None, None
    return frozen.facts.get("least"), frozen.facts.get("greatest")


def _least(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else min(one, other)


def known_texts(frozen: FrozenColumn | None, frame: FrozenColumn) -> tuple[str, ...] | None:
    """The baseline's strings, where it has all of them."""
    if frozen is None or not frozen.facts.get("complete") or frame.categories is None:
        return None
    return frame.categories.texts


def known_codes(config: MonitorConfig, frame: FrozenColumn) -> tuple[float, ...] | None:
    """The baseline's integers where they are names and `columns` does not say that they are numbers."""
    return None if config.columns.get(frame.name) == "numeric" else frame.codes


def should_parse(frozen: FrozenColumn | None) -> bool:
    """Whether the baseline's values were numbers, as such or as strings."""
    if frozen is None:
        return False
    if frozen.kind is Kind.NUMERIC:
        return frozen.data_type not in (*_TIMES, "boolean")
    return (frozen.facts.get("parsed") or 0.0) >= NUMBERS_OF_TEXTS


def _numbers(values: Iterable[object], data_type: str) -> tuple[float, ...]:
    """The values as the column holds them: numbers, or the epoch seconds of dates and times; others are no value of it."""
    numbers: list[float] = []
    for value in values:
        number = _seconds(value) if data_type in _TIMES else _number(value)
        if number is not None:
            numbers += [number, float(np.float32(number))] if data_type == "float" else [number]
    return tuple(dict.fromkeys(numbers))


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _seconds(value: object) -> float | None:
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, date):
        moment = datetime.combine(value, time(), tzinfo=UTC)
    elif isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return None
    else:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
