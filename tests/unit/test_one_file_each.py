"""A copy of the project plus a distance, a quality metric, a model metric and a channel: one new file each, nothing edited."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

PROJECT = Path(__file__).parents[2]
ADDED = {
    "distances/one_sided.py": '''
"""How far the current distribution function runs above the baseline's."""

from spark_monitor.catalogue.metric import SHARE, drift_metric


@drift_metric("one_sided_ks", columns=("numeric",), range=SHARE)
def one_sided_ks(baseline, current):
    """The largest G - F at the edges of the baseline's grid and just before them, 0 where there is none."""
    return (current.cdf() - baseline.cdf()).max(axis=1).clip(0.0)
''',
    "quality/spread.py": '''
"""How widely values are spread."""

from spark_monitor.catalogue.metric import NOT_NEGATIVE, quality_metric


@quality_metric("value_range", columns=("numeric",), range=NOT_NEGATIVE)
def value_range(current, baseline=None):
    """The greatest finite value minus the least."""
    return current.max - current.min
''',
    "scores/kappa.py": '''
"""Agreement beyond chance."""

from spark_monitor.catalogue.metric import model_metric


@model_metric("cohen_kappa", tasks=("binary",), range=(-1.0, 1.0), worse="lower", headline=20)
def cohen_kappa(scores):
    """(p_o - p_e) / (1 - p_e): observed agreement of prediction and label against that of chance."""
    tp, fp, fn, tn = scores.true_positives, scores.false_positives, scores.false_negatives, scores.true_negatives
    rows = tp + fp + fn + tn
    observed = (tp + tn) / rows
    chance = ((tp + fp) * (tp + fn) + (tn + fn) * (tn + fp)) / rows**2
    return (observed - chance) / (1 - chance)
''',
    "scores/brier_alike.py": '''
"""The share of wrong predictions, as an error of which less is better."""

from spark_monitor.catalogue.metric import SHARE, model_metric


@model_metric("brier_alike", tasks=("binary",), range=SHARE, worse="higher")
def brier_alike(scores):
    """(FP + FN) / n."""
    wrong = scores.false_positives + scores.false_negatives
    return wrong / (wrong + scores.true_positives + scores.true_negatives)
''',
    "outputs/alerts/kinds/letterbox.py": '''
"""A file that messages are put into."""

from pathlib import Path

from spark_monitor.outputs.alerts.channel import channel_kind


@channel_kind("letterbox")
class Letterbox:
    def __init__(self, address):
        self._file = Path(address)

    def send(self, message):
        with self._file.open("a", encoding="utf-8") as letters:
            letters.write(message.title + "\\n")
