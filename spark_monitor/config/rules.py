"""What may not happen: the section `rules`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from spark_monitor.config.file import problems
from spark_monitor.config.types import (
    Limit,
    MetricName,
    RuleColumns,
    Section,
    Text,
    WholeNumber,
)
from spark_monitor.config.vocabulary import KNOWN_METRICS


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
    def family(self) -> str:
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
