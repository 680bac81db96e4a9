"""Where the tables are: by name in a schema of the catalog, or each at DIR/<table>; everything here is quoted for SQL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame, SparkSession

from spark_monitor.errors import ConfigError
from spark_monitor.text.quoting import quote, quote_table

if TYPE_CHECKING:
    from spark_monitor.config.outputs import OutputsConfig

FORMAT = "delta"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


@dataclass(frozen=True)
class Place:
    """A schema of the catalog, or a directory.

    >>> Place(schema="main.monitoring").relation("runs"), Place(path="/data/it's here").relation("runs")
    ('`main`.`monitoring`.`runs`', "delta.`/data/it's here/runs`")
    """

    schema: str | None = None
    path: str | None = None

    def __post_init__(self) -> None:
        if (self.schema is None) == (self.path is None):
            raise ConfigError("outputs: give one of `schema` and `path`.")

    @classmethod
    def of(cls, outputs: OutputsConfig) -> Place:
        """The place that a monitor's outputs name; a relative directory counts from the working directory."""
        return cls(schema=outputs.schema_name, path=None if outputs.path is None else absolute(outputs.path))

    @property
    def is_schema(self) -> bool:
        """Whether tables and views are found by name."""
        return self.schema is not None

    @property
    def text(self) -> str:
        """The place, for people."""
        return f"schema {self.schema}" if self.schema is not None else str(self.path)

    def location(self, table: str) -> str:
        """The directory of a table, where the place is a directory."""
        return f"{self.path}/{table}"

    def relation(self, table: str) -> str:
        """How SQL names a table."""
        if self.schema is not None:
            return f"{quote_table(self.schema)}.{quote(table)}"
        return f"{FORMAT}.{quote(self.location(table))}"

    def overwrite(self, frame: DataFrame, table: str, *, where: str) -> None:
        """Replace the rows of a table that satisfy a predicate by those of the frame, in one commit."""
        writer = frame.write.format(FORMAT).mode("overwrite").option("replaceWhere", where)
        writer = writer.option("partitionOverwriteMode", "static")  # a session set to dynamic would refuse replaceWhere
        if self.schema is not None:
            writer.saveAsTable(self.relation(table))
        else:
            writer.save(self.location(table))

    def rewrite(self, frame: DataFrame, table: str, *, partition: str) -> None:
        """Make the frame's rows and columns all that a table holds, in one commit."""
        writer = frame.write.format(FORMAT).mode("overwrite").option("overwriteSchema", "true").partitionBy(partition)
        writer = writer.option("partitionOverwriteMode", "static")
        if self.schema is not None:
            writer.saveAsTable(self.relation(table))
        else:
            writer.save(self.location(table))

    def append(self, frame: DataFrame, table: str) -> None:
        """Add the rows of the frame to a table."""
        writer = frame.write.format(FORMAT).mode("append")
        if self.schema is not None:
            writer.saveAsTable(self.relation(table))
        else:
            writer.save(self.location(table))

    def frame(self, spark: SparkSession, table: str) -> DataFrame:
        """All rows of a table, of committed runs or not."""
        return spark.table(self.relation(table))


def delta_at(path: str) -> str:
    """How SQL names a Delta table by its path: Delta takes no relative one there, though a reader does.

    >>> delta_at("s3://bucket/it's"), delta_at("/data/a`b/")
    ("delta.`s3://bucket/it's`", 'delta.`/data/a``b`')
    """
    return f"{FORMAT}.{quote(absolute(path))}"


def absolute(path: str) -> str:
    """A directory without a trailing slash; one that names no file system and does not begin at the root is made absolute."""
    kept = path.rstrip("/") or "/"
    return kept if _SCHEME.match(kept) or kept.startswith("/") else str(Path(kept).absolute())
