"""The state of predicted classes against labelled ones: exact, sparse counts of (label, prediction).

Classes are found as they come. At most ``MAX_CLASSES`` are kept: the first in the order of their strings, because that choice
does not depend on how the rows were cut into parts. All others count as ``OTHER``; how many rows were right is counted before
that, so accuracy stays exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from spark_monitor.errors import StateError
from spark_monitor.states.classes import NO_CLASS, ClassCodes
from spark_monitor.states.codec import Arrays, pack, unpack
from spark_monitor.states.grid import Floats, Integers
from spark_monitor.states.stored import counts, integers, weights_of
from spark_monitor.states.weighting import Weighting, added

TAG = "CONF"
MAX_CLASSES = 1000
OTHER = "(other)"
_TABLE = 1 << 12


@dataclass(frozen=True, eq=False)
class ConfusionState:
    """Labelled rows by labelled and predicted class.

    ``classes`` are in the order of their strings; ``labels``, ``predictions`` int64[m] are positions in it (-1: another class)
    and ``counts`` int64[m] the rows of each pair, none of them 0; ``matches`` are the rows whose prediction is the label;
    ``unpredicted`` the rows that have a label and no prediction; ``overflowed`` says that classes were left out. With
    ``weighting`` ``counts`` and ``matches`` are weights, of which ``scale`` says what they were multiplied by.

    >>> labels, predictions = (ClassCodes(np.array(codes), ("0", "1")) for codes in ([1, 0, 1, 1], [1, 1, 1, -1]))
    >>> state = ConfusionState.empty().update(labels, predictions)
    >>> state.count, state.matches, state.unpredicted, state.matrix.tolist()
    (3, 2, 1, [[0, 1], [0, 2]])
    """

    classes: tuple[str, ...]
    labels: Integers
    predictions: Integers
    counts: Integers
    matches: int
    unpredicted: int
    overflowed: bool
    weighting: Weighting | None = None
    scale: float = 1.0

    @classmethod
    def empty(cls) -> ConfusionState:
        """The state of no row."""
        nothing = np.zeros(0, dtype=np.int64)
        return cls((), nothing, nothing, nothing, 0, 0, False)

    def update(self, labels: ClassCodes, predictions: ClassCodes, *, weights: Floats | None = None) -> ConfusionState:
        """This state and more rows; rows without a label do not count."""
        if labels.codes.size != predictions.codes.size:
            raise StateError(f"confusion state: {labels.codes.size} labels and {predictions.codes.size} predictions.")
        usable = labels.present & predictions.present
        unpredicted = int(np.count_nonzero(labels.present & ~predictions.present))
        classes = tuple(sorted(set(labels.classes) | set(predictions.classes)))
        truth, guess = (_moved(codes.codes[usable], codes.classes, classes) for codes in (labels, predictions))
        pairs = truth * len(classes) + guess
        if weights is None:
            matches: float = int(np.count_nonzero(truth == guess))
            pairs, rows = _counted(pairs, len(classes) ** 2)
            part = _kept(classes, *np.divmod(pairs, max(len(classes), 1)), rows, matches, unpredicted, overflowed=False)
            return self.merge(part)
        used = weights[usable]
        part = _kept(classes, truth, guess, used, float(used[truth == guess].sum()), unpredicted, overflowed=False)
        return self.merge(replace(part, weighting=Weighting.of(used)))

    def merge(self, other: ConfusionState) -> ConfusionState:
        """The state of both."""
        classes = self.classes if self.classes == other.classes else tuple(sorted(set(self.classes) | set(other.classes)))
        merged = _kept(
            classes,
            np.concatenate([_moved(state.labels, state.classes, classes) for state in (self, other)]),
            np.concatenate([_moved(state.predictions, state.classes, classes) for state in (self, other)]),
            np.concatenate([self.counts, other.counts]),
            self.matches + other.matches,
            self.unpredicted + other.unpredicted,
            overflowed=self.overflowed or other.overflowed,
        )
        weighting = added(self.weighting, self.count, other.weighting, other.count)
        return merged if weighting is None else replace(merged, weighting=weighting)

    def effective(self) -> ConfusionState:
        """This state as one of as many equal rows as its weights are worth; itself where rows have no weights."""
        if self.weighting is None:
            return self
        scale = self.weighting.scale
        scaled: dict[str, Any] = {"counts": self.counts * scale, "matches": self.matches * scale}
        return replace(self, **scaled, weighting=None, scale=scale)

    @property
    def count(self) -> int:
        """Number of rows with a label and a prediction."""
        if self.weighting is not None:
            return self.weighting.rows
        total = self.counts.sum()
        # Of an ``effective`` state it is what the weights are worth, no integer.
        return int(total) if self.counts.dtype.kind == "i" else float(total)  # type: ignore[return-value]

    @cached_property
    def labelled(self) -> Integers:
        """Rows per labelled class, int64[K], and last those of the other classes."""
        return self._totals(self.labels, self.counts)

    @cached_property
    def predicted(self) -> Integers:
        """Rows per predicted class, int64[K], and last those of the other classes."""
        return self._totals(self.predictions, self.counts)

    @cached_property
    def correct(self) -> Integers:
        """Rows per class whose prediction is the label, int64[K], and last those of the other classes."""
        right = (self.labels == self.predictions) & (self.labels != NO_CLASS)
        totals = self._totals(self.labels[right], self.counts[right])
        totals[NO_CLASS] = max(self.matches - totals.sum(), 0)
        return totals

    @property
    def matrix(self) -> Integers:
        """The counts as int64[K, K] over the kept classes, labels down and predictions across."""
        size = len(self.classes)
        kept = (self.labels != NO_CLASS) & (self.predictions != NO_CLASS)
        matrix = np.zeros((size, size), dtype=self.counts.dtype)
        matrix[self.labels[kept], self.predictions[kept]] = self.counts[kept]
        return matrix

    def cell(self, label: str, prediction: str) -> int:
        """The rows of one pair of classes.

        >>> ConfusionState.empty().cell("0", "1")
        0
        """
        if label not in self.classes or prediction not in self.classes:
            return 0
        pair = (self.labels == self.classes.index(label)) & (self.predictions == self.classes.index(prediction))
        count: int = self.counts[pair].sum().item()
        return count

    def name(self, position: int) -> str:
        """The class at a position."""
        return OTHER if position == NO_CLASS else self.classes[position]

    def _totals(self, positions: Integers, rows: Integers) -> Integers:
        totals = np.zeros(len(self.classes) + 1, dtype=self.counts.dtype)
        np.add.at(totals, positions, rows)
        return totals

    def to_bytes(self) -> bytes:
        """The state's bytes."""
        meta: dict[str, Any] = {
            "classes": list(self.classes),
            "matches": self.matches,
            "unpredicted": self.unpredicted,
            "overflowed": self.overflowed,
        }
        if self.weighting is not None:
            meta["weights"] = self.weighting.stored()
        arrays: dict[str, npt.NDArray[Any]] = {
            "labels": self.labels,
            "predictions": self.predictions,
            "counts": self.counts,
        }
        return pack(TAG, meta, arrays)

    @classmethod
    def from_bytes(cls, data: bytes) -> ConfusionState:
        """The state that ``to_bytes`` wrote."""
        meta, arrays = unpack(data, TAG)
        try:
            return _restored(meta, arrays)
        except (KeyError, ValueError, TypeError) as error:
            raise StateError(f"confusion state: damaged ({type(error).__name__}: {error}).") from error


