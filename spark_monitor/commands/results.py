"""What is known of a monitor so far: its facts, which are few before its first run, when there are no tables."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.errors import ConfigError
from spark_monitor.insight.explained import found_incident
from spark_monitor.insight.facts import Facts
from spark_monitor.insight.judgement_queries import incidents_beginning
from spark_monitor.insight.local_times import in_zone
from spark_monitor.insight.read_results import facts
from spark_monitor.insight.rows import IncidentRow
from spark_monitor.insight.tables import SparkTables, Tables, local_tables
from spark_monitor.store.local import has_scheme
from spark_monitor.text.formatting import in_shell

if TYPE_CHECKING:
    from pyspark.errors import AnalysisException
    from pyspark.sql import SparkSession

    from spark_monitor.store import Store

Answer = TypeVar("Answer")

SET_UP = ("HADOOP_CONF_DIR", "SPARK_CONF_DIR", "SPARK_ENV_LOADED", "DATABRICKS_RUNTIME_VERSION")
"""Where one is set, a file system of a cluster may be the one that paths are of."""

ABSENT = ("DELTA_MISSING_DELTA_TABLE", "DELTA_TABLE_NOT_FOUND", "DELTA_PATH_DOES_NOT_EXIST", "PATH_NOT_FOUND")


class Session:
    """A Spark session that is opened when it is first asked for: tables that are files of this machine need none.

    ``wanted`` says that the options name a Spark: then nothing is read without it.
    """

    def __init__(self, opened: Callable[[], SparkSession], *, wanted: bool) -> None:
        self._opened, self.wanted = opened, wanted
        self._spark: SparkSession | None = None

    @property
    def spark(self) -> SparkSession:
        """The session."""
        if self._spark is None:
            self._spark = self._opened()
        return self._spark


def stored_facts(config: MonitorConfig, session: Session, *, pictures: bool = False, at: datetime | None = None) -> Facts:
    """The facts from the committed tables; those of the monitor's file alone where nothing has been committed."""
    ask = partial(facts, config=config, pictures=pictures, at=at)
    return _answered(config, session, ask, lambda: facts_of_file(config))


def stored_incident(config: MonitorConfig, session: Session, named: str) -> IncidentRow:
    """The incident whose id begins as named, open or resolved; ConfigError where none does, or several do."""
    rows = _answered(config, session, lambda tables: incidents_beginning(tables, config.monitor, named), list[IncidentRow])
    return in_zone(found_incident(rows, named), config.windows.zone)


def _answered(
    config: MonitorConfig, session: Session, ask: Callable[[Tables], Answer], without_tables: Callable[[], Answer]
) -> Answer:
    """What the committed tables answer, without Spark where they are files of this machine."""
    local = None if session.wanted else local_tables(config)
    if local is not None:
        try:
            return ask(local)
        except Exception as error:  # tables of another release, or a file that DuckDB cannot read: Spark is asked instead
            if not is_of_duckdb(error):
                raise
    if not session.wanted and config.outputs.path is not None and local is None and is_empty_directory(config.outputs.path):
        return without_tables()
    store = store_of(config, session)
    if not has_tables(store):
        return without_tables()
    return ask(SparkTables(session.spark, store))


def is_of_duckdb(error: BaseException) -> bool:
    """Whether DuckDB raised an error."""
    return type(error).__module__.split(".")[0] in ("duckdb", "_duckdb")


def is_empty_directory(path: str) -> bool:
    """Whether a path is a place of this machine that holds no ledger yet, so that no engine needs to be asked.

    Where Hadoop or Spark is set up, a path without a scheme may lie elsewhere.
    """
    place = path.removeprefix("file://").removeprefix("file:")
    if has_scheme(place) or (place == path and any(os.environ.get(name) for name in SET_UP)):
        return False
    return not (Path(place) / "runs" / "_delta_log").is_dir()


def facts_of_file(config: MonitorConfig) -> Facts:
    """What the monitor's file alone says."""
    return Facts(
        monitor=config.monitor,
        model=config.model.name,
        task=config.model.task,
        granularity=config.windows.granularity.label,
        zone=config.windows.zone,
        has_rules=bool(config.rules),
        has_labels=config.labels is not None,
    )


def store_of(config: MonitorConfig, session: Session) -> Store:
    """The monitor's tables through Spark."""
    from spark_monitor.store import Store

    return Store(session.spark, config.outputs)


def require_tables(config: MonitorConfig, session: Session, file: Path) -> None:
    """ConfigError where no run has made the tables; of an empty directory without asking Spark."""
    path = None if session.wanted else config.outputs.path
    if (path is not None and is_empty_directory(path)) or not has_tables(store_of(config, session)):
        where = config.outputs.schema_name or config.outputs.path
        raise ConfigError(f"outputs: there are no tables at {where} yet. Make them: spark-monitor run {in_shell(file)}")


def has_tables(store: Store) -> bool:
    """Whether a run has made the tables; RunError where it was one of a newer release, which this one could read wrongly.

    The ledger comes with the first run. Of a path Spark raises where it could say no.
    """
    from pyspark.errors import AnalysisException

    from spark_monitor.store.schema_version import require_readable

    try:
        there = bool(store.spark.catalog.tableExists(store.place.relation("runs")))
    except AnalysisException as error:
        if condition_of(error) in ABSENT:
            return False
        raise
    if there:
        require_readable(store.spark, store.place)
    return there


def condition_of(error: AnalysisException) -> str | None:
    """The name of what is wrong; Spark 3.5 calls it the error's class."""
    ask = getattr(error, "getCondition", None) or error.getErrorClass
    return str(ask())
