"""A monitor's YAML file as frozen values: every key, every default and every check that needs no table.

``load_config`` reads a file, or raises one ConfigError with a line for each problem. What needs the real tables is `check.py`.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import timedelta, tzinfo
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from spark_monitor.config.file import describe, mask_secrets, problems, read_yaml, sentences
from spark_monitor.config.sources import BaselineConfig, FeaturesConfig, LabelsConfig, PredictionsConfig, SourceConfig
from spark_monitor.config.thresholds import KNOWN_METRICS, METRIC_ALIASES, Family, Threshold, parse_threshold
from spark_monitor.config.types import (
    Coarser,
    Duration,
    Every,
    Limit,
    LiteralVersion,
    Memory,
    MetricName,
    RuleColumns,
    Section,
    Slice,
    SliceText,
    Text,
    WholeNumber,
    Zone,
    parse_memory,
    quoted,
    repeated_names,
)
from spark_monitor.errors import ConfigError
from spark_monitor.windowing.periods import Granularity, parse_duration, parse_every, parse_zone

__all__ = [
    "KNOWN_METRICS",
    "METRIC_ALIASES",
    "BaselineConfig",
    "FeaturesConfig",
    "LabelsConfig",
    "LiteralVersion",
    "MlflowConfig",
    "ModelConfig",
    "MonitorConfig",
    "OutputsConfig",
    "PredictionsConfig",
    "RuleConfig",
    "Slice",
    "SourceConfig",
    "Threshold",
    "WindowsConfig",
    "load_config",
    "parse_threshold",
    "slice_key",
]

LONGEST_NAME = 200
"""Letters of a monitor's name, which names a directory of every table."""


class ModelConfig(Section):
    """Which model is watched, and what kind of answer it gives."""

    name: Text = Field(description="the model's name, as registered in MLflow")
    task: Literal["binary", "multiclass", "regression", "none"] = Field(description="binary, multiclass, regression or none")


class WindowsConfig(Section):
    """How time is cut."""

    every: Every = Field(default="1 day", description="the windows' length, such as 1 hour, 1 day, 1 week or 1 month")
    zone: Zone = Field(default="UTC", description="the time zone whose midnights begin days, an IANA name such as Europe/Berlin")
    also: Coarser = Field(default=(), description="lengths of coarser windows, such as [1 month]")
    lookback: Duration = Field(default="30 days", description="how far back late rows are looked for, such as 30 days")

    @property
    def granularity(self) -> Granularity:
        """``every``, read."""
        return parse_every(self.every)

    @property
    def coarser(self) -> tuple[Granularity, ...]:
        """``also``, read."""
        return tuple(parse_every(text) for text in self.also)

    @property
    def time_zone(self) -> tzinfo:
        """``zone``, read."""
        return parse_zone(self.zone)

    @property
    def lookback_duration(self) -> timedelta:
        """``lookback``, read."""
        return parse_duration(self.lookback)

    @model_validator(mode="after")
    def _also_is_coarser(self) -> Self:
        fine = [text for text in self.also if not parse_every(text).is_coarser_than(self.granularity)]
        if fine:
            raise problems(("also", f"found {quoted(fine)}. Allowed: windows longer than `every`, which is {self.every}."))
        if repeated_names(self.also):
            raise problems(("also", f"found {quoted(repeated_names(self.also))} more than once. Name each once."))
        return self


class RuleConfig(Section):
    """What may not happen, whom it concerns and what to do then."""

    metric: MetricName = Field(description="the name of a metric, such as ks, percent_null or roc_auc_score")
    columns: RuleColumns = Field(default="*", description='"*" or a list of column names')
    warn: Limit | None = Field(default=None, description='a number t, meaning "> t", or a text such as "< 0.65"')
    fail: Limit | None = Field(default=None, description='a number t, meaning "> t", or a text such as "< 0.65"')
    min_count: WholeNumber | None = Field(default=None, ge=1, description="a whole number of rows, at least 1")
    severity: Literal["low", "medium", "high", "critical"] = Field(default="medium", description="low, medium, high or critical")
    owner: Text | None = Field(default=None, description="who is told, as a text")
    runbook: Text | None = Field(default=None, description="what to do, as an address or a path")

    @property
    def family(self) -> Family:
        """Where the metric is found: profile, drift or model."""
        return KNOWN_METRICS[self.metric]

    @model_validator(mode="after")
    def _limits_agree(self) -> Self:
        warn, fail = self.warn, self.fail
        if warn is None and fail is None:
            raise problems(("", 'found neither `warn` nor `fail`. Give at least one, a number or a text such as "< 0.65".'))
        if warn is not None and fail is not None and warn.is_upper != fail.is_upper:
            raise problems(("warn", f'found "{warn.text()}" beside fail "{fail.text()}". Both must look the same way.'))
        if warn is not None and fail is not None and warn.is_beyond(fail):
            raise problems(("warn", f'found "{warn.text()}", beyond fail "{fail.text()}". Warn must come before fail.'))
        return self

    @model_validator(mode="after")
    def _columns_fit_the_metric(self) -> Self:
        if self.family == "model" and self.columns != "*":
            raise problems(("columns", f"found beside {self.metric}, which belongs to no column. Remove `columns`."))
        if self.columns == ():
            raise problems(("columns", 'found an empty list. Allowed: "*" or a list of column names.'))
        return self


class MlflowConfig(Section):
    """Where metrics are shown besides the tables."""

    tracking_uri: Text = Field(description="MLflow's address, such as sqlite:///mlflow.db, databricks or https://host")
    experiment: Text = Field(description="the experiment's name")


