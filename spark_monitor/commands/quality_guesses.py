"""What the first rows of a table suggest about its columns: formats, ranges, unique keys and sentinels, each with its evidence.

No Spark here: one Arrow table in, guesses out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spark_monitor.config.quality import COUNTRIES, NAMED_FORMATS
from spark_monitor.diagnosis.quantities import measured_by
from spark_monitor.kernel.checks import matches
from spark_monitor.text.words import words_of

Section = Literal["formats", "ranges", "unique", "sentinels"]
LEAST_VALUES, LEAST_DISTINCT, LEAST_UNIQUE = 20, 10, 100
MOSTLY: Final = 0.99
LONGEST_SHAPE = 24
_SPECIAL: Final = frozenset(".^$*+?{}[]\\|()")
LEAST_SENTINEL = 3
NUMBER_SENTINELS: Final = (-999, -9999, -99999, -999999, 999, 9999, 99999, 999999, -99, -1)
SIGNED: Final = frozenset(
    (
        *("altitude", "balance", "change", "delta", "deviation", "difference", "diff", "elevation", "gain", "growth", "lat"),
        *("latitude", "lon", "longitude", "margin", "offset", "profit", "residual", "return", "slope", "trend"),
    )
)
"""Words of quantities that go below zero, though a baseline's need not; temperatures are known by their units as well."""

TEXT_SENTINELS: Final = ("n/a", "N/A", "NA", "NULL", "null", "None", "none", "NaN", "nan", "-", "?", "unknown", "UNKNOWN")
FIRST_DAY: Final = "1970-01-01"

FAR_OF_STEPS: Final = 5.0
"""Of few different values the greatest is often the next step of a scale: a sentinel lies so much further than they reach."""

PRICE_ENDING: Final = 0.5
"""Where the digit 9 ends so many of the other values, they are prices, and 999 is one more."""


@dataclass(frozen=True)
class QualityGuess:
    """One line of the section `quality`: what it is about, what is proposed, and what speaks for it."""

    section: Section
    column: str
    value: Any
    evidence: str
    broken: float = 0.0
    """Which percent of the values looked at breaks it."""


def guess_quality(rows: pa.Table, skip: Iterable[str] = ()) -> list[QualityGuess]:
    """Everything that the rows suggest of columns other than those to ``skip``.

    >>> table = pa.table({"mail": [f"u{n}@example.org" for n in range(30)], "share": [n / 30 for n in range(30)]})
    >>> [(one.section, one.column, one.value) for one in guess_quality(table)]
    [('formats', 'mail', 'email'), ('ranges', 'share', [0, 1])]
    """
    guesses: list[QualityGuess] = []
    left_out = set(skip)
    for name in (name for name in rows.column_names if name not in left_out):
        values = rows.column(name).combine_chunks()
        values = values.drop_null() if isinstance(values, pa.Array) else pa.array([], values.type)
        guesses += _of_column(name, values)
    order = {"formats": 0, "ranges": 1, "unique": 2, "sentinels": 3}
    return sorted(guesses, key=lambda one: order[one.section])


def _of_column(name: str, values: pa.Array) -> Iterator[QualityGuess]:
    kind = values.type
    if pa.types.is_dictionary(kind):
        values, kind = values.dictionary_decode(), kind.value_type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        yield from _of_strings(name, values.cast(pa.string()))
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
        yield from _of_numbers(name, np.asarray(values.to_numpy(zero_copy_only=False)), is_whole=pa.types.is_integer(kind))
    elif pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        yield from _of_times(name, values)


def _of_strings(name: str, values: pa.Array) -> Iterator[QualityGuess]:
    distinct = pc.count_distinct(values).as_py()
    sentinels = [text for text in TEXT_SENTINELS if pc.sum(pc.equal(values, text)).as_py()]
    usual = values.filter(pc.invert(pc.is_in(values, value_set=pa.array(sentinels, pa.string())))) if sentinels else values
    if len(usual) >= LEAST_VALUES and distinct >= LEAST_DISTINCT:
        yield from _formats(name, usual)
        yield from _unique(name, len(values), distinct)
    for text in sentinels:
        many = pc.sum(pc.equal(values, text)).as_py()
        if many >= LEAST_SENTINEL and distinct > LEAST_SENTINEL:
            evidence = f"{name} is {text!r} in {many:,} of {len(values):,} values"
            yield QualityGuess("sentinels", name, text, evidence, 100.0 * many / len(values))


def _formats(name: str, values: pa.Array) -> Iterator[QualityGuess]:
    """The first named pattern that nearly all values have, else the shape that all of them share."""
    for pattern, expression in NAMED_FORMATS.items():
        fitting = matches(values, expression)
        if pattern == "country_iso2":
            fitting &= np.asarray(pc.is_in(values, value_set=pa.array(sorted(COUNTRIES))).to_numpy(zero_copy_only=False))
        if fitting.mean() >= MOSTLY:
            shape = common_shape(values) if pattern == "integer" else None
            wanted = shape or pattern
            evidence = f"{int(fitting.sum()):,} of {len(values):,} values have it"
            yield QualityGuess("formats", name, wanted, evidence, 100.0 * (1.0 - float(fitting.mean())))
            return
    shape = common_shape(values)
    if shape is not None:
        yield QualityGuess("formats", name, shape, f"all {len(values):,} values have it")


