"""The laws of every state in the catalogue; a state without a case here, or a class that is not in the catalogue, fails.

Merging parts in any grouping and order equals one update of the whole, empty is neutral, bytes bring a state back, states are
not changed by being merged, and bytes that are not a state's are refused with a StateError, quickly and in little memory.
"""

from __future__ import annotations

import copy
import importlib
import io
import json
import math
import pkgutil
import resource
import struct
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spark_monitor.states
from spark_monitor.errors import StateError
from spark_monitor.states import STATES
from spark_monitor.states.binary import ScoreState
from spark_monitor.states.categorical import CategoricalState, Categories
from spark_monitor.states.cell_errors import CellErrorsState
from spark_monitor.states.class_scores import ClassScoresState
from spark_monitor.states.classes import canonical_labels
from spark_monitor.states.codec import MAGIC, MAX_RAW_BYTES, VERSION, pack, tag_of, unpack
from spark_monitor.states.confusion import ConfusionState
from spark_monitor.states.counters import COUNTERS, CounterState
from spark_monitor.states.covariance import FARTHEST, CovarianceState
from spark_monitor.states.coverage import CoverageState
from spark_monitor.states.grid import Grid
from spark_monitor.states.grouped import GroupedState
from spark_monitor.states.hours import HOUR_MICROS, HourState
from spark_monitor.states.named_arrays import NAMED, bytes_of_row, stored_arrays, stored_bytes
from spark_monitor.states.numeric import NumericState
from spark_monitor.states.paired import PairedState
from spark_monitor.states.regression import RegressionState
from spark_monitor.states.repeats import RepeatState
from spark_monitor.states.table import TableState

LARGEST = 1.7976931348623157e308
EDGES = [-1e9, -1.0, 0.1, 0.25, 0.5, 1.0, 2.0**53, 1e300]
GRID, OTHER_GRID = Grid.of(EDGES), Grid.of([*EDGES, 3.0])
CATEGORIES, OTHER_CATEGORIES = Categories(("a", "", "é")), Categories(("a", "", "e"))
HOSTILE = [0.0, -0.0, 5e-324, -5e-324, 1e-310, 0.1, 1.0, -1.0, 1e9, 1e9 + 1e-3, 2.0**53, 2.0**53 + 2, 1e150, -1e160, 1e300]
NOT_FINITE = [math.nan, math.inf, -math.inf]

numbers = st.one_of(st.sampled_from([*HOSTILE, *NOT_FINITE]), st.sampled_from([LARGEST, -LARGEST]), st.floats(-1e3, 1e3))
moderate = st.one_of(st.sampled_from([0.0, -0.0, 0.1, 0.5, 1.0, 1e-300, 1e9, *NOT_FINITE]), st.floats(-1e3, 1e3), st.floats(0, 1))
texts = st.one_of(st.none(), st.sampled_from(["", "a", "é", "日本", "x" * 300, "x" * 301, "\x00", "🙂"]), st.text(max_size=3))
classes = st.one_of(st.none(), st.sampled_from(["a", "b", "1", "1.0", "other", ""]))


@dataclass(frozen=True)
class Case:
    """How a kind of state is fed and read; a row is one hypothesis example."""

    rows: st.SearchStrategy[Any]
    empty: Callable[[], Any]
    update: Callable[[Any, Sequence[Any]], Any]
    read: Callable[[bytes], Any]
    rounded: tuple[str, ...] = ()
    stranger: Callable[[], Any] | None = None

    def of(self, rows: Sequence[Any]) -> Any:
        return self.update(self.empty(), rows)


def update_numeric(state: NumericState, rows: Sequence[float | None]) -> NumericState:
    return state.update([row for row in rows if row is not None], nulls=sum(row is None for row in rows))


def update_table(state: TableState, rows: Sequence[tuple[bool, ...]]) -> TableState:
    flags = np.array(rows, dtype=np.int64).reshape(-1, 4).sum(axis=0)
    return state.update(flags[1:], rows=len(rows), null_ids=int(flags[0]))


