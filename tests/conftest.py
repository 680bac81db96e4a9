"""One Spark session for the whole test run, in the mode that SPARK_MONITOR_TEST_MODE names (classic or connect).

SPARK_MONITOR_TEST_CONF has further settings of it: ``key=value;key=value`` (`make test-matrix` sets it).

Property tests draw other examples in every run; the seed stands in the header, and `--hypothesis-seed=N` draws them again. How
many each draws is SPARK_MONITOR_TEST_EXAMPLES, which `make test-all` sets higher.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, core, settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

settings.register_profile(
    "fresh",
    deadline=None,
    print_blob=True,
    max_examples=int(os.environ.get("SPARK_MONITOR_TEST_EXAMPLES", "12")),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("fresh")

os.environ.setdefault("DO_NOT_TRACK", "1")
# Sessions that tests start with a home of their own share one archive of classes.
os.environ.setdefault("SPARK_MONITOR_CLASS_ARCHIVES", str(Path.home() / ".cache" / "spark-monitor"))
os.environ.setdefault("NML_DISABLE_USAGE_LOGGING", "True")
os.environ.setdefault("MLFLOW_ENABLE_ASYNC_LOGGING", "false")


SEED_VARIABLE = "SPARK_MONITOR_TEST_SEED"


def pytest_configure(config: pytest.Config) -> None:
    """One seed for all processes of a run, given or drawn."""
    if config.getoption("hypothesis_seed", None) is None:
        os.environ.setdefault(SEED_VARIABLE, str(random.SystemRandom().randrange(1 << 32)))
        config.option.hypothesis_seed = os.environ[SEED_VARIABLE]
        core.global_force_seed = int(os.environ[SEED_VARIABLE])


def pytest_report_header(config: pytest.Config) -> str:
    """The seed, so that a failure is found again."""
    return f"property tests: --hypothesis-seed={config.getoption('hypothesis_seed')}"


STAGES = ("unit", "laws", "spark", "delta", "jobs", "cluster")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs no Spark comes first, so that a simple mistake is told in seconds; within a stage the order stays random."""
    folder = Path(__file__).parent
    stages = {item: item.path.relative_to(folder).parts[0] if item.path.is_relative_to(folder) else "unit" for item in items}
    items.sort(key=lambda item: STAGES.index(stages[item]) if stages[item] in STAGES else len(STAGES))


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    from spark_monitor.session import is_connect

    mode = os.environ.get("SPARK_MONITOR_TEST_MODE", "classic")
    warehouse = tmp_path_factory.mktemp("warehouse")
    session = local_session(
        mode,
        {
            "spark.sql.shuffle.partitions": "2",
            "spark.sql.warehouse.dir": str(warehouse),
            "spark.sql.ansi.enabled": "true",
            # Tests are many short queries: what the second compiler would make faster has ended by then. For one compiler the JVM
            # sets 48 MiB aside, and compiles nothing more once they are full.
            "spark.driver.defaultJavaOptions": "-XX:+UseParallelGC -XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m",
            # Nobody looks at the plans and tasks that have ended, which by default are kept by the thousand.
            **{f"spark.{kept}": "10" for kept in ("sql.ui.retainedExecutions", "ui.retainedJobs", "ui.retainedStages")},
            **dict(one.split("=", 1) for one in os.environ.get("SPARK_MONITOR_TEST_CONF", "").split(";") if one),
        },
    )
    assert is_connect(session) == (mode == "connect"), f"asked for {mode}, found {type(session)}"
    yield session
    session.stop()


def local_session(mode: str, conf: dict[str, str]) -> SparkSession:
    """A session of this machine, classic or on Spark Connect; Spark 3.5 has no setting for the latter and no jar of it."""
    import pyspark

    from spark_monitor.java import use_java
    from spark_monitor.session import LOCAL_SETTINGS, delta_package, open_session, scala_line, worker_environment

    if mode == "classic" or not pyspark.__version__.startswith("3."):
        return open_session(master="local[2]", conf={"spark.api.mode": mode, **conf})
    use_java()
    os.environ.update({**worker_environment(), "PYSPARK_PYTHON": sys.executable})
    connect = f"org.apache.spark:spark-connect_{scala_line()}:{pyspark.__version__}"
    packages = {"spark.jars.packages": f"{delta_package()},{connect}"}
    return open_session(remote="local[2]", conf={**LOCAL_SETTINGS, **packages, **conf})
