"""The whole demo as a person starts it, twice in one directory."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def demo(directory: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "spark_monitor", "demo", "--dir", str(directory)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=1500)


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_the_demo_finds_both_faults_and_a_second_one_finds_nothing_new(tmp_path: Path) -> None:
    first = demo(tmp_path / "demo")
    assert first.returncode == 0, first.stderr
    wind = re.search(
        r"wind_speed in km/h: tv_distance .* in 15 weeks with the fault \(15 FAIL\), .* without \(37 PASS\)", first.stdout
    )
    assert wind, first.stdout
    assert re.search(r"visib missing at JFK: percent_null 100 in 1 week with the fault \(1 FAIL\)", first.stdout)
    for part in (
        "roc_auc_score",
        "Open incidents",
        "wind_speed is in another unit",
        "Report, to open in a browser",
        "spark-monitor sql",
        "mlflow server",
    ):
        assert part in first.stdout
    assert "wind_speed" in (tmp_path / "demo" / "report.html").read_text(encoding="utf-8")
    second = demo(tmp_path / "demo")
    assert second.returncode == 0, second.stderr
    assert "used again" in second.stdout
    assert "Nothing new as of 2013-12-30 06:00 UTC" in second.stdout
    assert (
        second.stdout.split("What was injected")[1].split("The demo took")[0]
        == (first.stdout.split("What was injected")[1].split("The demo took")[0])
    )