def update_coverage(state: CoverageState, rows: Sequence[tuple[bool, int, bool]]) -> CoverageState:
    labelled = sum(label for label, _, _ in rows)
    extra = sum(more for label, more, _ in rows if label)
    return state.update(rows=len(rows), labelled=labelled, duplicates=extra, conflicts=sum(c for label, _, c in rows if label))


def update_pairs(state: Any, rows: Sequence[tuple[Any, Any]]) -> Any:
    return state.update([first for first, _ in rows], [second for _, second in rows])


def update_confusion(state: ConfusionState, rows: Sequence[tuple[str | None, str | None]]) -> ConfusionState:
    sides = [canonical_labels(pa.array([row[side] for row in rows], pa.string())) for side in (0, 1)]
    return state.update(*sides)


def update_paired(state: PairedState, rows: Sequence[tuple[int, str | None, str | None]]) -> PairedState:
    for part, *pair in rows:
        state = state.update('["1","2"]', part, [update_confusion(ConfusionState.empty(), [(pair[0], pair[1])])])
    return state


def update_counters(state: CounterState, rows: Sequence[tuple[int, tuple[bool, ...]]]) -> CounterState:
    flags = np.array([row[1] for row in rows], dtype=np.int64).reshape(-1, 3, len(COUNTERS)).sum(axis=0)
    return state.update(flags, rows=len(rows), checksum=sum(row[0] for row in rows))


def update_repeats(state: RepeatState, rows: Sequence[int]) -> RepeatState:
    return state.update(np.array(rows, dtype=np.uint64))


def update_groups(state: GroupedState, rows: Sequence[Sequence[tuple[float, float]]]) -> GroupedState:
    groups = np.repeat(np.arange(len(rows)), [len(row) for row in rows]).astype(np.int64)
    flat = [one for row in rows for one in row]
    return state.update(groups, np.array([one[0] for one in flat]), np.array([one[1] for one in flat]))


def update_class_scores(state: ClassScoresState, rows: Sequence[tuple[int, tuple[float, ...]]]) -> ClassScoresState:
    labels = np.array([row[0] for row in rows], dtype=np.int64)
    return state.update(labels, np.array([row[1] for row in rows], dtype=np.float64).reshape(-1, 3))


shares = st.floats(min_value=0, max_value=1)

