"""Blocks of numeric states as the columns they are stored in, and back.

Of a state whose sketch holds every value totals, moments and sketch alone are stored, and the rest is derived when it is read:
hours of few rows are many, and a state costs by its bytes, which are written, read and shuffled more often than it is opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from spark_monitor.states.block import stored_fields
from spark_monitor.states.columns import MOMENTS, STATE_SCHEMA, number_column, state_arrays
from spark_monitor.states.derived import Derived, values_of
from spark_monitor.states.distinct import K_WINDOW
from spark_monitor.states.frequent import CAPACITY
from spark_monitor.states.grid import Floats, Grid, Integers
from spark_monitor.states.numeric_block import NumericBlock
from spark_monitor.states.ragged import placed, put
from spark_monitor.states.sketch import Kll

COUNTS: Final = ("count", "num_nulls", "num_nan", "num_positive_inf", "num_negative_inf")
DERIVED: Final = frozenset(
    (*("cells", "distinct_k", "distinct_theta", "distinct_hashes"), *("frequent_values", "frequent_dropped", "frequent_capacity"))
)
"""Columns that are NULL of a state whose sketch holds every value."""


def numeric_block(batch: pa.RecordBatch, grid: Grid, *, exact_to: float = np.inf) -> NumericBlock:
    """The block of stored states, all of this grid; ``exact_to`` as in ``NumericBlock``.

    >>> from spark_monitor.states.numeric import profile_column
    >>> grid = Grid.of([1.0, 2.0])
    >>> columns = numeric_columns(NumericBlock.of([profile_column([3.0, 1.0, 3.0], grid)]))
    >>> stored = pa.RecordBatch.from_arrays(columns, schema=STATE_SCHEMA)
    >>> stored.column("cells").null_count, numeric_block(stored, grid).cells.tolist()
    (1, [3, 6])
    """
    fields, frequent = stored_fields(batch, COUNTS, ("frequent_values", "value"))
    block = NumericBlock(
        **fields,
        grid=grid,
        moments=np.array([number_column(batch, name) for name in MOMENTS], dtype=np.float64),
        frequent_values=np.asarray(frequent, dtype=np.float64),
        sketches=batch.column("sketch").to_pylist(),
        exact_to=exact_to,
    )
    small = np.flatnonzero(batch.column("cells").is_null().to_numpy(zero_copy_only=False))
    return _with_derived(block, small) if small.size else block


def _with_derived(block: NumericBlock, small: Integers) -> NumericBlock:
    """The block with what follows from the sketches of these states; of one whose sketch does not hold all, nothing does."""
    images = _images(block)
    sound, values, offsets = values_of([images[place] for place in small.tolist()], block.finite[small], block.moments[:, small])
    new = Derived.of(values, offsets, block.grid)
    if np.count_nonzero(sound) == len(block):
        return replace(block, **vars(new))
    places = small[sound]
    cell_offsets, cells = put(block.cell_offsets, places, new.cell_offsets)
    frequent_offsets, frequent = put(block.frequent_offsets, places, new.frequent_offsets)
    return replace(
        block,
        cell_offsets=cell_offsets,
        cells=np.concatenate([block.cells, new.cells])[cells],
        cell_counts=np.concatenate([block.cell_counts, new.cell_counts])[cells],
        distinct=block.distinct.put(places, new.distinct),
        frequent_offsets=frequent_offsets,
        frequent_values=np.concatenate([block.frequent_values, new.frequent_values])[frequent],
        frequent_counts=np.concatenate([block.frequent_counts, new.frequent_counts])[frequent],
        dropped=placed(block.dropped, places, new.dropped),
    )


def numeric_columns(block: NumericBlock) -> list[pa.Array]:
    """The columns of ``STATE_SCHEMA``."""
    images = _images(block)
    given = {
        **block.columns(COUNTS, ("frequent_values", "value", pa.array(block.frequent_values))),
        "frequent_capacity": np.full(len(block), CAPACITY, dtype=np.int32),
        **total_columns(block.counts, block.moments, images),
    }
    columns = state_arrays(given, len(block))
    small = _is_small(block, images)
    if not small.any():
        return columns
    return [
        pc.if_else(pa.array(small), pa.scalar(None, array.type), array) if field.name in DERIVED else array
        for field, array in zip(STATE_SCHEMA, columns, strict=True)
    ]


def total_columns(counts: Integers, moments: Floats, images: Sequence[bytes | None] | pa.Array) -> dict[str, Any]:
    """The columns of counts and moments (of the form of ``NumericBlock``) and of sketches."""
    return {
        **dict(zip(COUNTS, counts, strict=True)),
        **{name: pa.array(row, mask=np.isnan(row)) for name, row in zip(MOMENTS, moments, strict=True)},
        "sketch": images if isinstance(images, pa.Array) else pa.array(images, pa.binary()),
    }


def _is_small(block: NumericBlock, images: Sequence[bytes | None]) -> npt.NDArray[np.bool_]:
    """Whether cells, distinct and frequent values follow from the image of a state's sketch."""
    whole: npt.NDArray[np.bool_] = (block.distinct.k == K_WINDOW) & (block.distinct.theta == 0)
    return whole & values_of(images, block.finite, block.moments)[0]


def _images(block: NumericBlock) -> list[bytes | None]:
    return [
        sketch.to_bytes() if isinstance(sketch, Kll) else sketch if isinstance(sketch, bytes) else None
        for sketch in block.sketches
    ]
