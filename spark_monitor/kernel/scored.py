"""One task of measuring a model: predictions with their labels in, the states of scores against labels out.

The batches hold, in this order: the time (microseconds), the model version, the slice values, then label, prediction, score,
number of label rows and whether these contradict each other. A row without a label counts towards coverage alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spark_monitor.errors import StateError
from spark_monitor.kernel.groups import Codes, Segments
from spark_monitor.kernel.partials import OTHER, PARTIAL_SCHEMA, batched, segment_of
from spark_monitor.kernel.spans import chunks, one_array
from spark_monitor.kernel.tables import WHOLE
from spark_monitor.states.binary import ScoreState
from spark_monitor.states.classes import BINARY_CLASSES, ClassCodes, canonical_label, canonical_labels, threshold_classes
from spark_monitor.states.confusion import ConfusionState
from spark_monitor.states.coverage import CoverageState
from spark_monitor.states.grid import Floats, Grid, Integers
from spark_monitor.states.regression import RegressionState

COVERAGE, SCORE, CONFUSION, REGRESSION = range(4)
FIRST_SLICE = 2
BYTE_BUDGET = 512 << 20
_STATE_BYTES = 120 << 10

ScoredState = CoverageState | ScoreState | ConfusionState | RegressionState
StateKey = tuple[int, int, int, int]


@dataclass(frozen=True)
class ScoredPlan:
    """What a task must know: windows as in a profile, the slices, the model's task and how its answers are read."""

    edges: tuple[int, ...]
    windows: tuple[tuple[int, ...], ...]
    task: str
    positive: object
    threshold: float
    score_grid: Grid
    has_score: bool
    has_prediction: bool
    slice_keys: int = 0
    slice_values: tuple[frozenset[str] | None, ...] = ()
    byte_budget: int = BYTE_BUDGET


@dataclass(frozen=True)
class _Answers:
    """The labels and answers of a chunk's labelled rows, in the form that the model's task needs."""

    rows: Integers
    labels: ClassCodes | None
    predictions: ClassCodes | None
    scores: Floats | None
    label_numbers: Floats | None
    predicted_numbers: Floats | None