CASES: dict[type, list[Case]] = {
    NumericState: [
        Case(
            rows=st.one_of(st.none(), numbers),
            empty=lambda k=k: NumericState.empty(GRID, k=k),
            update=update_numeric,
            read=lambda data: NumericState.from_bytes(data, GRID),
            rounded=("moments",),
            stranger=lambda k=k: NumericState.empty(OTHER_GRID, k=k),
        )
        for k in (8, None)
    ],
    CategoricalState: [
        Case(
            rows=texts,
            empty=lambda: CategoricalState.empty(CATEGORIES),
            update=lambda state, rows: state.update(pa.array(rows, pa.string())),
            read=lambda data: CategoricalState.from_bytes(data, CATEGORIES),
            stranger=lambda: CategoricalState.empty(OTHER_CATEGORIES),
        )
    ],
    TableState: [
        Case(
            rows=st.tuples(*[st.booleans()] * 4),
            empty=lambda: TableState.empty(3),
            update=update_table,
            read=TableState.from_bytes,
            stranger=lambda: TableState.empty(4),
        )
    ],
    CounterState: [
        Case(
            rows=st.tuples(st.integers(0, 2**64 - 1), st.tuples(*[st.booleans()] * (3 * len(COUNTERS)))),
            empty=lambda: CounterState.empty(3),
            update=update_counters,
            read=CounterState.from_bytes,
            stranger=lambda: CounterState.empty(4),
        )
    ],
    HourState: [
        Case(
            rows=st.integers(-5 * HOUR_MICROS, 400 * HOUR_MICROS),
            empty=HourState.empty,
            update=lambda state, rows: state.update(np.array(rows, dtype=np.int64)),
            read=HourState.from_bytes,
        )
    ],
    RepeatState: [
        Case(
            rows=st.one_of(st.integers(0, 9), st.integers(0, 2**64 - 1)),
            empty=lambda k=k: RepeatState.empty(k),
            update=update_repeats,
            read=RepeatState.from_bytes,
        )
        for k in (3, 100)
    ],
    CovarianceState: [
        Case(
            rows=st.tuples(*[st.one_of(moderate, st.sampled_from(HOSTILE))] * 3),
            empty=lambda: CovarianceState.empty(("a", "b", "c")),
            update=lambda state, rows: state.update(np.array(rows, dtype=np.float64).reshape(-1, 3).T),
            read=CovarianceState.from_bytes,
            rounded=("powers", "products", "norms", "sums", "squares"),
            stranger=lambda: CovarianceState.empty(("a", "b")),
        )
    ],
    CoverageState: [
        Case(
            rows=st.tuples(st.booleans(), st.integers(0, 3), st.booleans()),
            empty=CoverageState.empty,
            update=update_coverage,
            read=CoverageState.from_bytes,
        )
    ],
    ScoreState: [
        Case(
            rows=st.tuples(st.booleans(), numbers),
            empty=lambda: ScoreState.empty(GRID),
            update=update_pairs,
            read=lambda data: ScoreState.from_bytes(data, GRID),
            rounded=("losses", "cubes", "bin_scores", "bin_squares"),
            stranger=lambda: ScoreState.empty(OTHER_GRID),
        )
    ],
    ConfusionState: [
        Case(
            rows=st.tuples(classes, classes),
            empty=ConfusionState.empty,
            update=update_confusion,
            read=ConfusionState.from_bytes,
        )
    ],
    RegressionState: [
        Case(
            rows=st.tuples(moderate, moderate),
            empty=RegressionState.empty,
            update=update_pairs,
            read=RegressionState.from_bytes,
            rounded=("sums", "central", "cubes"),
        )
    ],
    CellErrorsState: [
        Case(
            rows=st.tuples(moderate, moderate),
            empty=lambda: CellErrorsState.empty((0.0, 1.0)),
            update=update_pairs,
            read=CellErrorsState.from_bytes,
            rounded=("sums", "predictions"),
            stranger=lambda: CellErrorsState.empty((5.0,)),
        )
    ],
    GroupedState: [
        Case(
            rows=st.lists(st.tuples(st.sampled_from([0.1, 0.5, 0.9]), st.sampled_from([0.0, 1.0, 2.0])), min_size=1, max_size=4),
            empty=lambda: GroupedState.empty(3),
            update=update_groups,
            read=GroupedState.from_bytes,
            rounded=("sums",),
            stranger=lambda: GroupedState.empty(4),
        )
    ],
    PairedState: [
        Case(
            rows=st.tuples(st.integers(0, 3), classes, classes),
            empty=PairedState.empty,
            update=update_paired,
            read=PairedState.from_bytes,
        )
    ],
    ClassScoresState: [
        Case(
            rows=st.tuples(st.integers(-1, 2), st.tuples(*[st.one_of(shares, st.just(float("nan")))] * 3)),
            empty=lambda: ClassScoresState.empty(("a", "b", "c")),
            update=update_class_scores,
            read=ClassScoresState.from_bytes,
            rounded=("losses", "cube", "states"),
            stranger=lambda: ClassScoresState.empty(("a", "b")),
        )
    ],
}
SELF_DESCRIBED = (TableState, CounterState, CovarianceState, CellErrorsState, GroupedState, ClassScoresState, PairedState)
"""States whose bytes say what they count on, so that nothing else is needed to read them."""
every_case = pytest.mark.parametrize(
    "case", [pytest.param(case, id=kind.__name__) for kind, cases in CASES.items() for case in cases]
)


