"""The sections `quality` and `columns` against the prediction table: columns that exist, of types that fit what is declared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime

from pyspark.sql import types as T

from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.preflight.columns import Finding, missing, profiled_columns, types_of
from spark_monitor.preflight.types import is_number, is_time
from spark_monitor.sources.readers.rows import CODES, TEXT_TYPES


def quality_findings(config: MonitorConfig, schema: T.StructType) -> Iterator[Finding]:
    """What is declared of columns that are not there, are not watched, or are of another type."""
    types, quality = types_of(schema), config.quality
    watched = set(profiled_columns(config, types))
    sections: dict[str, Iterable[str]] = {"formats": quality.formats, "ranges": quality.ranges, "allowed": quality.allowed}
    for section, names in sections.items():
        yield from _unwatched(config, f"quality.{section}", names, types, watched)
    for name in quality.unique:
        if name not in types:
            yield Finding("quality.unique", missing(name, types, config.predictions))
    for name in quality.formats:
        kind = types.get(name)
        if kind is not None and not _is_text(config, name, kind):
            reason = f"is {kind.simpleString()}, and formats are patterns of strings. Use quality.ranges or quality.allowed"
            yield Finding(f"quality.formats.{name}", f'column "{name}" {reason}.')
    for name in quality.ranges:
        kind = types.get(name)
        if kind is not None and (_is_text(config, name, kind) or not (is_number(kind) or isinstance(kind, TEXT_TYPES))):
            reason = f"is {kind.simpleString()}, and ranges are of numbers"
            hint = "Declare columns: {" + name + ": numeric} if its strings are numbers." if isinstance(kind, TEXT_TYPES) else ""
            yield Finding(f"quality.ranges.{name}", f'column "{name}" {reason}. {hint or "Remove the range."}')
    yield from _allowed_findings(config, types)
    yield from _declared_findings(config, types)


def _unwatched(
    config: MonitorConfig, where: str, names: Iterable[str], types: dict[str, T.DataType], watched: set[str]
) -> Iterator[Finding]:
    for name in names:
        if name not in types:
            yield Finding(f"{where}.{name}", missing(name, types, config.predictions))
        elif name not in watched:
            role = config.predictions.roles().get(name)
            why = f"the {role} column" if role else "left out by predictions.features"
            yield Finding(f"{where}.{name}", f'column "{name}" is {why} and is not watched, so nothing is held against it.')


def _allowed_findings(config: MonitorConfig, types: dict[str, T.DataType]) -> Iterator[Finding]:
    """Values that a column's type cannot hold, and numbers whose digits in a string may be others."""
    for name, values in config.quality.allowed.items():
        kind = types.get(name)
        if kind is not None and _is_text(config, name, kind):
            fractions = [value for value in values if isinstance(value, float)]
            if fractions:
                reason = f"is compared by its strings, and {fractions[0]} is read as a number, to which 1.10 and 1.1 are one"
                step = f'Put it in quotes as the column has it, such as "{fractions[0]}"'
                yield Finding(f"quality.allowed.{name}", f'column "{name}" {reason}. {step}.', "warning")
            continue
        if kind is not None and not is_number(kind):
            yield from _other_values(name, values, kind)
        if kind is None or not is_number(kind):
            continue
        wrong = [value for value in values if not _is_numeric(value)]
        if wrong:
            shown = ", ".join(f'"{value}"' for value in wrong[:3])
            reason = f"holds {kind.simpleString()}, and {shown} is no number. Write numbers without quotes"
            yield Finding(f"quality.allowed.{name}", f'column "{name}" {reason}.')


def _other_values(name: str, values: Sequence[object], kind: T.DataType) -> Iterator[Finding]:
    """Allowed values of a column that is neither strings nor numbers: times are compared, others are not."""
    where, holds = f"quality.allowed.{name}", f'column "{name}" holds {kind.simpleString()}'
    if not is_time(kind):
        declared = isinstance(kind, CODES)
        step = "Declare columns: {" + name + ": categorical}, or remove it" if declared else "Remove it"
        yield Finding(where, f"{holds}, and nothing is held against such values. {step}.")
        return
    wrong = [value for value in values if not _is_moment(value)]
    if wrong:
        shown = ", ".join(f'"{value}"' for value in wrong[:3])
        yield Finding(where, f"{holds}, and {shown} is no time. Write times as 2024-05-01 or 2024-05-01T06:00:00Z.")


def _is_moment(value: object) -> bool:
    if isinstance(value, date):
        return True
    try:
        return isinstance(value, str) and datetime.fromisoformat(value) is not None
    except ValueError:
        return False


def _is_numeric(value: object) -> bool:
    try:
        float(str(value))
    except ValueError:
        return False
    return not isinstance(value, bool)


def _declared_findings(config: MonitorConfig, types: dict[str, T.DataType]) -> Iterator[Finding]:
    """`columns` that are not there, or whose type cannot be compared as declared."""
    for name, declared in config.columns.items():
        kind = types.get(name)
        if kind is None:
            yield Finding(f"columns.{name}", missing(name, types, config.predictions))
            continue
        fits = (*CODES, *TEXT_TYPES, T.BinaryType) if declared == "categorical" else (T.NumericType, *TEXT_TYPES, T.BooleanType)
        if not (isinstance(kind, fits) or (declared == "numeric" and is_time(kind))):
            reason = f"is {kind.simpleString()} and cannot be compared as {declared}"
            yield Finding(f"columns.{name}", f'column "{name}" {reason}. Remove it from `columns`.')


def _is_text(config: MonitorConfig, name: str, kind: T.DataType) -> bool:
    """Whether a column is compared by its strings."""
    declared = config.columns.get(name)
    return declared == "categorical" if declared is not None else isinstance(kind, TEXT_TYPES)
