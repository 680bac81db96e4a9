"""Windows of the baseline replayed without Spark, against scipy; and what rules cost where nothing drifts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import ks_2samp

from benchmarks.false_alarms import KINDS, SHIFT, frame_of, rules, shifted, simulated, state_of
from spark_monitor.config.rules import RuleConfig
from spark_monitor.kernel.plan import KernelColumn
from spark_monitor.kernel.replayed import (
    REPLAYED_SCHEMA,
    SHIFTED,
    WHOLE,
    ReplayPlan,
    Window,
    against_others,
    replayed_column,
    replayed_rows,
)
from spark_monitor.kernel.state_rows import state_columns
from spark_monitor.rules.rulebook import Rulebook
from spark_monitor.states.columns import STATE_SCHEMA

BOOK = Rulebook.of([RuleConfig.model_validate({"metric": "ks", "fail": {"learned": 0.999, "at_least": 0.03}})])


def windows_of(parts: list[np.ndarray], frame: Any, *, planted: bool = False) -> list[Window]:
    return [Window(place, WHOLE, state_of(part, frame), planted) for place, part in enumerate(parts)]


def test_each_window_is_compared_with_all_others_and_never_with_itself() -> None:
    random = np.random.default_rng(3)
    parts = [random.normal(size=500 + 10 * place) for place in range(6)]
    frame = frame_of(np.concatenate(parts))
    comparison = against_others(windows_of(parts, frame))
    assert comparison is not None
    lower, upper = (comparison.drift.columns[name] for name in ("ks_lower", "ks_upper"))
    for place, part in enumerate(parts):
        rest = np.concatenate([one for other, one in enumerate(parts) if other != place])
        exact = ks_2samp(part, rest, method="asymp").statistic
        assert np.asarray(lower)[place] - 1e-12 <= exact <= np.asarray(upper)[place] + 1e-12


def test_rows_without_drift_raise_no_alarm_and_a_planted_shift_is_found_in_its_first_window() -> None:
    random = np.random.default_rng(4)
    parts = [random.lognormal(size=4000) for _ in range(8)]
    frame = frame_of(np.concatenate(parts))
    moved = windows_of([shifted(part, random, 0.1) for part in parts], frame, planted=True)
    plan = ReplayPlan({}, BOOK, "1 day", "UTC")
    rows = list(replayed_column("fare", [*windows_of(parts, frame), *moved], plan))
    assert [row["failing"] for row in rows if not row["shifted"]] == [0] * 8
    assert [row["failing"] for row in rows if row["shifted"]] == [1] * 8
    assert sum(row["opened"] for row in rows if row["shifted"]) == 1


def test_a_rule_that_must_last_opens_its_alarm_later() -> None:
    random = np.random.default_rng(5)
    parts = [random.normal(size=2000) + (3.0 if place in (2, 5, 6) else 0.0) for place in range(9)]
    book = Rulebook.of([RuleConfig.model_validate({"metric": "ks", "fail": 0.5, "for": "2 of 2"})])
    rows = list(replayed_column("fare", windows_of(parts, frame_of(np.concatenate(parts))), ReplayPlan({}, book, "1 day", "UTC")))
    assert [row["failing"] for row in rows] == [0, 0, 0, 0, 0, 0, 1, 0, 0]


def test_columns_that_stream_by_in_pieces_are_judged_whole() -> None:
    random = np.random.default_rng(6)
    frame = frame_of(random.normal(size=9000))
    columns = {name: [random.normal(size=1500) for _ in range(5)] for name in ("a", "b")}
    kernel = {name: KernelColumn(name, frame, None) for name in columns}
    batches = []
    for name, parts in columns.items():
        for copy, planted in ((name, False), (f"{SHIFTED}{name}", True)):
            own = [shifted(part, random, 0.3) if planted else part for part in parts]
            for place, part in enumerate(own):
                values = state_columns([state_of(part, frame)])
                about = [pa.array([copy]), pa.array([place]), pa.nulls(1, pa.string()), pa.nulls(1, pa.string())]
                ends = [pa.array([frame.grid_id]), pa.nulls(1, pa.string())]
                names = ["column_name", "start", "slice_key", "slice_value", *STATE_SCHEMA.names, "grid_id", "error"]
                batches.append(pa.RecordBatch.from_arrays([*about, *values, *ends], names=names))
    found = list(replayed_rows(batches, ReplayPlan(kernel, BOOK, "1 day", "UTC")))
    assert all(batch.schema == REPLAYED_SCHEMA for batch in found)
    rows = pa.Table.from_batches(found).to_pylist()
    counts = {
        (name, planted): sum(row["failing"] for row in rows if (row["column_name"], row["shifted"]) == (name, planted))
        for name in columns
        for planted in (False, True)
    }
    assert counts == {("a", False): 0, ("a", True): 5, ("b", False): 0, ("b", True): 5}


@pytest.mark.slow
def test_the_rules_that_init_writes_are_quiet_where_nothing_drifts() -> None:
    found = simulated(1000, features=len(KINDS), windows=10)
    assert found.checks > 500
    assert found.failing == []


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "features"), [(1_000, 300), (10_000, 300), (100_000, 48)])
def test_at_most_one_false_incident_in_many_features_windows_and_slices(rows: int, features: int) -> None:
    assert simulated(rows, features=features, windows=20).incidents <= 1


NUMBERS = ("normal", "lognormal", "counts", "zeros")


@pytest.mark.slow
@pytest.mark.parametrize(("kinds", "rows", "within"), [(NUMBERS, 10_000, 3), (NUMBERS, 100_000, 1), (("nulls",), 25_000, 3)])
def test_a_planted_shift_of_a_number_is_found_soon(kinds: tuple[str, ...], rows: int, within: int) -> None:
    """Of 25,000 rows of which 60 % have no value there are 10,000 values."""
    found = simulated(rows, features=4 * len(kinds), windows=3, shift=SHIFT, kinds=kinds)
    assert found.first_found
    assert all(first is not None and first <= within for first in found.first_found), found.first_found


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "within"), [(10_000, 3), (100_000, 1)])
def test_a_category_that_gains_a_twentieth_of_the_rows_is_found_soon(rows: int, within: int) -> None:
    found = simulated(rows, features=6, windows=3, shift=SHIFT, kinds=("five", "thirty", "fifty"))
    assert found.first_found
    assert all(first is not None and first <= within for first in found.first_found), found.first_found


def test_the_planted_shift_is_the_distance_that_was_asked_for() -> None:
    random = np.random.default_rng(8)
    for kind in ("lognormal", "counts"):
        values = random.lognormal(size=200_000) if kind == "lognormal" else random.poisson(3, size=200_000).astype(float)
        distance = ks_2samp(values, shifted(values, random, 0.05), method="asymp").statistic
        assert distance == pytest.approx(0.05, abs=0.003)
    assert len(rules(8000).rules) >= 4