def facts(value: Any) -> Any:
    """Whatever a state holds as plain values that compare, with nan equal to itself."""
    if isinstance(value, (Grid, Categories)):
        return None
    if isinstance(value, np.ndarray):
        return [facts(item) for item in value.tolist()]
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return [facts(item) for item in value]
    if isinstance(value, dict):
        return sorted((repr(key), facts(item)) for key, item in value.items())
    if hasattr(value, "__dataclass_fields__"):
        return {name: facts(getattr(value, name)) for name in value.__dataclass_fields__}
    return value


def exact_facts(state: Any, case: Case, *, ignored: Sequence[str] = ()) -> dict[str, Any]:
    return {name: value for name, value in facts(state).items() if name not in (*case.rounded, *ignored)}


def assert_same(found: Any, whole: Any, case: Case, rows: Sequence[Any]) -> None:
    """Equal in every count and every extreme, and within rounding where sums were rounded."""
    sketched = isinstance(whole, NumericState) and whole.sketch is not None
    assert exact_facts(found, case, ignored=["sketch"] * sketched) == exact_facts(whole, case, ignored=["sketch"] * sketched)
    if isinstance(whole, NumericState):
        assert_moments(found, whole, [row for row in rows if row is not None and math.isfinite(row)])
        if found.sketch is not None and whole.sketch is not None:
            assert (found.sketch.n, facts(found.sketch.minimum)) == (whole.sketch.n, facts(whole.sketch.minimum))
            if found.sketch.rank_error == 0:
                assert facts(found.sketch) == facts(whole.sketch)
        return
    for name in case.rounded:
        first, second = getattr(found, name), getattr(whole, name)
        if isinstance(first, tuple):
            for one, other in zip(first, second, strict=True):
                assert_same(one, other, CASES[type(one)][0], rows)
            continue
        first, second = np.atleast_1d(first), np.atleast_1d(second)
        scale = np.max(np.abs(second[np.isfinite(second)]), initial=0.0)
        if isinstance(whole, CovarianceState):
            # Sums of values of both signs are as far off as their largest terms: 1e60 and -1e60 leave nothing of 0.1.
            assert (np.abs(first - second) <= 1e-12 * (np.abs(second) + largest_sums(whole, name, rows))).all(), name
        else:
            np.testing.assert_allclose(first, second, rtol=1e-12, atol=1e-12 * scale)


def largest_sums(state: CovarianceState, name: str, rows: Sequence[Any]) -> Any:
    """The largest sums of magnitudes that the sums of a covariance state can be made of."""
    values = np.abs(np.array([value for row in rows for value in row if value is not None], dtype=float))
    largest = min(float(np.max(values[np.isfinite(values)], initial=0.0)), FARTHEST)
    if name == "powers":
        return len(rows) * largest ** np.arange(1.0, 5.0)[:, None]
    order = {"products": largest**2, "norms": (len(state.names) * largest**2) ** 2, "sums": largest, "squares": largest**2}
    return len(rows) * order[name]


def assert_moments(found: NumericState, whole: NumericState, finite: list[float]) -> None:
    largest = max((abs(value) for value in finite), default=0.0)
    assert found.moments.n == whole.moments.n == len(finite)
    if finite:
        # Between the least numbers there is nothing: half of one is rounded to it or to zero.
        least = float(np.finfo(np.float64).smallest_subnormal)
        assert found.mean == pytest.approx(whole.mean, rel=1e-14, abs=1e-15 * largest + least)
        assert min(finite) <= found.mean <= max(finite) or found.mean == pytest.approx(whole.mean, rel=1e-15)
    assert found.m2 == pytest.approx(whole.m2, rel=1e-12, abs=1e-300)


