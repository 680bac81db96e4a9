"""The wheel: the same bytes from the same source, whoever builds it and when."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def built(directory: Path) -> tuple[str, str]:
    """The name of the wheel and the hash of its bytes."""
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(directory)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1577836800"}
    subprocess.run(command, cwd=PROJECT, env=environment, check=True, capture_output=True)
    (wheel,) = directory.glob("*.whl")
    return wheel.name, hashlib.sha256(wheel.read_bytes()).hexdigest()


def test_the_wheel_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    assert built(tmp_path / "first") == built(tmp_path / "second")
