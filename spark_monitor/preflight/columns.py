"""What a table's columns must be for a monitor: present, and of a type that its role can use. Schemas only, nothing is read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import combinations
from typing import Literal

from pyspark.sql import types as T

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.config.monitor import LabelsConfig, MonitorConfig, SourceConfig
from spark_monitor.config.monitored import MonitoredTable
from spark_monitor.config.quality import ExpectedRowsConfig
from spark_monitor.config.rules import RuleConfig
from spark_monitor.preflight.types import PLAIN, TIME, WHOLE, is_id, is_number, is_plain, is_time, profiled_kind
from spark_monitor.sources.predictions import only_in_baseline
from spark_monitor.sources.readers.rows import Kind, read_column
from spark_monitor.text.masking import mask_secrets
from spark_monitor.text.quoting import crossed

COLUMNS_SHOWN = 20
RANKED_BY = "a number by which the rows of `groups` are ranked, or one in `predictions.score`"
OTHER_DATASETS = ("system", "pipeline", "cost")
"""Families whose rules name endpoints, steps, tables or services, which no column of the predictions is."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or worth knowing: the key it belongs to, and what to do about it."""

    where: str
    sentence: str
    level: Literal["error", "warning"] = "error"

    def __post_init__(self) -> None:
        object.__setattr__(self, "sentence", mask_secrets(self.sentence))

    def __str__(self) -> str:
        return f"{self.where}: {self.sentence}"


@dataclass(frozen=True)
class Role:
    """A column that a key of the configuration names, what it is for, and the types that serve."""

    where: str
    column: str
    allowed: str
    fits: Callable[[T.DataType], bool]


def prediction_roles(config: MonitorConfig) -> list[Role]:
    """The columns that the prediction table must have, features aside."""
    predictions = config.predictions
    numeric = config.model.task == "regression"
    ranks = config.groups is not None and predictions.score is None
    roles = _ids("predictions.id", predictions.id)
    roles.append(Role("predictions.time", predictions.time, TIME, is_time))
    if isinstance(predictions.model_version, str):
        roles.append(Role("predictions.model_version", predictions.model_version, PLAIN, is_plain))
    if predictions.prediction is not None:
        role = _answer("predictions.prediction", predictions.prediction, numeric=numeric or ranks)
        roles.append(replace(role, allowed=RANKED_BY) if ranks and not numeric else role)
    if predictions.score is not None:
        roles.append(_answer("predictions.score", predictions.score, numeric=True))
    return roles


def measured_roles(config: MonitorConfig) -> list[Role]:
    """What only metrics of the model read: columns or SQL."""
    roles, predictions = [], config.predictions
    if config.weights is not None:
        roles.append(Role("weights", config.weights, "a number", is_number))
    if config.groups is not None:
        roles.append(Role("groups.column", config.groups.column, PLAIN, is_plain))
    if predictions.interval is not None:
        for side in ("lower", "upper"):
            roles.append(Role(f"predictions.interval.{side}", getattr(predictions.interval, side), "a number", is_number))
    roles += [Role(f"predictions.scores.{name}", text, "a number", is_number) for name, text in predictions.scores.items()]
    return roles


def label_roles(labels: LabelsConfig, *, numeric: bool) -> list[Role]:
    """The columns that the label table must have."""
    return [
        *_ids("labels.id", labels.id),
        _answer("labels.label", labels.label, numeric=numeric),
        Role("labels.time", labels.time, TIME, is_time),
    ]


def manifest_roles(manifest: ExpectedRowsConfig) -> list[Role]:
    """The columns that a manifest of expected rows must have."""
    where = "quality.expected_rows"
    return [Role(f"{where}.time", manifest.time, TIME, is_time), Role(f"{where}.count", manifest.count, "a number", is_number)]


def _ids(where: str, columns: Sequence[str]) -> list[Role]:
    return [Role(where, column, PLAIN, is_id) for column in columns]


def _answer(where: str, column: str, *, numeric: bool) -> Role:
    return Role(where, column, "a number", is_number) if numeric else Role(where, column, PLAIN, is_plain)


def role_findings(schema: T.StructType, roles: Iterable[Role], source: SourceConfig) -> Iterator[Finding]:
    """Columns that are missing or of a type that their role cannot use."""
    types = types_of(schema)
    for role in roles:
        kind = types.get(role.column)
        if kind is None:
            yield Finding(role.where, missing(role.column, types, source))
        elif not role.fits(kind):
            mismatch = f'column "{role.column}" of {source.text} is {kind.simpleString()}. Allowed: {role.allowed}'
            yield Finding(role.where, f"{mismatch}. {_view(role, kind, source)}")


