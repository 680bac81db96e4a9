"""Texts that are written where a value is missing: words such as n/a, nothing but dashes, the first or the last day there is."""

from __future__ import annotations

import re
from typing import Final

_WORDS: Final = (
    *(
        r"n[/.\s_\\-]?a\.?",
        "#n/a",
        "nan",
        "null",
        "nil",
        "none",
        "nothing",
        "void",
        "empty",
        "blank",
        "missing",
        "unknown",
        "unk",
    ),
    *("undefined", "undef", "unspecified", "unavailable", "no[ _-]?(data|value|entry|info|information)", "tbd", "tba", r"\\n"),
    r"not[ _-](available|applicable|known|set|given|specified|provided|found|defined|recorded|reported)",
    *("unbekannt", r"k\.\s?a\.?", "keine angabe", "fehlt", "inconnu", "non renseign\u00e9", "desconocido", "sin datos"),
    *("sconosciuto", "onbekend", "desconhecido", "nieznany", "ok\u00e4nd", "ukjent", "ukendt"),
)
MISSING_WORD: Final = re.compile(rf"[\W_]*({'|'.join(_WORDS)})[\W_]*|[^\w\s]+", re.IGNORECASE)
MISSING_NUMBER: Final = re.compile(r"-(1|9)(\.0+)?|-?9{3,}(\.0+)?|0{3,}")
MISSING_DAY: Final = re.compile(
    r"(0001-01-01|1900-01-01|1970-01-01|9999-12-31)([T ]00:00.*)?|(01|31)[./](01|12)[./](0001|1900|1970|9999)"
)


def is_missing_word(text: str) -> bool:
    """Whether a text says that there is no value.

    >>> [is_missing_word(one) for one in ("N/A", "<null>", "--", "Not available", "NAN", "Nancy", "NL", "no", "0", "A-")]
    [True, True, True, True, True, False, False, False, False, False]
    """
    return MISSING_WORD.fullmatch(text.strip()) is not None


def is_missing_text(text: str) -> bool:
    """Whether a text stands for a missing value where numbers or days are written, too.

    >>> [is_missing_text(one) for one in ("-999", "99999", "1970-01-01", "1970-01-02", "0", "-15", "unknown")]
    [True, True, True, False, False, False, True]
    """
    plain = text.strip()
    return is_missing_word(plain) or any(one.fullmatch(plain) is not None for one in (MISSING_NUMBER, MISSING_DAY))
