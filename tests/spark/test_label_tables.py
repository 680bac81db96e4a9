"""What `init` finds of labels in a table of their own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spark_monitor.commands.first_file import first_file
from spark_monitor.commands.first_look import made_from, open_table
from spark_monitor.commands.given_roles import Given
from spark_monitor.config.monitor import MonitorConfig, load_config
from spark_monitor.errors import ConfigError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

START = datetime(2024, 3, 4, tzinfo=UTC)
ROWS = 2000


def _tables(directory: Path, **columns: object) -> tuple[str, str]:
    """Predictions of 40 days and labels that come ten days later, under other names and corrected once."""
    random = np.random.default_rng(8)
    at = pd.Series([START + timedelta(minutes=28.8 * place) for place in range(ROWS)])
    score = random.beta(2, 3, ROWS).round(5)
    answer = (random.random(ROWS) < score).astype("int32")
    order = np.arange(ROWS) + 5000
    predictions = pd.DataFrame(
        {"order_id": order, "scored_at": at, "risk_score": score, "flagged": (score >= 0.4).astype("int32"), "items": order % 7}
    )
    labels = pd.DataFrame({"purchase": order, "amount": order % 900, "was_returned": answer, "scored_at": at, "recorded_at": at})
    labels["recorded_at"] = at + timedelta(days=10)
    first = labels.head(300).assign(was_returned=1 - labels.was_returned.head(300))
    first["recorded_at"] = first["recorded_at"] - timedelta(days=1)
    for name, frame in (("predictions", predictions), ("outcomes", pd.concat([first, labels]).assign(**columns))):
        (directory / name).mkdir()
        table = pa.Table.from_pandas(frame, preserve_index=False)
        pq.write_table(table, directory / name / "part-0.parquet", coerce_timestamps="us", allow_truncated_timestamps=True)
    return str(directory / "predictions"), str(directory / "outcomes")


def _file(spark: SparkSession, directory: Path, tables: tuple[str, str], given: Given | None = None) -> MonitorConfig:
    source, frame = open_table(spark, tables[0])
    file = directory / "monitor.yaml"
    text = first_file(made_from(frame, source, tables[0], file, given, open_table(spark, tables[1])))
    file.write_text(text, encoding="utf-8")
    return load_config(file)


def test_labels_of_another_table_are_joined_by_the_column_whose_values_meet_the_ids(spark: SparkSession, tmp_path: Path) -> None:
    tables = _tables(tmp_path)

    config = _file(spark, tmp_path, tables)

    assert config.labels is not None
    assert config.baseline is not None
    assert (config.labels.path, config.labels.format) == (tables[1], "parquet")
    assert (config.labels.id, config.labels.label, config.labels.time) == (("purchase",), "was_returned", "recorded_at")
    assert config.labels.horizon == "10 days"
    assert config.baseline.labels
    assert "was_returned" not in config.predictions.features.exclude
    assert {rule.metric for rule in config.rules} >= {"label_coverage", "label_shift", "roc_auc_score"}
    text = (tmp_path / "monitor.yaml").read_text()
    # The newest label of an id counts: of the first 300 the correction.
    answers = pd.read_parquet(tables[1]).sort_values("recorded_at").drop_duplicates("purchase", keep="last").set_index("purchase")
    frame = pd.read_parquet(tables[0])
    end = pd.Timestamp(text.partition("TIMESTAMP '")[2].partition("'")[0])
    rate = answers.was_returned.loc[frame.order_id[frame.scored_at < end]].mean()
    assert f"is from the baseline's {rate:.3g}" in text


def test_a_label_table_that_meets_no_prediction_is_an_error_that_says_what_to_give(spark: SparkSession, tmp_path: Path) -> None:
    tables = _tables(tmp_path, purchase=np.arange(ROWS + 300) + 10**6)

    with pytest.raises(ConfigError, match=r"no column matches the predictions' order_id.*--role label_id=COLUMN"):
        _file(spark, tmp_path, tables)


def test_roles_that_a_person_gives_are_those_of_the_label_table(spark: SparkSession, tmp_path: Path) -> None:
    tables = _tables(tmp_path, disputed=np.arange(ROWS + 300) % 2)

    config = _file(spark, tmp_path, tables, {"label": ("disputed",), "label_time": ("scored_at",), "label_id": ("purchase",)})

    assert config.labels is not None
    assert (config.labels.id, config.labels.label, config.labels.time) == (("purchase",), "disputed", "scored_at")
