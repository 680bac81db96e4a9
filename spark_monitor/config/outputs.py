"""Where results are written: the section `outputs`."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from spark_monitor.config.file import problems
from spark_monitor.config.keep import KeepConfig
from spark_monitor.config.types import Name, Section, Text
from spark_monitor.text.quoting import split_table

SCHEMA_PARTS = 2


class MlflowConfig(Section):
    """Where metrics are shown besides the tables."""

    tracking_uri: Text = Field(description="MLflow's address, such as sqlite:///mlflow.db, databricks or https://host")
    experiment: Text = Field(description="the experiment's name")


class OutputsConfig(Section):
    """Where results are written: a schema of the catalog, or a directory with one Delta table each."""

    schema_name: Name | None = Field(default=None, alias="schema", description="a schema of the catalog, such as monitoring")
    path: Name | None = Field(default=None, description="a directory; each table is then a Delta table at DIR/<table name>")
    mlflow: MlflowConfig | None = Field(default=None, description="{tracking_uri: ..., experiment: ...}")

    keep: KeepConfig = Field(default=KeepConfig(), description="{states: 90 days, metrics: 2 years}: what `prune` deletes")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.schema_name is None) == (self.path is None):
            keys = "neither `schema` nor `path`" if self.path is None else "both `schema` and `path`"
            raise problems(("", f"found {keys}. Allowed: one of them."))
        if self.schema_name is not None and len(parts := split_table(self.schema_name)) > SCHEMA_PARTS:
            problem = f'found "{self.schema_name}", {len(parts)} names: a table in it would have {len(parts) + 1}'
            raise problems(("schema", f"{problem}. Allowed: a schema, or catalog.schema. Quote a name that has a dot by `...`."))
        return self
