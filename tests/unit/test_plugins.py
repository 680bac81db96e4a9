"""The package of docs/plugins.md, installed as somebody else would: the catalogue, rules and documents know its metric."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
UV = Path(sys.executable).parent / "uv"
SCRIPT = """
import numpy as np
from types import SimpleNamespace
from spark_monitor.catalogue.document import page
from spark_monitor.catalogue.registry import catalogue
from spark_monitor.config.rules import RuleConfig
from spark_monitor.stages.quality_columns import OF_PLUGINS, guarded
metric = catalogue().metrics["interquartile_range"]
block = SimpleNamespace(count=np.array([4, 3]), numeric=np.array([True, False]), quantiles=np.arange(202.0).reshape(2, 101))
found = guarded(metric, block, block)
broken = guarded(metric, SimpleNamespace(count=np.array([1]), numeric=np.array([True])), None)
rule = RuleConfig(metric="interquartile_range", fail=5)
print([one.name for one in OF_PLUGINS], found.value.tolist(), list(found.status), rule.metric)
print(list(broken.status), broken.message[0])
print("### `interquartile_range`" in page(catalogue().metrics.values()))
print([broken.message for broken in catalogue().broken])
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the documented package and with one that breaks."""
    text = (PROJECT / "docs" / "plugins.md").read_text(encoding="utf-8")
    [described] = re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL)
    [module] = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    source, site = tmp_path_factory.mktemp("package"), tmp_path_factory.mktemp("site")
    (source / "pyproject.toml").write_text(described, encoding="utf-8")
    (source / "monitor_spread.py").write_text(module, encoding="utf-8")
    install = [str(UV), "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--offline", "--target", str(site)]
    subprocess.run([*install, str(source)], check=True, capture_output=True, env={**os.environ, "VIRTUAL_ENV": sys.prefix})
    broken = site / "monitor_broken-1.0.dist-info"
    broken.mkdir()
    (broken / "METADATA").write_text("Metadata-Version: 2.1\nName: monitor-broken\nVersion: 1.0\n")
    (broken / "entry_points.txt").write_text("[spark_monitor.metrics]\nbroken = monitor_broken\n")
    (site / "monitor_broken.py").write_text("raise ValueError('half a release')\n")
    return site


def test_a_plug_in_s_metric_is_one_of_the_catalogue_and_a_broken_one_is_a_sentence(site: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(PROJECT), str(site)])}
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, raised, listed, broken = done.stdout.splitlines()
    assert first == "['interquartile_range'] [50.0, 50.0] ['OK', 'NOT_MEANT'] interquartile_range"
    assert raised.startswith("['ERROR'] Metric interquartile_range of monitor_spread could not be computed: AttributeError")
    assert listed == "True"
    assert broken == "['Plug-in broken could not be loaded: ValueError: half a release']"


def test_the_page_about_metrics_is_current() -> None:
    from spark_monitor.catalogue.document import page
    from spark_monitor.catalogue.registry import catalogue

    written = (PROJECT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert written == page(catalogue().metrics.values()), "run: python -m spark_monitor.catalogue.document > docs/metrics.md"
