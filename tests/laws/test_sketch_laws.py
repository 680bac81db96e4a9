"""The sketches against exact answers and against the datasketches package, on data made to break them."""

from __future__ import annotations

import struct
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import reduce

import numpy as np
import pyarrow as pa
import pytest
from datasketches import kll_doubles_sketch
from hypothesis import given
from hypothesis import strategies as st

from spark_monitor.errors import StateError
from spark_monitor.states.distinct import ALL, K_SLICE, K_WINDOW, Distinct, hash_numbers, hash_texts
from spark_monitor.states.frequent import CAPACITY, Frequent, frequent_of_sorted
from spark_monitor.states.grid import Grid
from spark_monitor.states.sketch import K_FREEZE, K, Kll, capacity, level_capacity


def bound(k: int) -> float:
    """DataSketches' own bound on the rank error, checked against the package below."""
    return 2.296 / float(k) ** 0.9723


def segments(sizes: Iterable[int], values: np.ndarray) -> list[np.ndarray]:
    """The values cut into segments of these sizes, the sizes repeated as needed."""
    cut, start, sizes = [], 0, list(sizes)
    while start < values.size:
        size = sizes[len(cut) % len(sizes)]
        cut.append(values[start : start + size])
        start += size
    return cut


def rank_errors(sketch: Kll, values: np.ndarray) -> float:
    """The largest error of F(x) and of its left limit over all x."""
    ordered = np.sort(values)
    points = np.unique(ordered)
    right = np.searchsorted(ordered, points, side="right") / ordered.size
    left = np.searchsorted(ordered, points, side="left") / ordered.size
    return float(max(np.abs(sketch.cdf(points) - right).max(), np.abs(sketch.cdf_left(points) - left).max()))


def theirs(values: np.ndarray, k: int = K) -> kll_doubles_sketch:
    sketch = kll_doubles_sketch(k)
    sketch.update(values)
    return sketch


