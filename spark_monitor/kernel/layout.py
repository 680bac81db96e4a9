"""How the columns of a kernel's batch are made from a file's: the same values that Spark would hand over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spark_monitor.errors import StateError
from spark_monitor.kernel.conditions import Condition, plain
from spark_monitor.text.quoting import crossed

EXACT_DIGITS = 15
"""Decimals of so many digits are an integer below 2^53 over a power of ten, so one division rounds them correctly."""

UNSIGNED_DIGITS = 20
"""Digits of the largest unsigned integer of 64 bits, which Spark reads as a decimal."""

VIEWS = "string_view", "binary_view"
"""Types that pyarrow has from version 16 on; files hand no column as one of them where it has none."""

SAME_STRINGS = tuple(
    {plain_type, large_type, *([getattr(pa, view)()] if hasattr(pa, view) else [])}
    for plain_type, large_type, view in zip(
        (pa.string(), pa.binary()), (pa.large_string(), pa.large_binary()), VIEWS, strict=True
    )
)
MICROS, TIMESTAMPS = pa.timestamp("us"), pa.timestamp("us", tz="UTC")


class Take(StrEnum):
    """What is taken of a column."""

    VALUE = "value"
    DOUBLE = "double"
    TEXT = "text"
    SIZE = "size"
    FIELDS = "fields"
    PRESENT = "present"


@dataclass(frozen=True)
class FileColumn:
    """A column: its name, its type in the table now (None where only its size or presence counts), and what is taken.

    ``width`` is that of a CHAR column: shorter strings are filled up with spaces, as whoever asks Spark for them gets them.
    """

    name: str
    type: pa.DataType | None
    take: Take = Take.VALUE
    fields: int = 0
    width: int = 0


@dataclass(frozen=True)
class FileSlice:
    """A slice's value: the text of one column, of several side by side, or whether a condition holds."""

    columns: tuple[FileColumn, ...]
    condition: Condition | None = None


