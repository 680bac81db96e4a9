"""The tables a monitor reads, as configured: predictions and the roles of their columns, labels, the baseline."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from spark_monitor.config.expressions import columns_read
from spark_monitor.config.file import problems
from spark_monitor.config.types import (
    Columns,
    Condition,
    Duration,
    Expression,
    Expressions,
    Name,
    Number,
    OneValue,
    Section,
    Text,
    Version,
    YesOrNo,
    quoted,
)
from spark_monitor.text.masking import mask_forms, mask_secrets
from spark_monitor.windowing.periods import parse_duration


def column_name(text: str) -> str:
    """The name of the column that SQL quotes in backticks; any other text as it is.

    >>> column_name("`wind speed`"), column_name("`a``b`"), column_name("`a` + `b`"), column_name("back`tick")
    ('wind speed', 'a`b', '`a` + `b`', 'back`tick')
    """
    return text[1:-1].replace("``", "`") if re.fullmatch(r"`(?:[^`]|``)+`", text) else text


def _named(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(column_name, texts))


Role = Annotated[Expression, AfterValidator(column_name)]
"""A column, also one in backticks, or an expression: else a column that has a role would be watched as a feature beside it."""


ICEBERG_BY_NAME: Final = (
    "found iceberg. Allowed: delta, parquet. Rows of an Iceberg table are read by its name in a catalog of Spark: write `table` "
    "instead of `path` and `format`, where Spark has Apache Iceberg's runtime for its version (for 4.2 there was none in 2026; "
    "those for earlier versions do not load). Snapshots and schemas need none: `pipelines.tables`."
)


def _is_read_from_files(value: Any) -> Any:
    if value == "iceberg":
        raise problems(("", ICEBERG_BY_NAME))
    return value


class SourceConfig(Section):
    """Where rows are read from: a catalog's table, or files at a path."""

    table: Name | None = Field(default=None, description="a table's name in the catalog, such as sales.predictions")
    path: Name | None = Field(default=None, description="the address of a Delta table or of Parquet files, with `format`")
    format: Annotated[Literal["delta", "parquet"] | None, BeforeValidator(_is_read_from_files)] = Field(
        default=None, description="delta or parquet, beside `path`; default delta"
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.table is None) == (self.path is None):
            keys = "neither `table` nor `path`" if self.table is None else "both `table` and `path`"
            raise problems(("", f"found {keys}. Allowed: one of them, a table's name or a path with its `format`."))
        if self.table is not None and self.format is not None:
            raise problems(("format", "found beside `table`. The catalog knows a table's format: remove `format`."))
        if self.path is not None and self.format is None:
            object.__setattr__(self, "format", "delta")
        return self

    @property
    def name(self) -> str:
        """What rows of results call the source: the table's name, or its path without what looks like a secret.

        >>> SourceConfig(path="s3a://ID:secret@bucket/rows").name, SourceConfig(table="sales.rows").name
        ('s3a://***@bucket/rows', 'sales.rows')
        """
        return self.table if self.table is not None else mask_forms(str(self.path))

    @property
    def text(self) -> str:
        """The source as a person names it: the table's name, or its format and path without secrets."""
        return self.table if self.table is not None else mask_secrets(f"{self.format} at {self.path}")


class FeaturesConfig(Section):
    """Which columns are profiled and compared; by default every column with no other role."""

    include: Columns = Field(default=(), description="column names; empty means every column with no other role")
    exclude: Columns = Field(default=(), description="column names to leave out")

    @model_validator(mode="after")
    def _apart(self) -> Self:
        both = [name for name in self.include if name in self.exclude]
        if both:
            raise problems(("exclude", f"found {quoted(both)}, also in `include`. Name a column in one of them."))
        return self


class PredictedInterval(Section):
    """The columns with the ends of the interval that a model predicts."""

    lower: Expression = Field(description="the column with its lower end")
    upper: Expression = Field(description="the column with its upper end")


