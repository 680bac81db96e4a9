"""A monitor's YAML file as frozen values: every key, every default and every check that needs no table.

``load_config`` reads a file, or raises one ConfigError with a line for each problem. What needs the real tables is `check.py`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic.functional_validators import ModelWrapValidatorHandler

from spark_monitor.config.aggregates import parse_derived
from spark_monitor.config.costs import CostsConfig
from spark_monitor.config.fairness import FairnessConfig, WorstSlicesConfig, group_problems
from spark_monitor.config.file import describe, problems, read_yaml, sentences
from spark_monitor.config.keep import needed_metrics, needed_states
from spark_monitor.config.metrics import CustomMetricConfig, worse_of
from spark_monitor.config.model import GroupsConfig, ModelConfig
from spark_monitor.config.operations import OperationsConfig
from spark_monitor.config.outputs import MlflowConfig, OutputsConfig
from spark_monitor.config.people import AlertsConfig, PeopleConfig
from spark_monitor.config.pipelines import PipelinesConfig
from spark_monitor.config.quality import QualityConfig
from spark_monitor.config.references import ReferenceConfig, require_names_apart
from spark_monitor.config.rules import RuleConfig, scope_problems
from spark_monitor.config.sources import BaselineConfig, FeaturesConfig, LabelsConfig, PredictionsConfig, SourceConfig
from spark_monitor.config.thresholds import Threshold, parse_threshold
from spark_monitor.config.types import (
    Expression,
    LiteralVersion,
    Memory,
    Section,
    Slice,
    SliceText,
    Text,
    WholeNumber,
    parse_memory,
    quoted,
    repeated_names,
)
from spark_monitor.config.vocabulary import KNOWN_METRICS, METRIC_ALIASES, custom_metrics
from spark_monitor.config.windows import WindowsConfig
from spark_monitor.errors import ConfigError
from spark_monitor.text.masking import mask_forms, mask_secrets
from spark_monitor.text.quoting import slice_key

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
]

LONGEST_NAME = 200
"""Letters of a monitor's name, which names a directory of every table."""


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
        default=200, ge=1, le=10_000, description="how many values of a slice key are kept apart, from 1 to 10,000"
    )
    max_correlated_columns: WholeNumber = Field(
        default=100, ge=0, le=1_000, description="how many numeric features are correlated with each other; 0: none"
    )
    task_memory: Memory = Field(default="512 MiB", description="the memory of a task, such as 512 MiB")
    columns: dict[Text, Literal["numeric", "categorical"]] = Field(
        default={}, description="how columns are compared where the type does not decide it, such as {store: categorical}"
    )
    baselines: tuple[ReferenceConfig, ...] = Field(
        default=(), description="more references: [{name: ..., kind: seasonal, lag: ...}]"
    )
    weights: Expression | None = Field(default=None, description="the column or SQL with each row's weight in model metrics")
    groups: GroupsConfig | None = Field(default=None, description="{column: query_id}: rows that are ranked together")
    importances: SourceConfig | None = Field(default=None, description="a table of columns feature and importance")
    worst_slices: WorstSlicesConfig | None = Field(default=None, description="{depth: 2, max: 200}")
    quality: QualityConfig = Field(default=QualityConfig(), description="{formats: ..., ranges: ..., unique: [...], ...}")
    metrics: tuple[CustomMetricConfig, ...] = Field(default=(), description="custom metrics: [{name: ..., sql: ...}]")
    fairness: FairnessConfig | None = Field(default=None, description="{groups: [...], reference: {...}, favourable: 1}")
    rules: tuple[RuleConfig, ...] = Field(default=(), description="a list of rules, each with a metric and warn or fail")
    alerts: AlertsConfig = Field(default=AlertsConfig(), description="{budget: 5 per week, fdr: 0.05}")
    operations: OperationsConfig | None = Field(default=None, description="the serving system's log")
    pipelines: PipelinesConfig | None = Field(default=None, description="{tables: [...], runs: {...}, mlflow_model: true}")
    costs: CostsConfig | None = Field(default=None, description="{table: ..., format: focus, budget: {...}}")
    people: PeopleConfig = Field(default=PeopleConfig(), description="{owners: ..., channels: ..., routes: [...], ...}")
    outputs: OutputsConfig = Field(description="{schema: ...} or {path: ...}")

    @model_validator(mode="wrap")
    @classmethod
    def _rules_may_name_custom_metrics(cls, given: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:
        with custom_metrics(worse_of(given.get("metrics") if isinstance(given, dict) else ())):
            return validate(given)

    @field_validator("monitor")
    @classmethod
    def _monitor_id(cls, name: str) -> str:
        if not re.fullmatch(r"[a-z0-9_]+", name):
            raise problems(("", f"found {describe(name)}. Allowed: a-z, 0-9 and _, such as flights_delay."))
        if len(name) > LONGEST_NAME:
            raise problems(("", f"found a name of {len(name)} letters. Allowed: up to {LONGEST_NAME}."))
        return name

    @field_validator("baselines")
    @classmethod
    def _references_apart(cls, references: tuple[ReferenceConfig, ...]) -> tuple[ReferenceConfig, ...]:
        require_names_apart(references)
        return references

    @field_validator("metrics")
    @classmethod
    def _metrics_apart(cls, metrics: tuple[CustomMetricConfig, ...]) -> tuple[CustomMetricConfig, ...]:
        repeated = repeated_names(metric.name for metric in metrics)
        taken = [metric.name for metric in metrics if metric.name in KNOWN_METRICS]
        if repeated or taken:
            names = f"{quoted(repeated)} more than once" if repeated else f"{quoted(taken)}, which the catalogue has already"
            raise problems(("", f"found {names}. Give each metric a name of its own."))
        for place, metric in enumerate(metrics):
            before = [one.name for one in metrics[:place]]
            if metric.derived is not None:
                try:
                    parse_derived(metric.derived, before)
                except ConfigError as error:
                    raise problems(
                        (f"[{place}].derived", f"{error} Metrics are named after those that they are derived from.")
                    ) from None
        return metrics

    @model_validator(mode="after")
    def _references_of_metrics_fit(self) -> Self:
        metrics = {metric.name: metric for metric in self.metrics}
        labelled = self.baseline is None or self.baseline.is_labelled
        for place, metric in enumerate(self.metrics):
            for root, name, _ in parse_derived(metric.derived, metrics).columns if metric.derived is not None else ():
                if root is not None and metrics[name].derived is not None:
                    step = "Write it out by the metrics with `sql` that it is derived from"
                    raise problems((f"metrics[{place}].derived", f"found {root}.{name}, which is itself derived. {step}."))
                if root == "baseline" and metrics[name].labels and not labelled:
                    step = "Say which labels its rows have by `baseline.labels` or `baseline.label`"
                    raise problems((f"metrics[{place}].derived", f"found {root}.{name}, and the baseline has no labels. {step}."))
        return self

    @field_validator("slices")
    @classmethod
    def _slices_once(cls, slices: tuple[Slice, ...]) -> tuple[Slice, ...]:
        short = [f"[{', '.join(names)}]" for names in slices if not isinstance(names, str) and len(names) < 2]
        if short:
            raise problems(("", f"found the cross {short[0]}. Allowed: two columns or more; write one without brackets."))
        repeated = repeated_names(slice_key(names if isinstance(names, str) else tuple(sorted(names))) for names in slices)
        if repeated:
            raise problems(("", f"found {quoted(repeated)} more than once. Name each slice once."))
        return slices

    @model_validator(mode="after")
    def _task_fits(self) -> Self:
        task, predictions = self.model.task, self.predictions
        if task == "binary" and predictions.prediction is None and predictions.score is None:
            raise problems(("predictions", "found neither `prediction` nor `score`. Task binary needs at least one of them."))
        if task in ("multiclass", "regression") and self.knows_labels and predictions.prediction is None:
            raise problems(("predictions.prediction", f"this key is missing. Task {task} needs the predicted column."))
        if task == "none" and self.labels is not None:
            raise problems(("labels", "found beside task none. Remove labels, or set model.task to what they say."))
        return self

    @model_validator(mode="after")
    def _labels_fit(self) -> Self:
        baseline = self.baseline
        if self.labels is None and baseline is not None and baseline.labels and baseline.label is None:
            step = "Name the baseline's column that has them in `baseline.label`, add `labels`, or set it to false"
            raise problems(("baseline.labels", f"found true without a label table. {step}."))
        if baseline is not None and baseline.label is not None and self.model.task == "none":
            raise problems(("baseline.label", "found beside task none. Remove it, or set model.task to what it says."))
        if self.labels is not None and len(self.labels.id) != len(self.predictions.id):
            mismatch = f"found {len(self.labels.id)} columns; predictions.id has {len(self.predictions.id)}"
            raise problems(("labels.id", f"{mismatch}. They are matched in order: name as many as there."))
        return self

    @model_validator(mode="after")
    def _rules_fit(self) -> Self:
        misfits = scope_problems(self.rules, self.slices, (reference.name for reference in self.baselines))
        if misfits:
            raise problems(*misfits)
        return self

    @model_validator(mode="after")
    def _groups_fit(self) -> Self:
        misfits = group_problems(self.fairness, self.slices, self.model.task) if self.fairness is not None else []
        if misfits:
            raise problems(*misfits)
        return self

    @model_validator(mode="after")
    def _kept_long_enough(self) -> Self:
        horizon = self.labels.horizon_duration if self.labels is not None else timedelta(0)
        keep, states = self.outputs.keep, needed_states(self.windows, self.baselines, horizon)
        metrics = needed_metrics(self.windows, self.rules, states)
        for key, kept, needed in (("states", keep.states_for, states), ("metrics", keep.metrics_for, metrics)):
            if kept is not None and kept < needed:
                conflict = f"found {describe(getattr(keep, key))}, and runs look back {needed.days + 1} days"
                allowed = "Allowed: at least that: lookback, label horizon, windows, references and histories of rules"
                raise problems((f"outputs.keep.{key}", f"{conflict}. {allowed}."))
        return self

    @property
    def knows_labels(self) -> bool:
        """Whether anything is labelled: the predictions by a label table, or the baseline by itself."""
        return self.labels is not None or (self.baseline is not None and self.baseline.is_labelled)

    @property
    def task_bytes(self) -> int:
        """``task_memory``, read."""
        return parse_memory(self.task_memory)

    def public_dict(self) -> dict[str, Any]:
        """The configuration as plain values, user information and secrets in addresses masked; for ledgers and logs."""
        return {name: _masked(value, mask_secrets) for name, value in self.model_dump(mode="json", by_alias=True).items()}

    def config_hash(self) -> str:
        """SHA-256, in hex, of the file's canonical JSON, addresses without secrets: a changed password is no changed monitor.

        Other strings are taken as they are: a condition may hold what looks like a secret and says which rows are meant.
        How much memory a task takes and how long results are kept changes no number, so they are left out.
        """
        written = self.model_dump(mode="json", by_alias=True)
        hashed = {name: _masked(value, _address_masked) for name, value in written.items() if name != "task_memory"}
        hashed["outputs"] = {name: value for name, value in hashed["outputs"].items() if name != "keep"}
        text = json.dumps(hashed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


def _masked(value: Any, mask: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, dict):
        return {mask(key): _masked(below, mask) for key, below in value.items()}
    return [_masked(below, mask) for below in value] if isinstance(value, list) else value


def _address_masked(text: str) -> str:
    return mask_forms(text) if "://" in text or text.startswith("jdbc:") else text


def load_config(path: str | Path) -> MonitorConfig:
    """Read a monitor's file; every problem found in it is one line of a single ConfigError."""
    file = Path(path)
    content = read_yaml(file)
    try:
        return MonitorConfig.model_validate(content)
    except ValidationError as error:
        lines = sentences(error, MonitorConfig, file.name)
    except RecursionError:
        raise ConfigError(
            f"{file.name}: a value in it is too deep to be read. Nest less; no monitor needs more than ten levels."
        ) from None
    raise ConfigError("\n".join(lines))
