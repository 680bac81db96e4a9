"""What a task counts of rows and columns, merged, against pandas: counters, sums, hours and repeated keys."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from spark_monitor.kernel.checks import ColumnChecks
from spark_monitor.kernel.merging import OF_QUALITY, merge_partials
from spark_monitor.kernel.partial_rows import PARTIAL_SCHEMA
from spark_monitor.kernel.partials import Task
from spark_monitor.kernel.plan import KernelColumn, KernelPlan
from spark_monitor.kernel.quality_rows import COUNTERS_COLUMN, HOURS_COLUMN, REPEATS_COLUMN, QualityPlan
from spark_monitor.kernel.tables import WHOLE
from spark_monitor.states.categorical import Categories
from spark_monitor.states.codec import tag_of
from spark_monitor.states.counters import CounterState
from spark_monitor.states.grid import Grid
from spark_monitor.states.hours import HOUR_MICROS, HourState
from spark_monitor.states.repeats import RepeatState

ROWS = 5_000
WINDOWS = ((0, 2), (1, 2))
COLUMNS = (KernelColumn("number", grid=Grid.of([0.0, 1.0, 2.0])), KernelColumn("text", categories=Categories(("a", "b"))))
PLAN = KernelPlan(
    columns=COLUMNS,
    edges=(0, 10 * HOUR_MICROS, 20 * HOUR_MICROS),
    windows=WINDOWS,
    slice_keys=1,
    slice_values=(None,),
    quality=QualityPlan(
        checks=(
            ColumnChecks(low=0.0, high=50.0, sentinels=(-999.0, 7.0), expected=(1.0, 2.0)),
            ColumnChecks(pattern="^[a-z]+$", parses=True, expected=("a", "b"), sentinels=("none",)),
        ),
        extras=1,
        keys=((2,),),
    ),
)


def rows(seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    number = random.choice([1.0, 2.0, 7.0, -999.0, 60.0, np.nan, np.inf, -0.0], ROWS)
    text = random.choice(["a", "b", "c", " a", "12", "1e3", "", "Ã©", "none", "x\n", "\u2003"], ROWS)
    frame = pd.DataFrame({"time": random.integers(0, 22 * HOUR_MICROS, ROWS), "number": number, "text": text})
    frame["version"], frame["slice"] = random.choice(["1", "2"], ROWS), random.choice(["x", "y"], ROWS)
    frame["key"] = random.integers(2**60, 2**60 + 3_000, ROWS)
    frame["no number"], frame["no text"], frame["no key"] = (random.random(ROWS) < 0.1 for _ in range(3))
    return frame


def batches(frame: pd.DataFrame, size: int) -> list[pa.RecordBatch]:
    micros = pa.array(frame["time"].to_numpy(), pa.timestamp("us", tz="UTC"))
    table = pa.table(
        {
            "time": micros,
            "null id": pa.array(np.zeros(len(frame), dtype=bool)),
            "version": pa.array(frame["version"]),
            "s0": pa.array(frame["slice"]),
            "c0": pa.array(frame["number"].to_numpy(), mask=frame["no number"].to_numpy(), from_pandas=False),
            "c1": pa.array(frame["text"].to_numpy(), pa.string(), mask=frame["no text"].to_numpy()),
            "x0": pa.array(frame["key"].to_numpy(), mask=frame["no key"].to_numpy()),
        }
    )
    return table.to_batches(size)


def found(frame: pd.DataFrame, *, parts: int = 3, size: int = 700) -> dict[tuple[int, str, int, str | None, int], object]:
    """Every merged state of the rows themselves, of several tasks' partials."""
    partials: list[pa.RecordBatch] = []
    for part in range(parts):
        own = frame.iloc[part::parts]
        partials += list(Task(PLAN, part).run(batches(own, size)))
    table = pa.Table.from_batches(partials, PARTIAL_SCHEMA)
    keys = ["window", "model_version", "slice_key", "column", "slice_value", "part", "sequence"]
    ordered = table.sort_by([(key, "ascending") for key in keys])
    merged = {}
    for batch in merge_partials(ordered.to_batches(), COLUMNS):
        for row in batch.to_pylist():
            if row["column"] <= COUNTERS_COLUMN:
                key = (row["window"], row["model_version"], row["slice_key"], row["slice_value"], row["column"])
                merged[key] = OF_QUALITY[tag_of(row["sketch"])].from_bytes(row["sketch"])
    return merged


def part_of(frame: pd.DataFrame, window: int, version: str, value: str | None) -> pd.DataFrame:
    low, high = {0: (0, 10), 1: (10, 20), 2: (0, 20)}[window]
    inside = (frame["time"] >= low * HOUR_MICROS) & (frame["time"] < high * HOUR_MICROS) & (frame["version"] == version)
    return frame[inside if value is None else inside & (frame["slice"] == value)]


ORACLES = {
    (0, "out_of_range"): lambda part: ((part["number"] < 0) | (part["number"] > 50)) & ~part["no number"],
    (0, "sentinel"): lambda part: part["number"].isin([-999.0, 7.0]) & ~part["no number"],
    (0, "unseen"): lambda part: ~part["number"].isin([1.0, 2.0]) & part["number"].notna() & ~part["no number"],
    (1, "format_mismatch"): lambda part: ~part["text"].str.match(r"\A[a-z]+\Z") & ~part["no text"],
    (1, "unparsable"): lambda part: ~part["text"].isin(["12", "1e3"]) & ~part["no text"],
    (1, "unseen"): lambda part: ~part["text"].isin(["a", "b"]) & ~part["no text"],
    (1, "sentinel"): lambda part: (part["text"] == "none") & ~part["no text"],
    (1, "whitespace"): lambda part: part["text"].isin([" a", "x\n", "\u2003"]) & ~part["no text"],
    (1, "mojibake"): lambda part: (part["text"] == "Ã©") & ~part["no text"],
}


