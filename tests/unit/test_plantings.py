"""The examination of diagnoses plants what it says it plants, and scores what it sees."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.plantings.examine import Task, planted, score
from benchmarks.plantings.faults import possible
from benchmarks.plantings.tables import SHAPES, START


@pytest.mark.parametrize("name", ["payments", "sensors"])
def test_faults_change_the_rows_of_their_windows_alone(name: str) -> None:
    shape = SHAPES[name]
    clean, _ = planted(Task(shape, "plain", 3, ()))
    for fault in possible(shape):
        rows, places = planted(Task(shape, "plain", 3, (fault,)))
        place, time = places[0], shape.role("time")
        windows = ((rows[time] - START) // shape.window).to_numpy()
        untouched = (windows < place.first) | (windows > place.last)
        assert untouched.mean() > 0.2
        assert rows.loc[~untouched, shape.numbers[0]].size > 0
        assert set(np.unique(windows)) <= set(range(shape.windows)), fault
        assert place.expected is not None
    assert len(clean) == shape.windows * shape.per_window


def test_a_planting_is_right_where_one_incident_names_it() -> None:
    task = Task(SHAPES["payments"], "plain", 3, ("stuck",))
    place = planted(task)[1][0]
    assert place.expected is not None
    key, value = place.expected.slice or (None, None)
    right: dict[str, Any] = {
        "kind": "stuck",
        "column_name": place.expected.columns[0],
        "slice_key": key,
        "slice_value": value,
        "opened": START + place.first * task.shape.window,
        "diagnosis": "It is stuck.",
        "members": [],
        "causes": [],
    }

    assert score(task, place, [right])["right"]
    assert score(task, place, [])["wrong"] == ["0 incidents"]
    assert score(task, place, [right, right])["wrong"] == ["2 incidents"]
    assert score(task, place, [{**right, "kind": "drift"}])["wrong"] == ["kind drift"]