class OutputsConfig(Section):
    """Where results are written: a schema of the catalog, or a directory with one Delta table each."""

    schema_name: Text | None = Field(default=None, alias="schema", description="a schema of the catalog, such as monitoring")
    path: Text | None = Field(default=None, description="a directory; each table is then a Delta table at DIR/<table name>")
    mlflow: MlflowConfig | None = Field(default=None, description="{tracking_uri: ..., experiment: ...}")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.schema_name is None) == (self.path is None):
            found = "neither `schema` nor `path`" if self.path is None else "both `schema` and `path`"
            raise problems(("", f"found {found}. Allowed: one of them."))
        return self


def slice_key(slice_: Slice) -> str:
    """What the column ``slice_key`` holds: a column or an expression as written, a crossing as "a, b".

    >>> slice_key("distance > 1000"), slice_key(("origin", "carrier"))
    ('distance > 1000', 'origin, carrier')
    """
    return slice_ if isinstance(slice_, str) else ", ".join(slice_)


class MonitorConfig(Section):
    """One monitor: a model's predictions, labels, baseline, windows, slices, rules and outputs."""

    monitor: str = Field(description="the monitor's id: a-z, 0-9 and _")
    model: ModelConfig = Field(description="{name: ..., task: binary | multiclass | regression | none}")
    predictions: PredictionsConfig = Field(description="the prediction table, with at least table, id and time")
    labels: LabelsConfig | None = Field(default=None, description="the label table, with table, id, label and time")
    baseline: BaselineConfig | None = Field(default=None, description="the reference, with table and where")
    windows: WindowsConfig = Field(default=WindowsConfig(), description="{every: 1 day, zone: UTC, also: [1 month]}")
    slices: tuple[SliceText, ...] = Field(default=(), description="columns, boolean SQL expressions and lists of columns")
    max_slice_values: WholeNumber = Field(
        default=200, ge=1, le=10_000, description="how many values of a slice key are told apart, from 1 to 10,000"
    )
    task_memory: Memory = Field(default="512 MiB", description="the memory of a task, such as 512 MiB")
    rules: tuple[RuleConfig, ...] = Field(default=(), description="a list of rules, each with a metric and warn or fail")
    outputs: OutputsConfig = Field(description="{schema: ...} or {path: ...}")

    @field_validator("monitor")
    @classmethod
    def _monitor_id(cls, name: str) -> str:
        if not re.fullmatch(r"[a-z0-9_]+", name):
            raise problems(("", f"found {describe(name)}. Allowed: a-z, 0-9 and _, such as flights_delay."))
        if len(name) > LONGEST_NAME:
            raise problems(("", f"found a name of {len(name)} letters. Allowed: up to {LONGEST_NAME}."))
        return name

    @field_validator("slices")
    @classmethod
    def _slices_once(cls, slices: tuple[Slice, ...]) -> tuple[Slice, ...]:
        short = [f"[{', '.join(names)}]" for names in slices if not isinstance(names, str) and len(names) < 2]
        if short:
            raise problems(("", f"found the crossing {short[0]}. Allowed: two columns or more; write one without brackets."))
        repeated = repeated_names(slice_key(names if isinstance(names, str) else tuple(sorted(names))) for names in slices)
        if repeated:
            raise problems(("", f"found {quoted(repeated)} more than once. Name each slice once."))
        return slices

    @model_validator(mode="after")
    def _task_fits(self) -> Self:
        task, predictions = self.model.task, self.predictions
        if task == "binary" and predictions.prediction is None and predictions.score is None:
            raise problems(("predictions", "found neither `prediction` nor `score`. Task binary needs at least one of them."))
        if task in ("multiclass", "regression") and self.labels is not None and predictions.prediction is None:
            raise problems(("predictions.prediction", f"this key is missing. Task {task} needs the predicted column."))
        if task == "none" and self.labels is not None:
            raise problems(("labels", "found beside task none. Remove labels, or set model.task to what they say."))
        return self

    @model_validator(mode="after")
    def _labels_fit(self) -> Self:
        if self.labels is None and self.baseline is not None and self.baseline.labels:
            raise problems(("baseline.labels", "found true without a label table. Add `labels`, or set it to false."))
        if self.labels is not None and len(self.labels.id) != len(self.predictions.id):
            found = f"found {len(self.labels.id)} columns; predictions.id has {len(self.predictions.id)}"
            raise problems(("labels.id", f"{found}. They are matched in order: name as many as there."))
        return self

    @property
    def task_bytes(self) -> int:
        """``task_memory``, read."""
        return parse_memory(self.task_memory)

    def public_dict(self) -> dict[str, Any]:
        """The configuration as plain values, user information and secrets in addresses masked; for ledgers and logs."""
        return {name: _masked(value) for name, value in self.model_dump(mode="json", by_alias=True).items()}

    def config_hash(self) -> str:
        """SHA-256, in hex, of the canonical JSON of ``public_dict``: a changed password is no changed monitor.

        How much memory a task takes changes no number within its error, so it is left out.
        """
        told = {name: value for name, value in self.public_dict().items() if name != "task_memory"}
        text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return mask_secrets(value)
    if isinstance(value, dict):
        return {key: _masked(below) for key, below in value.items()}
    return [_masked(below) for below in value] if isinstance(value, list) else value


def load_config(path: str | Path) -> MonitorConfig:
    """Read a monitor's file; every problem found in it is one line of a single ConfigError."""
    file = Path(path)
    content = read_yaml(file)
    try:
        return MonitorConfig.model_validate(content)
    except ValidationError as error:
        found = sentences(error, MonitorConfig, file.name)
    raise ConfigError("\n".join(found))
