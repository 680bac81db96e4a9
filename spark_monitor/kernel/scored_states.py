"""The kinds of states that a model is measured by: read from the bytes of partial rows, and merged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from spark_monitor.errors import StateError
from spark_monitor.kernel.partial_rows import PARTIAL_SCHEMA
from spark_monitor.states import STATES
from spark_monitor.states.binary import TAG as SCORE_TAG
from spark_monitor.states.binary import ScoreState
from spark_monitor.states.cell_errors import CellErrorsState
from spark_monitor.states.class_scores import ClassScoresState
from spark_monitor.states.codec import tag_of
from spark_monitor.states.confusion import ConfusionState
from spark_monitor.states.coverage import CoverageState
from spark_monitor.states.grid import Grid
from spark_monitor.states.grouped import GroupedState
from spark_monitor.states.paired import TAG as PAIRED_TAG
from spark_monitor.states.paired import PairedState
from spark_monitor.states.regression import RegressionState

COVERAGE, SCORE, CONFUSION, REGRESSION, CLASS_SCORES, GROUPED, PREDICTED, ANSWERS, PAIRED, TREE = range(10)
"""The kinds of states: of labels, of predictions against labels, of all predictions (their classes and scores), and of
predictions for rows that several versions scored. The tree is the labelled baseline's, by which errors are distinguished."""

KIND_NAMES = ("coverage", "score", "confusion", "regression", "class_scores", "grouped", "predicted", "answers", "paired", "tree")

ScoredState = (
    CoverageState
    | ScoreState
    | ConfusionState
    | RegressionState
    | ClassScoresState
    | GroupedState
    | CellErrorsState
    | PairedState
)


def scored_state(kind: int, data: bytes, score_grid: Grid) -> ScoredState:
    """The state that the bytes of a partial row hold."""
    tag = tag_of(data)
    if tag == SCORE_TAG:
        return ScoreState.from_bytes(data, score_grid)
    if tag == PAIRED_TAG:
        return PairedState.from_bytes(data, score_grid)
    if kind not in range(len(KIND_NAMES)) or tag not in STATES:
        raise StateError(f"scored state: kind {kind} with the tag {tag!r} is not read.")
    # The tags whose states are read with a grid are handled above.
    return STATES[tag].from_bytes(data)  # type: ignore[call-arg, return-value]


def merge_scored(batches: Iterable[pa.RecordBatch], score_grid: Grid) -> Iterator[tuple[tuple[Any, ...], dict[int, ScoredState]]]:
    """The states per window, version and slice, from partial rows that are sorted by these."""
    current: tuple[Any, ...] | None = None
    states: dict[int, ScoredState] = {}
    for batch in batches:
        named = [batch.column(name).to_pylist() for name in PARTIAL_SCHEMA.names]
        for window, version, slice_key, value, kind, _, _, data, _, _ in zip(*named, strict=True):
            place = (window, version, slice_key, value)
            if current is not None and place != current:
                yield current, states
                states = {}
            current = place
            state = scored_state(kind, data, score_grid)
            # One kind, one class of state.
            states[kind] = states[kind].merge(state) if kind in states else state  # type: ignore[arg-type]
    if current is not None:
        yield current, states
