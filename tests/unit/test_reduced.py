"""States of a block merged in groups, and windows against references: held to the rows themselves by numpy, pandas and scipy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import reduce

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import ks_2samp

from spark_monitor.kernel.comparison import ComparePlan
from spark_monitor.kernel.plan import KernelColumn
from spark_monitor.kernel.references import ReferenceComparison, ReferencePlan, referred
from spark_monitor.kernel.state_rows import state_columns
from spark_monitor.states.categorical import CategoricalState, Categories
from spark_monitor.states.categorical_block import CategoricalBlock
from spark_monitor.states.columns import STATE_COLUMNS
from spark_monitor.states.grid import Grid
from spark_monitor.states.numeric import NumericState, profile_column
from spark_monitor.states.numeric_block import NumericBlock
from spark_monitor.states.reduced import Groups, reduced

GRID = Grid.of(np.linspace(-3, 3, 40))
TEXTS = Categories(("a", "b", "never"))
NUMBERS, STRINGS = KernelColumn("x", grid=GRID), KernelColumn("s", categories=TEXTS)
PATTERNS = [[(0, 3)], [(2, 3), (5, 7)], [(1, 2)], [(0, 8)], [(0, 1), (2, 4), (7, 8)]]
"""Groups of one and of several stretches, of one state and of all, which overlap."""


def groups_of(patterns: Sequence[Sequence[tuple[int, int]]]) -> Groups:
    flat = np.array([stretch for one in patterns for stretch in one])
    return Groups(np.cumsum([0, *map(len, patterns)]), flat[:, 0], flat[:, 1])


def members_of(pattern: Sequence[tuple[int, int]]) -> list[int]:
    return [place for first, end in pattern for place in range(first, end)]


def hostile(seed: int) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [
        random.normal(size=700),
        np.empty(0),
        np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324]),
        random.normal(1e9, 1e-3, size=4000),
        np.full(9, 1.5),
        random.integers(-3, 3, size=30_000).astype(float),
        np.array([np.nan]),
        random.normal(size=5000),
    ]


@pytest.mark.parametrize("seed", range(4))
def test_merged_groups_of_numbers_are_what_their_rows_say(seed: int) -> None:
    samples = hostile(seed)
    states = [profile_column(one, GRID, nulls=place % 3) for place, one in enumerate(samples)]
    block = reduced(NumericBlock.of(states), groups_of(PATTERNS))
    assert isinstance(block, NumericBlock)
    for place, pattern in enumerate(PATTERNS):
        rows = np.concatenate([samples[one] for one in members_of(pattern)])
        finite = rows[np.isfinite(rows)]
        assert block.count[place] == rows.size + sum(one % 3 for one in members_of(pattern))
        assert (block.nan[place], block.infinities[place]) == (np.isnan(rows).sum(), np.isinf(rows).sum())
        assert block.finite[place] == finite.size
        expected = np.zeros(GRID.cells, dtype=np.int64)
        np.add.at(expected, GRID.codes(finite), 1)
        assert block.dense[place].tolist() == expected.tolist()
        if finite.size:
            assert (block.min[place], block.max[place]) == (finite.min(), finite.max())
            assert block.mean[place] == pytest.approx(finite.mean(), rel=1e-12, abs=1e-12)
            assert block.m2[place] == pytest.approx(np.var(finite.astype(np.longdouble)) * finite.size, rel=1e-6)
        distinct = np.unique(finite).size
        error = block.distinct_error[place]
        assert abs(block.distinct_count[place] - distinct) <= max(2.5 * error, 0.0) * distinct
        assert (error == 0) == (distinct <= 1024)


def test_merged_groups_equal_states_merged_one_by_one() -> None:
    states = [profile_column(one, GRID) for one in hostile(9)]
    for of_slices in (False, True):
        given = [state.as_slice() for state in states] if of_slices else states
        block = reduced(NumericBlock.of(given), groups_of(PATTERNS))
        assert isinstance(block, NumericBlock)
        for place, pattern in enumerate(PATTERNS):
            one = reduce(NumericState.merge, [given[member] for member in members_of(pattern)])
            assert block.moments[:, place].tolist() == pytest.approx(
                [one.minimum, one.maximum, one.moments.mean, one.moments.low, one.moments.m2], nan_ok=True, rel=0, abs=0
            )
            assert block.distinct.at(place).hashes.tolist() == one.distinct.hashes.tolist()
            assert (block.distinct.at(place).theta, block.distinct.at(place).k) == (one.distinct.theta, one.distinct.k)
            sketch = block.sketch(place)
            assert (sketch is None) == (one.sketch is None) == of_slices
            if sketch is not None and one.sketch is not None:
                assert block.sketch_error(place) == one.sketch.rank_error
                assert sketch.points().tolist() == one.sketch.points().tolist()


def test_where_numbers_were_rounded_is_kept() -> None:
    block = replace(NumericBlock.of([profile_column([1.0, 2.0**60], GRID)] * 3), exact_to=2.0**53)
    merged = reduced(block, groups_of([[(0, 2)]]))
    assert isinstance(merged, NumericBlock)
    assert merged.is_rounded.tolist() == [True]


def test_how_exact_a_sketch_is_is_known_before_it_is_merged() -> None:
    sizes = [(10, 20), (600, 424), (600, 425), (1024, 1), (3000, 1)]
    for pair in sizes:
        states = [profile_column(np.random.default_rng(size).normal(size=size), GRID) for size in pair]
        block = reduced(NumericBlock.of(states), groups_of([[(0, 2)]]))
        assert isinstance(block, NumericBlock)
        error = block.sketch_error(0)
        sketch = block.sketch(0)
        assert sketch is not None
        assert error == sketch.rank_error
        assert (error == 0) == (sum(pair) <= 1024)


def test_merged_groups_of_texts_are_what_their_rows_say() -> None:
    many = [f"t{place}" for place in range(3000)]
    texts: list[list[str | None]] = [["a", "zz", ""], [None], [], many, ["b"] * 5, ["a", None, "never"], ["ccc"], [*many, "a"]]
    block = CategoricalBlock.of([CategoricalState.empty(TEXTS).update(pa.array(one, pa.string())) for one in texts])
    merged = reduced(block, groups_of(PATTERNS))
    assert isinstance(merged, CategoricalBlock)
    for place, pattern in enumerate(PATTERNS):
        rows = [text for member in members_of(pattern) for text in texts[member]]
        present = [text for text in rows if text is not None]
        assert (merged.count[place], merged.nulls[place]) == (len(rows), len(rows) - len(present))
        assert merged.empty[place] == present.count("")
        named = [present.count(text) for text in TEXTS.texts]
        assert merged.dense[place].tolist() == [*named, len(present) - sum(named), len(rows) - len(present)]
        lengths = [len(text) for text in present] or [np.nan]
        assert (merged.min_length[place], merged.max_length[place]) == pytest.approx((min(lengths), max(lengths)), nan_ok=True)
        assert merged.avg_length[place] == pytest.approx(np.mean(lengths), nan_ok=True)
        assert merged.distinct_count[place] == pytest.approx(len(set(present)), rel=0.1 if len(present) > 1024 else 0)


def stream(rows: list[tuple], size: int) -> Iterator[pa.RecordBatch]:
    """Rows (column, slice value, granularity, start, state or error), sorted, in batches."""
    rows = sorted(rows, key=lambda row: (row[0], row[1] or "", row[2], row[3]))
    for low in range(0, len(rows), size):
        part = rows[low : low + size]
        states = [None if isinstance(state, str) else state for *_, state in part]
        # States of two columns never share a block, so a batch's columns are made for each by itself.
        stored = [
            pa.concat_arrays(arrays)
            for arrays in zip(*(state_columns([state]) for state in states), strict=True)
        ]
        frames = {"x": NUMBERS.frame_id, "s": STRINGS.frame_id}
        more = {
            "column_name": pa.array([row[0] for row in part]),
            "slice_key": pa.array([None if row[1] is None else "k" for row in part], pa.string()),
            "slice_value": pa.array([row[1] for row in part], pa.string()),
            "model_version": pa.array(["1"] * len(part)),
            "granularity": pa.array([row[2] for row in part]),
            "start": pa.array([row[3] for row in part], pa.int64()),
            "end": pa.array([row[3] + 1 for row in part], pa.int64()),
            "grid_id": pa.array([frames[row[0]] for row in part], pa.string()),
            "error": pa.array([row[4] if isinstance(row[4], str) else None for row in part], pa.string()),
        }
        yield pa.RecordBatch.from_arrays([*stored, *more.values()], names=[*STATE_COLUMNS, *more])


@pytest.mark.parametrize("batch", [1, 7, 400])
@pytest.mark.parametrize("chunk", [1, 16, 512])
def test_windows_against_references_are_what_their_rows_say(chunk: int, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spark_monitor.kernel.references.CHUNK_STATES", chunk)
    monkeypatch.setattr("spark_monitor.kernel.references.PAIRS_AT_ONCE", min(chunk, 128))
    random = np.random.default_rng(5)
    windows = [start for start in range(40) if start not in (11, 12, 13, 30)]
    numbers = {(value, start): random.normal(0.05 * start, size=300) for value in (None, "p", "q") for start in windows}
    texts = {start: random.choice(["a", "b", "zz"], size=200).tolist() for start in windows}
    rows: list[tuple] = [("x", value, "1 day", start, profile_column(one, GRID)) for (value, start), one in numbers.items()]
    rows += [("x", None, "1 hour", start, profile_column([9.0], GRID)) for start in range(3)]
    rows += [
        ("s", None, "1 day", start, CategoricalState.empty(TEXTS).update(pa.array(one))) for start, one in texts.items()
    ]
    rows = [(*row[:4], "broken") if row[:4] == ("x", "q", "1 day", 20) else row for row in rows]
    del numbers["q", 20]
    due = [start for start in windows if start >= 4 and start % 7]
    before = {
        "last five": {start: list(range(start - 5, start)) for start in due},
        "seasons": {start: [start - 14, start - 7, start - 6] for start in due},
    }
    plan = ReferencePlan(
        ComparePlan({"x": NUMBERS, "s": STRINGS}),
        tuple(
            referred(name, "ROLLING", "1 day", [(start, [(one, one + 1) for one in ones]) for start, ones in of.items()])
            for name, of in before.items()
        ),
    )
    drift = [row for out in ReferenceComparison(plan).batches(stream(rows, batch)) for row in out.to_pylist()]
    found = {(row["column_name"], row["slice_value"], row["baseline_name"], row["start"]): row for row in drift}
    assert len(found) == len(drift) == 2 * 4 * len(due)
    for (column, value, name, start), row in found.items():
        if (column, value, start) == ("x", "q", 20):
            assert (row["status"], row["message"], row["ks_test"]) == ("ERROR", "broken", None)
            continue
        sources = numbers if column == "x" else {(None, one): rows for one, rows in texts.items()}
        members = [one for one in before[name][start] if (value, one) in sources]
        if not members:
            assert (row["status"], row["ks_test"], row["cmp_start"]) == ("NO_PREVIOUS", None, None)
            continue
        assert (row["cmp_start"], row["cmp_end"]) == (members[0], members[-1] + 1)
        reference, current = np.concatenate([sources[value, one] for one in members]), np.asarray(sources[value, start])
        assert row["status"] == "OK"
        assert row["count_delta"] == current.size - reference.size
        if column == "x":
            assert row["avg_delta"] == pytest.approx(current.mean() - reference.mean(), rel=1e-9)
            assert row["ks_lower"] <= ks_2samp(reference, current, method="asymp").statistic <= row["ks_upper"]
        else:
            shares = [np.array([np.mean(side == text) for text in ("a", "b", "zz")]) for side in (reference, current)]
            assert row["tv_distance"] == pytest.approx(np.abs(shares[0] - shares[1]).sum() / 2)