class PredictionsConfig(SourceConfig):
    """The prediction table and the roles of its columns."""

    id: Annotated[Expressions, AfterValidator(_named)] = Field(
        description="the column that identifies a prediction, or a list of columns", min_length=1
    )
    time: Name = Field(description="the column that holds when the prediction was made (a timestamp)")
    model_version: Version | None = Field(default=None, description='a column\'s name, or {literal: "3"}')
    prediction: Role | None = Field(default=None, description="the column with the predicted class or value")
    score: Role | None = Field(default=None, description="the column with the probability of `positive`")
    positive: OneValue = Field(default=1, description="the label's value that `score` is the probability of")
    threshold: Number = Field(
        default=0.5, ge=0, le=1, allow_inf_nan=False, description="a number from 0 to 1: scores at or above it count as positive"
    )
    scores: dict[Text, Expression] = Field(
        default={}, description="task multiclass: {class: column or expression} with the probability of each class"
    )
    interval: PredictedInterval | None = Field(default=None, description="task regression: {lower: column, upper: column}")
    features: FeaturesConfig = Field(default=FeaturesConfig(), description="{include: [...], exclude: [...]}")

    def roles(self) -> dict[str, str]:
        """Every column with a role, and the role: these are no features.

        >>> PredictionsConfig(table="t", id=("a", "b"), time="at", score="p").roles()
        {'a': 'id', 'b': 'id', 'at': 'time', 'p': 'score'}
        """
        version = self.model_version if isinstance(self.model_version, str) else None
        named = [("time", self.time), ("model_version", version), ("prediction", self.prediction), ("score", self.score)]
        return {**dict.fromkeys(self.id, "id"), **{column: role for role, column in named if column is not None}}

    @property
    def outputs(self) -> frozenset[str]:
        """The columns that hold what the model predicts, whichever key names them.

        >>> scores = {"a": "p_a", "b": "probabilities['b']"}
        >>> sorted(PredictionsConfig(table="t", id="i", time="at", prediction="predicted", scores=scores).outputs)
        ['p_a', 'predicted', 'probabilities']
        """
        ends = () if self.interval is None else (self.interval.lower, self.interval.upper)
        named = {name for name in (self.prediction, self.score) if name is not None}
        return frozenset(named).union(*(columns_read(text) for text in (*self.scores.values(), *ends)))

    @model_validator(mode="after")
    def _roles_are_apart(self) -> Self:
        if self.prediction is not None and self.prediction == self.score:
            conflict = f'found "{self.score}", which is also `prediction`'
            raise problems(("score", f"{conflict}. Name the class in one and its probability in the other."))
        roles = self.roles()
        taken = [f'"{name}" ({roles[name]})' for name in self.features.include if name in roles]
        if taken:
            conflict = f"found {', '.join(taken)}"
            raise problems(("features.include", f"{conflict}. Columns with a role are no features: remove them here."))
        return self


class LabelsConfig(SourceConfig):
    """The late label table: the label (ground truth), and when that was known."""

    id: Columns = Field(description="the columns that match `predictions.id`, in the same order", min_length=1)
    label: Name = Field(description="the column with the label (ground truth)")
    time: Name = Field(description="the column that holds when the label became known (a timestamp)")
    horizon: Duration = Field(default="14 days", description="how long labels may take to arrive, such as 14 days")

    @property
    def horizon_duration(self) -> timedelta:
        """The horizon as a length of time."""
        return parse_duration(self.horizon)


class BaselineConfig(SourceConfig):
    """The reference that windows are compared with."""

    where: Condition | None = Field(default=None, description="a SQL condition on the baseline's rows")
    labels: YesOrNo = Field(default=False, description="true or false: whether these rows have labels; their ids are checked")
    label: Text | None = Field(default=None, description="the column of these rows with their label; else it is in `labels`")

    @property
    def is_labelled(self) -> bool:
        """Whether these rows have labels, in the label table or in a column of their own."""
        return self.labels or self.label is not None
