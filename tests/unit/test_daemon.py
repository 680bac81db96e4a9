"""Spark's daemon of Python workers: what it imports before it forks, and that it talks to the JVM as pyspark's own does."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from spark_monitor.kernel.daemon import USED_BY_TASKS, WITHOUT_THREADS, unzipped


def test_each_module_that_is_named_is_there() -> None:
    assert [name for name in USED_BY_TASKS if find_spec(name) is None] == []


def test_the_zip_of_an_unpacked_pyspark_is_left_out_with_that_of_py4j(tmp_path: Path) -> None:
    installed, alone = tmp_path / "site-packages", tmp_path / "spark" / "python"
    (installed / "pyspark" / "python" / "lib").mkdir(parents=True)
    (installed / "pyspark" / "daemon.py").touch()
    zips = [str(installed / "pyspark" / "python" / "lib" / name) for name in ("pyspark.zip", "py4j-0.10.9.9-src.zip")]
    (tmp_path / "linked").symlink_to(installed)
    others = [str(alone / "lib" / "pyspark.zip"), str(tmp_path / "added.zip"), str(tmp_path / "linked"), ""]
    assert unzipped([*zips, *others]) == others


def test_zips_stay_where_pyspark_lies_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "site-packages" / "pyspark" / "python" / "lib").mkdir(parents=True)
    places = [str(tmp_path / "site-packages" / "pyspark" / "python" / "lib" / "pyspark.zip"), str(tmp_path / "site-packages")]
    assert unzipped(places) == places


def test_it_writes_a_port_and_nothing_else_and_ends_with_its_input() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "spark_monitor.kernel.daemon", "pyspark.worker"],
        input=b"",
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert len(ended.stdout) == 4, (ended.stdout, ended.stderr)
    assert 1024 <= int.from_bytes(ended.stdout, "big") < 65_536


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="Threads are counted in /proc, which this system does not have.")
def test_what_is_imported_before_forking_starts_no_thread() -> None:
    code = f"import os; from importlib import import_module; [import_module(name) for name in {USED_BY_TASKS!r}]"
    counted = [sys.executable, "-c", f"{code}; print(len(os.listdir('/proc/self/task')))"]
    ended = subprocess.run(counted, capture_output=True, text=True, check=True, env={**os.environ, **WITHOUT_THREADS})
    assert ended.stdout == "1\n"
