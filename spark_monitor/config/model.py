"""Which model is watched: the section `model`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from spark_monitor.config.types import Expression, Number, Section, Text, WholeNumber


class MistakeCosts(Section):
    """What a decision of a binary model costs, in any unit."""

    false_positive: Number = Field(default=1.0, ge=0, allow_inf_nan=False, description="the cost of a false positive")
    false_negative: Number = Field(default=1.0, ge=0, allow_inf_nan=False, description="the cost of a false negative")
    true_positive: Number = Field(default=0.0, allow_inf_nan=False, description="the cost of a true positive")
    true_negative: Number = Field(default=0.0, allow_inf_nan=False, description="the cost of a true negative")


class GroupsConfig(Section):
    """Rows that are ranked together, as the results of one query are."""

    column: Expression = Field(description="the column that groups rows, such as query_id")
    k: WholeNumber = Field(default=10, ge=1, description="how many top-ranked rows of a group count (k)")


class ModelConfig(Section):
    """Which model is watched, and what kind of answer it gives."""

    name: Text = Field(description="the model's name, as registered in MLflow")
    task: Literal["binary", "multiclass", "regression", "none"] = Field(description="binary, multiclass, regression or none")
    costs: MistakeCosts | None = Field(default=None, description="{false_positive: 1, false_negative: 10}, for cost_loss")