N = 240_000
SIZES = {
    "70": [70],
    "300": [300],
    "3,000": [3000],
    "2,048, where sampling begins": [2048],
    "4,095, sampled by two": [4095],
    "65,536": [65_536],
    "growing": [2**power for power in range(4, 17)],
    "shrinking": [2**power for power in range(16, 3, -1)],
    "one long, many short": [100_000, *[7] * 200],
    "whole": [N],
}
ORDERS = {
    "random": lambda random: random.normal(size=N),
    "sorted": lambda random: np.sort(random.normal(size=N)),
    "reversed": lambda random: -np.sort(random.normal(size=N)),
    "ties": lambda random: random.poisson(4, N).astype(float),
    "one value half of the time": lambda random: np.where(random.random(N) < 0.5, 1.0, random.normal(size=N)),
    "sawtooth": lambda random: np.arange(N, dtype=float) % 65_536,
    "ends first": lambda random: np.sort(random.normal(size=N))[np.argsort(-np.abs(np.arange(N) - N / 2), kind="stable")],
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("sizes", SIZES)
def test_the_rank_error_stays_within_the_bound_however_data_is_cut(sizes: str, order: str) -> None:
    values = ORDERS[order](np.random.default_rng(13))
    sketch = reduce(Kll.merge, (Kll.of(part) for part in segments(SIZES[sizes], values)))
    assert sketch.n == N
    assert (sketch.minimum, sketch.maximum) == (values.min(), values.max())
    assert rank_errors(sketch, values) <= sketch.rank_error == bound(K)
    retained = sum(level.size for level in sketch.levels)
    assert retained <= capacity(K, len(sketch.levels)) <= 3 * K + 8 * len(sketch.levels)


@pytest.mark.parametrize("sizes", ["300", "65,536", "growing", "whole"])
def test_a_sharper_sketch_for_freezing_keeps_its_own_bound(sizes: str) -> None:
    values = np.random.default_rng(14).gamma(2.0, 2.0, N)
    sketch = reduce(Kll.merge, (Kll.of(part, K_FREEZE) for part in segments(SIZES[sizes], values)))
    assert sketch.n == N
    assert rank_errors(sketch, values) <= bound(K_FREEZE)


def test_many_tasks_of_equal_size_do_not_add_up_their_errors() -> None:
    # The same chunks from 200 tasks: whatever is drawn from a chunk's size alone is drawn 200 times.
    random = np.random.default_rng(3)
    chunks = [random.normal(size=8192) for _ in range(200)]
    sketch = reduce(Kll.merge, (Kll.of(chunk) for chunk in chunks))
    assert rank_errors(sketch, np.concatenate(chunks)) <= bound(K)
    same = reduce(Kll.merge, (Kll.of(chunks[0]) for _ in range(200)))
    assert rank_errors(same, chunks[0]) <= bound(K)


def test_trees_of_merges_in_any_shape_keep_the_bound() -> None:
    random = np.random.default_rng(5)
    values = random.normal(size=N)
    parts = [Kll.of(part) for part in np.split(values, np.sort(random.choice(N, 299, replace=False)))]
    while len(parts) > 1:
        first = parts.pop(random.integers(len(parts)))
        place = random.integers(len(parts))
        parts[place] = parts[place].merge(first)
    assert parts[0].n == N
    assert rank_errors(parts[0], values) <= bound(K)


def test_the_stated_error_is_the_packages_own() -> None:
    for k in (128, K, K_FREEZE):
        assert bound(k) == pytest.approx(kll_doubles_sketch(k).normalized_rank_error(False), rel=1e-9)


@pytest.mark.parametrize("n", [0, 1, 2, 1023, 2047, 2048, 5000, 65_536, 300_000])
def test_datasketches_reads_an_image_of_ours(n: int) -> None:
    values = np.random.default_rng(n).normal(size=n)
    sketch = Kll.of(values)
    read = kll_doubles_sketch.deserialize(sketch.to_bytes())
    assert (read.n, read.k, read.is_empty()) == (n, K, n == 0)
    if not n:
        return
    assert (read.get_min_value(), read.get_max_value()) == (values.min(), values.max())
    points = np.sort(values)[:: max(n // 50, 1)]
    assert [read.get_rank(point, True) for point in points] == pytest.approx(sketch.cdf(points).tolist(), abs=1e-12)
    assert [read.get_rank(point, False) for point in points] == pytest.approx(sketch.cdf_left(points).tolist(), abs=1e-12)
    read.update(float(values[0]))
    assert read.n == n + 1


@pytest.mark.parametrize("n", [0, 1, 2, 1023, 3000, 5000, 65_536, 300_000])
@pytest.mark.parametrize("k", [8, K])
def test_an_image_of_datasketches_is_read_by_us(n: int, k: int) -> None:
    values = np.random.default_rng(n).normal(size=n)
    written = theirs(values, k)
    sketch = Kll.from_bytes(written.serialize())
    assert (sketch.n, sketch.k) == (n, k)
    assert len(sketch.to_bytes()) == len(written.serialize())
    if n:
        points = np.sort(values)[:: max(n // 50, 1)]
        assert sketch.cdf(points).tolist() == pytest.approx([written.get_rank(point, True) for point in points], abs=1e-12)
        assert (sketch.minimum, sketch.maximum) == (values.min(), values.max())
        again = kll_doubles_sketch.deserialize(sketch.to_bytes())
        assert again.get_rank(points[0], True) == written.get_rank(points[0], True)


@pytest.mark.parametrize(("ours", "other"), [(0, 0), (0, 5), (5, 0), (1, 1), (500, 100_000), (100_000, 500), (65_536, 65_536)])
def test_ours_and_theirs_merge_both_ways_with_exact_n(ours: int, other: int) -> None:
    random = np.random.default_rng(ours + other)
    first, second = random.normal(size=ours), random.normal(1.0, 2.0, size=other)
    both = np.concatenate([first, second])
    mine = Kll.of(first).merge(Kll.from_bytes(theirs(second).serialize()))
    merged = theirs(second)
    merged.merge(kll_doubles_sketch.deserialize(Kll.of(first).to_bytes()))
    read = Kll.from_bytes(merged.serialize())
    assert mine.n == read.n == ours + other
    if both.size:
        assert rank_errors(mine, both) <= bound(K)
        assert rank_errors(read, both) <= bound(K)
        assert (mine.minimum, mine.maximum) == (read.minimum, read.maximum) == (both.min(), both.max())


def test_a_sketch_of_theirs_goes_on_taking_merges_for_long() -> None:
    random = np.random.default_rng(9)
    values = random.normal(size=N)
    sketch = kll_doubles_sketch(K)
    for part in segments([3000, 20_000], values):
        sketch.merge(kll_doubles_sketch.deserialize(Kll.of(part).to_bytes()))
    assert sketch.n == N
    assert rank_errors(Kll.from_bytes(sketch.serialize()), values) <= bound(K)


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=300), st.lists(st.floats(0, 1), max_size=9)
)
def test_while_every_value_is_kept_all_answers_are_exact(values: list[float], ranks: list[float]) -> None:
    sketch, ordered = Kll.of(values), np.sort(np.array(values))
    assert sketch.rank_error == 0.0
    points = np.unique(ordered)
    assert sketch.cdf(points).tolist() == (np.searchsorted(ordered, points, side="right") / len(values)).tolist()
    exact = [ordered[max(int(np.ceil(rank * len(values) - 1e-9 * len(values))), 1) - 1] for rank in ranks]
    assert sketch.quantiles(ranks).tolist() == exact
    assert sketch.quantiles([0.0, 1.0]).tolist() == [ordered[0], ordered[-1]]


def test_the_same_values_give_the_same_bytes() -> None:
    values = np.random.default_rng(2).normal(size=100_000)
    first, second = (reduce(Kll.merge, (Kll.of(part) for part in segments([5000, 70], values))).to_bytes() for _ in range(2))
    assert first == second


def test_sketches_of_different_k_are_not_merged() -> None:
    with pytest.raises(StateError, match="k = 1024 cannot be merged with k = 8192"):
        Kll.of([1.0]).merge(Kll.of([1.0], K_FREEZE))


def test_level_capacities_are_those_of_the_reference() -> None:
    for k in (8, 200, K, K_FREEZE):
        for levels in range(1, 40):
            for height in range(levels):
                exact = k * (2 / 3) ** (levels - 1 - height)
                assert abs(level_capacity(k, levels, height) - max(8.0, exact)) <= 0.5 + 1e-6


IMAGES = {
    "empty": Kll.empty().to_bytes(),
    "single": Kll.of([1.5]).to_bytes(),
    "exact": Kll.of(np.arange(50.0)).to_bytes(),
    "sampled": Kll.of(np.arange(70_000.0)).to_bytes(),
    "theirs": theirs(np.arange(9000.0)).serialize(),
}


def read_or_refused(data: bytes) -> None:
    """A StateError, or a sketch that answers."""
    start = time.perf_counter()
    try:
        sketch = Kll.from_bytes(data)
    except StateError:
        return
    finally:
        assert time.perf_counter() - start < 5
    assert sketch.n >= 0
    if sketch.n:
        found = sketch.quantiles(np.linspace(0, 1, 11))
        assert not np.isnan(found).any()
        assert ((sketch.minimum <= found) & (found <= sketch.maximum)).all()
        assert sketch.merge(Kll.of([2.0], sketch.k)).n == sketch.n + 1
        Kll.from_bytes(sketch.to_bytes())


@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES.keys())
@given(data=st.data())
def test_a_damaged_image_is_refused_or_read_as_a_sound_sketch(image: bytes, data: st.DataObject) -> None:
    place = data.draw(st.one_of(st.integers(0, min(len(image), 80) - 1), st.integers(0, len(image) - 1)))
    read_or_refused(bytes([*image[:place], image[place] ^ (1 << data.draw(st.integers(0, 7))), *image[place + 1 :]]))
    with pytest.raises(StateError):
        Kll.from_bytes(image[: data.draw(st.integers(0, len(image) - 1))])
    with pytest.raises(StateError):
        Kll.from_bytes(image + b"\x00")
    read_or_refused(data.draw(st.binary(max_size=100)))
    read_or_refused(image[:8] + data.draw(st.binary(max_size=100)))


def full(
    k: int, n: int, starts: Sequence[int], ends: tuple[float, float], items: Sequence[float], height: int | None = None
) -> bytes:
    head = struct.pack("<BBBBHBBQHBB", 5, 1, 15, 2, k, 8, 0, n, k, len(starts) if height is None else height, 0)
    return head + struct.pack(f"<{len(starts)}I", *starts) + struct.pack(f"<dd{len(items)}d", *ends, *items)


@pytest.mark.parametrize(
    "image",
    [
        full(8, 1, [7], (1.0, 1.0), [np.nan]),
        full(8, 1, [7], (np.nan, np.nan), [1.0]),
        full(8, 1, [7], (2.0, 3.0), [1.0]),
        full(8, 2, [6], (3.0, 2.0), [2.0, 3.0]),
        full(8, 0, [8], (1.0, 2.0), []),
        full(8, 2**64 - 1, [7], (1.0, 1.0), [1.0]),
        full(8, 2, [7], (1.0, 1.0), [1.0]),
        full(8, 1, [2**32 - 1], (1.0, 1.0), [1.0]),
        full(8, 1, [0], (1.0, 1.0), [1.0]),
        full(8, 3, [15, 3], (1.0, 2.0), [1.0, 2.0]),
        full(8, 1, [7], (1.0, 1.0), [1.0], height=0),
        full(8, 1, [7], (1.0, 1.0), [1.0], height=200),
        full(7, 1, [7], (1.0, 1.0), [1.0]),
        struct.pack("<BBBBHBBd", 2, 2, 15, 4, K, 8, 0, np.nan),
        struct.pack("<BBBBHBB", 2, 2, 15, 4, K, 8, 0),
        b"",
    ],
    ids=range(16),
)
def test_images_that_contradict_themselves_are_refused(image: bytes) -> None:
    with pytest.raises(StateError):
        Kll.from_bytes(image)


# Distinct values.


@pytest.mark.parametrize("k", [K_WINDOW, K_SLICE])
def test_the_distinct_count_is_within_four_standard_errors(k: int) -> None:
    for seed in range(20):
        random = np.random.default_rng(seed)
        true = int(random.integers(5000, 200_000))
        values = np.unique(random.normal(size=true))
        repeated = random.permutation(np.concatenate([values, random.choice(values, true // 2)]))
        parts = [Distinct.empty(k).update(hash_numbers(part)) for part in np.array_split(repeated, 7)]
        found = reduce(Distinct.merge, parts)
        assert found.relative_error == pytest.approx(k**-0.5, rel=0.02)
        assert abs(found.count - values.size) <= 4 * found.relative_error * values.size


@pytest.mark.parametrize("kind", ["whole numbers", "halves", "dates", "tiny", "texts"])
def test_regular_values_are_counted_as_well_as_random_ones(kind: str) -> None:
    n = 50_000
    whole = np.arange(n, dtype=float)
    hashes = {
        "whole numbers": lambda: hash_numbers(whole),
        "halves": lambda: hash_numbers(whole / 2 - 100),
        "dates": lambda: hash_numbers(whole * 86400.0),
        "tiny": lambda: hash_numbers(whole * 5e-324),
        "texts": lambda: hash_texts(pa.array([f"user-{i:08d}" for i in range(n)])),
    }[kind]()
    assert np.unique(hashes).size == n
    found = Distinct.of(hashes)
    assert abs(found.count - n) <= 4 * found.relative_error * n
    thousands = np.bincount((hashes >> np.uint64(54)).astype(np.int64), minlength=1024)
    assert ((thousands - n / 1024) ** 2).sum() / (n / 1024) < 1023 + 5 * (
        2 * 1023
    ) ** 0.5  # chi-squared, five standard deviations


@given(st.lists(st.lists(st.integers(0, 40), max_size=60), max_size=6), st.sampled_from([1, 5, 16, 100]))
def test_the_smallest_distinct_hashes_do_not_depend_on_how_rows_are_cut(parts: list[list[int]], k: int) -> None:
    pool = hash_numbers(np.arange(41.0))
    found = reduce(Distinct.merge, (Distinct.of(pool[part], k) for part in parts), Distinct.empty(k))
    updated = reduce(Distinct.update, (pool[part] for part in parts), Distinct.empty(k))
    whole = sorted({int(pool[i]) for part in parts for i in part})
    assert found.hashes.tolist() == updated.hashes.tolist() == whole[:k]
    assert found.theta == updated.theta == (whole[k] if len(whole) > k else ALL)
    if len(whole) <= k:
        assert (found.count, found.is_exact, found.relative_error) == (len(whole), True, 0.0)


def test_trimming_keeps_a_right_state() -> None:
    hashes = hash_numbers(np.arange(5000.0))
    trimmed, small = Distinct.of(hashes).trimmed(K_SLICE), Distinct.of(hashes, K_SLICE)
    assert (trimmed.hashes.tolist(), trimmed.theta, trimmed.k) == (small.hashes.tolist(), small.theta, small.k)


def test_zero_is_one_value_and_hashing_changes_no_array() -> None:
    values = np.array([0.0, -0.0, 1.0])
    hashes = hash_numbers(values)
    assert hashes[0] == hashes[1] != hashes[2]
    assert np.signbit(values).tolist() == [False, True, False]


TEXTS = [
    "",
    "a",
    "b",
    "ab",
    "a\x00",
    "\x00",
    "\x00\x00",
    "é",
    "日本語",
    "x" * 7,
    "x" * 8,
    "x" * 9,
    "x" * 256,
    "x" * 257,
    "y" * 1_000_000,
]


def test_a_text_has_one_hash_in_whatever_array_it_stands() -> None:
    plain = pa.array(TEXTS)
    expected = hash_texts(plain).tolist()
    assert len(set(expected)) == len(TEXTS)
    padded = pa.array(["zzz", "nothing of this", *TEXTS, "after"])
    forms = {
        "large": plain.cast(pa.large_string()),
        "binary": plain.cast(pa.binary()),
        "large binary": plain.cast(pa.large_binary()),
        "slice": padded.slice(2, len(TEXTS)),
        "large slice": padded.cast(pa.large_string()).slice(2, len(TEXTS)),
        "slice of a slice": padded.slice(1).slice(1, len(TEXTS)),
        "dictionary": pa.array([*TEXTS, *TEXTS]).dictionary_encode().dictionary,
    }
    for form, array in forms.items():
        assert hash_texts(array).tolist() == expected, form
    for position in (0, 3, len(TEXTS) - 1):
        assert hash_texts(plain.slice(position, 1)).tolist() == [expected[position]]


def test_nulls_hash_as_empty_and_no_texts_have_no_hash() -> None:
    empty = int(hash_texts(pa.array([""]))[0])
    for kind in (pa.string(), pa.large_string(), pa.binary(), pa.large_binary()):
        assert hash_texts(pa.nulls(3, kind)).tolist() == [empty] * 3
        assert hash_texts(pa.array([], kind)).tolist() == []
        assert hash_texts(pa.array([None, "a"], pa.string()).cast(kind).slice(1)).tolist() == hash_texts(pa.array(["a"])).tolist()


@given(st.lists(st.text(max_size=20), max_size=30, unique=True))
def test_different_texts_have_different_hashes(texts: list[str]) -> None:
    assert np.unique(hash_texts(pa.array(texts, pa.string()))).size == len(texts)


# Frequent values.


def assert_bounds(found: Frequent[float], true: Counter[float]) -> None:
    assert len(found.counts) <= found.capacity
    assert all(count <= true[item] <= count + found.dropped for item, count in found.counts.items())
    assert max((count for item, count in true.items() if item not in found.counts), default=0) <= found.dropped
    shown = found.top()
    assert [count for _, count in shown] == sorted((count for _, count in shown), reverse=True)
    assert all(count > found.dropped for _, count in shown)


@given(
    st.lists(st.lists(st.integers(0, 30), max_size=60), min_size=1, max_size=8),
    st.sampled_from([1, 2, 5, 20, 40]),
    st.randoms(use_true_random=False),
)
def test_counts_are_never_too_high_and_never_lower_than_the_bound(parts: list[list[int]], capacity: int, random: object) -> None:
    states = [Frequent.of({float(v): c for v, c in Counter(part).items()}, capacity=capacity) for part in parts]
    while len(states) > 1:
        first = states.pop(random.randrange(len(states)))  # type: ignore[attr-defined]
        states[0] = states[0].merge(first) if random.random() < 0.5 else first.merge(states[0])  # type: ignore[attr-defined]
    assert_bounds(states[0], Counter(float(value) for part in parts for value in part))


@pytest.mark.parametrize("n", [0, 1, 255, 256, 257, 5000, 100_000])
@pytest.mark.parametrize("kind", ["zipf", "all different", "all equal", "runs", "few"])
def test_frequent_values_of_sorted_data_keep_the_bound(n: int, kind: str) -> None:
    random = np.random.default_rng(n)
    values = {
        "zipf": lambda: random.zipf(1.3, n).astype(float),
        "all different": lambda: np.arange(float(n)),
        "all equal": lambda: np.full(n, -0.0),
        "runs": lambda: np.repeat(np.arange(float(n)), 400)[:n],
        "few": lambda: random.integers(0, 100, n).astype(float),
    }[kind]()
    found = frequent_of_sorted(np.sort(values))
    assert found.dropped <= n / CAPACITY
    assert_bounds(found, Counter(values.tolist()))
    if np.unique(values).size <= CAPACITY and n <= CAPACITY:
        assert found.counts == Counter(values.tolist())


def test_a_value_of_half_a_percent_is_found_in_data_cut_into_many_parts() -> None:
    random = np.random.default_rng(8)
    values = np.where(random.random(200_000) < 0.005, 7.5, random.normal(size=200_000))
    found = reduce(Frequent.merge, (frequent_of_sorted(np.sort(part)) for part in np.array_split(values, 25)))
    assert_bounds(found, Counter(values.tolist()))
    assert found.top(1)[0][0] == 7.5


def test_a_grid_from_a_sketch_splits_the_mass_evenly() -> None:
    values = np.random.default_rng(6).lognormal(0, 2, N)
    sketch = reduce(Kll.merge, (Kll.of(part, K_FREEZE) for part in segments([65_536], values)))
    grid = Grid.of(sketch.quantiles(np.arange(1, 1024) / 1024))
    shares = grid.counts_of_sorted(np.sort(values))[::2] / N
    assert shares.max() <= 0.0015


@pytest.mark.parametrize("size", [100, 5_000])
def test_a_sketch_keeps_copies_of_its_values_and_one_zero(size: int) -> None:
    zeros = np.zeros(size)
    turned = zeros.copy()
    turned[::2] = -0.0
    first, second = Kll.of_sorted(zeros), Kll.of_sorted(turned)
    assert first.to_bytes() == second.to_bytes()
    assert not any(np.shares_memory(level, zeros) for level in first.levels)
