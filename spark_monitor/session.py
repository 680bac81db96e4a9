"""The only place that builds a SparkSession, and how one of its settings is changed for a while.

On Databricks, EMR or in a notebook a session exists already and is used as it is. On one machine this module starts one, with
Delta Lake's jar found by Spark's own package resolution (and then kept in Ivy's cache), or taken from ``SPARK_MONITOR_JARS``.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from contextvars import copy_context
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any, TypeVar, cast

from pyspark.sql import SparkSession

from spark_monitor.errors import ConfigError
from spark_monitor.java import archive_options, use_java
from spark_monitor.text.masking import remember_secrets

Result = TypeVar("Result")
One = TypeVar("One")
Other = TypeVar("Other")
AT_ONCE = 4
"""So many queries and commits that do not depend on each other are under way at once."""

JARS_VARIABLE = "SPARK_MONITOR_JARS"
SLOW_SORT_FEATURES = "AVX512_ICL X86_V4"
NAMED_BY_SPARK = (4, 1)
USUAL_SCALA = "2.13"
DERIVED_FILTERS = "spark.databricks.delta.generatedColumn.partitionFilterOptimization.enabled"
MASTER = "spark.master"
DAEMON, IMPORTING_DAEMON = "spark.python.daemon.module", "spark_monitor.kernel.daemon"
SUBSTITUTION = "spark.sql.variable.substitute"
DELTA_EXTENSION = "io.delta.sql.DeltaSparkSessionExtension"
DELTA_CATALOG = "org.apache.spark.sql.delta.catalog.DeltaCatalog"

INTERPRETED: Mapping[str, str] = {"spark.sql.codegen.factoryMode": "NO_CODEGEN", "spark.sql.codegen.wholeStage": "false"}
"""Settings under which Spark evaluates a plan as it stands, and compiles no Java for it."""

JAVA_OPTIONS = "spark.driver.defaultJavaOptions"

LATER_OPTIMISED = (
    "-XX:+IgnoreUnrecognizedVMOptions -XX:Tier4InvocationThreshold=250000 -XX:Tier4MinInvocationThreshold=30000 "
    "-XX:Tier4CompileThreshold=750000 -XX:Tier4BackEdgeThreshold=2000000"
)
"""The JVM optimises a method 50 times later than by default (docs/decisions/0040): most of a run's methods are Spark's planning,
called too seldom to be worth it; loops over rows come to these numbers within a second."""

API_MODE = "spark.api.mode"
LOCAL_SETTINGS: Mapping[str, str] = {
    SUBSTITUTION: "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.extensions": DELTA_EXTENSION,
    "spark.sql.catalog.spark_catalog": DELTA_CATALOG,
    "spark.sql.shuffle.partitions": "4",
    "spark.databricks.delta.snapshotPartitions": "2",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.memory": "2g",
    # A state of scores has up to 120 KB of arrays: of 4,096 rows at once, Spark's default, two tasks would fill the memory.
    "spark.sql.parquet.columnarReaderBatchSize": "1024",
    JAVA_OPTIONS: f"-XX:+UseParallelGC {LATER_OPTIMISED}",
    "spark.log.level": "ERROR",
}


def open_session(*, master: str | None = None, remote: str | None = None, conf: Mapping[str, str] | None = None) -> SparkSession:
    """The active session where there is one and nothing else was asked for, otherwise a new one.

    ``master`` is a Spark master such as ``local[2]``; ``remote`` a Spark Connect address such as ``sc://host:15002``;
    ``conf`` holds settings that win over the defaults, ``spark.api.mode=connect`` among them.
    """
    if master and remote:
        raise ConfigError("--master and --remote: both were given. Give one: a Spark master, or a Spark Connect address.")
    remember_secrets(conf or {})
    active = SparkSession.getActiveSession()
    if active is not None and not (master or remote):
        for key, value in (conf or {}).items():
            active.conf.set(key, value)
        return active
    if remote:
        return _quietly(_configured(SparkSession.builder.remote(remote), {SUBSTITUTION: "false", **(conf or {})}))
    settings = {**LOCAL_SETTINGS, **_delta_jars(), **(conf or {})}
    builder = SparkSession.builder.appName("spark_monitor")
    if not _submitted():
        options = settings[JAVA_OPTIONS]
        settings[JAVA_OPTIONS] = f"{options} {archive_options(use_java())}".strip() if "Archive" not in options else options
        for name, value in worker_environment().items():
            os.environ.setdefault(name, value)
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # else the workers are whatever python3 is on PATH
        chosen = master or settings.get(MASTER, "local[*]")
        if chosen.startswith("local"):  # elsewhere executors may not have the package until a job brings it
            settings.setdefault(DAEMON, IMPORTING_DAEMON)
        builder = builder.master(chosen)
    session = _quietly(_configured(builder, settings))
    if settings.get(API_MODE, "classic").lower() == "connect" and not is_connect(session):
        session.stop()
        what = f"--conf: {API_MODE}=connect is not known to Spark {session.version}, which started a classic session"
        raise ConfigError(f"{what}. Leave it out, or start a Spark Connect server and give --remote sc://HOST:15002.")
    return session


def is_connect(session: SparkSession) -> bool:
    """Whether a session is a client of Spark Connect, and not Spark itself."""
    return type(session).__module__.startswith("pyspark.sql.connect")


@contextmanager
def whole_partitions(spark: SparkSession) -> Iterator[None]:
    """No partition of a Delta table is left out because of a filter that Delta derives from a condition on the time column.

    A partition column generated from a time, such as its date, was computed in the session time zone of whoever wrote the rows.
    Delta computes the derived filter in the zone of whoever reads, so that rows near midnight would be lost without a word. Files
    are still left out by their statistics of the time column itself. Where the platform forbids the setting it is left as it is.
    """
    try:
        before = spark.conf.get(DERIVED_FILTERS, None)
        spark.conf.set(DERIVED_FILTERS, "false")
    except Exception:
        yield
        return
    try:
        yield
    finally:
        spark.conf.set(DERIVED_FILTERS, before) if before is not None else spark.conf.unset(DERIVED_FILTERS)


@contextmanager
def setting(spark: SparkSession, name: str, value: str, *, unless_set: bool = False) -> Iterator[None]:
    """A setting of the session for a while, and the session's own again afterwards; ``unless_set`` leaves that in force."""
    before = spark.conf.get(name, None)
    if before is not None and unless_set:
        yield
        return
    spark.conf.set(name, value)
    try:
        yield
    finally:
        with suppress(Exception):  # a session that has ended meanwhile has no settings, and the error that tells so goes on
            spark.conf.set(name, before) if before is not None else spark.conf.unset(name)


