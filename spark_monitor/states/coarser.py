"""Score states on fewer edges: the counts of cells that lie in one cell of a coarser grid are added."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from spark_monitor.errors import StateError
from spark_monitor.states.binary import ScoreState
from spark_monitor.states.grid import Floats, Grid, Integers


def on_grid(state: ScoreState, grid: Grid) -> ScoreState:
    """The same rows on a grid all of whose edges are edges of the state's.

    >>> fine = ScoreState.empty(Grid.of([0.25, 0.5])).update([True, False, True], [0.25, 0.3, 0.9])
    >>> found = on_grid(fine, Grid.of([0.5]))
    >>> found.positives.tolist(), found.negatives.tolist(), found.atoms.tolist()
    ([0, 0, 1, 0, 1], [0, 0, 1, 0, 0], [nan, nan, 0.9])
    """
    if grid.grid_id == state.grid.grid_id:
        return state
    edges = state.grid.edges
    if not np.isin(grid.edges, edges).all():
        raise StateError(f"score state: grid {grid.grid_id} has edges that grid {state.grid.grid_id} has not.")
    codes = np.empty(state.grid.cells, dtype=np.int64)
    codes[1::2] = grid.codes(edges)
    codes[:-1:2] = codes[1::2] & ~1  # an open cell lies in the one that ends at the edge above it, or that holds this edge
    codes[-1] = grid.cells - 1
    positives, negatives = (_added(side, codes, grid.cells) for side in (state.positives, state.negatives))
    return replace(state, grid=grid, positives=positives, negatives=negatives, atoms=_atoms(state, codes, grid))


def _added(counts: npt.NDArray[Any], codes: Integers, cells: int) -> npt.NDArray[Any]:
    added = np.zeros(cells, dtype=counts.dtype)
    np.add.at(added, codes, counts)
    return added


def _atoms(state: ScoreState, codes: Integers, grid: Grid) -> Floats:
    """The only score in each open cell of the coarser grid, of which the state's cells have these codes."""
    only = np.empty(state.grid.cells)
    only[::2], only[1::2] = state.atoms, state.grid.edges
    used = np.flatnonzero((state.positives + state.negatives > 0) & (codes & 1 == 0))
    atoms = np.full(grid.edges.size + 1, np.nan)
    places, counted = np.unique(codes[used] >> 1, return_counts=True)
    atoms[codes[used] >> 1] = only[used]
    atoms[places[counted > 1]] = np.nan
    return atoms