def common_shape(values: pa.Array) -> str | None:
    """The regular expression of strings that all have digits and letters at the same places.

    >>> common_shape(pa.array(["AB-1234", "XY-0001"])), common_shape(pa.array(["a", "bc"]))
    ('^[A-Z]{2}-[0-9]{4}$', None)
    """
    shapes = {_shape(text) for text in pc.unique(values).to_pylist()}
    shape = shapes.pop() if len(shapes) == 1 else None
    if shape is None or not 2 <= len(shape) <= LONGEST_SHAPE or "9" not in shape:
        return None
    classes = {"9": "[0-9]", "A": "[A-Z]", "a": "[a-z]"}
    parts = []
    for letter, run in groupby(shape):
        many = len(list(run))
        parts.append(
            (classes.get(letter) or (f"\\{letter}" if letter in _SPECIAL else letter)) + (f"{{{many}}}" if many > 1 else "")
        )
    return f"^{''.join(parts)}$"


def _shape(text: str) -> str:
    return re.sub("[0-9]", "9", re.sub("[a-z]", "a", re.sub("[A-Z]", "A", text)))


def _unique(name: str, rows: int, distinct: int) -> Iterator[QualityGuess]:
    if rows >= LEAST_UNIQUE and distinct == rows:
        yield QualityGuess("unique", name, name, f"{name} has {distinct:,} different values in {rows:,}")


def _of_numbers(name: str, values: np.ndarray, *, is_whole: bool) -> Iterator[QualityGuess]:
    finite = values[np.isfinite(values)]
    if finite.size < LEAST_VALUES:
        return
    sentinels = [number for number in NUMBER_SENTINELS if is_sentinel(finite, number)]
    for number in sentinels:
        many = int((finite == number).sum())
        evidence = f"{name} is {number} in {many:,} of {finite.size:,} values"
        yield QualityGuess("sentinels", name, number, evidence, 100.0 * many / finite.size)
    usual = finite[~np.isin(finite, sentinels)]
    distinct = np.unique(usual).size
    if distinct < LEAST_DISTINCT:
        return
    least, greatest = float(usual.min()), float(usual.max())
    evidence = f"from {least:g} to {greatest:g} in {usual.size:,} values"
    # The infinities lie outside of any range.
    outside = 100.0 * (1 - usual.size / np.count_nonzero(~np.isnan(values)))
    if not is_whole and least >= 0 and greatest <= 1:
        yield QualityGuess("ranges", name, [0, 1], evidence, outside)
    elif least >= 0 and not may_be_negative(name):
        yield QualityGuess("ranges", name, [0, None], evidence, outside)
    if is_whole and not sentinels:
        yield from _unique(name, finite.size, distinct)


def may_be_negative(name: str) -> bool:
    """Whether a column is of a quantity that goes below zero, as its name says: that it has not yet says nothing.

    >>> may_be_negative("temperature_c"), may_be_negative("account_balance"), may_be_negative("loan_days")
    (True, True, False)
    """
    measured = measured_by(name)
    return (measured is not None and measured.quantity == "temperature") or not SIGNED.isdisjoint(words_of(name))


def is_sentinel(values: np.ndarray, number: float) -> bool:
    """Whether a number occurs several times, far outside of all others: further than these are apart, and no step of their scale.

    >>> is_sentinel(np.array([1.0, 5.0, 9.0, -999.0, -999.0, -999.0]), -999), is_sentinel(np.array([-1.0] * 9 + [0.0, 1.0]), -1)
    (True, False)
    >>> is_sentinel(np.repeat([0.0, 399.0, 499.0, 999.0], 9), 999)
    False
    """
    same = values == number
    rest = values[~same]
    if same.sum() < LEAST_SENTINEL or not rest.size:
        return False
    apart = rest.min() - number if number < rest.min() else number - rest.max()
    steps = FAR_OF_STEPS if np.unique(rest).size < LEAST_DISTINCT else 1.0
    is_price = number > 0 and bool((rest[rest != 0] % 10 == 9).mean() >= PRICE_ENDING) if rest.any() else False
    return not is_price and bool(apart > max(steps * float(rest.max() - rest.min()), 1.0))


def _of_times(name: str, values: pa.Array) -> Iterator[QualityGuess]:
    days = values.cast(pa.date32()) if not pa.types.is_date32(values.type) else values
    first = int(np.sum(np.asarray(days.cast(pa.int32()).to_numpy(zero_copy_only=False)) == 0))
    if first >= LEAST_SENTINEL and first < len(values):
        yield QualityGuess("sentinels", name, FIRST_DAY, f"{name} is {FIRST_DAY} in {first:,} of {len(values):,} values")


def lines_of(guesses: Sequence[QualityGuess], write: Any, mark: str) -> Iterator[str]:
    """The guesses as lines of the section `quality`, each with its evidence; ``write`` writes a value as YAML does."""
    by_section: dict[str, list[QualityGuess]] = {}
    for guess in guesses:
        by_section.setdefault(guess.section, []).append(guess)
    for section in ("formats", "ranges"):
        if section in by_section:
            yield f"  {section}:"
        for guess in by_section.get(section, ()):
            value = write(guess.value) if isinstance(guess.value, str) else _pair(guess.value)
            yield f"    {write(guess.column)}: {value}   # {mark}; {_one_line(guess.evidence)}"
    for section in ("unique", "sentinels"):
        if section in by_section:
            yield f"  {section}:"
        written: set[str] = set()
        for guess in by_section.get(section, ()):
            value = write(guess.value)
            if value not in written:
                yield f"    - {value}   # {mark}; {_one_line(guess.evidence)}"
            written.add(value)


def _pair(bounds: Sequence[Any]) -> str:
    return f"[{', '.join('null' if bound is None else f'{bound:g}' for bound in bounds)}]"


def _one_line(text: str) -> str:
    """Evidence names values of the data: whatever would end the comment is escaped."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)
