"""Arrow batches joined and changed, with the means of every pyarrow that the package runs beside.

``pa.concat_batches`` is of pyarrow 19, ``set_column`` and ``drop_columns`` of batches are of 16.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa


def one_batch(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """The rows of all batches of one schema in their order; a column of more bytes than an array can hold is Arrow's error.

    >>> one_batch([pa.RecordBatch.from_pydict({"x": values}) for values in ([1, 2], [3])]).column("x").to_pylist()
    [1, 2, 3]
    """
    first = batches[0]
    if len(batches) == 1:
        return first
    columns = [pa.concat_arrays([batch.column(place) for batch in batches]) for place in range(first.num_columns)]
    return pa.RecordBatch.from_arrays(columns, schema=first.schema)


def with_column(batch: pa.RecordBatch, place: int, field: pa.Field, values: pa.Array) -> pa.RecordBatch:
    """The batch with another column at a place.

    >>> with_column(pa.RecordBatch.from_pydict({"x": [1], "y": [2]}), 0, pa.field("z", pa.int64()), pa.array([3])).to_pylist()
    [{'z': 3, 'y': 2}]
    """
    columns = [*batch.columns[:place], values, *batch.columns[place + 1 :]]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema.set(place, field))
