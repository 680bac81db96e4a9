"""Rows of ``model_metrics`` from stored states: realised metrics, estimated ones, differences between versions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F

from spark_monitor.catalogue.registry import catalogue
from spark_monitor.errors import StateError
from spark_monitor.estimation.estimator import Estimator, estimated_rows
from spark_monitor.kernel.recalibration import BUCKETS, CALIBRATION, KIND, NUMBER, Recalibration
from spark_monitor.kernel.scored_states import (
    ANSWERS,
    CONFUSION,
    COVERAGE,
    KIND_NAMES,
    PAIRED,
    PREDICTED,
    SCORE,
    ScoredState,
    scored_state,
)
from spark_monitor.scores.catalogue import present
from spark_monitor.scores.differences import difference_rows
from spark_monitor.scores.metric import Settings
from spark_monitor.states.binary import ScoreState
from spark_monitor.states.classes import NO_CLASS
from spark_monitor.states.columns import DAMAGED_ROW
from spark_monitor.states.confusion import ConfusionState
from spark_monitor.states.coverage import CoverageState
from spark_monitor.states.grid import Grid
from spark_monitor.states.named_arrays import NAMED_COLUMNS, stored_bytes
from spark_monitor.states.paired import PairedState
from spark_monitor.store.rows import BASELINE_GRANULARITY
from spark_monitor.text.formatting import counted
from spark_monitor.windowing.maturity import maturity
from spark_monitor.windowing.timestamps import timestamp_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

REALISED, ESTIMATED = "REALISED", "ESTIMATED"
NO_LABELS, FINAL = "NO_LABELS", "FINAL"
STORED_STATE = f"struct({', '.join(NAMED_COLUMNS)}) AS state"
"""The columns of a stored state as one."""
PLACE = ("granularity", "start", "end", "slice_key", "slice_value", "model_version")
OF_CLASSES = frozenset(metric.name for metric in catalogue().of("model") if "prediction" in metric.needs)
"""Metrics that mean nothing where labels and predictions write their classes in different ways."""
FEW_LABELS = 30
UNWEIGHTED = " Every row counts alike: `weights` are not part of this estimate."
_ROWS_OUT = 2048
_DDL = (
    "granularity string, start long, end long, model_version string, slice_key string, slice_value string, metric string, "
    "class string, value double, value_error double, lower double, upper double, count long, label_coverage double, "
    "label_status string, basis string, status string, message string"
)
SCHEMA = pa.schema(
    [
        ("granularity", pa.string()),
        *((name, pa.int64()) for name in ("start", "end")),
        *((name, pa.string()) for name in ("model_version", "slice_key", "slice_value", "metric", "class")),
        *((name, pa.float64()) for name in ("value", "value_error", "lower", "upper")),
        ("count", pa.int64()),
        ("label_coverage", pa.float64()),
        *((name, pa.string()) for name in ("label_status", "basis", "status", "message")),
    ]
)


@dataclass(frozen=True)
class Presentation:
    """What is needed to read metrics from stored states."""

    task: str
    grid: Grid
    settings: Settings
    horizon: timedelta | None
    as_of: datetime
    estimator: Estimator | None = None
    estimated_from: int = SCORE
    """The kind of state that estimators are made of."""

    weighs_errors: bool = True
    """Whether estimated errors of numbers count rows as realised ones do, which they do not where rows have weights."""

    no_labels: str = ""
    """Why labels cannot be read now; nothing where they can."""

    no_estimate: str = ""
    """Why nothing is estimated before labels come; nothing where it is."""

    def estimator_by(self, recalibration: Recalibration | None) -> Estimator | None:
        """The estimator of final windows where there is one, else the baseline's."""
        return self.estimator if self.estimator is None or recalibration is None else recalibration.estimator(self.estimator)


