"""Where a dataset besides predictions lies: a catalog's table, or files whose kind is named or found out."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from spark_monitor.config.file import problems
from spark_monitor.config.types import Name, Section
from spark_monitor.text.masking import mask_secrets

StoredAs = Literal["delta", "parquet", "csv", "json"]
SUFFIXES = {".csv": "csv", ".json": "json", ".jsonl": "json", ".ndjson": "json", ".parquet": "parquet"}


class MonitoredTable(Section):
    """A table by name or files by path; ``format`` of the sections below may say what a row is instead of how it is stored."""

    table: Name | None = Field(default=None, description="a table's name in the catalog, such as ops.requests")
    path: Name | None = Field(default=None, description="the address of a Delta table or of files")
    files: StoredAs | None = Field(
        default=None, description="how files at `path` are stored: delta, parquet, csv or json (a line each); default: found out"
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.table is None) == (self.path is None):
            keys = "neither `table` nor `path`" if self.table is None else "both `table` and `path`"
            raise problems(("", f"found {keys}. Allowed: one of them."))
        if self.table is not None and self.files is not None:
            raise problems(("files", "found beside `table`. The catalog knows how a table is stored: remove `files`."))
        return self

    @property
    def stored_as(self) -> str | None:
        """How files are stored, as far as the file says it: by ``files``, by a ``format`` that is one, by the path's ending.

        >>> MonitoredTable(path="/logs/focus.csv").stored_as, MonitoredTable(path="/logs/requests").stored_as
        ('csv', None)
        """
        named = self.files or getattr(self, "format", None)
        if self.path is None or named in SUFFIXES.values() or named == "delta":
            return None if self.path is None else named
        return next((kind for ending, kind in SUFFIXES.items() if self.path.lower().endswith(ending)), None)

    @property
    def text(self) -> str:
        """The table as a person names it, without secrets."""
        return self.table if self.table is not None else mask_secrets(str(self.path))
