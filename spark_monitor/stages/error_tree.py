"""The tree that tells where a regression errs much: grown once on the labelled baseline, stored with it, read by later runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F
from pyspark.sql import types as T

from spark_monitor.estimation.error_tree import ErrorTree, grow
from spark_monitor.kernel.scored_states import KIND_NAMES, TREE
from spark_monitor.sources.baseline import Baseline
from spark_monitor.sources.labels import LABEL
from spark_monitor.sources.predictions import Predictions
from spark_monitor.sources.readers.rows import column_or_sql
from spark_monitor.stages.context import Run
from spark_monitor.stages.labelled import PREFIX, baseline_rows
from spark_monitor.states.named_arrays import NAMED_COLUMNS, bytes_of_row
from spark_monitor.text.quoting import quote

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

SAMPLE = 20_000
"""Labelled rows of the baseline that the tree is grown on: those whose hashes are smallest."""
MOST_FEATURES = 50


def error_tree_of(run: Run, predictions: Predictions, baseline: Baseline, *, missing: bool) -> ErrorTree | None:
    """The tree of the baseline's version, grown where the baseline's states are ``missing``; None where nothing tells errors."""
    if run.config.model.task != "regression" or run.config.baseline is None or not run.config.baseline.is_labelled:
        return None
    if missing:
        return _grown(run, predictions, baseline)
    stored = run.store.committed("model_states").where(F.col("monitor_id") == run.monitor_id)
    trees = stored.where((F.col("kind") == KIND_NAMES[TREE]) & (F.col("baseline_version") == baseline.version))
    rows = trees.where("properties IS NOT NULL").select(*NAMED_COLUMNS).limit(1).collect()
    return ErrorTree.from_bytes(bytes_of_row(rows[0].asDict())) if rows else None


def _grown(run: Run, predictions: Predictions, baseline: Baseline) -> ErrorTree | None:
    labelled, answer = baseline_rows(run, predictions), run.config.predictions.prediction
    if labelled is None or answer is None:
        return None
    joined = labelled[0]
    names = (answer, *telling(baseline, predictions, joined, answer)[:MOST_FEATURES])
    columns = set(joined.columns)
    numbers = [f"try_cast({quote(PREFIX + LABEL)} AS DOUBLE) AS label"]
    numbers += [f"try_cast({column_or_sql(name, columns)} AS DOUBLE) AS f{place}" for place, name in enumerate(names)]
    rows = joined.selectExpr(*numbers).where("label IS NOT NULL AND f0 IS NOT NULL")
    few = rows.orderBy(F.xxhash64(*rows.columns), *rows.columns).limit(SAMPLE)

    def fit(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        several = list(batches)
        state = _fitted(pa.Table.from_batches(several), names) if several else None
        yield pa.RecordBatch.from_arrays([pa.array([state], pa.binary())], names=["state"])

    row = few.repartition(1).mapInArrow(fit, "state binary").collect()
    states = [bytes(one["state"]) for one in row if one["state"] is not None]
    return ErrorTree.from_bytes(states[0]) if states else None


def _fitted(table: pa.Table, names: tuple[str, ...]) -> bytes | None:
    """The bytes of the tree; None where no cut explains anything."""
    label, *features = (np.asarray(column.to_numpy(), dtype=np.float64) for column in table.columns)
    usable = np.isfinite(label) & np.isfinite(features[0])
    tree = grow(names, np.stack(features, axis=1)[usable], (features[0] - label)[usable]) if usable.any() else None
    return tree.to_bytes() if tree is not None and tree.leaves > 1 else None


def telling(baseline: Baseline, predictions: Predictions, joined: DataFrame, answer: str) -> list[str]:
    """The numeric features that both the baseline and the predictions have."""
    here, there = (
        {field.name for field in frame.schema.fields if isinstance(field.dataType, T.NumericType)}
        for frame in (predictions.frame, joined)
    )
    return [name for name in baseline.columns if name in here and name in there and name != answer]