def model_rows(states: DataFrame, presentation: Presentation, made: DataFrame | None = None) -> DataFrame:
    """Rows of ``model_metrics`` from stored states: realised and estimated metrics, and differences between versions.

    ``made`` are calibrations on final windows, a copy for each bucket of slices.
    """

    def measure(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows: list[dict[str, Any]] = []
        before: tuple[Any, ...] | None = None
        versions: list[list[dict[str, Any]]] = []
        paired: list[PairedState | None] = []
        settings: dict[str, Any] = {"task": presentation.task, "settings": presentation.settings}
        window: tuple[Any, ...] | None = None
        estimators: dict[str | None, Estimator | None] = {}
        for place, kinds in stored_states(batches, presentation):
            if place[:3] != window:
                window, estimators = place[:3], {}
            recalibration = kinds.pop(NUMBER, None)
            # Every bucket has its own copy: those that one task sees are calibrated by once.
            if recalibration is not None and place[5] not in estimators:
                estimators[place[5]] = presentation.estimator_by(recalibration)
            if not kinds:
                continue
            if place[:5] != before:
                rows += difference_rows(versions, paired, **settings)
                before, versions, paired = place[:5], [], []
            recalibrated = replace(presentation, estimator=estimators.get(place[5], presentation.estimator))
            versions.append(list(measured_rows(place, kinds, recalibrated)))
            shared = kinds.get(PAIRED)
            paired.append(shared if isinstance(shared, PairedState) else None)
            rows += versions[-1]
            if len(rows) >= _ROWS_OUT:
                yield pa.RecordBatch.from_pylist(rows, schema=SCHEMA)
                rows = []
        yield pa.RecordBatch.from_pylist([*rows, *difference_rows(versions, paired, **settings)], schema=SCHEMA)

    window, slice_ = ("granularity", "start", "end"), ("slice_key", "slice_value")
    placed = states.select(*PLACE, "kind", "state", F.pmod(F.hash(*slice_), F.lit(BUCKETS)).alias("bucket"))
    both = placed if made is None else placed.unionByName(made, allowMissingColumns=True)
    order = (*window, "bucket", (F.col("kind") != KIND).alias("later"), *slice_, "model_version", "kind")
    return both.repartition(*window, "bucket").sortWithinPartitions(*order).mapInArrow(measure, _DDL)


def stored_states(
    batches: Iterable[pa.RecordBatch], presentation: Presentation
) -> Iterator[tuple[tuple[Any, ...], dict[int, Any]]]:
    """The states per window, slice and version, from rows of ``model_states`` sorted by these."""
    current: tuple[Any, ...] | None = None
    states: dict[int, Any] = {}
    for batch in batches:
        columns = [batch.column(name).to_pylist() for name in (*PLACE, "kind")]
        for *key, kind, data in zip(*columns, contents_of(batch), strict=True):
            place = tuple(key)
            if current is not None and place != current:
                yield current, states
                states = {}
            current = place
            if data is None:
                raise StateError(f"{DAMAGED_ROW} It is of model_states, kind {kind}.")
            if kind == KIND:
                states[NUMBER] = Recalibration.from_bytes(presentation.estimated_from, data, presentation.grid)
                continue
            number = KIND_NAMES.index(kind)
            states[number] = scored_state(number, data, presentation.grid)
    if current is not None:
        yield current, states


def contents_of(batch: pa.RecordBatch) -> list[bytes | None]:
    """The bytes of the state in every row, or of the calibration."""
    contents = stored_bytes(batch.column("state"))
    if CALIBRATION not in batch.schema.names:
        return contents
    made = batch.column(CALIBRATION).to_pylist()
    return [state if calibration is None else calibration for state, calibration in zip(contents, made, strict=True)]


def measured_rows(
    place: tuple[Any, ...], states: Mapping[int, ScoredState], presentation: Presentation
) -> Iterator[dict[str, Any]]:
    """The rows of one window, version and slice."""
    coverage = states[COVERAGE]
    if not isinstance(coverage, CoverageState):
        raise TypeError(f"the coverage of {place} is a {type(coverage).__name__}")
    granularity, start, end, slice_key, slice_value, version = place
    of_baseline = granularity == BASELINE_GRANULARITY
    key = {
        "granularity": granularity,
        "start": start,
        "end": end,
        "model_version": version,
        "slice_key": slice_key,
        "slice_value": slice_value,
        "label_coverage": coverage.coverage,
        "label_status": _label_status(end, coverage.labelled, presentation, of_baseline=of_baseline),
    }
    # Where there is no label table no label is awaited: what the model does is estimated alone.
    if presentation.horizon is not None or of_baseline:
        for row in realised_rows(coverage, states, presentation):
            yield {**key, **row, "basis": REALISED}
    if presentation.estimator is not None and ANSWERS in states and not of_baseline:
        remark = "" if presentation.weighs_errors else UNWEIGHTED
        for row in estimated_rows(states[ANSWERS], presentation.estimator):
            yield {**key, **row, "message": f"{row['message']}{remark}", "basis": ESTIMATED}


def _label_status(end: int, labelled: int, presentation: Presentation, *, of_baseline: bool) -> str:
    """How complete a window's labels are; without a label table none come, but those that a baseline has of its own."""
    if presentation.horizon is None:
        return FINAL if of_baseline and labelled else NO_LABELS
    ended = timestamp_of(end)
    return maturity(window_end=ended, horizon=presentation.horizon, as_of=presentation.as_of, labelled=labelled)


def realised_rows(
    coverage: CoverageState, states: Mapping[int, ScoredState], presentation: Presentation
) -> Iterator[dict[str, Any]]:
    """Metrics from labels; before any label has come each says so."""
    used: list[Any] = [state for kind, state in states.items() if kind not in (PREDICTED, ANSWERS, PAIRED)]
    strange = strangers(states, presentation.task)
    for row in present(presentation.task, *used, settings=presentation.settings):
        if not coverage.labelled and row["metric"] != "label_coverage":
            yield {**row, **no_label(coverage, presentation)}
        elif strange is not None and row["value"] is not None and row["metric"] in OF_CLASSES:
            yield {**row, "message": " ".join(filter(None, (row["message"], strange)))}
        else:
            yield row


def no_label(coverage: CoverageState, presentation: Presentation) -> dict[str, str]:
    """What a metric says where no row has a label."""
    if presentation.no_labels:
        return {"status": "ERROR", "message": presentation.no_labels}
    message = f"None of {counted(coverage.count, 'row')} has a label yet. {presentation.no_estimate}"
    return {"status": NO_LABELS, "message": message.rstrip()}


def strangers(states: Mapping[int, ScoredState], task: str) -> str | None:
    """A sentence where decisions cannot mean what they should: classes that never meet, or scores that are no probabilities."""
    state, score = states.get(CONFUSION), states.get(SCORE)
    if not isinstance(state, ConfusionState) or not state.count:
        return None
    if isinstance(score, ScoreState) and score.out_of_range:
        sentence = f"{score.out_of_range:,} of {score.scored:,} scores lie outside [0, 1]"
        return f"{sentence}: they are no probabilities, as the threshold takes them for."
    labelled, predicted = state.labelled[:NO_CLASS] > 0, state.predicted[:NO_CLASS] > 0
    if task == "binary" and state.count >= FEW_LABELS and not state.cell("1", "0") and not state.cell("1", "1"):
        return f"None of {counted(state.count, 'label')} is the positive class. Is it written as `predictions.positive` says?"
    if (labelled & predicted).any() or state.matches:
        return None
    names = [", ".join([f'"{state.classes[k]}"' for k in np.flatnonzero(side)[:3]]) for side in (labelled, predicted)]
    return f"No label is a class that is ever predicted: labels are {names[0]}, predictions {names[1]}. Are they coded alike?"
