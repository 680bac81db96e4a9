"""Small states in SQL: the values that a sketch's image holds, and where each stands on a grid.

A state whose sketch holds every value is stored without its cells. The image ends with these values as little-endian doubles in
increasing order. Spark has no function that reads a double from bytes (nor, before 4.1, one that asks a sketch), so it is made of
sign, exponent and fraction, all exact. DuckDB reads bits as a double; there both expressions are macros.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

_BYTES: Final = 8
_STEPS: Final = tuple(1 << power for power in range(13, -1, -1))
"""Of the search among edges, the widest first: a grid has at most 2^13 edges."""

_TURNED: Final = "concat({})".format(", ".join(f"substr(h, {2 * byte - 1}, 2)" for byte in range(_BYTES, 0, -1)))
"""Sixteen hexadecimal digits, the bytes in the opposite order."""

_EXPONENT, _FRACTION = "CAST(conv(substr(b, 1, 3), 16, 10) AS int)", "CAST(conv(substr(b, 4), 16, 10) AS bigint)"
_DOUBLE: Final = (
    f"CASE WHEN {_EXPONENT} >= 2048 THEN -1 ELSE 1 END * "
    f"CASE WHEN {_EXPONENT} % 2048 = 0 THEN {_FRACTION} * power(2D, -1074) "
    f"ELSE (1 + {_FRACTION} / power(2D, 52)) * power(2D, {_EXPONENT} % 2048 - 1023) END"
)

VALUES: Final = (
    f"CASE WHEN finite > 0 THEN transform(transform(transform(sequence(1, CAST(finite AS int)), "
    f"i -> hex(substring(sketch, length(sketch) - {_BYTES} * CAST(finite AS int) + {_BYTES} * i - {_BYTES - 1}, {_BYTES}))), "
    f"h -> {_TURNED}), b -> {_DOUBLE}) END"
)
"""The values of the image ``sketch``, which are ``finite`` many, as Spark's SQL reads them; NULL where there are none."""

BELOW: Final = (
    f"aggregate(array({', '.join(map(str, _STEPS))}), 0, "
    "(below, step) -> CASE WHEN get(grid, below + step - 1) < value THEN below + step ELSE below END)"
)
"""How many edges of ``grid`` are less than ``value``."""

_AT: Final = f"octet_length(sketch) - {_BYTES} * finite + {_BYTES} * i"
_OF_BYTES: Final = " || ".join(f"hex(sketch[{_AT} - {byte}:{_AT} - {byte}])" for byte in range(_BYTES))

MACROS: Final = MappingProxyType(
    {
        VALUES: (
            "sketch_values(sketch, finite)",
            f"list_transform(generate_series(1, finite), lambda i: CAST(CAST(unhex({_OF_BYTES}) AS BIT) AS DOUBLE))",
        ),
        BELOW: (
            "edges_below(grid, value)",
            f"list_reduce([{', '.join(map(str, _STEPS))}], "
            "lambda below, step: CASE WHEN grid[below + step] < value THEN below + step ELSE below END, 0)",
        ),
    }
)
"""What stands in their place in DuckDB, and what it means there."""
