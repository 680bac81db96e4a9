"""The container of states: what is packed comes back, small and exactly."""

from __future__ import annotations

import math
import zlib
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spark_monitor.errors import StateError
from spark_monitor.states import codec
from spark_monitor.states.codec import pack, tag_of, unpack

INTEGERS = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(0, 300), st.just(0))
ARRAYS = st.one_of(
    hnp.arrays(np.int64, st.integers(0, 60), elements=INTEGERS, fill=st.just(0)),
    hnp.arrays(np.float64, st.integers(0, 30), elements=st.floats()),
    hnp.arrays(np.uint64, st.integers(0, 30)),
    hnp.arrays(np.uint8, st.integers(0, 30)),
)
META = st.dictionaries(
    st.text(max_size=5), st.one_of(st.none(), st.integers(), st.text(max_size=9), st.lists(st.text(max_size=3)))
)


@given(META, st.dictionaries(st.text(max_size=5), ARRAYS, max_size=4))
def test_meta_and_arrays_come_back_bit_for_bit(meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    data = pack("TEST", meta, arrays)
    found_meta, found = unpack(data, "TEST")
    assert tag_of(data) == "TEST"
    assert found_meta == meta
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        assert found[name].tobytes() == array.tobytes()


@pytest.mark.parametrize("top", [1, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**63 - 1])
@pytest.mark.parametrize("filled", [1, 8, 9, 100])
def test_integers_of_every_width_come_back_sparse_or_dense(top: int, filled: int) -> None:
    array = np.zeros(100, dtype=np.int64)
    array[-filled:] = np.linspace(top / 2, top, filled).astype(np.uint64).clip(1, top).astype(np.int64)
    array[-1] = top
    for values in (array, -array, array[::-1].copy()):
        assert unpack(pack("TEST", {}, {"x": values}), "TEST")[1]["x"].tolist() == values.tolist()


def test_restored_arrays_can_be_changed_without_changing_the_bytes() -> None:
    data = pack("TEST", {}, {"dense": np.arange(1, 50), "sparse": np.zeros(50, dtype=np.int64), "floats": np.ones(3)})
    _, arrays = unpack(data, "TEST")
    for array in arrays.values():
        array += 1
    assert unpack(data, "TEST")[1]["dense"].tolist() == list(range(1, 50))


def test_mostly_empty_counts_take_a_few_bytes_a_count() -> None:
    cells = np.zeros(2175, dtype=np.int64)
    cells[np.random.default_rng(1).choice(2175, 200, replace=False)] = 5
    assert len(pack("TEST", {}, {"cells": cells})) < 700


def test_bytes_of_the_first_version_are_still_read() -> None:
    meta, arrays = {"k": 3}, {"counts": np.arange(40), "few": np.eye(9, dtype=np.int64).ravel(), "floats": np.array([math.nan])}
    new = pack("TEST", meta, arrays)
    magic, version, tag, length, _ = codec._PREFIX.unpack_from(new)
    raw = pa.Codec("lz4_raw").decompress(new[codec._PREFIX.size :], decompressed_size=length, asbytes=True)
    body = pa.Codec("zstd").compress(raw, asbytes=True)
    old = codec._PREFIX.pack(magic, 1, tag, length, zlib.crc32(body)) + body

    assert version == 2
    found_meta, found = unpack(old, "TEST")
    assert found_meta == meta
    assert {name: array.tobytes() for name, array in found.items()} == {name: array.tobytes() for name, array in arrays.items()}


@pytest.mark.parametrize("claimed", [0, 1, 40, 5_000, 64 << 20])
def test_a_raw_length_that_is_not_the_body_s_is_an_error(claimed: int) -> None:
    data = pack("TEST", {}, {"counts": np.arange(40)})
    magic, version, tag, _, checksum = codec._PREFIX.unpack_from(data)
    with pytest.raises(StateError):
        unpack(codec._PREFIX.pack(magic, version, tag, claimed, checksum) + data[codec._PREFIX.size :], "TEST")


def test_another_kind_of_state_is_named_in_the_error() -> None:
    with pytest.raises(StateError, match="of kind 'NUMS', expected 'CATS'"):
        unpack(pack("NUMS", {}, {}), "CATS")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "0 bytes are too few"),
        (b"SMON", "4 bytes are too few"),
        (b"PAR1" + bytes(40), "begins with b'PAR1'"),
        (b"SMON\x09TEST" + bytes(40), "format version 9"),
        (pack("TEST", {}, {})[:-1], "checksum"),
    ],
)
def test_an_error_says_what_was_found(data: bytes, message: str) -> None:
    with pytest.raises(StateError, match=message):
        unpack(data, "TEST")


def test_what_json_cannot_hold_is_not_packed() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        pack("TEST", {"x": math.nan}, {})


def test_a_state_too_large_to_be_read_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "MAX_RAW_BYTES", 1000)
    with pytest.raises(StateError, match="at most 1000 are written"):
        pack("TEST", {}, {"x": np.random.default_rng(1).random(200)})
