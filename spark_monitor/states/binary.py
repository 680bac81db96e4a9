"""The state of scores against yes-or-no labels: exact counts per cell of the score, and the sums behind the probability metrics.

From the cells follow the area under the ROC curve with a certified error and every metric at a threshold that is an edge. A cell
between two edges in which all rows have one and the same score is remembered by that score (its atom), so that models which
give few distinct scores lose nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from spark_monitor.errors import StateError
from spark_monitor.states.codec import Arrays, pack, unpack
from spark_monitor.states.grid import Floats, Grid, Integers
from spark_monitor.states.probabilities import CALIBRATION_BINS, LOSSES, bins_of, counted, losses_of
from spark_monitor.states.score_grids import default_score_grid, former_ids
from spark_monitor.states.stored import counts as integer_counts
from spark_monitor.states.stored import floats, pairs, weights_of
from spark_monitor.states.sums import add_pairs
from spark_monitor.states.weighting import Weighting, added, by_label

TAG = "SCOR"
_CHUNK = 1 << 16


@dataclass(frozen=True, eq=False)
class ScoreState:
    """Labelled rows by label and cell of the score.

    ``positives`` and ``negatives`` int64[2B+1] count rows per cell, ``atoms`` float64[B+1] is the only score in an open cell
    (nan: none or several), ``unscored`` int64[2] counts negative and positive rows whose score is NaN or null, ``out_of_range``
    the scores outside [0, 1], which are ranked but are no probabilities. ``losses`` float64[4, 2] are exact sums of log loss,
    its square, squared error and its square; the bins (equal width, closed above, as in scikit-learn's ``calibration_curve``)
    hold counts, positives, sums of scores and of squared errors. Losses and bins are over scores in [0, 1]. ``cubes`` float64[2]
    are sums of the third powers of log loss and squared error. With ``weighting`` the cells, bins and sums hold weights, and are
    of scored rows; ``unscored`` and ``out_of_range`` count rows, and ``unscored_weights`` float64[3] are the weights of negative
    and positive rows without a score, and the sum of their squares.

    >>> state = ScoreState.empty(Grid.of([0.5])).update(np.array([True, False, True]), np.array([0.9, 0.2, np.nan]))
    >>> state.count, state.positives.tolist(), state.negatives.tolist(), state.unscored.tolist()
    (3, [0, 0, 0, 0, 1], [0, 0, 1, 0, 0], [0, 1])
    """

    grid: Grid
    positives: Integers
    negatives: Integers
    atoms: Floats
    unscored: Integers
    out_of_range: int
    losses: Floats
    bin_counts: Integers
    bin_positives: Integers
    bin_scores: Floats
    bin_squares: Floats
    cubes: Floats
    weighting: Weighting | None = None
    unscored_weights: Floats | None = None

    @classmethod
    def empty(cls, grid: Grid | None = None) -> ScoreState:
        """The state of no row on this grid, the default one where none is given."""
        return _of_chunk(grid or default_score_grid(), np.zeros(0, dtype=np.bool_), np.zeros(0))

    def update(self, labels: npt.ArrayLike, scores: npt.ArrayLike, *, weights: Floats | None = None) -> ScoreState:
        """This state and more rows: whether each is positive, bool[n], and its score, float64[n], NaN where it has none."""
        truth = np.asarray(labels, dtype=np.bool_).ravel()
        values = np.asarray(scores, dtype=np.float64).ravel()
        if truth.size != values.size:
            raise StateError(f"score state: {truth.size} labels and {values.size} scores.")
        state = self
        for start in range(0, truth.size, _CHUNK):
            chunk = slice(start, start + _CHUNK)
            state = state.merge(_of_chunk(self.grid, truth[chunk], values[chunk], None if weights is None else weights[chunk]))
        return state

    def merge(self, other: ScoreState) -> ScoreState:
        """The state of both; both must be on the same grid."""
        if self.grid is not other.grid and self.grid.grid_id != other.grid.grid_id:
            raise StateError(f"score state: on grid {self.grid.grid_id}, cannot be merged with one on {other.grid.grid_id}.")
        return ScoreState(
            grid=self.grid,
            positives=self.positives + other.positives,
            negatives=self.negatives + other.negatives,
            atoms=_merged_atoms(self, other),
            unscored=self.unscored + other.unscored,
            out_of_range=self.out_of_range + other.out_of_range,
            losses=add_pairs(self.losses, other.losses),
            bin_counts=self.bin_counts + other.bin_counts,
            bin_positives=self.bin_positives + other.bin_positives,
            bin_scores=add_pairs(self.bin_scores, other.bin_scores),
            bin_squares=add_pairs(self.bin_squares, other.bin_squares),
            cubes=self.cubes + other.cubes,
            weighting=added(self.weighting, self.scored, other.weighting, other.scored),
            unscored_weights=_added_weights(self, other),
        )

    def effective(self) -> ScoreState:
        """This state as one of as many equal rows as its weights are worth; itself where rows have no weights."""
        if self.weighting is None:
            return self
        names = ("positives", "negatives", "losses", "bin_counts", "bin_positives", "bin_scores", "bin_squares", "cubes")
        scaled = {name: getattr(self, name) * self.weighting.scale for name in names}
        scale = self.weighting.scale or 1.0
        left = None if self.unscored_weights is None else self.unscored_weights * np.array([scale, scale, scale * scale])
        return replace(self, **scaled, weighting=None, unscored_weights=left)

    # What nearly every metric asks for is summed once: a state does not change.
    @cached_property
    def positive_rows(self) -> float:
        """Positive rows with a score, an integer where rows have no weights."""
        total: float = self.positives.sum().item()
        return total

    @cached_property
    def negative_rows(self) -> float:
        """Negative rows with a score, an integer where rows have no weights."""
        total: float = self.negatives.sum().item()
        return total

    @cached_property
    def used_cells(self) -> Integers:
        """The cells that hold rows, in increasing order."""
        return np.flatnonzero(self.positives + self.negatives > 0)

    @property
    def scored(self) -> int:
        """Number of rows with a score."""
        if self.weighting is not None:
            return self.weighting.rows
        # Of an ``effective`` state it is what the weights are worth, no integer.
        return self.positive_rows + self.negative_rows  # type: ignore[return-value]

    @property
    def count(self) -> int:
        """Number of labelled rows, with a score or without."""
        return self.scored + int(self.unscored.sum())

    @property
    def labelled(self) -> tuple[float, float]:
        """Positive rows among all labelled ones, with a score or without; of weighted rows as many equal ones as they are worth.

        >>> ScoreState.empty().update([True, False], [0.9, np.nan], weights=np.array([2.0, 2.0])).labelled
        (1.0, 2.0)
        """
        if self.unscored_weights is None:
            return float(self.positive_rows + self.unscored[1]), float(self.count)
        negative, positive, squares = self.unscored_weights.tolist()
        scored = self.weighting or Weighting(0, float(self.scored), float(self.scored))
        both = scored + Weighting(0, negative + positive, squares)
        return (self.positive_rows + positive) * both.scale, both.effective

    @property
    def probabilities(self) -> int:
        """Number of rows whose score lies in [0, 1]."""
        return self.scored - self.out_of_range

    @property
    def nbytes(self) -> int:
        """Memory that the state's arrays take, the shared grid not counted."""
        values = (getattr(self, one.name) for one in fields(self))
        return sum(value.nbytes for value in values if isinstance(value, np.ndarray))

    def to_bytes(self) -> bytes:
        """The state's bytes; the grid itself is not among them."""
        meta: dict[str, Any] = {"grid": self.grid.grid_id, "out_of_range": self.out_of_range}
        if self.weighting is not None:
            meta["weights"] = self.weighting.stored()
        arrays: dict[str, npt.NDArray[Any]] = {
            **({} if self.unscored_weights is None else {"unscored_weights": self.unscored_weights}),
            "positives": self.positives,
            "negatives": self.negatives,
            "atoms": self.atoms,
            "unscored": self.unscored,
            "losses": self.losses.ravel(),
            "bin_counts": self.bin_counts,
            "bin_positives": self.bin_positives,
            "bin_scores": self.bin_scores.ravel(),
            "bin_squares": self.bin_squares.ravel(),
            "cubes": self.cubes,
        }
        return pack(TAG, meta, arrays)

    @classmethod
    def from_bytes(cls, data: bytes, grid: Grid) -> ScoreState:
        """The state that ``to_bytes`` wrote on this grid."""
        meta, arrays = unpack(data, TAG)
        if meta.get("grid") != grid.grid_id and meta.get("grid") not in former_ids(grid):
            raise StateError(f"score state: was made on grid {meta.get('grid')}, the grid given is {grid.grid_id}.")
        return _restored(meta, arrays, grid)


def _of_chunk(grid: Grid, labels: npt.NDArray[np.bool_], scores: Floats, weights: Floats | None = None) -> ScoreState:
    missing = np.isnan(scores)
    unscored = np.bincount(labels[missing], minlength=2).astype(np.int64)
    left = None if weights is None else by_label(labels[missing], weights[missing])
    if missing.any():
        labels, scores = labels[~missing], scores[~missing]
        weights = None if weights is None else weights[~missing]
    codes = _cells(grid, scores)
    per_cell = counted(codes * 2 + labels, weights, 2 * grid.cells).reshape(-1, 2)
    weighting = None if weights is None else Weighting.of(weights)
    atoms = _atoms(grid, codes, scores)
    inside = (scores >= 0.0) & (scores <= 1.0)
    outside = int(scores.size - np.count_nonzero(inside))
    if outside:
        labels, scores = labels[inside], scores[inside]
        weights = None if weights is None else weights[inside]
    squared = np.square(labels - scores)
    bins = bins_of(labels, scores, squared, weights)
    losses, cubes = losses_of(labels, scores, squared, weights)
    positives, negatives = per_cell[:, 1].copy(), per_cell[:, 0].copy()
    return ScoreState(grid, positives, negatives, atoms, unscored, outside, losses, *bins, cubes, weighting, left)


def _added_weights(first: ScoreState, second: ScoreState) -> Floats | None:
    """The weights without a score of both; rows of a part without weights count once each."""
    if first.weighting is None and second.weighting is None:
        return None
    plain = (np.append(state.unscored, state.unscored.sum()).astype(np.float64) for state in (first, second))
    sides = zip((first.unscored_weights, second.unscored_weights), plain, strict=True)
    total: Floats = np.sum([rows if weights is None else weights for weights, rows in sides], axis=0)
    return total


def _cells(grid: Grid, scores: Floats) -> Integers:
    """The cell of every score; the infinities are beyond the last edges."""
    finite = np.isfinite(scores)
    if finite.all():
        return grid.codes(scores)
    codes = np.where(scores > 0, grid.cells - 1, 0).astype(np.int64)
    codes[finite] = grid.codes(scores[finite])
    return codes


def _atoms(grid: Grid, codes: Integers, scores: Floats) -> Floats:
    atoms = np.full(grid.edges.size + 1, np.nan)
    rows = np.flatnonzero(codes & 1 == 0)
    cells, values = codes[rows] >> 1, scores[rows]
    # The last row of a cell names it; any row that differs from it shows that the cell holds several scores.
    atoms[cells] = values
    atoms[cells[atoms[cells] != values]] = np.nan
    return atoms


def _merged_atoms(first: ScoreState, second: ScoreState) -> Floats:
    there, here = (state.positives[::2] + state.negatives[::2] > 0 for state in (first, second))
    same = np.where(first.atoms == second.atoms, first.atoms, np.nan)
    return np.where(~there, second.atoms, np.where(~here, first.atoms, same))


def _restored(meta: Mapping[str, Any], arrays: Arrays, grid: Grid) -> ScoreState:
    outside = meta.get("out_of_range")
    if not isinstance(outside, int) or outside < 0:
        raise StateError(f"score state: {outside!r} scores out of range is not a count.")
    weighting = Weighting.restored(meta.get("weights"))
    counts: Any = integer_counts if weighting is None else weights_of
    state = ScoreState(
        grid=grid,
        positives=counts(arrays, "positives", grid.cells),
        negatives=counts(arrays, "negatives", grid.cells),
        atoms=floats(arrays, "atoms", grid.edges.size + 1),
        unscored=integer_counts(arrays, "unscored", 2),
        out_of_range=outside,
        losses=pairs(arrays, "losses", LOSSES),
        bin_counts=counts(arrays, "bin_counts", CALIBRATION_BINS),
        bin_positives=counts(arrays, "bin_positives", CALIBRATION_BINS),
        bin_scores=pairs(arrays, "bin_scores", CALIBRATION_BINS),
        bin_squares=pairs(arrays, "bin_squares", CALIBRATION_BINS),
        cubes=floats(arrays, "cubes", 2),
        weighting=weighting,
        unscored_weights=weights_of(arrays, "unscored_weights", 3) if "unscored_weights" in arrays else None,
    )
    whole = weighting is not None or state.bin_counts.sum() == state.probabilities
    if not whole or (state.bin_positives > state.bin_counts * (1 + 1e-9)).any():
        raise StateError("score state: its bins do not add up to its cells.")
    return state
