"""The most frequent values of many states at once: exact for the baseline's atoms and categories, never too high otherwise."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spark_monitor.states.categorical_block import CategoricalBlock
from spark_monitor.states.frequent import SHOWN
from spark_monitor.states.grid import Floats, Integers
from spark_monitor.states.numeric_block import NumericBlock
from spark_monitor.states.ragged import offsets_of, owners, packed

EXACT_INTEGER = 2.0**53
FREQUENT_ITEMS = pa.list_(pa.struct([("item", pa.string()), ("count", pa.int64())]))


def numeric_items(block: NumericBlock) -> pa.ListArray:
    """Every state's list of (item, count), at most ``SHOWN``, the most frequent first, equal counts in the order of values."""
    edge = block.cells % 2 == 1
    owner, values = owners(block.cell_offsets)[edge], block.grid.edges[block.cells[edge] // 2]
    rest = owners(block.frequent_offsets)
    # The cells count an edge exactly, so what the list of frequent values says of it is left out.
    at = np.minimum(np.searchsorted(block.grid.edges, block.frequent_values), block.grid.edges.size - 1)
    listed = block.grid.edges[at] != block.frequent_values
    with_sketch = np.array([sketch is not None for sketch in block.sketches], dtype=np.bool_)
    listed &= ~with_sketch[rest] | (block.frequent_counts > block.dropped[rest])
    # Where the least and the greatest are one value, every finite row holds it, whatever else is known: slices keep no list.
    constant = np.flatnonzero((block.finite > 0) & (block.min == block.max))
    constant = constant[~np.isin(constant, np.concatenate([owner, rest[listed]]))]
    owner = np.concatenate([owner, rest[listed], constant])
    counts = np.concatenate([block.cell_counts[edge], block.frequent_counts[listed], block.finite[constant]])
    items = np.concatenate([values, block.frequent_values[listed], block.min[constant]])
    shown, offsets = _ranked(owner, counts, items, len(block))
    return _items(offsets, _strings(items[shown]), counts[shown])


def categorical_items(block: CategoricalBlock) -> pa.ListArray:
    """Every state's list of (item, count), at most ``SHOWN``, the most frequent first, equal counts in the order of strings."""
    categories = block.categories.texts
    owner, rest = owners(block.cell_offsets), owners(block.frequent_offsets)
    positions = block.categories.positions(block.frequent_texts) if categories else np.full(rest.size, -1)
    listed = np.flatnonzero((positions < 0) & (block.frequent_counts > block.dropped[rest]))
    names = pa.concat_arrays(
        [
            pa.array(categories, pa.string()).take(pa.array(block.cells)),
            block.frequent_texts.cast(pa.string()).take(pa.array(listed)),
        ]
    )
    counts = np.concatenate([block.cell_counts, block.frequent_counts[listed]])
    order = np.asarray(pc.rank(names, sort_keys="ascending", tiebreaker="dense"), dtype=np.float64)
    shown, offsets = _ranked(np.concatenate([owner, rest[listed]]), counts, order, len(block))
    return _items(offsets, names.take(pa.array(shown)), counts[shown])


def _ranked(owner: Integers, counts: Integers, order: Floats, states: int) -> tuple[Integers, Integers]:
    """The places of the most frequent entries, state by state, and the offsets of the states among them."""
    ranking = np.lexsort((order, -counts, owner))
    sizes = np.bincount(owner, minlength=states)
    within = np.arange(ranking.size) - np.repeat(offsets_of(sizes)[:-1], sizes)
    return ranking[within < SHOWN], offsets_of(np.minimum(sizes, SHOWN))


def _items(offsets: Integers, names: pa.Array, counts: Integers) -> pa.ListArray:
    entries = pa.StructArray.from_arrays([names, pa.array(counts, pa.int64())], names=["item", "count"])
    return packed(offsets, entries)


def _strings(values: Floats) -> pa.Array:
    """Numbers as strings; each that occurs is written once."""
    unique, inverse = np.unique(values, return_inverse=True)
    return pa.array([number_text(value) for value in unique.tolist()], pa.string()).take(pa.array(inverse))


def number_text(value: float) -> str:
    """A number as a person writes it: no point where it is whole.

    >>> number_text(3.0), number_text(0.1)
    ('3', '0.1')
    """
    return str(int(value)) if value == int(value) and abs(value) < EXACT_INTEGER else repr(value)
