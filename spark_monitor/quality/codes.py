"""Integers that are names: of shops, of types, of regions. Their order and their differences mean nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from spark_monitor.text.words import words_of

CODE_WORDS: Final = frozenset({"code", "codes", "type", "category", "zip", "postcode", "sku", "status"})
MOST_CODES: Final = (3, 30)
"""So many different integers can be names."""

GAPS: Final = 2
"""Names lie so far apart that a range of integers has so many times as many places as names."""


def are_codes(name: str, values: Sequence[int]) -> bool:
    """Whether integers are names: by the column's name, or because they have gaps and are no multiples of one step.

    Counts begin near zero and have no gaps where most of them are, so numbers below the number of different values are no names.

    >>> are_codes("region_code", [1, 2, 3]), are_codes("shop", [101, 102, 210, 305]), are_codes("seats", [20, 50, 100, 150])
    (True, True, False)
    >>> are_codes("late_payments", [0, 1, 2, 3, 5, 9, 14])
    False
    """
    if not MOST_CODES[0] <= len(values) <= MOST_CODES[1] or min(values) < 0:
        return False
    gaps = max(values) - min(values) + 1 >= GAPS * len(values)
    by_values = gaps and math.gcd(*values) == 1 and min(values) >= len(values)
    return by_values or bool(set(words_of(name)) & CODE_WORDS)
