"""Labels against the baseline's labels: rows of ``metrics`` from the stored states of labels and answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.catalogue.interval import Interval
from spark_monitor.catalogue.measurement import MEASUREMENT_DDL, batch_of_measurements, measurements
from spark_monitor.catalogue.metric import Metric, metric_of
from spark_monitor.distances.label_shift import LabelBlock, label_shift
from spark_monitor.kernel.scored_states import CONFUSION, COVERAGE, REGRESSION, ScoredState
from spark_monitor.stages.scored_rows import PLACE, Presentation, stored_states
from spark_monitor.states.confusion import ConfusionState
from spark_monitor.states.regression import RegressionState
from spark_monitor.store.rows import BASELINE_GRANULARITY

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

METRIC: Metric = metric_of(label_shift)
NO_BASELINE = "NO_BASELINE", "The baseline has no labels of these rows to compare with."
NO_PREDICTIONS = "UNDEFINED", "No labelled row has a prediction."
NO_LABELS = "NO_LABELS"
Kinds = Mapping[int, ScoredState]


def label_measurements(states: DataFrame, presentation: Presentation) -> DataFrame:
    """Rows of MEASUREMENT_DDL: the labels of every window, version and slice against the baseline's of the same slice.

    ``states`` (columns of `PLACE`, kind, state) hold the baseline's, under its own granularity.
    """

    why = presentation.no_labels

    def measured(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        baseline: tuple[Any, Kinds] = (None, {})
        for place, kinds in stored_states(batches, presentation):
            if place[0] == BASELINE_GRANULARITY:
                baseline = place[3:5], kinds
            else:
                yield batch_of_measurements(label_rows(place, kinds, baseline[1] if baseline[0] == place[3:5] else {}, why))

    kinds = F.col("kind").isin("coverage", "confusion", "regression")
    ordered = states.where(kinds).select(*PLACE, "kind", "state", (F.col("granularity") != BASELINE_GRANULARITY).alias("later"))
    sorted_rows = ordered.repartition("slice_key", "slice_value").sortWithinPartitions(
        "slice_key", "slice_value", "later", "granularity", "start", "model_version", "kind"
    )
    return sorted_rows.mapInArrow(measured, MEASUREMENT_DDL)


def label_rows(place: tuple[Any, ...], kinds: Kinds, baseline: Kinds, no_labels: str = "") -> list[dict[str, Any]]:
    """The measurement of one window, version and slice; ``no_labels`` says why labels cannot be read, where they cannot."""
    names = dict(zip(PLACE, place, strict=True))
    labelled = int(getattr(kinds.get(COVERAGE), "labelled", 0))
    absent = ("ERROR", no_labels) if no_labels else (NO_LABELS, "No row has a label yet.")
    compared = _compared(kinds, baseline, labelled) if labelled else _undefined(*absent, 0)
    return measurements([names], METRIC, compared, column_name=TABLE_ROW, basis="BASELINE")


def _compared(kinds: Kinds, baseline: Kinds, labelled: int) -> Interval:
    for number in (REGRESSION, CONFUSION):
        before, now = baseline.get(number), kinds.get(number)
        if now is not None and not _counted(now):
            return _undefined(*NO_PREDICTIONS, labelled)
        if now is not None and (before is None or not _counted(before)):
            return _undefined(*NO_BASELINE, labelled)
        if isinstance(before, RegressionState) and isinstance(now, RegressionState):
            return Interval.of(label_shift(_numbers(before), _numbers(now)))
        if isinstance(before, ConfusionState) and isinstance(now, ConfusionState):
            names = sorted({*before.classes, *now.classes})
            return Interval.of(label_shift(_classes(before, names), _classes(now, names)))
    return _undefined("UNDEFINED", "Labels are not counted by their values.", labelled)


def _counted(state: ScoredState) -> float:
    """Rows of a state whose labels are counted: those that have a prediction."""
    return state.usable if isinstance(state, RegressionState) else state.count


def _undefined(status: str, message: str, count: int) -> Interval:
    nothing = np.full(1, np.nan)
    return Interval(nothing, nothing, nothing, nothing, np.array([count]), [status], [message])


def _numbers(state: RegressionState) -> LabelBlock:
    state = state.effective()
    rows = int(state.usable)
    deviation = np.sqrt(state.label_m2 / (rows - 1)) if rows > 1 else np.nan
    return LabelBlock(np.array([rows]), mean=np.array([state.label_mean]), deviation=np.array([deviation]))


def _classes(state: ConfusionState, names: Sequence[str]) -> LabelBlock:
    """The labelled rows of each class, and last those of classes beyond the counted ones."""
    labelled = state.effective().labelled
    labelled_rows = dict(zip(state.classes, labelled.tolist(), strict=False))
    rest = max(labelled.sum().item() - sum(labelled_rows.values()), 0)
    counts = np.array([[*(labelled_rows.get(name, 0) for name in names), rest]])
    return LabelBlock(counts.sum(axis=1), counts)