@pytest.mark.parametrize("seed", [1, 2])
def test_counters_are_those_of_pandas_in_every_window_version_and_slice(seed: int) -> None:
    frame = rows(seed)
    states = {key: state for key, state in found(frame).items() if key[4] == COUNTERS_COLUMN}
    assert len(states) == 3 * 2 * 3
    for (window, version, _, value, _), state in states.items():
        assert isinstance(state, CounterState)
        part = part_of(frame, window, version, value)
        assert state.count == len(part)
        for (column, counter), oracle in ORACLES.items():
            assert state.of(counter)[column] == oracle(part).sum(), (counter, column)
    assert any(key[2] == WHOLE for key in states)


def test_hours_are_those_of_pandas() -> None:
    frame = rows(3)
    states = {key: state for key, state in found(frame).items() if key[4] == HOURS_COLUMN}
    assert len(states) == 3 * 2
    for (window, version, _, _, _), state in states.items():
        assert isinstance(state, HourState)
        times = part_of(frame, window, version, None)["time"]
        expected = times.groupby(times // HOUR_MICROS).agg(["count", "min", "max"])
        assert state.hours.tolist() == expected.index.tolist()
        assert [state.rows.tolist(), state.first.tolist(), state.last.tolist()] == [expected[name].tolist() for name in expected]


def test_repeated_keys_are_those_of_pandas() -> None:
    frame = rows(4)
    frame = pd.concat([frame, frame.sample(300, random_state=0)], ignore_index=True)
    merged = found(frame)
    states = {key: state for key, state in merged.items() if key[4] == REPEATS_COLUMN - 1}
    assert len(states) == 3 * 2
    for (window, version, _, _, _), state in states.items():
        assert isinstance(state, RepeatState)
        part = part_of(frame, window, version, None)
        keys = part.loc[~part["no key"], "key"]
        assert (state.count, state.sampled_keys, state.is_exact) == (len(keys), keys.nunique(), True)
        assert sorted(Counter(keys).values()) == sorted(state.counts.tolist())
        whole = merged[window, version, WHOLE, None, REPEATS_COLUMN]
        assert isinstance(whole, RepeatState)
        masked = part[["time", "version"]].assign(
            number=plain(part, "number"),
            text=part["text"].where(~part["no text"], None),
            key=part["key"].astype(object).where(~part["no key"], None),
        )
        assert whole.count - whole.sampled_keys == masked.duplicated().sum()


def test_contents_are_those_of_pandas_whatever_the_ids() -> None:
    frame = rows(4)
    again = frame.sample(300, random_state=0)
    again["key"] += 5_000
    frame = pd.concat([frame, again], ignore_index=True)
    merged = found(frame)
    states = {key: state for key, state in merged.items() if key[4] == REPEATS_COLUMN - 2}
    assert len(states) == 3 * 2
    for (window, version, _, _, _), state in states.items():
        assert isinstance(state, RepeatState)
        part = part_of(frame, window, version, None)
        text = part["text"].where(~part["no text"], None)
        contents = part[["time", "version"]].assign(number=plain(part, "number"), text=text)
        assert state.count == len(part)
        copied = contents.duplicated().sum()
        assert copied > 0
        if state.is_exact:
            assert state.count - state.sampled_keys == copied
        else:
            assert 1 - state.sampled_keys / state.sampled_rows == pytest.approx(copied / len(part), abs=0.05)


def plain(part: pd.DataFrame, name: str) -> pd.Series:
    """A column as strings that tell null, NaN and numbers apart; the two zeros are one."""
    return (part[name] + 0.0).map(repr).where(~part[f"no {name}"], None)


def test_the_sum_of_rows_does_not_depend_on_order_times_or_ids_and_does_on_every_value() -> None:
    frame = rows(5)
    frame["version"] = "1"

    def sums(changed: pd.DataFrame, parts: int) -> int:
        state = found(changed, parts=parts, size=999)[2, "1", WHOLE, None, COUNTERS_COLUMN]
        assert isinstance(state, CounterState)
        return state.checksum

    inside = frame[frame["time"] < 20 * HOUR_MICROS].reset_index(drop=True)
    first = sums(inside, 1)
    shuffled = inside.sample(frac=1, random_state=1)
    shuffled["time"] = inside["time"].to_numpy()
    shuffled["key"] += 1
    assert sums(shuffled, 3) == first
    other = inside.copy()
    place = other.index[~other["no number"]][0]
    other.loc[place, "number"] = 3.25
    assert sums(other, 1) != first


def test_a_sample_of_many_keys_tells_their_repetition_within_its_interval() -> None:
    from spark_monitor.quality.repeated import KeyBlock, percent_repeated

    covered = 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        keys = random.integers(0, 2**63, 60_000, dtype=np.int64)
        hashes = np.concatenate([keys, keys[:1_800]]).astype(np.uint64)
        random.shuffle(hashes)
        state = RepeatState.empty(4096)
        for part in np.array_split(hashes, 7):
            state = state.merge(RepeatState.empty(4096).update(part))
        assert not state.is_exact
        block = KeyBlock(
            *(np.array([number]) for number in (state.count, state.sampled_rows, state.sampled_keys, state.sampled_squares)),
            is_exact=np.array([state.is_exact]),
        )
        result = percent_repeated(block)
        assert result.lower is not None
        assert result.upper is not None
        covered += bool(result.lower[0] <= 100 * 1_800 / 61_800 <= result.upper[0])
    assert covered >= 35
