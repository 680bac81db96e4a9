"""The pipelines that feed a model and serve it: the section `pipelines`."""

from __future__ import annotations

import re
from typing import Any, Final, Literal, Self

from croniter import croniter
from pydantic import Field, field_validator, model_validator

from spark_monitor.config.file import problems
from spark_monitor.config.monitored import MonitoredTable
from spark_monitor.config.operations import LineageStep
from spark_monitor.config.sources import SourceConfig
from spark_monitor.config.types import Columns, Duration, Expression, Section, Text, YesOrNo

_ALIAS: Final = re.compile(r"[\w-]{1,256}", re.ASCII)
_RESERVED: Final = re.compile(r"latest|v[0-9]+", re.IGNORECASE)


class RunsConfig(MonitoredTable):
    """A table of step runs, or events in a format of its own."""

    format: Literal["delta", "parquet", "openlineage", "databricks"] | None = Field(
        default=None, description="delta or parquet beside `path`; openlineage or databricks for what a row is"
    )
    time: Expression | None = Field(default=None, description="when the step ended (a timestamp)")
    step: Expression | None = Field(default=None, description="the step's name")
    started: Expression | None = Field(default=None, description="when it started")
    status: Expression | None = Field(default=None, description="how it ended, such as SUCCEEDED or FAILED")
    attempt: Expression | None = Field(default=None, description="the attempt, 1 for the first")
    rows: Expression | None = Field(default=None, description="how many rows it wrote")
    schedule: Text | None = Field(default=None, description='when it is due, as a cron expression such as "0 6 * * *"')
    grace: Duration = Field(default="1 hour", description="how late a step may start, such as 30 minutes")
    steps: tuple[LineageStep, ...] = Field(default=(), description="the order of steps: [{step: train, after: [features]}]")

    @model_validator(mode="after")
    def _columns_are_named(self) -> Self:
        if self.format in (None, "delta", "parquet"):
            missing = [name for name in ("time", "step") if getattr(self, name) is None]
            if missing:
                raise problems((missing[0], "this key is missing. It is required: a column of the table of runs."))
        return self

    @field_validator("schedule")
    @classmethod
    def _cron(cls, text: str | None) -> str | None:
        if text is not None and not croniter.is_valid(text):
            raise problems(("", f'found "{text}". Allowed: a cron expression of five fields, such as "0 6 * * *".'))
        return text


class WatchedTable(SourceConfig):
    """A table whose history is watched: of Delta and Iceberg by what they write down, of Parquet by its files."""

    # Wider than where rows are read from: of Iceberg only what the table writes down is read.
    format: Literal["delta", "parquet", "iceberg"] | None = Field(  # type: ignore[assignment]
        default=None, description="delta, parquet or iceberg, beside `path`; default delta"
    )


class PipelinesConfig(Section):
    """Tables by their own history, steps by their runs, and the registered model against what is there."""

    tables: tuple[Any, ...] = Field(default=(), description="tables, or {path: ..., format: ...}, whose history is watched")
    runs: RunsConfig | None = Field(
        default=None, description="{table: ..., time: ended, step: task, started: started, status: state}"
    )
    mlflow_model: YesOrNo = Field(
        default=False, description="true or false: signature and requirements against table and environment"
    )
    alias: Columns = Field(
        default=(),
        description="the registry's alias of the version that must serve, such as champion; a list names others that may, too",
    )
    environment: MonitoredTable | None = Field(default=None, description="a table of installed packages: name, version")

    @field_validator("alias")
    @classmethod
    def _registry_takes_it(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        wrong = next((name for name in names if not _ALIAS.fullmatch(name) or _RESERVED.fullmatch(name)), None)
        if wrong is not None:
            allowed = "letters, digits, _ and -, and neither latest nor a version such as v3, which MLflow reserves"
            raise problems(("", f'found "{wrong}". Allowed: {allowed}.'))
        return names

    @model_validator(mode="after")
    def _alias_is_asked_for(self) -> Self:
        if self.alias and not self.mlflow_model:
            raise problems(("alias", "found without `mlflow_model: true`, which looks the alias up. Set it, or remove `alias`."))
        return self

    @field_validator("tables", mode="before")
    @classmethod
    def _sources(cls, content: Any) -> Any:
        listed = [content] if isinstance(content, str | dict) else content
        if not isinstance(listed, list | tuple):
            return content
        return tuple(WatchedTable(table=one) if isinstance(one, str) else WatchedTable.model_validate(one) for one in listed)


__all__ = ["Columns", "PipelinesConfig", "RunsConfig"]
