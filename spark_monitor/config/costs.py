"""The bill: the section `costs`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from spark_monitor.config.file import problems
from spark_monitor.config.monitored import MonitoredTable
from spark_monitor.config.types import Expression, Number, Section, Text


class BudgetConfig(Section):
    """How much may be spent in a month, a week or a day."""

    amount: Number = Field(gt=0, allow_inf_nan=False, description="a number above 0")
    currency: Text = Field(default="USD", description="a currency's code, such as EUR")
    per: Literal["day", "week", "month"] = Field(default="month", description="day, week or month")


class CostsConfig(MonitoredTable):
    """Billing rows: FOCUS exports, Databricks' system tables, or any table by its columns."""

    format: Literal["delta", "parquet", "focus", "databricks", "columns"] | None = Field(
        default=None, description="focus, databricks or columns for what a row is; delta or parquet beside `path`"
    )
    time: Expression | None = Field(default=None, description="format columns: when the cost arose")
    cost: Expression | None = Field(default=None, description="format columns: the amount")
    currency: Expression | None = Field(default=None, description="format columns: the currency's column, or its code in quotes")
    service: Expression | None = Field(default=None, description="format columns: the service")
    tag: Expression | None = Field(default=None, description="a column or SQL expression to cut the bill by")
    where: Expression | None = Field(default=None, description="a SQL condition on the rows that belong to this model")
    budget: BudgetConfig | None = Field(default=None, description="{amount: 500, currency: EUR, per: month}")
    rate_per_hour: Number | None = Field(
        default=None, ge=0, allow_inf_nan=False, description="a number, 0 or above: what an hour of a monitoring run costs"
    )

    @model_validator(mode="after")
    def _columns_are_named(self) -> Self:
        if self.format in (None, "columns", "delta", "parquet") and (self.time is None or self.cost is None):
            raise problems(("format", "found no `time` and `cost`. Name both columns, or set format: focus or databricks."))
        return self
