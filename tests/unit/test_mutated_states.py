"""Stored rows of states that something has damaged: an error with a sentence, or a state of numbers that fit; never a crash.

Here rows come without the checksum of the store (``tests/delta/test_damaged_rows.py``), like those of earlier releases. Bytes
carry one of their own, so any change of them is found; of the columns that SQL reads what is found is what cannot be.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from spark_monitor.errors import StateError
from spark_monitor.kernel.plan import KernelColumn
from spark_monitor.kernel.state_rows import opened, state_columns
from spark_monitor.states.categorical import CategoricalState, Categories
from spark_monitor.states.columns import STATE_COLUMNS, STATE_SCHEMA
from spark_monitor.states.grid import Grid
from spark_monitor.states.numeric import NumericState, profile_column
from spark_monitor.states.presented import present

GRID = Grid.of(np.linspace(-3, 3, 40))
NUMBERS = KernelColumn("x", grid=GRID)
TEXTS = KernelColumn("t", categories=Categories(("a", "b", "never")))
COUNTS = ("count", "num_nulls", "num_nan", "num_positive_inf", "num_negative_inf")


def rows(states: list[Any], column: KernelColumn) -> list[dict[str, Any]]:
    columns = dict(zip(STATE_COLUMNS, state_columns(states), strict=True))
    batch = pa.RecordBatch.from_pydict(columns)
    return [{**row, "grid_id": column.frame_id, "error": None} for row in batch.to_pylist()]


def numbers() -> list[dict[str, Any]]:
    draw = np.random.default_rng(3)
    values = [draw.normal(size=size) for size in (0, 1, 700, 5_000)] + [np.array([np.nan, np.inf, -np.inf, 0.0, 1.5])]
    return rows([profile_column(one, GRID, nulls=place) for place, one in enumerate(values)], NUMBERS)


def texts() -> list[dict[str, Any]]:
    values = [[], [None], ["a", "a", "zz", ""], [f"t{place}" for place in range(500)]]
    states = [CategoricalState.empty(TEXTS.categories).update(pa.array(one, pa.string())) for one in values]
    return rows(states, TEXTS)


def mutated(row: dict[str, Any], draw: random.Random) -> tuple[str, dict[str, Any]]:
    """A row with one value changed."""
    name = draw.choice([name for name, value in row.items() if value is not None and name not in ("error", "distinct_k")])
    value = row[name]
    if isinstance(value, bool | int):
        value = draw.choice([value + draw.randint(1, 9), value - draw.randint(1, 9), -1, 0, 2**62, None])
    elif isinstance(value, float):
        value = draw.choice([value + 1.0, -value, float("nan"), float("inf"), 0.0, None])
    elif isinstance(value, bytes):
        place = draw.randrange(len(value)) if value else 0
        value = draw.choice(
            [value[:place], value + b"\x00", value[:place] + bytes([draw.randrange(256)]) + value[place + 1 :], None]
        )
    elif isinstance(value, str):
        value = draw.choice(["", value[:-1], value + "0", None])
    elif value and draw.random() < 0.9:
        changed = [dict(one) if isinstance(one, dict) else one for one in value]
        place = draw.randrange(len(changed))
        if isinstance(changed[place], dict):
            key = draw.choice(list(changed[place]))
            changed[place][key] = draw.choice([-5, 10**6, 3]) if key != "item" else "else"
        else:
            changed[place] = draw.choice([-5, 7, 2**61])
        value = draw.choice([changed, value[:-1], [*value, value[-1]]])
    else:
        value = draw.choice([[], None])
    return name, {**row, name: value}


def opened_row(row: dict[str, Any], column: KernelColumn) -> NumericState | CategoricalState | str | None:
    """The state of a row; what is wrong with it; None where the row says that it has none."""
    schema = pa.schema([*STATE_SCHEMA, ("grid_id", pa.string()), ("error", pa.string())])
    try:
        found = opened(pa.RecordBatch.from_pylist([row], schema=schema), column)
        if found.block is None or found.places[0] < 0:
            return found.errors[0]
        return next(iter(found.block.states()))
    except (StateError, pa.ArrowInvalid, OverflowError) as error:
        return str(error)


def outcome(row: dict[str, Any], column: KernelColumn, draw: random.Random) -> str:
    """How a mutated row ends; a state that is taken must present numbers that fit each other."""
    name, changed = mutated(row, draw)
    if changed == row or not (changed[name] or row[name]):
        return "same"  # of a count and of a list nothing and none are one
    found = opened_row(changed, column)
    if found is None:
        assert changed["count"] is None, name
        return "absent"
    if isinstance(found, str):
        assert found, name
        return "error"
    try:
        told = present(found)
    except StateError:
        return "error"
    assert 0 <= told["num_nulls"] <= told["count"], name
    assert told["percent_null"] is None or 0 <= told["percent_null"] <= 100, name
    if told.get("min") is not None:
        assert told["min"] <= told["max"], name
    if name in COUNTS and isinstance(found, NumericState):
        raise AssertionError(f"{name} was changed from {row[name]} to {changed[name]}, and nothing was found")
    return "taken"


def endings(number: int, seed: int) -> dict[str, int]:
    draw, found = random.Random(seed), {"error": 0, "absent": 0, "taken": 0, "same": 0}
    sources = [(row, column) for each, column in ((numbers(), NUMBERS), (texts(), TEXTS)) for row in each]
    for _ in range(number):
        found[outcome(*draw.choice(sources), draw)] += 1
    return found


def test_a_damaged_row_is_an_error_or_a_state_whose_numbers_fit_each_other() -> None:
    found = endings(400, seed=1)
    assert found["error"] > 50


@pytest.mark.slow
def test_ten_thousand_of_them() -> None:
    found = endings(10_000, seed=2)
    print(found)
    assert sum(found.values()) == 10_000


def test_any_change_of_a_states_bytes_is_found() -> None:
    draw = random.Random(5)
    data = profile_column(np.random.default_rng(1).normal(size=3_000), GRID).to_bytes()
    for _ in range(2_000):
        place = draw.randrange(len(data))
        changed = bytearray(data)
        changed[place] ^= draw.randrange(1, 256)
        with pytest.raises(StateError):
            NumericState.from_bytes(bytes(changed), GRID)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("frequent_capacity", -1),
        ("frequent_capacity", 0),
        ("frequent_dropped", -1),
        ("frequent_texts", [{"item": "a", "n": 10**6}]),
        ("frequent_texts", [{"item": "a", "n": -5}]),
        ("distinct_k", 0),
        ("count", 2**62),
    ],
)
def test_what_no_rows_could_have_counted_is_an_error(name: str, value: Any) -> None:
    found = opened_row({**texts()[2], name: value}, TEXTS)
    assert isinstance(found, str), found
    assert "damaged" in found
