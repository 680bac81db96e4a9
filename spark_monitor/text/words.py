"""What texts are made of: the words of a name, the number that a text is."""

from __future__ import annotations

import math
import re

_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")


def words_of(name: str) -> tuple[str, ...]:
    """The words of a name, in lower case.

    >>> words_of("modelVersion"), words_of("y_pred")
    (('model', 'version'), ('y', 'pred'))
    """
    return tuple(word.lower() for word in _PARTS.findall(name))


def number_in(text: str) -> float | None:
    """The finite number that a text is.

    >>> number_in("5.5"), number_in("a"), number_in("NaN")
    (5.5, None, None)
    """
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
