"""Spark's daemon of Python workers with the kernel imported before it forks, so that its workers need not import it one by one.

The JVM runs ``python -m spark_monitor.kernel.daemon pyspark.worker`` where ``spark.python.daemon.module`` of the session says so.
What is listed here and not used costs the daemon some milliseconds; what is used and not listed, every worker as much.
"""

from __future__ import annotations

import gc
import os
import runpy
import sys
from contextlib import redirect_stdout, suppress
from importlib import import_module
from pathlib import Path

USED_BY_TASKS = (
    "pandas",
    "pyarrow.parquet",
    "pyspark.worker",
    "spark_monitor.distances",
    "spark_monitor.kernel.comparison",
    "spark_monitor.kernel.merging",
    "spark_monitor.kernel.parquet",
    "spark_monitor.kernel.partials",
    "spark_monitor.quality.column_block",
    "spark_monitor.rules.rulebook",
    "spark_monitor.scores.catalogue",
    "spark_monitor.states.presented",
    "spark_monitor.store.task_files",
)

WITHOUT_THREADS = {"JE_ARROW_MALLOC_CONF": "background_thread:false", "OPENBLAS_NUM_THREADS": "1"}
"""A process that forks should have one thread: Arrow's allocator and OpenBLAS start others as they are imported."""


def unzipped(places: list[str]) -> list[str]:
    """``sys.path`` without the zip of a pyspark that lies there unpacked as well, nor that of py4j beside it.

    Modules in a zip have no bytecode, so that each daemon would compile all of pyspark, and whoever asks for a package's version
    (as numpy.testing does for its own) reads the lists of all zips. pip, which unpacked this pyspark, installed py4j with it.

    >>> unzipped(["/nowhere/pyspark/python/lib/pyspark.zip", "/elsewhere"])
    ['/nowhere/pyspark/python/lib/pyspark.zip', '/elsewhere']
    """
    packages = [Path(place).resolve() / "pyspark" for place in places if place]
    twins = {package / "python" / "lib" for package in packages if (package / "daemon.py").is_file()}
    return [place for place in places if not (place.endswith(".zip") and Path(place).resolve().parent in twins)]


def main() -> None:
    """Import, then be pyspark's daemon, which tells the JVM its port on standard output: nothing else may be written there."""
    sys.path[:] = unzipped(sys.path)
    for name, value in WITHOUT_THREADS.items():
        os.environ.setdefault(name, value)
    with redirect_stdout(sys.stderr):
        for name in USED_BY_TASKS:
            with suppress(ImportError):  # the task that needs what is missing says so, and of which column or table it was
                import_module(name)
    gc.freeze()  # else the first collection in each worker would copy the pages of all that was imported
    runpy.run_module("pyspark.daemon", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
