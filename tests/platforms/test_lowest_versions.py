"""Every module is imported beside the oldest packages that the wheel says it works with."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyspark
import pytest
from test_constraints import by_uv, needed

OLDEST_PANDAS = "pandas==1.5.3"
"""Of the platforms' lists; pyspark imports it, the wheel asks for none."""

PROGRAM = """
import importlib, pathlib, sys
package = pathlib.Path(sys.argv[1])
for file in sorted((package / "spark_monitor").rglob("*.py")):
    name = ".".join(file.relative_to(package).with_suffix("").parts)
    if not name.endswith("__main__"):
        try:
            importlib.import_module(name.removesuffix(".__init__"))
        except Exception as error:
            print(name, type(error).__name__, error)
        else:
            print("imported", name)
"""
OF_EXTRAS = ("sklearn", "threadpoolctl", "deltalake")


@pytest.mark.slow
def test_every_module_is_imported_beside_the_oldest_packages(tmp_path: Path) -> None:
    oldest = [f"{name}=={next(iter(one.specifier)).version}" for name, one in needed().items()]
    environment = tmp_path / "environment"
    python = environment / "bin" / "python"
    by_uv(["venv", "--quiet", "--python", sys.executable, environment])
    by_uv(["pip", "install", "--no-config", "--quiet", "--python", python, *oldest, OLDEST_PANDAS])
    # Spark comes with the platform, in a version of its own: here this environment's.
    spark = tmp_path / "spark"
    spark.mkdir()
    home = Path(pyspark.__file__).parents[1]
    for name in ("pyspark", "py4j"):
        (spark / name).symlink_to(home / name)
    project = Path(__file__).parents[2]

    done = subprocess.run(
        [python, "-W", "error::UserWarning", "-c", PROGRAM, project],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(project), str(spark)])},
        cwd=tmp_path,
    )

    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    failed = [line for line in lines if not line.startswith("imported")]
    assert [line for line in failed if not any(f"No module named '{name}'" in line for name in OF_EXTRAS)] == []
    assert len(lines) - len(failed) > 400
