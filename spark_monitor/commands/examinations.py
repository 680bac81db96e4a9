"""What the doctor looks at. Each returns what it found in a sentence, and raises where something is missing or refuses."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import uuid
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from spark_monitor.commands.options import SessionOptions
from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.errors import MonitorError
from spark_monitor.java import choose_java
from spark_monitor.kernel.native.library import in_use
from spark_monitor.text.masking import mask_secrets

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from spark_monitor.store.place import Place

NEEDED = ("pyspark", "numpy", "scipy", "pyarrow", "datasketches", "pydantic", "typer", "rich")
BESIDE = ("delta-spark", "mlflow", "pandas")
"""Needed on one machine; platforms bring their own builds, under other names at times."""

OLDEST_PYTHON, OLDEST_SPARK = (3, 11), (3, 5)
TRIAL = "spark_monitor_doctor"
MLFLOW_SECONDS = 60.0
INSTALL = "pip install 'spark-monitor[local]'"


def python() -> str:
    """Python's version."""
    if sys.version_info < OLDEST_PYTHON:
        raise MonitorError(f"{sys.version.split()[0]} is too old. Use Python {'.'.join(map(str, OLDEST_PYTHON))} or newer.")
    return f"{sys.version.split()[0]} ({sys.executable})"


def starts_java(options: SessionOptions) -> bool:
    """Whether a session would start a Java of this machine: not where one runs already or is elsewhere."""
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        return True
    return options.remote is None and SparkSession.getActiveSession() is None


def java() -> str:
    """The Java that Spark would be started with."""
    chosen = choose_java(os.environ)
    return f"{chosen.version} ({chosen.command})"


def packages() -> str:
    """The installed packages' versions."""
    versions = {name: _installed(name) for name in (*NEEDED, *BESIDE)}
    absent = [name for name in NEEDED if versions[name] is None]
    if absent:
        raise MonitorError(f"{', '.join(absent)} not installed. On one machine: {INSTALL}.")
    if tuple(int(part) for part in str(versions["pyspark"]).split(".")[:2]) < OLDEST_SPARK:
        oldest = ".".join(map(str, OLDEST_SPARK))
        raise MonitorError(f"pyspark {versions['pyspark']} is too old. Needed: {oldest} or newer; on one machine: {INSTALL}.")
    missing = [name for name in BESIDE if versions[name] is None]
    note = f"; not installed: {', '.join(missing)} (on one machine: {INSTALL})" if missing else ""
    return ", ".join(f"{name} {number}" for name, number in versions.items() if number is not None) + note


def kernel() -> str:
    """Which kernel counts the rows here; both give the same numbers."""
    return in_use()


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def session(spark: SparkSession) -> str:
    """What kind of session there is."""
    mode = "Spark Connect" if "connect" in type(spark).__module__ else "classic"
    return f"Spark {spark.version}, {mode}, master {spark.conf.get('spark.master', 'unknown')}"


def tables(spark: SparkSession, options: SessionOptions) -> str:
    """A table written, replaced, merged and read: in a temporary directory, or in the current schema of a cluster."""
    from spark_monitor.store.place import Place

    if options.remote is None and str(spark.conf.get("spark.master", "")).startswith("local"):
        with tempfile.TemporaryDirectory(prefix="spark-monitor-doctor-") as directory:
            _write_and_read(spark, Place(path=directory), TRIAL)
        return "written, merged and read in a temporary directory"
    place = Place(schema=spark.catalog.currentDatabase())
    _in_schema(spark, place)
    return f"written, merged and read in the schema {place.schema}"


def outputs(spark: SparkSession, config: MonitorConfig) -> str:
    """The place that the monitor's file names for its tables: whether a table can be written there."""
    from spark_monitor.store.creation import ensure_schema
    from spark_monitor.store.place import Place

    place = Place.of(config.outputs)
    if place.is_schema:
        ensure_schema(spark, place)
        _in_schema(spark, place)
        return f"a table was written and dropped in the schema {place.schema}"
    _write_and_read(spark, place, TRIAL)
    local = Path(place.location(TRIAL))
    if local.is_dir():
        shutil.rmtree(local)
        return f"a table was written and removed in {place.path}"
    return f"a table was written at {place.location(TRIAL)}; it may be removed"


def _in_schema(spark: SparkSession, place: Place) -> None:
    name = f"{TRIAL}_{uuid.uuid4().hex}"
    try:
        _write_and_read(spark, place, name)
    finally:
        spark.sql(f"DROP TABLE IF EXISTS {place.relation(name)}")


def _write_and_read(spark: SparkSession, place: Place, name: str) -> None:
    """All that a run does with tables, on one row."""
    from spark_monitor.store.creation import ensure_table
    from spark_monitor.store.described import COUNT, PARTITION, TEXT, Table, column
    from spark_monitor.text.quoting import literal, quote

    table = Table(name, "trial", (PARTITION,), (column(PARTITION, TEXT, "whose"), column("number", COUNT, "of the trial")))
    ensure_table(spark, place, table)
    mine = f"{quote(PARTITION)} = {literal(TRIAL)}"
    place.overwrite(spark.sql(f"SELECT {literal(TRIAL)} AS {PARTITION}, 1L AS number"), name, where=mine)
    source = f"(SELECT {literal(TRIAL)} AS {PARTITION}, 2L AS number)"
    on = f"t.{PARTITION} = s.{PARTITION}"
    spark.sql(f"MERGE INTO {place.relation(name)} t USING {source} s ON {on} WHEN MATCHED THEN UPDATE SET number = s.number")
    rows = [tuple(row) for row in place.frame(spark, name).where(mine).collect()]
    if rows != [(TRIAL, 2)]:
        raise MonitorError(
            f"a row was written and merged, and {rows} was read. Is {place.relation(name)} a table of something else?"
        )


def mlflow(address: str | None) -> str:
    """MLflow's store: the one that the monitor's file names, else the one that the environment does, else one for the trial."""
    address = address or os.environ.get("MLFLOW_TRACKING_URI")
    if address is not None and _is_new_database(address):
        return f"{mask_secrets(address)}: there is no database yet; the first run makes it"
    if address is not None:
        return f"{_experiments(address)} at {mask_secrets(address)}"
    with tempfile.TemporaryDirectory(prefix="spark-monitor-doctor-") as directory:
        _experiments(f"sqlite:///{directory}/mlflow.db")
    return "a store could be made and read in a temporary directory"


def _experiments(address: str) -> str:
    from spark_monitor.outputs.mlflow.client import NoAnswer, open_client, sentence_of, within

    def count(_: object) -> int:
        with open_client(address) as client:
            return len(client.search_experiments())

    try:
        number = within(MLFLOW_SECONDS, count)
    except NoAnswer as error:
        raise MonitorError(
            f"MLflow at {mask_secrets(address)}: {error}. Is the address right, and reachable from here?"
        ) from None
    except Exception as error:  # whatever MLflow's client raises is what this look found
        raise MonitorError(sentence_of(error, address).replace("could not be written", "cannot be used")) from error
    return f"{number} experiments"


def _is_new_database(address: str) -> bool:
    """Whether an SQLite file does not exist, in a directory that one can be made in."""
    parts = urlsplit(address)
    file = Path(unquote(parts.path[1:]))
    if parts.scheme != "sqlite" or not parts.path.strip("/") or file.exists():
        return False
    if not os.access(file.parent, os.W_OK):
        raise MonitorError(f"{mask_secrets(address)}: no file can be made in {file.parent}. Make the directory, or name another.")
    return True
