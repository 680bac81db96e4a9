"""What is held against every value of a column in the pass: formats, ranges, allowed values, sentinels, damage.

Strings are looked at once for each entry of their dictionary, numbers by comparing arrays.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spark_monitor.kernel.groups import Mask
from spark_monitor.states.categorical import named
from spark_monitor.states.grid import Floats

PARSES = r"^\s*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$"
"""A string that is a number: digits with at most one point and an exponent, blanks around it."""

REPLACEMENT = "\ufffd"
_BEYOND_LATIN = "\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122"
"""What Windows-1252 has where Latin-1 has control characters."""

_DAMAGE_CANDIDATE = f"\ufffd|[\u00c2-\u00f4][\u0080-\u00bf{_BEYOND_LATIN}]"
_LATIN_RUN = re.compile(f"[\u0080-\u00ff{_BEYOND_LATIN}]{{2,}}")
_ASCII_WHITESPACE = np.zeros(256, dtype=np.bool_)
_ASCII_WHITESPACE[[*range(9, 14), *range(28, 33)]] = True
_ASCII_WHITESPACE[128:] = True  # the first or last byte of a character beyond ASCII, which may be a blank


@dataclass(frozen=True)
class ColumnChecks:
    """What a column's values are held against; None where nothing is.

    ``pattern`` is searched in strings, whose values are also held against ``codes`` where a pattern alone does not say it;
    ``expected`` are the values allowed or seen in the baseline; ``parses``: the strings should be numbers.
    """

    pattern: str | None = None
    codes: frozenset[str] | None = None
    parses: bool = False
    expected: tuple[str, ...] | tuple[float, ...] | None = None
    low: float | None = None
    high: float | None = None
    sentinels: tuple[str, ...] | tuple[float, ...] | None = None

    @property
    def counted(self) -> frozenset[str]:
        """The counters that this column has."""
        wanted = {
            "format_mismatch": self.pattern is not None or self.codes is not None,
            "unparsable": self.parses,
            "unseen": self.expected is not None,
            "sentinel": self.sentinels is not None,
            "out_of_range": self.low is not None or self.high is not None,
        }
        return frozenset(name for name, is_wanted in wanted.items() if is_wanted)


NO_CHECKS = ColumnChecks()


def text_flags(strings: pa.Array, checks: ColumnChecks) -> dict[str, Mask]:
    """For each counter whether an entry of a dictionary of strings meets it; counters that none meets are left out.

    >>> flags = text_flags(pa.array(["12", "x ", "Ã©t"]), ColumnChecks(pattern="^[0-9]+$", parses=True))
    >>> {name: mask.tolist() for name, mask in flags.items()}
    {'format_mismatch': [False, True, True], 'unparsable': [False, True, True], 'whitespace': [False, True, False], \
'mojibake': [False, False, True]}
    """
    if not (pa.types.is_string(strings.type) or pa.types.is_large_string(strings.type)):
        return {}
    met: dict[str, Mask] = {}
    if checks.pattern is not None:
        met["format_mismatch"] = ~matches(strings, checks.pattern)
    if checks.codes is not None:
        outside = ~_among(strings, tuple(sorted(checks.codes)))
        met["format_mismatch"] = met["format_mismatch"] | outside if "format_mismatch" in met else outside
    if checks.parses:
        met["unparsable"] = ~matches(strings, PARSES)
    if checks.expected is not None:
        met["unseen"] = ~_among(named(strings), checks.expected)
    if checks.sentinels is not None:
        met["sentinel"] = _among(strings, checks.sentinels)
    met["whitespace"] = has_outer_whitespace(strings)
    met["mojibake"] = is_damaged(strings)
    return {name: flags for name, flags in met.items() if flags.any()}


def number_flags(values: Floats, nulls: Mask | None, checks: ColumnChecks) -> dict[str, Mask]:
    """For each counter whether a value meets it; counters that none meets are left out. NaN is a value of its own kind.

    >>> flags = number_flags(np.array([1.0, -999.0, np.nan]), None, ColumnChecks(low=0.0, sentinels=(-999.0,)))
    >>> {name: mask.tolist() for name, mask in flags.items()}
    {'out_of_range': [False, True, False], 'sentinel': [False, True, False]}
    """
    met: dict[str, Mask] = {}
    if checks.low is not None or checks.high is not None:
        low, high = (-np.inf if checks.low is None else checks.low), (np.inf if checks.high is None else checks.high)
        met["out_of_range"] = (values < low) | (values > high)
    if checks.expected is not None:
        met["unseen"] = ~(np.isin(values, np.asarray(checks.expected, dtype=np.float64)) | np.isnan(values))
    for number in checks.sentinels or ():
        same = values == float(number)
        met["sentinel"] = met["sentinel"] | same if "sentinel" in met else same
    if nulls is not None:
        met = {name: flags & ~nulls for name, flags in met.items()}
    return {name: flags for name, flags in met.items() if flags.any()}


def matches(strings: pa.Array, pattern: str) -> Mask:
    """Whether a pattern matches in each string; by RE2, or by Python's ``re`` where RE2 does not know an expression.

    >>> matches(pa.array(["ab", "b"]), "^a(?=b)").tolist()
    [True, False]
    """
    try:
        return _mask(pc.match_substring_regex(strings, pattern))
    except pa.ArrowInvalid:
        compiled = re.compile(pattern)
        return np.array([compiled.search(text) is not None for text in strings.to_pylist()], dtype=np.bool_)


def _mask(flags: pa.Array) -> Mask:
    return np.asarray(pc.fill_null(flags, False).to_numpy(zero_copy_only=False), dtype=np.bool_)


@lru_cache(maxsize=256)
def _value_set(values: tuple[str, ...]) -> pa.Array:
    return pa.array(values, pa.string())


def _among(strings: pa.Array, values: tuple[str, ...] | tuple[float, ...]) -> Mask:
    return _mask(pc.is_in(strings.cast(pa.string()), value_set=_value_set(tuple(str(one) for one in values))))


def has_outer_whitespace(strings: pa.Array) -> Mask:
    """Whether a string begins or ends with a blank, or is nothing but blanks.

    >>> has_outer_whitespace(pa.array(["a", " a", "a\\u00a0", " ", "", "a b"])).tolist()
    [False, True, True, True, False, False]
    """
    data = strings.cast(pa.large_string())
    offsets = np.frombuffer(data.buffers()[1], dtype=np.int64)[data.offset : data.offset + len(data) + 1]
    content = data.buffers()[2]
    mask = np.zeros(len(data), dtype=np.bool_)
    filled = np.flatnonzero(offsets[1:] > offsets[:-1])
    if content is None or not filled.size:
        return mask
    octets = np.frombuffer(content, dtype=np.uint8)
    maybe = filled[_ASCII_WHITESPACE[octets[offsets[filled]]] | _ASCII_WHITESPACE[octets[offsets[filled + 1] - 1]]]
    if maybe.size:
        some = data.take(pa.array(maybe))
        mask[maybe] = _mask(pc.not_equal(pc.utf8_trim_whitespace(some), some))
    return mask


def is_damaged(strings: pa.Array) -> Mask:
    """Whether a string was read in another encoding than it was written in: UTF-8 read as Windows-1252 or Latin-1, or characters
    that were replaced because they could not be read.

    >>> is_damaged(pa.array(["café", "cafÃ©", "caf\\ufffd", "donâ€™t", "Ærø", "plain"])).tolist()
    [False, True, True, True, False, False]
    """
    mask = np.zeros(len(strings), dtype=np.bool_)
    beyond = np.flatnonzero(~_mask(pc.string_is_ascii(strings)))
    if not beyond.size:
        return mask
    some = strings.take(pa.array(beyond))
    maybe = beyond[_mask(pc.match_substring_regex(some, _DAMAGE_CANDIDATE))]
    mask[maybe] = [_is_damaged(text) for text in strings.take(pa.array(maybe)).to_pylist()]
    return mask


def _is_damaged(text: str) -> bool:
    return REPLACEMENT in text or any(_decodes(run.group()) for run in _LATIN_RUN.finditer(text))


def _decodes(run: str) -> bool:
    """Whether letters of Windows-1252 (Latin-1 where it has none) hold bytes that are valid UTF-8 somewhere.

    What would give letters that hardly any text has (U+0180 to U+036F) is taken as it stands: "CAFÉ»" is a quotation's end.
    """
    octets = b"".join(_octet(letter) for letter in run)
    text = octets.decode("utf-8", "replace")
    return any(ord(letter) > 127 and letter != REPLACEMENT and not 0x180 <= ord(letter) < 0x370 for letter in text)


def _octet(letter: str) -> bytes:
    try:
        return letter.encode("cp1252")
    except UnicodeEncodeError:
        return letter.encode("latin-1", "replace")