def _counted(numbers: Integers, limit: int) -> tuple[Integers, Integers]:
    """The numbers below ``limit`` that occur, and how often; by a table while it is no larger than the rows or small."""
    if limit > max(numbers.size, _TABLE):
        cells, rows = np.unique(numbers, return_counts=True)
        return cells, rows.astype(np.int64)
    table = np.bincount(numbers, minlength=1).astype(np.int64)
    cells = np.flatnonzero(table)
    return cells, table[cells]


def _moved(positions: Integers, old: tuple[str, ...], new: tuple[str, ...]) -> Integers:
    """Positions among other classes, of which the old ones are a part."""
    if old == new:
        return positions
    place = {name: position for position, name in enumerate(new)}
    table = np.array([*(place[name] for name in old), NO_CLASS], dtype=np.int64)
    return table[positions]


def _kept(
    classes: tuple[str, ...],
    labels: Integers,
    predictions: Integers,
    rows: npt.NDArray[Any],
    matches: float,
    unpredicted: int,
    *,
    overflowed: bool,
) -> ConfusionState:
    """Equal pairs added up, unused classes dropped, and only the first ``MAX_CLASSES`` classes kept."""
    used = np.zeros(len(classes) + 1, dtype=np.bool_)
    used[labels] = used[predictions] = True
    places = np.flatnonzero(used[:-1])
    overflowed = overflowed or places.size > MAX_CLASSES
    places = places[:MAX_CLASSES]
    table = np.full(len(classes) + 1, NO_CLASS, dtype=np.int64)
    table[places] = np.arange(places.size)
    # Shifted by one, so that "another class" is 0 and a pair is one non-negative number.
    width = places.size + 1
    pairs = (table[labels] + 1) * width + table[predictions] + 1
    cells, where = np.unique(pairs, return_inverse=True)
    totals = np.zeros(cells.size, dtype=np.float64 if rows.dtype.kind == "f" else np.int64)
    np.add.at(totals, where, rows)
    kept = tuple(classes[place] for place in places)
    return ConfusionState(
        kept,
        cells // width - 1,
        cells % width - 1,
        totals,
        matches,  # type: ignore[arg-type]  # of weighted rows a sum of weights
        unpredicted,
        overflowed,
    )


def _restored(meta: Mapping[str, Any], arrays: Arrays) -> ConfusionState:
    classes = tuple(meta["classes"])
    weighting = Weighting.restored(meta.get("weights"))
    rows: npt.NDArray[Any] = counts(arrays, "counts") if weighting is None else weights_of(arrays, "counts")
    labels, predictions = (integers(arrays, name, rows.size) for name in ("labels", "predictions"))
    matches, unpredicted, overflowed = meta["matches"], meta["unpredicted"], meta["overflowed"]
    if not all(isinstance(name, str) for name in classes) or list(classes) != sorted(set(classes)) or len(classes) > MAX_CLASSES:
        raise StateError("confusion state: its classes are not distinct strings in order.")
    for positions in (labels, predictions):
        if positions.size and (positions.min() < NO_CLASS or positions.max() >= len(classes)):
            raise StateError("confusion state: a pair names a class that is not there.")
    whole = isinstance(matches, int) or (weighting is not None and isinstance(matches, float))
    if not (whole and isinstance(unpredicted, int) and isinstance(overflowed, bool)):
        raise StateError("confusion state: its counts are not integers.")
    if matches < 0 or unpredicted < 0 or matches > rows.sum() * (1 + 1e-9):
        raise StateError(f"confusion state: {matches} matches and {unpredicted} rows without a prediction cannot be.")
    return ConfusionState(classes, labels, predictions, rows, matches, unpredicted, overflowed, weighting)