''',
}
KEYS = {"performance/cohen_kappa", "drift/one_sided_ks.fare", "quality/value_range.fare"}
"""What MLflow has of them: model metrics always, those of columns where a rule about them is broken."""

METRICS = ("one_sided_ks", "value_range", "cohen_kappa")
SCRIPT = """
import json, sys
import numpy as np
import spark_monitor
from types import SimpleNamespace
from spark_monitor.catalogue.document import page
from spark_monitor.catalogue.registry import catalogue
from spark_monitor.config.people import PeopleConfig
from spark_monitor.config.rules import RuleConfig
from spark_monitor.insight.headline import incident_readings, model_readings
from spark_monitor.insight.headline_metrics import higher_is_better, shown_metrics
from spark_monitor.insight.judgement_queries import _lower_is_better
from spark_monitor.outputs.mlflow.points import points
from spark_monitor.windowing.periods import parse_every
from spark_monitor.windowing.windows import Window, parse_timestamp
from spark_monitor.outputs.alerts.channels import open_channel
from spark_monitor.outputs.alerts.message import Message
from spark_monitor.scores.catalogue import present
from spark_monitor.scores.classification import binary_confusion
from spark_monitor.stages.quality_columns import guarded
from spark_monitor.states.grid import Grid
from spark_monitor.states.numeric import profile_column
from spark_monitor.states.numeric_block import NumericBlock
given = json.loads(sys.stdin.read())
metrics = catalogue().metrics
grid = Grid.of(given["first"])
first, second = (NumericBlock.of([profile_column(given[side], grid)]) for side in ("first", "second"))
column = SimpleNamespace(count=second.count, numeric=np.array([True]), min=second.min, max=second.max)
people = PeopleConfig.model_validate({"channels": {"door": {"url_env": "LETTERBOX", "kind": "letterbox"}}})
open_channel("door", people, {"LETTERBOX": given["letters"]}).send(Message("wind_speed is in another unit", "", "key"))
week = Window(parse_timestamp("2024-01-01"), parse_timestamp("2024-01-08"))
broken = SimpleNamespace(version="1", window=week, value=0.5, limit=0.4)
row = dict(is_open=True, series=(broken,), slice_key=None, column="fare")
readings = [
    *model_readings([SimpleNamespace(version="1", window=week, metric="cohen_kappa", value=0.4, label_coverage=1.0)],
                    shown_metrics("binary"), None),
    *incident_readings([SimpleNamespace(metric=name, **row) for name in ("one_sided_ks", "value_range")]),
]
rows = present("binary", binary_confusion(given["labels"], given["predictions"]))
print(json.dumps({
    "package": spark_monitor.__file__,
    "ruled": [RuleConfig(metric=name, fail="> 0.5").metric for name in given["names"]],
    "listed": [f"### `{name}`" in page(metrics.values()) for name in given["names"]],
    "keys": [point.key for point in points(readings, parse_every("1 week"), "UTC")],
    "better": {name: higher_is_better(name) for name in (*given["names"], "brier_alike")},
    "lower": [name for name in ("cohen_kappa", "brier_alike") if name in _lower_is_better()],
    "shown": "cohen_kappa" in shown_metrics("binary"),
    "one_sided_ks": float(metrics["one_sided_ks"].compute(first, second)[0]),
    "value_range": float(guarded(metrics["value_range"], column, column).value[0]),
    "cohen_kappa": [row["value"] for row in rows if row["metric"] == "cohen_kappa"],
}))
"""


def test_one_new_file_each_is_all_that_a_metric_or_a_channel_takes(tmp_path: Path) -> None:
    shutil.copytree(PROJECT / "spark_monitor", tmp_path / "spark_monitor", ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in ADDED.items():
        assert not (tmp_path / "spark_monitor" / name).exists()
        (tmp_path / "spark_monitor" / name).write_text(text.lstrip(), encoding="utf-8")
    random = np.random.default_rng(14)
    first, second = np.sort(random.normal(size=400)), np.sort(random.normal(-0.3, 1, size=300))
    labels = random.integers(0, 2, 500)
    predictions = np.where(random.random(500) < 0.7, labels, 1 - labels)
    given = {
        "first": first.tolist(),
        "second": second.tolist(),
        "labels": labels.tolist(),
        "predictions": predictions.tolist(),
        "names": METRICS,
        "letters": str(tmp_path / "letters"),
    }
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, input=json.dumps(given), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert Path(found["package"]).is_relative_to(tmp_path)
    assert found["ruled"] == list(METRICS)
    assert found["listed"] == [True] * 3
    assert found["shown"]
    assert set(found["keys"]) >= KEYS
    assert {key for key in found["keys"] if key.endswith("_limit.fare")} == {
        "drift/one_sided_ks_limit.fare",
        "quality/value_range_limit.fare",
    }
    assert found["better"] == {"one_sided_ks": False, "value_range": False, "cohen_kappa": True, "brier_alike": False}
    assert found["lower"] == ["brier_alike"]
    ahead = [
        np.searchsorted(second, first, side=side) / second.size - np.searchsorted(first, first, side=side) / first.size
        for side in ("left", "right")
    ]
    assert found["one_sided_ks"] == pytest.approx(np.max(ahead), abs=1e-12)
    assert found["value_range"] == second[-1] - second[0]
    assert found["cohen_kappa"] == pytest.approx([cohen_kappa_score(labels, predictions)], rel=1e-12)
    assert (tmp_path / "letters").read_text(encoding="utf-8") == "wind_speed is in another unit\n"
