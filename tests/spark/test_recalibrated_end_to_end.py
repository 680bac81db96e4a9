"""Estimates that rest on final windows, of classes and of numbers, and selective labels: whole runs against independent truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn import metrics as oracle
from sklearn.isotonic import IsotonicRegression
from test_tasks_end_to_end import CLASSES, HEAD, START, WEEK, Tables, measured, of_window, rows_of, times, value, write

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROWS, WEEKS = 9_000, 3
BASELINE = "baseline: {{path: {dir}/training, format: parquet, label: truth}}"
FINAL = "the final windows from 2024-01-01 to 2024-01-15"


def predictions(random: np.random.Generator, rows: int, weeks: int) -> pd.DataFrame:
    return pd.DataFrame({"id": np.arange(rows), "at": times(random, rows, weeks), "version": "1"})


def run(spark: SparkSession, directory: Path, frame: pd.DataFrame, training: pd.DataFrame, task: str, own: str) -> Tables:
    """The tables of one run; of the frame only rows that are ``labelled`` have a label."""
    write(frame.assign(truth=frame["truth"].where(frame["labelled"])).drop(columns="labelled"), directory)
    (directory / "training").mkdir()
    pq.write_table(
        pa.Table.from_pandas(training.drop(columns=["at"]), preserve_index=False), directory / "training" / "p.parquet"
    )
    more = BASELINE.format(dir=directory)
    return measured(spark, HEAD.format(name=task, task=task, dir=directory, own=own, more=more), directory, task)


def calibrated_by(tables: Tables, rows: int) -> None:
    """The last week's estimates rest on so many labelled rows of the final windows before it."""
    sizes = tables["metrics"][tables["metrics"]["metric"] == "calibration_rows"]
    last = sizes[sizes["start"].str[:10] == f"{START + 2 * WEEK:%Y-%m-%d}"].iloc[0]
    assert (last["class"], last["value"]) == ("1@2024-01-15", rows)


def test_final_windows_calibrate_every_class_as_scikit_learn_would(spark: SparkSession, tmp_path: Path) -> None:
    random = np.random.default_rng(21)

    def drawn(rows: int, weeks: int, power: float) -> pd.DataFrame:
        """Labels follow the scores to a power: below 1 the model is surer than it should be."""
        frame, odds = predictions(random, rows, weeks), random.normal(0, 1.5, (rows, 3))
        scores = np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True)
        shares = scores**power / (scores**power).sum(axis=1, keepdims=True)
        frame[["pa", "pb", "pc"]] = np.round(scores, 3)
        frame["guess"] = np.array(CLASSES)[frame[["pa", "pb", "pc"]].to_numpy().argmax(axis=1)]
        frame["truth"] = np.array(CLASSES)[(random.random(rows)[:, None] > shares.cumsum(axis=1)).sum(axis=1).clip(max=2)]
        return frame

    training, frame = drawn(4_000, 1, 1.0), drawn(ROWS, WEEKS, 0.3)
    frame["labelled"] = frame["at"] < START + 2 * WEEK
    own = "prediction: guess, scores: {a: pa, b: pb, c: pc}"
    tables = run(spark, tmp_path, frame, training, "multiclass", own)
    known, last = frame[frame["labelled"]], of_window(frame, 2, "1")
    calibrated_by(tables, len(known))
    found = value(rows_of(tables, 2, "1", basis="ESTIMATED"), "accuracy_score")
    right = 0.0
    for name in CLASSES:
        fitted = IsotonicRegression(out_of_bounds="clip").fit(known[f"p{name}"], known["truth"] == name)
        right += float(fitted.predict(last.loc[last["guess"] == name, f"p{name}"]).sum())
    assert found["value"] == pytest.approx(right / len(last), abs=5e-3)
    assert found["lower"] <= oracle.accuracy_score(last["truth"], last["guess"]) <= found["upper"]
    assert FINAL in found["message"]
    assert oracle.accuracy_score(training["truth"], training["guess"]) > found["upper"]  # what the baseline would have told


def test_final_windows_tell_the_errors_of_numbers(spark: SparkSession, tmp_path: Path) -> None:
    random = np.random.default_rng(22)

    def drawn(rows: int, weeks: int, spread: float) -> pd.DataFrame:
        frame = predictions(random, rows, weeks)
        frame["guess"] = random.uniform(0, 10, rows)
        frame["truth"] = frame["guess"] + random.normal(0, spread, rows)
        return frame

    training, frame = drawn(4_000, 1, 1.0), drawn(ROWS, WEEKS, 3.0)
    frame["labelled"] = frame["at"] < START + 2 * WEEK
    tables = run(spark, tmp_path, frame, training, "regression", "prediction: guess")
    known, last = frame[frame["labelled"]], of_window(frame, 2, "1")
    calibrated_by(tables, len(known))
    estimated = rows_of(tables, 2, "1", basis="ESTIMATED")
    for name, power in (("mean_absolute_error", 1), ("mean_squared_error", 2)):
        errors = (known["truth"] - known["guess"]).abs() ** power
        found = value(estimated, name)
        # Errors do not depend on the prediction here, so what cells of it say together is the mean of all.
        assert abs(found["value"] - errors.mean()) < 3 * errors.std() / np.sqrt(len(known))
        assert found["lower"] <= ((last["truth"] - last["guess"]).abs() ** power).mean() <= found["upper"]
        assert FINAL in found["message"]


def test_what_selective_labels_do_to_metrics_is_told(spark: SparkSession, tmp_path: Path) -> None:
    random = np.random.default_rng(23)

    def drawn(rows: int, weeks: int) -> pd.DataFrame:
        frame = predictions(random, rows, weeks)
        frame["guess"] = np.round(random.beta(1, 2, rows), 3)
        frame["truth"] = (random.random(rows) < frame["guess"]).astype(int)
        return frame

    training, frame = drawn(3_000, 1), drawn(ROWS, WEEKS)
    frame["labelled"] = random.random(ROWS) < np.where(frame["guess"] > 0.3, 0.9, 0.2)
    tables = run(spark, tmp_path, frame, training, "binary", "score: guess")
    for week in range(WEEKS):
        rows = of_window(frame, week, "1")
        known = rows[rows["labelled"]]
        own = tables["metrics"]
        own = own[(own["start"].str[:10] == f"{START + week * WEEK:%Y-%m-%d}") & own["slice_key"].isna()]
        told = own[own["metric"] == "selection_error"].set_index("class")
        for name, of_rows in (("base_rate", lambda one: one["truth"].mean()), ("roc_auc_score", area), ("brier_score", brier)):
            found, hidden = told.loc[name], of_rows(known) - of_rows(rows)
            half = (found["upper"] - found["lower"]) / 2
            assert abs(found["value"] - hidden) <= 2 * half + 0.01, (week, name, found["value"], hidden)
        assert told.loc["base_rate", "lower"] > 0.05
        selective = own[own["metric"] == "label_selectivity"]
        assert selective["message"].str.contains("labels are selective").any()


def area(rows: pd.DataFrame) -> float:
    return float(oracle.roc_auc_score(rows["truth"], rows["guess"]))


def brier(rows: pd.DataFrame) -> float:
    return float(oracle.brier_score_loss(rows["truth"], rows["guess"]))
