"""Whether results can be written where a monitor's file says, as far as that shows without writing anything."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from spark_monitor.config.outputs import OutputsConfig
from spark_monitor.preflight.columns import Finding
from spark_monitor.store.schemas import TABLES
from spark_monitor.text.masking import first_line
from spark_monitor.text.quoting import quote_table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LOCAL_FILES = "file:"
NOT_THERE = ("PATH_NOT_FOUND", "FileNotFoundException", "does not exist", "Path does not exist")


def has_schema(spark: SparkSession, schema: str) -> bool:
    """Whether the catalog has the schema; the catalog's own error where it cannot be one of its schemas."""
    return bool(spark.catalog.databaseExists(quote_table(schema)))


def path_findings(outputs: OutputsConfig) -> Iterator[Finding]:
    """What forbids to make directories at a path of this machine; nothing of it is created.

    >>> [finding.sentence.partition(" is ")[2] for finding in path_findings(OutputsConfig(path=__file__))]
    ['a file. Name a directory: each table becomes one in it.']
    """
    path = outputs.path or ""
    place = Path(path.removeprefix(LOCAL_FILES + "//").removeprefix(LOCAL_FILES)).absolute()
    nearest = next(parent for parent in (place, *place.parents) if os.path.exists(parent))  # False, too, where it is hidden
    if not nearest.is_dir():
        yield Finding("outputs.path", f"{nearest} is a file. Name a directory: each table becomes one in it.")
    elif place == nearest and (taken := [name for name in sorted(TABLES) if _is_of_others(place / name)]):
        obstacle = f"{place / taken[0]} is no Delta table, and a table of that name is written there"
        yield Finding("outputs.path", f"{obstacle}. Name another directory, or move it away.")
    elif not os.access(nearest, os.W_OK | os.X_OK):
        yield Finding(
            "outputs.path", f"nothing can be written to {nearest} by this user. Name another directory, or fix its rights."
        )


def _is_of_others(place: Path) -> bool:
    """Whether something stands where a table would be made."""
    return place.is_file() or (place.is_dir() and any(place.iterdir()) and not (place / "_delta_log").is_dir())


def storage_findings(spark: SparkSession, outputs: OutputsConfig) -> Iterator[Finding]:
    """Storage that cannot even be asked for a file: no such scheme, no credentials, no such bucket. A file that is not there yet
    is as it should be."""
    probe = f"{str(outputs.path).rstrip('/')}/runs/_delta_log/{0:020}.json"
    try:
        spark.read.text(probe).limit(1).collect()
    except Exception as error:
        if any(sign in str(error) for sign in NOT_THERE):
            return
        why = first_line(error).rstrip(".")
        yield Finding("outputs.path", f"{outputs.path} cannot be reached: {why}. Check its address, rights and jars.")


def is_of_this_machine(path: str, master: str) -> bool:
    """Whether a path names files of the machine that this process runs on: Spark runs here, and the path has no other scheme.

    >>> is_of_this_machine("/tmp/out", "local[2]"), is_of_this_machine("s3://b/out", "local[2]"), is_of_this_machine("/x", "yarn")
    (True, False, False)
    """
    scheme, colon, _ = path.partition(":")
    return master.startswith("local") and (not colon or "/" in scheme or scheme == LOCAL_FILES.removesuffix(":"))
