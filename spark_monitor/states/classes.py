"""Labels and predictions of any type as classes: one text per class, the same for 4, 4.0 and "4", for true, "True" and 1.

Label tables and prediction tables are written by different programs, so the same class arrives as another type. Both sides are
brought to one canonical text before they are compared; only the distinct values of a batch are looked at one by one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from spark_monitor.errors import StateError
from spark_monitor.states.categorical import named
from spark_monitor.states.grid import Integers

NEGATIVE, POSITIVE = "0", "1"
BINARY_CLASSES = (NEGATIVE, POSITIVE)
NO_CLASS = -1

# A leading zero is kept: "007" is a code, not the number 7. An exponent counts only where a number's text would write one.
_INTEGRAL = re.compile(r"([+-]?)(0|[1-9][0-9]*)(?:\.0*)?")
_DECIMAL = re.compile(r"[+-]?(?:(?:0|[1-9][0-9]*)?\.[0-9]+(?:[eE][+-]?[0-9]{1,3})?|[1-9][0-9]*[eE][+-][0-9]{1,3})")
_SHORT = 64
_BOOLEAN_TEXTS = {"true": POSITIVE, "false": NEGATIVE}


@dataclass(frozen=True, eq=False)
class ClassCodes:
    """The class of every row: ``codes`` int64[n] point into ``classes``; -1 is a row without one (null or NaN).

    >>> labels = canonical_labels(pa.array([1.0, 0.0, None]))
    >>> labels.classes, labels.codes.tolist(), labels.select(np.array([0])).codes.tolist()
    (('0', '1'), [1, 0, -1], [1])
    """

    codes: Integers
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.codes.size and (self.codes.min() < NO_CLASS or self.codes.max() >= len(self.classes)):
            raise StateError(f"classes: a code lies outside the {len(self.classes)} classes.")

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """Which rows have a class."""
        return np.asarray(self.codes != NO_CLASS)

    def select(self, rows: Integers | npt.NDArray[np.bool_] | slice) -> ClassCodes:
        """The same classes for some of the rows."""
        return ClassCodes(self.codes[rows], self.classes)

    def equal_to(self, value: object) -> ClassCodes:
        """The classes "1" where the class is that of ``value`` and "0" where it is another.

        >>> canonical_labels(pa.array(["yes", "no", None])).equal_to("yes").codes.tolist()
        [1, 0, -1]
        """
        label = canonical_label(value)
        table = np.array([*(int(text == label) for text in self.classes), NO_CLASS], dtype=np.int64)
        return ClassCodes(table[self.codes], BINARY_CLASSES)


def canonical_label(value: object) -> str | None:
    """The text of one label's class; None for null and NaN.

    Booleans and "true"/"false" in any case are "1" and "0"; integral numbers and their strings are the integer's digits; other
    numbers are their shortest decimal text; all other strings are stripped of white space. Above 256 bytes a string is named by
    its beginning and a hash.

    >>> [canonical_label(value) for value in (4, 4.0, "4", Decimal("4.00"), " 4.0 ")]
    ['4', '4', '4', '4', '4']
    >>> canonical_label(True), canonical_label("TRUE"), canonical_label("1"), canonical_label(0.5), canonical_label("007")
    ('1', '1', '1', '0.5', '007')
    """
    text = _text(value)
    # Numbers may have hundreds of digits as well.
    return text if text is None or len(text) <= _SHORT else str(named(pa.array([text], type=pa.string()))[0].as_py())


def _text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, (bool, np.bool_)):
        return POSITIVE if value else NEGATIVE
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if isinstance(value, (float, np.floating)):
        return _of_float(value)
    if isinstance(value, Decimal):
        return None if value.is_nan() else _of_text(format(value, "f"))
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    return _of_text(text.strip())


def _of_float(value: float | np.floating[Any]) -> str | None:
    number = float(value)
    if math.isnan(number):
        return None
    if number.is_integer():
        return str(int(number))
    # The shortest text of a float32 is that of its own precision: 0.1, not 0.10000000149011612.
    return repr(float(str(value))) if isinstance(value, np.floating) else repr(number)


def _of_text(text: str) -> str:
    boolean = _BOOLEAN_TEXTS.get(text.lower())
    if boolean is not None:
        return boolean
    integral = _INTEGRAL.fullmatch(text)
    if integral:
        sign = "-" if integral[1] == "-" and integral[2] != "0" else ""
        return sign + integral[2]
    return _of_decimal_text(text) if _DECIMAL.fullmatch(text) else text


def _of_decimal_text(text: str) -> str:
    """The shortest text of the double; the text itself where no double stands for it."""
    number = float(text)
    if math.isinf(number):
        return text
    if not number.is_integer():
        return repr(number)
    # "1.5e3" is an integer; "0.99999999999999999999" only rounds to one and stays what it is.
    exact = Decimal(text)
    return str(int(exact)) if exact == exact.to_integral_value() else text


def canonical_labels(array: pa.Array | pa.ChunkedArray | Sequence[object]) -> ClassCodes:
    """The class of every value of an Arrow array, or of a short sequence; classes are in the order of their strings.

    >>> canonical_labels(pa.array(["b", "a", None, " a"])).codes.tolist()
    [1, 0, -1, 0]
    """
    if not isinstance(array, (pa.Array, pa.ChunkedArray)):
        array = pa.array([canonical_label(value) for value in array], type=pa.string())
    encoded = _dictionary(array)
    names = [canonical_label(value) for value in _distinct_values(encoded.dictionary)]
    classes = tuple(sorted({text for text in names if text is not None}))
    position = {text: code for code, text in enumerate(classes)}
    table = np.array([*(NO_CLASS if text is None else position[text] for text in names), NO_CLASS], dtype=np.int64)
    indices = np.asarray(pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False), dtype=np.int64)
    return ClassCodes(table[indices], classes)


def _dictionary(array: pa.Array | pa.ChunkedArray) -> Any:
    whole = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    if isinstance(whole, pa.ChunkedArray):
        whole = pa.concat_arrays(whole.chunks)
    if pa.types.is_nested(whole.type):
        whole = pa.array([None if value is None else str(value) for value in whole.to_pylist()], type=pa.string())
    if pa.types.is_null(whole.type):
        whole = whole.cast(pa.string())
    if pa.types.is_float16(whole.type):
        whole = whole.cast(pa.float32())
    return whole if pa.types.is_dictionary(whole.type) else whole.dictionary_encode()


def _distinct_values(values: pa.Array) -> Sequence[object]:
    """The values as Python objects; float32 stays float32, because its shortest text is another than that of the double."""
    if pa.types.is_floating(values.type) and not values.null_count:
        return list(values.to_numpy(zero_copy_only=False))
    return list(values.to_pylist())


def threshold_classes(scores: npt.ArrayLike, threshold: float) -> ClassCodes:
    """The classes "1" where score >= threshold and "0" below; a NaN has none.

    >>> threshold_classes([0.5, 0.49, float("nan")], 0.5).codes.tolist()
    [1, 0, -1]
    """
    values = np.asarray(scores, dtype=np.float64)
    codes = np.where(np.isnan(values), NO_CLASS, values >= threshold).astype(np.int64)
    return ClassCodes(codes, BINARY_CLASSES)
