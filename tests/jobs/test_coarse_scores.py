"""How well the model does in a week, from stored states of its days: what scikit-learn says of the week's rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import days
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession
from sklearn import metrics as oracle

from spark_monitor import Monitor

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

START, DAY, DAYS = pd.Timestamp("2024-01-01", tz="UTC"), pd.Timedelta(days=1), 8
LATE_DAY, FIRST_RUN = 1, 5
KEY = ["granularity", "start", "model_version", "slice_key", "slice_value", "metric", "class", "basis"]
NUMBERS = ["value", "value_error", "lower", "upper", "count"]
MONITOR = """
monitor: scored
model: {{name: scored, task: binary}}
predictions:
  {{path: {dir}/predictions, format: delta, id: id, time: at, model_version: version, prediction: predicted, score: score}}
labels: {{path: {dir}/labels, format: parquet, id: id, label: truth, time: known, horizon: 6 hours}}
baseline: {{path: {dir}/training, format: parquet, label: truth}}
windows: {{every: 1 day, also: [1 week], lookback: 10 days}}
slices: [team]
weights: weight
fairness: {{groups: [team]}}
outputs: {{path: {dir}/{out}}}
"""


def rows_of(day: int, rows: int = 250) -> pd.DataFrame:
    """The predictions of a day: version 2 scores some of the rows of version 1, on two days none."""
    random = np.random.default_rng(100 + day)
    frame = pd.DataFrame({"id": day * 1_000 + np.arange(rows)})
    at = START + day * DAY + pd.to_timedelta(np.sort(random.uniform(0, 86_400, rows)), unit="s")
    frame["at"] = at.astype("datetime64[us, UTC]")
    frame["version"], frame["team"] = "1", random.choice(["x", "y", "z"], rows, p=[0.5, 0.3, 0.2])
    frame["score"] = np.round(random.beta(1, 2, rows), 3)
    frame["truth"] = (random.random(rows) < frame["score"]).astype(int)
    frame["weight"] = random.choice([0.5, 1.0, 2.0], rows)
    if day not in (2, 3):
        again = frame[random.random(rows) < 0.6].copy()
        again["version"], again["score"] = "2", np.round(np.clip(again["score"] + random.normal(0, 0.2, len(again)), 0, 1), 3)
        frame = pd.concat([frame, again], ignore_index=True)
    frame["predicted"] = (frame["score"] >= 0.5).astype(int)
    return frame


def arrow(frame: pd.DataFrame, *times: str) -> pa.Table:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    for name in times:
        place = table.schema.get_field_index(name)
        table = table.set_column(place, name, table[name].cast(pa.timestamp("us", "UTC")))
    return table


def write_labels(directory: Path, frame: pd.DataFrame, name: str) -> None:
    (directory / "labels").mkdir(exist_ok=True)
    pq.write_table(arrow(frame[["id", "truth", "known"]], "known"), directory / "labels" / f"{name}.parquet")


@dataclass(frozen=True)
class Told:
    """What two monitors wrote of the same rows: one run after the other, and one over everything at once."""

    directory: Path
    rows: pd.DataFrame
    reasons: list[str]

    def read(self, output: str, table: str) -> pd.DataFrame:
        frame = DeltaTable(str(self.directory / output / table)).to_pandas()
        edges = frame.pop("window")
        frame["start"] = pd.to_datetime([edge["start"] for edge in edges], utc=True)
        return frame[frame["granularity"] != "baseline"]


@pytest.fixture(scope="module")
def told(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Told:
    directory = tmp_path_factory.mktemp("scored")
    training = rows_of(-30, 1_500)
    (directory / "training").mkdir()
    pq.write_table(arrow(training, "at"), directory / "training" / "p.parquet")
    frames = [rows_of(day) for day in range(DAYS)]
    rows = pd.concat(frames, ignore_index=True)
    rows["known"] = rows["at"] + pd.Timedelta(hours=3)
    known = rows[rows["version"] == "1"]
    late = (known["at"] >= START + LATE_DAY * DAY) & (known["at"] < START + (LATE_DAY + 1) * DAY) & (known["id"] % 5 == 0)
    write_labels(directory, known[~late], "on time")
    reasons = []

    def run(output: str, end: int) -> None:
        path = directory / f"{output}.yaml"
        path.write_text(MONITOR.format(dir=directory, out=output), encoding="utf-8")
        result = Monitor.load(path).run(spark, as_of=(START + end * DAY).to_pydatetime())
        assert result.status == "COMMITTED"
        told = result.store.frame("runs").where(f"run_id = '{result.run_id}'").select("reader_reason").collect()
        reasons.append(told[0]["reader_reason"])

    def spoil(first: int, last: int) -> None:
        actions = pa.table(DeltaTable(str(directory / "predictions")).get_add_actions(flatten=True)).to_pylist()
        within = [one for one in actions if START + first * DAY <= pd.Timestamp(one["max.at"]) < START + last * DAY]
        days.spoil([directory / "predictions" / one["path"] for one in within], kept=("at", "id", "version"))

    def append(first: int, last: int) -> None:
        for frame in frames[first:last]:
            write_deltalake(str(directory / "predictions"), arrow(frame.drop(columns="truth"), "at"), mode="append")

    append(0, FIRST_RUN)
    run("merged", FIRST_RUN)
    append(FIRST_RUN, 7)
    run("warm", 7)  # the same rows at once, before those of the first days cannot be read any more
    spoil(0, LATE_DAY)
    spoil(LATE_DAY + 1, FIRST_RUN - 1)
    run("merged", 7)
    append(7, DAYS)
    # Labels that came late change their own day and the week; of the seventh some came after it was over.
    write_labels(directory, known[late].assign(known=START + 7.5 * DAY), "late")
    spoil(FIRST_RUN - 1, 6)
    run("merged", DAYS)
    return Told(directory, rows, reasons)


def of_week(told: Told, output: str = "merged") -> pd.DataFrame:
    model = told.read(output, "model_metrics")
    return model[(model["granularity"] == "1 week") & (model["start"] == START)]


def test_the_rows_of_stored_days_are_not_joined_with_labels_again(told: Told) -> None:
    merged = "States of labels of {} finer windows were merged; these rows were not joined again."
    # Of the fifth day labels came after it was over, so it is done again; later the second and the seventh.
    assert merged.format(4) in told.reasons[2]
    assert merged.format(5) in told.reasons[3]
    assert "joined" not in told.reasons[0] + told.reasons[1]


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("team", [None, "x", "z"])
def test_metrics_of_a_merged_week_are_those_of_scikit_learn_on_its_rows(told: Told, version: str, team: str | None) -> None:
    rows = told.rows[(told.rows["at"] < START + 7 * DAY) & (told.rows["version"] == version)]
    found = of_week(told)
    found = found[(found["basis"] == "REALISED") & (found["model_version"] == version)]
    found = found[found["slice_key"].isna() if team is None else found["slice_value"] == team]
    rows = rows if team is None else rows[rows["team"] == team]
    weights = {"sample_weight": rows["weight"]}
    wanted: dict[str, Any] = {
        "accuracy_score": oracle.accuracy_score(rows["truth"], rows["predicted"], **weights),
        "f1_score": oracle.f1_score(rows["truth"], rows["predicted"], **weights),
        "matthews_corrcoef": oracle.matthews_corrcoef(rows["truth"], rows["predicted"], **weights),
        "roc_auc_score": oracle.roc_auc_score(rows["truth"], rows["score"], **weights),
        "brier_score": oracle.brier_score_loss(rows["truth"], rows["score"], **weights),
        "average_precision": oracle.average_precision_score(rows["truth"], rows["score"], **weights),
        "label_coverage": 1.0,
    }
    for name, number in wanted.items():
        row = found[(found["metric"] == name) & found["class"].isna()]
        assert len(row) == 1, name
        one = row.iloc[0]
        assert abs(one["value"] - number) <= (one["value_error"] or 0.0) + 1e-9, (name, one["value"], number)
        assert one["value_error"] is None or one["value_error"] < 0.02
        assert one["label_status"] == "FINAL"


def comparable(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.fillna({"slice_key": "", "slice_value": "", "model_version": "", "class": "", "basis": ""})
    return frame.sort_values(KEY).reset_index(drop=True)


@pytest.mark.parametrize("table", ["model_metrics", "metrics"])
def test_a_merged_week_is_what_one_run_over_all_its_rows_wrote(told: Told, table: str) -> None:
    """As it was when it was first due: before the late labels came, in the tables' history."""
    frames = []
    for output in ("merged", "warm"):
        delta = DeltaTable(str(told.directory / output / table))
        if output == "merged":
            delta.load_as_version(version_of(delta))
        frame = delta.to_pandas()
        edges = frame.pop("window")
        frame["start"] = pd.to_datetime([edge["start"] for edge in edges], utc=True)
        frame = frame[(frame["granularity"] == "1 week") & (frame["start"] == START)]
        if table == "metrics":
            frame = frame[frame["family"].isin(["model", "fairness"])]
        frames.append(comparable(frame))
    assert len(frames[0]) > 20
    pd.testing.assert_frame_equal(frames[0][[*KEY, "message"]], frames[1][[*KEY, "message"]])
    for name in NUMBERS:
        one, other = (frame[name].astype(float).to_numpy() for frame in frames)
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9, equal_nan=True, err_msg=name)
    if table == "model_metrics":
        assert frames[0]["metric"].str.endswith("_difference").any()
        assert (frames[0]["basis"] == "ESTIMATED").any()


def version_of(delta: DeltaTable) -> int:
    """The table's last version before the last run."""
    last = delta.to_pandas(columns=["run_id", "window"])
    newest = max(zip(last["window"].map(lambda one: one["end"]), last["run_id"], strict=True))[1]
    version = delta.version()
    while newest in set(DeltaTable(str(delta.table_uri), version=version).to_pandas(columns=["run_id"])["run_id"]):
        version -= 1
    return version
