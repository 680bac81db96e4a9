"""The serving system's log: the section `operations`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from spark_monitor.config.file import problems
from spark_monitor.config.monitored import MonitoredTable
from spark_monitor.config.types import Expression, FineEvery, Moment, Section, Text
from spark_monitor.windowing.periods import parse_timestamp

OUR_NAMES = (
    *("requests", "failed_requests", "requests_total", "failed_requests_total", "latency_ms", "latency_seconds"),
    *("cpu_percent", "gpu_percent", "memory_bytes"),
)
"""What a metric of ``format: long`` can be; names that end in _total are counters that only grow."""

BUCKETS = "_bucket"
"""What the buckets of a histogram are called in Prometheus; their upper edges are the label ``le``."""

_LATENCIES = ("latency_ms", "latency_seconds")


class OperationsConfig(MonitoredTable):
    """Which column, or SQL expression, of a request log says what; ``format: long`` has a metric's name in each row."""

    format: Literal["delta", "parquet", "long", "databricks"] | None = Field(
        default=None, description="delta or parquet beside `path`; long or databricks for what a row is"
    )
    time: Expression | None = Field(default=None, description="when the request was made (a timestamp)")
    every: FineEvery | None = Field(default=None, description="windows of their own, such as 5 minutes; default: the monitor's")
    endpoint: Expression | None = Field(default=None, description="the endpoint's name")
    model_version: Expression | None = Field(default=None, description="the model version that served the request")
    latency_ms: Expression | None = Field(default=None, description="the latency in milliseconds")
    latency_seconds: Expression | None = Field(default=None, description="the latency in seconds, instead of latency_ms")
    failed: Expression | None = Field(default=None, description='a boolean SQL expression, such as "status >= 500"')
    request_id: Expression | None = Field(default=None, description="identifies a request; duplicates count once")
    host: Expression | None = Field(default=None, description="the host that served the request")
    cluster: Expression | None = Field(default=None, description="the cluster that served the request")
    cpu_percent: Expression | None = Field(default=None, description="processor use, 0 to 100")
    gpu_percent: Expression | None = Field(default=None, description="accelerator use, 0 to 100")
    memory_bytes: Expression | None = Field(default=None, description="memory in use, in bytes")
    baseline_from: Moment | None = Field(
        default=None, description="start of the reference period of latencies and loads, such as 2024-01-01"
    )
    baseline_to: Moment | None = Field(default=None, description="its end; default of both: the windows before each window")
    metric: Expression | None = Field(default=None, description="format long: the column with the metric's name")
    value: Expression | None = Field(default=None, description="format long: the column with the value")
    labels: Expression | None = Field(default=None, description="format long: the column with the labels, a map or JSON")
    names: dict[Text, Text] = Field(
        default={}, description="format long: the name here of each metric in the log, such as {http_latency: latency_ms}"
    )

    @model_validator(mode="after")
    def _time_is_named(self) -> Self:
        if self.time is None and self.format != "databricks":
            raise problems(("time", "this key is missing. It is required: the column that says when a request was made."))
        if self.latency_ms is not None and self.latency_seconds is not None:
            raise problems(("latency_seconds", "found beside `latency_ms`. Name one of them."))
        if self.format == "long" and (self.metric is None or self.value is None):
            raise problems(
                ("format", "found long without `metric` and `value`. Name the columns with a metric's name and value.")
            )
        since, until = self.baseline_from, self.baseline_to
        if (since is None) != (until is None):
            alone = "baseline_to" if since is None else "baseline_from"
            raise problems((alone, "found alone. Name both `baseline_from` and `baseline_to`."))
        if since is not None and until is not None and parse_timestamp(since) >= parse_timestamp(until):
            raise problems(("baseline_to", f"found {until}, not after `baseline_from`, which is {since}. Name a later time."))
        if self.histograms:
            self._buckets_can_be_read()
        unknown = [ours for ours in self.names.values() if ours not in OUR_NAMES]
        if unknown:
            raise problems(("names", f'found "{unknown[0]}". Allowed: {", ".join(OUR_NAMES)}.'))
        return self

    def _buckets_can_be_read(self) -> None:
        names = ", ".join(self.histograms)
        if self.labels is None:
            raise problems(("labels", f"this key is missing. {names} is a histogram, whose edges are the label `le`."))
        beside = [theirs for theirs, ours in self.names.items() if ours in _LATENCIES and theirs not in self.histograms]
        if beside:
            raise problems(("names", f"found {beside[0]} beside {names}, both of them latencies. Name one of them."))

    @property
    def histograms(self) -> dict[str, str]:
        """The metrics of ``names`` that are the buckets of a histogram of latencies, and in which unit."""
        return {theirs: ours for theirs, ours in self.names.items() if theirs.endswith(BUCKETS) and ours in _LATENCIES}


class LineageStep(Section):
    """One step of a pipeline and the steps that it waits for."""

    step: Text = Field(description="the step's name")
    after: tuple[Text, ...] = Field(default=(), description="the steps before it")