def _view(role: Role, kind: T.DataType, source: SourceConfig) -> str:
    """How to make a column of the right type without touching the table."""
    name = f"`{role.column.replace('`', '``')}`"
    if role.fits is is_time and isinstance(kind, T.NumericType):
        return f"Read a view that has it as timestamp_seconds({name}) or timestamp_millis({name})."
    if role.fits is is_time:
        return f"Read a view of {source.text} that has it as to_timestamp({name}), with the string's format where it is not ISO."
    if role.fits is is_number:
        if isinstance(kind, T.ArrayType):
            return f'Name one of its values, such as "{role.column}[1]".'
        if isinstance(kind, T.UserDefinedType):
            return f'Name one of its values, such as "vector_to_array({role.column})[1]".'
        if isinstance(kind, T.StructType):
            return f'Name one of its fields, such as "{role.column}.{kind.names[0] if kind.names else "value"}".'
        return f"Write try_cast({name} AS DOUBLE) instead: it is NULL where the value is no number."
    made = "hex" if isinstance(kind, T.BinaryType) else "to_json"
    return f"Read a view that has a plain value made of it, such as {made}({name})."


def types_of(schema: T.StructType) -> dict[str, T.DataType]:
    """Column names and types."""
    return {field.name: field.dataType for field in schema.fields}


def missing(column: str, columns: Iterable[str], source: SourceConfig | MonitoredTable) -> str:
    """The sentence for a column that a table does not have, with the nearest name, or the names there are."""
    names = list(columns)
    close = nearest(column, names)
    if close is not None:
        return f'no column "{column}" in {source.text}. Did you mean "{close}"?'
    shown = ", ".join(names[:COLUMNS_SHOWN])
    more = f" and {len(names) - COLUMNS_SHOWN} more" if len(names) > COLUMNS_SHOWN else ""
    return f'no column "{column}" in {source.text}. Its columns: {shown}{more}. Name one of them.'


def nearest(column: str, names: Iterable[str]) -> str | None:
    """The name most like a column's, whatever its case."""
    lowered = {name.lower(): name for name in names}
    close = get_close_matches(column.lower(), list(lowered), n=1)
    return lowered[close[0]] if close else None


def profiled_columns(config: MonitorConfig, columns: Iterable[str]) -> list[str]:
    """The columns that are profiled and compared: features, the prediction and the score."""
    predictions, roles = config.predictions, config.predictions.roles()
    include, exclude = set(predictions.features.include), set(predictions.features.exclude)
    outputs = {name for name, role in roles.items() if role in ("prediction", "score")}
    features = [name for name in columns if name not in roles and name not in exclude and (not include or name in include)]
    return [*features, *(name for name in columns if name in outputs)]


def numbers_and_strings(config: MonitorConfig, schema: T.StructType) -> tuple[list[str], list[str]]:
    """The watched columns that are compared as numbers, and those that are compared as strings."""
    kinds = {
        name: read_column(schema[name], config.columns.get(name)).kind for name in profiled_columns(config, list(schema.names))
    }
    strings = [name for name, kind in kinds.items() if kind is Kind.CATEGORICAL]
    return [name for name, kind in kinds.items() if kind in (Kind.NUMERIC, Kind.SIZE)], strings


def feature_findings(config: MonitorConfig, columns: Sequence[str], baseline: Sequence[str]) -> Iterator[Finding]:
    """Features that are named and not there; one that the baseline still has is drift and will be reported as such."""
    features, source = config.predictions.features, config.predictions
    for name in (name for name in features.include if name not in columns):
        gone = f'column "{name}" is in the baseline and no longer in {source.text}: it is reported as MISSING'
        if name in baseline:
            yield Finding("predictions.features.include", f"{gone}.", "warning")
        else:
            yield Finding("predictions.features.include", missing(name, columns, source))
    for name in (name for name in features.exclude if name not in columns and name not in baseline):
        yield Finding("predictions.features.exclude", missing(name, columns, source), "warning")
    if not set(profiled_columns(config, columns)) - set(source.roles()):
        yield Finding("predictions.features", "no column is left to be watched besides those with a role.", "warning")


PAIRS = "correlation_shift"
"""The metric whose rules list pairs of columns."""


def rule_column_findings(config: MonitorConfig, columns: Sequence[str], baseline: Sequence[str]) -> Iterator[Finding]:
    """Rules about columns that are not watched."""
    watched = {*profiled_columns(config, columns), TABLE_ROW}
    for position, rule in enumerate(config.rules):
        if rule.family in OTHER_DATASETS:
            continue  # its columns are endpoints, steps or services
        if rule.metric == PAIRS:
            yield from _pair_findings(rule, f"rules[{position}].columns", profiled_columns(config, columns))
            continue
        for name in (name for name in _named(rule) if name not in watched):
            yield _unwatched(config, name, f"rules[{position}].columns", columns, baseline)