class ScoredTask:
    """Gathers the states of one partition."""

    def __init__(self, plan: ScoredPlan, part: int) -> None:
        self._plan, self._part, self._sequence = plan, part, 0
        self._versions = Codes()
        self._slices = [Codes(known=known, rest=OTHER) for known in plan.slice_values or [None] * plan.slice_keys]
        self._edges = np.array(plan.edges, dtype=np.int64)
        self._wanted = np.array([bool(windows) for windows in plan.windows])
        self._states: dict[StateKey, ScoredState] = {}

    def run(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Partial rows of all batches, flushed when the states pass the byte budget."""
        for chunk in chunks(batches):
            self.add(chunk)
            if len(self._states) * _STATE_BYTES > self._plan.byte_budget:
                yield from self.flush()
        yield from self.flush()

    def add(self, chunk: pa.Table) -> None:
        """Add a chunk of rows."""
        window = segment_of(chunk.column(0), self._edges, self._wanted)
        inside = window >= 0
        if not inside.all():
            chunk, window = chunk.filter(pa.array(inside)), window[inside]
        if not chunk.num_rows:
            return
        group = self._versions.encode(one_array(chunk.column(1))) * self._wanted.size + window
        answers = self._answers(chunk)
        self._add_segments(WHOLE, Segments.of(group), 1, answers, chunk)
        for key, codes in enumerate(self._slices):
            values = codes.encode(one_array(chunk.column(FIRST_SLICE + key)))
            stride = max(len(codes.texts), 1)
            self._add_segments(key, Segments.of(group * stride + values), stride, answers, chunk)

    def _answers(self, chunk: pa.Table) -> _Answers:
        """Everything that is read of labels and answers, once for all slices."""
        label, prediction, score = (one_array(column) for column in chunk.columns[FIRST_SLICE + self._plan.slice_keys :][:3])
        rows = np.flatnonzero(~_flags(label.is_null()))
        if self._plan.task == "regression":
            return _Answers(rows, None, None, None, _numbers(label), _numbers(prediction))
        labels = canonical_labels(label)
        scores = _numbers(score) if self._plan.has_score else None
        if self._plan.has_prediction:
            predictions = canonical_labels(prediction)
        elif scores is not None:
            predictions = threshold_classes(scores, self._plan.threshold)
        else:
            raise StateError("scored rows: neither a prediction nor a score is there to be judged.")
        if self._plan.task == "binary":
            labels = _yes_or_no(labels, self._plan.positive)
            predictions = _yes_or_no(predictions, self._plan.positive) if self._plan.has_prediction else predictions
        return _Answers(rows, labels, predictions, scores, None, None)

    def _add_segments(self, key: int, segments: Segments, stride: int, answers: _Answers, chunk: pa.Table) -> None:
        order = np.arange(chunk.num_rows) if segments.order is None else segments.order
        labelled = np.zeros(chunk.num_rows, dtype=bool)
        labelled[answers.rows] = True
        first = FIRST_SLICE + self._plan.slice_keys + 3
        label_rows = np.asarray(pc.fill_null(one_array(chunk.column(first)), 0).to_numpy(zero_copy_only=False), dtype=np.int64)
        conflicts = _flags(pc.fill_null(one_array(chunk.column(first + 1)), False))
        for position, code in enumerate(segments.codes.tolist()):
            rows = order[segments.bounds[position] : segments.bounds[position + 1]]
            own = rows[labelled[rows]]
            duplicates = int(np.maximum(label_rows[own] - 1, 0).sum())
            coverage = CoverageState(rows.size, own.size, duplicates, int(conflicts[own].sum()))
            self._merge((key, *divmod(code, stride), COVERAGE), coverage)
            self._measure((key, *divmod(code, stride)), own, answers)

    def _measure(self, place: tuple[int, int, int], rows: Integers, answers: _Answers) -> None:
        if self._plan.task == "regression" and answers.label_numbers is not None and answers.predicted_numbers is not None:
            errors = RegressionState.empty().update(answers.label_numbers[rows], answers.predicted_numbers[rows])
            self._merge((*place, REGRESSION), errors)
            return
        if answers.labels is None or answers.predictions is None:
            return
        labels = answers.labels.select(rows)
        self._merge((*place, CONFUSION), ConfusionState.empty().update(labels, answers.predictions.select(rows)))
        if self._plan.task == "binary" and answers.scores is not None:
            positive = np.asarray(labels.codes == BINARY_CLASSES.index("1"))
            self._merge((*place, SCORE), ScoreState.empty(self._plan.score_grid).update(positive, answers.scores[rows]))

    def _merge(self, key: StateKey, state: ScoredState) -> None:
        # The key's last part says of which class a state is, so both are of one.
        before = self._states.get(key)
        self._states[key] = state if before is None else before.merge(state)  # type: ignore[arg-type]

    def flush(self) -> Iterator[pa.RecordBatch]:
        """The states as partial rows, in batches of bounded size; the task then holds nothing."""
        yield from batched(self._partials(), PARTIAL_SCHEMA)
        self._states = {}

    def _partials(self) -> Iterator[tuple[object, ...]]:
        for (key, group, value, kind), state in self._states.items():
            version, segment = divmod(group, self._wanted.size)
            text = None if key == WHOLE else self._slices[key].texts[value]
            for window in self._plan.windows[segment]:
                self._sequence += 1
                stamp = (self._part, self._sequence)
                yield (window, self._versions.texts[version], key, text, kind, *stamp, state.to_bytes(), None, None)


def scored_state(kind: int, data: bytes, score_grid: Grid) -> ScoredState:
    """The state that the bytes of a partial row hold."""
    if kind == SCORE:
        return ScoreState.from_bytes(data, score_grid)
    readers = {COVERAGE: CoverageState, CONFUSION: ConfusionState, REGRESSION: RegressionState}
    return readers[kind].from_bytes(data)  # type: ignore[attr-defined, no-any-return]


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
            states[kind] = states[kind].merge(state) if kind in states else state  # type: ignore[arg-type]
    if current is not None:
        yield current, states


def _yes_or_no(codes: ClassCodes, positive: object) -> ClassCodes:
    """Whether each class is the positive one; rows without a class stay without."""
    wanted = canonical_label(positive)
    is_positive = np.array([name == wanted for name in codes.classes], dtype=np.int64)
    numbers = np.append(is_positive, -1)[codes.codes]
    return ClassCodes(numbers, BINARY_CLASSES)


def _flags(array: pa.Array) -> np.ndarray:
    return np.asarray(array.to_numpy(zero_copy_only=False), dtype=bool)


def _numbers(array: pa.Array) -> Floats:
    """Doubles, NaN where there is no number; booleans are 0 and 1."""
    kind = array.type
    if pa.types.is_null(kind):
        return np.full(len(array), np.nan)
    if pa.types.is_boolean(kind):
        array = array.cast(pa.uint8())
    doubles = array.cast(pa.float64(), safe=False)
    return np.asarray(pc.fill_null(doubles, float("nan")).to_numpy(zero_copy_only=False), dtype=np.float64)