@contextmanager
def as_written(spark: SparkSession) -> Iterator[None]:
    """SQL is read as it stands: no environment variable, and no setting, is put in the place of ``${env:NAME}`` in it.

    Names of columns come from tables, and SQL from monitors' files, whose authors may not know what the process knows. Where the
    platform forbids the setting it is left as it is; a file's SQL with ``${`` is refused, and literals are written without it.
    """
    with ExitStack() as settings:
        with suppress(Exception):
            settings.enter_context(setting(spark, SUBSTITUTION, "false"))
        yield


@contextmanager
def interpreted(spark: SparkSession) -> Iterator[None]:
    """Queries over few wide rows, such as stored states, whose compiling would take longer than they do (docs/performance.md).

    Nothing that reads a monitored table's rows belongs in here. Where the platform forbids a setting it is left as it is.
    """
    with ExitStack() as settings:
        for name, value in INTERPRETED.items():
            with suppress(Exception):
                settings.enter_context(setting(spark, name, value, unless_set=True))
        yield


def side_by_side(spark: SparkSession, calls: Sequence[Callable[[], Result]]) -> list[Result]:
    """The results of calls that do not depend on each other, made in threads, in the order of the calls.

    Most of what a small query or commit takes is planning and waiting on the driver. All calls end before the first error, in
    their order, is raised.
    """
    if len(calls) < 2:
        return [call() for call in calls]
    with ThreadPoolExecutor(max_workers=min(len(calls), AT_ONCE), thread_name_prefix="spark_monitor") as pool:
        tasks = [pool.submit(inheriting(spark, call)) for call in calls]
    return [task.result() for task in tasks]


