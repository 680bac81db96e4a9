"""A whole run of a model whose windows differ beyond chance: its estimates allow for it, and nothing else shows those windows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.special import expit, logit
from sklearn import metrics as oracle
from test_tasks_end_to_end import AS_OF, START, UNLABELLED, WEEK, measured, of_window, rows_of, times, value, write

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

WEEKS, SHARE = 8, 2_000
WANDER = np.array([0.4, -0.3, 0.1, -0.5, 0.6, 0.0, -0.2, 0.3])
"""By how much the labels' log-odds are off in each week of the baseline."""


def drawn(random: np.random.Generator, weeks: int, moved: np.ndarray) -> pd.DataFrame:
    rows = SHARE * weeks
    frame = pd.DataFrame({"id": np.arange(rows), "at": times(random, rows, weeks), "version": "1"})
    frame["team"] = random.choice(["x", "y"], rows)
    frame["score"] = np.round(random.beta(2, 2, rows), 3)
    week = ((frame["at"] - START) // WEEK).to_numpy()
    odds = logit(frame["score"].clip(0.001, 0.999)) + moved[week]
    frame["truth"] = (random.random(rows) < expit(odds)).astype(float)
    return frame


def test_estimates_allow_for_how_the_baselines_windows_differ(spark: SparkSession, tmp_path: Path) -> None:
    random = np.random.default_rng(31)
    training, frame = drawn(random, WEEKS, WANDER), drawn(random, 1, np.array([0.35]))
    write(frame.assign(truth=np.nan), tmp_path)
    (tmp_path / "training").mkdir()
    at = pa.array(training["at"].to_numpy().astype("datetime64[us]")).cast(pa.timestamp("us", "UTC"))
    table = pa.Table.from_pandas(training.drop(columns="at"), preserve_index=False).append_column("at", at)
    pq.write_table(table, tmp_path / "training" / "p.parquet")
    text = UNLABELLED.format(dir=tmp_path, task="binary", own="score: score", metric="recall", limit="< 0.1")
    tables = measured(spark, text, tmp_path, "unseen")
    found, last = rows_of(tables, 0, "1", basis="ESTIMATED"), of_window(frame, 0, "1")
    guess, half = last["score"] >= 0.5, 1.96 * np.sqrt(0.25 / len(last))
    for name, score in (("recall", oracle.recall_score), ("precision", oracle.precision_score)):
        row = value(found, name)
        assert row["lower"] <= score(last["truth"], guess) <= row["upper"]
        assert row["upper"] - row["lower"] > 3 * half
        assert "The interval allows for how windows differ beyond chance." in row["message"]
    states = spark.read.format("delta").load(str(tmp_path / "out" / "model_states"))
    kept = states.where("slice_key = ':window' AND kind = 'score'").select("slice_value", "labelled").collect()
    weeks = ((training.loc[training["at"] < pd.Timestamp(AS_OF).tz_localize(None), "at"] - START) // WEEK).value_counts()
    assert {int(row["slice_value"]): row["labelled"] for row in kept} == weeks.to_dict()
    for name in ("model_metrics", "metrics", "checks"):
        assert ":window" not in set(tables[name]["slice_key"])
    slices = tables["model_metrics"]
    assert set(slices.loc[slices["basis"] == "ESTIMATED", "slice_value"].dropna()) == {"x", "y"}
