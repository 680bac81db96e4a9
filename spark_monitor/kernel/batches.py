"""Several Arrow batches as one, with the means of every pyarrow that the package runs beside (``pa.concat_batches`` is of 19)."""

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
