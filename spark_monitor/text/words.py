"""What texts are made of: the words of a name, the number that a text is."""

from __future__ import annotations

import math
import re
import unicodedata

_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")


def words_of(name: str) -> tuple[str, ...]:
    """The words of a name, in lower case and without accents.

    >>> words_of("modelVersion"), words_of("y_pred"), words_of("probabilité")
    (('model', 'version'), ('y', 'pred'), ('probabilite',))
    """
    return tuple(word.lower() for word in _PARTS.findall(without_accents(name)))


def without_accents(text: str) -> str:
    """A text whose letters have lost their accents.

    >>> without_accents("Île tatsächlich")
    'Ile tatsachlich'
    """
    return "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))


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
