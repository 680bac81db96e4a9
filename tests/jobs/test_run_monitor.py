"""spark-submit's entry: what is typed arrives at the command line, and its exit code comes back."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

JOB = Path(__file__).resolve().parents[2] / "jobs" / "run_monitor.py"


def test_the_entry_is_thin() -> None:
    assert len(JOB.read_text().splitlines()) <= 40


def test_spark_submit_gives_the_commands_exit_code_and_its_sentence(tmp_path: Path) -> None:
    programs = Path(sys.executable).parent  # spark-submit looks on PATH for the Python that has pyspark
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "PYSPARK_PYTHON": sys.executable}
    missing = tmp_path / "missing.yaml"
    ran = subprocess.run(
        [programs / "spark-submit", "--master", "local[1]", JOB, "run", missing],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert ran.returncode == 2
    assert f"{missing}: no such file." in ran.stdout + ran.stderr
