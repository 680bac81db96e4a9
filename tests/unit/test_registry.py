"""The register of metrics: the same in every process, whatever was imported before."""

from __future__ import annotations

import subprocess
import sys

import pytest

from spark_monitor.catalogue.registry import catalogue
from spark_monitor.kernel.comparison import drift_ddl

ASKED = """
import {first}
from spark_monitor.catalogue.registry import catalogue
from spark_monitor.kernel.comparison import drift_ddl
print(*catalogue().metrics, sep=",")
print(drift_ddl())
"""


@pytest.mark.parametrize("first", ["spark_monitor.distances.wasserstein", "spark_monitor.scores.ranking", "spark_monitor"])
def test_the_order_of_metrics_and_of_drift_columns_does_not_follow_imports(first: str) -> None:
    found = subprocess.run([sys.executable, "-c", ASKED.format(first=first)], capture_output=True, text=True, check=True)

    names, ddl = found.stdout.splitlines()
    assert names.split(",") == list(catalogue().metrics)
    assert ddl == drift_ddl()
