"""States as columns that SQL reads: counts stand under their names, and columns that are damaged are no state."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from spark_monitor.errors import StateError
from spark_monitor.states.binary import ScoreState
from spark_monitor.states.classes import canonical_labels
from spark_monitor.states.codec import pack
from spark_monitor.states.confusion import ConfusionState
from spark_monitor.states.grid import Grid
from spark_monitor.states.named_arrays import Named, bytes_of, named

DATA = pack("TEST", {"grid": "g"}, {"few": np.array([2, 0, 5]), "many": np.arange(99) % 50, "sums": np.array([0.5, np.nan])})

SPARSE = pack("TEST", {}, {"sums": np.eye(1, 99, 7)[0]})


def test_the_rows_of_each_class_in_a_cell_of_scores_can_be_read_from_columns() -> None:
    random = np.random.default_rng(7)
    labels, scores = random.random(5_000) < 0.3, random.random(5_000)
    grid = Grid.of(np.arange(1, 100) / 100)
    columns = named(ScoreState.empty(grid).update(labels, scores).to_bytes())
    expected = np.bincount(2 * np.searchsorted(grid.edges, scores[labels]), minlength=grid.cells)
    assert columns.counts["positives.cell"].tolist() == np.flatnonzero(expected).tolist()
    assert columns.counts["positives.n"].tolist() == expected[expected > 0].tolist()
    assert columns.counts["negatives.n"].sum() == np.count_nonzero(~labels)


def test_the_classes_of_a_confusion_matrix_stand_among_the_properties() -> None:
    state = ConfusionState.empty().update(canonical_labels(["a", "b", "a", None]), canonical_labels(["a", "a", "b", "b"]))
    columns = named(state.to_bytes())
    assert {"a", "b"} <= set(json.loads(columns.properties or "")["meta"]["classes"])
    assert bytes_of(columns) == state.to_bytes()


@pytest.mark.parametrize("usual", [0.0, np.nan])
def test_numbers_that_are_mostly_zero_or_nan_are_stored_where_they_are_not(usual: float) -> None:
    random = np.random.default_rng(12)
    array = np.full(3_000, usual)
    places = np.sort(random.choice(array.size, 40, replace=False))
    other_nan = np.array([0x7FF8000000000001], dtype=np.uint64).view(np.float64)[0]
    array[places] = [-0.0, other_nan, np.inf, 5e-324, *random.normal(size=36)]
    dense = random.normal(size=3_000)
    data = pack("TEST", {}, {"mostly": array, "dense": dense, "short": np.zeros(8)})
    columns = named(data)
    assert columns.counts["mostly.cell"].tolist() == places.tolist()
    assert columns.numbers["mostly.n"].tobytes() == array[places].tobytes()
    assert {name: values.size for name, values in columns.numbers.items()} == {"mostly.n": 40, "dense": 3_000, "short": 8}
    assert bytes_of(columns) == data


def test_numbers_as_older_releases_stored_them_are_read() -> None:
    array = np.zeros(200)
    array[7] = 1.5
    data = pack("TEST", {}, {"sums": array})
    properties = json.dumps({"tag": "TEST", "meta": {}, "arrays": [["sums", "<f8", 200]]})
    assert bytes_of(Named(properties, {}, {"sums": array})) == data


def changed(columns: Named, **counts: Any) -> Named:
    return replace(columns, counts={**columns.counts, **{name: np.asarray(values) for name, values in counts.items()}})


@pytest.mark.parametrize(
    "damaged",
    [
        replace(named(DATA), properties=None),
        replace(named(DATA), properties="{"),
        replace(named(DATA), properties="[]"),
        replace(named(DATA), properties='{"tag": "TEST", "meta": {}, "arrays": [["few", "<i8", 1099511627776]]}'),
        replace(named(DATA), properties='{"tag": "TEST", "meta": {}, "arrays": [["few", "object", 3]]}'),
        replace(named(DATA), properties='{"tag": "TEST", "meta": {}, "arrays": [["states", "|u1", 3]]}'),
        replace(
            named(DATA), properties='{"tag": "TEST", "meta": {"lengths": [1, 2]}, "arrays": [["states", "|u1", 3]], "states": []}'
        ),
        replace(named(DATA), counts={}),
        replace(named(DATA), numbers={}),
        replace(named(DATA), numbers={"sums": np.zeros(3)}),
        replace(named(SPARSE), properties=(named(SPARSE).properties or "").replace('"zero"', '"one"')),
        changed(named(SPARSE), **{"sums.cell": [0, 99]}),
        changed(named(DATA), few=[1, 2]),
        changed(named(DATA), **{"many.cell": [1, 2], "many.n": [1]}),
        changed(named(DATA), **{"many.cell": [2, 1], "many.n": [1, 1]}),
        changed(named(DATA), **{"many.cell": [-1, 1], "many.n": [1, 1]}),
        changed(named(DATA), **{"many.cell": [1, 99], "many.n": [1, 1]}),
        changed(named(DATA), **{"many.cell": [0.5, 2.0], "many.n": [1, 1]}),
    ],
)
def test_columns_that_are_damaged_are_refused(damaged: Named) -> None:
    with pytest.raises(StateError, match="state"):
        bytes_of(damaged)
