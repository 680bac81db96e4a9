"""Errors of a predicted number by what was predicted: the rows of each cell of the prediction, and what those with a label err.

The labelled baseline says how large errors are in each cell; a window without labels says how its rows are spread over the
cells. Together they say what error is to be expected.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spark_monitor.errors import StateError
from spark_monitor.states.codec import pack, unpack
from spark_monitor.states.grid import Floats, Grid, Integers
from spark_monitor.states.stored import counts, floats

TAG = "CERR"
MOST_CELLS = 48
_SUMS = 4
ERROR, ABSOLUTE, SQUARED, FOURTH = range(_SUMS)


def cell_edges(grid: Grid | None) -> tuple[float, ...]:
    """At most 48 edges out of a grid's, equally far apart in their order: as the grid's, they hold about equal mass.

    >>> cell_edges(Grid.of([1.0, 2.0, 3.0]))
    (0.0, 1.0, 2.0, 3.0)
    """
    if grid is None or not grid.edges.size:
        return (0.0,)
    places = np.unique(np.linspace(0, grid.edges.size - 1, min(MOST_CELLS, grid.edges.size)).round().astype(np.int64))
    return tuple(grid.edges[places].tolist())


@dataclass(frozen=True, eq=False)
class CellErrorsState:
    """``rows`` int64[B+1] with a finite prediction per cell, ``labelled`` int64[B+1] of them with a finite label, and
    ``sums`` float64[4, B+1] of their error, |error|, error^2 and error^4. ``predictions`` float64[2] are the sums of all finite
    predictions and of their squares; NaN where a state that was stored without them is part of it.

    >>> state = CellErrorsState.empty((0.0,)).update(np.array([1.0, np.nan]), np.array([2.0, -1.0]))
    >>> state.rows.tolist(), state.labelled.tolist(), state.sums[ABSOLUTE].tolist()
    ([1, 1], [0, 1], [0.0, 1.0])
    """

    edges: tuple[float, ...]
    rows: Integers
    labelled: Integers
    sums: Floats
    predictions: Floats

    @classmethod
    def empty(cls, edges: tuple[float, ...]) -> CellErrorsState:
        """The state of no row."""
        size = len(edges) + 1
        return cls(edges, np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64), np.zeros((_SUMS, size)), np.zeros(2))

    def update(self, labels: npt.ArrayLike, predictions: npt.ArrayLike, places: npt.ArrayLike | None = None) -> CellErrorsState:
        """This state and more rows, float64[n] each; a row without a label (NaN) counts by its prediction alone.

        ``places`` say where rows stand between the edges, such as the leaves of a tree; else the predictions do.
        """
        truth, guess = np.asarray(labels, dtype=np.float64), np.asarray(predictions, dtype=np.float64)
        usable = np.isfinite(guess)
        truth, guess = truth[usable], guess[usable]
        stand = guess if places is None else np.asarray(places, dtype=np.float64)[usable]
        cells, size = np.searchsorted(np.array(self.edges), stand, side="right"), len(self.edges) + 1
        labelled_rows = np.isfinite(truth)
        with np.errstate(over="ignore", invalid="ignore"):
            errors = (guess - truth)[labelled_rows]
            powers = (errors, np.abs(errors), np.square(errors), np.square(np.square(errors)))
            summed = [np.bincount(cells[labelled_rows], weights=power, minlength=size) for power in powers]
            sums = np.stack(summed).astype(np.float64)
            predicted = np.array([guess.sum(), np.square(guess).sum()])
        rows, labelled = (np.bincount(one, minlength=size).astype(np.int64) for one in (cells, cells[labelled_rows]))
        return self.merge(CellErrorsState(self.edges, rows, labelled, sums, predicted))

    def merge(self, other: CellErrorsState) -> CellErrorsState:
        """The state of both; both must be of the same cells."""
        if self.edges != other.edges:
            raise StateError("errors by cell: of other cells, they cannot be merged.")
        with np.errstate(over="ignore", invalid="ignore"):
            predictions = self.predictions + other.predictions
        return CellErrorsState(
            self.edges, self.rows + other.rows, self.labelled + other.labelled, self.sums + other.sums, predictions
        )

    @property
    def count(self) -> int:
        """Rows with a prediction."""
        return int(self.rows.sum())

    def to_bytes(self) -> bytes:
        """The state's bytes."""
        arrays = {"edges": np.array(self.edges), "rows": self.rows, "labelled": self.labelled, "sums": self.sums.ravel()}
        arrays["predictions"] = self.predictions
        return pack(TAG, {}, arrays)

    @classmethod
    def from_bytes(cls, data: bytes) -> CellErrorsState:
        """The state that ``to_bytes`` wrote."""
        _, arrays = unpack(data, TAG)
        edges = floats(arrays, "edges")
        size = edges.size + 1
        rows, labelled = (counts(arrays, name, size) for name in ("rows", "labelled"))
        if (np.diff(edges) <= 0).any() or np.isnan(edges).any() or (labelled > rows).any():
            raise StateError("errors by cell: edges that do not increase, or more labels than rows.")
        sums = floats(arrays, "sums", _SUMS * size).reshape(_SUMS, size)
        predictions = floats(arrays, "predictions", 2) if "predictions" in arrays else np.full(2, np.nan)
        return cls(tuple(edges.tolist()), rows, labelled, sums, predictions)
