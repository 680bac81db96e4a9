"""Custom metrics and business KPIs: the section `metrics`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from spark_monitor.config.file import describe, problems
from spark_monitor.config.types import Section, Text, YesOrNo
from spark_monitor.errors import ConfigError


class CustomMetricConfig(Section):
    """One number of a window, version and slice: an SQL aggregate over its rows, or derived from other metrics."""

    name: str = Field(description="the metric's name: letters, digits and _")
    sql: Text | None = Field(default=None, description="an SQL aggregate, such as sum(amount) / count(*)")
    derived: Text | None = Field(default=None, description="an expression of other metrics, such as a / baseline.a - 1")
    labels: YesOrNo = Field(default=False, description="true or false: whether the aggregate reads `label`")
    direction: Literal["up", "down", "both"] = Field(default="both", description="the side that is worse: down, up or both")
    unit: Text | None = Field(default=None, description="the unit, such as EUR")
    interval: Literal["delta", "bootstrap", "none"] = Field(default="delta", description="delta, bootstrap or none")

    @field_validator("name")
    @classmethod
    def _a_name(cls, name: str) -> str:
        if not name.isidentifier() or not name.isascii():
            raise problems(("", f"found {describe(name)}. Allowed: letters, digits and _, such as revenue_per_prediction."))
        return name

    @model_validator(mode="after")
    def _sql_is_an_aggregate(self) -> Self:
        from spark_monitor.config.aggregates import parse_aggregate  # reads SQL: workers that hold rules need it not

        if self.sql is not None:
            try:
                parse_aggregate(self.sql)
            except ConfigError as error:
                raise problems(("sql", str(error))) from None
        return self

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.sql is None) == (self.derived is None):
            keys = "neither `sql` nor `derived`" if self.sql is None else "both `sql` and `derived`"
            raise problems(("", f"found {keys}. Allowed: one of them."))
        if self.derived is not None and self.labels:
            raise problems(
                ("labels", "found beside `derived`. Labels are read by the metrics that it is derived from: remove it.")
            )
        return self


def worse_of(metrics: object) -> dict[str, str]:
    """Of a section `metrics`, read or as written: which values of each metric are the bad ones; what is no metric is left out.

    >>> worse_of([{"name": "revenue", "sql": "sum(amount)", "direction": "down"}, "?"])
    {'revenue': 'lower'}
    """
    sides = {}
    for metric in metrics if isinstance(metrics, list | tuple) else ():
        written = metric.model_dump() if isinstance(metric, CustomMetricConfig) else metric
        if isinstance(written, dict) and isinstance(written.get("name"), str):
            sides[written["name"]] = {"down": "lower", "up": "higher"}.get(str(written.get("direction")), "both")
    return sides
