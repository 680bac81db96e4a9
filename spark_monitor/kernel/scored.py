"""One task of measuring a model: predictions with their labels in, the states of scores against labels out.

The batches hold, in this order: the time (microseconds), the model version, the slice values, then label, prediction, score,
number of label rows, whether these contradict each other, when the label came (microseconds), weight, the ends of a predicted
interval, the group (a hash), the versions that scored the same row and its part (`states/paired.py`), and the score of each
class. A row without a label counts towards coverage, and towards the states of predictions: which classes are predicted, and with
which scores.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spark_monitor.errors import StateError
from spark_monitor.estimation.error_tree import ErrorTree
from spark_monitor.kernel.groups import Codes, Segments
from spark_monitor.kernel.labelled_rows import (
    COLUMNS,
    LabelledRows,
    delays_of,
    doubles_of,
    flags_of,
    places_of,
    relevances_of,
    sharers_of,
    stacked,
    whole_groups,
    yes_or_no,
)
from spark_monitor.kernel.partial_rows import PARTIAL_SCHEMA, batched
from spark_monitor.kernel.partials import OTHER, segment_of
from spark_monitor.kernel.ranked_groups import Place, RankedGroups
from spark_monitor.kernel.scored_states import (
    ANSWERS,
    CLASS_SCORES,
    CONFUSION,
    COVERAGE,
    GROUPED,
    PAIRED,
    PREDICTED,
    REGRESSION,
    SCORE,
    ScoredState,
)
from spark_monitor.kernel.spans import chunks, one_array
from spark_monitor.kernel.tables import WHOLE
from spark_monitor.states.binary import ScoreState
from spark_monitor.states.cell_errors import CellErrorsState
from spark_monitor.states.class_scores import ClassScoresState
from spark_monitor.states.classes import BINARY_CLASSES, canonical_labels, threshold_classes
from spark_monitor.states.confusion import ConfusionState
from spark_monitor.states.coverage import CoverageState
from spark_monitor.states.grid import Grid, Integers
from spark_monitor.states.magnitudes import Magnitudes
from spark_monitor.states.paired import PARTS, Answered, PairedState
from spark_monitor.states.regression import RegressionState

FIRST_SLICE = 2
BYTE_BUDGET = 512 << 20
_STATE_BYTES = 120 << 10


StateKey = tuple[int, int, int, int]


@dataclass(frozen=True)
class ScoredPlan:
    """What a task must know: windows as in a profile, the slices, the model's task and how its predictions are read."""

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
    classes: tuple[str, ...] = ()
    group_k: int | None = None
    weighted: bool = False
    predicted: bool = False
    answers: bool = False
    error_edges: tuple[float, ...] = ()
    paired: bool = False
    error_tree: ErrorTree | None = None


