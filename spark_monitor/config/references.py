"""More references beside `baseline`: the section `baselines`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from spark_monitor.config.file import problems
from spark_monitor.config.sources import SourceConfig
from spark_monitor.config.types import Condition, Duration, Name, Section, Text, WholeNumber, repeated_names
from spark_monitor.windowing.periods import parse_duration


def _lags(value: object) -> object:
    return (value,) if isinstance(value, str) else value


TAKEN = ("baseline", "consecutive")

Lags = Annotated[tuple[Duration, ...], BeforeValidator(_lags)]


class ReferenceConfig(Section):
    """One more reference: the same weekday or hour before, the windows before, or another frozen period."""

    name: Text = Field(description="its name in rules")
    kind: Literal["frozen", "seasonal", "rolling"] = Field(default="frozen", description="frozen, seasonal or rolling")
    lag: Lags = Field(default=(), description="kind seasonal: how far back, such as 364 days or [7 days, 14 days]")
    windows: WholeNumber | None = Field(default=None, ge=1, le=1000, description="kind rolling: how many windows before")
    table: Name | None = Field(default=None, description="kind frozen: a table's name in the catalog")
    path: Name | None = Field(default=None, description="kind frozen: the address of a table")
    format: Literal["delta", "parquet"] | None = Field(default=None, description="delta or parquet, beside `path`")
    where: Condition | None = Field(default=None, description="kind frozen: a SQL condition on its rows")

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        keys = {name for name in ("lag", "windows", "table", "path", "where") if getattr(self, name)}
        allowed = {"frozen": {"table", "path", "where"}, "seasonal": {"lag"}, "rolling": {"windows"}}[self.kind]
        strangers = sorted(keys - allowed)
        if strangers:
            raise problems((strangers[0], f"found beside kind {self.kind}. Allowed: {', '.join(sorted(allowed))}."))
        needed = {"seasonal": "lag", "rolling": "windows"}.get(self.kind)
        if needed is not None and needed not in keys:
            raise problems((needed, f"this key is missing. Kind {self.kind} needs it."))
        if any(parse_duration(lag) <= timedelta(0) for lag in self.lag):
            raise problems(
                ("lag", "found 0: each window would be compared with itself. Allowed: a length of time, such as 364 days.")
            )
        if self.kind == "frozen" and (self.table is None) == (self.path is None):
            raise problems(("", "found not one of `table` and `path`. Kind frozen needs one of them."))
        return self

    @property
    def source(self) -> SourceConfig:
        """The table of a frozen reference."""
        return SourceConfig(table=self.table, path=self.path, format=self.format)


def require_names_apart(references: tuple[ReferenceConfig, ...]) -> None:
    """A pydantic problem where two references have one name, or one that rules call the baseline or the window before by."""
    repeated = repeated_names([*TAKEN, *(reference.name for reference in references)])
    if repeated:
        taken = "rules call the first one baseline, and the window before consecutive"
        raise problems(("", f'found the name "{repeated[0]}" more than once; {taken}. Name each once.'))
