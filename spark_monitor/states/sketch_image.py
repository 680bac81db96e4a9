"""The binary image of a KLL sketch of doubles, as Apache DataSketches lays it out: its head, and images that keep every value."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from spark_monitor.states.grid import Floats, Integers

Words = npt.NDArray[np.uint64]

MIN_LEVEL_WIDTH = 8
FAMILY, EMPTY, SORTED, SINGLE = 15, 1, 2, 4
SHORT, FULL = struct.Struct("<BBBBHBB"), struct.Struct("<BBBBHBBQHBB")
EXACT = struct.Struct("<BBBBHBBQHBBI")
"""What the image of a sketch that keeps every value on its only level begins with."""

_HEAD_WORDS = EXACT.size // 8 + 2
"""Words of eight bytes before the values of such an image: its head, the first value and the last."""

LEVELS_AT = 18
"""Where the number of levels stands in the image of a sketch of more than one value."""


def is_exact_image(image: bytes) -> bool:
    """Whether an image keeps every value, read from its first bytes.

    >>> is_exact_image(exact_image(200, struct.pack("<2d", 1.0, 2.0)))
    True
    """
    return len(image) < FULL.size or image[LEVELS_AT] == 1


def exact_image(k: int, values: bytes) -> bytes:
    """The image of a sketch that keeps every value, from the doubles of these in increasing order, at most k.

    >>> len(exact_image(200, struct.pack("<2d", 1.0, 2.0))) == exact_length(2)
    True
    """
    n = len(values) >> 3
    if n == 0:
        return SHORT.pack(2, 1, FAMILY, EMPTY, k, MIN_LEVEL_WIDTH, 0)
    if n == 1:
        return SHORT.pack(2, 2, FAMILY, SINGLE, k, MIN_LEVEL_WIDTH, 0) + values
    head = EXACT.pack(5, 1, FAMILY, SORTED, k, MIN_LEVEL_WIDTH, 0, n, k, 1, 0, k - n)
    return b"".join((head, values[:8], values[-8:], values))


def exact_words(k: int, n: Integers, ends: Floats, values: Sequence[Floats]) -> tuple[Integers, Words]:
    """The images of many sketches that keep every value, in words of eight bytes: where each begins, int64[S + 1], and all words.

    ``n`` int64[S] values each, ``ends`` double[2, S] the first and the last of each, ``values`` each one's in increasing order.

    >>> bounds, words = exact_words(200, np.array([2, 0]), np.array([[1.0, 0], [3.0, 0]]), [np.array([1.0, 3.0]), np.array([])])
    >>> bounds.tolist(), words[:7].tobytes() == exact_image(200, struct.pack("<2d", 1.0, 3.0))
    ([0, 7, 8], True)
    """
    first = [_first_word(2, 1, EMPTY, k), _first_word(2, 2, SINGLE, k), _first_word(5, 1, SORTED, k)]
    heads = np.empty((n.size, _HEAD_WORDS), dtype="<u8")
    heads[:, 0] = np.array(first, dtype="<u8")[np.minimum(n, 2)]
    heads[:, 1], heads[:, 2] = n, k | 1 << 16 | (k - n) << 32
    heads[:, 3:] = np.ascontiguousarray(ends.T).view("<u8")
    long, short = heads.view("<f8"), heads[:, :1].view("<f8")
    pieces = [piece for place, one in enumerate(values) for piece in ((long if one.size > 1 else short)[place], one)]
    bounds = np.concatenate([[0], np.cumsum(image_words(n))]).astype(np.int64)
    return bounds, np.concatenate(pieces).view("<u8") if pieces else np.empty(0, dtype="<u8")


def image_words(n: Integers) -> Integers:
    """How many words of eight bytes the images of sketches that keep all of n values take.

    >>> (8 * image_words(np.array([0, 1, 2, 1000]))).tolist() == [exact_length(n) for n in (0, 1, 2, 1000)]
    True
    """
    return np.asarray(n + np.where(n > 1, _HEAD_WORDS, 1))


def _first_word(integers: int, version: int, flags: int, k: int) -> int:
    return int.from_bytes(SHORT.pack(integers, version, FAMILY, flags, k, MIN_LEVEL_WIDTH, 0), "little")


def exact_length(n: int) -> int:
    """How many bytes the image of a sketch that keeps all of n values takes; the values are its end.

    >>> [exact_length(n) - len(exact_image(1024, bytes(8 * n))) for n in (0, 1, 2, 1000)]
    [0, 0, 0, 0]
    """
    return SHORT.size + 8 * n if n < 2 else EXACT.size + 8 * (n + 2)