@dataclass(frozen=True)
class FileLayout:
    """What is read of every file.

    ``ranges`` are the wanted times as the column stores them (microseconds, days for dates), low included and high left out, in
    order and apart; rows outside, and rows without a time, are left out.
    """

    time: FileColumn
    ranges: tuple[tuple[int, int], ...]
    zone: str
    ids: tuple[str, ...]
    version: FileColumn | str | None
    slices: tuple[FileSlice, ...]
    columns: tuple[FileColumn, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns that place a row: time, ids, version, slices; each once."""
        sliced = [column for slice_ in self.slices for column in slice_.columns]
        version = [self.version] if isinstance(self.version, FileColumn) else []
        return tuple(dict.fromkeys([self.time.name, *self.ids, *(column.name for column in [*version, *sliced])]))

    @property
    def names(self) -> tuple[str, ...]:
        """Every column that is needed, once."""
        return tuple(dict.fromkeys([*self.keys, *(column.name for column in self.columns)]))

    @property
    def string_columns(self) -> frozenset[str]:
        """The columns that are read as dictionaries where the file has them."""
        every = [*self.columns, *(column for slice_ in self.slices for column in slice_.columns)]
        every += [self.version] if isinstance(self.version, FileColumn) else []
        return frozenset(column.name for column in every if column.type is not None and pa.types.is_string(column.type))


class FileRows:
    """Rows of a file: columns by the table's names, those of the path and those that the file lacks included."""

    def __init__(self, arrays: Mapping[str, pa.Array], constants: Mapping[str, str | None], rows: int) -> None:
        self._arrays, self._constants, self._rows = arrays, constants, rows

    @property
    def count(self) -> int:
        """How many rows there are."""
        return self._rows

    def of(self, chosen: pa.Array) -> FileRows:
        """Some of the rows."""
        return FileRows({name: values.take(chosen) for name, values in self._arrays.items()}, self._constants, len(chosen))

    def array(self, column: FileColumn) -> pa.Array:
        """The column's values in the type that the table has now."""
        if column.name in self._constants:
            value = pa.scalar(self._constants[column.name], pa.string())
            return pa.repeat(value.cast(column.type) if column.type is not None else value, self._rows)
        if column.name not in self._arrays:
            return pa.nulls(self._rows, column.type or pa.null())
        stored = self._arrays[column.name]
        values = stored if column.type is None else as_type(stored, column.type, column.name)
        return padded(values, column.width) if column.width else values

    def taken(self, column: FileColumn) -> pa.Array:
        """What the kernel wants of the column."""
        values = self.array(column)
        if column.take is Take.VALUE:
            return values
        if column.take is Take.DOUBLE:
            return doubles(values)
        if column.take is Take.TEXT:
            return self.text(column)
        missing = values.is_null()
        if column.take is Take.SIZE and not pa.types.is_null(values.type):
            return sizes(values)
        constant = pa.scalar(True) if column.take is Take.PRESENT else pa.scalar(column.fields, pa.int32())
        return pc.if_else(missing, pa.scalar(None, constant.type), constant)

    def text(self, column: FileColumn) -> pa.Array:
        """The column's values as text, as a dictionary."""
        values = self.array(column)
        encoded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
        if pa.types.is_string(encoded.dictionary.type):
            return encoded
        return pa.DictionaryArray.from_arrays(encoded.indices, encoded.dictionary.cast(pa.string()))

    def null_ids(self, names: tuple[str, ...]) -> pa.Array:
        """Whether any of the id's columns is null."""
        missing = np.zeros(self._rows, dtype=np.bool_)
        for name in names:
            values = self.array(FileColumn(name, None))
            if values.null_count:
                missing |= np.asarray(values.is_null().to_numpy(zero_copy_only=False))
        return pa.array(missing)

    def slice_value(self, slice_: FileSlice) -> pa.Array:
        """The slice's value as text; null where it has none."""
        if slice_.condition is not None:
            by_name = {column.name: column for column in slice_.columns}
            holds = slice_.condition.of(lambda name: self.array(by_name[name]))
            return pa.DictionaryArray.from_arrays(holds.cast(pa.int8()), pa.array(["false", "true"]))
        if len(slice_.columns) == 1:
            return self.text(slice_.columns[0])
        return crossing([self.text(column) for column in slice_.columns])


def crossing(parts: list[pa.DictionaryArray]) -> pa.DictionaryArray:
    """Strings side by side as ``text.quoting.crossed`` writes them; only the combinations that occur are put together.

    >>> crossing([pa.array(["a", None]).dictionary_encode(), pa.array(["x", "y"]).dictionary_encode()]).to_pylist()
    ['a, x', 'NULL, y']
    """
    dictionaries: list[list[str | None]] = [[*part.dictionary.to_pylist(), None] for part in parts]
    codes = np.zeros(len(parts[0]), dtype=np.int64)
    for part, names in zip(parts, dictionaries, strict=True):
        part_codes = pc.fill_null(part.indices.cast(pa.int64()), len(names) - 1)
        codes = codes * len(names) + np.asarray(part_codes.to_numpy(zero_copy_only=False))
    occurring, places = np.unique(codes, return_inverse=True)
    names = []
    for code in occurring.tolist():
        words = []
        for dictionary in reversed(dictionaries):
            code, place = divmod(code, len(dictionary))
            words.append(dictionary[place])
        names.append(crossed(reversed(words)))
    return pa.DictionaryArray.from_arrays(pa.array(places.astype(np.int32)), pa.array(names, pa.string()))


def padded(values: pa.Array, width: int) -> pa.Array:
    """Strings filled up with spaces to so many characters; longer ones as they are.

    >>> padded(pa.array(["é", "é  ", None]).dictionary_encode(), 2).to_pylist()
    ['é ', 'é  ', None]
    """
    if not pa.types.is_dictionary(values.type):
        return pc.utf8_rpad(values, width)
    strings = pc.utf8_rpad(values.dictionary, width)
    encoded = pa.DictionaryArray.from_arrays(values.indices, strings)
    alike = pc.count_distinct(strings).as_py() < len(strings)  # strings that differed in their last spaces alone
    return encoded.cast(strings.type).dictionary_encode() if alike else encoded


def sizes(values: pa.Array) -> pa.Array:
    """The number of entries of every list or map.

    >>> sizes(pa.array([[("a", 1)], None, []], pa.map_(pa.string(), pa.int64()))).to_pylist()
    [1, None, 0]
    """
    if not pa.types.is_map(values.type):
        return pc.list_value_length(values)
    return pa.array(np.diff(values.offsets.to_numpy()), mask=np.asarray(values.is_null().to_numpy(zero_copy_only=False)))


def doubles(values: pa.Array) -> pa.Array:
    """Decimals as the nearest doubles, as Spark casts them; Arrow's own cast may miss the nearest by one.

    >>> from decimal import Decimal
    >>> doubles(pa.array([Decimal("0.10"), None])).to_pylist()
    [0.1, None]
    """
    if pa.types.is_null(values.type):
        return values.cast(pa.float64())
    if values.type.precision > EXACT_DIGITS or not pa.types.is_decimal128(values.type):
        return values.cast(pa.string()).cast(pa.float64())
    # Of the 16 bytes of a decimal the lower eight hold all of so few digits.
    words = np.frombuffer(values.buffers()[1], dtype=np.int64)[2 * values.offset : 2 * (values.offset + len(values)) : 2]
    numbers = words.astype(np.float64) / 10.0**values.type.scale
    return pa.array(numbers, mask=np.asarray(values.is_null().to_numpy(zero_copy_only=False)))


def as_type(values: pa.Array, target: pa.DataType, name: str) -> pa.Array:
    """A file's values in the table's type: the same, or widened where the table's type was widened since.

    >>> as_type(pa.array([1], pa.int32()), pa.int64(), "x").type
    DataType(int64)
    """
    kind = values.type
    if kind == target or (pa.types.is_dictionary(kind) and kind.value_type == target):
        return values
    if not widens(kind, target):
        raise StateError(f"column {name!r}: {kind} in the file and {target} in the table.")
    if pa.types.is_dictionary(kind):
        return pa.DictionaryArray.from_arrays(values.indices, values.dictionary.cast(target))
    return plain(values).cast(target)


def widens(kind: pa.DataType, target: pa.DataType) -> bool:
    """Whether every value of one type is the same value of another, as Spark reads it.

    Spark goes by Parquet's own types; Arrow also by those of whoever wrote the file, who may have had views of strings, durations
    (integers to Parquet), or nothing but nulls.
    """
    if pa.types.is_dictionary(kind):
        return widens(kind.value_type, target)
    if pa.types.is_signed_integer(kind):
        fits = pa.types.is_signed_integer(target) and target.bit_width > kind.bit_width
        return bool(fits or (target == pa.float64() and kind.bit_width <= 32) or pa.types.is_decimal(target))
    if pa.types.is_unsigned_integer(kind):
        fits = pa.types.is_signed_integer(target) and target.bit_width > kind.bit_width
        return bool(fits or (pa.types.is_decimal(target) and target.precision - target.scale >= UNSIGNED_DIGITS))
    if pa.types.is_timestamp(kind) and pa.types.is_timestamp(target):
        return (kind.tz is None) == (target.tz is None) and kind.unit in ("ms", "us", "s")
    if pa.types.is_decimal(kind) and pa.types.is_decimal(target):
        return bool(target.scale >= kind.scale and target.precision - target.scale >= kind.precision - kind.scale)
    if pa.types.is_null(kind) or pa.types.is_fixed_size_binary(kind):
        return bool(pa.types.is_null(kind) or target == pa.binary())
    widened = {(pa.float32(), pa.float64()), (pa.date32(), MICROS)}
    if (kind, target) in widened or (pa.types.is_duration(kind) and target == pa.int64()):
        return True
    return any(kind in group and target in group for group in SAME_STRINGS)