class ScoredTask:
    """Gathers the states of one partition."""

    def __init__(self, plan: ScoredPlan, part: int) -> None:
        self._plan, self._part, self._sequence = plan, part, 0
        self._versions = Codes()
        self._slices = [Codes(kept=values, rest=OTHER) for values in plan.slice_values or [None] * plan.slice_keys]
        self._edges = np.array(plan.edges, dtype=np.int64)
        self._wanted = np.array([bool(windows) for windows in plan.windows])
        self._states: dict[StateKey, ScoredState] = {}
        self._ranked = None if plan.group_k is None else RankedGroups(plan.windows, plan.group_k)

    def run(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Partial rows of all batches, flushed when the states pass the byte budget."""
        rows = chunks(batches)
        for chunk in rows if self._plan.group_k is None else whole_groups(rows, self._place("group")):
            self.add(chunk)
            if len(self._states) * _STATE_BYTES + self._paired_bytes() > self._plan.byte_budget:
                yield from self.flush()
        yield from self.flush()

    def _paired_bytes(self) -> int:
        return sum(state.nbytes for state in self._states.values() if isinstance(state, PairedState)) if self._plan.paired else 0

    def add(self, chunk: pa.Table) -> None:
        """Add a chunk of rows."""
        window = segment_of(chunk.column(0), self._edges, self._wanted)
        inside = window >= 0
        if not inside.all():
            chunk, window = chunk.filter(pa.array(inside)), window[inside]
        if not chunk.num_rows:
            return
        versions = self._versions.encode(one_array(chunk.column(1)))
        group, keyed = versions * self._wanted.size + window, [(WHOLE, 1, versions)]
        scored = self._labelled_rows(chunk)
        self._add_segments(WHOLE, Segments.of(group), 1, scored, chunk)
        for key, codes in enumerate(self._slices):
            values = codes.encode(one_array(chunk.column(FIRST_SLICE + key)))
            stride = max(len(codes.strings), 1)
            self._add_segments(key, Segments.of(group * stride + values), stride, scored, chunk)
            keyed.append((key, stride, versions * stride + values))
        if self._ranked is not None:
            self._ranked.add(window, keyed, scored)

    def _labelled_rows(self, chunk: pa.Table) -> LabelledRows:
        """Everything that is read of labels and predictions, once for all slices."""
        label, prediction, score = (one_array(column) for column in chunk.columns[FIRST_SLICE + self._plan.slice_keys :][:3])
        rows = np.flatnonzero(~flags_of(label.is_null()))
        rest = self._rest(chunk, label, prediction, score)
        if self._plan.task == "regression":
            return LabelledRows(rows, None, None, None, doubles_of(label), doubles_of(prediction), **rest)
        labels = canonical_labels(label)
        scores = doubles_of(score) if self._plan.has_score else None
        if self._plan.has_prediction:
            predictions = canonical_labels(prediction)
        elif scores is not None:
            predictions = threshold_classes(scores, self._plan.threshold)
        else:
            raise StateError("scored rows: neither a prediction nor a score is there to be judged.")
        if self._plan.task == "binary":
            labels = yes_or_no(labels, self._plan.positive)
            predictions = yes_or_no(predictions, self._plan.positive) if self._plan.has_prediction else predictions
        if self._plan.classes:
            rest["class_scores"] = stacked(chunk, self._place(COLUMNS[-1]) + 1, len(self._plan.classes))
            rest["label_places"], rest["predicted_places"] = (
                places_of(side, self._plan.classes) for side in (labels, predictions)
            )
        return LabelledRows(rows, labels, predictions, scores, None, None, **rest)

    def _place(self, name: str) -> int:
        """The column of a chunk that holds this."""
        return FIRST_SLICE + self._plan.slice_keys + COLUMNS.index(name)

    def _rest(self, chunk: pa.Table, label: pa.Array, prediction: pa.Array, score: pa.Array) -> dict[str, Any]:
        """What only some monitors have: weights (0 where there is none), predicted intervals, groups."""
        rest: dict[str, Any] = {"weights": None}
        if self._plan.weighted:
            weights = doubles_of(one_array(chunk.column(self._place("weight"))))
            rest["weights"] = np.where(np.isfinite(weights) & (weights > 0), weights, 0.0)
        if self._plan.task == "regression":
            rest["leaves"] = self._leaves(chunk)
            rest["lower"], rest["upper"] = (doubles_of(one_array(chunk.column(self._place(name)))) for name in ("lower", "upper"))
        if self._plan.group_k is not None:
            group = one_array(chunk.column(self._place("group")))
            rest["groups"] = np.asarray(pc.fill_null(group, 0).to_numpy(zero_copy_only=False), dtype=np.int64)
            rest["relevances"] = relevances_of(label, self._plan.task, self._plan.positive)
            # Rows of no group are ranked with no others.
            ranked_by = doubles_of(score if self._plan.has_score else prediction)
            rest["ranked_by"] = np.where(flags_of(group.is_null()), np.nan, ranked_by)
        if self._plan.paired:
            rest["sharers"], rest["shared"] = sharers_of(
                *(one_array(chunk.column(self._place(name))) for name in ("versions", "part"))
            )
        return rest

    def _leaves(self, chunk: pa.Table) -> Integers | None:
        """The leaf of each row in the tree of errors, whose features stand last."""
        tree = self._plan.error_tree
        return None if tree is None else tree.leaf_of(stacked(chunk, self._place(COLUMNS[-1]) + 1, len(tree.names)))

    def _add_segments(self, key: int, segments: Segments, stride: int, scored: LabelledRows, chunk: pa.Table) -> None:
        order = np.arange(chunk.num_rows) if segments.order is None else segments.order
        labelled = np.zeros(chunk.num_rows, dtype=bool)
        labelled[scored.rows] = True
        first = FIRST_SLICE + self._plan.slice_keys + 3
        label_rows = np.asarray(pc.fill_null(one_array(chunk.column(first)), 0).to_numpy(zero_copy_only=False), dtype=np.int64)
        conflicts = flags_of(pc.fill_null(one_array(chunk.column(first + 1)), False))
        seconds = delays_of(one_array(chunk.column(0)), one_array(chunk.column(first + 2)))
        for position, code in enumerate(segments.codes.tolist()):
            rows = order[segments.bounds[position] : segments.bounds[position + 1]]
            labelled_rows = rows[labelled[rows]]
            duplicates = int(np.maximum(label_rows[labelled_rows] - 1, 0).sum())
            delays = Magnitudes.of(seconds[labelled_rows][~np.isnan(seconds[labelled_rows])])
            coverage = CoverageState(rows.size, labelled_rows.size, duplicates, int(conflicts[labelled_rows].sum()), delays)
            place = (key, *divmod(code, stride))
            self._merge((*place, COVERAGE), coverage)
            # A row without weight is no part of a metric, but its label has come.
            judged = scored.weighed(labelled_rows)
            for kind, state in self._labelled_states(judged, scored):
                self._merge((*place, kind), state)
            self._add_predictions(place, rows, scored)
            if key == WHOLE and scored.shared is not None:
                self._pair(place, judged, scored)

    def _add_predictions(self, place: tuple[int, int, int], rows: Integers, scored: LabelledRows) -> None:
        """Add the states of all predictions, labelled or not."""
        plan = self._plan
        if plan.answers and scored.predicted_numbers is not None and scored.label_numbers is not None:
            leaves = None if scored.leaves is None else scored.leaves[rows]
            numbers = scored.label_numbers[rows], scored.predicted_numbers[rows]
            errors = CellErrorsState.empty(plan.error_edges).update(*numbers, leaves)
            self._merge((*place, ANSWERS), errors)
        if plan.predicted and scored.predictions is not None:
            judged = scored.weighed(rows)
            predicted, weights = scored.predictions.select(judged), scored.weights_of(judged)
            self._merge((*place, PREDICTED), ConfusionState.empty().update(predicted, predicted, weights=weights))
        if not plan.answers or scored.predictions is None:
            return
        present = scored.weighed(rows[scored.predictions.present[rows]])
        key, weights = (*place, ANSWERS), scored.weights_of(present)
        if plan.classes and scored.class_scores is not None and scored.predicted_places is not None:
            answered = scored.predicted_places[present], scored.class_scores[present]
            self._merge(key, ClassScoresState.empty(plan.classes).update(*answered, weights=weights))
        elif plan.task == "binary" and scored.scores is not None:
            is_positive = np.asarray(scored.predictions.codes[present] == BINARY_CLASSES.index("1"))
            self._merge(key, ScoreState.empty(plan.score_grid).update(is_positive, scored.scores[present], weights=weights))

    def _pair(self, place: tuple[int, int, int], rows: Integers, scored: LabelledRows) -> None:
        """The states of rows that other versions scored too, by these versions and by the part that a row's id gives."""
        if scored.shared is None or scored.sharers is None:
            return
        rows = rows[scored.shared[rows] >= 0]
        for number in np.unique(scored.shared[rows]).tolist():
            versions, part = divmod(number, PARTS)
            states = [state for _, state in self._labelled_states(rows[scored.shared[rows] == number], scored)]
            name = scored.sharers.strings[versions]
            if states and name is not None:
                self._merge((*place, PAIRED), PairedState.empty().update(name, part, states))

    def _labelled_states(self, rows: Integers, scored: LabelledRows) -> Iterator[tuple[int, Answered]]:
        """The states of predictions against labels of some labelled rows."""
        weights = scored.weights_of(rows)
        if self._plan.task == "regression" and scored.label_numbers is not None and scored.predicted_numbers is not None:
            ends = {name: one[rows] for name, one in (("lower", scored.lower), ("upper", scored.upper)) if one is not None}
            numbers = scored.label_numbers[rows], scored.predicted_numbers[rows]
            yield REGRESSION, RegressionState.empty().update(*numbers, weights=weights, **ends)
            return
        if scored.labels is None or scored.predictions is None:
            return
        labels = scored.labels.select(rows)
        yield CONFUSION, ConfusionState.empty().update(labels, scored.predictions.select(rows), weights=weights)
        if scored.class_scores is not None and scored.label_places is not None:
            state = ClassScoresState.empty(self._plan.classes)
            yield CLASS_SCORES, state.update(scored.label_places[rows], scored.class_scores[rows], weights=weights)
        if self._plan.task == "binary" and scored.scores is not None:
            positive = np.asarray(labels.codes == BINARY_CLASSES.index("1"))
            yield SCORE, ScoreState.empty(self._plan.score_grid).update(positive, scored.scores[rows], weights=weights)

    def _merge(self, key: StateKey, state: ScoredState) -> None:
        # The key's last part says of which class a state is, so both are of one.
        before = self._states.get(key)
        self._states[key] = state if before is None else before.merge(state)  # type: ignore[arg-type]

    def flush(self) -> Iterator[pa.RecordBatch]:
        """The states as partial rows, in batches of bounded size; the task then holds nothing."""
        yield from batched(self._partials(), PARTIAL_SCHEMA)
        self._states = {}
        self._ranked = None if self._plan.group_k is None else RankedGroups(self._plan.windows, self._plan.group_k)

    def _partials(self) -> Iterator[tuple[object, ...]]:
        for (key, group, value, kind), state in self._states.items():
            version, segment = divmod(group, self._wanted.size)
            for window in self._plan.windows[segment]:
                yield self._partial((key, version, window, value), kind, state)
        for place, ranked in ({} if self._ranked is None else self._ranked.states).items():
            yield self._partial(place, GROUPED, ranked)

    def _partial(self, place: Place, kind: int, state: ScoredState) -> tuple[object, ...]:
        key, version, window, value = place
        text = None if key == WHOLE else self._slices[key].strings[value]
        self._sequence += 1
        named = (window, self._versions.strings[version], key, text, kind)
        return (*named, self._part, self._sequence, state.to_bytes(), None, None)
