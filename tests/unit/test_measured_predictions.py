"""States of the model's predictions to measurements: every state has a row, with a number or with the reason for none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from spark_monitor.catalogue.measurement import MEASUREMENT_SCHEMA
from spark_monitor.kernel.comparison import BASELINE, INPUT_SCHEMA, ComparePlan
from spark_monitor.kernel.measured_predictions import MeasuredPredictions
from spark_monitor.kernel.plan import KernelColumn
from spark_monitor.kernel.state_rows import state_columns
from spark_monitor.stages.first_pass import grid_of
from spark_monitor.states.columns import STATE_SCHEMA
from spark_monitor.states.grid import Grid
from spark_monitor.states.numeric import NumericState

CLASSES = np.repeat([0.0, 1.0], [600, 400])


def stream(column: KernelColumn, states: list[tuple[NumericState, dict[str, Any]]]) -> pa.RecordBatch:
    given = state_columns([state for state, _ in states])
    known = dict(zip(STATE_SCHEMA.names, given, strict=True))
    rows = [
        {
            "column_name": column.name,
            "grid_id": column.frame_id,
            "wanted": [],
            "model_version": "1",
            "granularity": "1 day",
            **about,
        }
        for _, about in states
    ]
    arrays = [
        known[field.name] if field.name in known else pa.array([row.get(field.name) for row in rows], field.type)
        for field in INPUT_SCHEMA
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=INPUT_SCHEMA)


def test_answers_are_measured_and_those_without_a_baseline_say_so() -> None:
    grid = grid_of(NumericState.empty(Grid.trivial()).update(CLASSES))
    column = KernelColumn("predicted", grid)
    empty = NumericState.empty(grid)
    wanted = {"is_current": True, "wanted": [BASELINE]}
    batch = stream(
        column,
        [
            (empty.update(CLASSES), {"is_current": False, "granularity": None, "model_version": None}),
            (empty.update(np.repeat([0.0, 1.0], [50, 50])), {**wanted, "start": 0, "end": 1}),
            (empty.update(CLASSES[:10]), {**wanted, "start": 0, "end": 1, "slice_key": "origin", "slice_value": "JFK"}),
        ],
    )
    plan = ComparePlan(columns={"predicted": column}, apart={}, frozen=("predicted",), exact_to={}, metrics=("ks",))

    found = [row for out in MeasuredPredictions(plan).batches([batch]) for row in out.cast(MEASUREMENT_SCHEMA).to_pylist()]

    numbers = {row["slice_value"]: row for row in found}
    assert len(found) == 2
    assert numbers[None]["value"] == pytest.approx(0.1)
    assert (numbers[None]["status"], numbers[None]["count"], numbers[None]["metric"]) == ("OK", 100, "prediction_shift")
    assert (numbers["JFK"]["status"], numbers["JFK"]["value"]) == ("NO_BASELINE", None)
