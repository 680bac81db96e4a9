"""The store that tests write to."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession
from written import Writer

from spark_monitor.store import Store
from spark_monitor.store.place import Place


@pytest.fixture(scope="session")
def writer(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Writer:
    directory = tmp_path_factory.mktemp("it's a `store`")
    store = Store(spark, Place(path=str(directory)))
    store.ensure()
    return Writer(store, directory)
