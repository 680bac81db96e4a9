"""States in columns: they come back from Parquet, a block of many is many blocks of one, damage is an error and no crash."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spark_monitor.catalogue.metric import DECORATED, drift_metric
from spark_monitor.catalogue.registry import catalogue
from spark_monitor.kernel.comparison import INPUT_SCHEMA, ComparePlan, Comparison
from spark_monitor.kernel.measured_drift import MeasuredDrift
from spark_monitor.kernel.pairs import BASELINE, CONSECUTIVE
from spark_monitor.kernel.plan import KernelColumn
from spark_monitor.kernel.state_rows import opened, state_columns, state_of_row, states_at
from spark_monitor.states.categorical import CategoricalState, Categories
from spark_monitor.states.columns import STATE_COLUMNS, STATE_SCHEMA
from spark_monitor.states.grid import Grid
from spark_monitor.states.moments import Moments
from spark_monitor.states.numeric import NumericState, profile_column
from spark_monitor.states.numeric_block import NumericBlock
from spark_monitor.states.presented import present, present_numeric
from spark_monitor.states.table import TableState

GRID = Grid.of(np.linspace(-3, 3, 40))
TEXTS = Categories(("a", "b", "never"))
NUMBERS = KernelColumn("x", grid=GRID)


def numeric_states() -> list[NumericState]:
    random = np.random.default_rng(3)
    values = [random.normal(size=size) for size in (0, 1, 2, 700, 30_000)]
    values += [np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, 1e300, -1e300]), np.full(9, 1.5), np.array([np.nan])]
    states = [profile_column(one, GRID, nulls=place % 3) for place, one in enumerate(values)]
    return [*states, *(state.as_slice() for state in states)]


def text_states() -> list[CategoricalState]:
    texts = [[], [None], ["a", "a", "zz", ""], [f"t{place}" for place in range(3000)], ["b"] * 5]
    return [CategoricalState.empty(TEXTS).update(pa.array(one, pa.string())) for one in texts]


def rows_of(states: list, frame: str | None, **more: list) -> pa.RecordBatch:
    size = len(states)
    rest = {"grid_id": pa.array([frame] * size, pa.string()), "error": pa.nulls(size, pa.string())}
    columns = dict(zip(STATE_COLUMNS, state_columns(states), strict=True)) | rest
    columns |= {name: pa.array(values, INPUT_SCHEMA.field(name).type) for name, values in more.items()}
    return pa.RecordBatch.from_pydict(columns)


def through_parquet(batch: pa.RecordBatch, path: Path) -> pa.RecordBatch:
    pq.write_table(pa.table(batch), path / "states.parquet")
    return pq.read_table(path / "states.parquet").combine_chunks().to_batches()[0]


@pytest.mark.parametrize(
    ("states", "column"),
    [
        (numeric_states(), NUMBERS),
        (text_states(), KernelColumn("t", categories=TEXTS)),
        ([TableState(3, 1, np.array([3, 0])), TableState.empty(0)], None),
    ],
    ids=["numbers", "texts", "tables"],
)
def test_states_come_back_from_parquet_as_they_were(states: list, column: KernelColumn | None, tmp_path: Path) -> None:
    rows = through_parquet(rows_of(states, None if column is None else column.frame_id), tmp_path)
    back = states_at(rows, column)
    assert [state.to_bytes() for state in back if state is not None] == [state.to_bytes() for state in states]
    assert state_of_row(rows.slice(0, 1).to_pylist()[0], column).to_bytes() == states[0].to_bytes()


def test_a_block_presents_what_its_states_present_one_by_one() -> None:
    states = numeric_states()
    many = present_numeric(NumericBlock.of(states))
    for place, state in enumerate(states):
        one = present(state)
        for name, column in many.items():
            assert column[place].as_py() == one[name], name


def test_a_damaged_state_and_one_of_another_grid_are_errors_beside_sound_ones() -> None:
    states = [profile_column([1.0, 2.0], GRID), profile_column([1.0], GRID), None, profile_column([2.0], GRID)]
    batch = rows_of(states, NUMBERS.frame_id)
    rows = batch.to_pylist()
    rows[1]["cells"] = [{"cell": 10**6, "n": 1}]
    rows[2]["error"] = "it broke"
    rows[3]["grid_id"] = "other"
    found = opened(pa.RecordBatch.from_pylist(rows, schema=batch.schema), NUMBERS)
    assert found.places.tolist() == [0, -1, -1, -1]
    assert [error is None for error in found.errors] == [True, False, False, False]
    assert "damaged" in str(found.errors[1])
    assert "other" in str(found.errors[3])


@pytest.mark.parametrize("chunk", [2, 3, 1024])
def test_pairs_do_not_depend_on_how_the_stream_is_cut(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spark_monitor.kernel.pairs.CHUNK_STATES", chunk)
    random = np.random.default_rng(8)
    states, places = [], []
    for slice_value in (None, "p", "q"):
        for window in [None, *range(7)] if slice_value != "q" else range(4, 7):
            states.append(profile_column(random.normal(0.1 * (window or 0), size=300), GRID))
            places.append((slice_value, window))
    more = {
        "is_current": [window is not None for _, window in places],
        "granularity": ["1 day"] * len(places),
        "start": [window for _, window in places],
        "end": [None if window is None else window + 1 for _, window in places],
        "model_version": ["1"] * len(places),
        "slice_key": [None if value is None else "s" for value, _ in places],
        "slice_value": [value for value, _ in places],
        "column_name": ["x"] * len(places),
        "wanted": [[] if window is None else [BASELINE, CONSECUTIVE] for _, window in places],
    }
    batch = rows_of(states, NUMBERS.frame_id, **more).select(INPUT_SCHEMA.names)
    comparison = Comparison(ComparePlan({"x": NUMBERS}))
    found = [row for out in comparison.batches(batch.slice(at, 1) for at in range(batch.num_rows)) for row in out.to_pylist()]
    assert len(found) == 2 * sum(more["is_current"])
    for row in found:
        own = states[places.index((row["slice_value"], row["start"]))]
        other = (row["slice_value"], None if row["drift_type"] == BASELINE else row["start"] - 1)
        if other not in places:
            assert row["status"] == ("NO_BASELINE" if row["drift_type"] == BASELINE else "NO_PREVIOUS")
            assert row["ks_lower"] is None
            continue
        assert row["status"] == "OK"
        assert row["count_delta"] == own.count - states[places.index(other)].count
        assert row["avg_delta"] == pytest.approx(own.mean - states[places.index(other)].mean)


def test_a_mean_is_right_where_the_squares_exceed_a_double() -> None:
    for values in ([1.0] * 100_000 + [1e200], [1e-300, 1.0, 1e300], [-1.7e308, 1.7e308, 1.7e308]):
        moments = Moments.of(np.sort(np.array(values)))
        assert moments.mean == pytest.approx(sum(value / len(values) for value in values), rel=1e-12)
        assert moments.m2 == np.inf


def test_the_schema_has_every_column_once() -> None:
    assert len(set(STATE_SCHEMA.names)) == len(STATE_SCHEMA.names)


def test_a_distance_without_a_column_is_measured_and_a_broken_one_is_an_error() -> None:
    @drift_metric("planted_distance", unit="rows")
    def planted(baseline: NumericBlock, current: NumericBlock) -> np.ndarray:
        """Rows of both."""
        return (baseline.count + current.count).astype(float)

    @drift_metric("broken_distance", columns=("numeric",))
    def broken(baseline: NumericBlock, current: NumericBlock) -> np.ndarray:
        """Nothing."""
        raise ZeroDivisionError("by nothing")

    tabled = tuple(name for name in DECORATED if name not in ("planted_distance", "broken_distance"))
    states = [profile_column([1.0, 2.0], GRID), profile_column([1.0], GRID)]
    texts = {"granularity": "1 day", "model_version": "1", "column_name": "x"}
    more = {name: [text] * 2 for name, text in texts.items()} | {"slice_key": [None] * 2, "slice_value": [None] * 2}
    more |= {"is_current": [False, True], "start": [None, 0], "end": [None, 1], "wanted": [[], [BASELINE]]}
    batch = rows_of(states, NUMBERS.frame_id, **more).select(INPUT_SCHEMA.names)
    try:
        catalogue.cache_clear()
        plan = ComparePlan({"x": NUMBERS}, metrics=tabled)
        found = {row["metric"]: row for out in MeasuredDrift(plan).batches([batch]) for row in out.to_pylist()}
    finally:
        del DECORATED["planted_distance"], DECORATED["broken_distance"]
        catalogue.cache_clear()
    planted_row = found["planted_distance"]
    assert (planted_row["value"], planted_row["unit"], planted_row["count"]) == (3, "rows", 1)
    assert (found["planted_distance"]["family"], found["planted_distance"]["basis"]) == ("drift", "baseline")
    assert (found["broken_distance"]["value"], found["broken_distance"]["status"]) == (None, "ERROR")
    assert "by nothing" in found["broken_distance"]["message"]
