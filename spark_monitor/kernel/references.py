"""States against references: each with the merge of the states of one or several windows before it.

States come sorted by column, slice, version, granularity, reference and window, those that are referred to before the one that is
compared. A reference of several windows is their merge.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.distances.compare import compared
from spark_monitor.kernel.batches import one_batch
from spark_monitor.kernel.comparison import ComparePlan, arrow_numbers, drift_schema
from spark_monitor.kernel.pairs import GROUP, PLACE, begins
from spark_monitor.kernel.state_rows import Block, by_column, opened
from spark_monitor.states.categorical import CategoricalState
from spark_monitor.states.categorical_block import CategoricalBlock
from spark_monitor.states.columns import sql_type
from spark_monitor.states.numeric import NumericState
from spark_monitor.states.numeric_block import NumericBlock

SERIES = (*GROUP, "model_version", "granularity", "baseline_name", "start")
CHUNK_STATES = 512
NO_REFERENCE = "The windows of this reference hold no rows to compare with."


def reference_schema(metrics: tuple[str, ...] = ()) -> pa.Schema:
    """The columns of compared pairs and the reference's name."""
    return drift_schema(metrics).append(pa.field("baseline_name", pa.string()))


def reference_ddl(metrics: tuple[str, ...] = ()) -> str:
    """The same as Spark writes it."""
    return ", ".join(f"{field.name} {sql_type(field.type)}" for field in reference_schema(metrics))


class ReferenceComparison:
    """Compares the states of a sorted stream with those of their references."""

    def __init__(self, plan: ComparePlan) -> None:
        self._plan = plan
        self._schema = reference_schema(plan.metrics)

    def batches(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The drift rows of batches of states."""
        for chunk in whole_groups(batches):
            for name, rows in by_column(chunk):
                column = self._plan.columns.get(name)
                if name != TABLE_ROW and column is not None and column.frame_id is not None:
                    of_column = chunk.take(pa.array(rows))
                    yield self._compared(of_column, opened(of_column, column, exact_to=self._plan.exact_to.get(name, np.inf)))

    def _compared(self, rows: pa.RecordBatch, states: Any) -> pa.RecordBatch:
        groups = np.cumsum(begins(rows, SERIES)) - 1
        is_current = np.asarray(rows.column("is_current").to_numpy(zero_copy_only=False), dtype=np.bool_)
        referred: dict[int, list[int]] = {}
        for row in np.flatnonzero(~is_current & (states.places >= 0)).tolist():
            referred.setdefault(int(groups[row]), []).append(row)
        current = np.flatnonzero(is_current)
        has = np.isin(groups[current], list(referred)) & (states.places[current] >= 0)
        valid = current[has]
        parts = [self._absent(rows, current[~has], states)]
        if valid.size:
            references = [states.places[referred[int(group)]] for group in groups[valid]]
            distances = compared(
                merged(states.block, references), states.block.take(states.places[valid]), self._plan.entries(states.block.kind)
            )
            ends = [[rows.column(edge)[referred[int(group)][place]].as_py() for group in groups[valid]] for edge, place in _ENDS]
            columns = {name: arrow_numbers(column) for name, column in distances.columns.items()}
            columns |= {f"cmp_{edge[4:]}": pa.array(values, pa.int64()) for (edge, _), values in zip(_ENDS, ends, strict=True)}
            parts.append(self._batch(rows, valid, columns, (distances.status, distances.message)))
        return one_batch(parts)

    def _absent(self, rows: pa.RecordBatch, places: np.ndarray, states: Any) -> pa.RecordBatch:
        broken = [states.errors[place] for place in places.tolist()]
        status = ["NO_PREVIOUS" if error is None else "ERROR" for error in broken]
        return self._batch(rows, places, {}, (status, [error or NO_REFERENCE for error in broken]))

    def _batch(
        self, rows: pa.RecordBatch, places: np.ndarray, columns: dict[str, Any], reason: tuple[Any, Any]
    ) -> pa.RecordBatch:
        given: dict[str, Any] = {
            **{name: rows.column(name).take(pa.array(places)) for name in (*PLACE, *GROUP, "drift_type", "baseline_name")},
            "status": pa.array(reason[0], pa.string()),
            "message": pa.array(reason[1], pa.string()),
            **columns,
        }
        arrays = [given[one.name] if one.name in given else pa.nulls(places.size, one.type) for one in self._schema]
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)


_ENDS = (("own_start", 0), ("own_end", -1))
"""The reference's own edges: where its first window begins and its last one ends."""


def merged(block: Block, places: Sequence[np.ndarray]) -> Block:
    """The block of references: states as they are, or the merges of several."""
    if all(one.size == 1 for one in places):
        return block.take(np.concatenate(places))
    states = block.states()
    if isinstance(block, NumericBlock):
        numbers = [reduce(NumericState.merge, [states[place] for place in one]) for one in places]
        return NumericBlock.of(numbers)
    categories = [reduce(CategoricalState.merge, [states[place] for place in one]) for one in places]
    return CategoricalBlock.of(categories)


def whole_groups(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Chunks that hold all rows of each of their groups."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held += [batch] if batch.num_rows else []
        if sum(one.num_rows for one in held) < CHUNK_STATES:
            continue
        chunk = one_batch(held)
        last = int(np.flatnonzero(begins(chunk, SERIES))[-1])
        if last:
            yield chunk.slice(0, last)
        held = [chunk.slice(last)]
    if held:
        yield one_batch(held)
