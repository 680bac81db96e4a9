"""A made-up prediction table with what real ones have: ties, shifts, nulls, infinities, two versions, slices, late labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

START = pd.Timestamp("2024-01-01", tz="UTC")
WEEK = pd.Timedelta(days=7)
WEEKS = 3
ROWS = 9_000
LABEL_DELAY = pd.Timedelta(days=2)
NUMERIC = ("shifted", "ties", "skewed", "whole", "constant", "holes", "special", "flag", "score", "predicted")
SLICES = {"group": "group", "shifted > 0": "above", "group, flag": "crossing"}


@dataclass(frozen=True)
class Made:
    """The table in pandas, where null and NaN are told apart by masks, and the monitor's file."""

    rows: pd.DataFrame
    directory: Path
    monitor_file: Path

    @property
    def output(self) -> Path:
        """Where the monitor writes."""
        return self.directory / "out"


def make(directory: Path, *, seed: int = 7, rows: int = ROWS, mlflow: bool = True) -> Made:
    """Write predictions and labels as Parquet and the monitor's file."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({"id": np.arange(rows)})
    micros = np.sort(random.uniform(0, WEEKS * 7 * 86_400 * 1e6, rows)).astype("timedelta64[us]")
    frame["at"] = START.as_unit("us") + pd.TimedeltaIndex(micros)
    week = ((frame["at"] - START) // WEEK).to_numpy()
    frame["version"] = random.choice(["1", "2"], rows, p=[0.7, 0.3])
    frame["shifted"] = random.normal(size=rows) + 0.4 * week
    frame["ties"] = np.round(random.normal(size=rows) * 2) / 2
    frame["skewed"] = random.lognormal(0, 2, rows) * (1 + week)
    frame["whole"] = random.integers(-(10**6), 10**6, rows)
    frame["constant"] = 7.0
    frame["holes"] = random.gamma(2, 2, rows)
    frame["holes_null"] = random.random(rows) < 0.2
    frame["special"] = random.choice([np.nan, np.inf, -np.inf, -0.0, 1.5, 2.5e-310], rows)
    frame["special_null"] = random.random(rows) < 0.1
    frame["group"] = random.choice(["a", "b", "c"], rows, p=[0.6, 0.3, 0.1])
    frame["many"] = random.choice([f"kind {number}" for number in range(2_000)], rows)
    frame["flag"] = random.random(rows) < 0.3
    frame["score"] = 1 / (1 + np.exp(-(frame["shifted"] - 0.5 + random.normal(size=rows) / 2)))
    frame["predicted"] = (frame["score"] >= 0.5).astype(int)
    frame["truth"] = (random.random(rows) < frame["score"]).astype(float)
    frame["labelled"] = random.random(rows) < 0.9
    frame["above"] = np.where(frame["shifted"] > 0, "true", "false")
    frame["crossing"] = frame["group"] + ", " + np.where(frame["flag"], "true", "false")
    _write(frame, directory)
    return Made(frame, directory, write_monitor(directory, mlflow=mlflow))


def _write(frame: pd.DataFrame, directory: Path) -> None:
    kept = [
        name for name in frame.columns if name not in ("holes_null", "special_null", "truth", "labelled", "above", "crossing")
    ]
    arrays = {
        name: pa.array(frame[name].to_numpy(), mask=frame[f"{name}_null"].to_numpy() if f"{name}_null" in frame else None)
        for name in kept
        if name != "at"
    }
    arrays["at"] = timestamps(frame["at"])
    (directory / "predictions").mkdir(parents=True)
    table = pa.table(arrays)
    for part in range(3):
        share = len(frame) // 3
        pq.write_table(table.slice(part * share, share), directory / "predictions" / f"part-{part}.parquet")
    labels = frame[frame["labelled"]]
    write_labels(directory, labels["id"].to_numpy(), labels["truth"].to_numpy(), labels["at"] + LABEL_DELAY, part=0)


def write_labels(directory: Path, ids: np.ndarray, truth: np.ndarray, times: pd.Series, *, part: int) -> None:
    """Add a file to the label table, whose ids are strings and whose labels are doubles, unlike the predictions'."""
    (directory / "labels").mkdir(exist_ok=True)
    table = pa.table({"id": pa.array([str(one) for one in ids]), "truth": pa.array(truth), "known": timestamps(times)})
    pq.write_table(table, directory / "labels" / f"part-{part}.parquet")


def timestamps(times: pd.Series) -> pa.Array:
    """UTC timestamps of microseconds."""
    return pa.array(times.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy().astype("datetime64[us]")).cast(
        pa.timestamp("us", "UTC")
    )


def write_monitor(directory: Path, *, mlflow: bool) -> Path:
    """The monitor's file."""
    shown = f', mlflow: {{tracking_uri: "sqlite:///{directory}/mlflow.db", experiment: made}}' if mlflow else ""
    path = directory / "made.yaml"
    path.write_text(
        f"""
monitor: made
model: {{name: made, task: binary}}
predictions:
  {{path: {directory}/predictions, format: parquet, id: id, time: at, model_version: version,
    prediction: predicted, score: score}}
labels: {{path: {directory}/labels, format: parquet, id: id, label: truth, time: known, horizon: 7 days}}
baseline: {{path: {directory}/predictions, format: parquet, where: "at < TIMESTAMP '2024-01-08 00:00:00Z'", labels: true}}
windows: {{every: 1 week, also: [1 month], lookback: 60 days}}
slices: [group, "shifted > 0", [group, flag]]
metrics:
  - {{name: mean_holes, sql: "avg(holes)", unit: EUR}}
  - {{name: skewed_per_hole, sql: "sum(whole) / sum(holes)", direction: down}}
  - {{name: flagged, sql: "count_if(flag) / count(*)"}}
  - {{name: nothing, sql: "sum(holes) / sum(constant - 7)"}}
  - {{name: broken_cast, sql: "avg(CAST(many AS DOUBLE))"}}
  - {{name: truth_rate, sql: "avg(CAST(label AS DOUBLE))", labels: true}}
  - {{name: holes_gap, derived: "mean_holes / baseline.mean_holes - 1"}}
  - {{name: holes_step, derived: "mean_holes - previous.mean_holes"}}
rules:
  - {{metric: ks, columns: "*", warn: 0.05, fail: 0.10, min_count: 300}}
  - {{metric: percent_null, columns: [holes], fail: 5, severity: critical}}
  - {{metric: roc_auc_score, fail: "< 0.65", owner: owners, runbook: "docs/runbooks/auc.md"}}
outputs: {{path: {directory}/out{shown}}}
""",
        encoding="utf-8",
    )
    return path


def of(
    made: Made, *, start: pd.Timestamp, end: pd.Timestamp, version: str | None, key: str | None, value: str | None
) -> pd.DataFrame:
    """The rows of one window, version and slice."""
    rows = made.rows[(made.rows["at"] >= start) & (made.rows["at"] < end)]
    if version is not None:
        rows = rows[rows["version"] == version]
    return rows if key is None else rows[rows[SLICES[key]] == value]


def values(rows: pd.DataFrame, column: str) -> np.ndarray:
    """A column's values that are not null, as doubles."""
    found = rows[column].to_numpy().astype(np.float64)
    return found[~rows[f"{column}_null"].to_numpy()] if f"{column}_null" in rows else found
