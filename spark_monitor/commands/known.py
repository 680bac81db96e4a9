"""What is known of a monitor so far: its facts, which are few before its first run, when there are no tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.errors import ConfigError
from spark_monitor.insight.facts import Facts
from spark_monitor.insight.gather import facts

if TYPE_CHECKING:
    from spark_monitor.store import Store


ABSENT = ("DELTA_MISSING_DELTA_TABLE", "DELTA_TABLE_NOT_FOUND", "DELTA_PATH_DOES_NOT_EXIST", "PATH_NOT_FOUND")


def known_facts(store: Store, config: MonitorConfig) -> Facts:
    """The facts from the committed tables; those of the monitor's file alone where nothing has been committed."""
    if has_tables(store):
        return facts(store, config)
    return Facts(
        monitor=config.monitor,
        model=config.model.name,
        task=config.model.task,
        granularity=config.windows.granularity.label,
        has_rules=bool(config.rules),
        has_labels=config.labels is not None,
    )


def require_tables(store: Store, file: str) -> None:
    """ConfigError where no run has made the tables."""
    if not has_tables(store):
        where = store.place.schema or store.place.path
        raise ConfigError(f"outputs: there are no tables at {where} yet. Make them: spark-monitor run {file}")


def has_tables(store: Store) -> bool:
    """Whether a run has made the tables; the ledger comes with the first. Of a path Spark raises where it could say no."""
    from pyspark.errors import AnalysisException

    try:
        return bool(store.spark.catalog.tableExists(store.place.relation("runs")))
    except AnalysisException as error:
        if error.getCondition() in ABSENT:
            return False
        raise