def merged(case: Case, parts: list[Any], data: st.DataObject) -> Any:
    """The parts merged two at a time, whichever two hypothesis picks."""
    parts = list(parts)
    while len(parts) > 1:
        first = parts.pop(data.draw(st.integers(0, len(parts) - 1)))
        place = data.draw(st.integers(0, len(parts) - 1))
        parts[place] = first.merge(parts[place])
    return parts[0]


def state_classes() -> dict[str, type]:
    """Every class under spark_monitor.states that looks like a state."""
    wanted = ("empty", "update", "merge", "to_bytes", "from_bytes")
    modules = [
        importlib.import_module(module.name)
        for module in pkgutil.walk_packages(spark_monitor.states.__path__, "spark_monitor.states.")
    ]
    found = {name: value for module in modules for name, value in vars(module).items() if isinstance(value, type)}
    return {name: value for name, value in found.items() if all(hasattr(value, method) for method in wanted)}


def test_every_state_is_in_the_catalogue_and_has_a_case() -> None:
    assert set(state_classes().values()) == set(STATES.values()) == set(CASES)


@every_case
def test_bytes_begin_with_the_tag_under_which_the_state_is_listed(case: Case) -> None:
    state = case.empty()
    assert STATES[tag_of(state.to_bytes())] is type(state)


@every_case
@given(data=st.data())
def test_parts_merged_in_any_grouping_and_order_equal_one_update_of_the_whole(case: Case, data: st.DataObject) -> None:
    rows = data.draw(st.lists(case.rows, max_size=40))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=5)))
    pieces = [rows[start:end] for start, end in zip([0, *cuts], [*cuts, len(rows)], strict=True)]
    whole = case.of(rows)
    assert_same(merged(case, [case.of(piece) for piece in pieces], data), whole, case, rows)
    updated = case.empty()
    for piece in reversed(pieces):
        updated = case.update(updated, piece)
    assert_same(updated, whole, case, rows)


@every_case
@given(data=st.data())
def test_empty_is_neutral_and_bytes_bring_a_state_back(case: Case, data: st.DataObject) -> None:
    state = case.of(data.draw(st.lists(case.rows, max_size=30)))
    written = state.to_bytes()
    assert state.merge(case.empty()).to_bytes() == written
    assert case.empty().merge(state).to_bytes() == written
    assert case.update(state, []).to_bytes() == written
    restored = case.read(written)
    assert facts(restored) == facts(state)
    assert restored.to_bytes() == written


@every_case
@given(data=st.data())
def test_a_state_is_the_same_from_arrays_by_name_through_parquet(case: Case, data: st.DataObject) -> None:
    several = [case.of(data.draw(st.lists(case.rows, max_size=8))).to_bytes() for _ in range(3)]
    columns = pa.StructArray.from_arrays(stored_arrays([several[0], None, *several[1:]]), fields=[*NAMED])
    with io.BytesIO() as file:
        pq.write_table(pa.table({"state": columns}), file)
        read = pq.read_table(io.BytesIO(file.getvalue()))["state"].combine_chunks()
    assert stored_bytes(read) == [several[0], None, *several[1:]]
    assert stored_bytes(read.slice(2, 1)) == [several[1]]
    assert bytes_of_row(read[3].as_py(maps_as_pydicts="strict")) == several[2]


@every_case
@given(data=st.data())
def test_a_restored_state_merges_as_the_original_does_and_merging_changes_neither(case: Case, data: st.DataObject) -> None:
    first, second = (case.of(data.draw(st.lists(case.rows, max_size=15))) for _ in range(2))
    before = first.to_bytes(), second.to_bytes()
    both = first.merge(second)
    assert case.read(before[0]).merge(case.read(before[1])).to_bytes() == both.to_bytes()
    case.update(first, data.draw(st.lists(case.rows, max_size=3)))
    assert (first.to_bytes(), second.to_bytes()) == before


