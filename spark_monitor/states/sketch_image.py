"""The binary image of a KLL sketch of doubles, as Apache DataSketches lays it out: its head, and images that keep every value."""

from __future__ import annotations

import struct

MIN_LEVEL_WIDTH = 8
FAMILY, EMPTY, SORTED, SINGLE = 15, 1, 2, 4
SHORT, FULL = struct.Struct("<BBBBHBB"), struct.Struct("<BBBBHBBQHBB")
EXACT = struct.Struct("<BBBBHBBQHBBI")
"""What the image of a sketch that keeps every value on its only level begins with."""

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


def exact_length(n: int) -> int:
    """How many bytes the image of a sketch that keeps all of n values takes; the values are its end.

    >>> [exact_length(n) - len(exact_image(1024, bytes(8 * n))) for n in (0, 1, 2, 1000)]
    [0, 0, 0, 0]
    """
    return SHORT.size + 8 * n if n < 2 else EXACT.size + 8 * (n + 2)