def _pair_findings(rule: RuleConfig, where: str, watched: Sequence[str]) -> Iterator[Finding]:
    """Names of a rule about pairs that are no pair of watched columns."""
    for name in _named(rule):
        if not any(name == crossed(pair) for pair in combinations(watched, 2)):
            problem = f'"{name}" is no pair of watched columns in the order of the table'
            yield Finding(where, f'{problem}. Name two, such as "{", ".join(watched[:2])}".')


def _unwatched(config: MonitorConfig, name: str, where: str, columns: Sequence[str], baseline: Sequence[str]) -> Finding:
    """Why a rule's column is not watched: it has another role, was left out, is gone, or never was."""
    if name in columns:
        role = config.predictions.roles().get(name)
        reason = f"the {role} column" if role else "left out by predictions.features"
        return Finding(where, f'column "{name}" is {reason} and is not watched. Name a column that is.')
    if name in baseline:
        gone = f'column "{name}" is in the baseline and no longer here: the rule will find no data'
        return Finding(where, f"{gone}.", "warning")
    return Finding(where, missing(name, profiled_columns(config, columns) or columns, config.predictions))


def _named(rule: RuleConfig) -> tuple[str, ...]:
    return () if rule.columns == "*" else tuple(rule.columns)


def same_but_for_case(names: Iterable[str], used: Iterable[str]) -> list[tuple[str, ...]]:
    """Groups of names that differ only in case, of which one is used.

    >>> same_but_for_case(["a", "A", "b", "c", "C"], used=["A", "b"])
    [('A', 'a')]
    """
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(name.lower(), []).append(name)
    wanted = set(used)
    return [tuple(sorted(group)) for group in groups.values() if len(group) > 1 and wanted & set(group)]


def id_type_findings(config: MonitorConfig, labels: LabelsConfig, left: T.StructType, right: T.StructType) -> Iterator[Finding]:
    """Ids of different types: they are compared as strings, which is reported."""
    predictions, label_types = types_of(left), types_of(right)
    for name, label_name in zip(config.predictions.id, labels.id, strict=True):
        one, other = predictions.get(name), label_types.get(label_name)
        if one is None or other is None or one == other or (isinstance(one, WHOLE) and isinstance(other, WHOLE)):
            continue
        difference = f'"{label_name}" is {other.simpleString()} and "{name}" of the predictions is {one.simpleString()}'
        done = "ids are compared as strings without spaces around them, so that 4, 4.0 and '4' are one id and '04' is another"
        yield Finding("labels.id", f"{difference}: {done}.", "warning")


def baseline_column_findings(config: MonitorConfig, columns: T.StructType, baseline: T.StructType) -> Iterator[Finding]:
    """Columns that cannot be compared: the baseline lacks them or has them with another type, or it alone has them."""
    here, there = types_of(columns), types_of(baseline)
    watched = profiled_columns(config, here)
    written = {name.lower(): name for name in there if name not in here}
    other_case = [(name, written[name.lower()]) for name in watched if name not in there and name.lower() in written]
    for name, twin in other_case:
        differ = f'its column "{twin}" and "{name}" of the predictions differ only in case: names are compared as written'
        step = "so neither has drift. Read a view of one table that writes it as the other does"
        yield Finding("baseline", f"{differ}, {step}.", "warning")
    absent = [name for name in watched if name not in there and name not in dict(other_case)]
    if absent:
        lack = f"it has no column {_listed(absent)}"
        yield Finding("baseline", f"{lack}: drift of these is reported as NO_BASELINE or NEW.", "warning")
    left_out = {*config.predictions.features.include, *(twin for _, twin in other_case)}
    gone = [name for name in only_in_baseline(config, here, there) if name not in left_out]
    if gone:
        lack = f"the prediction table has no column {_listed(gone)}, which it has: reported as MISSING"
        yield Finding("baseline", f"{lack}. If they are no features, name them in predictions.features.exclude.", "warning")
    for name, other, kind in ((name, there[name], here[name]) for name in watched if name in there):
        if profiled_kind(other, config.columns.get(name)) is not profiled_kind(kind, config.columns.get(name)):
            change = f"is {other.simpleString()} in the baseline and {kind.simpleString()} in the predictions"
            yield Finding("baseline", f'column "{name}" {change}: its drift is reported as TYPE_CHANGED.', "warning")


def _listed(names: Sequence[str]) -> str:
    """Names in quotes; of many the first."""
    more = f" and {len(names) - COLUMNS_SHOWN} more" if len(names) > COLUMNS_SHOWN else ""
    return ", ".join(f'"{name}"' for name in names[:COLUMNS_SHOWN]) + more