def both(spark: SparkSession, one: Callable[[], One], other: Callable[[], Other]) -> tuple[One, Other]:
    """The results of two calls of different kinds, as ``side_by_side`` makes them."""
    results: list[One | Other] = side_by_side(spark, [one, other])
    return cast("tuple[One, Other]", tuple(results))


def inheriting(spark: SparkSession, call: Callable[[], Result]) -> Callable[[], Result]:
    """The call with the session, the tags, the job group and other properties of the thread that makes it."""
    from pyspark import inheritable_thread_target

    logged = partial(copy_context().run, call)  # of which monitor is logged
    target = inheritable_thread_target
    wrapped: Callable[[], Result] = target(spark)(logged) if takes_session(target) else target(logged)
    return wrapped


def takes_session(wrapper: Callable[..., Any]) -> bool:
    """Whether pyspark's ``inheritable_thread_target`` takes the session, whose tags it hands on; Spark 3.5's does not.

    A session says nothing of it: one of Spark 3.5 has ``getTags`` too, which then raises an error.
    """
    return any("SparkSession" in str(one.annotation) for one in signature(wrapper).parameters.values())


def worker_environment() -> dict[str, str]:
    """Environment variables that make the Python workers of this machine faster, and change no number.

    On AMD processors with AVX-512 numpy's AVX-512 sort is several times slower than its AVX2 sort (docs/performance.md). Numpy
    reads the variable when it is imported, so it is set before the workers start; whoever set it before is left alone.
    """
    try:
        processor = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return {}
    slow = "AuthenticAMD" in processor and "avx512_vbmi2" in processor
    return {"NPY_DISABLE_CPU_FEATURES": SLOW_SORT_FEATURES} if slow and _numpy_has_levels() else {}


def _numpy_has_levels() -> bool:
    """Whether the installed numpy names processor features by level (X86_V4), as it does from 2.4 on."""
    from importlib.metadata import version

    major, minor = version("numpy").split(".")[:2]
    return (int(major), int(minor)) >= (2, 4)


def _submitted() -> bool:
    """Whether spark-submit started this process: the master is then spark-submit's business."""
    return "SPARK_ENV_LOADED" in os.environ and "PYSPARK_GATEWAY_PORT" in os.environ


def _configured(builder: SparkSession.Builder, settings: Mapping[str, str]) -> SparkSession.Builder:
    for key, value in settings.items():
        builder = builder.config(key, value)
    return builder


def _delta_jars() -> dict[str, str]:
    """The setting that brings Delta's jar: named jars first, else the package that matches pyspark and delta-spark."""
    named = os.environ.get(JARS_VARIABLE, "").strip()
    if named:
        return {"spark.jars": named}
    return {"spark.jars.packages": delta_package()}


def delta_package() -> str:
    """The Maven coordinates of Delta Lake for the installed pyspark and delta-spark."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        spark, delta = version("pyspark"), version("delta-spark")
    except PackageNotFoundError as error:
        raise ConfigError(
            f"Python package {error.name}: not installed. On one machine install the extra: pip install 'spark-monitor[local]'."
        ) from error
    return f"io.delta:{delta_artifact(spark, delta, scala_line())}:{delta}"


def delta_artifact(spark: str, delta: str, scala: str) -> str:
    """What Delta calls its jar for these versions: from 4.1 on the name says for which Spark it is.

    >>> delta_artifact("3.5.7", "3.3.2", "2.12"), delta_artifact("4.2.0", "4.4.0", "2.13")
    ('delta-spark_2.12', 'delta-spark_4.2_2.13')
    """
    major, minor = (int(part) for part in delta.split(".")[:2])
    line = ".".join(spark.split(".")[:2])
    return f"delta-spark_{line}_{scala}" if (major, minor) >= NAMED_BY_SPARK else f"delta-spark_{scala}"


def scala_line() -> str:
    """The Scala version, as 2.13, that the installed pyspark's jars are built for; there is one standard library among them."""
    import pyspark

    jars = Path(pyspark.__file__).parent / "jars"
    version = next((jar.name.split("-")[-1] for jar in sorted(jars.glob("scala-library-*.jar"))), USUAL_SCALA)
    return ".".join(version.split(".")[:2])


def _quietly(builder: SparkSession.Builder) -> SparkSession:
    """Start the session; Spark Connect warns once per static setting that its server has taken already."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Failed to set spark")
        return builder.getOrCreate()