@every_case
def test_states_counted_on_something_else_are_not_merged_and_not_read(case: Case) -> None:
    if case.stranger is None:
        return
    with pytest.raises(StateError, match=r"merged|of \d columns"):
        case.empty().merge(case.stranger())
    if not isinstance(case.empty(), SELF_DESCRIBED):
        with pytest.raises(StateError, match="was made"):
            case.read(case.stranger().to_bytes())


# What follows is about bytes that are not a state's.


def packed(tag: str, body: bytes, *, length: int | None = None, version: int = VERSION) -> bytes:
    """A container with a right checksum around any content."""
    compressed = pa.Codec("zstd").compress(body, asbytes=True)
    length = len(body) if length is None else length
    return struct.pack("<4sB4sII", MAGIC, version, tag.encode(), length, zlib.crc32(compressed)) + compressed


def headed(tag: str, header: Any, rest: bytes = b"") -> bytes:
    """A container whose header is any JSON."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return packed(tag, struct.pack("<I", len(text)) + text + rest)


def refused(case: Case, data: bytes) -> None:
    """A StateError and nothing else, within a second."""
    start = time.perf_counter()
    with pytest.raises(StateError) as caught:
        case.read(data)
    assert str(caught.value)
    assert time.perf_counter() - start < 5


@every_case
@given(data=st.data())
def test_random_truncated_and_flipped_bytes_are_refused(case: Case, data: st.DataObject) -> None:
    good = case.of(data.draw(st.lists(case.rows, max_size=10))).to_bytes()
    refused(case, data.draw(st.binary(max_size=80)))
    refused(case, good[:9] + data.draw(st.binary(max_size=80)))
    refused(case, good[: data.draw(st.integers(0, len(good) - 1))])
    refused(case, good + data.draw(st.binary(min_size=1, max_size=8)))
    place, flip = data.draw(st.integers(0, len(good) - 1)), 1 << data.draw(st.integers(0, 7))
    refused(case, bytes([*good[:place], good[place] ^ flip, *good[place + 1 :]]))


@every_case
def test_the_bytes_of_every_other_kind_of_state_are_refused(case: Case) -> None:
    for cases in CASES.values():
        for other in cases:
            if type(other.empty()) is not type(case.empty()):
                refused(case, other.empty().to_bytes())


HEADERS: list[Any] = [
    None, 0, [], {}, [{}], [[], []], [{}, None], [{}, [1]], [{}, [[]]], [{}, [["cells", "<i8", 1, "dense"]]], [1, []], ["", []],
    [{}, [["cells", "<i8", -1, "dense"]]], [{}, [["cells", "<i8", 10**30, "dense"]]], [{}, [["cells", "<i8", 0.5, "dense"]]],
    [{}, [["cells", "<i8", "1", "dense"]]], [{}, [["cells", "O", 0, "dense"]]], [{}, [["cells", "<i8", 0, 5]]],
    [{}, [["cells", "<i8", 0, "dense:O"]]], [{}, [["cells", "<i8", 0, "dense:M8[s]"]]], [{}, [[["x"], "<i8", 0, "dense"]]],
    [{}, [["cells", "<i8", 0, "values"]]], [{}, [["cells", "<i8", 0, "steps:5"]]], [{}, [["cells", ["<i8"], 0, "dense"]]],
    [{}, [["cells", "<f8", 0, "steps:99999999999999:<i8"], ["cells", "<i8", 0, "values"]]],
    [{}, [["cells", "<i8", 0, "steps:-1:<i8"], ["cells", "<i8", 0, "values"]]],
    [{}, [["cells", "<i8", 0, "steps:5:O"], ["cells", "<i8", 0, "values"]]],
    b"", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000, b"[" + b"1" * 10_000 + b",[]]", b"[{}, [" + b"9" * 5000 + b"]]", b"nan",
    b'[{"a":1e999},[]]', b"[{}," + b" " * 1_000_000 + b"[]]",
]  # fmt: skip


@every_case
@pytest.mark.parametrize("header", HEADERS, ids=range(len(HEADERS)))
def test_headers_that_are_no_header_are_refused(case: Case, header: Any) -> None:
    refused(case, headed(tag_of(case.empty().to_bytes()), header))


@every_case
def test_claims_of_great_length_are_refused_without_taking_the_memory(case: Case) -> None:
    tag = tag_of(case.empty().to_bytes())
    many = [
        entry
        for i in range(3000)
        for entry in ([f"a{i}", "<i8", 0, f"steps:{MAX_RAW_BYTES // 8}:<i8"], [f"a{i}", "<i8", 0, "values"])
    ]
    bombs = [
        packed(tag, bytes(1000), length=2**32 - 1),
        packed(tag, bytes(1000), length=MAX_RAW_BYTES),
        packed(tag, bytes(MAX_RAW_BYTES), length=10),
        packed(tag, bytes(MAX_RAW_BYTES)),
        headed(tag, [{}, many]),
        packed(tag, struct.pack("<I", 2**32 - 1) + b"[]"),
        packed(tag, b""),
        packed(tag, bytes(100), version=VERSION + 1),
    ]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for bomb in bombs:
        refused(case, bomb)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400 << 10


METAS: list[Any] = [None, True, -1, 0, 10**30, -(10**30), 0.5, 1e300, "", "x", "-1", "9" * 5000, [], ["a"], [["a"]], {}, {"a": 1}]


@every_case
@settings(max_examples=150)
@given(data=st.data())
def test_a_damaged_part_under_a_right_checksum_is_refused_or_gives_a_usable_state(case: Case, data: st.DataObject) -> None:
    rows = data.draw(st.lists(case.rows, min_size=1, max_size=12))
    state = case.of(rows)
    tag = tag_of(state.to_bytes())
    meta, arrays = unpack(state.to_bytes(), tag)
    changed, parts = copy.deepcopy(meta), dict(arrays)
    name = data.draw(st.sampled_from([*changed, *parts]))
    if name in changed and data.draw(st.booleans()):
        changed[name] = data.draw(st.sampled_from(METAS))
    elif name in changed:
        del changed[name]
    else:
        parts = damaged(parts, name, data)
    try:
        found = case.read(pack(tag, changed, parts))
    except StateError:
        return
    assert facts(case.read(found.to_bytes())) == facts(found)
    try:
        merged = found.merge(state)
    except StateError:
        assert isinstance(found, SELF_DESCRIBED)  # a sound state that counts on something else
        return
    assert merged.count >= found.count >= 0


def damaged(parts: dict[str, np.ndarray], name: str, data: st.DataObject) -> dict[str, np.ndarray]:
    """The arrays with one of them missing, cut, doubled, of another type or with one entry replaced."""
    array, how = (
        parts[name],
        data.draw(st.sampled_from(["gone", "cut", "twice", "floats", "integers", "bytes", "entry", "reversed"])),
    )
    if how == "gone":
        return {key: value for key, value in parts.items() if key != name}
    if how == "entry" and array.size:
        array = array.copy()
        values = (
            [0, 1, 2**62] if array.dtype.kind == "u" else [-1, 0, 2**62] if array.dtype.kind == "i" else [math.nan, -1.0, 1e308]
        )
        array[data.draw(st.integers(0, array.size - 1))] = np.array(data.draw(st.sampled_from(values))).astype(array.dtype)
    with np.errstate(invalid="ignore"):
        changed = {
            "cut": array[:-1],
            "twice": np.concatenate([array, array]),
            "floats": array.astype(np.float64),
            "integers": np.nan_to_num(np.clip(array.astype(np.float64), -1e18, 1e18)).astype(np.int64),
            "bytes": np.zeros(array.size, dtype=np.uint8),
            "entry": array,
            "reversed": array[::-1],
        }
    return {**parts, name: changed[how]}
