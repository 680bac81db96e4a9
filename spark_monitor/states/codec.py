"""The bytes of a state: a tag, a small JSON header and plain arrays, compressed. Nothing is ever unpickled.

Layout: ``b"SMON"``, one version byte, four tag characters, the raw length and the CRC-32 of all that follows (uint32, little
endian), then compressed by LZ4 (version 1: zstd): the header's length (uint32), the header (JSON: ``meta`` and, for each array,
name, dtype, length and encoding) and the arrays' bytes. Integer arrays that are mostly zero are stored as positions and values.
Whatever is wrong with the bytes is a StateError; what is read is bounded before it is read.

States are hashes and doubles for the most part, which nothing makes smaller: zstd took nine times the time of LZ4 for 3 % less.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from spark_monitor.errors import StateError

MAGIC = b"SMON"
VERSION = 2
MAX_RAW_BYTES = 64 << 20
DTYPES = {name: np.dtype(name) for name in ("<i8", "<f8", "<u8", "<i4", "<u4", "<u2", "|u1")}
_PREFIX = struct.Struct("<4sB4sII")
_COMPACT = ((DTYPES["|u1"], 8), (DTYPES["<u2"], 16), (DTYPES["<u4"], 32))
"""The unsigned types by how many bits they hold, the smallest first."""
_HEADER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
_CODECS = {1: pa.Codec("zstd"), VERSION: pa.Codec("lz4_raw")}
"""What the bodies of each version are compressed by: older ones are read, the newest is written."""
MALFORMED = (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, struct.error, RecursionError)
"""What reading bytes that are not what they claim can raise."""

Arrays = dict[str, np.ndarray]


def pack(tag: str, meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """Bytes that hold a JSON-able ``meta`` and named one-dimensional arrays.

    >>> meta, arrays = unpack(pack("TEST", {"k": 1}, {"counts": np.array([0, 0, 0, 5])}), "TEST")
    >>> meta, arrays["counts"].tolist()
    ({'k': 1}, [0, 0, 0, 5])
    """
    entries: list[list[Any]] = []
    chunks: list[bytes] = []
    for name, array in arrays.items():
        for entry, values in _encoded(name, array):
            entries.append(entry)
            chunks.append(values.tobytes())
    header = _HEADER.encode([dict(meta), entries]).encode()
    raw = b"".join([struct.pack("<I", len(header)), header, *chunks])
    if len(raw) > MAX_RAW_BYTES:
        raise StateError(f"state of kind {tag!r}: takes {len(raw)} bytes, at most {MAX_RAW_BYTES} are written.")
    body = bytes(_CODECS[VERSION].compress(raw, asbytes=True))
    return _PREFIX.pack(MAGIC, VERSION, tag.encode(), len(raw), zlib.crc32(body)) + body


def _encoded(name: str, array: np.ndarray) -> list[tuple[list[Any], np.ndarray]]:
    """An array as one or two stored pieces: dense, or (positions, values) where integers are mostly zero."""
    if array.dtype.kind != "i" or array.size < 16:
        return [([name, array.dtype.str, array.size, "dense"], array)]
    positions = (array != 0).nonzero()[0]
    if positions.size * 2 > array.size:
        values = _narrow(array)
        return [([name, values.dtype.str, array.size, "dense:" + array.dtype.str], values)]
    steps = positions.copy()
    steps[1:] -= positions[:-1]
    steps, values = _narrow(steps), _narrow(array[positions])
    return [
        ([name, steps.dtype.str, steps.size, f"steps:{array.size}:{array.dtype.str}"], steps),
        ([name, values.dtype.str, values.size, "values"], values),
    ]


def _narrow(array: np.ndarray) -> np.ndarray:
    """The same integers in the smallest unsigned type that holds them; negative ones stay as they are."""
    # All bits that any of them has: negative where one is, and as long as the longest.
    bits = int(np.bitwise_or.reduce(array))
    for dtype, most in _COMPACT:
        if 0 <= bits < 1 << most:
            return array.astype(dtype)
    return array


def tag_of(data: bytes) -> str:
    """The tag that ``data`` begins with."""
    return _prefix(data)[1]


def has_tag(data: bytes, tag: str) -> bool:
    """Whether ``data`` begins as the bytes of this tag do; nothing else of them is checked."""
    return data[:4] == MAGIC and data[5:9] == tag.encode()


def _prefix(data: bytes) -> tuple[int, str, int]:
    """Version, tag and raw length, of bytes whose checksum fits."""
    if len(data) < _PREFIX.size:
        raise StateError(f"state: {len(data)} bytes are too few to be one; at least {_PREFIX.size} are needed.")
    magic, version, tag, length, checksum = _PREFIX.unpack_from(data)
    if magic != MAGIC:
        raise StateError(f"state: begins with {magic!r}, expected {MAGIC!r}; these bytes were not written by spark_monitor.")
    if version not in _CODECS:
        raise StateError(f"state: format version {version}, this release reads versions {', '.join(map(str, _CODECS))}.")
    if length > MAX_RAW_BYTES:
        raise StateError(f"state: claims {length} bytes, at most {MAX_RAW_BYTES} are read.")
    if zlib.crc32(memoryview(data)[_PREFIX.size :]) != checksum:
        raise StateError(f"state: damaged; the checksum of its {len(data)} bytes does not fit.")
    return version, tag.decode("ascii", "replace"), length


def unpack(data: bytes, tag: str) -> tuple[dict[str, Any], Arrays]:
    """What ``pack`` was given; a StateError where the bytes are not what ``pack`` wrote for this tag."""
    version, kind, length = _prefix(data)
    if kind != tag:
        raise StateError(f"state: of kind {kind!r}, expected {tag!r}.")
    try:
        raw = bytes(_CODECS[version].decompress(data[_PREFIX.size :], decompressed_size=length, asbytes=True))
        return _decoded(raw)
    except StateError:
        raise
    except (pa.ArrowException, OSError, *MALFORMED) as error:
        raise StateError(f"state of kind {tag!r}: damaged ({error}).") from error


def _decoded(raw: bytes) -> tuple[dict[str, Any], Arrays]:
    (header_size,) = struct.unpack_from("<I", raw)
    meta, entries = json.loads(raw[4 : 4 + header_size])
    if not isinstance(meta, dict):
        raise StateError(f"state: its header holds a {type(meta).__name__} where names are expected.")
    arrays: Arrays = {}
    offset = 4 + header_size
    steps: tuple[np.ndarray, str] | None = None
    expanded = 0
    for name, dtype, size, encoding in entries:
        if dtype not in DTYPES or not 0 <= size <= len(raw):
            raise StateError(f"state: array {name!r} of {size} times {dtype!r} is not read.")
        values = np.frombuffer(raw, DTYPES[dtype], size, offset)
        offset += values.nbytes
        if encoding.startswith("steps:"):
            steps = (values, encoding)
        elif encoding == "values":
            arrays[name] = _sparse(steps, values, most=MAX_RAW_BYTES // 8 - expanded)
            expanded += arrays[name].size
        else:
            arrays[name] = values.astype(_checked_dtype(encoding[6:] or dtype))
    if offset != len(raw):
        raise StateError(f"state: {len(raw) - offset} bytes left over.")
    return meta, arrays


def _checked_dtype(dtype: str) -> np.dtype[Any]:
    if dtype not in DTYPES:
        raise StateError(f"state: type {dtype!r} is not read.")
    return DTYPES[dtype]


def _sparse(steps: tuple[np.ndarray, str] | None, values: np.ndarray, *, most: int) -> np.ndarray:
    if steps is None:
        raise StateError("state: values of a sparse array without their positions.")
    _, length, dtype = steps[1].split(":")
    size = int(length)
    if not 0 <= size <= most:
        raise StateError(f"state: a sparse array of {size} entries is not read.")
    if steps[0].dtype.kind not in "iu" or values.dtype.kind not in "iu" or steps[0].size != values.size:
        raise StateError(f"state: a sparse array of {steps[0].size} positions and {values.size} values.")
    array = np.zeros(size, dtype=_checked_dtype(dtype))
    positions = np.cumsum(steps[0], dtype=np.int64)
    if positions.size and (positions[-1] >= size or positions[0] < 0 or (positions[1:] <= positions[:-1]).any()):
        raise StateError("state: a sparse array's positions lie outside it.")
    array[positions] = values
    return array
